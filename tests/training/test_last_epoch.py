"""The pictures of the last explained epoch are full, those of the others compact."""

import pytest
from lightning.pytorch.callbacks import Callback
from toys import fit

from lime_callback import LimeCallback, Superpixels
from lime_callback.publishing import publisher


@pytest.fixture
def scales(monkeypatch):
    seen = []
    monkeypatch.setattr(
        publisher.DeliveryThread, "present", lambda self, sinks, report, requests, scale: seen.append(scale)
    )
    return seen


def callback(**settings):
    return LimeCallback(Superpixels("grid", n_segments=4), probes=2, n_perturbations=16, on_error="raise", **settings)


@pytest.mark.parametrize(("every", "expected"), [(1, [1.0, 1.0, 2.0]), (2, [1.0, 2.0])])
def test_the_last_epoch_has_full_pictures(tmp_path, scales, every, expected):
    fit(tmp_path, callback(every_n_epochs=every), epochs=3 if every == 1 else 4)
    assert scales == expected


def test_so_has_an_epoch_after_which_the_run_is_stopped(tmp_path, scales):
    class Stops(Callback):
        def on_validation_start(self, trainer, pl_module):
            trainer.should_stop = trainer.current_epoch == 1

    fit(tmp_path, Stops(), callback(), epochs=9)
    assert scales == [1.0, 2.0]


def test_runs_without_an_end_draw_compact_pictures(tmp_path, scales):
    fit(tmp_path, callback(), epochs=-1, max_steps=6)
    assert scales == [1.0, 1.0]
