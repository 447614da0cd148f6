"""Where the time budget is used up, a second baseline, reliance and pictures are left out, which is said once."""

import logging

import pytest
import torch
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.following import second_baseline
from lime_callback.following.explain_context import ExplainContext
from lime_callback.following.run_reliance import RunReliance
from lime_callback.forwards.processes import ALONE
from lime_callback.publishing import publisher


@pytest.fixture
def done(monkeypatch):
    """What was done beside the views' explanations, in order."""
    found = []

    def noted(place, name, what):
        original = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *given: found.append(what) or original(*given))

    noted(second_baseline, "ask", "second baseline")
    noted(RunReliance, "measure", "reliance")
    noted(publisher, "requests", "pictures")
    return found


def run(folder, epochs, **settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 2, "n_perturbations": 64, "every_n_epochs": 1}
    lime = LimeCallback([Superpixels("grid", 4), Superbands(3)], **usual | settings)
    trainer, _ = fit(folder, lime, epochs=epochs)
    return trainer, lime


@pytest.mark.filterwarnings(
    "ignore:.*are degenerate", "ignore:.*is too small"
)  # which is what so small a budget leaves
def test_a_budget_that_is_used_up_leaves_out_what_comes_after_the_forwards(tmp_path, caplog, done):
    with caplog.at_level(logging.INFO):
        trainer, lime = run(tmp_path, 3, time_budget=1e-6)
    assert done == ["pictures"] * 2  # of both views, at the last epoch
    said = [record.message for record in caplog.records if "is used up before all is done" in record.message]
    assert len(said) == 1
    assert "in this order: the look for a second baseline, reliance, and pictures" in said[0]
    assert trainer.callback_metrics["lime/seconds"] > 0
    assert len(lime.explanation("spectral").score) == 2


def test_all_is_done_where_there_is_time_or_no_budget(tmp_path, caplog, done):
    for budget in (None, 600.0):
        done.clear()
        with caplog.at_level(logging.INFO):
            run(tmp_path / str(budget), 2, time_budget=budget)
        once = ["second baseline"] * 2 + ["reliance"] + ["pictures"] * 2
        assert done == [*once, "reliance", "pictures", "pictures"]
    assert "used up" not in caplog.text


def test_all_processes_agree_that_it_is_late(monkeypatch):
    context = ExplainContext(None, 1, ALONE, ends=torch.inf)
    assert not context.is_late()
    monkeypatch.setattr(type(ALONE), "gather", lambda self, value: [value, 1.0])  # another one is late
    assert context.is_late()
    assert not ExplainContext(None, 1, ALONE).is_late()
