"""Folded stems: computes the outputs of a model's linear first layer for perturbations without making these inputs.

Many models begin with a layer that is linear in the input, here called the stem: a ViT's patch embedding, a CNN's first
convolution, a linear layer. Let ``x`` be the input, ``b`` the baseline, ``z`` a row of the design, ``M_k`` 1 at the
elements of feature k and else 0, and ``M_0`` 1 at the elements that are never hidden. The perturbed input is

    x' = b + (x - b) M_0 + sum_k z_k (x - b) M_k,    and so
    stem(x') = stem(b + (x - b) M_0) + sum_k z_k W((x - b) M_k),    where W is the stem without its bias.

The first term is called the ground, and ``W((x - b) M_k)`` the image of feature k. The d images are computed once for
each input; a batch of perturbations is then one product of matrices. If each row takes its baseline from one of K
samples, ground and images are computed for each of the K. The model runs with the stem's forward replaced by these
results.

Letters: ``d`` features, ``m`` rows of a batch, ``o`` elements of the stem's output for an input.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lime_callback.checks.dense_tensors import is_dense
from lime_callback.forwards.feature_images import image_maker
from lime_callback.forwards.out_of_memory import is_out_of_memory
from lime_callback.forwards.stem_layer import Stem, may_be_normalised, normalisation
from lime_callback.forwards.torch_internals import is_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lime_callback.forwards.perturbed_inputs import PerturbedInputs

_LINEAR = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
# Writing an element to memory takes as long as this many multiplications.
_WRITING = 8
# The images may take this many times the memory of a batch of perturbed inputs and their outputs of the stem.
_ROOM = 1
# Outputs with a folded stem may differ from the model's own by this share of the largest output.
_CLOSE = 1e-4
_FEW = 4  # samples that a layer receives, of which it is asked whether they are normalised alike


class StemFinder:
    """Watches forwards of a model for a linear layer that receives the input unchanged, exactly once.

    Parametrized, sharded and quantized layers have other classes and are not considered.

    Args:
        module: the model; ``None`` if there is no module to watch.

    Attributes:
        compiled: whether a part of the model is compiled; such a model is not watched.
    """

    def __init__(self, module: nn.Module | None) -> None:
        parts = [] if module is None else list(module.modules())
        self.compiled = any(map(is_compiled, parts))
        linear = [part for part in parts if type(part) in _LINEAR and type(part.weight) is nn.Parameter]
        self._layers = [] if self.compiled else linear
        self._stems: list[Stem] = []
        self._changed: list[tuple[Stem, Tensor]] = []  # and what the layer received for a few samples
        self._model_input = self._few = torch.empty(0)

    @property
    def stem(self) -> Stem | None:
        """The stem in the last watched forward; ``None`` if no layer, or more than one, received the input.

        If none received it as it is, it is the only convolution that received it normalised channel by channel.
        """
        if self._stems:
            return self._stems[0] if len(self._stems) == 1 else None
        found = [(stem, normalisation(self._few, part)) for stem, part in self._changed]
        stems = [stem.normalised_by(values) for stem, values in found if values is not None]
        return stems[0] if len(stems) == 1 else None

    @contextmanager
    def looking(self, forward: Callable[[Tensor, Tensor], Any]) -> Iterator[Callable[[Tensor, Tensor], Any]]:
        """Yield a ``forward`` that watches the layers; remove the hooks at the end."""

        def watched(x: Tensor, rows: Tensor) -> Any:
            self._stems, self._changed, self._model_input, self._few = [], [], x, x[:_FEW].clone()
            return forward(x, rows)

        handles = [layer.register_forward_hook(self._look) for layer in self._layers]
        try:
            yield watched
        finally:
            for handle in handles:
                handle.remove()
            self._model_input = torch.empty(0)

    def _look(self, layer: Any, layer_inputs: tuple[Any, ...], output: Any) -> None:
        part, x = layer_inputs[0] if layer_inputs else None, self._model_input
        if not is_dense(part) or not is_dense(output):
            return
        same = (
            part.data_ptr() == x.data_ptr()
            and part.dtype == x.dtype
            and len(part) == len(x)
            and part.numel() == x.numel()
            and (part.shape == x.shape or (part.is_contiguous() and x.is_contiguous()))
        )
        if same and len(output) == len(x):
            self._stems.append(Stem(layer, tuple(part.shape[1:]), output))
        elif part.shape == x.shape and part.dtype == x.dtype and len(output) == len(x) and may_be_normalised(layer, x):
            self._changed.append((Stem(layer, tuple(part.shape[1:]), output), part[:_FEW].detach().clone()))


class FoldedStem:
    """Computes the stem's outputs for perturbations, by the numbers of their rows.

    Args:
        stem: the model's stem.
        perturber: the perturbed inputs, whose row numbers are used; it makes none of them here.
        batch_size: the largest number of images that are made at a time.
    """

    def __init__(self, stem: Stem, perturber: PerturbedInputs, batch_size: int) -> None:
        self.stem, self.perturber, self.per_input = stem, perturber, perturber.per_input
        self._input, self._chunk = -1, batch_size
        self._answers: list[Callable[[Tensor], Tensor]] = []
        self._maker = image_maker(stem, perturber.labels, perturber.design.shape[-1])

    def other(self, perturber: PerturbedInputs) -> FoldedStem:
        """Return a folded stem for another perturber of the same stem and features."""
        made = copy(self)
        made.perturber, made.per_input = perturber, perturber.per_input
        made.release()
        made._chunk = self._chunk
        return made

    def pays(self) -> bool:
        """Return whether folding takes less time than making the perturbed inputs, and no more memory.

        Times are counted in multiplications, for one row.
        """
        stem, maker, elements = self.stem, self._maker, self.perturber.inputs[0].numel()
        times = self.perturber.grounds
        # The images are made once for each input and each of the samples that replace hidden elements.
        once = times * maker.passes * (stem.products + elements) / self.perturber.per_input
        folded = stem.size * (maker.sums + _WRITING) + once
        direct = stem.products + _WRITING * elements
        room = _ROOM * max(self._chunk, 32) * (elements + stem.size)
        return folded < direct and stem.size * maker.kept * times <= room

    def rows(self, start: int, stop: int) -> Tensor:
        """Return the stem's outputs for the rows ``start`` to ``stop - 1``, ``[stop - start, o]``."""
        parts = []
        while start < stop:
            b, design = self.perturber.design_of(start, stop)
            first = start - b * self.per_input
            parts.append(self._answer(b, design, self._choice(b, first, first + len(design))))
            start += len(design)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def evaluate(self, forward: Callable[[Tensor, Tensor], Tensor], start: int, stop: int) -> Tensor:
        """Return the outputs of ``forward`` for the rows ``start`` to ``stop - 1``.

        See :meth:`~lime_callback.forwards.perturbed_inputs.PerturbedInputs.evaluate`.
        """
        with self.stem.answering(self.rows(start, stop)):
            return forward(self._blank(stop - start), self.perturber.inputs_of(start, stop))

    def sample(self, forward: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return the outputs of ``forward`` for the first input: unperturbed, its first perturbation, and all hidden.

        All is hidden only where the stem is normalised.
        """
        _, first = self.perturber.design_of(0, 1)
        design = torch.cat([torch.ones_like(first), first, *[torch.zeros_like(first)] * self._hides_all])
        choice = self._choice(0, 0, 1)
        answers = self._answer(0, design, None if choice is None else choice.expand(len(design)))
        with self.stem.answering(answers):
            return forward(self._blank(len(design)), self.perturber.inputs_of(0, 1).expand(len(design)))

    def direct_sample(self) -> list[Tensor]:
        """Return the inputs of these outputs, but for the unperturbed one, each ``[1, *dims]``.

        They are batches of their own, in which a scale by a batch's largest value shows itself.
        """
        inputs = [self.perturber.rows(0, 1)]
        if self._hides_all:
            choice = self._choice(0, 0, 1)
            inputs.append(self.perturber.nothing(0 if choice is None else int(choice[0]))[:1])
        return inputs

    @property
    def _hides_all(self) -> bool:
        """Whether the proof needs it: a scale by the input's largest value may not change with one perturbation."""
        return self.stem.normalised is not None

    def _blank(self, rows: int) -> Tensor:
        """Inputs ``[rows, *dims]`` in which a layer other than the stem finds no number."""
        inputs = self.perturber.inputs
        return inputs.new_full((1,) * inputs.ndim, math.nan).expand(rows, *inputs.shape[1:])

    def release(self) -> None:
        """Free the images, and make fewer of them at a time from now on."""
        self._input, self._answers, self._chunk = -1, [], max(1, self._chunk // 2)

    def _choice(self, b: int, first: int, last: int) -> Tensor | None:
        """Return the number of the sample that each row takes, int64 ``[last - first]`` on the CPU.

        Returns ``None`` if all rows share a baseline.
        """
        hidden = self.perturber.hidden
        return None if isinstance(hidden, Tensor) else hidden.choice[b, first:last]

    def _answer(self, b: int, design: Tensor, choice: Tensor | None) -> Tensor:
        """Return the stem's outputs ``[m, o]`` for rows ``[m, d]`` of input ``b``; ``choice`` is each row's sample."""
        if choice is None:
            return self._of(b)[0](design)
        groups = [(choice == k).nonzero().flatten() for k in range(len(self._of(b)))]
        rows_of_sample = [group.to(design.device) for group in groups]
        answers = [answer(design[rows]) for answer, rows in zip(self._of(b), rows_of_sample, strict=True) if len(rows)]
        return torch.cat(answers).index_select(0, torch.cat(groups).argsort().to(design.device))

    def _of(self, b: int) -> list[Callable[[Tensor], Tensor]]:
        """Return for each of the K samples a function from rows ``[m, d]`` to the stem's outputs ``[m, o]``.

        Those of the last input are kept.
        """
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
    """Fold the model's stem, if that saves time and gives the same outputs.

    The outputs are compared for the first input, see :meth:`FoldedStem.sample`.

    Args:
        finder: the finder, which has watched a forward of the model.
        forward: takes rows ``[m, *dims]`` and the number of each row's input; returns the outputs ``[m, K]``.
        perturber: makes the perturbed inputs.
        batch_size: the largest number of rows at a time.
        known: the output of ``forward`` for the first input, unperturbed, ``[1, K]``.

    Returns:
        The folded stem and an empty text; or ``None`` and the reason, which is empty if folding would only not save
        time.
    """
    if finder.compiled:
        return None, "the model is compiled"
    stem = finder.stem
    if stem is None:
        return None, "the model changes its input in another way than by a fixed mean and scale before its first layer"
    folded = FoldedStem(stem, perturber, batch_size)
    if not folded.pays():
        return None, ""
    first = perturber.inputs_of(0, 1)
    direct = torch.cat([known, *(forward(x, first) for x in folded.direct_sample())])
    try:
        other = folded.sample(forward)
    except Exception as error:  # a model that uses its input elsewhere may fail in any way on NaN
        lacking = is_out_of_memory(error)
        return None, "memory does not suffice" if lacking else "the model uses its input elsewhere, too"
    close = _CLOSE if stem.dtype in (torch.float32, torch.float64) else 100 * _CLOSE
    near = (other - direct).abs() <= close * direct.abs().amax().clamp(min=torch.finfo(direct.dtype).tiny)
    if not bool(near.all()):
        return None, "the model uses its input elsewhere, too, or changes it by its own values before its first layer"
    return folded, ""
