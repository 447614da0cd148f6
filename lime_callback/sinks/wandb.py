"""Reports in Weights & Biases."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from lime_callback.sinks.base import Sink, media_tag

if TYPE_CHECKING:
    from lime_callback.sinks.base import Report


@dataclass(frozen=True, eq=False)
class WandbSink(Sink):
    """Shows pictures as images and texts as preformatted panels, and sends alarms as alerts.

    Args:
        logger: a ``WandbLogger``, of ``lightning.pytorch`` or of ``pytorch_lightning``.
    """

    logger: Any

    def write(self, report: Report) -> None:
        """Log the report as one row of the run's history.

        The step is a value of that row, as Lightning has it; W&B's own ``step=`` would drop what comes late.
        """
        import wandb

        media: dict[str, Any] = {media_tag(tag): wandb.Image(picture) for tag, picture in report.pictures.items()}
        for tag, text in report.texts.items():
            media[media_tag(tag)] = wandb.Html(f"<pre>{escape(text)}</pre>")
        if media:
            self.logger.experiment.log({**media, "trainer/global_step": report.step})
        for place, text in report.alarms.items():
            self.logger.experiment.alert(title=place, text=text)
