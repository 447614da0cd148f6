"""Shows an explanation in a notebook: a table of its strongest features, and the figure that fits its features.

Letters: ``B`` inputs, ``T`` targets, ``d`` features.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.following.epoch_series import means_over_probes
from lime_callback.outputs.targets import target_name
from lime_callback.pictures.html_table import html_table
from lime_callback.pictures.input_panels import (
    EFFECT,
    bars,
    effect_limit,
    fit_text,
    inputs_and_targets,
    panels,
    score_text,
)
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation

_ROWS = 16


def explanation_html(explanation: Explanation) -> str:
    """Return an HTML table with a row for each of the first 16 pairs of an input and a target.

    A row shows the output, the score, and the three strongest features with their effects.
    """
    batch, targets, size = explanation.coefficients.shape
    pairs = [(b, t) for b in range(batch) for t in range(targets)]
    head = (
        "input",
        "target",
        "output",
        "R² of rows left out",
        "strongest effects, ± 95 % interval of all at once",
    )
    more = f", the first {_ROWS} of {len(pairs)} shown" if len(pairs) > _ROWS else ""
    about = (
        f"{batch} inputs, targets of each: {targets}, features: {size}, perturbations: {explanation.n_perturbations}"
    )
    return html_table(f"Explanation: {about}{more}", head, (_row(explanation, b, t) for b, t in pairs[:_ROWS]))


def explanation_figure(
    explanation: Explanation, images: Tensor | None = None, *, wavelengths: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None, axes: Axes | None = None,
) -> Figure:  # fmt: skip
    """Draw the figure that fits the features: effects of superbands, maps beside the images, or bars of each input.

    Args:
        explanation: the explanation to show. Features that are the same groups of channels in every input become bars
            of superbands.
        images: the inputs ``[B, *dims]``, beside which maps of other features stand; ``None`` draws bars for each
            input.
        wavelengths: the channels' wavelengths in nm; ``None`` if they are unknown.
        class_names: the outputs' names; ``None`` draws their numbers.
        axes: axes of the caller's own figure, which get the picture; ``None`` makes a figure.

    Returns:
        The figure, or that of ``axes``.

    Raises:
        ValueError: if the images or the wavelengths do not fit the explanation.
    """
    figure = _figure(explanation, images, wavelengths, class_names)
    if axes is None:
        return figure
    from lime_callback.figures import render

    axes.imshow(render(figure))
    axes.set_axis_off()
    return axes.figure.figure


def _figure(
    explanation: Explanation,
    images: Tensor | None,
    wavelengths: Sequence[float] | None,
    class_names: Sequence[str] | None,
) -> Figure:
    from lime_callback import figures

    explanation = explanation.to("cpu")
    mask = explanation.features.canonical
    limit, caption = effect_limit(len(explanation.features)), _caption(explanation)
    if mask.shape[1] > 1 and mask.shape[2] * mask.shape[3] == 1 and mask.shape[0] == 1:
        targets = explanation.targets
        same = bool((targets == targets[:1]).all())
        means = means_over_probes(explanation)
        of_inputs = [target_name(int(t), class_names) for t in targets[:, 0]]
        return figures.superband_effects(
            explanation.features.names,
            *(part.detach().numpy() for part in (means.sizes, means.effects, means.effect_halves)),
            targets=[target_name(int(t), class_names) if same else "" for t in targets[0]],
            channels=mask[0, :, 0, 0].numpy(), wavelengths=wavelengths, limit=float(means.sizes.nan_to_num(0.0).max()),
            values=explanation.effects.detach().numpy(), map_limit=limit, caption=caption, quantity=EFFECT,
            probes=[figures.ProbeRow("" if same else name, f"input {b}") for b, name in enumerate(of_inputs)],
        )  # fmt: skip
    if images is not None:
        shown = _panels(explanation, images, wavelengths, class_names)
        return figures.attributions(shown, limit=limit, caption=caption, quantity=EFFECT)
    of_each = bars(
        explanation, inputs_and_targets(explanation),
        lambda b, t: " · ".join(_texts(explanation, b, t, class_names).values()), as_effects=True,
    )  # fmt: skip
    return figures.feature_bars(list(of_each), limit=limit, caption=caption, quantity=EFFECT, top=10, together=True)


def _caption(explanation: Explanation) -> str:
    """Return the heading: how many features, and how well they are described."""
    score, count = explanation.score.double().nan_to_num(-1.0), len(explanation.features)
    worst = f", worst {score_text(float(score.min()))}" if score.numel() > 1 else ""
    return f"{count} features · R² {score_text(float(score.median()))}{worst}"


def _row(explanation: Explanation, b: int, t: int) -> list[str]:
    present = explanation.features.present.expand(len(explanation.score), -1)[b].cpu()
    values, errors = (
        values_of_all[b, t].detach().cpu() for values_of_all in (explanation.effects, explanation.effect_errors)
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


def _texts(explanation: Explanation, b: int, t: int, class_names: Sequence[str] | None) -> dict[str, Any]:
    title = f"input {b} · {target_name(int(explanation.targets[b, t]), class_names)}"
    output = score_text(float(explanation.prediction[b, t]))
    return {"title": title, "subtitle": f"output {output}, {fit_text(explanation, b, t)}"}


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
    texts = partial(_texts, explanation, class_names=class_names)
    return list(panels(explanation, pictures, inputs_and_targets(explanation), texts))
