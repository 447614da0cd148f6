"""What a training leaves behind, trait by trait: models that break, loaders, and how two runs are compared."""

from __future__ import annotations

import random
from typing import ClassVar

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset
from toys import WAVELENGTHS, Classifier, Samples

from lime_callback import LimeCallback, Superbands, Superpixels

SIZE = 24


class Data(Samples):
    """Adds noise of one of the global random states, and counts how often it is asked."""

    def __init__(self, noise=None):
        super().__init__(SIZE)
        self.noise, self.asked = noise, 0

    def __getitem__(self, i):
        self.asked += 1
        x, y = super().__getitem__(i)
        draws = {"python": random.random, "numpy": np.random.rand, "torch": lambda: torch.rand(()).item()}
        return (x + draws[self.noise]() if self.noise else x), y


class Stream(IterableDataset):
    def __iter__(self):
        yield from (Data()[i] for i in range(SIZE))


class TwoLoaders(Classifier):
    def validation_step(self, batch, _, dataloader_idx=0):
        self.log("val_loss", self.loss(batch), batch_size=4)


class Broken(Superpixels):
    """Fails when the run has begun."""

    calls: ClassVar = [0]

    def features(self, *args, **settings):
        self.calls[0] += 1
        if self.calls[0] > 1:
            raise RuntimeError("broken")
        return super().features(*args, **settings)


def batches(noise=None, size=8, **settings):
    return DataLoader(Data(noise), size, **settings)


def limes(**settings):
    views = [Superpixels("grid", n_segments=4), Superbands(bands=3)]
    usual = {"views": views, "wavelengths": WAVELENGTHS, "probes": 3, "n_perturbations": 24, "pictures": False}
    return LimeCallback(**usual | settings)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b or (a != a and b != b)
