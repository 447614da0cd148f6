"""Sinks: show reports in each logger, or as files if no logger takes pictures; and the history's CSV files."""

from lime_callback.publishing.sinks.history_csv import HistoryFile, HistoryRow, read_history
from lime_callback.publishing.sinks.logger_kinds import SINKS, sinks_for, unserved
from lime_callback.publishing.sinks.mlflow import MLflowSink
from lime_callback.publishing.sinks.picture_files import PictureFiles
from lime_callback.publishing.sinks.sink import Report, Sink, media_tag
from lime_callback.publishing.sinks.tensorboard import TensorBoardSink
from lime_callback.publishing.sinks.view_data import ViewData
from lime_callback.publishing.sinks.wandb import WandbSink

__all__ = [
    "SINKS",
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
