"""Shows an explanation in a notebook: a table of its strongest features, and the figure that fits its features.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lime_callback.following.epoch_series import means_over_probes
from lime_callback.pictures.html_table import html_table
from lime_callback.pictures.input_panels import bars, inputs_and_targets, panels
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation

_ROWS = 16


def explanation_html(explanation: Explanation) -> str:
    """Return an HTML table with a row for each of the first 16 pairs of an input and a target.

    A row shows the output, the score, and the three features with the largest absolute coefficients.
    """
    batch, targets, size = explanation.coefficients.shape
    pairs = [(b, t) for b in range(batch) for t in range(targets)]
    head = ("input", "target", "output", "R² of rows left out", "strongest, ± 95 % interval of all features at once")
    more = f", the first {_ROWS} of {len(pairs)} shown" if len(pairs) > _ROWS else ""
    about = (
        f"{batch} inputs, targets of each: {targets}, features: {size}, perturbations: {explanation.n_perturbations}"
    )
    return html_table(f"Explanation: {about}{more}", head, (_row(explanation, b, t) for b, t in pairs[:_ROWS]))


def explanation_figure(
    explanation: Explanation, images: Tensor | None = None, *, wavelengths: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
) -> Figure:  # fmt: skip
    """Draw the figure that fits the features: bars of superbands, overlays of the images, or bars of each input.

    Args:
        explanation: the explanation to show. Features that are the same groups of channels in every input become bars
            of superbands.
        images: the inputs ``[B, *dims]``, on which other features are overlaid; ``None`` draws bars for each input.
        wavelengths: the channels' wavelengths in nm; ``None`` if they are unknown.
        class_names: the outputs' names; ``None`` draws their numbers.

    Raises:
        ValueError: if the images or the wavelengths do not fit the explanation.
    """
    from lime_callback import figures

    explanation = explanation.to("cpu")
    mask = explanation.features.canonical
    coefficients = explanation.coefficients.detach()
    limit = float(coefficients.abs().max())
    if mask.shape[1] > 1 and mask.shape[2] * mask.shape[3] == 1 and mask.shape[0] == 1:
        same = bool((explanation.targets == explanation.targets[:1]).all())
        names = [_target(int(t), class_names) if same else "each input's target" for t in explanation.targets[0]]
        means = means_over_probes(explanation)
        return figures.superband_bars(
            explanation.features.names, coefficients.numpy(), means.halves.detach().numpy(), targets=names,
            channels=mask[0, :, 0, 0].numpy(), wavelengths=wavelengths,
            limit=float(coefficients.mean(0).abs().max()), sizes=means.sizes.nan_to_num(0.0).numpy(),
        )  # fmt: skip
    if images is not None:
        return figures.attributions(_panels(explanation, images, wavelengths, class_names), limit=limit)
    shown = bars(
        explanation, inputs_and_targets(explanation), lambda b, t: _texts(explanation, b, t, class_names)["title"]
    )
    return figures.feature_bars(list(shown), limit=limit, together=True)


def _row(explanation: Explanation, b: int, t: int) -> list[str]:
    present = explanation.features.present.expand(len(explanation.score), -1)[b].cpu()
    values, errors = (
        values_of_all[b, t].detach().cpu() for values_of_all in (explanation.coefficients, explanation.standard_error)
    )
    order = torch.where(present, values.abs(), -1.0).argsort(descending=True, stable=True)[:3].tolist()
    names = explanation.features.names
    # These features are shown for being strong, so their intervals have to hold for all features at once.
    quantile = float(critical_value(explanation.freedom.double().cpu(), of=int(present.sum()))[b])
    halves = torch.where(errors > 0, quantile * errors, 0.0)
    strongest = ", ".join(
        f"{_short(names[i])} {float(values[i]):+.3g}" + (f" ± {float(halves[i]):.2g}" if halves[i].isfinite() else "")
        for i in order
        if present[i]
    )
    if not bool(errors[present].isfinite().all()):
        strongest += "; no intervals: too few perturbations"
    output, score = float(explanation.prediction[b, t]), float(explanation.score[b, t])
    return [str(b), str(int(explanation.targets[b, t])), f"{output:.3g}", f"{score:.2f}", strongest]


def _short(name: str, most: int = 40) -> str:
    """Replace a name's middle with an ellipsis if it has more than ``most`` characters."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"


def _target(index: int, class_names: Sequence[str] | None) -> str:
    return str(class_names[index]) if class_names is not None and index < len(class_names) else f"output {index}"


def _texts(explanation: Explanation, b: int, t: int, class_names: Sequence[str] | None) -> dict[str, Any]:
    prediction, score = float(explanation.prediction[b, t]), float(explanation.score[b, t])
    title = f"input {b} · {_target(int(explanation.targets[b, t]), class_names)}"
    return {"title": title, "subtitle": f"prediction {prediction:.3g}, R² {score:.2f}"}


def _panels(
    explanation: Explanation, images: Tensor, wavelengths: Sequence[float] | None, class_names: Sequence[str] | None
) -> list[Any]:
    from lime_callback.figures import composite

    layout = explanation.features.layout
    layout.check(tuple(images.shape), "images")
    if tuple(images.shape) != (len(explanation.score), *explanation.shape):
        raise ValueError(
            f"`images` should be the inputs, of shape {(len(explanation.score), *explanation.shape)}. Found "
            f"{tuple(images.shape)}."
        )
    pictures = composite(layout.canonical(images.detach().cpu().float()), wavelengths)
    heat = explanation.on_elements(explanation.coefficients.detach())
    return list(
        panels(
            explanation,
            pictures,
            inputs_and_targets(explanation),
            lambda b, t: _texts(explanation, b, t, class_names),
            heat,
        )
    )
