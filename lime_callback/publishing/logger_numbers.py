"""Turns an explained view into numbers that loggers draw by themselves: means, lines, and probes with their regions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.following.epoch_series import means_over_probes
from lime_callback.outputs.targets import target_name
from lime_callback.pictures.probe_pictures import pictures_of
from lime_callback.publishing.sinks.view_data import Means, Segmented, ViewData
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.following.probe_predictions import ProbePredictions
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.sinks.history_csv import HistoryRow

# More lines would flood a dashboard. A band means the same in every probe; a place in a picture seldom does.
_BANDS, _PLACES = 20, 8


def view_data(
    followed: FollowedView,
    probes: Probes,
    rows: Sequence[HistoryRow],
    wavelengths: Sequence[float] | None,
    class_names: Sequence[str] | None,
) -> ViewData:
    """Gather the numbers of a view's last explanation.

    Args:
        followed: the view, explained at least once.
        probes: the explained samples.
        rows: this view's rows of the history.
        wavelengths: the channels' wavelengths in nm, or ``None``; those of the view itself come first.
        class_names: the outputs' names, or ``None``.
    """
    assert followed.last is not None, "explain comes first"
    mask = followed.last.features.canonical
    in_space = mask.shape[1] == 1 and mask.shape[2] * mask.shape[3] > 1
    view_wavelengths = getattr(followed.view, "wavelengths", None)
    return ViewData(
        names=followed.last.features.names,
        score=float(followed.last.score[followed.explains(followed.last)].mean()),
        rows=rows,
        effects=_all_effects(followed.last, followed.explains(followed.last)),
        metrics=followed.measured,
        later=tuple(followed.metrics),
        means=_means(followed, class_names),
        segmented=partial(
            _segmented,
            followed.first or followed.last,
            followed.last,
            followed.now,
            probes,
            wavelengths if view_wavelengths is None else view_wavelengths,
            class_names,
        )
        if in_space
        else tuple,
    )


def _means(view: FollowedView, class_names: Sequence[str] | None) -> Means | None:
    """Return the means over the probes, and their lines over the epochs; ``None`` if the probes' features differ."""
    last, series = view.last, view.series
    if last is None or (len(last.features.mask) > 1 and len(last.score) > 1):
        return None
    reference = view.first or last
    first = means_over_probes(reference, view.counts(reference)).sizes[0]
    if not bool(torch.isfinite(first).any()):  # no probe passed the gate
        first = means_over_probes(reference).sizes[0]
    # The strongest features are followed, listed in the view's order: that of the wavelengths.
    most = _BANDS if last.features.canonical.shape[1] > 1 else _PLACES
    followed = sorted(torch.nan_to_num(first).argsort(descending=True, stable=True)[:most].tolist())
    same = bool((last.targets[:, 0] == last.targets[0, 0]).all())
    lines = torch.stack([effects[0] for effects in series.effects])[:, followed]
    return Means(
        target=target_name(int(last.targets[0, 0]), class_names, view.kind) if same else "several targets",
        effects=series.effects[-1][0].numpy(),
        halves=series.effect_halves[-1][0].numpy(),
        sizes=series.sizes[-1][0].numpy(),
        coefficients=series.coefficients[-1][0].numpy(),
        errors=series.errors[-1][0].numpy(),
        noises=series.noises[-1][0].numpy(),
        followed=followed,
        epochs=list(series.epochs),
        lines=lines.numpy(),
    )


def _all_effects(explanation: Explanation, explains: Tensor) -> NDArray[np.floating[Any]]:
    """Return the effects of all features that the probes have, of those with something to explain, ``[P, T]``."""
    values = explanation.effects
    return values[explanation.features.present.unsqueeze(1) & explains.unsqueeze(2)].numpy()


def _segmented(
    first: Explanation, last: Explanation, now: ProbePredictions | None, probes: Probes,
    wavelengths: Sequence[float] | None, class_names: Sequence[str] | None,
) -> list[Segmented]:  # fmt: skip
    """Return each probe with the regions of its picture, and their effects for its first target."""
    images = pictures_of(probes, last.features.layout, None, wavelengths)
    segments = last.features.canonical[:, 0].expand(images.shape[:3]).numpy()
    present = last.features.present.expand(len(images), -1)
    order = torch.where(present, first.effects[:, 0].abs(), -1.0).argsort(descending=True, stable=True)
    segmented = []
    for p, image in enumerate(images):
        number = p if probes.numbers is None else probes.numbers[p]
        target = int(last.targets[p, 0])
        predicted_and_true = "" if now is None else f", {now.text(p, target, class_names)}"
        explained = target_name(target, class_names, None if now is None else now.kind)
        text = f"{explained}{predicted_and_true}, R² {float(last.score[p, 0]):.2f}"
        name = f"{'probe' if probes.numbers is None else 'sample'} {number}"
        count = int(present[p].sum())
        halves = last.effect_errors[p, 0] * critical_value(float(last.freedom[p]), of=count)
        effects, regions = last.effects[p, 0].numpy(), order[p, :count].tolist()
        segmented.append(Segmented(name, text, image, segments[p], effects, halves.numpy(), regions))
    return segmented
