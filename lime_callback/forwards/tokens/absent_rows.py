"""Runs a transformer on the tokens that each perturbation leaves: hidden patches are absent, and cost nothing.

Each input is embedded once. The rows of all inputs are sorted by the number of their tokens, and those of the same
number run together, so that nothing is padded. Before a model is run like this, it has to prove that its output depends
on which tokens there are, and not on their order.

Letters: ``B`` inputs, ``n`` perturbations of each, ``m`` rows, ``d`` features, ``N`` tokens of an input, ``L`` tokens
that are left of them, ``P`` patches.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lime_callback.forwards.batched_forwards import Batches
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.tokens.token_blocks import AbsentError
from lime_callback.forwards.tokens.token_model import apart, token_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.forwards.perturbed_inputs import PerturbedInputs
    from lime_callback.forwards.processes import Ranks
    from lime_callback.forwards.tokens.token_model import TokenModel

    Forward = Callable[[Tensor, Tensor], Tensor]

_NEAR_HALF = 1e-6  # shares of a patch are sums of rounded numbers
_AT_ONCE = 1 << 18  # shares of patches that are on; of all rows at once they would take more than the forwards


class AbsentRows:
    """Computes the outputs for perturbations whose hidden patches are absent, in the order of their lengths.

    Args:
        model: the model, which was proved.
        perturber: the perturbed inputs; it makes none of them here.
        embedded: the inputs' tokens, ``[B, N, width]``.
        shares: how much of each patch each feature holds, ``[B or 1, d + 1, P]``.
        whole: the outputs for the unperturbed inputs, ``[B, K]``, which stand for those that cannot be known.

    Attributes:
        per_input: n.
        order: the numbers of the rows, as :class:`~lime_callback.forwards.perturbed_inputs.PerturbedInputs` counts
            them, in the order in which they run, int64 ``[B n]``.
        unknown: rows in which no patch is left, where the model has no answer to that, bool ``[B, n]``.
    """

    def __init__(
        self, model: TokenModel, perturber: PerturbedInputs, embedded: Tensor, shares: Tensor, whole: Tensor
    ) -> None:
        self.model, self.embedded, self.shares, self.whole = model, embedded, shares, whole
        # Rows of so many tokens have no patch, and no answer.
        self._least = -1 if model.answers_nothing else len(model.cells.prefix)
        self._take(perturber)

    def _take(self, perturber: PerturbedInputs) -> None:
        self.perturber, self.per_input = perturber, perturber.per_input
        kept = self._kept(perturber.design)  # [B, n, N]
        self._left = kept.flatten(0, 1)
        counts = self._left.sum(1)
        self.unknown = (counts == self._least).view(kept.shape[:2])
        lengths, self.order = counts.sort(stable=True)
        self._lengths = lengths.tolist()

    @property
    def left_out(self) -> str:
        """What there is to say of rows in which no token is left; empty if there are none."""
        count = self._lengths.count(self._least)
        part = self.model.block.part
        return f"{count} of {len(self._lengths)} rows in which no {part} is left are left out" if count else ""

    def other(self, perturber: PerturbedInputs) -> AbsentRows:
        """Return the same for another perturber of the same inputs and features."""
        made = copy(self)
        made._take(perturber)
        return made

    def _kept(self, design: Tensor) -> Tensor:
        """Return which tokens each row keeps, bool ``[B, n, N]``: patches of which half is on, and the prefix."""
        cells, shares = self.model.cells, self.shares
        size = max(len(design), len(shares)), design.shape[1], self.embedded.shape[1]
        kept = torch.ones(size, dtype=torch.bool, device=shares.device)
        step = max(1, _AT_ONCE // (size[0] * len(cells.places)))
        for start in range(0, size[1], step):
            rows = design[:, start : start + step]
            on = shares[:, :1] + rows.to(shares.dtype) @ shares[:, 1:]
            kept[:, start : start + step, cells.places] = on >= 0.5 - _NEAR_HALF
        return kept.expand(len(self.embedded), -1, -1)

    def batch_end(self, start: int, size: int) -> int:
        """Return the row behind the last of a batch: rows of one length, with as many tokens as ``size`` whole rows.

        They are at most twice as many, since a model may work on whole inputs before it takes their tokens. A row runs
        alone where ``size`` is 1.
        """
        length = self._lengths[start]
        rows = min(2 * size, size * self.embedded.shape[1] // max(1, length)) if size > 1 else 1
        stop = bisect_right(self._lengths, length)
        parts = -(-(stop - start) // rows)
        return start - (start - stop) // parts

    def evaluate(self, forward: Forward, start: int, stop: int) -> Tensor:
        """Return the outputs of ``forward`` for the rows ``order[start:stop]`` of one length, ``[stop - start, K]``."""
        return self._outputs(forward, self.order[start:stop], self._lengths[start])

    def prove(self, forward: Forward, batch_size: int) -> None:
        """Raise an :class:`AbsentError` if the model does not answer to each input's tokens as to the input itself.

        The first one was proved with the model. Another may have what that has not, such as pixels that the model
        masks. Rows with the fewest tokens are tried, too.
        """
        batches = Batches(1, len(self.embedded), batch_size)
        while batches.left:
            with batches.next() as (start, stop):
                rows = torch.arange(start, stop, device=self.embedded.device)
                answers = self.model.run(forward, self.embedded[rows], self.perturber.inputs[:1], rows)
                if apart(answers, self.whole[rows]):
                    raise AbsentError(f"the model uses its input beside its {self.model.block.unit}s, too")
        first = self._lengths.count(self._least)
        if first == len(self._lengths):
            return
        unit = self.model.block.unit
        reason = f"the model does not run on {self._lengths[first]} {unit}s, as many as the fewest that are left"
        try:
            finite = bool(self.evaluate(forward, first, first + 1).isfinite().all())
        except Exception as error:  # a model may fail in any way on what it was not made for
            if is_out_of_memory(error):
                raise
            raise AbsentError(reason) from error
        if not finite:
            raise AbsentError(reason)

    def _outputs(self, forward: Forward, rows: Tensor, length: int) -> Tensor:
        """Return the outputs for rows with the same number of tokens."""
        inputs = rows // self.per_input
        if length == self._least:
            return self.whole[inputs]
        # A stable sort brings the tokens that are left to the front, in their order.
        left = self._left[rows].to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :length]
        return self.model.run(forward, self.embedded[inputs.unsqueeze(1), left], self.perturber.inputs[:1], inputs)

    def nothing(self) -> AbsentRows:
        """Return the same for a single row of each input, in which every feature is hidden."""
        d = self.shares.shape[1] - 1
        return self.other(self.perturber.other(self.perturber.design.new_zeros(len(self.whole), 1, d)))

    def release(self) -> None:
        """Nothing is kept that could be made again."""


def absent_rows(
    module: nn.Module | None,
    forward: Forward,
    perturber: PerturbedInputs,
    batch_size: int,
    whole: Tensor,
    ranks: Ranks,
    *,
    ends: bool = False,
) -> tuple[AbsentRows, tuple[str, ...]]:
    """Prepare the rows of perturbations whose hidden patches are absent.

    Args:
        module: the model; ``None`` if it is unknown.
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the outputs ``[m, K]``.
        perturber: the perturbed inputs.
        batch_size: rows a forward at most.
        whole: the outputs for the unperturbed inputs, ``[B, K]``.
        ranks: the processes.
        ends: whether the fit needs an output where nothing is left.

    Returns:
        The rows, and what there is to say of them.

    Raises:
        AbsentError: if the model's tokens cannot be left out, or most patches hold several features.
    """
    if ranks.lockstep:
        raise AbsentError("the model's weights are sharded over processes")
    model = token_model(module, forward, perturber, batch_size, whole[:1])
    if ends and not model.answers_nothing:
        part = model.block.part
        raise AbsentError(f"the model has no output where no {part} is left, which the surrogate goes through")
    shares = model.cells.shares(perturber.features)
    block, parts = model.block, model.block.parts
    several = float((shares.amax(1) < 1 - _NEAR_HALF).double().mean())
    if several > 0.5:
        raise AbsentError(
            f"{several:.0%} of the model's {parts} hold several features, and a {block.part} is absent as a whole",
            f"{block.way}, or take another `baseline`",
        )
    inputs = perturber.inputs
    batches = Batches(1, len(inputs), batch_size)
    numbers = torch.arange(len(inputs), device=inputs.device)
    embedded = {0: model.first}  # by first row, since rows may come again
    while batches.left:
        with batches.next() as (start, stop):
            embedded[start] = model.block.tokens(forward, inputs[start:stop].clone(), numbers[start:stop])
    rows = AbsentRows(model, perturber, torch.cat(list(embedded.values())), shares, whole)
    rows.prove(forward, batch_size)
    said = []
    if several:
        said.append(f"{several:.0%} of the model's {parts} hold several features; they stay where half of them is on")
    if rows.left_out:
        said.append(rows.left_out)
    return rows, tuple(said)
