"""Reports in TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.sinks.base import Sink, media_tag

if TYPE_CHECKING:
    from lime_callback.sinks.base import Report


@dataclass(frozen=True, eq=False)
class TensorBoardSink(Sink):
    """Shows pictures under "Images" and texts under "Text", at the step of the report.

    Args:
        logger: a ``TensorBoardLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any

    def write(self, report: Report) -> None:
        """Add the report to the logger's event file, and flush it: a crash after this loses nothing."""
        writer = self.logger.experiment
        for tag, picture in report.pictures.items():
            writer.add_image(media_tag(tag), picture, global_step=report.step, dataformats="HWC")
        for tag, text in report.texts.items():
            writer.add_text(media_tag(tag), text, global_step=report.step)
        writer.flush()
