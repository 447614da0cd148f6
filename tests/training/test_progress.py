"""Long explanations have a bar beside Lightning's own, and the run is what it is without."""

import logging
import sys
from contextlib import nullcontext
from itertools import pairwise
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.callbacks import RichProgressBar, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from rich.console import Console
from rich.progress import Progress
from toys import WAVELENGTHS, Classifier, classifier, fit

from lime_callback import LimeCallback, Superbands, Superpixels, is_explaining
from lime_callback.forwards import profiler_sections
from lime_callback.publishing.sinks import console
from lime_callback.training import progress_bar

ROWS = 2 * 2 * 64  # of two probes and two views; what is asked besides does not count


class Seen(Tqdm):
    """Keeps what it has shown of explanations."""

    shown: list[tuple[int, int, int]]

    def refresh(self, *args, **kwargs):
        if self.desc.startswith("Explaining"):
            self.shown.append((self.n, self.total, -self.pos))
        return super().refresh(*args, **kwargs)


def tqdm_bar(shown, base=TQDMProgressBar, bar=Seen, **settings):
    class Bar(base):
        def init_train_tqdm(self):
            kind = type("Kind", (bar,), {"shown": shown})
            return kind(desc="Epoch", file=sys.stdout, position=2 * self.process_position, disable=self.is_disabled)

        def left(self):
            return [each.desc for each in Tqdm._instances if each.desc.startswith("Explaining")]

    return Bar(**settings)


def rich_bar(shown):
    class Bar(RichProgressBar):
        def ours(self):
            return [task for task in self.progress.tasks if "Explaining" in task.description and task.visible]

        def refresh(self, hard=False):
            super().refresh(hard)
            shown.extend((task.completed, task.total, 2) for task in self.ours())

        left = ours

    return Bar()


def lime(**settings):
    plain = {"n_perturbations": 64, "design": "bernoulli", "stem": "off", "max_batch_size": 16, "pictures": False}
    views = [Superpixels("grid", n_segments=4), Superbands(3)]
    return LimeCallback(views, wavelengths=WAVELENGTHS, probes=2, **plain | settings)


def finished(shown):
    return [(done, total) for done, total, _ in shown if done == total]


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress_bar, "SECONDS", 0.0)
    monkeypatch.setattr(progress_bar, "_BETWEEN", 0.0)


@pytest.mark.parametrize("make", [tqdm_bar, rich_bar])
@pytest.mark.usefixtures("at_once")
def test_a_bar_counts_all_rows_and_is_gone_at_the_end_and_training_is_the_same(tmp_path, make):
    shown = []
    bar = make(shown)
    _, model = fit(tmp_path, lime(), bar, enable_progress_bar=True)
    assert not bar.left()
    assert finished(shown)[-1] == (ROWS, ROWS)
    assert {total for _, total, _ in shown} == {ROWS}
    counts = [done for done, _, _ in shown]
    assert set(counts) == set(range(16, ROWS + 1, 16))
    assert sum(after < before for before, after in pairwise(counts)) == 1  # two epochs
    assert {place for _, _, place in shown} == {2}  # below the bars of training and validation

    _, without = fit(tmp_path, model=Classifier)
    for name, weight in without.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name


@pytest.mark.usefixtures("at_once")
def test_the_bars_of_the_other_lightning_package_are_known_too(tmp_path):
    shown = []
    bar = tqdm_bar(shown, base=pytorch_lightning.callbacks.TQDMProgressBar)
    fit(
        tmp_path, lime(), bar, model=classifier(pytorch_lightning.LightningModule), kind=pytorch_lightning.Trainer,
        enable_progress_bar=True, epochs=1,
    )  # fmt: skip
    assert finished(shown)[-1] == (ROWS, ROWS)


@pytest.mark.usefixtures("at_once")
def test_rows_of_the_reference_count_where_it_is_explained(tmp_path):
    one, _ = fit(tmp_path, epochs=1)
    one.save_checkpoint(tmp_path / "reference.ckpt")
    shown = []
    reference = str(tmp_path / "reference.ckpt")
    fit(tmp_path, lime(reference=reference), tqdm_bar(shown), enable_progress_bar=True)
    assert list(dict.fromkeys(total for _, total, _ in shown)) == [2 * ROWS, ROWS]
    assert {(2 * ROWS, 2 * ROWS), (ROWS, ROWS)} <= set(finished(shown))


@pytest.mark.parametrize("on_error", ["warn", "raise"])
@pytest.mark.parametrize("make", [tqdm_bar, rich_bar])
@pytest.mark.usefixtures("at_once")
def test_a_bar_is_gone_after_an_error_in_the_model(tmp_path, make, on_error):
    shown = []

    class Failing(Classifier):
        def forward(self, x):
            if is_explaining() and shown and shown[-1][0] > ROWS // 2:
                raise RuntimeError("the model is tired")
            return super().forward(x)

    bar = make(shown)
    told = pytest.raises if on_error == "raise" else pytest.warns
    with told(RuntimeError if on_error == "raise" else UserWarning, match="the model is tired"):
        fit(tmp_path, lime(on_error=on_error), bar, model=Failing, enable_progress_bar=True, epochs=1)
    assert not bar.left()
    assert ROWS // 2 < max(done for done, _, _ in shown) < ROWS


@pytest.mark.usefixtures("at_once")
def test_a_bar_that_cannot_be_drawn_is_told_of_once_and_does_no_harm(tmp_path, recwarn):
    class Torn(Seen):
        def refresh(self, *args, **kwargs):
            super().refresh(*args, **kwargs)
            if self.desc.startswith("Explaining") and self.n == 32:
                raise OSError("the terminal is gone")

        def close(self):
            raised = self.desc.startswith("Explaining") and not self.disable
            super().close()
            if raised:
                raise OSError("the terminal is gone")

    shown, one = [], lime()
    trainer, _ = fit(tmp_path, one, tqdm_bar(shown, bar=Torn), enable_progress_bar=True)
    assert trainer.state.status == "finished"
    assert max(done for done, _, _ in shown) == 32
    assert one.explanation("spatial") is not None
    (told,) = [str(each.message) for each in recwarn if "the terminal is gone" in str(each.message)]
    assert "the progress bar failed and is left out; training goes on" in told


@pytest.mark.usefixtures("at_once")
def test_nothing_is_drawn_where_the_trainer_draws_nothing(tmp_path, capfd):
    fit(tmp_path, lime(), epochs=1)
    fit(tmp_path, lime(), TQDMProgressBar(refresh_rate=0), enable_progress_bar=True, epochs=1)
    fit(tmp_path, lime(), RichProgressBar(refresh_rate=0), enable_progress_bar=True, epochs=1)
    fit(tmp_path, lime(), pl.callbacks.ProgressBar(), enable_progress_bar=True, epochs=1)
    out, err = capfd.readouterr()
    assert "Explaining" not in out + err


def test_only_the_first_process_draws():
    drawn = []
    callback = SimpleNamespace(is_disabled=False, init_train_tqdm=None)
    for rank, heard in enumerate([True, False]):
        trainer = SimpleNamespace(progress_bar_callback=callback, is_global_zero=rank == 0)
        with progress_bar.shown(trainer, nullcontext, 1, 8):
            drawn.append((profiler_sections._listener.get() is not None) == heard)
    assert drawn == [True, True]


def test_it_appears_after_two_seconds_and_ends_with_the_rows_that_there_were(monkeypatch):
    now, shown = [100.0], []
    monkeypatch.setattr(progress_bar.time, "perf_counter", lambda: now[0])

    class Line:
        def show(self, done, total):
            shown.append((done, total))

        def close(self):
            shown.append("closed")

    short = progress_bar._Bar(lambda *_: Line(), nullcontext, sweeps=1, rows=10)
    long = progress_bar._Bar(lambda *_: Line(), nullcontext, sweeps=3, rows=10)
    for bar, done, of, seconds in [
        (short, 0, 10, 0.0), (short, 10, 10, 1.9),
        (long, 0, 10, 0.0), (long, 5, 10, 1.9), (long, 6, 10, 2.0), (long, 7, 10, 2.05), (long, 10, 10, 3.0),
        (long, 0, 4, 3.1), (long, 4, 4, 4.0),  # fewer rows than were expected
        (long, 0, 10, 4.1), (long, 10, 10, 5.0),
    ]:  # fmt: skip
        now[0] = 100.0 + seconds
        bar.advance(done, of)
    short.close()
    assert shown == [(6, 30), (10, 30), (14, 24), (24, 24)]
    long.close()
    assert shown[-1] == "closed"


def test_messages_stand_above_the_bars_of_tqdm(capsys):
    with Tqdm(total=3, file=sys.stdout, desc="Epoch", ncols=40, position=0) as bar:
        bar.refresh()
        before = capsys.readouterr().out
        with console.apart():
            print("said")
        after = capsys.readouterr().out
    assert "Epoch" in before
    cleared, redrawn = after.split("said\n")
    assert "Epoch" not in cleared
    assert "\r" + " " * 40 in cleared
    assert "Epoch" in redrawn


def test_messages_stand_above_the_bars_of_rich(capsys):
    logger, handler = logging.getLogger("lightning"), logging.StreamHandler()
    logger.addHandler(handler)
    try:
        before = handler.stream
        with Progress(console=Console(force_terminal=True, width=60)) as bar:
            bar.add_task("Epoch", total=3)
            with console.apart():
                assert handler.stream is sys.stderr is not before
            assert handler.stream is before
        with console.apart():
            assert handler.stream is before
    finally:
        logger.removeHandler(handler)
