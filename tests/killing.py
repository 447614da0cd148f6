"""Trains in processes that are killed, and goes on with them: ``python tests/killing.py moments|places FOLDER``.

This process imports everything once and stays single-threaded; each run is a fork of it, so that one starts within
milliseconds. A run tells by a pipe when an explanation begins and ends.
"""

import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path
from statistics import median

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from toys import WAVELENGTHS, Classifier, loader, trainer

import lime_callback.figures  # noqa: F401 (imported here, and not in each fork)
from lime_callback import Explanation, LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import TensorBoardSink, read_history

EPOCHS, KILLS = 6, 10
FEW = 3  # epochs of the runs that are killed at a place
LONGEST = 200  # seconds of a run, should something hang
PLACES = ("row", "rewinding", "file of the explanation", "event file", "before the checkpoint", "after the checkpoint")
DRAWN = "event file"  # where pictures matter; drawing them takes the most time


class Ended(pl.Callback):
    """Tells when an explanation has ended."""

    def __init__(self, tell):
        self.tell = tell

    def on_validation_epoch_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.tell("ended", trainer.current_epoch)


def train(folder, epochs, tell, pictures=True):
    """Train from the last checkpoint in the folder, or from the beginning where there is none."""
    began = set()

    def forward(module, batch):
        if not module.trainer.sanity_checking and module.current_epoch not in began:
            began.add(module.current_epoch)
            tell("began", module.current_epoch)
        return module(batch[0])

    # Dropout draws from the global generator, whose state no checkpoint holds.
    torch.nn.Dropout.forward = lambda self, x: x
    pl.seed_everything(0, verbose=False)
    lime = LimeCallback(
        [Superpixels("grid", n_segments=4), Superbands(3)], wavelengths=WAVELENGTHS, probes=2, n_perturbations=24,
        pictures=pictures, on_error="raise", forward=forward, every_n_epochs=1,
    )  # fmt: skip
    saving = ModelCheckpoint(folder / "kept", filename="{epoch}", save_top_k=-1)
    logger = TensorBoardLogger(folder, version=0)
    one = trainer(folder, lime, Ended(tell), saving, epochs=epochs, logger=logger, enable_checkpointing=True)
    kept = sorted((folder / "kept").glob("epoch=*.ckpt"), key=lambda path: int(path.stem.removeprefix("epoch=")))
    one.fit(Classifier(), loader(), loader(), ckpt_path=kept[-1] if kept else None)
    tell("trained", one.current_epoch)


class Run:
    """A fork that trains, and what it tells."""

    def __init__(self, folder, epochs=EPOCHS, pictures=True, before=lambda: None):
        self.pipe, theirs = os.pipe()
        self.rest, self.folder = b"", folder
        self.pid = os.fork()
        if self.pid:
            os.close(theirs)
            return
        code = 1
        try:
            signal.alarm(LONGEST)  # outlives nobody
            os.close(self.pipe)
            before()
            train(folder, epochs, lambda what, epoch: os.write(theirs, f"{what} {epoch}\n".encode()), pictures)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(code)

    def told(self, seconds=None):
        """What the run tells next, and of which epoch; ``None`` if it is silent for so long, or has ended."""
        until = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self.rest:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self.pipe], [], [], left)[0] or not (new := os.read(self.pipe, 4096)):
                return None
            self.rest += new
        line, self.rest = self.rest.split(b"\n", 1)
        what, epoch = line.decode().split()
        return what, int(epoch)

    def wait(self):
        """Wait for its end: its exit code, negative for a signal. What it leaves has to be readable."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.pipe)
        for path in self.folder.rglob("*.npz"):
            Explanation.load(path)
        for path in self.folder.rglob("history*.csv"):
            read_history(path)
        return code

    def kill(self, epoch, seconds):
        """Kill it so long after an explanation began, of this epoch or a later one, or at that explanation's end.

        Returns:
            The epoch, and whether the explanation had not ended yet.
        """
        while (told := self.told()) is not None and (told[0] != "began" or told[1] < epoch):
            pass
        assert told is not None, "the run ended before it was killed"
        inside = self.told(seconds) is None
        os.kill(self.pid, signal.SIGKILL)
        code = self.wait()
        assert code == -signal.SIGKILL, code
        return {"epoch": told[1], "inside": inside, "after": round(seconds, 3)}


def whole(folder, epochs, pictures=True):
    """Train without a kill; seconds that explanations take."""
    run, began, took = Run(folder, epochs, pictures), 0.0, []
    while (told := run.told()) is not None:
        if told[0] == "began":
            began = time.monotonic()
        elif told[0] == "ended":
            took.append(time.monotonic() - began)
    assert run.wait() == 0
    return median(took)


def moments(folder):
    """Kill a run at random moments, the first time before there is any checkpoint, and let it end."""
    seconds = whole(folder / "whole", EPOCHS)
    draw = random.Random(0)
    epochs = sorted([0, *draw.choices(range(EPOCHS), k=KILLS - 1)])
    # The history and the explanations are written at the beginning, and pictures take the most time.
    parts = [draw.random() * (0.2 if i % 2 else 0.9) for i in range(KILLS)]
    kills = [Run(folder / "parts").kill(epoch, part * seconds) for epoch, part in zip(epochs, parts, strict=True)]
    last = Run(folder / "parts")
    reached = [told[1] for told in iter(last.told, None) if told[0] == "trained"]
    return {"seconds": seconds, "kills": kills, "reached": reached, "code": last.wait()}


def places(folder):
    """Kill runs where it hurts most, twice each: in the second explanation, and in the first after the resume."""
    for name in ("drawn", "undrawn"):
        whole(folder / name, FEW, name == "drawn")
    found = {}
    for place in PLACES:
        run = folder / place, FEW, place == DRAWN
        codes = [Run(*run, lambda place=place, calls=calls: lay(place, calls)).wait() for calls in (2, 1)]
        found[place] = [*codes, Run(*run).wait()]
    return found


def lay(place, calls):
    """Let this process kill itself at a place, when it is there for the ``calls``-th time."""
    left = [calls]

    def due():
        left[0] -= 1
        return left[0] == 0

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    if place in ("row", "rewinding"):
        sync = os.fsync

        def fsync(descriptor):
            name = "history.csv" if place == "row" else "history.csv.*.part"
            if Path(f"/proc/self/fd/{descriptor}").readlink().match(name) and due():
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - 7)
                kill()
            sync(descriptor)

        if place == "row" or calls == 1:  # the first run has nothing to rewind
            os.fsync = fsync
        else:
            lay("before the checkpoint", calls)
    elif place == "file of the explanation":
        savez = np.savez

        def half(file, **arrays):
            savez(file, **arrays)
            if due():
                file.truncate(file.tell() // 2)
                kill()

        np.savez = half
    elif place == "event file":
        begin = TensorBoardSink.begin

        def torn(self, report):
            begin(self, report)
            if due():
                file = Path(self.logger.experiment.file_writer.event_writer._file_name)
                os.truncate(file, file.stat().st_size - 1000)
                kill()

        TensorBoardSink.begin = torn
    else:
        save = ModelCheckpoint._save_checkpoint

        def saved(self, *arguments):
            now = due()
            if now and place == "before the checkpoint":
                kill()
            save(self, *arguments)
            if now:
                kill()

        ModelCheckpoint._save_checkpoint = saved


if __name__ == "__main__":
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads cannot be forked safely"
    print(json.dumps({"moments": moments, "places": places}[sys.argv[1]](Path(sys.argv[2]))))
