"""Faults in how a model is trained: on what, by which optimizer, from which weights, and what it forgets on the way."""

from __future__ import annotations

import atexit
import copy
import shutil
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from faults_bands import CONTRAST, chosen, clean_windows, plain_run, written
from faults_data import HAZE, make_task, with_haze
from faults_labels import Codes, generator
from faults_models import LR, Learner, learner, pretrained
from faults_runs import Fault, Run, Truth
from faults_truth import changed, outputs, score, swapped_bands
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl
    from faults_data import Samples, Task

MAJORITY = {"small": 0.9, "medium": 0.97, "large": 1.0}
DIVISOR = {"small": 1e4, "medium": 1e6, "large": 1e8}
STEP = {"small": 3e-6, "medium": 3e-7, "large": 0.0}
MISJOINED = {"small": 0.5, "medium": 0.8, "large": 1.0}
DECAY = {"small": 0.5, "medium": 1.0, "large": 3.0}
SHIFT = {"small": 0.3, "medium": 0.7, "large": 1.5}
GONE = {"small": 0.8, "medium": 0.95, "large": 1.0}
SHARD = 750  # training images, of which an epoch sees all
FROM = 2  # the epoch from which on a class or parameter is lost


def _blind(task: Task) -> Callable[[pl.LightningModule], Truth]:
    """Is one class predicted for nearly all, or hardly deviate the numbers?"""

    def test(module: pl.LightningModule) -> Truth:
        found = outputs(module, task.val.image)
        if task.regression:
            spread = float((found.std(0) / task.val.target.std(0)).mean())
            return Truth(spread <= 0.1, spread)
        most = float(found.argmax(1).bincount().max() / len(found))
        return Truth(most >= 0.95, most)

    return test


def one_class(data: str, model: str, dose: str, seed: int) -> Run:
    """Nearly all training labels are one class, as a table whose gaps were filled with it; numbers with their mean."""
    task, random = make_task(data, seed), generator(seed, "one_class")
    filled = torch.rand(len(task.train), generator=random) < MAJORITY[dose]
    target = task.train.target.clone()
    target[filled] = 0  # a class, or the mean of a parameter
    task = task.with_samples(task.train.told(target), task.val)
    return plain_run(task, learner(task, model), _blind(task))


def divided(data: str, model: str, dose: str, seed: int) -> Run:
    """Images that were normalised are divided once more, by what numbers of 8 or 16 bits are divided by."""
    task = make_task(data, seed)
    task = task.with_samples(*(part.showing(part.image / DIVISOR[dose]) for part in (task.train, task.val)))
    return plain_run(task, learner(task, model), _blind(task))


class CopyStepped(Learner):
    """Its optimizer has the parameters of a copy, or a learning rate of nearly nothing."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, of the wrong parameters where the learning rate is 0."""
        module = copy.deepcopy(self.net) if self.lr == 0 else self.net
        return torch.optim.Adam(module.parameters(), self.lr or LR["vit"])


def _as(kind: type[Learner], module: Learner, **attributes: Any) -> Learner:
    """Change what a learner does, by a class that adds methods and no state of its own."""
    module.__class__ = kind
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def not_stepped(data: str, model: str, dose: str, seed: int) -> Run:
    """Fine-tuning whose optimizer holds the parameters of a copy of the model, or whose learning rate lacks digits."""
    task = make_task(data, seed)
    module = _as(CopyStepped, learner(task, model, norm="group", lr=STEP[dose]))
    module.load_state_dict(pretrained(data, model, seed, norm="group"))
    last: list[Tensor] = []

    def test(module: pl.LightningModule) -> Truth:
        now = outputs(module, task.val.image)
        figure = float(((now - last[-1]).abs() / now.std(0)).mean()) if last else 0.0
        last.append(now)
        return Truth(figure < 0.02, figure)

    return plain_run(task, module, test, start=1, known=True)


class StaleGradients(Learner):
    """Its backbone is frozen, but the optimizer has it, and goes on to decay what has a gradient of 0."""

    decay = 0.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with a strong weight decay."""
        return torch.optim.AdamW(self.parameters(), LR["vit"], weight_decay=self.decay)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """What `zero_grad(set_to_none=False)` leaves after a backbone was frozen late."""
        for parameter in self.net.backbone.parameters():
            parameter.grad = torch.zeros_like(parameter)


def backbone_moves(data: str, model: str, dose: str, seed: int) -> Run:
    """A frozen backbone moves: a CNN's running statistics in a new campaign, a transformer's weights by stale decay."""
    task, random = make_task(data, seed), generator(seed, "moves")
    weights = pretrained(data, model, seed)
    if model == "cnn":
        tilt = SHIFT[dose] * torch.randn(task.bands, 1, 1, generator=random).cumsum(0) / task.bands**0.5
        gain = 1 + SHIFT[dose]
        task = task.with_samples(*(part.showing(gain * part.image + tilt) for part in (task.train, task.val)))
        module = learner(task, model)
    else:
        module = _as(StaleGradients, learner(task, model), decay=DECAY[dose])
    module.load_state_dict(weights)
    module.net.backbone.requires_grad_(False)
    first: list[Tensor] = []
    start = module.net.backbone.eval()(task.val.image).detach()
    module.net.backbone.train()
    first.append(start)

    def test(module: pl.LightningModule) -> Truth:
        module.net.backbone.eval()
        now = module.net.backbone(task.val.image)
        figure = float((now - first[0]).norm() / first[0].norm())
        return Truth(figure > 0.1, figure)

    return plain_run(task, module, test, start=1)


@cache
def _folder() -> Path:
    """For checkpoints of this process; removed at its end."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def misjoined(data: str, model: str, dose: str, seed: int) -> Run:
    """Fine-tuning on images whose lower half of the spectrum, of a camera of its own, was joined from other files."""
    task, random = make_task(data, seed), generator(seed, "misjoined")
    weights = pretrained(data, model, seed)
    path = _folder() / f"{data}_{model}_{seed}.ckpt"
    torch.save({"state_dict": weights}, path)
    module = learner(task, model)
    module.load_state_dict(weights)
    half = torch.arange(task.bands) < task.bands // 2
    before = _relied(module, task, half)
    scored = score(outputs(module, task.val.image), task.val.target)
    stranger = torch.randperm(len(task.train), generator=random)
    some = torch.rand(len(task.train), 1, 1, 1, generator=random) < MISJOINED[dose]
    image = torch.where(some & half.view(-1, 1, 1), task.train.image[stranger], task.train.image)
    task = task.with_samples(task.train.showing(image), task.val)

    def test(module: pl.LightningModule) -> Truth:
        figure = _relied(module, task, half) / before
        better = score(outputs(module, task.val.image), task.val.target) > scored + 0.02
        return Truth(figure <= 0.5 and not better, figure)

    return plain_run(task, module, test, arguments={"reference": path})


def _relied(module: pl.LightningModule, task: Task, bands: Tensor) -> float:
    """How much a swap of bands changes; of numbers in deviations of the targets."""
    images = task.val.image
    before, after = outputs(module, images), outputs(module, swapped_bands(images, bands))
    return float((after - before).abs().mean()) if task.regression else changed(before, after, regression=False)


def shards(data: str, model: str, dose: str, seed: int) -> Run:
    """Each epoch is another shard, and tells the label in one range of bands, or in another one, by turns."""
    task, random = make_task(data, seed, train=SHARD), generator(seed, "shards")
    task = task.with_samples(task.train, task.val.showing(with_haze(task.val.image, random, 2 * HAZE)))
    ranges = clean_windows(task, [6, 6], random)
    codes = Codes(task.outputs, 6, random, regression=task.regression)
    for bands in ranges:
        task = written(task, bands, lambda y: CONTRAST * codes(y), 1.0, random)

    def shard(image: Tensor, epoch: int) -> Tensor:
        image = with_haze(image, None, 2 * HAZE)  # a new one at each step, or the model knows the images by heart
        bands = ranges[epoch % 2]
        some = torch.rand(len(image), 1, 1, 1) < MISJOINED[dose]
        image[:, bands] = torch.where(some, image[:, bands].roll(1, 0), image[:, bands])
        return image

    module = learner(task, model, augment=shard, constant=True, lr=0.5 * LR[model])
    images, seen, scores = task.val.image, [], []

    def test(module: pl.LightningModule) -> Truth:
        before = outputs(module, images)
        both = [
            changed(before, outputs(module, swapped_bands(images, chosen(task, bands))), regression=task.regression)
            for bands in ranges
        ]
        seen.append((both[0] - both[1]) / max(sum(both), 0.1))
        scores.append(score(before, task.val.target))
        moved = [abs(now - last) for last, now in pairwise(seen[-3:])]
        flat = len(scores) > 1 and abs(scores[-1] - scores[-2]) <= 0.1
        figure = max(moved, default=0.0)
        return Truth(figure >= 0.2 and flat, figure)

    return plain_run(task, module, test, start=2)


class LosesOne(Learner):
    """From an epoch on most samples of one class have another's label, or most values of one parameter are its mean."""

    lost, share = 0, 0.0

    def loss(self, outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """See :meth:`Learner.loss`; only training is changed."""
        if self.training and self.current_epoch >= FROM:
            name = "target" if self.regression else "label"
            target = batch[name].clone()
            some = torch.rand(len(target)) < self.share
            if self.regression:
                target[some, self.lost] = 0
            else:
                target[some & (target == self.lost)] = (self.lost + 1) % outputs.shape[1]
            batch = batch | {name: target}
        return super().loss(outputs, batch)


def lost_class(data: str, model: str, dose: str, seed: int) -> Run:
    """From the third epoch on a map of labels sends one class to another, or a column of the table is lost."""
    task = make_task(data, seed)
    lost = 0
    if not task.regression:
        lost = int(task.val.target.bincount().argmax())
        kept = torch.cat([torch.nonzero(task.val.target == lost).flatten().repeat(2), torch.arange(len(task.val))])
        order = torch.randperm(len(kept), generator=generator(seed, "lost"))
        task = task.with_samples(task.train, task.val.at(kept[order]))  # a third of validation
    module = _as(LosesOne, learner(task, model, constant=True, lr=LR[model] / 2), lost=lost, share=GONE[dose])
    module.load_state_dict(pretrained(data, model, seed))
    of_class = _of(task.val, lost)
    first: list[float] = []

    def test(module: pl.LightningModule) -> Truth:
        found = outputs(module, of_class.image)
        value = float(found[:, lost].std()) if task.regression else float((found.argmax(1) == lost).float().mean())
        first.append(value)
        return Truth(len(first) > FROM and value <= 0.3 * max(first[:FROM]), value)

    return plain_run(task, module, test, start=FROM, epochs=FROM + 5)


def _of(samples: Samples, label: int) -> Samples:
    """Samples of a class; of a regression all."""
    if samples.target.is_floating_point():
        return samples
    return samples.at(torch.nonzero(samples.target == label).flatten())


FAULTS = (
    Fault("blind", "one_class", "90, 97 and 100 % of the training labels are filled in", one_class),
    Fault("blind", "divided", "divided by 10,000, by a million and by 10,000 twice", divided, ("scale", "frozen")),
    Fault("frozen", "not_stepped", "learning rates of 3e-6 and 3e-7, and an optimizer of a copy", not_stepped),
    Fault(
        "frozen", "backbone_moves", "weight decay of 0.5, 1 and 3; images brighter by 0.3, 0.7 and 1.5 deviations",
        backbone_moves, ("scale",),
    ),
    Fault("forgetting", "misjoined", "50, 80 and 100 % of the training images", misjoined, ("unread_bands",)),
    Fault("unstable", "shards", "50, 80 and 100 % of the training images", shards, ("shortcut_bands",)),
    Fault("unstable", "lost_class", "80, 95 and 100 % of the labels are lost", lost_class, ("blind",)),
)  # fmt: skip
