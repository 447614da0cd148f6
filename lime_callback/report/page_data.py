"""Turns a run into the data of its page: plain values, and arrays in base64."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lime_callback.pictures.input_panels import effect_limit
from lime_callback.report.base64_arrays import base64_floats
from lime_callback.report.feature_places import named_places, spatial_places, spectral_places
from lime_callback.report.history_tables import epochs_trained, measures_of, moments_of, tables_of
from lime_callback.report.interval_widths import quantiles
from lime_callback.report.page_alarms import watch_alarms

if TYPE_CHECKING:
    from lime_callback.report.history_tables import Moment, ViewTable
    from lime_callback.report.run_contents import RunContents


def page_data(run: RunContents) -> dict[str, Any]:
    """Return everything that a run's page shows, as values for JSON.

    Returns:
        ``moments`` (epoch, step and epochs trained of each), ``views``, ``probes``, ``settings``, ``watch``, ``gate``,
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
            "anew": about.get("anew", False),
            "probes": about.get("probes", []),
            "views": [_view(run, table, moments) for table in tables_of(run, moments)],
        }
    )
    return data


def _view(run: RunContents, table: ViewTable, moments: list[Moment]) -> dict[str, Any]:
    axis, maps = _places(run, table)
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
        "quantiles": quantiles(table, run.explanations.get(table.view)),
        "limit": effect_limit(len(table.features)),
        "alarms": watch_alarms(run, table, measures),
        "measures": measures,
        "axis": axis,
        "maps": maps,
    }


def _places(run: RunContents, table: ViewTable) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the features' axis and their maps, one of which is ``None``; both are if neither is known."""
    explanation = run.explanations.get(table.view)
    if explanation is None or list(explanation.features.names) != table.features:
        return named_places(table.features), None
    mask = explanation.features.canonical
    if mask.shape[2] * mask.shape[3] > 1:
        return None, spatial_places(explanation)
    if mask.shape[1] > 1 and mask.shape[0] == 1:
        view_about: dict[str, Any] = next(
            (about for about in run.about.get("views", []) if about["name"] == table.view), {}
        )
        places = spectral_places(explanation, view_about.get("wavelengths") or run.about.get("wavelengths"))
        return places if places["nanometres"] else named_places(table.features) or places, None
    return None, None


def finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not have, with ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, (list, tuple)) else value
