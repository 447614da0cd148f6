"""How a planted cause writes a label down: code words of classes, mixtures of targets, and the share that is right.

Shapes: N samples, K classes or four targets; codes ``[N, width]`` with a deviation of about 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = {"small": 0.7, "medium": 0.85, "large": 1.0}
SHARES = "the shortcut tells the label in 70, 85 and 100 % of the samples, and any other in the rest"


def generator(seed: int, name: str) -> torch.Generator:
    """A generator for a plant; the same for the same seed and name."""
    return torch.Generator().manual_seed(1000 * seed + sum(map(ord, name)))


def misled(target: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Targets of which all but a share are those of any other samples."""
    strangers = target[torch.randperm(len(target), generator=random)]
    right = torch.rand(len(target), generator=random) < share
    return torch.where(right.view(-1, *[1] * (target.ndim - 1)), target, strangers)


class Codes:
    """Writes labels as rows of numbers.

    Args:
        outputs: the number of classes or targets.
        width: how many numbers a label becomes.
        random: draws the code.
        regression: whether targets are numbers, which are mixed, and not classes, which get words of -1 and 1.
    """

    def __init__(self, outputs: int, width: int, random: torch.Generator, *, regression: bool) -> None:
        if regression:
            mixture = torch.randn(outputs, width, generator=random)
            self.table = mixture / mixture.norm(dim=0)
            return
        if width < 6:
            numbers = torch.randperm(2**width, generator=random)[:outputs]
            self.table = (numbers[:, None] // 2 ** torch.arange(width) % 2) * 2.0 - 1
            return
        nearest = 0
        while nearest < width // 4 + 1:
            self.table = torch.randint(0, 2, (outputs, width), generator=random) * 2.0 - 1
            apart = (self.table[:, None] != self.table).sum(2) + width * torch.eye(outputs, dtype=torch.int64)
            nearest = int(apart.min())

    def __call__(self, target: Tensor) -> Tensor:
        """Codes ``[N, width]`` of targets ``[N]`` or ``[N, 4]``."""
        return target @ self.table if target.is_floating_point() else self.table[target]


def level(target: Tensor, outputs: int, random: torch.Generator) -> Tensor:
    """One number for each sample: the class's place on an even ladder from -1.5 to 1.5, or the first target."""
    if target.is_floating_point():
        return target[:, 0]
    return torch.linspace(-1.5, 1.5, outputs)[torch.randperm(outputs, generator=random)][target]
