"""What a run writes beside its history, for a report of it: how it was explained, what its probes look like, measures.

``run.json`` is written once: the settings, and each probe's picture, label and mean spectrum. ``measures.csv`` gets a
few rows a view at each explained epoch, and goes on after a resume as the history does.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.checks.whole_files import move_aside, replacing
from lime_callback.outputs.targets import target_name
from lime_callback.publishing.run_description import chosen_scale, settings_of
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes

FORMAT = "lime_callback run 1"
LARGEST = 256  # pixels along a side of a probe's picture: it is looked at in a space of that size


@dataclass
class RunMetadata:
    """Writes what a report needs; on rank zero alone.

    Args:
        plan: what the user asked for.
    """

    plan: CallbackConfig
    _measures: MeasuresFile | None = None
    _probes: Probes | None = field(default=None, repr=False)

    def write(
        self, folder: Path, epoch: int, step: int, probes: Probes, tracks: Sequence[FollowedView],
        interrupted: tuple[str, int] | None = None,
    ) -> None:  # fmt: skip
        """Append an epoch's measures; before the first ones, and whenever the probes are others, tell of the run.

        Args:
            folder: of the history.
            epoch: counted from 0.
            step: as Lightning logs it.
            probes: what was explained.
            tracks: of the views that were explained.
            interrupted: where and up to which step the run that is gone on with wrote its history.
        """
        self._open(folder, interrupted).append(row for track in tracks for row in measure_rows(track, epoch, step))
        if self._probes is not probes:
            folder.mkdir(parents=True, exist_ok=True)  # where no view could be explained there is no history yet
            with replacing(folder / "run.json") as file:
                file.write(json.dumps(about(self.plan, probes, tracks)).encode())
            self._probes = probes

    def _open(self, folder: Path, interrupted: tuple[str, int] | None) -> MeasuresFile:
        """The run's measures; of an interrupted run the rows up to its checkpoint, wherever they were written."""
        if self._measures is None or self._measures.path.parent != folder:
            measures = MeasuresFile(folder / "measures.csv")
            if interrupted is None:
                measures.start()
            else:
                measures.go_on(Path(interrupted[0]).with_name("measures.csv"), interrupted[1])
            if interrupted is None or Path(interrupted[0]).parent.absolute() != folder.absolute():
                move_aside(folder / "run.json")
            self._measures, self._probes = measures, None
        return self._measures


def measure_rows(track: FollowedView, epoch: int, step: int) -> Iterator[MeasureRow]:
    """The last measures of a view; what has nothing yet to be compared with is left out."""
    yield MeasureRow(epoch, step, track.view.name, "epochs", track.series.epochs[-1])
    for name, value in track.measured.items():
        yield MeasureRow(epoch, step, track.view.name, name, value)
    if track.reliance is not None:  # superbands are too many for the loggers
        for i, name in enumerate(track.reliance.names):
            if name not in track.watched:
                yield MeasureRow(epoch, step, track.view.name, f"reliance/{name}", float(track.reliance.changed[i]))
                usual = float(track.reliance.expected[i])
                yield MeasureRow(epoch, step, track.view.name, f"reliance/{name}_expected", usual)


def about(plan: CallbackConfig, probes: Probes, tracks: Sequence[FollowedView] = ()) -> dict[str, Any]:
    """How a run is explained, in plain values."""
    told = (
        "n_perturbations",
        "design",
        "baseline",
        "kernel",
        "surrogate",
        "target",
        "output",
        "every_n_epochs",
        "seed",
    )
    settings = settings_of(plan)
    if plan.auto_output and (scale := chosen_scale(tracks)) is not None:
        settings["output"] = scale
    return {
        "format": FORMAT,
        "name": plan.name,
        "wavelengths": _numbers(plan.wavelengths),
        "class_names": None if plan.class_names is None else [str(name) for name in plan.class_names],
        "views": [
            {"name": view.name, "wavelengths": _numbers(getattr(view, "wavelengths", None))} for view in plan.views
        ],
        "settings": {name: settings[name] for name in told},
        "gate": plan.gate,
        "watch": {
            name: {"above": one.above, "below": one.below, "reliance": one.reliance} for name, one in plan.watch.items()
        },
        "anew": plan.choice.anew,
        "probes": _of_probes(plan, probes),
    }


def _of_probes(plan: CallbackConfig, probes: Probes) -> list[dict[str, Any]]:
    """Number, label, picture and mean spectrum of each probe."""
    from lime_callback.figures.rgb_composite import composite

    x = plan.layout.canonical(probes.inputs)
    images = composite(x, plan.wavelengths) if x.shape[2] * x.shape[3] > 1 else [None] * len(probes)
    spectra = x.float().mean((2, 3)).tolist() if x.shape[1] > 1 else [None] * len(probes)
    labels = [None] * len(probes) if probes.labels is None else probes.labels.tolist()
    numbers = range(len(probes)) if probes.numbers is None else probes.numbers
    return [
        {
            "number": number,
            "chosen": probes.numbers is not None,
            "label": None if label is None else target_name(label, plan.class_names),
            "picture": None if image is None else data_uri(image),
            "spectrum": None if spectrum is None else [float(f"{value:.4g}") for value in spectrum],
        }
        for number, label, image, spectrum in zip(numbers, labels, images, spectra, strict=True)
    ]


def data_uri(image: NDArray[np.uint8]) -> str:
    """A picture, uint8 ``[H, W, 3]``, as the address of a PNG, reduced where it is larger than it will be shown."""
    from PIL import Image

    picture, buffer = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    picture.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _numbers(values: Sequence[float] | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
