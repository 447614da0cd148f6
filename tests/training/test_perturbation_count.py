"""How many perturbations a budget of time affords: the median of the last epochs decides, and the number comes back."""

import logging

import pytest
from toys import WAVELENGTHS, Still, fit

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks.console import Console
from lime_callback.training.perturbation_count import PerturbationCount

CHEAP, COSTLY = 0.1, 10.0  # seconds a perturbation, where a budget of 10 s affords 64 of the one and 16 of the other


@pytest.fixture
def count():
    lime = LimeCallback(Superbands(3), wavelengths=WAVELENGTHS, n_perturbations=64, time_budget=10.0)
    return PerturbationCount(lime.config, Console("lime", "warn"))


def used(count, *costs, allowed=10.0):
    found = []
    for each in costs:
        count.keep(0.0, each, allowed)
        found.append(count.used)
    return found


def test_one_costly_epoch_among_cheap_ones_changes_nothing(count):
    assert used(count, CHEAP, COSTLY, CHEAP, CHEAP, COSTLY, CHEAP) == [64] * 6


@pytest.mark.filterwarnings("ignore:.*is too small")
def test_costly_epochs_use_fewer_and_cheap_ones_more_again(count, caplog):
    with caplog.at_level(logging.INFO):
        assert used(count, CHEAP, CHEAP, COSTLY, COSTLY, COSTLY, CHEAP, CHEAP) == [64, 64, 64, 16, 16, 16, 64]
    said = [text for text in caplog.messages if "affords" in text]
    assert len(said) == 2
    assert "affords 16 of 64 perturbations, the first ones of each design" in said[0]
    assert "affords 64 of 64 perturbations again" in said[1]


@pytest.mark.filterwarnings("ignore:.*is too small")
def test_a_costly_first_epoch_is_not_for_good(count):
    """It also starts and compiles what later ones find ready."""
    assert used(count, COSTLY, CHEAP, CHEAP) == [16, 64, 64]


def test_the_number_does_not_swing_where_the_budget_is_just_met(count):
    """At 0.17 s, 64 do not fit into 10 s, and at 0.15 s they do, but with less than a fifth to spare."""
    assert used(count, *[0.17] * 3, *[0.15] * 4, *[0.12] * 3) == [32] * 8 + [64] * 2


def test_a_share_of_the_validation_is_measured_against_its_own_epoch(count):
    """Where validation and explanation take ten times as long, as on a device that others use, nothing changes."""
    for allowed in (10.0, 100.0, 10.0, 100.0, 100.0):
        assert used(count, 0.1 * allowed / 10, allowed=allowed) == [64]


def test_epochs_stay_comparable_when_more_perturbations_are_used_again(tmp_path):
    """256, then 128, then 256: a model that does not change has drift 0, exactly, and the first keeps its rows."""
    drifts = []

    class Changes(LimeCallback):
        def on_train_epoch_end(self, trainer, module):
            self._validation._count.used = 128 if trainer.current_epoch == 0 else 256
            super().on_train_epoch_end(trainer, module)

        def on_validation_end(self, trainer, module):
            super().on_validation_end(trainer, module)
            if not trainer.sanity_checking:
                drifts.append({name: float(trainer.callback_metrics[f"lime/spatial/{name}"]) for name in CHANGES})

    usual = {"probes": 3, "n_perturbations": 256, "design": "paired", "pictures": False, "every_n_epochs": 1}
    lime = Changes(Superpixels("grid", 9), **usual)
    fit(tmp_path, lime, model=Still, epochs=4)
    assert len(drifts) == 4
    assert all(value == 0 for drift in drifts[1:] for value in drift.values())
    followed = lime._validation.loop.view("spatial")
    assert (followed.first.n_perturbations, followed.last.n_perturbations) == (256, 256)


CHANGES = ("drift", "drift_from_start", "changed", "moved", "moved_from_start")
