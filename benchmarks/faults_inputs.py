"""Faults in what the model gets and gives: units, the order of bands, unused inputs, and answers beyond reading."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from faults_bands import plain_run
from faults_data import entries, loaders, make_task
from faults_labels import generator
from faults_models import LR, Learner, backbone, learner
from faults_runs import Fault, Run, Truth
from faults_truth import changed, learnt, linear_score, others, outputs, score
from torch import Tensor, nn

from lime_callback import Superbands, Superpixels

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl
    from faults_data import Samples, Task

UNIT = {"small": 1.25, "medium": 2.0, "large": 10.0}
SHUFFLED = {"small": 0.2, "medium": 0.5, "large": 1.0}
GATE = {"small": 0.01, "medium": 0.003, "large": 0.0}
NOISE = {"pines": 0.8, "fields": 1.0}  # of the second modality, in deviations
FEW = {"small": 48, "medium": 42, "large": 36}  # perturbations, of 32 features
STEP = {"small": 0.5, "medium": 1.0, "large": 2.0}  # of rounded numbers, in deviations
SHARPER = {"small": 1.0, "medium": 5.0, "large": math.inf}
READABLE = 0.4  # R² of plain linear fits, which a readable model has


def unit(data: str, model: str, dose: str, seed: int) -> Run:
    """Validation images are in another unit than those of training, and normalised by the latter's statistics."""
    task = make_task(data, seed)
    sound = task.val
    raw = (sound.image * task.spread + task.centre) * UNIT[dose]
    task = task.with_samples(task.train, sound.showing((raw - task.centre) / task.spread))

    def test(module: pl.LightningModule) -> Truth:
        right, now = (score(outputs(module, part.image), part.target) for part in (sound, task.val))
        return Truth(right - now >= 0.15, right - now)

    return plain_run(task, learner(task, model), test)


def _raw(task: Task) -> Task:
    """The task with radiances or reflectances as they are, divided by one number: spectra keep their shape."""
    images = [part.image * task.spread + task.centre for part in (task.train, task.val)]
    divisor = images[0].mean()
    return task.with_samples(
        *(part.showing(image / divisor) for part, image in zip((task.train, task.val), images, strict=True))
    )


def _reordered(task: Task, model: str, order: Tensor) -> Run:
    """A run whose bands are in another order than the wavelengths that are told; the model normalises them itself."""
    parts = (part.showing(part.image[:, order]) for part in (task.train, task.val))
    task = task.with_samples(*parts)
    before = nn.BatchNorm2d(task.bands, affine=False)
    apart = float((order != torch.arange(task.bands)).float().mean())
    sound = learnt(task.val, task.outputs)

    def test(module: pl.LightningModule) -> Truth:
        return Truth(sound(module).there and apart > 0.1, apart)

    return plain_run(task, learner(task, model, before=before), test, known=True)


def reversed_bands(data: str, model: str, dose: str, seed: int) -> Run:
    """The file has the long waves first, and the list of wavelengths the short ones."""
    task = _raw(make_task(data, seed))
    order = torch.arange(task.bands)
    if dose == "large":
        order = order.flip(0)
    else:  # one spectrometer of several, or the range of one detector
        first, last = (0.5, 1.0) if dose == "medium" else (0.0, 0.25)
        part = slice(round(first * task.bands), round(last * task.bands))
        order[part] = order[part].flip(0)
    return _reordered(task, model, order)


def shuffled_bands(data: str, model: str, dose: str, seed: int) -> Run:
    """Bands were joined in an order of their own, such as that of file names."""
    task, random = _raw(make_task(data, seed)), generator(seed, "shuffled")
    order = torch.arange(task.bands)
    moved = torch.randperm(task.bands, generator=random)[: round(SHUFFLED[dose] * task.bands)]
    order[moved] = moved.roll(1)
    return _reordered(task, model, order)


class Fusion(nn.Module):
    """Late fusion of two inputs, each with a backbone, by gates.

    Args:
        model: of the first input's backbone.
        bands: of the first input.
        outputs: of both.
        gates: how much each input's features count, which is not learnt.
    """

    def __init__(self, model: str, bands: int, outputs: int, gates: tuple[float, float]) -> None:
        super().__init__()
        self.first, self.second = backbone(model, bands), backbone("cnn", 2)
        self.gates = gates
        self.head = nn.Linear(self.first.features + self.second.features, outputs)

    def forward(self, hsi: Tensor, lidar: Tensor) -> Tensor:
        """Outputs ``[m, K]``."""
        return self.head(torch.cat([self.gates[0] * self.first(hsi), self.gates[1] * self.second(lidar)], 1))


def height(samples: Samples, data: str, outputs: int, random: torch.Generator, table: Tensor) -> Tensor:
    """Two channels of a lidar ``[N, 2, 12, 12]``, from which the target can be told in part."""
    target = samples.target
    clean = target @ table if samples.target.is_floating_point() else table[target]
    of_sample = clean + NOISE[data] * torch.randn(clean.shape, generator=random)
    return of_sample[..., None, None] + 0.3 * torch.randn(*clean.shape, *samples.image.shape[2:], generator=random)


def gated(data: str, model: str, dose: str, seed: int) -> Run:
    """The gate of a modality was begun at 0, and is frozen: lidar with even seeds, the spectrum with odd ones."""
    task, random = make_task(data, seed), generator(seed, "gated")
    table = torch.randn(task.outputs, 2, generator=random)
    table = 1.5 * table / (table.norm(dim=0) if task.regression else table.std(0))
    both = [height(part, data, task.outputs, random, table) for part in (task.train, task.val)]
    gates = (1.0, GATE[dose]) if seed % 2 == 0 else (GATE[dose], 1.0)
    module = Learner(
        Fusion(model, task.bands, task.outputs, gates), LR[model], regression=task.regression, inputs=("hsi", "lidar")
    )
    named = []
    for part, lidar in zip((task.train, task.val), both, strict=True):
        entry = entries(part)
        named.append({"hsi": entry.pop("image"), "lidar": lidar, **entry})
    train, val = loaders(*named)
    images, heights = task.val.image, both[1]
    order = others(len(images))

    def test(module: pl.LightningModule) -> Truth:
        before = outputs(module, images, heights)
        by_image, by_lidar = (
            changed(before, outputs(module, *pair), regression=task.regression)
            for pair in ((images[order], heights), (images, heights[order]))
        )
        unused, used = (by_lidar, by_image) if seed % 2 == 0 else (by_image, by_lidar)
        return Truth(unused <= 0.05 and used >= 0.25, unused)

    arguments = {"input_key": ["hsi", "lidar"]} | ({"target": "all"} if task.regression else {})
    return Run(module, train, val, test, arguments, known=True)


def few_rows(data: str, model: str, dose: str, seed: int) -> Run:
    """Fewer perturbations than so many features need."""
    task = make_task(data, seed)
    arguments = {
        "views": [Superpixels("grid", n_segments=32), Superbands(32)],
        "n_perturbations": FEW[dose],
    }
    sound = learnt(task.val, task.outputs)

    def test(module: pl.LightningModule) -> Truth:
        return Truth(sound(module).there, float(FEW[dose] - 32))

    return plain_run(task, learner(task, model), test, arguments=arguments, known=True)


class Hard(nn.Module):
    """Makes outputs steps: numbers are rounded, classes become one that is on; training does without.

    Args:
        step: between the numbers; of classes, how much sharper a softmax is, infinite for one class alone.
        regression: whether outputs are numbers.
    """

    def __init__(self, step: float, *, regression: bool) -> None:
        super().__init__()
        self.step, self.regression = step, regression

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``[m, K]``."""
        if self.training:
            return x
        if self.regression:
            return self.step * (x / self.step).round()
        if math.isinf(self.step):
            return 10 * nn.functional.one_hot(x.argmax(1), x.shape[1]).to(x)
        return 10 * (self.step * x).softmax(1)


def _unreadable(task: Task) -> Callable[[pl.LightningModule], Truth]:
    """Do plain linear fits fail for bands or for places?"""

    def test(module: pl.LightningModule) -> Truth:
        figure = min(linear_score(module, task.val, cut) for cut in ("bands", "places"))
        return Truth(figure < READABLE, figure)

    return test


def hard_outputs(data: str, model: str, dose: str, seed: int) -> Run:
    """The model's forward returns decisions: the predicted class as one that is on, or rounded numbers."""
    task = make_task(data, seed)
    step = (STEP if task.regression else SHARPER)[dose]
    return plain_run(task, learner(task, model, after=Hard(step, regression=task.regression)), _unreadable(task))


FAULTS = (
    Fault("one_modality", "gated", "the gate is 0.01, 0.003 and 0", gated),
    Fault("scale", "unit", "validation images are multiplied by 1.25, 2 and 10", unit, ("blind",)),
    Fault("scale", "reversed", "the first quarter, the second half or all bands are reversed", reversed_bands),
    Fault("scale", "shuffled", "20, 50 and 100 % of the bands are in a random order", shuffled_bands),
    Fault("unreadable", "few_rows", "48, 42 and 36 perturbations of 32 features", few_rows),
    Fault(
        "unreadable",
        "hard_outputs",
        "a softmax, one five times as sharp, one class; steps of 0.5, 1 and 2 deviations",
        hard_outputs,
    ),
)
