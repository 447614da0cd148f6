"""Direct tests of a model, without the callback and without any explanation: does it do what was planted?

Shapes: N samples, C bands, 12 x 12 pixels; outputs ``[N, K]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from faults_data import SIDE
from faults_runs import Truth
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl
    from faults_data import Samples

RELIED = 0.25  # share of the predictions that a planted cause changes at least
CHANCE = 1.5  # times the accuracy of guesses that a sound model has at least; of a regression R² of 0.2
ROWS, CELLS, SCORED = 120, 4, 5  # of the direct test of linearity


@torch.no_grad()
def outputs(module: pl.LightningModule, *inputs: Tensor) -> Tensor:
    """Outputs ``[N, K]`` in evaluation mode; modes are put back."""
    modes = [(one, one.training) for one in module.modules()]
    module.eval()
    found = torch.cat([module(*part) for part in zip(*(x.split(256) for x in inputs), strict=True)])
    for one, mode in modes:
        one.training = mode
    return found


def changed(before: Tensor, after: Tensor, *, regression: bool) -> float:
    """How much predictions ``[N, K]`` changed.

    Returns:
        Of classes the share of the predictions that are others; of a regression the mean absolute change over all
        outputs, in deviations of the outputs, or in tenths of the targets' where the outputs hardly deviate.
    """
    if not regression:
        return float((before.argmax(1) != after.argmax(1)).float().mean())
    return float(((after - before).abs() / before.std(0).clamp(min=0.1)).mean())


def score(found: Tensor, target: Tensor) -> float:
    """Accuracy of classes, or R² of numbers: of their sums of squares over all outputs."""
    if not target.is_floating_point():
        return float((found.argmax(1) == target).float().mean())
    return float(1 - (found - target).square().sum() / (target - target.mean(0)).square().sum())


def learnt(samples: Samples, classes: int) -> Callable[[pl.LightningModule], Truth]:
    """A test whether the model is well above chance on these samples."""

    def test(module: pl.LightningModule) -> Truth:
        value = score(outputs(module, samples.image), samples.target)
        return Truth(value > (0.2 if samples.target.is_floating_point() else CHANCE / classes), value)

    return test


def others(count: int) -> Tensor:
    """For each of ``count`` samples another one, int64 ``[count]``."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(7))
    found = torch.empty_like(order)
    found[order] = order.roll(1)
    return found


def swapped_bands(image: Tensor, bands: Tensor) -> Tensor:
    """Images ``[N, C, 12, 12]`` whose ``bands``, bool ``[C]``, come from other samples."""
    return torch.where(bands.view(-1, 1, 1), image[others(len(image))], image)


def swapped_pixels(image: Tensor, pixels: Tensor) -> Tensor:
    """Images whose ``pixels``, bool ``[12, 12]`` or ``[N, 1, 12, 12]``, come from other samples."""
    return torch.where(pixels, image[others(len(image))], image)


def relies(
    samples: Samples, swapped: Tensor, other: Tensor | None = None, *, least: float = RELIED
) -> Callable[[pl.LightningModule], Truth]:
    """A test whether a swap changes the predictions, and twice as much as another swap of the same size does.

    Args:
        samples: as they are, with N samples.
        swapped: their images with the planted cause of other samples, ``[N, C, 12, 12]``.
        other: their images with as much of something else of other samples.
        least: how much has to change.
    """
    regression = samples.target.is_floating_point()

    def test(module: pl.LightningModule) -> Truth:
        before = outputs(module, samples.image)
        by_plant = changed(before, outputs(module, swapped), regression=regression)
        by_other = 0.0
        if other is not None:
            by_other = changed(before, outputs(module, other), regression=regression)
        return Truth(by_plant >= max(least, 2 * by_other), by_plant)

    return test


def linear_score(module: pl.LightningModule, samples: Samples, cut: str) -> float:
    """Median R² of rows that were left out, of plain linear fits to random on/off rows of bands or places.

    Args:
        module: with outputs of classes or numbers.
        samples: some of them are taken.
        cut: ``"bands"``, into 20 groups, or ``"places"``, into 4 x 4 squares; what is off is 0, the mean.
    """
    random = torch.Generator().manual_seed(3)
    channels = samples.image.shape[1]
    parts = torch.arange(channels) * 20 // channels
    if cut == "places":
        parts = torch.arange(CELLS**2).view(CELLS, CELLS)
        parts = parts.repeat_interleave(SIDE // CELLS, 0).repeat_interleave(SIDE // CELLS, 1)
    rows = torch.rand(ROWS, int(parts.max()) + 1, generator=random) > 0.5
    kept = rows[:, parts].unsqueeze(1) if cut == "places" else rows[:, parts][..., None, None]
    design = torch.cat([rows.double(), torch.ones(ROWS, 1, dtype=torch.float64)], 1)
    fitted, left = slice(0, ROWS * 2 // 3), slice(ROWS * 2 // 3, ROWS)
    scores = []
    for image in samples.image[:SCORED]:
        values = outputs(module, image * kept).double()
        if samples.target.is_floating_point():
            values = values[:, 0]
        else:
            values = values[:, int(outputs(module, image[None]).argmax())] - values.mean(1)
        if float(values.std()) < 1e-6:
            continue  # nothing that could be explained
        weights = torch.linalg.lstsq(design[fitted], values[fitted, None], driver="gelsd").solution[:, 0]
        error = (values[left] - design[left] @ weights).square().mean()
        scores.append(float(1 - error / values[left].var(correction=0).clamp(min=1e-12)))
    return float(torch.tensor(scores).clamp(min=-1).median()) if scores else -1.0
