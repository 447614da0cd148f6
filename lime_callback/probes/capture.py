"""Captures probes and background in one pass over the batches, in all processes together."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.outputs.contrast import Contrast
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import scaled_outputs
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.captured_samples import CapturedSamples, Shape, captured_batch
from lime_callback.probes.even_collector import EvenCollector
from lime_callback.probes.probe_choices import Evenly, HighestLoss, Numbered
from lime_callback.probes.probe_samples import probes_of
from lime_callback.probes.ranked_samples import RankedSamples, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.forwards.processes import Ranks
    from lime_callback.probes.model_wrapper import ModelWrapper
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.probes.ranked_samples import Choice, Ranked

T = TypeVar("T")
_LOOKS = BatchKeys()


class Capture:
    """Takes samples from the batches of this process, and joins them with the samples of all processes.

    Args:
        choice: ranks the samples that may become probes.
        ranks: the processes.
        model: returns a model that can be run on the given probes.
        background: the number of samples for the background, spread evenly over all batches; 0 takes none.
        keys: where in a batch the inputs and labels are.
        output: the user's function of the model's output, by which choices rank, too; a scale changes no rank.
        middles: how samples are spread, see :func:`~lime_callback.probes.even_collector.spread_evenly`.

    Attributes:
        seconds: the time that capturing has taken in this process.
    """

    def __init__(
        self,
        choice: Choice,
        ranks: Ranks,
        model: Callable[[Probes], ModelWrapper],
        background: int = 0,
        keys: BatchKeys = _LOOKS,
        output: Any = None,
        middles: bool = False,
    ) -> None:
        self.choice, self.ranks, self.model = choice, ranks, model
        self.keys = keys
        self.output, self.middles = output, middles
        self.seconds = 0.0
        self._collector: EvenCollector | RankedSamples | None = None
        self._count = background
        self._background: EvenCollector | None = None
        self._failure: Exception | None = None

    @property
    def forwards(self) -> int:
        """The number of samples on which this process ran the model in order to rank them."""
        return self._collector.forwards if isinstance(self._collector, RankedSamples) else 0

    def offer(self, batches: Sequence[float], batch: Any, index: int, loader: int = 0) -> None:
        """Take samples from a batch, before anyone can write into it.

        A failure is kept, and raised in all processes by :meth:`taken`.

        Args:
            batches: the number of batches of each loader.
            batch: a batch of this process.
            index: the batch's number in its loader.
            loader: the loader's number.
        """
        if self._failure is not None and not self.ranks.lockstep:
            return
        started = time.perf_counter()
        try:
            if self._collector is None:
                self._collector = self._begun(batches)
                if self._count:
                    self._background = self._evenly(self._count, batches)
            self._collector.offer(batch, index, loader)
            if self._background is not None:
                self._background.offer(batch, index, loader)
        except Exception as error:  # raised later, when all processes take part
            self._failure = self._failure or error
        self.seconds += time.perf_counter() - started

    def taken(self, required: bool = True) -> tuple[Probes | None, int]:
        """Return the probes, the same in all processes, and the size of the largest batch.

        The probes are ``None`` if the choice wanted no sample.

        Args:
            required: whether to raise if there was no sample at all; otherwise the probes are ``None`` then, too.

        Raises:
            ValueError: if there was no sample and ``required``, or a batch lacks the input or what the choice needs.
            RankError: if the capture failed in another process.
        """
        collector, ranked = self._collector, not isinstance(self.choice, Evenly)
        chosen: list[Ranked] = []
        if ranked:
            standing = self._of_all(lambda: collector.standing() if isinstance(collector, RankedSamples) else [])
            chosen = self.choice.leading(ranked_sample for part in standing for ranked_sample in part)

        def own() -> CapturedSamples:
            if isinstance(collector, RankedSamples):
                return collector.captured(chosen)
            return CapturedSamples() if collector is None else collector.captured

        parts = self._of_all(own)
        largest = max(self.ranks.gather(0 if collector is None else collector.largest))
        if not any(part.sizes for part in parts) and (largest or not required):
            return None, largest
        numbers = tuple(number for _, number in chosen) if ranked else None
        probes = probes_of(parts, self.keys, self.choice.count, numbers)
        if ranked:
            passed_over = Counter[Shape]()
            for others in self.ranks.gather(collector.passed_over if isinstance(collector, RankedSamples) else {}):
                passed_over.update(others)
            probes = replace(probes, passed_over={**probes.passed_over, **passed_over})
        return probes, largest

    def background(self, probes: Probes) -> Probes | None:
        """Return the background, the same in all processes.

        It is ``None`` if no sample was taken for it, or its samples have another shape than the probes.

        Args:
            probes: the captured probes.

        Raises:
            ValueError: if the samples lack the input.
            RankError: if the capture failed in another process.
        """
        if not self._count:
            return None
        collector = self._background
        parts = self._of_all(lambda: CapturedSamples() if collector is None else collector.captured)
        if not any(part.sizes for part in parts):
            return None
        shape = tuple(probes.inputs.shape[1:])
        return (
            probes_of(parts, self.keys, shape=shape).finite() if any(shape in part.shapes for part in parts) else None
        )

    def rehearse(self, choice: Choice, probes: Probes, size: int | None) -> None:
        """Let the user's choice rank a captured sample, to find mistakes before the training starts.

        Args:
            choice: the user's choice.
            probes: the captured sample.
            size: the number of samples in the validation set, or ``None`` if it is unknown.

        Raises:
            ValueError: if the sample lacks what the choice needs, or a chosen number is not below ``size``.
        """
        if choice.needs_outputs:
            self.ranks.meet()
        outputs = self._outputs(probes.batch) if choice.needs_outputs else None
        choice.rank(Seen([0], probes.label_entry, outputs))
        if isinstance(choice, Numbered):
            choice.check_within(size)

    def _outputs(self, batch: Any) -> Any:
        """Return the model's outputs for all samples of a batch, without a trace in the model."""
        with self.ranks.forward():
            probes = probes_of([captured_batch(batch, self.keys)], self.keys)
            model = self.model(probes)
            with guarded(model.module):
                inputs = model.probes.inputs.clone()  # a model may write into it
                raw = model(inputs, torch.arange(len(inputs), device=inputs.device))
        # Losses are those of what the model returned, and differences of classes rank no classes.
        reduced = isinstance(self.output, Reducer) and isinstance(self.choice, HighestLoss)
        if not callable(self.output) or isinstance(self.output, Contrast) or reduced:
            return raw
        return scaled_outputs(raw, len(inputs), self.output)

    def _of_all(self, work: Callable[[], T]) -> list[T]:
        """Return each share's result of ``work``; raise if the capture or ``work`` failed in a process."""
        with self.ranks.together():
            if self._failure is not None:
                raise self._failure
            own = work()
        return self.ranks.gather(own)

    def _begun(self, batches: Sequence[float]) -> EvenCollector | RankedSamples:
        ranks = self.ranks
        if isinstance(self.choice, Evenly):
            return self._evenly(self.choice.count, batches)
        return RankedSamples(self.choice, batches, self._outputs, self.keys, ranks.share, ranks.shares, ranks.lockstep)

    def _evenly(self, count: int, batches: Sequence[float]) -> EvenCollector:
        return EvenCollector(count, batches, self.keys, self.ranks.share, self.ranks.shares, self.middles)
