"""Turns a run into the data of its page: plain values, and arrays in base64."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_callback.checks.plain_values import finite
from lime_callback.outputs.class_regions import region_text
from lime_callback.pictures.input_panels import effect_limit
from lime_callback.report.base64_arrays import base64_floats, base64_shorts
from lime_callback.report.feature_places import named_places, spatial_places, spectral_places
from lime_callback.report.history_tables import epochs_trained, measures_of, moments_of, tables_of
from lime_callback.report.interval_widths import quantiles
from lime_callback.report.page_alarms import watch_alarms, watch_uses
from lime_callback.report.run_findings import findings_data

if TYPE_CHECKING:
    from lime_callback.report.history_tables import Moment, ViewTable
    from lime_callback.report.run_contents import RunContents

_SHORTS = 65536  # different numbers of 16 bits


def page_data(run: RunContents) -> dict[str, Any]:
    """Return everything that a run's page shows, as values for JSON.

    Returns:
        ``moments`` (epoch, step and epochs trained of each), ``views``, ``probes``, ``settings``, ``watch``, ``gate``,
        ``findings`` with the worst first,
        and the run's ``name``, ``path`` and ``notes``.
    """
    moments = moments_of(run)
    when = epochs_trained(run, moments)
    about = run.about
    data: dict[str, Any] = finite(
        {
            "name": run.name,
            "path": str(run.path),
            "notes": run.notes,
            "moments": [[*moment, round(epochs, 4)] for moment, epochs in zip(moments, when, strict=True)],
            "settings": about.get("settings", {}),
            "watch": about.get("watch", {}),
            "gate": about.get("gate"),
            "reference": about.get("reference"),
            "anew": about.get("anew", False),
            "probes": about.get("probes", []),
            "findings": findings_data(run.findings),
            "views": [_view(run, table, moments) for table in tables_of(run, moments)],
        }
    )
    return data


def _view(run: RunContents, table: ViewTable, moments: list[Moment]) -> dict[str, Any]:
    about = _about_view(run, table)
    axis, maps = _places(run, table, about.get("wavelengths") or run.about.get("wavelengths"))
    measures = measures_of(run, table.view, moments)
    return {
        "name": table.view,
        "features": table.features,
        "slots": table.scores.shape[1],
        "lists": table.who,
        "which": table.which,
        "coefficients": base64_floats(table.coefficients),
        "errors": base64_floats(table.errors),
        "scores": base64_floats(table.scores),
        "predictions": _predictions(table, about.get("kind")),
        "regions": _regions(table),
        "quantiles": quantiles(table, run.explanations.get(table.view)),
        "limit": effect_limit(len(table.features)),
        "alarms": watch_alarms(run, table, measures),
        "uses": watch_uses(run, table, measures),
        "measures": measures,
        "axis": axis,
        "maps": maps,
    }


def _about_view(run: RunContents, table: ViewTable) -> dict[str, Any]:
    views: list[dict[str, Any]] = run.about.get("views", [])
    return next((about for about in views if about["name"] == table.view), {})


def _predictions(table: ViewTable, kind: str | None) -> dict[str, Any]:
    """Return what is predicted and true of each slot.

    Args:
        table: the view's table.
        kind: what the outputs are, see :data:`~lime_callback.outputs.output_kinds.Kind`; ``None`` if the run does not
            say. They are values then if they are not whole numbers.

    Returns:
        ``kind``; ``names``: what is predicted or true anywhere, first ``""`` for what is unknown; ``indices``: a name
        each for what is predicted and what is true, 16-bit ``[E, S, 2]`` in base64; ``chances``: probabilities.
    """
    answers = [table.predicted, table.truths]
    if kind is None:
        kind = "values" if any(map(_is_value, chain(*table.predicted))) else "classes"
    if kind in ("values", "pixels"):  # three digits, of which there are few different ones
        answers = [[[text and f"{float(text):.3g}" for text in row] for row in answer] for answer in answers]
    names = dict.fromkeys(chain([""], *answers[0], *answers[1]))
    number = {name: i for i, name in enumerate(names)}
    indices = np.array([[[number[text] for text in row] for row in answer] for answer in answers])
    return {"kind": kind, "names": list(names), "indices": base64_shorts(np.moveaxis(indices, 0, -1)),
            "chances": base64_floats(table.chances)}  # fmt: skip


def _regions(table: ViewTable) -> dict[str, Any] | None:
    """Return what the region of each slot is, where means over a segmentation's regions are explained.

    Returns:
        ``names``: the regions in words, first ``""`` for what is unknown; ``indices``: a name each, 16-bit ``[E, S]``
        in base64; ``empty``: which names are those of regions without a pixel. ``None`` without regions.
    """
    texts = [
        [
            region_text(int(pixels), share, since, _class_words(target))
            if pixels == 0 or (0 < pixels < math.inf and 0 <= share <= 1)
            else ""
            for (_, target), (pixels, share, since) in zip(who, of_epoch, strict=False)
        ]
        for who, of_epoch in zip(
            (table.who[i] if i >= 0 else [] for i in table.which), table.regions.tolist(), strict=True
        )
    ]
    names = {name: i for i, name in enumerate(dict.fromkeys(chain([""], *texts)))}
    if len(names) == 1 or len(names) > _SHORTS:
        return None
    indices = np.zeros(table.scores.shape, dtype=np.int64)
    for e, row in enumerate(texts):
        indices[e, : len(row)] = [names[text] for text in row]
    empty = [i for name, i in names.items() if name.startswith("no pixel ")]
    return {"names": list(names), "indices": base64_shorts(indices), "empty": empty}


def _class_words(target: str) -> str:
    return f"class {target}" if target.isdecimal() else target


def _is_value(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except ValueError:
        return False


def _places(
    run: RunContents, table: ViewTable, wavelengths: list[float] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the features' axis and their maps, one of which is ``None``; both are if neither is known."""
    explanation = run.explanations.get(table.view)
    if explanation is None or list(explanation.features.names) != table.features:
        return named_places(table.features, wavelengths), None
    mask = explanation.features.canonical
    if mask.shape[2] * mask.shape[3] > 1:
        return None, spatial_places(explanation)
    if mask.shape[1] > 1 and mask.shape[0] == 1:
        places = spectral_places(explanation, wavelengths)
        return places if places["nanometres"] else named_places(table.features) or places, None
    return None, None
