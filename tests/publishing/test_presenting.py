"""Pictures are drawn in another process and logged in a thread: all of them, in order, whatever happens there."""

import os
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from itertools import count
from pathlib import Path
from threading import current_thread, main_thread

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from logged_names import PICTURES
from toys import WAVELENGTHS, Classifier, Samples, events, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels, figures
from lime_callback.figures.figure_requests import drawn
from lime_callback.publishing import delivery_thread, drawing_process
from lime_callback.publishing.drawing_process import DrawingError, DrawingProcess
from lime_callback.publishing.sinks import Report, Sink
from lime_callback.publishing.sinks.console import Console

PANEL = figures.BarPanel("probe 0", ["a", "b"], np.array([1.0, -2.0]), np.array([0.1, 0.2]))
BARS = partial(figures.feature_bars, [PANEL], limit=2.0)


def unable():
    raise ValueError("no ink")


class StrangeError(Exception):
    """Cannot be made anew of what it keeps."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def strangely_unable():
    raise StrangeError("one", "two")


def quits():
    os._exit(3)


def sleeps():
    time.sleep(60)


@pytest.fixture
def house():
    one = DrawingProcess()
    yield one
    one.close()


def children():
    """The numbers of the processes that draw for this one."""
    numbers = {number for path in Path("/proc/self/task").glob("*/children") for number in path.read_text().split()}
    return {number for number in numbers if b"lime_callback.figures" in Path(f"/proc/{number}/cmdline").read_bytes()}


def test_it_draws_what_would_be_drawn_here(house):
    found, here = house.draw({"bars": BARS}), drawn({"bars": BARS})
    assert np.array_equal(found["bars"], here["bars"])
    assert found["bars"].dtype == np.uint8


def test_a_figure_that_fails_leaves_the_others(house):
    found = house.draw({"first": BARS, "bad": unable, "strange": strangely_unable, "last": BARS})
    assert list(found) == ["first", "bad", "strange", "last"]
    assert np.array_equal(found["first"], found["last"])
    assert isinstance(found["bad"], ValueError)
    assert str(found["bad"]) == "no ink"
    assert "In test_presenting.py, line" in found["bad"].__notes__[0]
    assert isinstance(found["strange"], RuntimeError)
    assert "StrangeError: one and two In test_presenting.py" in str(found["strange"])


def test_one_process_serves_for_long_and_ends_when_asked():
    before, house = children(), DrawingProcess()
    assert children() <= before  # none before it is needed
    for _ in range(3):
        house.draw({"bars": BARS})
        assert len(children() - before) == 1
    house.close()
    assert children() <= before
    assert "bars" in house.draw({"bars": BARS})
    house.close()
    house.close()


def test_it_needs_neither_torch_nor_lightning():
    heavy = ["torch", "lightning", "skimage", "sklearn", "matplotlib.pyplot"]
    code = (
        f"import sys, lime_callback.figures.figure_requests; print([name for name in {heavy} if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_ends_with_the_process_that_asks():
    """Even when that one is killed."""
    code = (
        "import os, signal; from lime_callback.publishing.drawing_process import DrawingProcess;"
        "house = DrawingProcess(); house.draw({});"
        "print(house._process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert gone.returncode == -signal.SIGKILL
    until = time.monotonic() + 20
    while time.monotonic() < until and Path(f"/proc/{int(gone.stdout)}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{int(gone.stdout)}").exists()


def test_an_interrupt_of_the_terminal_does_not_reach_it(house):
    house.draw({"bars": BARS})
    house._process.send_signal(signal.SIGINT)
    assert "bars" in house.draw({"bars": BARS})


def test_requests_that_cannot_be_sent_are_told(house):
    with pytest.raises(DrawingError, match="pickle"):
        house.draw({"bars": lambda: None})
    assert "bars" in house.draw({"bars": BARS})


def test_what_it_is_ended_by_is_told_and_the_other_pictures_are_drawn_again(house):
    found = house.draw({"first": BARS, "bad": quits, "last": BARS})
    assert np.array_equal(found["first"], found["last"])
    assert str(found["bad"]) == "the process that draws has ended, with exit code 3"
    assert isinstance(house.draw({"bars": BARS})["bars"], np.ndarray)


def test_a_picture_that_takes_too_long_is_told(house, monkeypatch):
    house.draw({})  # so that the start does not count
    monkeypatch.setattr(drawing_process, "_PATIENCE", 1.0)
    assert str(house.draw({"bars": sleeps})["bars"]) == "it took longer than 1 s"
    monkeypatch.undo()
    assert isinstance(house.draw({"bars": BARS})["bars"], np.ndarray)  # by a new one


def test_it_is_started_again_when_it_was_killed_but_not_for_ever(house, monkeypatch):
    monkeypatch.setattr(drawing_process, "_MOST_ENDS", 3)
    for _ in range(2):
        house.draw({})
        house._process.kill()
        assert isinstance(house.draw({"bars": BARS})["bars"], np.ndarray)
    house._process.kill()
    told = "the process that draws has ended 3 times, and is not started again"
    assert str(house.draw({"bars": BARS})["bars"]) == told
    house.close()  # the next run begins anew
    assert isinstance(house.draw({"bars": BARS})["bars"], np.ndarray)


def test_what_python_prints_when_it_starts_is_no_answer(house, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('hello ' * 20000, flush=True); print('later')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # as in this process, which has it among its paths
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(house.draw({"bars": BARS})["bars"], np.ndarray)


def test_no_sitecustomize_runs_in_it_alone(house, monkeypatch, tmp_path):
    """One beside the script does not run there, since Python adds the script's folder after its start."""
    seen = tmp_path / "seen"
    (tmp_path / "sitecustomize.py").write_text(f"open({str(seen)!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(house.draw({"bars": BARS})["bars"], np.ndarray)
    assert not seen.exists()


def test_a_frozen_program_does_not_start_itself_again(house, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(DrawingError, match="this program is frozen, and would start itself again"):
        house.draw({"bars": BARS})
    monkeypatch.undo()
    monkeypatch.setattr(sys.modules["__main__"], "__compiled__", True, raising=False)
    with pytest.raises(DrawingError, match="this program is frozen"):
        house.draw({"bars": BARS})
    monkeypatch.undo()
    monkeypatch.setenv("LIME_CALLBACK_DRAWS", "1")  # which every process that draws has
    with pytest.raises(DrawingError, match="this process was itself started to draw"):
        house.draw({"bars": BARS})


def test_it_cannot_be_started(house, monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(DrawingError, match="there is no Python interpreter to start"):
        house.draw({"bars": BARS})
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DrawingError, match="No such file"):
        house.draw({"bars": BARS})


class Kept(Sink):
    """Keeps what it is given; the rest on the training's thread."""

    def __init__(self):
        self.reports, self.rest, self.threads = [], [], []

    def begin(self, report):
        self.reports.append(report)
        self.threads.append(current_thread())
        return partial(self.finally_, report.epoch)

    def finally_(self, epoch):
        self.rest.append((epoch, current_thread()))


def test_reports_come_whole_and_one_behind_the_other():
    sink, presenter = Kept(), delivery_thread.DeliveryThread(Console("lime", "raise"))
    for epoch in range(4):
        presenter.present([sink], Report(epoch, epoch), {"spatial": {"lime/spatial/bars": BARS}})
        assert [one for one, _ in sink.rest] == list(range(epoch))  # what came before is done
    presenter.close()
    assert [report.epoch for report in sink.reports] == [0, 1, 2, 3]
    assert all(set(report.pictures) == {"lime/spatial/bars"} for report in sink.reports)
    assert main_thread() not in sink.threads
    assert sink.rest == [(epoch, main_thread()) for epoch in range(4)]
    assert presenter.is_idle


@pytest.fixture
def gone(monkeypatch):
    """No process can be started."""
    monkeypatch.setattr(drawing_process, "_started", lambda: (_ for _ in ()).throw(PermissionError("not allowed")))


def fit(folder, epochs=3, **settings):
    pl.seed_everything(0, verbose=False)
    lime = LimeCallback(
        [Superpixels("grid", n_segments=4), Superbands(bands=3)], wavelengths=WAVELENGTHS, probes=2,
        n_perturbations=24, **settings,
    )  # fmt: skip
    one = trainer(folder, lime, epochs=epochs, logger=TensorBoardLogger(folder, name="", version="run"))
    one.fit(Classifier(), loader(Samples(32), shuffle=True), loader(Samples(32)))
    return lime


def pictures(folder):
    found = events(folder)
    return {tag: [(one.step, one.encoded_image_string) for one in found.Images(tag)] for tag in found.Tags()["images"]}


def test_without_a_process_they_are_the_same(tmp_path, gone, caplog):
    with caplog.at_level("INFO"):
        fit(tmp_path / "here")
    assert caplog.text.count("the pictures are drawn by the training's own process") == 1
    assert "PermissionError: not allowed" in caplog.text
    assert pictures(tmp_path / "here").keys() == set(PICTURES)


def test_every_picture_of_every_epoch_is_there(tmp_path, monkeypatch):
    fit(tmp_path / "there")
    there = pictures(tmp_path / "there")
    assert there.keys() == set(PICTURES)
    assert all([step for step, _ in of_tag] == [1, 3, 5] for of_tag in there.values())
    monkeypatch.setattr(drawing_process, "_started", lambda: (_ for _ in ()).throw(PermissionError("not allowed")))
    fit(tmp_path / "here")
    assert pictures(tmp_path / "here") == there


def test_nothing_is_left_when_the_run_has_ended(tmp_path):
    import threading

    # What earlier tests left may end meanwhile, so each thread and process is told apart.
    threads, processes = set(threading.enumerate()), children()
    fit(tmp_path)
    assert set(threading.enumerate()) <= threads
    assert children() <= processes


def test_an_interrupted_run_shows_what_it_has_explained(tmp_path):
    class Interrupts(pl.Callback):
        def on_train_batch_start(self, one, module, batch, batch_idx):
            if one.current_epoch == 1:
                raise KeyboardInterrupt

    pl.seed_everything(0, verbose=False)
    lime = LimeCallback(Superpixels("grid", n_segments=4), probes=2, n_perturbations=24)
    one = trainer(tmp_path, lime, Interrupts(), epochs=3, logger=TensorBoardLogger(tmp_path, name="", version="run"))
    with pytest.raises(SystemExit, match=r"^1$"):  # Lightning's own
        one.fit(Classifier(), loader(Samples(32)), loader(Samples(32)))
    assert [step for step, _ in pictures(tmp_path)["lime/spatial/attributions"]] == [1]


def test_a_failure_is_told_while_the_run_goes_on(tmp_path, monkeypatch):
    """By the first batch that comes after it, not at the next explanation."""
    told = []

    class Listens(pl.Callback):
        def on_train_batch_end(self, one, module, outputs, batch, batch_idx):
            until = time.monotonic() + 20
            while one.current_epoch == 1 and not told and time.monotonic() < until:
                told.extend(str(each.message) for each in found if "no disk" in str(each.message))
                lime.on_train_batch_end(one, module, outputs, batch, batch_idx)

    monkeypatch.setattr(
        delivery_thread, "replace", lambda *_, **__: (_ for _ in ()).throw(OSError("no disk")) if not told else None
    )
    lime = LimeCallback(Superpixels("grid", n_segments=4), probes=2, n_perturbations=24, every_n_epochs=5)
    one = trainer(tmp_path, lime, Listens(), epochs=2)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        one.fit(Classifier(), loader(Samples(32)), loader(Samples(32)))
    assert len(told) == 1


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_resumed_run_draws_the_last_explained_epoch_again(tmp_path, monkeypatch):
    """Once, under its own step: the run before may have been killed before that epoch could be seen."""

    def run(folder, epochs, checkpoint=None):
        pl.seed_everything(0, verbose=False)
        kept = ModelCheckpoint(tmp_path / f"kept {next(runs)}", filename="{epoch}", save_top_k=-1)
        lime = LimeCallback(Superpixels("grid", n_segments=4), probes=2, n_perturbations=24, on_error="raise")
        logger = TensorBoardLogger(folder, name="", version="run")
        one = trainer(folder, lime, kept, epochs=epochs, logger=logger, enable_checkpointing=True)
        one.fit(Classifier(), loader(Samples(32)), loader(Samples(32)), ckpt_path=checkpoint)
        return [step for step, _ in pictures(folder)["lime/spatial/attributions"]]

    runs, draw = count(), DrawingProcess.draw
    monkeypatch.setattr(
        DrawingProcess, "draw", lambda *given: time.sleep(1) or draw(*given)
    )  # the checkpoint is there first
    assert run(tmp_path / "whole", 3) == [1, 3, 5]
    checkpoint = tmp_path / "kept 0" / "epoch=1.ckpt"
    (state,) = [one for name, one in torch.load(checkpoint, weights_only=True)["callbacks"].items() if "Lime" in name]
    assert state["step"] == 3
    assert run(tmp_path / "whole", 3, checkpoint) == [1, 3, 5, 3, 5]
    assert run(tmp_path / "new", 3, checkpoint) == [3, 5]
    first, again = (images for _, images in pictures(tmp_path / "whole")["lime/spatial/attributions"][1:4:2])
    assert first == again  # to the last byte
