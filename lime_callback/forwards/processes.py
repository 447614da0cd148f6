"""The processes of a run: which share of the forwards each one does, and how they agree.

Rows of perturbations are shared out, and their outputs are gathered: every process then fits and compares the same
numbers, so nothing else has to be sent. Two rules keep a process from waiting for one that has failed: what may fail is
done by :meth:`Ranks.together`, and what talks to the others stands outside of it.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist

from lime_callback.forwards.sharded_weights import is_sharded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    T = TypeVar("T")
else:
    T = TypeVar("T")


class RankError(RuntimeError):
    """Something failed in another process."""


@dataclass(frozen=True)
class Ranks:
    """A process among others.

    Args:
        share: which share of the work is this process's, counted from 0.
        owners: for each share the first process that does it; processes that hold parts of one layer, as in tensor
            parallelism, do the same share.
        world: number of processes.
        lockstep: whether a forward talks to the other processes, as it does where weights are sharded; then all have to
            make the same number of forwards.
    """

    share: int = 0
    owners: tuple[int, ...] = (0,)
    world: int = 1
    lockstep: bool = False

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
        return cls(sorted(set(shares)).index(share), owners, len(shares), is_sharded(module))

    @property
    def shares(self) -> int:
        """Number of shares."""
        return len(self.owners)

    def together(self, work: Callable[[], T]) -> T:
        """Do the same everywhere; if it fails in one process, raise in all of them.

        Raises:
            RankError: if it failed in another process.
        """
        if self.world == 1:
            return work()
        failure: Exception | None = None
        try:
            result = work()
        except Exception as error:
            failure = error
        heard = isinstance(failure, RankError)  # from another one, which tells its cause itself
        causes = _gathered(None if failure is None or heard else f"{type(failure).__name__}: {failure}")
        if failure is not None and not heard:
            raise failure
        for rank, cause in enumerate(causes):
            if cause is not None:
                raise RankError(f"in process {rank}: {cause}")
        if failure is not None:
            raise failure
        return result

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
        values = _gathered(self.together(lambda: pickle.dumps(value)))
        return [pickle.loads(values[owner]) for owner in self.owners]

    def gather_rows(self, rows: Tensor) -> list[Tensor]:
        """A tensor of each share, all of one shape, on its device."""
        if self.world == 1:
            return [rows]
        parts = [torch.empty_like(rows) for _ in range(self.world)]
        dist.all_gather(parts, rows.contiguous())
        return [parts[owner] for owner in self.owners]


ALONE = Ranks()


def _gathered(value: T) -> list[T]:
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
