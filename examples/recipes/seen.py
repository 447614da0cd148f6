"""Proves, at the end of a recipe, that what was explained is what the model got in validation.

Letters: ``N`` validation samples, ``P`` probes, ``T`` targets, ``K`` outputs, ``*dims`` the axes of one sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from lime_callback import LimeCallback, is_explaining

if TYPE_CHECKING:
    from collections.abc import Callable


class Seen(pl.Callback):
    """Keeps what a model gets in the last validation, and which of it the model gets again while it is explained.

    Args:
        part: the part of the LightningModule that is watched; ``None`` watches the module itself.

    Attributes:
        validated: the inputs of the validation's steps, one ``[B, *dims]`` a step.
        again: numbers of the samples that the model got, exactly so, in an explanation, too.
    """

    def __init__(self, part: Callable[[Any], nn.Module] | None = None) -> None:
        self.part = part
        self.validated: list[Tensor] = []
        self.again: set[int] = set()
        self._numbers: dict[bytes, int] = {}
        self._hook: Any = None

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        self.validated, self.again, self._numbers = [], set(), {}
        watched = pl_module if self.part is None else self.part(pl_module)
        self._hook = watched.register_forward_pre_hook(self._note, with_kwargs=True)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Stop watching."""
        self._hook.remove()

    def _note(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = next(x for x in _tensors((*args, *kwargs.values())) if x.is_floating_point())
        given = given.detach().as_subclass(Tensor)  # MONAI has tensors of its own
        rows = [row.contiguous().numpy().tobytes() for row in given]
        if is_explaining():
            self.again |= {self._numbers[row] for row in rows if row in self._numbers}
        else:
            self._numbers |= {row: len(self._numbers) + i for i, row in enumerate(rows)}
            self.validated.append(given.clone())

    @property
    def samples(self) -> Tensor:
        """What the model got in the last validation, ``[N, *dims]``."""
        return torch.cat(self.validated)

    def check(
        self,
        lime: LimeCallback,
        view: str,
        outputs: Callable[[Tensor], Tensor],
        targets: Tensor | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> list[int]:
        """Raise an ``AssertionError`` unless the probes are samples of the last validation, and their targets right.

        Args:
            lime: the callback, after the training.
            view: the view whose explanation is looked at.
            outputs: what is explained of the model, ``[N, K]`` of samples ``[N, *dims]``.
            targets: for each sample the output that should be explained, ``[N]`` or ``[N, T]``; ``None``: the largest.
            shape: of a sample as the callback sees it; ``None``: as the model sees it.

        Returns:
            The probes' numbers among the validation samples.
        """
        explanation, samples = lime.explanation(view), self.samples
        assert explanation is not None, "nothing was explained"
        assert explanation.shape == (shape or tuple(samples.shape[1:])), explanation.shape
        with torch.no_grad():
            wanted = outputs(samples)
        targets = wanted.argmax(1) if targets is None else targets
        targets = targets.reshape(len(samples), -1)
        # An explanation's fingerprint begins with the mean of the input that was explained.
        means = samples.double().flatten(1).mean(1)
        numbers = []
        for probe, mean in enumerate(explanation.fingerprint[:, 0].double()):
            number = int((means - mean).abs().argmin())
            assert torch.isclose(means[number], mean, rtol=1e-5, atol=1e-6), "the model never got this probe"
            assert number in self.again, "the explained model got something else"
            assert explanation.targets[probe].tolist() == targets[number].tolist(), (explanation.targets, targets)
            right = wanted[number, targets[number]]
            assert torch.allclose(explanation.prediction[probe], right, rtol=1e-4, atol=1e-4), "another output"
            numbers.append(number)
        assert len(set(numbers)) == len(numbers) > 0
        return numbers


def centered(logits: Tensor) -> Tensor:
    """Logits ``[N, K]`` less their mean, which is what is explained of classes."""
    return logits - logits.mean(1, keepdim=True)


def regions(logits: Tensor) -> Tensor:
    """Each class's mean probability where it is predicted, ``[N, K]`` of logits ``[N, K, *pixels]``."""
    logits = logits.flatten(2)
    inside = nn.functional.one_hot(logits.argmax(1), logits.shape[1]).transpose(1, 2)
    return (logits.softmax(1) * inside).sum(2) / inside.sum(2).clamp(min=1)


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    return [x for value in values for x in _tensors(value)] if not isinstance(values, (str, int, type(None))) else []
