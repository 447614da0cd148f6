"""Another baseline is asked once a run, and what it finds is said where it is the opposite."""

from collections import Counter

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from toys import WAVELENGTHS, Classifier, Samples, fit, loader, trainer

from lime_callback import Explanation, LimeCallback, Superbands, explain
from lime_callback.following import second_baseline
from lime_callback.following.second_baseline import opposite, other
from lime_callback.sampling.baselines import Background, Constant, Data


def callback(**settings):
    return LimeCallback(
        Superbands(3), wavelengths=WAVELENGTHS, target=0, on_error="raise", pictures=False,
        **{"probes": 3, "n_perturbations": 64, "baseline": "zero", "output": "raw"} | settings,
    )  # fmt: skip


def said(caplog):
    return [one.getMessage() for one in caplog.records if "hangs on what hidden elements become" in one.getMessage()]


class Turning(Classifier):
    """The first band counts by its distance from 2: hidden by zeros it gets further away, hidden by the data nearer."""

    def forward(self, x):
        first = x[:, 0].mean((1, 2))
        return torch.stack([-(first - 2).abs(), first, first], 1) + 0 * self.net(x)


class Uneven(Samples):
    """A first channel of 2 in the mean, and of 3.2 or 0.8 in each sample."""

    def __init__(self):
        super().__init__()
        self.x[:, 0] = 2.0 + 1.2 * torch.where(torch.arange(48) % 2 == 0, 1.0, -1.0)[:, None, None]


def test_opposite_signs_are_said_once(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit(tmp_path, callback(), model=Turning, data=Uneven(), epochs=3)
    (text,) = said(caplog)
    assert "view 'spectral'" in text
    assert "`baseline = Constant(value=0.0)`" in text
    assert "`baseline = Data(by='channel')`" in text


def test_nothing_is_said_where_both_agree(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit(tmp_path, callback(baseline=None), epochs=2)
    assert not said(caplog)


class Common(Classifier):
    """The first band raises every logit, and the explained one the least: less the mean of all it falls."""

    def forward(self, x):
        first = x[:, 0].mean((1, 2))
        return torch.stack([first, 2 * first, 3 * first], 1) + 0 * self.net(x)


def test_both_explain_the_same_scale_of_the_output(tmp_path, caplog):
    # Centered, where the labels are classes. All probes have the larger first channel.
    lime = callback(output="auto", probes=[8, 24, 40])
    with caplog.at_level("INFO"):
        fit(tmp_path, lime, model=Common, data=Uneven(), epochs=1)
    assert (lime.explanation("spectral").effects[:, 0, 0].abs() > 0.9).all()
    assert not said(caplog)


def test_nothing_is_asked_without_a_background(tmp_path, caplog):
    with caplog.at_level("INFO"):
        one, _ = fit(tmp_path, callback(background=0), model=Turning, data=Uneven(), epochs=1)
    assert not said(caplog)
    assert (
        one.callback_metrics["lime/forwards"] == 3 * (2**3 + 2) + 3 + 3
    )  # each probe before targets are chosen; a proof of the stem


def test_it_costs_a_quarter_of_the_perturbations_of_two_probes_once(tmp_path):
    forwards = []

    class Look(LimeCallback):
        def on_validation_epoch_end(self, trainer, pl_module):
            super().on_validation_epoch_end(trainer, pl_module)
            if not trainer.sanity_checking:
                forwards.append(float(trainer.callback_metrics["lime/forwards"]))

    lime = Look(
        Superbands(6), wavelengths=WAVELENGTHS, probes=3, n_perturbations=400, design="paired", reliance=False,
        pictures=False,
    )  # fmt: skip
    fit(tmp_path, lime, epochs=2)
    # A probe itself, all of it hidden (the second time by each of sixteen samples), and four curves of six steps. The
    # first explanation proves the model's stem by three inputs, which for sixteen samples does not pay, and before it
    # the targets are chosen.
    each = 3 * (400 + 2 + 4 * 6) + 3
    assert forwards == [3 + each + 2 * (100 + 1 + 16), each]


@pytest.mark.parametrize(("n", "asked"), [(96, True), (60, False)])
def test_it_takes_as_many_perturbations_as_errors_need_or_none(tmp_path, monkeypatch, n, asked):
    """A quarter of 96 pairs is too few for errors, which nothing could exceed."""
    found = []
    monkeypatch.setattr(second_baseline, "opposite", lambda first, second: found.append(second) or Counter())
    lime = callback(n_perturbations=n, design="paired", baseline="data")
    fit(tmp_path, lime, epochs=1)
    assert len(found) == asked
    assert all((one.freedom >= 20).all() and n // 4 < one.n_perturbations <= n for one in found)


class Aside(Classifier):
    """The first output rises with the first band's distance from 2, and the others much faster."""

    def forward(self, x):
        away = (x[:, 0].mean((1, 2)) - 2).abs()
        return torch.stack([away, 5 * away, 5 * away], 1) + 0 * self.net(x)


def test_both_explain_outputs_on_one_scale(tmp_path, caplog):
    """The first output by itself rises, and falls against the mean of all: a difference in what is asked."""
    with caplog.at_level("INFO"):
        fit(tmp_path, callback(baseline=2.0, output="auto"), model=Aside, data=Uneven(), epochs=1)
    assert "as its logit less the mean of all logits" in caplog.text
    assert not said(caplog)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_resumed_run_does_not_say_it_again(tmp_path, caplog):
    def run(epochs, ckpt=None):
        saving = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
        one = trainer(tmp_path, callback(), saving, epochs=epochs, enable_checkpointing=True)
        one.fit(Turning(), loader(Uneven()), loader(Uneven()), ckpt_path=ckpt)

    with caplog.at_level("INFO"):
        run(1)
        assert len(said(caplog)) == 1
        run(2, tmp_path / "epoch=0.ckpt")
        assert len(said(caplog)) == 1


def test_which_baseline_is_the_other():
    assert other(Data()) == Background()
    assert other(Constant()) == other(Background()) == Data()


def made(values, errors) -> Explanation:
    """An explanation of two inputs with these coefficients and errors."""
    from dataclasses import replace

    found = explain(lambda x: x.sum(1), torch.ones(2, 4), torch.arange(4), baseline="zero")
    return replace(
        found,
        coefficients=torch.tensor([values, values]).unsqueeze(1),
        standard_error=torch.tensor([errors, errors]).unsqueeze(1),
    )


@pytest.mark.parametrize(
    ("second", "errors", "found"),
    [
        ([-3.0, 2.0, 1.0, 0.1], 0.1, {"0": 2}),
        ([-3.0, 2.0, 1.0, 0.1], 2.0, {}),  # neither is sure
        ([-3.0, 2.0, 1.0, 0.1], float("inf"), {}),
        ([3.0, 2.0, -0.2, -1.0], 0.05, {}),  # the third is weak in the second, the fourth in the first
        ([3.0, -2.0, -1.0, 0.1], 0.1, {"1": 2, "2": 2}),
    ],
)
def test_only_strong_and_sure_signs_count(second, errors, found):
    first = made([3.0, 2.0, 1.0, 0.2], [0.01] * 4)
    assert dict(opposite(first, made(second, [errors] * 4))) == found
