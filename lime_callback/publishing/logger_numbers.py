"""From an explained view to what loggers draw by themselves: means, lines, and probes with their regions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from lime_callback.comparing.score_gate import passes_gate
from lime_callback.following.epoch_series import means_over_probes
from lime_callback.outputs.targets import target_name
from lime_callback.publishing.sinks.view_data import Means, Segmented, ViewData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.following.probe_predictions import ProbePredictions
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.sinks.history_csv import HistoryRow

# As many lines as a dashboard is not flooded by. A band means the same in every probe, a place in the picture seldom.
_BANDS, _PLACES = 20, 8


def view_data(
    followed: FollowedView,
    probes: Probes,
    rows: Sequence[HistoryRow],
    wavelengths: Sequence[float] | None,
    class_names: Sequence[str] | None,
) -> ViewData:
    """What a view's last explanation has to say.

    Args:
        followed: the view, explained.
        probes: what is explained.
        rows: this view's rows of the history.
        wavelengths: the channels' wavelengths in nm, or ``None``.
        class_names: the outputs' names, or ``None``.
    """
    assert followed.last is not None, "explain comes first"
    mask = followed.last.features.canonical
    in_space = mask.shape[1] == 1 and mask.shape[2] * mask.shape[3] > 1
    own = getattr(followed.view, "wavelengths", None)
    return ViewData(
        names=followed.last.features.names,
        score=float(followed.last.score.mean()),
        rows=rows,
        metrics=followed.measured,
        later=tuple(followed.metrics),
        means=_means(followed, class_names),
        segmented=partial(
            _segmented, followed.last, followed.now, probes, wavelengths if own is None else own, class_names
        )
        if in_space
        else tuple,
    )


def _means(view: FollowedView, class_names: Sequence[str] | None) -> Means | None:
    """The means that the bars show, and their lines over the epochs; ``None`` where the probes' features differ."""
    last, series = view.last, view.series
    if last is None or (len(last.features.mask) > 1 and len(last.score) > 1):
        return None
    one = view.first or last
    first = means_over_probes(one, passes_gate(one, view.config.gate)).sizes[0]
    if not bool(torch.isfinite(first).any()):  # none of its probes counts
        first = means_over_probes(one).sizes[0]
    # Strongest first, but in the view's own order: that of the wavelengths.
    most = _BANDS if last.features.canonical.shape[1] > 1 else _PLACES
    followed = sorted(torch.nan_to_num(first).argsort(descending=True, stable=True)[:most].tolist())
    same = bool((last.targets[:, 0] == last.targets[0, 0]).all())
    lines = torch.stack([one[0] for one in series.coefficients])[:, followed]
    return Means(
        target=target_name(int(last.targets[0, 0]), class_names) if same else "each probe's target",
        coefficients=series.coefficients[-1][0].numpy(),
        errors=series.errors[-1][0].numpy(),
        noises=series.noises[-1][0].numpy(),
        halves=series.halves[-1][0].numpy(),
        followed=followed,
        epochs=list(series.epochs),
        lines=lines.numpy(),
    )


def _segmented(
    last: Explanation, now: ProbePredictions | None, probes: Probes, wavelengths: Sequence[float] | None,
    class_names: Sequence[str] | None,
) -> list[Segmented]:  # fmt: skip
    """Each probe with the regions of its picture, and their coefficients for its first target."""
    from lime_callback.figures import composite

    images = composite(last.features.layout.canonical(probes.inputs), wavelengths)
    segments = last.features.canonical[:, 0].expand(images.shape[:3]).numpy()
    halves = last.half_widths(simultaneous=True)
    found = []
    for p, image in enumerate(images):
        number = p if probes.numbers is None else probes.numbers[p]
        target = int(last.targets[p, 0])
        said = "" if now is None else f", {now.text(p, target, class_names)}"
        what = f"{target_name(target, class_names)}{said}, R² {float(last.score[p, 0]):.2f}"
        name = f"{'probe' if probes.numbers is None else 'sample'} {number}"
        values = (np.asarray(part[p, 0]) for part in (last.coefficients, halves))
        found.append(Segmented(name, what, image, segments[p], *values))
    return found
