"""Names a probe on pictures: its number, the class that is explained, and what is predicted and true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.outputs.targets import target_name, target_words
from lime_callback.pictures.input_panels import score_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures import ProbeRow
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes


def probe_name(probes: Probes, probe: int) -> str:
    """Return ``"probe 3"``; for probes that are chosen from the data set, their number in it, ``"sample 271"``."""
    return f"probe {probe}" if probes.numbers is None else f"sample {probes.numbers[probe]}"


def panel_texts(
    track: FollowedView, probes: Probes, class_names: Sequence[str] | None, explanation: Explanation, probe: int, t: int
) -> dict[str, Any]:
    """Return title and subtitle of a probe's panel by their names, whether it is pale, and why it is empty if it is.

    Args:
        track: the followed view.
        probes: the explained samples.
        class_names: the outputs' names, or ``None``.
        explanation: the explanation that the panel shows.
        probe: the probe's place among the probes.
        t: the target's place among the targets.
    """
    target, score, gate = int(explanation.targets[probe, t]), float(explanation.score[probe, t]), track.config.gate
    named = target_words if track.kind == "pixels" else target_name
    title = f"{probe_name(probes, probe)} · explains {named(target, class_names, track.kind)}"
    subtitle = f"R² {score_text(score)}"
    if track.regions is not None and not int(track.regions.pixels[probe, target]):
        title = f"{probe_name(probes, probe)} · {track.now.text(probe, target, class_names)}" if track.now else title
        return {"title": title, "subtitle": "", "empty": "no pixel"}
    if track.regions is not None and not bool(track.explains(explanation)[probe, t]):
        return {"title": f"{title} · {track.now.text(probe, target, class_names)}" if track.now else title,
                "subtitle": "", "empty": "no region yet"}  # fmt: skip
    if track.now is None:
        subtitle = f"output {score_text(float(explanation.prediction[probe, t]))}, {subtitle}"
    else:
        title += f" · {track.now.text(probe, target, class_names)}"
    return {"title": title, "subtitle": subtitle, "pale": gate is not None and score < gate}


def probe_rows(track: FollowedView, probes: Probes, class_names: Sequence[str] | None) -> list[ProbeRow]:
    """Return each probe's explained class and name for a map; a mark if prediction or truth is another class.

    Args:
        track: the followed view, explained at least once.
        probes: the explained samples.
        class_names: the outputs' names, or ``None``.
    """
    from lime_callback.figures import ProbeRow

    assert track.last is not None, "explain comes first"
    targets = track.last.targets[:, 0].tolist()
    same = len(set(targets)) == 1
    rows = []
    for probe, target in enumerate(targets):
        differs = track.now is not None and "≠" in track.now.text(probe, target, class_names)
        group = "" if same else target_name(target, class_names, track.kind)
        rows.append(ProbeRow(group, f"{'≠ ' * differs}{probe_name(probes, probe)}"))
    return rows
