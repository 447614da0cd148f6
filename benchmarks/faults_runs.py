"""What a planted fault is, what a run with it is, and how such a run is made and followed."""

from __future__ import annotations

import gc
import logging
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import lightning.pytorch as pl
import torch
from faults_data import DATA
from faults_models import EPOCHS, MODELS
from quiet_training import begin, make_trainer

from lime_callback import LimeCallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.utils.data import DataLoader

DOSES = ("small", "medium", "large")
LATE = 2  # explained epochs after the first with the fault, in which it may still be told in time


class Truth(NamedTuple):
    """Whether the run does what was planted, by a direct test of the model without the callback.

    Attributes:
        there: whether it does.
        figure: what was measured, such as the share of the predictions that change when the planted bands are swapped.
    """

    there: bool
    figure: float


@dataclass(frozen=True)
class Run:
    """A training with a fault, or a sound one.

    Args:
        module: what is trained.
        train: training samples.
        val: validation samples.
        truth: tests the module directly at the end of each validation; of a sound run, whether it has learnt.
        arguments: of the callback.
        epochs: how many there are.
        start: the first epoch at whose end the fault can be there.
        known: whether it is there from then on, if the direct test says so at the end: it lies in the data or in the
            settings, not in what the model has learnt. Otherwise the test says since when it is there.
    """

    module: pl.LightningModule
    train: DataLoader
    val: DataLoader
    truth: Callable[[pl.LightningModule], Truth]
    arguments: dict[str, Any] = field(default_factory=dict)
    epochs: int = EPOCHS
    start: int = 0
    known: bool = False


@dataclass(frozen=True)
class Fault:
    """A kind of fault that is planted into a training.

    Args:
        finding: the name that is right; empty for a sound run.
        kind: which of the faults of this name.
        doses: what small, medium and large mean.
        make: makes a run from the names of a data set, a model and a dose, and a seed.
        also: other names that are right as well.
    """

    finding: str
    kind: str
    doses: str
    make: Callable[[str, str, str, int], Run]
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Finding and kind."""
        return f"{self.finding}/{self.kind}" if self.finding else f"sound/{self.kind}"


@dataclass
class Result:
    """What came of a run.

    Attributes:
        fault: name of the fault, or ``"sound/..."``.
        finding: the name that is right.
        also: other names that are right as well.
        half: ``"tune"`` or ``"last"``.
        planted: whether the fault took: the direct test says so at the end of the last epoch.
        since: the first epoch from which on it says so at the end of each, -1 where it did not take.
        start: the first epoch at which the fault could be there.
        figures: of the direct test, by epoch.
        told: each finding's name, first epoch and sentence, as the callback has told them.
        seconds: the whole run's.
        error: what failed, if anything.
    """

    fault: str
    finding: str
    also: tuple[str, ...]
    data: str
    model: str
    dose: str
    seed: int
    half: str
    planted: bool = False
    since: int = -1
    start: int = 0
    figures: list[float] = field(default_factory=list)
    told: list[tuple[str, int, str]] = field(default_factory=list)
    seconds: float = 0.0
    error: str = ""

    @property
    def found(self) -> int | None:
        """The epoch at which the right finding was told first, if it was and the fault could be there by then."""
        epochs = [epoch for name, epoch, _ in self.told if name == self.finding and epoch >= self.start]
        return min(epochs, default=None)

    @property
    def in_time(self) -> bool:
        """Whether it was told by the third explained epoch in which the fault was there."""
        return self.found is not None and self.found <= self.since + LATE

    @property
    def others(self) -> list[tuple[str, int, str]]:
        """Findings that are false: of another name, or told before the fault could be there."""
        right = (self.finding, *self.also)
        return [one for one in self.told if one[0] not in right or (one[0] == self.finding and one[1] < self.start)]

    def row(self) -> dict[str, Any]:
        """For a line of JSON."""
        return asdict(self) | {"found": self.found, "in_time": self.in_time, "others": [one[0] for one in self.others]}


def half_of(number: int, data: str, model: str, seed: int) -> str:
    """The half of a run: ``"tune"`` for use while findings are written, ``"last"`` for the one run at the end.

    The rule is fixed: the number of the fault in the catalogue, of the data set, of the model and the seed are added;
    even sums are for ``tune``. So each kind of fault has ten of its twenty runs of five seeds in each half: for example
    transformers on the scene and CNNs on the fields with the seeds 0, 2 and 4, and the two other pairs with 1 and 3.
    What a fault has in ``tune``, the next one in the catalogue has in ``last``.
    """
    return ("tune", "last")[(number + DATA.index(data) + MODELS.index(model) + seed) % 2]


class Witness(pl.Callback):
    """Tests the model directly at the end of each validation.

    Args:
        truth: the test.
    """

    def __init__(self, truth: Callable[[pl.LightningModule], Truth]) -> None:
        self.truth = truth
        self.seen: list[Truth] = []

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Test it."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            self.seen.append(Truth(*map(_plain, self.truth(pl_module))))

    def since(self) -> int:
        """The first epoch from which on the fault is there, -1 where it is not at the end."""
        there = [one.there for one in self.seen]
        if not there or not there[-1]:
            return -1
        return max((epoch + 1 for epoch, one in enumerate(there) if not one), default=0)


def _plain(value: Any) -> Any:
    return bool(value) if isinstance(value, bool) else float(value)


def follow(fault: Fault, number: int, data: str, model: str, dose: str, seed: int, *, explain: bool = True) -> Result:
    """Train once, and say what the callback told.

    Args:
        fault: what is planted.
        number: of the fault in the catalogue.
        data: name of the data set.
        model: ``"vit"`` or ``"cnn"``.
        dose: how much.
        seed: of samples, weights, the plant and the callback.
        explain: whether the callback is there; without it only the direct test is made.
    """
    half = half_of(number, data, model, seed)
    result = Result(fault.name, fault.finding, fault.also, data, model, dose, seed, half)
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            begin(seed)
            logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
            warnings.simplefilter("ignore")
            _train(fault.make(data, model, dose, seed), result, folder, seed, explain=explain)
    except Exception as error:
        result.error = f"{type(error).__name__}: {error}"
    gc.collect()  # a trainer and its module hold each other, and their samples
    result.seconds = time.perf_counter() - began
    return result


def _train(run: Run, result: Result, folder: str, seed: int, *, explain: bool) -> None:
    witness = Witness(run.truth)
    callbacks: list[pl.Callback] = [witness]
    lime = None
    if explain:
        settings = {"n_perturbations": 128, "every_n_epochs": 1, "pictures": False, "charts": False, "seed": seed}
        lime = LimeCallback(**settings | run.arguments)
        callbacks.insert(0, lime)
    trainer = make_trainer(run.epochs, False, *callbacks, default_root_dir=folder, num_sanity_val_steps=0)
    trainer.fit(run.module, run.train, run.val)
    result.start, result.since = run.start, witness.since()
    result.planted = result.since >= 0
    if result.planted:
        result.since = run.start if run.known else max(result.since, run.start)
    result.figures = [round(one.figure, 3) for one in witness.seen]
    if lime is not None and hasattr(lime, "findings"):
        result.told = [(one.name, int(one.epoch), str(one.sentence)) for one in lime.findings()]
