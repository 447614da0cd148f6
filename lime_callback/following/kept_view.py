"""What is kept of a view over a run: in memory, and in checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.comparing.score_gate import passes_gate
from lime_callback.following.epoch_series import EpochSeries
from lime_callback.following.explanation_checkpoint import (
    explanation_of,
    explanation_state,
    features_key,
    packed,
    unpacked,
)
from lime_callback.following.metric_table import change_names, worst_values
from lime_callback.following.pinned_view import PinnedView
from lime_callback.following.probe_predictions import ProbePredictions, predicted
from lime_callback.following.settling import Settling
from lime_callback.outputs.class_regions import UNKNOWN, ClassRegions, percent
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import target_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from torch import Tensor

    from lime_callback.comparing.watch_shares import MeanWatchShare
    from lime_callback.explaining.explanation import Explanation
    from lime_callback.explaining.reliance_result import Reliance
    from lime_callback.explaining.uses.set_use import SetUse

_NAMED, _LISTED = 3, 8  # classes and probes that a message names
_STILL = 0.5  # of a pinned region, below which it is another thing than the class


@dataclass
class KeptView(PinnedView):
    """A view, and what its explanations have been so far.

    Attributes:
        now: what the model predicts for the probes at the last explanation, and the truth.
        regions: of a segmentation's classes at the last explanation; ``None`` where there are none.
        shares: the last share of the attribution of each of these.
        first: the first explanation, on the CPU.
        last: the last.
        reference: explanation of the reference, if there is one.
        reliance: what hiding this view's watches and superbands changed, where that was measured.
        metrics: of the last explanation, by their names in the log.
        unmeasured: names of metrics that the last explanation did not measure; what stands for them is for monitors.
        series: what has been over the epochs.
        settling: whether explanations have settled.
        answers: all outputs of the model for the probes at the last explanation, ``[P, K]``, on the CPU.
        alarmed: names of the watches of which something is wrong at the last explanation.
        uses: the verdict on each watch whose reliance was measured at the last explanation.
        alarmed_elsewhere: the same of watches that only other views follow, each with such a view's name.
        forgotten: whether the run that this one resumes had another question, other probes or other features, so that
            its rows of the history say nothing of this view.
    """

    now: ProbePredictions | None = None
    regions: ClassRegions | None = None
    shares: dict[str, MeanWatchShare] = field(default_factory=dict)
    first: Explanation | None = None
    last: Explanation | None = None
    reference: Explanation | None = None
    reliance: Reliance | None = None
    metrics: dict[str, float] = field(default_factory=worst_values)
    unmeasured: set[str] = field(default_factory=lambda: set(worst_values()))
    series: EpochSeries = field(default_factory=EpochSeries)
    settling: Settling = field(default_factory=Settling)
    answers: Tensor | None = None
    alarmed: set[str] = field(default_factory=set)
    uses: dict[str, SetUse] = field(default_factory=dict)
    alarmed_elsewhere: dict[str, str] = field(default_factory=dict)
    forgotten: bool = False
    _saved: dict[str, Any] = field(default_factory=dict)

    def recall(self) -> bool:
        """Take over what a checkpoint holds of the view's explanations, after :meth:`pin`; without one, nothing.

        Returns:
            Whether the features are those of the checkpoint, if there is one.
        """
        assert self.features is not None, "pin comes first"
        saved, self._saved = self._saved, {}
        if not saved:
            return True
        features, key = self.features, features_key(self.features)
        first, last = (explanation_of(saved[name], features) if saved.get(name) else None for name in ("first", "last"))
        if (saved.get("features") or key) != key or (first is None and saved.get("first")):
            self._begin_anew()
            return False
        self.first, self.last = first, last
        self.settling.anchor = self._anchor(saved.get("anchor"))
        if len(self.series.epochs) == 1:  # nothing comes before it that could be shown beside it
            self.last = self.first
        if saved.get("now") is not None:
            self.know(saved["now"])
        return True

    def renewed(self) -> Self:
        """The view for other probes: nothing is pinned, and the last values stand until these are explained."""
        return type(self)(self.view, self.config, metrics=self.metrics, kind=self.kind, scale=self.scale)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on as if it had not been interrupted."""
        if self._saved:
            return self._saved
        first, last = (explanation and explanation_state(explanation) for explanation in (self.first, self.last))
        return {
            "features": None if self.features is None else features_key(self.features),
            "targets": self.targets,
            "pinned": None if self.pinned is None else packed(self.pinned),
            "kind": self.kind,
            "scale": self.scale,
            "now": None if self.now is None else self.now.outputs,
            "regions": None if self.regions is None else self.regions.state(),
            "metrics": dict(self.metrics),
            "series": self.series.state(),
            "first": first,
            "last": last,
            "unmeasured": sorted(self.unmeasured),
            "anchor": self._anchor_state(),
            "since": self.settling.since,
            "answers": self.answers,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave; the explanations follow when the features are known."""
        self.targets, self.metrics = state["targets"], worst_values() | state["metrics"]
        self.pinned = None if state.get("pinned") is None else unpacked(state["pinned"])
        # Before there was a choice, outputs were explained as they are: what is compared stays comparable.
        self.kind, self.scale = state.get("kind"), state.get("scale", "raw")
        self.regions = None if state.get("regions") is None else ClassRegions(**state["regions"])
        self.series = EpochSeries.of_state(state["series"])
        early = change_names() if len(self.series.epochs) < 2 else ()
        self.unmeasured = set(state.get("unmeasured", early))
        # What an earlier version called settled was another thing: it is found out anew.
        self.settling = Settling(since=state.get("since", -1.0))
        self.answers = state.get("answers")
        self._saved = state

    def forget(self) -> None:
        """Begin anew, because the question or the probes are not the same any more."""
        self.targets = self.pinned = self.kind = self.scale = self.now = self.regions = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.first = self.last = self.answers = None
        self.metrics, self.unmeasured = worst_values(), set(worst_values())
        self.series, self.settling, self._saved, self.forgotten = EpochSeries(), Settling(), {}, True

    def know(self, outputs: Tensor, counts: Tensor | None = None, epochs_trained: float = math.nan) -> None:
        """Take in what the model says of the probes now.

        Args:
            outputs: all of them, ``[P, K]``.
            counts: each class's pixels, and those that have it now, ``[P, K, 2]``; ``None`` keeps the regions.
            epochs_trained: so far.
        """
        assert self.kind is not None, "pin comes first"
        if counts is not None:
            unknown = self.regions is None and bool(self.series.epochs)  # resumed from an earlier version
            since = UNKNOWN if unknown else epochs_trained
            self.regions = ClassRegions.of(counts, self.regions, since if self.follows_model else math.nan)
        self.now = predicted(outputs.cpu(), self.truth, self.kind, self.settings.output, self.regions)

    def explains(self, explanation: Explanation) -> Tensor:
        """Which inputs have something to explain, bool ``[P, T]``: where a class has no region, there is nothing."""
        if self.kind != "pixels":
            return torch.ones_like(explanation.score, dtype=torch.bool)
        return (explanation.coefficients != 0).any(-1)

    @property
    def follows_model(self) -> bool:
        """Whether regions are the model's own predictions, and not those of a mask."""
        output = self.settings.output
        return isinstance(output, Reducer) and output.follows_model

    def region_warnings(self) -> dict[str, str]:
        """What to warn of once: probes without the class, and regions that are the class's no more."""
        found = {"no pixel": self._without_class_text(), "left behind": self.left_behind()}
        return {key: f"{text}." for key, text in found.items() if text}

    def without_class(self) -> list[int]:
        """The probes that have no pixel of a class that is explained of them."""
        if self.regions is None or self.targets is None:
            return []
        return (self.regions.pixels.gather(1, self.targets) == 0).any(1).nonzero().flatten().tolist()

    def other_reasons(self, degenerate: Mapping[int, str]) -> dict[int, str]:
        """The reasons of degenerate fits, by their probes, but of those that lack an explained class."""
        without = set(self.without_class())
        return {probe: reason for probe, reason in degenerate.items() if probe not in without}

    def _without_class_text(self) -> str:
        probes = self.without_class()
        if not probes or self.regions is None or self.targets is None:
            return ""
        none = self.regions.pixels.gather(1, self.targets) == 0
        what = self._class_words(self.targets[none])
        which = f"probe{'s' * (len(probes) > 1)} {', '.join(map(str, probes[:_LISTED]))}"
        which += f" and {len(probes) - _LISTED} more" if len(probes) > _LISTED else ""
        which = "any probe" if len(probes) == len(none) > 1 else which
        left_out = "nothing is explained there, and no mean counts it"
        if none.shape[1] > 1:
            return f"no pixel of {what} is in {which}: {left_out}"
        if not self.follows_model:
            way = "`probes='one_per_class'` or `HasClass` of `lime_callback.probes` takes samples that have it"
            return f"no pixel of {what} is in the mask of {which}: {left_out}. {way}"
        way = f"`{self.by_mask}` explains the class where the batch's mask has it"
        return f"no pixel of {which} is predicted as {what}: {left_out} until one is. {way}"

    def left_behind(self) -> str:
        """A sentence on pinned regions of which less than half is still predicted as the class, or ``""``."""
        if self.regions is None or self.targets is None or not self.follows_model:
            return ""
        pixels, share = (part.gather(1, self.targets) for part in (self.regions.pixels, self.regions.share))
        still = float((share.nan_to_num() * pixels).sum() / pixels.sum().clamp(min=1))
        if still >= _STILL or not int(pixels.sum()):
            return ""
        return (
            f"{percent(still)} of the pixels that were pinned as {self._class_words(self.targets[pixels > 0])} are "
            f"still predicted so. `{self.by_mask}` explains those of the batch's mask"
        )

    def _class_words(self, targets: Tensor) -> str:
        classes = sorted(set(targets.tolist()))
        names = [target_words(target, self.config.class_names, self.kind) for target in classes[:_NAMED]]
        return " and ".join(names) + (f" and {len(classes) - _NAMED} more" if len(classes) > _NAMED else "")

    def counts(self, explanation: Explanation) -> Tensor:
        """Which explanations enter means, lines and drift, bool ``[P, T]``."""
        return passes_gate(explanation, self.config.gate) & self.explains(explanation)

    def _anchor_state(self) -> Any:
        """The anchor by its name where it is the first or the last explanation, which is most of the time."""
        anchor = self.settling.anchor
        named = "last" if anchor is self.last else "first" if anchor is self.first else None
        return named if anchor is None or named else explanation_state(anchor)

    def _anchor(self, state: Any) -> Explanation | None:
        if state is None or isinstance(state, str):
            return {"first": self.first, "last": self.last}.get(state or "last")
        return explanation_of(state, self.features) if self.features is not None else None
