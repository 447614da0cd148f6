"""The processes of a run: which share of the forwards each one does, and how they agree.

Rows of perturbations are shared out, and their outputs are gathered: every process then fits and compares the same
numbers, so nothing else has to be sent. Three rules keep a process from waiting for one that has failed: what may fail
is done within :meth:`Ranks.together`; what talks to the others stands outside of it; and forwards of sharded weights,
which talk to the others wherever they stand, begin with :meth:`Ranks.meet` and are made within :meth:`Ranks.forward`.
"""

from __future__ import annotations

import pickle
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist

from lime_callback.forwards.sharded_weights import ShardedLayers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    T = TypeVar("T")
else:
    T = TypeVar("T")


class RankError(RuntimeError):
    """Something failed in another process.

    Args:
        message: what failed, and where.
        known_to_all: whether all processes have heard of it already.
    """

    def __init__(self, message: str, *, known_to_all: bool = False) -> None:
        super().__init__(message)
        self.known_to_all = known_to_all


@dataclass(frozen=True)
class Ranks:
    """A process among others.

    Args:
        share: which share of the work is this process's, counted from 0.
        owners: for each share the first process that does it; processes that hold parts of one layer, as in tensor
            parallelism, do the same share.
        world: number of processes.
        layers: the model's layers where its weights are sharded; ``None`` where they are not.
    """

    share: int = 0
    owners: tuple[int, ...] = (0,)
    world: int = 1
    layers: ShardedLayers | None = None

    @classmethod
    def of(cls, trainer: Any, module: nn.Module) -> Ranks:
        """The processes of a trainer; talks to all of them."""
        if trainer.world_size == 1 or not (dist.is_available() and dist.is_initialized()):
            return cls()
        # Of the strategy, since with tensor parallelism there are fewer replicas than processes.
        replicas = getattr(trainer.strategy, "distributed_sampler_kwargs", None) or {}
        share = int(replicas.get("rank", trainer.global_rank))
        shares: list[int] = _gathered(share)
        owners = tuple(shares.index(one) for one in sorted(set(shares)))
        return cls(sorted(set(shares)).index(share), owners, len(shares), ShardedLayers.of(module))

    @property
    def shares(self) -> int:
        """Number of shares."""
        return len(self.owners)

    @property
    def lockstep(self) -> bool:
        """Whether a forward talks to the other processes, so that all have to make the same number of forwards."""
        return self.layers is not None

    def meet(self) -> None:
        """Wait for the others before forwards that talk to them, for one may have failed on its way here.

        Raises:
            RankError: if another process has failed since all of them were last :meth:`together`.
        """
        if self.lockstep:
            _raise_first(_gathered(None), known_to_all=True)

    def forward(self) -> AbstractContextManager[None]:
        """Make at most one forward: if this process fails, the others get its parts of the layers all the same."""
        return nullcontext() if self.layers is None else self.layers.forward()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do the same everywhere until the end; if it fails in one process, raise in all of them.

        Raises:
            RankError: if it failed in another process.
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
        heard = isinstance(failure, RankError)  # from another one, which tells its cause itself
        causes = _gathered(None if failure is None or heard else f"{type(failure).__name__}: {failure}")
        if failure is not None and not heard:
            raise failure
        _raise_first(causes)
        if failure is not None:
            raise failure

    def worst(self, trouble: int) -> int:
        """The largest of all processes' numbers; where forwards need no lockstep, the own one."""
        return max(_gathered(trouble)) if self.lockstep else trouble

    def gather(self, value: T) -> list[T]:
        """A value of each share, in their order.

        Raises:
            RankError, TypeError, AttributeError, pickle.PicklingError: if a value cannot be sent.
        """
        if self.world == 1:
            return [value]
        # What cannot be sent has to fail before anyone waits for it.
        with self.together():
            content = pickle.dumps(value)
        values = _gathered(content)
        return [pickle.loads(values[owner]) for owner in self.owners]

    def gather_rows(self, rows: Tensor) -> list[Tensor]:
        """A tensor of each share, all of one shape, on its device."""
        if self.world == 1:
            return [rows]
        parts = [torch.empty_like(rows) for _ in range(self.world)]
        dist.all_gather(parts, rows.contiguous())
        return [parts[owner] for owner in self.owners]


ALONE = Ranks()


def _raise_first(causes: Sequence[str | None], *, known_to_all: bool = False) -> None:
    """Raise a :class:`RankError` with the first cause that there is."""
    for rank, cause in enumerate(causes):
        if cause is not None:
            raise RankError(f"in process {rank}: {cause}", known_to_all=known_to_all)


def _gathered(value: T) -> list[T]:
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
