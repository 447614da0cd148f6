"""Every way to run a trainer, and a budget of time."""

import logging

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.profilers import SimpleProfiler
from torch.utils.data import DataLoader
from toys import WAVELENGTHS, Classifier, Samples, Still, events, fit, loader, trainer
from traits import Stream, TwoLoaders, batches, limes

from lime_callback import Features, LimeCallback, Superbands, explain, is_explaining
from lime_callback.comparing.drift import compare
from lime_callback.explaining.explain_batch import explain_batch
from lime_callback.explaining.explanation_from_fit import refitted_like
from lime_callback.explaining.input_checks import fingerprint
from lime_callback.explaining.strategies import Strategies
from lime_callback.following.time_budget import TimeBudget, affordable
from lime_callback.publishing.sinks import read_history
from lime_callback.sampling.designs import Bernoulli, Paired
from lime_callback.surrogates.linear_models import Lasso, Ridge
from lime_callback.training import perturbation_count


def history(folder):
    return read_history(folder / "lime" / "history.csv")


def started(folder, lime, model=Classifier, train=batches, val=batches, **settings):
    model, calls = model(), []
    step = model.training_step
    model.training_step = lambda batch, batch_idx: calls.append(batch_idx) or step(batch, batch_idx)
    one = trainer(folder, lime, **settings)
    return one, model, calls, (train(), val())


def test_test_explains_the_test_set(tmp_path):
    lime = limes()
    one, model = fit(tmp_path, lime, logger=TensorBoardLogger(tmp_path, version=0))
    before = lime.explanation("spectral")
    other = Samples(size=9)
    other.x += 3
    (found,) = one.test(model, loader(other), verbose=False)
    assert found["lime/test/spectral/score"] != one.callback_metrics.get("lime/spectral/score")
    assert not [name for name in found if name.startswith("lime/") and not name.startswith("lime/test/")]
    after = lime.explanation("spectral")
    assert not torch.equal(before.fingerprint, after.fingerprint)
    (folder,) = tmp_path.rglob("lime")
    assert {row.epoch for row in history(folder.parent)} == {1, 2}
    assert {row.epoch for row in read_history(folder / "test" / "history.csv")} == {2}
    # Two epochs were trained, also after they have ended.
    assert lime._latest.loop.view("spectral").series.epochs == [2.0]
    # The state that a checkpoint takes is that of the validation.
    assert lime.state_dict()["fingerprint"].equal(before.fingerprint.double())


@pytest.mark.usefixtures("blank_pictures")
def test_pictures_of_a_test_have_a_place_of_their_own(tmp_path):
    lime = limes(pictures=True, views=[Superbands(bands=3)])
    one, model = fit(tmp_path, lime, epochs=1)
    one.test(model, loader(), verbose=False)
    assert len([*(tmp_path / "lime" / "spectral" / "superbands").glob("*.png")]) == 1
    assert len([*(tmp_path / "lime" / "test" / "spectral" / "superbands").glob("*.png")]) == 1


def test_validations_outside_of_a_training_have_a_place_of_their_own(tmp_path):
    """Before it and after it, also several times: the run's history has the epochs that were trained alone."""
    lime, model = limes(), Classifier()
    one = trainer(tmp_path, lime)
    (before,) = one.validate(model, batches(), verbose=False)
    assert before["lime/validate/spectral/score"] > 0
    again = trainer(tmp_path, lime)
    again.fit(model, batches(), batches())
    run = read_history(tmp_path / "lime" / "history.csv")
    assert sorted({(row.epoch, row.epochs) for row in run}) == [(1, 1.0), (2, 2.0)]
    trained = lime.explanation("spectral")
    for _ in range(2):
        (after,) = again.validate(model, batches(), verbose=False)
        assert after["lime/validate/spectral/score"] > 0
        assert not [name for name in after if name.startswith("lime/spectral")]
    assert repr(read_history(tmp_path / "lime" / "history.csv")) == repr(run)
    for folder, epochs in (("validate", (0, 0.0)), ("validate_1", (2, 2.0)), ("validate_2", (2, 2.0))):
        alone = read_history(tmp_path / "lime" / folder / "history.csv")
        assert {(row.epoch, row.epochs) for row in alone} == {epochs}
        assert len(alone) == len({row[:6] for row in alone})
    assert torch.equal(lime.explanation("spectral").fingerprint, trained.fingerprint)  # of the same samples


def test_another_set_that_is_validated_is_explained_by_its_own_samples(tmp_path):
    lime = limes()
    one, model = fit(tmp_path, lime, epochs=1)
    trained = lime.explanation("spectral")
    other = Samples()
    other.x = other.x + 3
    one.validate(model, loader(other), verbose=False)
    assert not torch.equal(lime.explanation("spectral").fingerprint, trained.fingerprint)


@pytest.mark.parametrize("way", ["validate", "test"])
def test_a_finished_model_is_explained_and_its_table_has_no_comparison(tmp_path, way):
    """Called twice, each call has rows of its own; the run and its state know nothing of it."""
    lime = limes()
    one, model = fit(tmp_path, lime, epochs=2)
    one.save_checkpoint(tmp_path / "best.ckpt")
    before, rows = lime.state_dict(), history(tmp_path)
    for number, folder in enumerate([way, f"{way}_1"]):
        data = Samples(size=24)
        data.x = data.x + number
        (found,) = getattr(one, way)(model, loader(data), ckpt_path=tmp_path / "best.ckpt", verbose=False)
        names = {name.rpartition("/")[2] for name in found if name.startswith("lime/")}
        assert {"score", "score_min", "gated"} <= names
        assert not names & {"drift", "changed", "moved", "rank_correlation", "top5_overlap", "settled", "noise_floor"}
        own = read_history(tmp_path / "lime" / folder / "history.csv")
        assert len(own) == len({row[:6] for row in own}) > 0
    assert repr(history(tmp_path)) == repr(rows)
    after = lime.state_dict()
    assert after["epoch"] == before["epoch"] == 1
    assert torch.equal(after["fingerprint"], before["fingerprint"])


@pytest.mark.parametrize("way", ["validate", "test"])
def test_wrong_arguments_raise_where_a_finished_model_is_explained(tmp_path, way):
    one, steps = trainer(tmp_path, LimeCallback(Superbands(bands=3), wavelengths=WAVELENGTHS[:5])), []
    model = Classifier()
    model.validation_step = model.test_step = lambda batch, batch_idx: steps.append(batch_idx)
    with pytest.raises(ValueError, match="`wavelengths` should"):
        getattr(one, way)(model, batches(), verbose=False)
    assert not steps  # before hours of work are lost


@pytest.mark.filterwarnings("ignore:.*(no `val_dataloader`|across ranks is zero)")
@pytest.mark.parametrize(
    ("val", "settings"),
    [(lambda: None, {}), (batches, {"limit_val_batches": 0}), (lambda: DataLoader([]), {})],
    ids=["no loader", "no batches", "empty loader"],
)
def test_without_validation_training_samples_are_explained(tmp_path, val, settings):
    lime = limes()
    stopping = EarlyStopping("lime/spectral/score", mode="max", patience=9)
    kept = ModelCheckpoint(tmp_path / "kept", monitor="lime/spectral/score", mode="max")
    one = trainer(tmp_path, stopping, lime, kept, epochs=3, enable_checkpointing=True, **settings)
    one.fit(Classifier(), batches(shuffle=True), val())
    assert one.current_epoch == 3
    assert {row.epoch for row in history(tmp_path)} == {1, 2, 3}
    assert kept.best_model_score is not None


def test_probes_of_several_loaders(tmp_path):
    lime = limes(probes=4)
    one, model, _, data = started(tmp_path, lime, TwoLoaders, val=lambda: [batches(), batches()])
    one.fit(model, *data)
    found = lime.explanation("spectral").fingerprint.double()
    known = fingerprint(torch.stack([image for image, _ in batches().dataset])).double()  # of either
    places = [int((known - own).abs().amax(1).argmin()) for own in found]
    torch.testing.assert_close(found, known[places])
    assert places[0] < places[1]
    assert places[2] < places[3]  # two of each, in the order of the loader


def test_iterable_data(tmp_path):
    one, model, _, data = started(tmp_path, limes(), val=lambda: DataLoader(Stream(), 8))
    one.fit(model, *data)
    assert {(row.epoch, row.probe) for row in history(tmp_path)} == {(e, p) for e in (1, 2) for p in range(3)}


@pytest.mark.parametrize("settings", [{"check_val_every_n_epoch": 2}, {"val_check_interval": 1}, {"max_steps": 5}])
@pytest.mark.usefixtures("blank_pictures")
def test_media_and_curves_share_their_steps(tmp_path, settings):
    settings = {"epochs": 4} | settings
    lime = limes(pictures=True, views=[Superbands(bands=3)])
    fit(tmp_path, lime, logger=TensorBoardLogger(tmp_path, version=0), **settings)
    found = events(tmp_path)
    steps = [one.step for one in found.Scalars("val_loss")]
    assert steps
    assert [one.step for one in found.Scalars("lime/spectral/score")] == steps
    assert [one.step for one in found.Images("lime/spectral/superbands")] == steps


@pytest.mark.parametrize(
    "settings",
    [
        {"num_sanity_val_steps": 0},
        {"num_sanity_val_steps": 0, "check_val_every_n_epoch": 2},
        {"fast_dev_run": True},
        {"num_sanity_val_steps": 1},
    ],
)
def test_wrong_arguments_raise_before_training_in_every_way_to_run(tmp_path, settings):
    lime = LimeCallback(Superbands(bands=3), wavelengths=WAVELENGTHS[:5])
    one, model, calls, data = started(tmp_path, lime, **settings)
    with pytest.raises(ValueError, match="`wavelengths` should"):
        one.fit(model, *data)
    assert not calls


def test_the_flag(tmp_path):
    seen = []

    class Asks(Classifier):
        def forward(self, x):
            seen.append((is_explaining(), torch.is_grad_enabled()))
            return super().forward(x)

    fit(tmp_path, limes(), model=Asks)
    assert {(True, False), (False, True), (False, False)} == set(seen)
    assert not is_explaining()


@pytest.mark.parametrize(
    ("value", "expected"), [(3, TimeBudget(3.0)), ("20%", TimeBudget(share=0.2)), ("7.5 %", TimeBudget(share=0.075))]
)
def test_budgets(value, expected):
    assert TimeBudget.of(value) == expected
    assert expected.allowed(10.0) == (3.0 if expected.seconds else expected.share * 10)


def test_what_time_affords():
    assert affordable(256, 2, fixed=1, each=0.1, allowed=30) == 256
    assert affordable(256, 2, fixed=1, each=0.1, allowed=20) == 128
    assert affordable(256, 2, fixed=1, each=0.1, allowed=0.1) == 16
    assert affordable(250, 2, fixed=0, each=0.1, allowed=13) == 124  # whole pairs
    assert affordable(10, 2, fixed=0, each=1, allowed=0.1) == 10


@pytest.mark.filterwarnings("ignore:.*are degenerate. its 16 perturbations")  # which is what so small a budget leaves
def test_a_budget_uses_a_prefix_of_the_design_and_says_so(tmp_path, caplog):
    lime = limes(n_perturbations=128, design="paired", time_budget=1e-6)
    with caplog.at_level(logging.INFO), pytest.warns(UserWarning, match="the time budget of 1e-06 s is too small: 16"):
        one, _ = fit(tmp_path, lime, epochs=3)
    said = [record.message for record in caplog.records if "affords" in record.message]
    assert said == [
        "LimeCallback 'lime': the time budget of 1e-06 s affords 16 of 128 perturbations, the first ones of each "
        "design; the errors grow accordingly."
    ]
    assert one.callback_metrics["lime/perturbations"] == 16
    assert one.callback_metrics["lime/forwards"] == 2 * (
        3 * (16 + 2) + 3
    )  # as it is, all hidden, and a proof of the stem
    assert lime.explanation("spectral").n_perturbations == 16
    full = limes(n_perturbations=128, design="paired")
    fit(tmp_path / "full", full, epochs=3)
    assert full.explanation("spectral").samples.design[:, :16].equal(lime.explanation("spectral").samples.design)


def test_epochs_stay_comparable_when_fewer_perturbations_are_used(tmp_path):
    """From the second epoch on a quarter is used; a model that does not change still has drift 0, exactly."""

    class Less(LimeCallback):
        def on_train_epoch_end(self, one, module):
            self._validation._count.used = 32
            super().on_train_epoch_end(one, module)

    lime = Less(Superbands(bands=3), wavelengths=WAVELENGTHS, probes=3, n_perturbations=128, pictures=False)
    one, _ = fit(tmp_path, lime, model=Still, epochs=3)
    assert one.callback_metrics["lime/perturbations"] == 32
    for what in ("drift", "drift_from_start", "changed"):
        assert one.callback_metrics[f"lime/spectral/{what}"] == 0


@pytest.mark.parametrize("surrogate", [Ridge(), Ridge(0.1), Lasso(1e-5)])
@pytest.mark.parametrize("design", [Bernoulli(), Paired()])
def test_a_shortened_explanation_is_that_of_its_prefix(surrogate, design):
    x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    features = Features.from_mask(torch.arange(4).view(1, 4, 1, 1))

    def model(images):
        return 50 * images.tanh().mean((2, 3)) ** 2

    given = {"design": design, "surrogate": surrogate}
    whole = explain(model, x, features, **given, n_perturbations=256)
    fewer = explain(model, x, features, **given, n_perturbations=128)
    short = refitted_like(whole, fewer, surrogate)
    assert refitted_like(whole, whole, surrogate) is whole
    assert short.n_perturbations == 128
    for name in ("coefficients", "standard_error", "intercept", "score", "fit_score", "gap", "freedom"):
        torch.testing.assert_close(getattr(short, name), getattr(fewer, name))
    # The first rows alone.
    samples = short.samples
    assert samples.design.equal(whole.samples.design[:, :128])
    assert samples.outputs.equal(whole.samples.outputs[:, :128])
    assert not torch.equal(short.coefficients, whole.coefficients)


def test_a_half_of_pairs_is_compared_with_the_same_rows_of_all():
    """Few pairs are left as single rows; the explanation before is fitted to the same ones, and nothing has moved."""
    x, features = torch.ones(2, 50, dtype=torch.float64), Features.from_mask(torch.arange(50)[None])

    def model(rows, _=None):
        return rows.sum(1).sin() + rows[:, :3].prod(1)

    given = {"settings": Strategies(n_perturbations=256, baseline="zero"), "batch_size": 512, "seeds": [1, 2]}
    whole, half = (explain_batch(model, x, features, 0, **given, used=used).explanation for used in (None, 128))
    assert (whole.samples.group, half.samples.group) == (2, 1)
    short = refitted_like(whole, half, Ridge())
    assert torch.equal(short.samples.design, half.samples.design)
    for name in (
        "coefficients",
        "standard_error",
        "intercept",
        "score",
        "fit_score",
        "gap",
        "freedom",
        "effective_rows",
    ):
        torch.testing.assert_close(getattr(short, name), getattr(half, name))
    assert (compare(short, half).drift.abs() < 1e-12).all()  # outputs of other batches differ by rounding


def test_an_explanation_longer_than_training_says_so_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(perturbation_count, "FELT", 0.0)
    with caplog.at_level(logging.INFO):
        fit(tmp_path, limes(n_perturbations=512, every_n_epochs=1), epochs=3)
    said = [record.message for record in caplog.records if "longer than" in record.message]
    assert len(said) == 1
    assert "`every_n_epochs`" in said[0]
    assert "`time_budget`" in said[0]


def test_the_profiler_has_a_section_for_each_part_of_an_explanation(tmp_path):
    profiler = SimpleProfiler()
    fit(tmp_path, limes(pictures=True), profiler=profiler, logger=TensorBoardLogger(tmp_path, version=0))
    took = {name: sum(calls) for name, calls in profiler.recorded_durations.items()}
    whole = took.pop("[LimeCallback]explain")
    parts = {name: seconds for name, seconds in took.items() if name.startswith("[LimeCallback]")}
    parts.pop("[LimeCallback]waiting", None)  # of epochs that come before the last one is drawn
    stages = ("features", "forwards", "fit", "drift", "reliance", "drawing", "logging")
    assert set(parts) == {f"[LimeCallback]{n}" for n in stages}
    assert sum(parts.values()) <= whole
