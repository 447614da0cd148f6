"""Writes the files beside a run's history that the run's page needs: settings, probes and measures.

``run.json`` holds the settings, and each probe's picture, label and mean spectrum; it is written again only if the
probes change. ``measures.csv`` gets a few rows for each view at each explained epoch; after a resume it goes on as the
history does.
"""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lime_callback.checks.whole_files import replacing
from lime_callback.explaining.uses.set_use import CLASS_ENDS, USES
from lime_callback.following.physical_inputs import physical
from lime_callback.following.run_question import question_of, view_argument
from lime_callback.outputs.targets import class_name
from lime_callback.publishing.run_description import chosen_scale, settings_of
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.explained_epoch import ExplainedEpoch
    from lime_callback.publishing.run_place import Interrupted

FORMAT = "lime_callback run 1"
NO_SETTING = {
    "views": "`run.json` has them beside the settings",
    "probes": "`run.json` has each of them beside the settings",
    "watch": "`run.json` has them beside the settings",
    "gate": "`run.json` has it beside the settings",
    "background": "the baseline and `measures.csv` show what the run took from it",
    "time_budget": "the history has the perturbations that it afforded",
}
"""Settings that ``run.json`` does not list among the settings which the page shows, and why."""
_FIRST = ("n_perturbations", "design", "baseline", "kernel", "surrogate", "target", "output")  # on the page
LARGEST = 256  # pixels along the longer side of a probe's picture; the page shows it no larger


@dataclass
class RunMetadata:
    """Writes ``run.json`` and ``measures.csv``; exists on rank zero alone.

    Args:
        config: the user's arguments.
    """

    config: CallbackConfig
    _measures: MeasuresFile | None = None
    _probes: Probes | None = field(default=None, repr=False)

    def write(
        self,
        folder: Path,
        explained: ExplainedEpoch,
        interrupted: Interrupted | None = None,
        without: Collection[str] = (),
    ) -> None:
        """Append an epoch's measures; write ``run.json`` at the first epoch and whenever the probes change.

        Args:
            folder: the history's folder.
            explained: the epoch.
            interrupted: the run that this one resumes; ``None`` for a new run.
            without: names of the views whose rows are not taken over from that run.
        """
        measures = self._open(folder, interrupted, without)
        measures.append(row for view in explained.views for row in measure_rows(view, explained))
        if self._probes is not explained.probes:
            folder.mkdir(parents=True, exist_ok=True)  # without an explained view nobody has made it yet
            with replacing(folder / "run.json") as file:
                file.write(json.dumps(run_metadata(self.config, explained.probes, explained.views)).encode())
            self._probes = explained.probes

    def _open(self, folder: Path, interrupted: Interrupted | None, without: Collection[str]) -> MeasuresFile:
        """Return the run's measures file, which begins with the rows of an interrupted run up to its checkpoint."""
        if self._measures is None or self._measures.path.parent != folder:
            measures = MeasuresFile(folder / "measures.csv")
            if interrupted is None:
                measures.start()
            else:
                path = interrupted.history.with_name(measures.path.name)
                measures.go_on(path, interrupted.step, without, interrupted.epochs)
            self._measures, self._probes = measures, None
        return self._measures


def measure_rows(followed: FollowedView, explained: ExplainedEpoch) -> Iterator[MeasureRow]:
    """Yield a view's last measures; a measure that needs an earlier explanation is left out before there is one."""
    epochs = followed.series.epochs[-1]
    row = partial(MeasureRow, explained.epoch, explained.step, followed.view.name, epochs=epochs)
    yield row("epochs", epochs)
    for name, value in followed.measured.items():
        yield row(name, value)
    for name, use in followed.uses.items():
        values = {"use": USES.index(use.use), "low": use.low, "high": use.high, "samples": use.samples}
        for end, one in zip(CLASS_ENDS, use.most, strict=False):
            values |= {f"class{end}": one.label, f"class_changed{end}": one.changed, f"class_samples{end}": one.samples}
        if math.isfinite(use.accuracy) and math.isfinite(use.accuracy_hidden):
            values |= {"accuracy": use.accuracy, "accuracy_hidden": use.accuracy_hidden}
        for what, value in values.items():
            yield row(f"reliance_{what}/{name}", float(value))
    reliance = followed.reliance
    if reliance is not None:  # loggers show watches alone, since superbands are too many
        for i, name in enumerate(reliance.names):
            if name not in followed.watched:
                yield row(f"reliance/{name}", float(reliance.changed[i]))
                yield row(f"reliance/{name}_expected", float(reliance.expected[i]))
        yield row("reliance_everything", float(reliance.everything.mean()))  # the page's hints need it
        yield row("reliance_of_classes", float(reliance.classes))  # and its units


def run_metadata(config: CallbackConfig, probes: Probes, views: Sequence[FollowedView] = ()) -> dict[str, Any]:
    """Return a run's settings, views, watches and probes as plain values, which become ``run.json``."""
    settings, asked = settings_of(config), question_of(config)
    kinds = {followed.view.name: followed.kind for followed in views}  # what the outputs are
    if config.auto_output and (scale := chosen_scale(views)) is not None:
        settings["output"] = scale
    return {
        "format": FORMAT,
        "name": config.name,
        "wavelengths": _numbers(config.wavelengths),
        "class_names": None if config.class_names is None else [str(name) for name in config.class_names],
        "views": [
            {
                "name": view.name,
                "wavelengths": _numbers(getattr(view, "wavelengths", None)),
                "kind": kinds.get(view.name),
                "cut": asked[view_argument(view.name)],
            }
            for view in config.views
        ],
        "settings": {name: settings[name] for name in (*_FIRST, *settings) if name not in NO_SETTING},
        "gate": config.gate,
        "reference": config.reference is not None,
        "watch": {
            name: {bound: getattr(watched_set, bound) for bound in ("above", "below", "reliance", "changed")}
            | _extent(name, views)
            for name, watched_set in config.watch.items()
        },
        "anew": config.choice.anew,
        "probes": _of_probes(config, probes, next(iter(kinds.values()), None)),
    }


def _extent(name: str, views: Sequence[FollowedView]) -> dict[str, str]:
    """Return how much of the inputs a watch is, in words, and what it is made of; nothing where that is unknown."""
    for followed in views:
        place = followed.watched.get(name)
        if place is not None and place.extent is not None:
            return {"extent": place.extent.text, "elements": place.extent.elements}
    return {}


def _of_probes(config: CallbackConfig, probes: Probes, kind: str | None) -> list[dict[str, Any]]:
    """Return each probe's number, label, picture and mean spectrum."""
    from lime_callback.figures.rgb_composite import composite

    x = physical(probes.inputs, config.layout, config.to_physical)
    images = composite(x, config.wavelengths) if x.shape[2] * x.shape[3] > 1 else [None] * len(probes)
    spectra = x.float().mean((2, 3)).tolist() if x.shape[1] > 1 else [None] * len(probes)
    labels = [None] * len(probes) if probes.labels is None else probes.labels.tolist()
    numbers = range(len(probes)) if probes.numbers is None else probes.numbers
    return [
        {
            "number": number,
            "chosen": probes.numbers is not None,
            "label": None if label is None else class_name(label, config.class_names, kind),
            "picture": None if image is None else data_uri(image),
            "spectrum": None if spectrum is None else [float(f"{value:.4g}") for value in spectrum],
        }
        for number, label, image, spectrum in zip(numbers, labels, images, spectra, strict=True)
    ]


def data_uri(image: NDArray[np.uint8]) -> str:
    """Encode a picture, uint8 ``[H, W, 3]``, as the ``data:`` address of a PNG of at most 256 pixels a side."""
    from PIL import Image

    picture, buffer = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    picture.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _numbers(values: Sequence[float] | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
