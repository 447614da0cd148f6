"""Says of a followed view in a few short texts how sure its explanation is, what changed, and what is wrong.

The texts stand above a view's main pictures, since whoever looks for ten seconds sees nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.comparing.score_gate import passes_gate
from lime_callback.following.probe_predictions import percent
from lime_callback.pictures.input_panels import score_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lime_callback.following.followed_view import FollowedView

WARNING = "⚠ "
"""What a text begins with that tells of something wrong."""


def status(track: FollowedView, class_names: Sequence[str] | None) -> list[str]:
    """Return the texts of a view's last explanation.

    Args:
        track: the followed view, explained at least once.
        class_names: the outputs' names, or ``None``.
    """
    return [*_how_sure(track), *_changes(track), *_classes(track, class_names), *_watches(track)]


def _how_sure(track: FollowedView) -> Iterator[str]:
    assert track.last is not None, "explain comes first"
    scores, gate = track.last.score, track.config.gate
    known = scores[scores.isfinite()]
    poor = int((~passes_gate(track.last, gate)).sum())
    if len(known):
        text = f"Fit: R² {score_text(float(known.double().mean()))}"
        yield text + (f", worst {score_text(float(known.min()))}" if scores.numel() > 1 else "")
    if poor:
        yield f"{WARNING}{poor} of {scores.numel()} fits are too poor to be read"


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
        yield "not settled" if settled < 0 else f"settled since epoch {settled:g}"
    if (reference := measured.get("moved_from_reference")) is not None:
        yield f"{percent(reference)} lies elsewhere than in the reference"


def _classes(track: FollowedView, class_names: Sequence[str] | None) -> Iterator[str]:
    """Yield how many probes are explained for a class that is not both predicted and true."""
    now, last = track.now, track.last
    if now is None or now.classes is None or last is None:
        return
    targets = last.targets[:, 0].tolist()
    other = sum("≠" in now.text(probe, int(target), class_names) for probe, target in enumerate(targets))
    if other:
        yield f"{WARNING}{other} of {len(targets)} probes: predicted or true is another class (≠)"


def _watches(track: FollowedView) -> Iterator[str]:
    if not track.watched:
        yield "no watch is set"
    for name in track.watched:
        reliance = track.reliance
        known = reliance is not None and name in reliance.names
        if name not in track.alarmed:
            yield f"watch '{name}': no alarm{'' if known else ', reliance not measured'}"
        elif reliance is not None and known:
            i = reliance.names.index(name)
            changed, usual = float(reliance.changed[i]), float(reliance.expected[i])
            if reliance.classes:
                beside = f"{percent(changed)} of predictions, random sets {percent(usual)}"
            else:
                beside = f"outputs by {changed:.2g} deviations, random sets {usual:.2g}"
            yield f"{WARNING}hiding '{name}' changes {beside}"
        else:
            yield f"{WARNING}alarm of watch '{name}'"
