"""Chooses a sink for each logger, by the names of the logger's class and of its base classes.

Names are compared because ``lightning.pytorch`` and ``pytorch_lightning`` have different classes of the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.publishing.sinks.mlflow import MLflowSink
from lime_callback.publishing.sinks.picture_files import PictureFiles
from lime_callback.publishing.sinks.tensorboard import TensorBoardSink
from lime_callback.publishing.sinks.wandb import WandbSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lime_callback.publishing.sinks.sink import Sink

SINKS: dict[str, Callable[[Any], Sink]] = {
    "TensorBoardLogger": TensorBoardSink,
    "WandbLogger": WandbSink,
    "MLFlowLogger": MLflowSink,
}
"""By the name of a logger's class what makes its sink of it. A sink of one's own is added here before the run."""
_NUMBERS_ALONE = {"CSVLogger", "DummyLogger"}  # nobody looks for pictures there


def sinks_for(loggers: Iterable[Any], folder: Path) -> list[Sink]:
    """Return a run's sinks, in the order of its loggers. They create and write nothing before the first report.

    Args:
        loggers: ``trainer.loggers``, any mix or none. Loggers of numbers alone, such as CSV, get no sink.
        folder: the folder for files, which are written if a logger has no sink or no sink takes pictures; usually
            ``<log_dir>/lime``.

    Returns:
        The sinks, at least one of which takes pictures.
    """
    loggers = list(loggers)
    sinks = [sink for sink in map(_sink_of, loggers) if sink is not None]
    if unserved(loggers) or not any(sink.takes_pictures for sink in sinks):
        sinks.append(PictureFiles(folder))
    return sinks


def unserved(loggers: Iterable[Any]) -> list[str]:
    """Return the classes of loggers that could show pictures but have no sink, such as ``CometLogger``."""
    others = [logger for logger in loggers if _sink_of(logger) is None and not _kinds(logger) & _NUMBERS_ALONE]
    return sorted({type(logger).__name__ for logger in others})


def _sink_of(logger: Any) -> Sink | None:
    for kind in type(logger).__mro__:
        if kind.__name__ in SINKS:
            return SINKS[kind.__name__](logger)
    return None


def _kinds(logger: Any) -> set[str]:
    return {kind.__name__ for kind in type(logger).__mro__}
