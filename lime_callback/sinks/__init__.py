"""Where reports go: each logger that takes pictures, or files where none does; and the history.

A logger's kind is told by the names of its class and of the classes that it derives from:
``lightning.pytorch`` and ``pytorch_lightning`` each have classes of their own under the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.sinks.base import Report, Sink, media_tag
from lime_callback.sinks.files import PictureFiles
from lime_callback.sinks.history import HistoryFile, HistoryRow, read_history
from lime_callback.sinks.tensorboard import TensorBoardSink
from lime_callback.sinks.wandb import WandbSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = [
    "HistoryFile",
    "HistoryRow",
    "PictureFiles",
    "Report",
    "Sink",
    "TensorBoardSink",
    "WandbSink",
    "media_tag",
    "read_history",
    "sinks_for",
]

_SINKS: dict[str, Callable[[Any], Sink]] = {"TensorBoardLogger": TensorBoardSink, "WandbLogger": WandbSink}


def sinks_for(loggers: Iterable[Any], folder: Path) -> list[Sink]:
    """The sinks of a run, in the order of its loggers. Nothing is created or written before the first report.

    Args:
        loggers: ``trainer.loggers``: any mix, or none. Kinds without pictures, such as CSV, are passed over.
        folder: for files, where no logger takes pictures; usually ``<log_dir>/lime``.

    Returns:
        At least one sink that takes pictures.
    """
    sinks = [sink for sink in map(_sink_of, loggers) if sink is not None]
    if not any(sink.takes_pictures for sink in sinks):
        sinks.append(PictureFiles(folder))
    return sinks


def _sink_of(logger: Any) -> Sink | None:
    for kind in type(logger).__mro__:
        if kind.__name__ in _SINKS:
            return _SINKS[kind.__name__](logger)
    return None
