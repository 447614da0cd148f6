"""The probes of a run: captured as batches pass, pinned, and given to the model that explains them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lime_callback.following.explain_context import ExplainContext
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.probes.capture import Capture
from lime_callback.probes.model_wrapper import ForwardCount, ModelWrapper
from lime_callback.probes.probe_choices import Evenly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.probes.ranked_samples import Choice


class PinnedProbes:
    """Captures probes and background, and makes models that are run on them.

    Args:
        config: the user's arguments.

    Attributes:
        probes: the samples that are explained; ``None`` before they were captured.
        background: other samples of the same batches, captured once with the first probes and alike in all processes;
            ``None`` before that, and where there is none.
        choice: which samples are captured; those of a checkpoint after a resume.
        capture: what has been captured and not been taken yet; ``None`` where nothing is wanted.
        ranks: the processes.
        forwards: counts what the model is run on.
        batch_size: rows of a forward at most.
    """

    def __init__(self, config: CallbackConfig) -> None:
        self.config = config
        self.probes: Probes | None = None
        self.background: Probes | None = None
        self.choice: Choice = config.choice
        self.capture: Capture | None = None
        self.ranks = ALONE
        self.forwards = ForwardCount()
        self.batch_size = 1

    def begin(self, trainer: Any, module: Any, *, rehearsal: bool, due: bool) -> None:
        """A loop over batches begins, in all processes; for a rehearsal, one sample is enough."""
        config = self.config
        self.ranks = Ranks.of(trainer, module)
        self.forwards.inputs = 0
        self.capture = None
        if self.probes is None or (config.choice.anew and due and not rehearsal):
            choice, model = Evenly(1) if rehearsal else self.choice, partial(self.model, trainer, module)
            besides = 0 if rehearsal or self.background is not None else config.background
            self.capture = Capture(choice, self.ranks, model, besides, config.keys)

    def offer(self, batches: Sequence[float], batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it, see :meth:`~lime_callback.probes.capture.Capture.offer`."""
        if self.capture is not None:
            self.capture.offer(batches, batch, index, loader)

    def taken(self, required: bool = True) -> Probes | None:
        """The probes that were captured; ``None`` if there are none to be explained."""
        capture, self.capture = self.capture, None
        if capture is None:
            return None
        probes, largest = capture.taken(required)
        if self.probes is None:
            self.batch_size = self.config.max_batch_size or max(1, largest)
        return probes

    def context(self, model: ModelWrapper) -> ExplainContext:
        """How to explain by a model, and what."""
        return ExplainContext(model, self.batch_size, self.ranks)

    def model(self, trainer: Any, module: Any, probes: Probes, background: Probes | None = None) -> ModelWrapper:
        """The model with probes on its device, and with the background."""
        beside = background or self.background
        return self.wrapped(trainer, module, probes.to(module.device), None if beside is None else beside.inputs)

    def wrapped(self, trainer: Any, module: Any, probes: Probes, background: Tensor | None = None) -> ModelWrapper:
        """The model with probes where they are."""
        autocast, config = trainer.precision_plugin.val_step_context, self.config
        return ModelWrapper(module, autocast, probes, config.forward, config.output_key, background, self.forwards)
