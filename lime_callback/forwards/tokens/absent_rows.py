"""Runs a transformer on the tokens that each perturbation leaves: hidden patches are absent, and cost nothing.

Each input is embedded once. The rows of all inputs are sorted by the number of their tokens, and those of the same
number run together, so that nothing is padded. Before a model is run like this, it has to prove that its output depends
on which tokens there are, and not on their order.

Letters: ``B`` inputs, ``n`` perturbations of each, ``m`` rows, ``d`` features, ``N`` tokens of an input, ``L`` tokens
that are left of them, ``P`` patches.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lime_callback.forwards.batched_forwards import Batches
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.tokens.patch_grid import blocks_with_cells
from lime_callback.forwards.tokens.token_blocks import AbsentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lime_callback.forwards.perturbed_inputs import PerturbedInputs
    from lime_callback.forwards.processes import Ranks
    from lime_callback.forwards.tokens.token_blocks import TokenBlock
    from lime_callback.forwards.tokens.token_cells import Cells

    Forward = Callable[[Tensor, Tensor], Tensor]

# Outputs for tokens in another order may differ by this share of the largest output.
_CLOSE = 1e-4
_NEAR_HALF = 1e-6  # shares of a patch are sums of rounded numbers


@dataclass(frozen=True, eq=False)
class TokenModel:
    """A model whose patches become tokens.

    Attributes:
        block: where tokens come in.
        cells: which elements make which token.
        answers_nothing: whether it has an output where no patch is left, but class tokens and the like.
    """

    block: TokenBlock
    cells: Cells
    answers_nothing: bool = False

    def run(self, forward: Forward, tokens: Tensor, like: Tensor, rows: Tensor) -> Tensor:
        """Return the outputs ``[m, K]`` for tokens ``[m, L, width]`` of inputs that are like ``like`` [1, *dims]."""
        blank = like.new_full((1,) * like.ndim, math.nan).expand(len(tokens), *like.shape[1:])
        outputs: Tensor = self.block.run(forward, tokens, blank, rows)
        return outputs


def token_model(
    module: nn.Module | None, forward: Forward, perturber: PerturbedInputs, batch_size: int, known: Tensor
) -> TokenModel:
    """Find where a model's tokens come in and what they are made of, and prove that they can be left out.

    Args:
        module: the model.
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the outputs ``[m, K]``.
        perturber: the perturbed inputs, of which the first input is used.
        batch_size: rows a forward at most.
        known: the output for it as it is, ``[1, K]``.

    Raises:
        AbsentError: if they cannot.
    """
    x, layout = perturber.inputs[:1], perturber.features.layout
    reasons = []
    for block, cells in blocks_with_cells(module, forward, x, layout, batch_size):
        model, first = TokenModel(block, cells), torch.zeros(1, dtype=torch.long, device=x.device)
        tokens = block.tokens(forward, x.clone(), first)
        try:
            _prove(model, forward, tokens, x, known)
        except AbsentError as error:
            reasons.append(error)
        else:
            return replace(model, answers_nothing=_answers_nothing(model, forward, tokens, x))
    raise reasons[0]


def _prove(model: TokenModel, forward: Forward, tokens: Tensor, x: Tensor, known: Tensor) -> None:
    """Raise an :class:`AbsentError` if the output depends on more than which tokens there are."""
    places = model.cells.places.cpu()
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.arange(tokens.shape[1])
    shuffled[places] = places[torch.randperm(len(places), generator=generator)]
    kept = torch.ones(tokens.shape[1], dtype=torch.bool)
    kept[places[torch.randperm(len(places), generator=generator)[: len(places) // 2]]] = False
    half, half_shuffled = kept.nonzero().flatten(), shuffled[kept[shuffled]]
    close = _CLOSE if tokens.dtype in (torch.float32, torch.float64) else 100 * _CLOSE

    def outputs(orders: list[Tensor], reason: str) -> Tensor:
        order = torch.stack(orders).to(tokens.device)
        try:
            answers = model.run(
                forward, tokens[0][order], x, torch.zeros(len(order), dtype=torch.long, device=x.device)
            )
        except Exception as error:  # a model that is none of this kind may fail in any way
            if is_out_of_memory(error):
                raise
            raise AbsentError(reason) from error
        if not bool(answers.isfinite().all()):
            raise AbsentError(reason)
        return answers

    def apart(answers: Tensor, other: Tensor) -> bool:
        least = other.abs().amax().clamp(min=torch.finfo(other.dtype).tiny)
        return bool(((answers - other).abs() > close * least).any())

    whole = outputs([torch.arange(len(shuffled)), shuffled], "the model uses its input beside its tokens, too")
    if apart(whole[:1], known):
        raise AbsentError("the model uses its input beside its tokens, too")
    order = "the model's output depends on the places of the tokens in their row, as with windows and convolutions"
    if apart(whole[1:], known):
        raise AbsentError(order)
    fewer = outputs([half, half_shuffled], "the model runs on no other number of tokens")
    if apart(fewer[1:], fewer[:1]):
        raise AbsentError(order)


def _answers_nothing(model: TokenModel, forward: Forward, tokens: Tensor, x: Tensor) -> bool:
    """Return whether the model has an output where no patch is left; one that takes the patches' mean has none."""
    prefix = tokens[:, model.cells.prefix]
    if not prefix.shape[1]:
        return False
    try:
        output = model.run(forward, prefix, x, torch.zeros(1, dtype=torch.long, device=x.device))
    except Exception as error:  # a model may fail in any way on what it was not made for
        if is_out_of_memory(error):
            raise
        return False
    return bool(output.isfinite().all())


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
        return f"{count} of {len(self._lengths)} rows in which no patch is left are left out" if count else ""

    def other(self, perturber: PerturbedInputs) -> AbsentRows:
        """Return the same for another perturber of the same inputs and features."""
        made = copy(self)
        made._take(perturber)
        return made

    def _kept(self, design: Tensor) -> Tensor:
        """Return which tokens each row keeps, bool ``[B, n, N]``: patches of which half is on, and the prefix."""
        cells, shares = self.model.cells, self.shares
        on = shares[:, :1] + design.to(shares.dtype) @ shares[:, 1:]
        kept = torch.ones(*on.shape[:2], self.embedded.shape[1], dtype=torch.bool, device=on.device)
        kept[..., cells.places] = on >= 0.5 - _NEAR_HALF
        return kept.expand(len(self.embedded), -1, -1)

    def evaluate(self, forward: Forward, start: int, stop: int) -> Tensor:
        """Return the outputs of ``forward`` for the rows ``order[start:stop]``, ``[stop - start, K]``."""
        parts = []
        while start < stop:
            length = self._lengths[start]
            last = start + 1
            while last < stop and self._lengths[last] == length:
                last += 1
            rows = self.order[start:last]
            parts.append(self._outputs(forward, rows, length))
            start = last
        return parts[0] if len(parts) == 1 else torch.cat(parts)

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
        raise AbsentError("the model has no output where no patch is left, which the surrogate goes through")
    shares = model.cells.shares(perturber.features)
    several = float((shares.amax(1) < 1 - _NEAR_HALF).double().mean())
    if several > 0.5:
        raise AbsentError(
            f"{several:.0%} of the model's patches hold several features, and a patch is absent as a whole",
            "Cut along the patches with `Superpixels(method='tokens')`, or take another `baseline`",
        )
    inputs = perturber.inputs
    batches = Batches(0, len(inputs), batch_size)
    numbers = torch.arange(len(inputs), device=inputs.device)
    embedded: dict[int, Tensor] = {}  # by first row, since rows may come again
    while batches.left:
        with batches.next() as (start, stop):
            embedded[start] = model.block.tokens(forward, inputs[start:stop].clone(), numbers[start:stop])
    rows = AbsentRows(model, perturber, torch.cat(list(embedded.values())), shares, whole)
    said = []
    if several:
        said.append(f"{several:.0%} of the model's patches hold several features; they stay where half of them is on")
    if rows.left_out:
        said.append(rows.left_out)
    return rows, tuple(said)
