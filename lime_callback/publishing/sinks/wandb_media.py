"""Turns a view's numbers, its probes and texts into what W&B shows: charts, images with masks, and pages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lime_callback.publishing.sinks.view_data import Segmented, ViewData

_SIDE = 256  # pixels up to which small pictures are enlarged, so that people can point at their regions
_NAMED = 5  # regions whose effects stand below their picture
_STYLE = """<!DOCTYPE html>
<meta charset="utf-8">
<style>
body { font: 14px/1.5 sans-serif; max-width: 60em; margin: 1em }
table { border-collapse: collapse } th, td { border: 1px solid #ccc; padding: 0.2em 0.6em; text-align: left }
</style>
"""


def html_of(text: str) -> Any:
    """Return Markdown as a W&B page; HTML within the text, such as in the name of a class, is shown as it is."""
    import wandb
    from markdown import Markdown

    reader = Markdown(extensions=["tables", "sane_lists"])
    reader.preprocessors.deregister("html_block")
    reader.inlinePatterns.deregister("html")
    return wandb.Html(_STYLE + reader.convert(text), inject=False)


def charts_of(tag: str, view: ViewData) -> dict[str, Any]:
    """Return W&B charts of a view's means: bars of the absolute effects, and lines of the followed features' effects.

    The table of the bars has the signed effects with their 95 % intervals, too.

    Args:
        tag: the view's tag.
        view: the view's numbers.
    """
    import wandb

    means = view.means
    if means is None:
        return {}
    data = [
        [view.names[i], float(means.sizes[i]), effect, *_ends(effect, float(means.halves[i]))]
        for i, effect in enumerate(means.effects.tolist())
    ]
    data.sort(key=lambda row: -np.nan_to_num(row[1]))
    bars = wandb.Table(columns=["feature", "absolute_effect", "effect", "lower", "upper"], data=data)
    title = f"{tag}: mean %s effects of {means.target}"
    lines = wandb.plot.line_series(
        list(means.epochs), means.lines.T.tolist(), keys=[view.names[i] for i in means.followed],
        title=title % "signed", xname="epoch",
    )  # fmt: skip
    return {
        f"{tag}/bars": wandb.plot.bar(bars, "feature", "absolute_effect", title % "absolute"),
        f"{tag}/lines": lines,
    }


def masked_image(probe: Segmented, names: Sequence[str], regions: Sequence[int], moment: str) -> Any:
    """Return a W&B image whose regions show their names, with the effects of the strongest below it.

    Args:
        probe: the probe.
        names: the features' names, d.
        regions: the numbers of the features that the mask shows; the first has number 1 in the mask.
        moment: the view, epoch and step, in words.
    """
    import wandb

    number = np.zeros(len(names) + 1, dtype=np.uint8)  # the last entry serves pixels of -1, which are never hidden
    number[list(regions)] = np.arange(1, len(regions) + 1)
    labels = {0: "never hidden" if len(regions) == len(names) else "never hidden, or weak at first"}
    labels |= {int(number[i]): names[i] for i in regions}
    times = max(1, _SIDE // max(probe.segments.shape))
    return wandb.Image(
        _enlarged(probe.image, times),
        caption=f"{probe.name}: {probe.text} · {moment} · {', '.join(_strongest(probe, names))}",
        masks={probe.name: {"mask_data": _enlarged(number[probe.segments], times), "class_labels": labels}},
        file_type="png" if times > 1 else "jpg",
    )


def _strongest(probe: Segmented, names: Sequence[str]) -> list[str]:
    order = sorted(probe.regions, key=lambda i: -abs(np.nan_to_num(probe.effects[i])))[:_NAMED]
    return [f"{names[i]} {effect_text(probe.effects[i], probe.halves[i])}" for i in order]


def effect_text(value: float, half: float) -> str:
    """Return an effect with half of its interval, if that is known."""
    return f"{value:+.2f}" + (f" ± {half:.2f}" if math.isfinite(half) else "")


def _ends(value: float, half: float) -> tuple[float | None, float | None]:
    return (value - half, value + half) if math.isfinite(half) else (None, None)


def _enlarged(image: NDArray[Any], times: int) -> NDArray[Any]:
    return image.repeat(times, axis=0).repeat(times, axis=1)
