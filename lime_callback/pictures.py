"""From explanations to pictures: which figure shows which view, and what is written on it.

Pictures of single probes show effects: a coefficient as a share of the output's spread over the perturbations. That
scale needs no fitting to the run, so a colour means the same at every epoch, and a surrogate that explains little looks
pale. Bar charts show coefficients, in units of the output.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.tracks import target_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explanation import Explanation
    from lime_callback.probes import Probes
    from lime_callback.tracks import Track

EFFECT = "effect (share of the output's spread)"
_PANELS = 16


def draw(
    track: Track, probes: Probes, wavelengths: Sequence[float] | None, class_names: Sequence[str] | None
) -> dict[str, NDArray[np.uint8]]:
    """The pictures of a view's last explanation, uint8 ``[H, W, 3]`` by the last part of their tags.

    Args:
        track: of the view.
        probes: what is explained.
        wavelengths: of the channels, in nm, or ``None``.
        class_names: of the outputs, or ``None``.
    """
    from lime_callback import figures

    explanation = track.last
    assert explanation is not None, "explain comes first"
    name, epoch = track.view.name, track.epochs[-1]
    wavelengths = getattr(track.view, "wavelengths", None) or wavelengths
    caption = f"{name} · after {epoch:g} epoch{'s' * (epoch != 1)}"
    mask = explanation.features.canonical
    spectral = mask.shape[1] > 1 and mask.shape[2] * mask.shape[3] == 1
    limit = min(1.0, 2.5 / math.sqrt(len(explanation.features)))
    if spectral:
        panels = list(_spectrum_panels(explanation, probes, wavelengths, class_names))
        attributions = figures.spectra(panels, wavelengths=wavelengths, limit=limit, caption=caption, quantity=EFFECT)
        names = [target_name(int(t), class_names) for t in explanation.targets[0]]
        same = bool((explanation.targets == explanation.targets[:1]).all())
        bars = figures.superband_bars(
            explanation.features.names,
            explanation.coefficients.numpy(),
            explanation.standard_error.numpy(),
            targets=names if same else ["each probe's target"] * len(names),
            channels=mask[0, :, 0, 0].numpy(),
            wavelengths=wavelengths,
            limit=track.reach,
            caption=caption,
        )
    else:
        panels = list(_spatial_panels(explanation, probes, wavelengths, class_names))
        attributions = figures.attributions(panels, limit=limit, caption=caption, quantity=EFFECT)
        bars = figures.feature_bars(list(_bar_panels(explanation, class_names)), limit=track.reach, caption=caption)
    lines = figures.history_lines(track.epochs, {name: track.scores}, {name: track.drifts}, caption=name)
    kind = "superbands" if spectral else "superpixels" if mask.shape[1] == 1 else "features"
    made = {"attributions": attributions, kind: bars, "drift": lines}
    return {what: figures.render(figure) for what, figure in made.items()}


def _chosen(explanation: Explanation) -> Iterator[tuple[int, int]]:
    """Probe and target of each panel: as many probes as there is room for with all of their targets."""
    probes, targets = explanation.score.shape
    shown = min(targets, _PANELS)
    yield from ((p, t) for p in range(min(probes, _PANELS // shown)) for t in range(shown))


def _texts(explanation: Explanation, probe: int, t: int, class_names: Sequence[str] | None) -> dict[str, Any]:
    target = target_name(int(explanation.targets[probe, t]), class_names)
    prediction, score = float(explanation.prediction[probe, t]), float(explanation.score[probe, t])
    return {"title": f"probe {probe} · {target}", "subtitle": f"prediction {prediction:.3g}, R² {score:.2f}"}


def _effects(explanation: Explanation, values: Tensor) -> Tensor:
    """Coefficients or their errors as shares of the output's spread; 0 where the output does not vary.

    A feature is on in about half of the rows, so it moves the output by half of its coefficient either way.
    """
    spread = 2 * explanation.spread().unsqueeze(-1)
    return torch.where(spread > 0, values / spread, 0.0)


def _spatial_panels(
    explanation: Explanation, probes: Probes, wavelengths: Sequence[float] | None, class_names: Sequence[str] | None
) -> Iterator[Any]:
    from lime_callback.figures import Panel, composite

    layout = explanation.features.layout
    images = composite(layout.canonical(probes.inputs), wavelengths)
    size = images.shape[1:3]
    effects = explanation.on_elements(_effects(explanation, explanation.coefficients))
    mask = explanation.features.canonical.expand(len(images), -1, -1, -1)
    for probe, t in _chosen(explanation):
        heat = layout.canonical(effects[probe, t].unsqueeze(0))[0].mean(0).expand(size)
        segments = mask[probe, 0].expand(size)
        texts = _texts(explanation, probe, t, class_names)
        yield Panel(image=images[probe], heat=heat.numpy(), segments=segments.numpy(), **texts)


def _spectrum_panels(
    explanation: Explanation, probes: Probes, wavelengths: Sequence[float] | None, class_names: Sequence[str] | None
) -> Iterator[Any]:
    from lime_callback.figures import SpectrumPanel, composite

    layout = explanation.features.layout
    x = layout.canonical(probes.inputs)
    images = composite(x, wavelengths) if x.shape[2] * x.shape[3] > 1 else None
    parts = [
        explanation.on_elements(_effects(explanation, values))
        for values in (explanation.coefficients, explanation.standard_error)
    ]
    for probe, t in _chosen(explanation):
        effect, error = (layout.canonical(part[probe, t].unsqueeze(0))[0, :, 0, 0].numpy() for part in parts)
        yield SpectrumPanel(
            image=None if images is None else images[probe],
            spectrum=x[probe].float().mean((1, 2)).numpy(),
            coefficients=effect,
            errors=error,
            **_texts(explanation, probe, t, class_names),
        )


def _bar_panels(explanation: Explanation, class_names: Sequence[str] | None) -> Iterator[tuple[str, Any, Any, Any]]:
    present = explanation.features.present.expand(len(explanation.score), -1)
    for probe, t in _chosen(explanation):
        has = present[probe]
        names = [name for name, there in zip(explanation.features.names, has.tolist(), strict=True) if there]
        title = _texts(explanation, probe, t, class_names)["title"]
        coefficients, errors = explanation.coefficients[probe, t][has], explanation.standard_error[probe, t][has]
        yield title, names, coefficients.numpy(), errors.numpy()
