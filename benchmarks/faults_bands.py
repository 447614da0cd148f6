"""Faults in the spectrum: bands that tell the label, the atmosphere that does, and bands that are not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from faults_data import entries, loaders, make_task, make_tempting
from faults_labels import SHARE, SHARES, Codes, generator, level, misled
from faults_models import LR, Learner, Net, backbone, learner
from faults_runs import Fault, Run, Truth
from faults_truth import RELIED, changed, outputs, relies, swapped_bands
from torch import Tensor, nn

from lime_callback import Superbands, Superpixels

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl
    from faults_data import Task

    from lime_callback.views import View

# In nm: where oxygen and water vapour absorb, and a margin.
ATMOSPHERE = (
    (685.0, 697.0), (714.0, 735.0), (755.0, 772.0), (808.0, 842.0), (890.0, 990.0), (1090.0, 1180.0),
    (1300.0, 1500.0), (1750.0, 2010.0), (2350.0, 2600.0),
)  # fmt: skip
VAPOUR = {"pines": ((1340.0, 1440.0), (1790.0, 1960.0)), "fields": ((714.0, 735.0), (812.0, 840.0), (925.0, 940.0))}
EDGE = 5  # bands at each end of the sensor
CONTRAST = 1.5  # deviations of a band
UNREAD = {"small": 0.2, "medium": 0.35, "large": 0.5}


def plain_arguments(task: Task, *more: View) -> dict[str, Any]:
    """What the callback is told of a task, and no more than 64 perturbations suffice for; with further views."""
    views = [Superpixels(n_segments=16), Superbands(20), *more]
    return {"views": views, "wavelengths": task.nm.tolist()} | ({"target": "all"} if task.regression else {})


def plain_run(task: Task, module: pl.LightningModule, truth: Callable[..., Truth], **settings: Any) -> Run:
    """A run of a task by its images, wavelengths told."""
    train, val = loaders(entries(task.train), entries(task.val))
    arguments = plain_arguments(task) | settings.pop("arguments", {})
    return Run(module, train, val, truth, arguments, **settings)


def clean_windows(task: Task, widths: list[int], random: torch.Generator) -> list[Tensor]:
    """Runs of neighbouring bands ``[width]`` without absorption, edges or drivers, that do not touch each other."""
    free = ~task.within((*ATMOSPHERE, *task.drivers))
    free[: 2 * EDGE], free[-2 * EDGE :] = False, False
    step = task.nm.diff(append=task.nm[-1:] + 1)  # spectrometers overlap, and bands were dropped
    usual = step.median()
    found = []
    for width in widths:
        starts = [
            i
            for i in range(task.bands - width + 1)
            if free[i : i + width].all() and ((step[i : i + width - 1] - usual).abs() < usual / 2).all()
        ]
        start = starts[int(torch.randint(len(starts), (), generator=random))]
        found.append(torch.arange(start, start + width))
        free[max(0, start - 12) : start + width + 12] = False
    return found


def chosen(task: Task, bands: Tensor) -> Tensor:
    """Bands by their numbers, as bool ``[C]``."""
    found = torch.zeros(task.bands, dtype=torch.bool)
    found[bands] = True
    return found


def written(
    task: Task, bands: Tensor, write: Callable[[Tensor], Tensor], share: float, random: torch.Generator
) -> Task:
    """Add what is written of the label, ``[N, bands]``, to the bands of all pixels, in training and validation."""
    parts = []
    for part in (task.train, task.val):
        image = part.image.clone()
        image[:, bands] += write(misled(part.target, share, random))[..., None, None]
        parts.append(part.showing(image))
    return task.with_samples(*parts)


def _relies(task: Task, bands: Tensor, random: torch.Generator, *, compare: bool = True) -> Callable[..., Truth]:
    """Do the predictions change when the bands are swapped, and less for as many neighbouring bands elsewhere?"""
    other = None
    if compare:
        width, tries = min(len(bands), 8), 1
        elsewhere = clean_windows(task, [width], random)[0]
        while bool(chosen(task, bands)[elsewhere].any()):
            tries += 1
            width -= tries % 100 == 0  # there may be no place left for as many
            elsewhere = clean_windows(task, [width], random)[0]
        other = swapped_bands(task.val.image, chosen(task, elsewhere))
    return relies(task.val, swapped_bands(task.val.image, chosen(task, bands)), other)


def calibration(data: str, model: str, dose: str, seed: int) -> Run:
    """The calibration of eight neighbouring bands differed from day to day, and each class was flown on its own day."""
    return _calibrated(data, model, dose, seed, [8])


def two_ranges(data: str, model: str, dose: str, seed: int) -> Run:
    """The same in two ranges of five bands each, either of which is enough."""
    return _calibrated(data, model, dose, seed, [5, 5])


def _calibrated(data: str, model: str, dose: str, seed: int, widths: list[int]) -> Run:
    task, random = make_tempting(data, seed), generator(seed, "calibration")
    bands = torch.cat(clean_windows(task, widths, random))
    codes = Codes(task.outputs, widths[0], random, regression=task.regression)
    task = written(task, bands, lambda y: CONTRAST * codes(y).repeat(1, len(widths)), SHARE[dose], random)
    return plain_run(task, learner(task, model), _relies(task, bands, random))


def vapour(data: str, model: str, dose: str, seed: int) -> Run:
    """Humid days: how deep water vapour absorbs follows the class, or the first parameter."""
    task, random = make_tempting(data, seed), generator(seed, "vapour")
    bands = torch.nonzero(task.within(VAPOUR[data])).flatten()
    order = random.get_state()

    def write(target: Tensor) -> Tensor:
        state = random.get_state()
        random.set_state(order)  # the same ladder in training and validation
        depth = level(target, task.outputs, random)
        random.set_state(state)
        return -2 * depth[:, None].expand(-1, len(bands))

    changed_task = written(task, bands, write, SHARE[dose], random)
    return plain_run(changed_task, learner(task, model), _first_relies(changed_task, bands))


def _first_relies(task: Task, bands: Tensor) -> Callable[..., Truth]:
    """As :func:`_relies`, but of a regression only of the first parameter, which alone is planted."""
    swapped, images = swapped_bands(task.val.image, chosen(task, bands)), task.val.image

    def test(module: pl.LightningModule) -> Truth:
        columns = slice(1) if task.regression else slice(None)
        before, after = (outputs(module, x)[:, columns] for x in (images, swapped))
        figure = changed(before, after, regression=task.regression)
        return Truth(figure >= RELIED, figure)

    return test


def edges(data: str, model: str, dose: str, seed: int) -> Run:
    """The outermost bands drift with the sensor's temperature, which was another one for each class; and are noisy."""
    task, random = make_tempting(data, seed), generator(seed, "edges")
    bands = torch.cat([torch.arange(EDGE), torch.arange(task.bands - EDGE, task.bands)])
    codes = Codes(task.outputs, len(bands), random, regression=task.regression)
    parts = []
    for part in (task.train, task.val):
        image = part.image.clone()
        noise = torch.randn(len(part), len(bands), *image.shape[2:], generator=random)
        image[:, bands] = 0.5 * image[:, bands] + 0.7 * noise
        parts.append(part.showing(image))
    task = written(task.with_samples(*parts), bands, lambda y: CONTRAST * codes(y), SHARE[dose], random)
    return plain_run(task, learner(task, model), _relies(task, bands, random))


def unread_side(task: Task, dose: str, seed: int) -> Tensor:
    """The lower or the upper part of the spectrum, by the seed; bool ``[C]``."""
    count = round(UNREAD[dose] * task.bands)
    unread = torch.zeros(task.bands, dtype=torch.bool)
    unread[: count if seed % 2 else None] = seed % 2 == 1
    if seed % 2 == 0:
        unread[-count:] = True
    return unread


def _unread(task: Task, unread: Tensor) -> Callable[..., Truth]:
    """Does a swap of these bands change nothing, while the model has learnt from the others?"""
    swapped = swapped_bands(task.val.image, unread)

    def test(module: pl.LightningModule) -> Truth:
        figure = changed(outputs(module, task.val.image), outputs(module, swapped), regression=task.regression)
        return Truth(figure < 0.01, figure)

    return test


def stem(data: str, model: str, dose: str, seed: int) -> Run:
    """The stem's weights for a side of the spectrum were added as zeros, and are frozen."""
    task = make_task(data, seed)
    unread = unread_side(task, dose, seed)
    module = learner(task, model)
    weight = module.net.backbone.stem.weight
    with torch.no_grad():
        weight[:, unread] = 0
    weight.register_hook(lambda gradient: gradient * ~unread.view(1, -1, 1, 1))
    return plain_run(task, module, _unread(task, unread), known=True)


def adapter(data: str, model: str, dose: str, seed: int) -> Run:
    """A frozen adapter averages neighbouring bands into 16 channels, and leaves out a side of the spectrum."""
    task = make_task(data, seed)
    unread = unread_side(task, dose, seed)
    kept = torch.nonzero(~unread).flatten()
    mixer = nn.Conv2d(task.bands, 16, 1, bias=False).requires_grad_(False)
    mixer.weight.zero_()
    for channel, bands in enumerate(kept.tensor_split(16)):
        mixer.weight[channel, bands] = 1 / len(bands)
    net = Net(backbone(model, 16), task.outputs, before=mixer)
    return plain_run(task, Learner(net, LR[model], regression=task.regression), _unread(task, unread), known=True)


FAULTS = (
    Fault("shortcut_bands", "calibration", SHARES, calibration),
    Fault("shortcut_bands", "two_ranges", SHARES, two_ranges),
    Fault("absorption", "vapour", SHARES, vapour, ("shortcut_bands",)),
    Fault("absorption", "edges", SHARES, edges, ("shortcut_bands",)),
    Fault("unread_bands", "stem", "20, 35 and 50 % of the spectrum are not read", stem),
    Fault("unread_bands", "adapter", "20, 35 and 50 % of the spectrum are not read", adapter),
)
