"""What the callback says: it ends no run, is not lost, and says one cause once."""

import logging
import warnings

import pytest
import torch
from toys import WAVELENGTHS, Classifier, Samples, fit

from lime_callback import LimeCallback, Superbands, Superpixels, explain, is_explaining
from lime_callback.publishing.sinks.console import Console


def limes(**settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 2, "n_perturbations": 24, "pictures": False}
    return LimeCallback(**{"views": Superbands(3)} | usual | settings)


def told(caplog, text):
    return [record for record in caplog.records if text in record.getMessage()]


class Broken(Classifier):
    def forward(self, x):
        if is_explaining() and not self.trainer.sanity_checking:
            raise RuntimeError("a bad day")
        return super().forward(x)


@pytest.mark.trouble
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_failure_ends_no_run_and_is_told_where_warnings_are_errors_or_ignored(tmp_path, caplog, action):
    with warnings.catch_warnings():
        if action == "ignore":  # they are errors in all tests
            warnings.simplefilter("ignore")
        one, _ = fit(tmp_path, limes(), model=Broken, epochs=2, num_sanity_val_steps=1)
    assert one.current_epoch == 2
    (record,) = told(caplog, "a bad day")
    assert record.levelno == logging.WARNING
    assert "view 'spectral' failed and is left out; training goes on" in record.getMessage()


@pytest.mark.trouble
def test_a_view_that_warns_is_explained_where_warnings_are_errors(tmp_path, caplog):
    """A band of no channel is left out with a warning; it would fail in the rehearsal, before the training."""
    lime = limes(views=Superbands({"green": [520.0], "swir": (1550.0, 1750.0)}), n_perturbations=64)
    fit(tmp_path, lime, epochs=1)
    assert lime.explanation("spectral").features.names[0] == "green"
    assert len(told(caplog, "view 'spectral': spectral: 'swir' is left out")) == 1


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (36, "for 36 features, 36 perturbations are too few to tell them apart, and no intervals are stated"),
        (71, "for 36 features, 71 perturbations are few, so that intervals are long"),
        (72, None),
    ],
)
def test_few_perturbations_are_told_before_the_training(tmp_path, caplog, n, said):
    begun = []

    class Noting(Classifier):
        def on_train_epoch_start(self):
            begun.append(len(told(caplog, "for 36 features")))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as of fits without intervals
        caplog.set_level(logging.INFO)
        fit(tmp_path, limes(views=Superpixels("grid", 36), n_perturbations=n), model=Noting, epochs=1)
    records = told(caplog, "for 36 features")
    assert begun == [0 if said is None else 1]
    if said is not None:
        assert said in records[0].getMessage()
        assert "pass `n_perturbations=72` or more" in records[0].getMessage()
        assert not told(caplog, "few for 36 features")  # which the fit says of its rows


def test_a_message_shows_no_line_of_code():
    with pytest.warns(UserWarning, match="is odd") as said:
        Console("lime").once("something is odd.")
    (one,) = said
    shown = warnings.formatwarning(str(one.message), one.category, one.filename, one.lineno)
    assert shown.strip() == "lime_callback:1: UserWarning: LimeCallback 'lime': something is odd."


def test_one_cause_is_one_message_whatever_its_numbers(recwarn):
    console = Console("lime")
    for features in (46, 47, 48, 49):
        console.degenerate("spatial", dict.fromkeys(range(2), f"24 rows are too few for {features} features"))
    (said,) = recwarn
    assert "the explanations of probes 0, 1 by view 'spatial' are degenerate: 24 rows" in str(said.message)


def test_many_probes_of_one_cause_are_counted():
    with pytest.warns(UserWarning, match="probes 0, 1, 2, 3, 4, 5, 6, 7 and 56 more by view 'spatial'"):
        Console("lime").degenerate("spatial", dict.fromkeys(range(64), "the output does not change"))


def test_many_constant_inputs_are_one_warning():
    features = Superbands(3).features(x := torch.rand(64, 3, 2, 2))
    with pytest.warns(UserWarning, match="input 0 is degenerate: .*; so are those of 63 more, up to input 63") as said:
        explain(lambda rows: torch.ones(len(rows)), x, features, 0, n_perturbations=16)
    assert len(said) == 1


def test_what_is_not_felt_is_not_said(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    fit(tmp_path / "short", limes(n_perturbations=512), data=Samples(8), epochs=2)
    assert told(caplog, "explaining took") == []


def test_what_was_not_compared_has_not_failed_to_settle(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    fit(tmp_path / "one", limes(), epochs=1)
    fit(tmp_path / "gated", limes(gate=1.0), epochs=2)
    assert told(caplog, "settled") == []
    fit(tmp_path / "two", limes(), epochs=2)
    assert len(told(caplog, "settled")) == 1
