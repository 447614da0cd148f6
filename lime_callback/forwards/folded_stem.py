"""Linear stems, folded: perturbed inputs are never made, their images under the model's first layer are.

Many models begin with a layer that is linear in the input: a ViT's patch embedding, a CNN's first convolution, a linear
layer. With ``x`` the input, ``b`` the baseline, ``z`` a row of the design and ``M_k`` the elements of feature k,

    stem(x') = stem(b + always) + sum_k z_k (stem - bias)((x - b) M_k)

where ``always`` is what is never hidden. The d images of the features are computed once an input, and a batch of
perturbations is one product of matrices. Where b is one of K samples for each row, so it is for each of them. The model
is run with the stem's answer put in place of its forward.

Letters: ``d`` features, ``m`` rows of a batch, ``o`` elements of the stem's output for one input.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lime_callback.forwards.feature_images import image_maker
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.stem_layer import Stem
from lime_callback.forwards.torch_internals import is_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lime_callback.forwards.perturbed_inputs import PerturbedInputs

_LINEAR = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
# Elements that are written to memory, in products of two numbers that take as long.
_WRITING = 8
# The images of the features may take as much memory as a batch of perturbed inputs would, and the stem's answers.
_ROOM = 1
# How near the outputs have to be by which a folded stem proves itself.
_CLOSE = 1e-4


class StemFinder:
    """Looks at forwards of a model for the one layer that receives the input as it is, once.

    Layers that are parametrized, sharded or quantized are of other classes, and are not taken.

    Args:
        module: the model; ``None`` if there is none to look at.

    Attributes:
        compiled: whether the model is, so that it is not looked at.
    """

    def __init__(self, module: nn.Module | None) -> None:
        parts = [] if module is None else list(module.modules())
        self.compiled = any(map(is_compiled, parts))
        linear = [one for one in parts if type(one) in _LINEAR and type(one.weight) is nn.Parameter]
        self._layers = [] if self.compiled else linear
        self._found: list[Stem] = []
        self._given = torch.empty(0)

    @property
    def stem(self) -> Stem | None:
        """What the last forward has shown; ``None`` if there is no such layer."""
        return self._found[0] if len(self._found) == 1 else None

    @contextmanager
    def looking(self, forward: Callable[[Tensor, Tensor], Any]) -> Iterator[Callable[[Tensor, Tensor], Any]]:
        """Gives a ``forward`` that is looked at, and stops looking at the end."""

        def watched(x: Tensor, rows: Tensor) -> Any:
            self._found, self._given = [], x
            return forward(x, rows)

        handles = [one.register_forward_hook(self._look) for one in self._layers]
        try:
            yield watched
        finally:
            for handle in handles:
                handle.remove()
            self._given = torch.empty(0)

    def _look(self, layer: Any, given: tuple[Any, ...], output: Any) -> None:
        part, x = given[0] if given else None, self._given
        if not isinstance(part, Tensor) or not isinstance(output, Tensor):
            return
        same = (
            part.data_ptr() == x.data_ptr()
            and part.dtype == x.dtype
            and len(part) == len(x)
            and part.numel() == x.numel()
            and (part.shape == x.shape or (part.is_contiguous() and x.is_contiguous()))
        )
        if same and len(output) == len(x):
            self._found.append(Stem(layer, tuple(part.shape[1:]), output))


class FoldedStem:
    """The stem's answers for perturbations, by the numbers of their rows.

    Args:
        stem: of the model.
        perturber: whose rows are meant.
        batch_size: rows at most at a time.
    """

    def __init__(self, stem: Stem, perturber: PerturbedInputs, batch_size: int) -> None:
        self.stem, self.perturber, self.per_input = stem, perturber, perturber.per_input
        self._input, self._chunk = -1, batch_size
        self._answers: list[Callable[[Tensor], Tensor]] = []
        self._maker = image_maker(stem, perturber.labels, perturber.design.shape[-1])

    def other(self, perturber: PerturbedInputs) -> FoldedStem:
        """The same stem's answers for other perturbations of the same features."""
        made = copy(self)
        made.perturber, made.per_input = perturber, perturber.per_input
        made.release()
        made._chunk = self._chunk
        return made

    def pays(self) -> bool:
        """Whether this costs less than to make the perturbed inputs, in time, and no more in memory."""
        stem, maker, elements = self.stem, self._maker, self.perturber.inputs[0].numel()
        times = self.perturber.grounds
        # The images of the features are made once an input, and once for each sample that stands in for what is hidden.
        once = times * maker.passes * (stem.products + elements) / self.perturber.per_input
        folded = stem.size * (maker.sums + _WRITING) + once
        direct = stem.products + _WRITING * elements
        room = _ROOM * max(self._chunk, 32) * (elements + stem.size)
        return folded < direct and stem.size * maker.kept * times <= room

    def rows(self, start: int, stop: int) -> Tensor:
        """The stem's answers ``[stop - start, o]``."""
        parts = []
        while start < stop:
            b, design = self.perturber.design_of(start, stop)
            first = start - b * self.per_input
            parts.append(self._answer(b, design, self._choice(b, first, first + len(design))))
            start += len(design)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def evaluate(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
        """What ``forward`` makes of the rows.

        See :meth:`~lime_callback.forwards.perturbed_inputs.PerturbedInputs.evaluate`.
        """
        with self.stem.answering(self.rows(start, stop)):
            return forward(self._blank(stop - start), self.perturber.inputs_of(start, stop))

    def sample(self, forward: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """What ``forward`` makes of the first input as it is, and of its first perturbation."""
        _, first = self.perturber.design_of(0, 1)
        choice = self._choice(0, 0, 1)
        both = None if choice is None else choice.expand(2)
        answers = self._answer(0, torch.cat([torch.ones_like(first), first]), both)
        with self.stem.answering(answers):
            return forward(self._blank(2), self.perturber.inputs_of(0, 1).expand(2))

    def _blank(self, rows: int) -> Tensor:
        """Inputs ``[rows, *dims]`` in which a layer other than the stem finds no number."""
        inputs = self.perturber.inputs
        return inputs.new_full((1,) * inputs.ndim, math.nan).expand(rows, *inputs.shape[1:])

    def release(self) -> None:
        """Give memory back."""
        self._input, self._answers, self._chunk = -1, [], max(1, self._chunk // 2)

    def _choice(self, b: int, first: int, last: int) -> Tensor | None:
        """Which samples rows of an input take, on the CPU; ``None`` where there is no choice."""
        hidden = self.perturber.hidden
        return None if isinstance(hidden, Tensor) else hidden.choice[b, first:last]

    def _answer(self, b: int, design: Tensor, choice: Tensor | None) -> Tensor:
        """The stem's answers ``[m, o]`` to rows ``[m, d]`` of an input."""
        if choice is None:
            return self._of(b)[0](design)
        groups = [(choice == k).nonzero().flatten() for k in range(len(self._of(b)))]
        there = [group.to(design.device) for group in groups]
        found = [answer(design[rows]) for answer, rows in zip(self._of(b), there, strict=True) if len(rows)]
        return torch.cat(found).index_select(0, torch.cat(groups).argsort().to(design.device))

    def _of(self, b: int) -> list[Callable[[Tensor], Tensor]]:
        """For each sample a function of rows of a design: the stem's answers to them, for this input."""
        if not self._answers or b != self._input:
            x, labels = self.perturber.inputs[b], self.perturber.labels_of(b)
            self._input, self._answers = b, []
            for hidden in self.perturber.hidden_of(b):
                ground = self.stem.images(torch.where(labels < 0, x, hidden).unsqueeze(0))
                ground = ground + self.stem.bias(ground)
                self._answers.append(partial(self._maker.make(x, hidden, labels, self._chunk), ground))
        return self._answers


def fold_stem(
    finder: StemFinder,
    forward: Callable[[Tensor, Tensor], Tensor],
    perturber: PerturbedInputs,
    batch_size: int,
    known: Tensor,
) -> tuple[FoldedStem | None, str]:
    """A folded stem that pays, and that gives the same outputs for an input, perturbed and not.

    Args:
        finder: has looked at a forward of the model.
        forward: runs it on inputs ``[m, *dims]`` that were made of the inputs of these numbers.
        perturber: of the inputs.
        batch_size: rows at most at a time.
        known: what ``forward`` makes of the first input as it is, ``[1, K]``.

    Returns:
        The stem, or ``None`` and why there is none; nothing is said of one that would only not pay.
    """
    if finder.compiled:
        return None, "the model is compiled"
    stem = finder.stem
    if stem is None:
        return None, "no linear layer receives the input as it is"
    folded = FoldedStem(stem, perturber, batch_size)
    if not folded.pays():
        return None, ""
    direct = torch.cat([known, perturber.evaluate(forward, 0, 1)])
    try:
        other = folded.sample(forward)
    except Exception as error:  # a model that looks at its input elsewhere may do anything with what is put there
        lacking = is_out_of_memory(error)
        return None, "memory does not suffice" if lacking else "the model uses its input elsewhere, too"
    close = _CLOSE if stem.dtype in (torch.float32, torch.float64) else 100 * _CLOSE
    near = (other - direct).abs() <= close * direct.abs().amax().clamp(min=torch.finfo(direct.dtype).tiny)
    if not bool(near.all()):
        return None, "the model uses its input elsewhere, too, or its first layer gives other outputs when it is folded"
    return folded, ""
