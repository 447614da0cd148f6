"""The processes of a run: which share of the forwards each does, and how they agree.

Each process runs a share of the perturbations and gathers the outputs of all. All processes then fit and compare the
same numbers, so they exchange nothing else. Three rules keep a process from waiting for another that has failed:

- Work that may fail runs within :meth:`Ranks.together`.
- Calls that talk to other processes stand outside of :meth:`Ranks.together`.
- Forwards of sharded weights talk to other processes wherever they stand. :meth:`Ranks.meet` comes before them, and
  each runs within :meth:`Ranks.forward`.
"""

from __future__ import annotations

import pickle
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist

from lime_callback.forwards.sharded_weights import ShardedLayers
from lime_callback.forwards.stop_requests import StopExplaining

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    T = TypeVar("T")
else:
    T = TypeVar("T")


class RankError(RuntimeError):
    """Something failed in another process.

    Args:
        message: the failure, and its process.
        known_to_all: whether all processes know of the failure already.
    """

    def __init__(self, message: str, *, known_to_all: bool = False) -> None:
        super().__init__(message)
        self.known_to_all = known_to_all


@dataclass(frozen=True)
class Ranks:
    """A process among others.

    Args:
        share: the number of this process's share of the work, counted from 0.
        owners: for each share the first process that does it. Processes that hold parts of the same layer, as in tensor
            parallelism, do the same share.
        world: the number of processes.
        layers: the model's layers if its weights are sharded; ``None`` if they are not.
    """

    share: int = 0
    owners: tuple[int, ...] = (0,)
    world: int = 1
    layers: ShardedLayers | None = None

    @classmethod
    def of(cls, trainer: Any, module: nn.Module) -> Ranks:
        """Return this process among those of a trainer; all processes have to call it."""
        if trainer.world_size == 1 or not (dist.is_available() and dist.is_initialized()):
            return cls()
        # The strategy knows the replicas: with tensor parallelism there are fewer of them than processes.
        replicas = getattr(trainer.strategy, "distributed_sampler_kwargs", None) or {}
        share = int(replicas.get("rank", trainer.global_rank))
        shares: list[int] = _gathered(share)
        owners = tuple(shares.index(number) for number in sorted(set(shares)))
        return cls(sorted(set(shares)).index(share), owners, len(shares), ShardedLayers.of(module))

    @property
    def shares(self) -> int:
        """The number of shares."""
        return len(self.owners)

    @property
    def lockstep(self) -> bool:
        """Whether all processes have to run the same number of forwards, because a forward talks to the others."""
        return self.layers is not None

    def meet(self) -> None:
        """Wait for the other processes before forwards that talk to them, since another may have failed on its way.

        Without lockstep, do nothing.

        Raises:
            RankError: if another process has failed since the last :meth:`together`.
        """
        if self.lockstep:
            _raise_first(_gathered(None), known_to_all=True)

    def forward(self) -> AbstractContextManager[None]:
        """Return a context for at most one forward; if it fails here, the others still get this process's weights."""
        return nullcontext() if self.layers is None else self.layers.forward()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run the same work in all processes; if it fails in one, raise in all of them.

        Raises:
            Exception: whatever ``work`` raises in this process.
            StopExplaining: if ``work`` was stopped in a process.
            RankError: if ``work`` failed in another process.
        """
        if self.world == 1:
            yield
            return
        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        if isinstance(failure, RankError) and failure.known_to_all:
            raise failure
        heard = isinstance(failure, RankError)  # another process failed, and tells the cause itself
        causes = _gathered(None if failure is None or heard else f"{type(failure).__name__}: {failure}")
        if any(cause is not None and cause.startswith(StopExplaining.__name__) for cause in causes):
            raise StopExplaining("asked to stop")
        if failure is not None and not heard:
            raise failure
        _raise_first(causes)
        if failure is not None:
            raise failure

    def worst(self, trouble: int) -> int:
        """Return the largest of all processes' numbers; without lockstep, ``trouble`` itself."""
        return max(_gathered(trouble)) if self.lockstep else trouble

    def gather(self, value: T) -> list[T]:
        """Return each share's value, in the order of the shares.

        Raises:
            RankError, TypeError, AttributeError, pickle.PicklingError: if a value cannot be pickled.
        """
        if self.world == 1:
            return [value]
        # A value that cannot be pickled has to fail before another process waits for it.
        with self.together():
            content = pickle.dumps(value)
        values = _gathered(content)
        return [pickle.loads(values[owner]) for owner in self.owners]

    def gather_rows(self, rows: Tensor) -> list[Tensor]:
        """Return each share's tensor, in the order of the shares; all have the shape and device of ``rows``."""
        if self.world == 1:
            return [rows]
        parts = [torch.empty_like(rows) for _ in range(self.world)]
        dist.all_gather(parts, rows.contiguous())
        return [parts[owner] for owner in self.owners]


ALONE = Ranks()


def _raise_first(causes: Sequence[str | None], *, known_to_all: bool = False) -> None:
    """Raise a :class:`RankError` with the first cause that is not ``None``, if there is any."""
    for rank, cause in enumerate(causes):
        if cause is not None:
            raise RankError(f"in process {rank}: {cause}", known_to_all=known_to_all)


def _gathered(value: T) -> list[T]:
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
