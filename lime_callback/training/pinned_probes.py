"""The probes of a run: captured as batches pass, pinned, and given to the model that explains them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.explaining.input_checks import fingerprint
from lime_callback.following.explain_context import ExplainContext
from lime_callback.forwards.processes import ALONE, Ranks
from lime_callback.probes.capture import Capture
from lime_callback.probes.model_wrapper import ForwardCount, ModelWrapper
from lime_callback.probes.probe_choices import Evenly
from lime_callback.probes.several_inputs import Steps
from lime_callback.probes.step_watch import StepWatch
from lime_callback.training.batch_growth import grown_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.probes.ranked_samples import Choice

_KEPT, _LARGEST = 64, 1e9  # samples of the background in any case; bytes that more of them may take
_MARKS = 8  # samples by which a validation set is known


def same_samples(before: Tensor, now: Tensor) -> bool:
    """Return whether two fingerprints are of the same samples."""
    return before.shape == now.shape and torch.allclose(before, now, rtol=1e-6, atol=1e-9)


_USUAL_ROWS = 32
_USUAL_BYTES = 2**26


def _usual_rows(probes: Probes | None) -> int:
    """How many perturbed inputs suit a forward where validation batches are smaller: fewer of large inputs."""
    if probes is None:
        return 1
    return max(1, min(_USUAL_ROWS, _USUAL_BYTES // max(1, probes.inputs[0].nbytes)))


class PinnedProbes:
    """Captures probes and background, and makes models that are run on them.

    Args:
        config: the user's arguments.

    Attributes:
        probes: the samples that are explained; ``None`` before they were captured.
        background: other samples of the same batches, captured once with the first probes and alike in all processes;
            ``None`` before that, and where there is none.
        choice: which samples are captured; those of a checkpoint after a resume.
        middles: whether the run's first part took samples as versions before did; samples must not change on a resume.
        capture: what has been captured and not been taken yet; ``None`` where nothing is wanted.
        ranks: the processes.
        forwards: counts what the model is run on.
        batch_size: rows of a forward at most.
        recheck: whether the next loop may be over another validation set than the one before: then all is captured
            again, and :meth:`is_other_set` says whether it is.
        watch: looks at the first validation step.
    """

    def __init__(self, config: CallbackConfig) -> None:
        self.config = config
        self.probes: Probes | None = None
        self.background: Probes | None = None
        self.choice: Choice = config.choice
        self.middles = False
        self.capture: Capture | None = None
        self.ranks = ALONE
        self.forwards = ForwardCount()
        self.batch_size, self._grown = 1, False
        self.recheck = False
        self._bytes = 0  # of an input, once one was captured
        self._mark: Tensor | None = None  # the fingerprint of a few samples of the validation set
        self._marking: Capture | None = None
        self.watch = StepWatch(config.keys)

    def begin(self, trainer: Any, module: Any, *, rehearsal: bool, due: bool) -> None:
        """A loop over batches begins, in all processes; for a rehearsal, one sample is enough."""
        config = self.config
        self.ranks = Ranks.of(trainer, module)
        self.forwards.inputs = 0
        self.capture = self._marking = None
        again = self.recheck and trainer.validating
        model = partial(self.model, trainer, module)
        capture = partial(Capture, ranks=self.ranks, model=model, keys=config.keys, output=config.settings.output)
        if self.probes is None or again or (config.choice.anew and due and not rehearsal):
            choice = Evenly(1) if rehearsal else config.choice if again else self.choice
            besides = 0 if rehearsal or (self.background is not None and not again) else config.background
            self.capture = capture(choice, background=self._affordable(besides), middles=self.middles and not again)
        if again or (self._mark is None and trainer.validating):
            self._marking = capture(Evenly(_MARKS))

    def _affordable(self, background: int) -> int:
        """How many samples of the background are kept: of large ones no more than memory has room for."""
        return min(background, max(_KEPT, int(_LARGEST // max(self._bytes, 1))))

    def offer(self, batches: Sequence[float], batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it, see :meth:`~lime_callback.probes.capture.Capture.offer`."""
        for capture in (self.capture, self._marking):
            if capture is not None:
                capture.offer(batches, batch, index, loader)

    def is_other_set(self) -> bool:
        """At the end of a loop: whether it went over another validation set than the loop before, if that was asked.

        Where it is the same set, what was captured again is dropped.
        """
        marking, self._marking = self._marking, None
        if marking is None:
            return False
        samples, _ = marking.taken(required=False)
        before, self._mark = self._mark, None if samples is None else fingerprint(samples.inputs)
        checked, self.recheck = self.recheck, False
        if checked and before is not None and self._mark is not None and not same_samples(before, self._mark):
            return True
        if checked and not self.config.choice.anew:
            self.capture = None
        return False

    def forget(self) -> None:
        """Let what was captured last become the probes of a new run."""
        self.probes = self.background = None
        self.choice, self.middles = self.config.choice, False

    def watch_step(self, module: Any, batch: Any) -> None:
        """A validation step begins, of which the first is watched, unless the user says how the model is called."""
        key = self.config.input_key
        told = self.config.forward is not None or (
            callable(key) and not (isinstance(key, Steps) and not callable(key.key))
        )
        if not told and not self.ranks.lockstep:
            self.watch.begin(module, batch)

    def step_difference(self, trainer: Any, module: Any) -> str:
        """What validation gives to the model and the callback does not, once; empty if there is nothing to say."""
        return self.watch.difference(module, trainer.precision_plugin.val_step_context)

    def taken(self, required: bool = True) -> Probes | None:
        """The probes that were captured; ``None`` if there are none to be explained."""
        capture, self.capture = self.capture, None
        if capture is None:
            return None
        probes, largest = capture.taken(required)
        if probes is not None:
            with self.ranks.together():
                self.config.sensor.read(probes)
            self._bytes = probes.inputs[0].numel() * probes.inputs.element_size()
        if self.probes is None:
            self._grown = False
            self.batch_size = self.config.max_batch_size or max(largest, _usual_rows(probes))
        return probes

    def context(self, model: ModelWrapper, ends: float | None = None) -> ExplainContext:
        """How to explain by a model, and what; the first explanation finds out how many rows a forward should get."""
        context = ExplainContext(model, self.batch_size, self.ranks, ends)
        if self.probes is None or self._grown:
            return context
        self._grown = True
        if self.config.max_batch_size is None:
            rows = len(self.probes) * self.config.settings.n_perturbations
            self.batch_size = grown_batch(context, self.config.asked.output, rows)
        return replace(context, batch_size=self.batch_size)

    def model(self, trainer: Any, module: Any, probes: Probes, background: Probes | None = None) -> ModelWrapper:
        """The model with probes on its device, and with the background."""
        beside = background or self.background
        return self.wrapped(trainer, module, probes.to(module.device), None if beside is None else beside.inputs)

    def wrapped(self, trainer: Any, module: Any, probes: Probes, background: Tensor | None = None) -> ModelWrapper:
        """The model with probes where they are."""
        autocast, config = trainer.precision_plugin.val_step_context, self.config
        probes = replace(probes, integer=None) if self.watch.as_float and config.forward is None else probes
        return ModelWrapper(module, autocast, probes, config.forward, config.output_key, background, self.forwards)
