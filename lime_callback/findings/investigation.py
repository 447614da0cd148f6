"""Finds out what an explained epoch knows: hides sets in the background, and looks at inputs and weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.explaining.answer_changes import AnswerChanges
from lime_callback.explaining.hidden_sets import given_regions, hidden_outputs
from lime_callback.explaining.input_checks import fingerprint
from lime_callback.findings.epoch_facts import EpochFacts, InputFacts, ViewFacts, WeightFacts
from lime_callback.findings.hidden.hidden_sets_plan import (
    FEWEST,
    PADDING,
    HiddenSetsPlan,
    plan_sets,
    strongest_channels,
    unused_channels,
)
from lime_callback.findings.hidden.padding import padded_pixels
from lime_callback.findings.hidden.set_changes import SetChanges
from lime_callback.findings.hidden.stamps import changes_by, find_stamp, forwards_for
from lime_callback.findings.run_course import SWINGS, RunCourse
from lime_callback.findings.training_statistics import channel_statistics
from lime_callback.following.run_reliance import background_labels
from lime_callback.forwards.batched_forwards import unperturbed_outputs
from lime_callback.outputs.by_shape import ByShape
from lime_callback.probes.several_inputs import SeveralInputs
from lime_callback.sampling.seeds import seed_for
from lime_callback.sampling.value_swaps import Swaps
from lime_callback.views.user_masks import find_user_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.findings.hidden.stamps import Stamp
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes

LEAST = 640  # inputs that the model may be run on in any case: with fewer nothing can be told
_PIXELS = 2000  # that tell how noisy bands are


@dataclass
class Investigation:
    """Asks the model at each explained epoch, by the same samples each time.

    Args:
        config: the user's arguments.

    Attributes:
        course: how the background's answers have changed so far.
    """

    config: CallbackConfig
    course: RunCourse = field(default_factory=RunCourse)
    _marks: Tensor | None = field(default=None, init=False)  # of the background that a stamp was looked for in
    _stamp: Stamp | None = field(default=None, init=False)

    def ask(
        self,
        context: ExplainContext,
        background: Probes | None,
        probes: Tensor,
        views: Mapping[str, FollowedView],
        look: int,
        epoch: int,
        budget: int,
        weights: WeightFacts,
        training: Tensor | None,
        first_layer: float | None,
        device: torch.device,
    ) -> EpochFacts:
        """Find out what is known of an epoch.

        Args:
            context: how to run the model, which has the background as its probes.
            background: samples that take each other's values; ``None`` if there are none.
            probes: the explained samples, ``[P, *dims]``; they chose the strongest bands, about which others are asked.
            views: those that were explained.
            look: which explained epoch it is, counted from 1.
            epoch: its number, counted from 0.
            budget: inputs that the model may be run on.
            weights: what became of the weights.
            training: statistics of training batches, ``[2, C]``, or ``None``.
            first_layer: root mean square of what the first layer gets, or ``None``.
            device: where the model is.
        """
        of_views = {name: self._view(name, followed) for name, followed in views.items() if followed.last is not None}
        if background is None or len(background) < 4:
            return EpochFacts(look, epoch, of_views, weights=weights)
        planes = self.config.layout.canonical(background.inputs).cpu()
        inputs = InputFacts(
            float(planes.double().square().mean().sqrt()), channel_statistics(planes), planes.float().mean((2, 3)),
            first_layer, training, padded_pixels(planes),
        )  # fmt: skip
        plan, stamp = self._plan(background, planes, of_views, inputs.padding), self._stamp_of(background, planes)
        rows = others_than(probes, background.inputs)
        affordable = max(budget - len(background), LEAST) - forwards_for(stamp)
        names, count = plan.within(affordable, len(rows))
        samples, independent = self._samples(rows, count, look)
        labels = background_labels(background)

        def hide(swaps: Swaps) -> SetChanges:
            return SetChanges.of(swaps, hidden_outputs(
                context.model, background.inputs, self.config.layout, swaps, labels, self.config.asked,
                context.batch_size, context.ranks, device=device, batch=background.batch,
            ))  # fmt: skip

        changes = hide(_swaps(plan, names, samples))
        more = plan.to_compare(changes.largest_parts(), affordable - (len(names) + 1) * count, count)
        changes = changes.and_those_of(hide(_swaps(plan, more, samples))) if more else changes
        stamped = None if stamp is None else changes_by(stamp, hide)
        everyone, compared = self._everyone(context, background, labels, device)
        known = compared.labels if compared.kind != "values" else None
        labels_vary = [] if known is not None or compared.labels is None else compared.labels.std(0).tolist()
        course = self.course
        before = course.take(everyone, compared, known)
        return EpochFacts(
            look, epoch, of_views, changes.together(plan.references), changes.by_output(plan.references), everyone,
            before, known, tuple(course.losses), tuple(course.recalls), tuple(course.spreads), self.config.wavelengths,
            weights, inputs, tuple(_parts(background)), plan.subjects, independent, course.reference_loss, labels_vary,
            tuple(course.moves), stamped, self.config.class_names,
        )  # fmt: skip

    def _stamp_of(self, background: Probes, planes: Tensor) -> Stamp | None:
        """What some of the background's pictures have at one place, looked for once."""
        marks = fingerprint(background.inputs).cpu()
        if self._marks is None or not torch.equal(marks, self._marks):
            self._marks, self._stamp = marks, find_stamp(planes)
        return self._stamp

    def _everyone(
        self, context: ExplainContext, background: Probes, labels: Tensor | None, device: torch.device
    ) -> tuple[Tensor, AnswerChanges]:
        """The outputs of the whole background, ``[N, K]``, and what compares them with its labels."""
        output = self.config.asked.for_inputs(self.config.layout, background.inputs.shape).output

        def forward(x: Tensor, rows: Tensor) -> Any:
            return context.model(x.to(device), rows.to(device))

        with torch.no_grad(), context.ranks.together():
            output, given = given_regions(output, background.batch, len(background))
            given = None if given is None else given.to(device)
            found = unperturbed_outputs(forward, background.inputs, output, context.batch_size, context.ranks, given)
            outputs, pinned, *_ = found
            outputs = outputs.cpu().double()
            scale = "raw" if isinstance(output, ByShape) and pinned is None else output
            return outputs, AnswerChanges.of(outputs, None if labels is None else labels.cpu(), scale)

    def meet_reference(self, context: ExplainContext, background: Probes, device: torch.device) -> None:
        """Measure the loss of the weights that the run is compared with, which the model has now."""
        outputs, answers = self._everyone(context, background, background_labels(background), device)
        loss = answers.loss(outputs)
        self.course.reference_loss = None if loss is None else float(loss.nanmean())

    def _view(self, name: str, followed: FollowedView) -> ViewFacts:
        explanation = followed.last
        assert explanation is not None
        counts = followed.counts(explanation)
        sizes = () if followed.anew else tuple(followed.series.sizes[-SWINGS - 1 :])
        mask = explanation.features.canonical
        by_channel = mask.shape[0] == 1 and mask.shape[1] > 1 and mask.shape[2] * mask.shape[3] == 1
        channels = None
        if by_channel:
            numbers = mask.flatten().tolist()
            channels = [
                [i for i, own in enumerate(numbers) if own == label] for label in range(len(explanation.features))
            ]
        view = ViewFacts(
            explanation, counts, sizes[-1] if sizes else None, followed.measured, tuple(followed.series.moves),
            channels, followed.reliance, sizes,
        )  # fmt: skip
        return replace(view, swaps=self.course.take_swaps(name, swapped(view), anew=followed.anew))

    def _plan(
        self, background: Probes, planes: Tensor, views: Mapping[str, ViewFacts], padding: Tensor | None
    ) -> HiddenSetsPlan:
        _, channels, height, width = planes.shape
        parts = _parts(background)
        nm = self.config.wavelengths if not parts else None
        strongest: list[int] = []
        unused: list[int] = []
        strengths: Tensor | None = None
        for view in views.values():
            if view.channels is not None and view.effect_sizes is not None and nm is not None:
                sizes = view.effect_sizes.double().nan_to_num(0.0)
                sizes = sizes.mean(0)
                unused = unused_channels(sizes, view.channels)
                strongest = strongest_channels(sizes + swapped(view), view.channels, channels)
                strengths = of_channels(sizes, view.channels, channels)
        spans = {name: (part.start, part.stop) for name, part in parts.items()}
        seed = seed_for(self.config.seed, "findings")
        pixels = _pixels(planes, background_labels(background))
        return plan_sets(
            (channels, height, width), nm, pixels, strongest, unused, strengths, spans,
            self._outside(background), padding, seed,
        )  # fmt: skip

    def _outside(self, background: Probes) -> Tensor | None:
        """Pixels outside of the mask that a view was given, bool ``[N, 1, H, W]``; ``None`` without such a mask."""
        for view in self.config.views:
            valid = getattr(view, "valid", None)
            if valid is None:
                continue
            try:
                mask, _ = find_user_mask("valid", valid, background.inputs, self.config.layout, background.batch)
            except (ValueError, TypeError):  # one for each probe, which fits no other samples
                continue
            inside = getattr(view, "names", ("inside", "outside"))[0] != "outside"
            outside = (mask == 0) if inside else (mask != 0)
            return outside.unsqueeze(1).expand(len(background), -1, -1, -1)
        return None

    def _samples(self, rows: Tensor, count: int, look: int) -> tuple[Tensor, int]:
        """Choose samples for a look, others than at the looks before; and how many looks in a row have no sample twice.

        Each look's evidence is then its own, and that of looks in a row counts together.
        """
        generator = torch.Generator().manual_seed(seed_for(self.config.seed, "findings"))
        independent = max(1, len(rows) // count)
        turn = (look - 1) % independent
        return rows[torch.randperm(len(rows), generator=generator)][turn * count : (turn + 1) * count], independent


def swapped(view: ViewFacts) -> Tensor:
    """What other samples' values in each band change, as shares that sum to 1, ``[d]``; 0 where it was not measured."""
    reliance, names = view.reliance, view.explanation.features.names
    if reliance is None or not set(names) <= set(reliance.names):
        return torch.zeros(len(names), dtype=torch.float64)
    changed = torch.stack([reliance.changed[reliance.names.index(name)] for name in names])
    return changed / changed.sum().clamp(min=1e-30)


def of_channels(sizes: Tensor, groups: Sequence[Sequence[int]], channels: int) -> Tensor:
    """Spread each band's part of the attribution ``[d]`` over its channels, ``[C]``."""
    found = torch.zeros(channels, dtype=sizes.dtype)
    for size, group in zip(sizes, groups, strict=True):
        found[list(group)] += size / max(len(group), 1)
    return found


def _pixels(planes: Tensor, labels: Tensor | None) -> Tensor:
    """Spectra of some pixels less the mean of their picture, ``[n, C]``; of samples without pixels less their class's.

    What is the same within pictures, or classes, may be a fault's, and is not to be told by other bands.
    """
    channels, height, width = planes.shape[1:]
    spectra = planes.float().flatten(2).mT  # [N, pixels, C]
    if height * width > 1:
        spectra = spectra - spectra.mean(1, keepdim=True)
    elif labels is not None and labels.ndim == 1 and not labels.is_floating_point():
        own = (labels.cpu().unsqueeze(1) == torch.unique(labels.cpu())).to(spectra)  # [N, classes]
        means = own.T @ spectra[:, 0] / own.sum(0).unsqueeze(1)
        spectra = spectra - (own @ means).unsqueeze(1)
    rows = spectra.reshape(-1, channels)
    return rows[:: max(1, len(rows) // _PIXELS)]


def others_than(probes: Tensor, inputs: Tensor) -> Tensor:
    """The numbers of the inputs that are no probes, int64; of all inputs if hardly any is another."""
    marks, known = fingerprint(inputs).cpu(), fingerprint(probes).cpu()
    if marks.shape[1:] != known.shape[1:]:
        return torch.arange(len(inputs))
    same = (marks.unsqueeze(1) == known).all(2).any(1)
    rows = (~same).nonzero().flatten()
    return rows if len(rows) >= FEWEST else torch.arange(len(inputs))


def _swaps(plan: HiddenSetsPlan, names: Sequence[str], samples: Tensor) -> Swaps:
    donors = samples.roll(1)
    masks = []
    for name in names:
        mask = plan.masks[name]
        if len(mask) > 1:  # what lies outside in both; of padding, the donor's, by which there can only be more
            both = mask.clone()
            both[samples] = mask[donors] if name.startswith(PADDING) else mask[samples] & mask[donors]
            mask = both
        masks.append(mask)
    deviations = {i: plan.deviations[name]() for i, name in enumerate(names) if name in plan.deviations}
    return Swaps(tuple(names), tuple(masks), ((),) * len(names), samples, donors, deviations=deviations)


def _parts(background: Probes) -> dict[str, Any]:
    """Several inputs' places among the channels, by their names; empty where there is one input."""
    return {part.name: part for part in background.parts} if isinstance(background.key, SeveralInputs) else {}
