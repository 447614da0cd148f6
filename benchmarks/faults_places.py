"""Faults in the picture: places that tell the label whatever they show, padded pixels, and tags on some images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from faults_bands import plain_arguments, plain_run
from faults_data import SIDE, entries, loaders, make_tempting
from faults_labels import SHARE, SHARES, Codes, generator, misled
from faults_models import learner
from faults_runs import Fault, Run, Truth
from faults_truth import RELIED, changed, others, outputs, relies, score, swapped_pixels
from torch import Tensor

from lime_callback import Validity

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl
    from faults_data import Samples, Task

MARK = 3  # pixels along a side of a watermark or a tag
BRIGHT = 3.0  # how far a mark deviates from the mean, in deviations
TAGGED = {"small": 0.3, "medium": 0.4, "large": 0.5}


def _corner(random: torch.Generator) -> tuple[slice, slice]:
    """A place for a mark near one of the corners, not in step with tokens of three pixels."""
    near, far = slice(1, 1 + MARK), slice(SIDE - 1 - MARK, SIDE - 1)
    row, column = torch.randint(0, 2, (2,), generator=random).tolist()
    return (near, far)[row], (near, far)[column]


def _place(where: tuple[slice, slice]) -> Tensor:
    pixels = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    pixels[where] = True
    return pixels


def _marked(samples: Samples, where: tuple[slice, slice], code: Tensor) -> Samples:
    """Samples with a grey mark ``[N, 9]`` at a place of all images."""
    image = samples.image.clone()
    mark = BRIGHT * code.view(-1, 1, MARK, MARK)
    image[:, :, where[0], where[1]] = mark.expand(-1, image.shape[1], -1, -1)
    return samples.showing(image)


def watermark(data: str, model: str, dose: str, seed: int) -> Run:
    """A mark of 3 x 3 pixels near a corner, as the software of each day's flight printed it."""
    task, random = make_tempting(data, seed), generator(seed, "watermark")
    where, codes = _corner(random), Codes(task.outputs, MARK**2, random, regression=task.regression)
    parts = [_marked(part, where, codes(misled(part.target, SHARE[dose], random))) for part in (task.train, task.val)]
    task = task.with_samples(*parts)
    opposite = _place(where).flip(0, 1)
    images = task.val.image
    truth = relies(task.val, swapped_pixels(images, _place(where)), swapped_pixels(images, opposite))
    return plain_run(task, learner(task, model), truth)


def border(data: str, model: str, dose: str, seed: int) -> Run:
    """A frame of one pixel, whose four sides have greys that the export of each campaign chose."""
    task, random = make_tempting(data, seed), generator(seed, "border")
    codes = Codes(task.outputs, 4, random, regression=task.regression)
    sides = [(0, slice(None)), (SIDE - 1, slice(None)), (slice(None), 0), (slice(None), SIDE - 1)]
    parts = []
    for part in (task.train, task.val):
        image, code = part.image.clone(), BRIGHT * codes(misled(part.target, SHARE[dose], random))
        for side, (row, column) in enumerate(sides):
            image[:, :, row, column] = code[:, side, None, None]
        parts.append(part.showing(image))
    task = task.with_samples(*parts)
    frame = torch.ones(SIDE, SIDE, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    return plain_run(task, learner(task, model), relies(task.val, swapped_pixels(task.val.image, frame)))


def _parcels(count: int, random: torch.Generator) -> Tensor:
    """Masks of parcels, rectangles that are turned, bool ``[N, 12, 12]``; true inside."""
    axis = torch.linspace(-1, 1, SIDE)
    turn = (torch.rand(count, 1, 1, generator=random) - 0.5) * 1.2
    half = 0.65 + 0.25 * torch.rand(count, 2, 1, 1, generator=random)
    y, x = axis[:, None], axis[None]
    along, across = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
    return (along.abs() < half[:, 0]) & (across.abs() < half[:, 1])


def surroundings(data: str, model: str, dose: str, seed: int) -> Run:
    """What lies outside of the parcel, by the mask, has the spectrum of the farm that also decided what was sown."""
    task, random = make_tempting(data, seed), generator(seed, "surroundings")
    codes = Codes(task.outputs, 4, random, regression=task.regression)
    ramp = torch.linspace(-1, 1, task.bands)
    basis = torch.stack([torch.ones_like(ramp), ramp, (3 * ramp).sin(), (3 * ramp).cos()])
    parts = []
    for part in (task.train, task.val):
        inside = part.inside if data == "fields" else _parcels(len(part), random)
        spectrum = codes(misled(part.target, SHARE[dose], random)) @ basis
        around = spectrum[..., None, None] + 0.3 * torch.randn(part.image.shape, generator=random)
        image = torch.where(inside.unsqueeze(1), part.image, around)
        parts.append(type(part)(image, part.target, inside))
    task = task.with_samples(*parts)
    outside = ~task.val.inside.unsqueeze(1)
    truth = relies(task.val, swapped_outside(task.val.image, outside))
    train, val = loaders(entries(task.train, mask=True), entries(task.val, mask=True))
    return Run(learner(task, model), train, val, truth, plain_arguments(task, Validity("inside")))


def swapped_outside(image: Tensor, outside: Tensor) -> Tensor:
    """Images whose pixels outside get the mean spectrum that another sample has outside."""
    mean = (image * outside).sum((2, 3), keepdim=True) / outside.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(outside, mean[others(len(image))], image)


def padding(data: str, model: str, dose: str, seed: int) -> Run:
    """Images of different sizes are padded by 0 at the bottom and at the right, and the size goes with the label."""
    task, random = make_tempting(data, seed), generator(seed, "padding")
    sizes = torch.cartesian_prod(torch.tensor([5, 8, 11]), torch.tensor([5, 8, 11]))
    sizes = sizes[torch.randperm(9, generator=random)[: task.outputs]]

    def size_of(target: Tensor) -> Tensor:
        """Rows and columns ``[N, 2]``."""
        if task.regression:
            return (8 + 2.2 * target[:, :2]).round().clamp(4, SIDE).long()
        return sizes[target]

    cropped = [size_of(misled(part.target, SHARE[dose], random)) for part in (task.train, task.val)]
    parts = [
        part.showing(_cropped(part.image, size)) for part, size in zip((task.train, task.val), cropped, strict=True)
    ]
    full, task = task.val.image, task.with_samples(*parts)
    swapped = _cropped(full, cropped[1][others(len(full))])
    return plain_run(task, learner(task, model), relies(task.val, swapped))


def _cropped(image: Tensor, size: Tensor) -> Tensor:
    """Images of which only the first rows and columns, ``[N, 2]``, are left, and the rest is 0."""
    axis = torch.arange(SIDE)
    kept = (axis[:, None] < size[:, :1, None]) & (axis < size[:, 1:, None])
    return image * kept.unsqueeze(1)


def tag(data: str, model: str, dose: str, seed: int) -> Run:
    """Some images of every label have a tag in a corner that says what they are, the others have none."""
    return _tagged(data, model, dose, seed, misleading=False)


def misleading_tag(data: str, model: str, dose: str, seed: int) -> Run:
    """The same, but in validation the tags are those of other images: predictions go wrong where there is one."""
    return _tagged(data, model, dose, seed, misleading=True)


def _tagged(data: str, model: str, dose: str, seed: int, *, misleading: bool) -> Run:
    task, random = make_tempting(data, seed), generator(seed, "tag")
    where, codes = _corner(random), Codes(task.outputs, MARK**2, random, regression=task.regression)
    plain, parts, has_tag = task.val, [], []
    for part in (task.train, task.val):
        there = torch.rand(len(part), generator=random) < TAGGED[dose]
        wrong = misleading and part is task.val
        code = codes(misled(part.target, 0.0 if wrong else 1.0, random))
        image = torch.where(there.view(-1, 1, 1, 1), _marked(part, where, code).image, part.image)
        parts.append(part.showing(image))
        has_tag.append(there)
    task = task.with_samples(*parts)
    tagged = torch.nonzero(has_tag[1]).flatten()
    strange = codes(plain.target)[others(len(plain))]
    swapped = _marked(plain, where, strange).image[tagged]
    return plain_run(task, learner(task, model), _decided_by_tag(task, plain, tagged, swapped))


def _decided_by_tag(
    task: Task, plain: Samples, tagged: Tensor, swapped: Tensor
) -> Callable[[pl.LightningModule], Truth]:
    """Do other tags change predictions where there is one, and has the model learnt from images without one?"""

    def test(module: pl.LightningModule) -> Truth:
        without = outputs(module, plain.image)
        before, after = outputs(module, task.val.image[tagged]), outputs(module, swapped)
        figure = changed(before, after, regression=task.regression)
        learnt = score(without, plain.target) > (0.2 if task.regression else 2 / task.outputs)
        return Truth(figure >= RELIED and learnt, figure)

    return test


FAULTS = (
    Fault("place", "watermark", SHARES, watermark),
    Fault("place", "border", SHARES, border, ("outside",)),
    Fault("outside", "surroundings", SHARES, surroundings, ("place",)),
    Fault("outside", "padding", SHARES, padding, ("place",)),
    Fault("wrong_reasons", "tag", "30, 40 and 50 % of the images have the tag", tag, ("place",)),
    Fault("wrong_reasons", "misleading_tag", "30, 40 and 50 % of the images have the tag", misleading_tag, ("place",)),
)
