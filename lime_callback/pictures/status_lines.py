"""Says of a followed view in a few short texts how sure its explanation is, what changed, and what is wrong.

The texts stand above a view's main pictures, since whoever looks for ten seconds sees nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.explaining.answer_changes import deviations_text
from lime_callback.explaining.uses.set_use import at_random, verdict
from lime_callback.outputs.class_regions import percent
from lime_callback.outputs.targets import target_words
from lime_callback.pictures.input_panels import score_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.following.followed_view import FollowedView

WARNING = "⚠ "
"""What a text begins with that tells of something wrong."""


def status(track: FollowedView) -> list[str]:
    """Return the texts of a view's last explanation.

    Args:
        track: the followed view, explained at least once.
    """
    return [*_how_sure(track), *_without_class(track), *_changes(track), *_classes(track), *_watches(track)]


def _how_sure(track: FollowedView) -> Iterator[str]:
    assert track.last is not None, "explain comes first"
    explains = track.explains(track.last)
    scores = track.last.score[explains]
    known = scores[scores.isfinite()]
    poor = int((~track.counts(track.last)[explains]).sum())
    if len(known):
        text = f"R² of the explanation {score_text(float(known.double().mean()))}"
        yield text + (f", worst {score_text(float(known.min()))}" if len(scores) > 1 else "")
    if poor:
        yield f"{WARNING}{poor} of {len(scores)} fits are too poor to be read"


def _without_class(track: FollowedView) -> Iterator[str]:
    """Yield how many probes have no pixel of the class that is explained; no mean counts them."""
    assert track.last is not None, "explain comes first"
    if track.regions is not None:
        pixels = track.regions.pixels.gather(1, track.last.targets)
        if none := int((pixels == 0).any(1).sum()):
            have, are = ("has", "is") if none == 1 else ("have", "are")
            targets, names = set(track.last.targets.flatten().tolist()), track.config.class_names
            one = target_words(targets.pop(), names, track.kind) if len(targets) == 1 else "an explained class"
            of = f"predicted as {one}" if track.follows_model else f"of {one}"
            there = f", and {are} left out" if pixels.shape[1] == 1 else ", which is left out there"
            yield f"{WARNING}{none} of {len(pixels)} probes {have} no pixel {of}{there}"
        if behind := track.left_behind():
            yield WARNING + behind.partition(". ")[0]


def _changes(track: FollowedView) -> Iterator[str]:
    measured, epochs = track.measured, track.series.epochs
    if track.anew:
        return
    moved, start = measured.get("moved"), measured.get("moved_from_start")
    if moved is None:
        yield "nothing to compare with yet" if len(epochs) < 2 else "change unknown: fits are too poor"
    else:
        since = "" if start is None or len(epochs) < 3 else f", {percent(start)} since epoch {epochs[0]:g}"
        yield f"{percent(moved)} of the attribution moved since epoch {epochs[-2]:g}{since}"
        settled = track.settling.since
        since_when = f"settled since epoch {settled:g}" if settled < epochs[-1] else "settled now"
        yield since_when if settled >= 0 else f"not settled: more than {percent(track.least_change)} may move"
    if (reference := measured.get("moved_from_reference")) is not None:
        yield f"{percent(reference)} lies elsewhere than in the reference"


def _classes(track: FollowedView) -> Iterator[str]:
    """Yield how many probes are predicted wrongly, and how many are explained for a class that is neither."""
    now, last = track.now, track.last
    if now is None or now.classes is None or last is None:
        return
    predicted, count = now.classes, len(now.classes)
    if now.truth is not None and bool((now.truth >= 0).any()):
        known = now.truth >= 0
        if wrong := int((known & (predicted != now.truth)).sum()):
            yield f"{WARNING}{wrong} of {count} probes are predicted wrongly (≠)"
        neither = known & (last.targets[:, 0] != now.truth) & (last.targets[:, 0] != predicted)
    else:
        neither = last.targets[:, 0] != predicted
    if now.kind == "classes" and (others := int(neither.sum())):
        yield f"{WARNING}{others} of {count} are explained for another class than is predicted (≠)"


def _watches(track: FollowedView) -> Iterator[str]:
    if not track.watched:
        yield "no watch is set"
    for name in track.watched:
        measured, use, alarmed = _reliance(track, name), track.uses.get(name), name in track.alarmed
        if use is None:
            beside = f"hiding it changes {measured}" if measured else "reliance not measured"
            yield f"{WARNING}alarm of watch '{name}'" if alarmed else f"watch '{name}': no alarm, {beside}"
            continue
        unwanted = use.use == "uses in part" and track.config.watch[name].below is None
        yield f"{WARNING * (alarmed or unwanted)}{verdict(use.use, repr(name))}: hiding it changes {measured}"
    for name, view in track.alarmed_elsewhere.items():
        yield f"{WARNING}alarm of watch '{name}' in view '{view}'"


def _reliance(track: FollowedView, name: str) -> str:
    """Return what hiding a watch changes; an empty text where that was not measured."""
    reliance = track.reliance
    if reliance is None or name not in reliance.names:
        return ""
    i = reliance.names.index(name)
    changed, usual = float(reliance.changed[i]), float(reliance.expected[i])
    beside = at_random(reliance.extents[i] if reliance.extents else None)
    if reliance.classes:
        return f"{percent(changed)} of predictions, {beside}: {percent(usual)}"
    many, few = (f"{value:.2g}" if value <= 10 else deviations_text(value) for value in (changed, usual))
    return f"outputs by {many} deviations, {beside}: {few}"
