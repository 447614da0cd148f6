"""Where reports go: each logger that takes pictures, or files where none does; and the history."""

from lime_callback.sinks.base import Report, Sink, media_tag
from lime_callback.sinks.data import ViewData
from lime_callback.sinks.files import PictureFiles
from lime_callback.sinks.history import HistoryFile, HistoryRow, read_history
from lime_callback.sinks.logger_kinds import sinks_for, unserved
from lime_callback.sinks.mlflow import MLflowSink
from lime_callback.sinks.tensorboard import TensorBoardSink
from lime_callback.sinks.wandb import WandbSink

__all__ = [
    "HistoryFile",
    "HistoryRow",
    "MLflowSink",
    "PictureFiles",
    "Report",
    "Sink",
    "TensorBoardSink",
    "ViewData",
    "WandbSink",
    "media_tag",
    "read_history",
    "sinks_for",
    "unserved",
]
