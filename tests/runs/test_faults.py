"""Whatever fails in an explanation: training ends as it would have, the cause is told once, what was logged stays."""

import errno
import os
import shutil
import warnings
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from sklearn.linear_model import Ridge as ScikitRidge
from toys import WAVELENGTHS, Classifier, Samples, events, loader, trainer
from traits import Broken, equal

from lime_callback import Explanation, LimeCallback, Superbands, Superpixels, is_explaining
from lime_callback.following import epoch_metrics, followed_view
from lime_callback.publishing import publisher
from lime_callback.publishing.sinks import HistoryFile, read_history
from lime_callback.publishing.sinks.tensorboard import TensorBoardSink
from lime_callback.sampling.designs import Bernoulli

VIEWS = [Superpixels("grid", n_segments=4), Superbands(bands=3)]


class Fault(pl.Callback):
    """Is on from the second epoch."""

    on = False

    def on_fit_start(self, one, module):
        Fault.on = False

    def on_train_epoch_start(self, one, module):
        Fault.on = one.current_epoch > 0


class Model(Classifier):
    """Something happens to its outputs when it is explained."""

    def __init__(self, happens=lambda x, y: y):
        super().__init__()
        self.happens = happens

    def forward(self, x):
        y = super().forward(x)
        return self.happens(x, y) if is_explaining() and Fault.on else y


def fails(error):
    def happens(*_, **__):
        raise error

    return happens


def unless(error, works):
    """``works``, as long as nothing is on."""

    def happens(*args, **settings):
        if Fault.on:
            raise error
        return works(*args, **settings)

    return happens


class BrokenRidge(ScikitRidge):
    def fit(self, *args, **settings):
        return unless(FloatingPointError("the fit broke"), super().fit)(*args, **settings)


class BrokenDesign(Bernoulli):
    def sample(self, n, d, generator):
        return unless(RuntimeError("the design broke"), super().sample)(n, d, generator)


class WrongView(Broken):
    def features(self, inputs, **settings):
        self.calls[0] += 1
        return Superpixels.features(self, inputs if self.calls[0] == 1 else inputs[:, :, :8], **settings)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def patched(owner, name, error):
    return lambda patch, folder: patch.setattr(owner, name, unless(error, getattr(owner, name)))


def in_the_way(patch, folder):
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "lime").write_text("a file of the user's")


def full_disk(patch, folder):
    """The disk fills up while rows are written."""
    works = os.fsync
    patch.setattr(os, "fsync", lambda number: no_space() if Fault.on else works(number))


def later_reports(error):
    """Reports after the first cannot be written, whenever that is tried."""

    def bad(patch, folder):
        works = TensorBoardSink.begin
        patch.setattr(TensorBoardSink, "begin", lambda *given: fails(error)() if given[1].epoch > 1 else works(*given))

    return bad


def no_ink():
    raise RuntimeError("no ink")


def bad_figures(patch, folder):
    """A picture of each view cannot be drawn, from the second epoch on."""
    works = publisher.requests

    def requests(*args):
        return works(*args) | ({"attributions": partial(no_ink)} if Fault.on else {})

    patch.setattr(publisher, "requests", requests)


def row(name, told, happens=None, *, views=True, epochs=(1,), patch=None, **lime):
    """``told`` is said once a view where ``views``; ``epochs`` are those in the history."""
    return pytest.param(happens or (lambda x, y: y), told, views, epochs, patch, lime, id=name)


ALL = (1, 2, 3)
ROWS = [
    row("model raises", "RuntimeError: a bad day", fails(RuntimeError("a bad day"))),
    row("model raises another kind", "KeyError: 'lost'", fails(KeyError("lost"))),
    row("model asserts", "AssertionError: no", fails(AssertionError("no"))),
    row("message that changes", "IndexError: at", lambda x, y: fails(IndexError(f"at {torch.rand(1)}"))()),
    row("message without an end", "RuntimeError: xxx", fails(RuntimeError("x" * 10000))),
    row("NaN", "NaN or infinite outputs for 112 of 112", lambda x, y: y * float("nan")),
    row("infinite", "NaN or infinite outputs for 112 of 112", lambda x, y: y / 0.0),
    row(
        "NaN for some",
        "NaN or infinite outputs",
        lambda x, y: torch.where(torch.arange(len(y))[:, None] % 5 == 0, float("nan"), y),
    ),
    row("no tensor", "an output of a str", lambda x, y: "three"),
    row("another shape", r"Found shape", lambda x, y: y[:, :, None].expand(-1, -1, 2)),
    row("fewer rows", "Found shape", lambda x, y: y[:-1]),
    row("fewer outputs", "`target` should be an index from 0 to 1", lambda x, y: y[:, :2], target=2),
    row("one output", "`output = 'centered'` of a single output is always 0", lambda x, y: y[:, :1], target=2),
    row(
        "other outputs for another batch",
        "of one kind for every batch",
        lambda x, y: y if len(y) < 5 else y[:, :2],
        max_batch_size=7,
    ),
    row("out of memory", "CUDA out of memory", fails(torch.OutOfMemoryError("CUDA out of memory"))),
    row(
        "out of memory on the CPU",
        "can't allocate memory",
        fails(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")),
    ),
    row(
        "user's forward",
        "ValueError: no entry",
        forward=unless(ValueError("no entry"), lambda module, batch: module(batch[0])),
    ),
    row("output function", "ZeroDivisionError", output=unless(ZeroDivisionError("by zero"), lambda y: y)),
    row(
        "baseline function",
        "RuntimeError: the baseline broke",
        baseline=unless(RuntimeError("the baseline broke"), torch.zeros_like),
    ),
    row("baseline of NaN", "NaN", baseline=lambda x: torch.full_like(x, float("nan") if Fault.on else 0.0)),
    row("surrogate", "FloatingPointError: the fit broke", surrogate=BrokenRidge()),
    row("design", "RuntimeError: the design broke", design=BrokenDesign()),
    row("view", "RuntimeError: broken", views=False, epochs=ALL, view=Broken),
    row("view of a wrong shape", "`features` should have a mask", views=False, epochs=ALL, view=WrongView),
    row("figure", "RuntimeError: no ink (In test_faults.py", epochs=ALL, patch=bad_figures),
    row(
        "pictures",
        "RuntimeError: no scene",
        epochs=ALL,
        patch=patched(publisher, "requests", RuntimeError("no scene")),
    ),
    row(
        "TensorBoard away",
        "ConnectionError: the server is away",
        views=False,
        epochs=ALL,
        patch=later_reports(ConnectionError("the server is away")),
    ),
    row(
        "TensorBoard's disk is full",
        "No space left",
        views=False,
        epochs=ALL,
        patch=later_reports(OSError(errno.ENOSPC, "No space left")),
    ),
    row("history on a full disk", "No space left", views=False, patch=full_disk),
    row(
        "history cannot be opened",
        "PermissionError: no",
        views=False,
        patch=patched(HistoryFile, "append", PermissionError("no")),
    ),
    row(
        "rows of the history",
        "RuntimeError: no rows",
        views=False,
        patch=patched(publisher, "history_rows", RuntimeError("no rows")),
    ),
    row(
        "explanation cannot be saved",
        "OSError: read-only",
        views=False,
        epochs=ALL,
        patch=patched(Explanation, "save", OSError("read-only")),
    ),
    row(
        "watch cannot be measured",
        "RuntimeError: no share",
        views=False,
        patch=patched(epoch_metrics, "shares", RuntimeError("no share")),
        watch={"red": [3, 4]},
    ),
    row(
        "drift cannot be compared",
        "RuntimeError: no drift",
        patch=patched(followed_view, "compare", RuntimeError("no drift")),
    ),
]


class Told(list):
    def about(self, text):
        return [one for one in self if text in one]


def run(folder, lime, happens=None, *callbacks, ckpt=None, **settings):
    """The weights after three epochs, and what was said."""
    pl.seed_everything(0, verbose=False)
    model = Model(happens or (lambda x, y: y))
    usual = {"logger": TensorBoardLogger(folder, name="", version="run"), "epochs": 3}
    one = trainer(folder, *([] if lime is None else [lime]), Fault(), *callbacks, **usual | settings)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        one.fit(model, loader(Samples(32), shuffle=True), loader(Samples(32)), ckpt_path=ckpt)
    said = Told(str(one.message) for one in found if "LimeCallback" in str(one.message))
    return {"weights": model.state_dict(), "epochs": one.current_epoch, "state": one.state.status}, said


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    found, _ = run(tmp_path_factory.mktemp("alone"), None)
    return found


def limes(view=None, **settings):
    views = VIEWS if view is None else [view("grid", n_segments=4, name="odd"), *VIEWS]
    usual = {"wavelengths": WAVELENGTHS, "probes": 3, "pictures": False, "views": views}
    usual |= {"n_perturbations": 112, "design": "paired"}  # as many as an interval takes
    return LimeCallback(**usual | settings)


@pytest.mark.parametrize(("happens", "told", "views", "epochs", "patch", "settings"), ROWS)
def test_training_goes_on(request, tmp_path, monkeypatch, alone, happens, told, views, epochs, patch, settings):
    Broken.calls[0] = 0
    if patch is not None:
        patch(monkeypatch, tmp_path)
        settings = settings | {"pictures": True}
        if patch is not bad_figures:
            request.getfixturevalue("blank_pictures")
    found, said = run(tmp_path, limes(**settings), happens)
    assert equal(found, alone)
    # Once a view, or once; never once an epoch.
    about = said.about(told)
    assert len(about) == (2 if views else 1), said
    assert said == about
    assert all("failed and is left out; training goes on" in one for one in about)
    assert all(f"view '{view}'" in one for view, one in zip(("spatial", "spectral"), about, strict=True)) or not views
    # What was logged is there, and can be read.
    rows = read_history(tmp_path / "run" / "lime" / "history.csv")
    assert {row.epoch for row in rows if row.view == "spectral"} == set(epochs)
    logged = events(tmp_path)
    assert len(logged.Scalars("lime/spectral/score")) == len(logged.Scalars("val_loss")) == 3
    if settings.get("pictures"):
        assert logged.Images("lime/spectral/superbands")[0].step == 1


def test_memory_that_does_not_suffice_halves_the_batch(tmp_path, alone):
    sizes = []

    def happens(x, y):
        sizes.append(len(x))
        if len(x) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return y

    found, said = run(tmp_path / "small", limes(max_batch_size=16), happens)
    assert equal(found, alone)
    assert not said
    assert sizes.count(16) == sizes.count(8) == 1  # and never again: the size is remembered
    assert sizes[-1] == 4
    run(tmp_path / "large", limes(max_batch_size=16))
    small, large = (read_history(tmp_path / one / "run" / "lime" / "history.csv") for one in ("small", "large"))
    assert [row.coefficient for row in small] == pytest.approx([row.coefficient for row in large], abs=1e-5)


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), "1"), (SystemExit(7), "7")])
def test_an_interrupt_stops_the_run_as_lightning_does(tmp_path, error, code):
    modes = []

    class Modes(pl.Callback):
        def on_exception(self, one, module, exception):
            modes.extend(module.training for module in module.modules())
            assert not is_explaining()

    kept = ModelCheckpoint(tmp_path / "kept", save_last=True, every_n_epochs=1, save_on_train_epoch_end=True)
    with pytest.raises(SystemExit, match=f"^{code}$"):  # after an interrupt it is Lightning's own
        run(tmp_path, limes(), fails(error), kept, Modes(), enable_checkpointing=True)
    assert modes
    assert not any(modes)  # of a validation: all in evaluation mode, as Lightning had put them
    assert {row.epoch for row in read_history(tmp_path / "run" / "lime" / "history.csv")} == {1}
    assert events(tmp_path).Scalars("lime/spectral/score")
    torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)


def test_something_in_the_way_of_the_folder(tmp_path, alone):
    in_the_way(None, tmp_path)
    found, said = run(tmp_path, limes())
    assert equal(found, alone)
    assert len(said.about("the history file failed")) == 1
    assert (tmp_path / "run" / "lime").read_text() == "a file of the user's"


@pytest.mark.usefixtures("blank_pictures")
def test_wandb_away(tmp_path, monkeypatch, alone):
    monkeypatch.setenv("WANDB_MODE", "offline")
    logger = WandbLogger(save_dir=tmp_path)
    works = logger.experiment.log

    def log(values, *args, **settings):
        if Fault.on and any("attributions" in name for name in values):
            raise ConnectionError("wandb is away")
        return works(values, *args, **settings)

    monkeypatch.setattr(logger.experiment, "log", log)
    found, said = run(tmp_path, limes(pictures=True), logger=logger)
    logger.experiment.finish()
    assert equal(found, alone)
    assert len(said.about("wandb is away")) == len(said) == 1
    (history,) = tmp_path.rglob("history.csv")
    assert {row.epoch for row in read_history(history)} == {1, 2, 3}


def test_a_checkpoint_that_is_gone(tmp_path, alone):
    """A reference that was there when the run was started, and not any more when it is needed."""
    kept = ModelCheckpoint(tmp_path / "kept", save_last=True)
    run(tmp_path / "before", None, None, kept, enable_checkpointing=True)
    path = tmp_path / "kept" / "last.ckpt"

    class Remove(pl.Callback):
        def on_train_start(self, one, module):
            shutil.rmtree(path.parent)

    found, said = run(tmp_path / "after", limes(reference=str(path)), None, Remove())
    assert equal(found, alone)
    assert len(said.about("the reference of view")) == len(said) == 2
    rows = read_history(tmp_path / "after" / "run" / "lime" / "history.csv")
    assert {row.epoch for row in rows} == {1, 2, 3}


def test_a_state_that_cannot_be_read(tmp_path, alone):
    """A checkpoint of another version: explanations begin anew, and the run is resumed."""
    kept = ModelCheckpoint(tmp_path / "kept", save_last=True)
    run(tmp_path / "before", limes(), None, kept, enable_checkpointing=True, epochs=2)
    path = tmp_path / "kept" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    (state,) = (state for name, state in content["callbacks"].items() if "LimeCallback" in name)
    state["tracks"] = {"spatial": {"old": 1}}
    torch.save(content, path)
    kept = ModelCheckpoint(tmp_path / "kept", save_last=True)
    found, said = run(tmp_path / "after", limes(), None, kept, enable_checkpointing=True, ckpt=path)
    assert found["epochs"] == 3
    assert len(said.about("the callback's state in the checkpoint failed and is left out")) == len(said) == 1
    assert {row.epoch for row in read_history(tmp_path / "after" / "run" / "lime" / "history.csv")} == {3}


@pytest.mark.parametrize(
    ("part", "value"),
    [("epoch", "x"), ("step", None), ("tracks", 3), ("said", 7), ("costs", "y"), ("used", "z"), ("alarms", 5),
     ("asked", None)],
)  # fmt: skip
def test_a_damaged_state_begins_anew(tmp_path, alone, part, value):
    """Nothing of it is taken over: the first explanation is the run's first."""
    kept = ModelCheckpoint(tmp_path / "kept", save_last=True)
    run(tmp_path / "before", limes(), None, kept, enable_checkpointing=True, epochs=2)
    path = tmp_path / "kept" / "last.ckpt"
    content = torch.load(path, weights_only=True)
    (state,) = (state for name, state in content["callbacks"].items() if "LimeCallback" in name)
    state[part] = value
    torch.save(content, path)
    lime, kept = limes(), ModelCheckpoint(tmp_path / "kept", save_last=True)
    found, said = run(tmp_path / "after", lime, None, kept, enable_checkpointing=True, ckpt=path)
    assert found["epochs"] == 3
    assert len(said.about("the callback's state in the checkpoint failed and is left out")) == len(said) == 1
    assert {row.epoch for row in read_history(tmp_path / "after" / "run" / "lime" / "history.csv")} == {3}


def test_raise_lets_everything_through(tmp_path):
    with pytest.raises(RuntimeError, match="a bad day"):
        run(tmp_path, limes(on_error="raise"), fails(RuntimeError("a bad day")))
