"""The capture of probes in one pass over batches, by all processes together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from lime_callback.forwards.no_trace_guard import guarded
from lime_callback.probes.batch_entries import batch_entry, input_key, label_key
from lime_callback.probes.probe_choices import Evenly, Numbered
from lime_callback.probes.probe_samples import CapturedSamples, EvenCollector, probes_of
from lime_callback.probes.ranked_samples import RankedSamples, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.forwards.processes import Ranks
    from lime_callback.probes.batch_entries import Key
    from lime_callback.probes.model_wrapper import ModelWrapper
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.probes.ranked_samples import Choice, Ranked

T = TypeVar("T")


class Capture:
    """Takes samples from the batches of this process, and then those of all processes.

    Args:
        choice: which samples.
        ranks: the processes.
        model: the model with some probes.
        background: how many samples to take besides, spread evenly over all batches.
        input_key: see :func:`~lime_callback.probes.batch_entries.input_key`.
        label_key: see :func:`~lime_callback.probes.batch_entries.label_key`.

    Attributes:
        seconds: that choosing took.
    """

    def __init__(
        self, choice: Choice, ranks: Ranks, model: Callable[[Probes], ModelWrapper], background: int = 0, *,
        input_key: Key | None = None, label_key: Key | None = None,
    ) -> None:  # fmt: skip
        self.choice, self.ranks, self.model = choice, ranks, model
        self.input_key, self.label_key = input_key, label_key
        self.seconds = 0.0
        self._collector: EvenCollector | RankedSamples | None = None
        self._count = background
        self._background: EvenCollector | None = None
        self._failure: Exception | None = None

    @property
    def forwards(self) -> int:
        """Samples of this process that the model was asked about."""
        return self._collector.forwards if isinstance(self._collector, RankedSamples) else 0

    def offer(self, batches: Sequence[float], batch: Any, index: int, loader: int = 0) -> None:
        """Take from a batch what is wanted of it, before anyone can write into it.

        Args:
            batches: number of batches of each loader.
            batch: of this process.
            index: of the batch.
            loader: its number.
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
        except Exception as error:  # told when all processes can hear it
            self._failure = self._failure or error
        self.seconds += time.perf_counter() - started

    def taken(self, required: bool = True) -> tuple[Probes | None, int]:
        """The probes, the same in all processes, and the size of the largest batch.

        ``None`` where the choice found nothing among the samples that there were.

        Args:
            required: whether it is an error if there was no sample at all.

        Raises:
            ValueError: if no batch held any sample, or not what is needed.
            RankError: if something failed in another process.
        """
        collector, ranked = self._collector, not isinstance(self.choice, Evenly)
        chosen: list[Ranked] = []
        if ranked:
            standing = self._of_all(lambda: collector.standing() if isinstance(collector, RankedSamples) else [])
            chosen = self.choice.leading(one for part in standing for one in part)

        def own() -> CapturedSamples:
            if isinstance(collector, RankedSamples):
                return collector.captured(chosen)
            return CapturedSamples([], [], []) if collector is None else collector.captured

        parts = self._of_all(own)
        largest = max(self.ranks.gather(0 if collector is None else collector.largest))
        if not any(part.sizes for part in parts) and (largest or not required):
            return None, largest
        numbers = tuple(number for _, number in chosen) if ranked else None
        count = self.choice.count
        return probes_of(parts, self.input_key, self.label_key, count, numbers), largest

    def background(self, probes: Probes) -> Probes | None:
        """The samples that were taken besides, the same in all processes.

        ``None`` if there are none, or if the first samples had another shape than the probes that were chosen.

        Args:
            probes: that were taken.

        Raises:
            ValueError: if they do not hold what is needed.
            RankError: if something failed in another process.
        """
        if not self._count:
            return None
        own = self._background
        parts = self._of_all(lambda: CapturedSamples([], [], []) if own is None else own.captured)
        if not any(part.sizes for part in parts):
            return None
        found = probes_of(parts, self.input_key, self.label_key)
        return found if found.inputs.shape[1:] == probes.inputs.shape[1:] else None

    def rehearse(self, choice: Choice, probes: Probes, size: int | None) -> None:
        """Let the user's choice rank a sample that was taken to rehearse with.

        Args:
            choice: of the user.
            probes: with the sample.
            size: of the validation set, or ``None`` if it is not known.

        Raises:
            ValueError: if the sample does not hold what the choice needs, or the set does not.
        """
        at = label_key(probes.batch, self.label_key)
        if choice.needs_outputs:
            self.ranks.meet()
        outputs = self._outputs(probes.batch) if choice.needs_outputs else None
        choice.rank(Seen([0], None if at is None else batch_entry(probes.batch, at), outputs))
        if isinstance(choice, Numbered):
            choice.check_within(size)

    def _outputs(self, batch: Any) -> Any:
        """The model's for some samples of a batch, without a trace."""
        with self.ranks.forward():
            size = len(batch_entry(batch, input_key(batch, self.input_key)))
            probes = probes_of([CapturedSamples([batch], [size], list(range(size)))], self.input_key, self.label_key)
            model = self.model(probes)
            with guarded(model.module):
                inputs = model.probes.inputs.clone()  # a model may write into it
                return model(inputs, torch.arange(size, device=inputs.device))

    def _of_all(self, work: Callable[[], T]) -> list[T]:
        """What each share's process has, unless something failed in one of them."""
        with self.ranks.together():
            if self._failure is not None:
                raise self._failure
            own = work()
        return self.ranks.gather(own)

    def _begun(self, batches: Sequence[float]) -> EvenCollector | RankedSamples:
        ranks = self.ranks
        if isinstance(self.choice, Evenly):
            return self._evenly(self.choice.count, batches)
        return RankedSamples(
            self.choice, batches, self._outputs, self.input_key, self.label_key, ranks.share, ranks.shares,
            ranks.lockstep,
        )  # fmt: skip

    def _evenly(self, count: int, batches: Sequence[float]) -> EvenCollector:
        return EvenCollector(count, batches, self.input_key, self.ranks.share, self.ranks.shares)
