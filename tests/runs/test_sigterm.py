"""A cluster that is about to end the process gets it back within a batch: the explanation ends early, without harm."""

import os
import signal

import lightning.pytorch as pl
import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException
from toys import WAVELENGTHS, Classifier, fit

from lime_callback import Explanation, LimeCallback, Superbands, Superpixels, is_explaining
from lime_callback.forwards.processes import Ranks
from lime_callback.forwards.stop_requests import StopExplaining, stoppable
from lime_callback.publishing.sinks import read_history

VIEWS = [Superpixels("grid", n_segments=4), Superbands(3)]


def callback(**settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 4, "n_perturbations": 96, "pictures": False, "on_error": "raise"}
    return LimeCallback(VIEWS, **usual | {"max_batch_size": 4, "reliance": False} | settings)


CALLS = []  # forwards of the second epoch's explanation


def signalled(at, how):
    """A model to which something happens in a forward of an explanation of the second epoch."""
    CALLS.clear()

    class Model(Classifier):
        def forward(self, x):
            if is_explaining() and not self.trainer.sanity_checking and self.trainer.current_epoch == 1:
                CALLS.append(len(x))
                if len(CALLS) == at:
                    how(self.trainer)
            return super().forward(x)

    return Model


def flagged(trainer):
    trainer._signal_connector.received_sigterm = True


class Lowered(pl.Callback):
    """Lets the training go on, which Lightning would end."""

    def on_validation_end(self, trainer, pl_module):
        trainer._signal_connector.received_sigterm = False


def test_an_explanation_ends_within_a_batch_and_the_next_one_is_sound(tmp_path, caplog):
    caplog.set_level("INFO")
    lime = callback()
    one, _ = fit(tmp_path, lime, Lowered(), model=signalled(5, flagged), epochs=3, num_sanity_val_steps=0)
    assert one.current_epoch == 3
    assert len(CALLS) == 5  # not one more
    (said,) = [record.getMessage() for record in caplog.records if "SIGTERM" in record.getMessage()]
    assert said == "LimeCallback 'lime': SIGTERM was received: this explanation ends early, with no view explained."
    rows = read_history(tmp_path / "lime" / "history.csv")
    assert {row.epoch for row in rows} == {1, 3}
    assert lime._latest.loop.view("spectral").series.epochs == [1.0, 3.0]


def test_views_that_were_explained_are_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    fit(tmp_path / "whole", callback(), model=signalled(-1, flagged), epochs=2, num_sanity_val_steps=0)
    whole = read_history(tmp_path / "whole" / "lime" / "history.csv")
    spatial = len(CALLS) - 10  # the view of bands is the last, and has more than ten batches
    fit(tmp_path, callback(), Lowered(), model=signalled(spatial, flagged), epochs=2, num_sanity_val_steps=0)
    assert "ends early, with view 'spatial' explained" in caplog.text
    rows = read_history(tmp_path / "lime" / "history.csv")
    assert repr(rows) == repr([row for row in whole if row.epoch == 1 or row.view == "spatial"])
    assert all(Explanation.load(tmp_path / "lime" / f"{view}.npz") for view in ("spatial", "spectral"))


@pytest.mark.filterwarnings("ignore:.*SIGTERM")
def test_a_real_signal_ends_the_run_as_lightning_does(tmp_path):
    with pytest.raises(SIGTERMException):
        fit(
            tmp_path, callback(), model=signalled(5, lambda trainer: os.kill(os.getpid(), signal.SIGTERM)), epochs=3,
            num_sanity_val_steps=0,
        )  # fmt: skip
    assert len(CALLS) == 5
    assert {row.epoch for row in read_history(tmp_path / "lime" / "history.csv")} == {1}


def test_all_processes_stop_where_one_is_asked_to(monkeypatch):
    """The others hear of it where they hear of failures, and take it for none."""
    from lime_callback.forwards import processes

    monkeypatch.setattr(processes, "_gathered", lambda value: [value, "StopExplaining: asked to stop"])
    with pytest.raises(StopExplaining), Ranks(0, (0, 1), 2).together():
        pass
    with stoppable(lambda: True), pytest.raises(StopExplaining), Ranks(0, (0, 1), 2).together():
        raise StopExplaining("asked to stop")
