"""Sound runs, in which nothing may be found: plain ones, and those that are hard in ways that are no fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from faults_bands import plain_run
from faults_data import SIDE, VAL, make_task
from faults_labels import generator
from faults_models import learner
from faults_runs import Fault, Run
from faults_truth import learnt

if TYPE_CHECKING:
    from faults_data import Task
    from torch import Tensor

TINY = 24  # validation samples
WRONG = 0.2  # share of the training labels
RARE = 0.1  # of the rarest class, for one of the most frequent


def _sound(task: Task, model: str, judge: Task | None = None, **settings: object) -> Run:
    """A run that is judged by validation samples, which may be more than those that the callback sees."""
    return plain_run(task, learner(task, model, **settings), learnt((judge or task).val, task.outputs))


def plain(data: str, model: str, dose: str, seed: int) -> Run:
    """Training as it should be."""
    return _sound(make_task(data, seed), model)


def augmented(data: str, model: str, dose: str, seed: int) -> Run:
    """Training images are turned, lose squares and groups of bands, and get noise and another brightness."""
    return _sound(make_task(data, seed), model, augment=heavily)


def heavily(image: Tensor, epoch: int) -> Tensor:
    """Augment a batch ``[B, C, 12, 12]``."""
    batch, channels = image.shape[:2]
    squares = torch.rand(batch, 1, 4, 4) > 0.4 * torch.rand(batch, 1, 1, 1)
    groups = torch.rand(batch, 20, 1, 1) > 0.4 * torch.rand(batch, 1, 1, 1)
    kept = squares.repeat_interleave(SIDE // 4, 2).repeat_interleave(SIDE // 4, 3)
    image = image * (kept & groups[:, torch.arange(channels) * 20 // channels])
    image = image * (1 + 0.1 * torch.randn(batch, 1, 1, 1)) + 0.1 * torch.randn(image.shape)
    image = image.flip(2) if torch.rand(()) < 0.5 else image
    return image.rot90(int(torch.randint(4, ())), (2, 3))


def tiny_validation(data: str, model: str, dose: str, seed: int) -> Run:
    """Few validation samples."""
    task = make_task(data, seed)
    few = task.with_samples(task.train, task.val.at(torch.arange(TINY)))
    return _sound(few, model, task)


def label_noise(data: str, model: str, dose: str, seed: int) -> Run:
    """A fifth of the training labels, and of those of validation, are those of other samples."""
    task, random = make_task(data, seed), generator(seed, "noise")
    parts = []
    for part in (task.train, task.val):
        wrong = torch.rand(len(part), generator=random) < WRONG
        strangers = part.target[torch.randperm(len(part), generator=random)]
        parts.append(part.told(torch.where(wrong.view(-1, *[1] * (part.target.ndim - 1)), strangers, part.target)))
    return _sound(task.with_samples(*parts), model, task)


def imbalance(data: str, model: str, dose: str, seed: int) -> Run:
    """Classes are up to ten times as frequent as others; of numbers, large ones are rare."""
    task, random = make_task(data, seed, train=1024, val=2 * VAL), generator(seed, "imbalance")
    share = torch.logspace(0, torch.tensor(RARE).log10().item(), task.outputs)
    share = share[torch.randperm(task.outputs, generator=random)]
    parts = []
    for part in (task.train, task.val):
        chance = torch.sigmoid(-2 * part.target.mean(1)) if task.regression else share[part.target]
        parts.append(part.at(torch.nonzero(torch.rand(len(part), generator=random) < chance).flatten()))
    return _sound(task.with_samples(*parts), model, task)


SOUND = (
    Fault("", "plain", "", plain),
    Fault("", "augmented", "", augmented),
    Fault("", "tiny_validation", "", tiny_validation),
    Fault("", "label_noise", "", label_noise),
    Fault("", "imbalance", "", imbalance),
)
SEEDS = (0, 2, 4, 1, 3)  # of the five kinds, so that ten of the twenty runs are in each half
