"""The strategies of an explanation: design, baseline, kernel, surrogate and output, resolved from names and checked."""

from __future__ import annotations

import textwrap
from dataclasses import InitVar, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from lime_callback.checks.arguments import check_one_of
from lime_callback.checks.numbers import check_count
from lime_callback.checks.strategy_names import resolve_strategy
from lime_callback.explaining.package_presets import PRESETS, Like
from lime_callback.outputs.segmentation_reducers import Reducer
from lime_callback.outputs.targets import Output, check_output
from lime_callback.sampling.absent import Absent
from lime_callback.sampling.baselines import Baseline, resolve_baseline
from lime_callback.sampling.designs import DESIGNS, Design
from lime_callback.sampling.locality_kernels import KERNELS, Kernel
from lime_callback.surrogates.surrogate_names import resolve_surrogate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from lime_callback.surrogates.linear_models import Surrogate
    from lime_callback.views.layout import Layout


_DEFAULTS = {"design": "orthogonal", "kernel": "cosine", "surrogate": "ridge"}


class StrategyArguments(TypedDict, total=False):
    """What a user may say of the strategies, by the names and in the types of :func:`~lime_callback.explain`."""

    n_perturbations: int
    design: str | Design | None
    baseline: str | float | Tensor | Callable[[Tensor], Tensor] | Baseline | None
    kernel: str | Kernel | None
    surrogate: Any
    like: Like | None
    output: Output | Reducer | Callable[[Tensor], Tensor]
    stem: Literal["auto", "off"]


@dataclass(frozen=True)
class Strategies:
    """How explanations are made: every strategy as an object, checked.

    ``None`` stands for the strategy of the package ``like``, or else for the default, which is ``usual`` for the
    baseline. Names become objects when the instance is made; nothing changes afterwards.

    Raises:
        ValueError: for an unknown name, a number out of range, or an argument that ``like`` sets as well.
        TypeError: for an argument of another kind.
    """

    n_perturbations: int = 256
    design: Any = None
    baseline: Any = None
    kernel: Any = None
    surrogate: Any = None
    output: Output | Reducer | Callable[[Tensor], Tensor] = "raw"
    stem: Literal["auto", "off", False] = "auto"
    like: InitVar[Like | None] = None  # not in a copy, whose strategies are given
    usual: InitVar[Any] = "mean"

    def __post_init__(self, like: Like | None, usual: Any) -> None:
        object.__setattr__(self, "n_perturbations", check_count("n_perturbations", self.n_perturbations, 2))
        check_output(self.output)
        if self.stem is False:  # YAML reads an off without quotes as false
            object.__setattr__(self, "stem", "off")
        check_one_of("stem", self.stem, ("auto", "off"))
        if like is not None:
            check_one_of("like", like, tuple(PRESETS))
        theirs: dict[str, Any] = {} if like is None else dict(PRESETS[like].strategies)
        if like is not None and PRESETS[like].own_baseline and self.baseline is not None:
            del theirs["baseline"]
        for name, default in (_DEFAULTS | {"baseline": usual}).items():
            value = getattr(self, name)
            if value is not None and name in theirs:
                raise ValueError(
                    f"`like = {like!r}` sets `{name}` to {theirs[name]}. Found `{name} = {value!r:.100}` as well; "
                    "leave one of the two out."
                )
            strategy = theirs.get(name) or _resolved(name, default if value is None else value)
            object.__setattr__(self, name, strategy)
        if self.surrogate.efficient and not self.design.ends:
            raise ValueError(
                f"`surrogate = {self.surrogate}` needs a design whose first two rows are everything on and everything "
                f"off. Found `design = {self.design}`; take `design=Coalitions()` of lime_callback.sampling, or "
                f"`like='kernel_shap'`, which sets both."
            )

    def for_inputs(self, layout: Layout, shape: Sequence[int]) -> Strategies:
        """Return the strategies for inputs of a shape ``[B, *dims]``, since reducers look for the inputs' pixels."""
        if not isinstance(self.output, Reducer):
            return self
        pixels = tuple(size for axis, size in zip(layout.axes, shape[1:], strict=True) if axis in "DHW")
        return replace(self, output=self.output.for_pixels(pixels))

    @property
    def folds(self) -> bool:
        """Whether the model's stem may be folded; where tokens are left out, it runs once an input anyway."""
        return self.stem != "off" and not isinstance(self.baseline, Absent)

    @property
    def texts(self) -> tuple[str, ...]:
        """The design, baseline, kernel and surrogate in words, each of at most 80 characters."""
        named = (self.design, self.baseline, self.kernel, self.surrogate)
        return tuple(textwrap.shorten(repr(strategy), 80, placeholder=" …") for strategy in named)


def _resolved(name: str, value: Any) -> Design | Kernel | Baseline | Surrogate:
    if name == "design":
        return resolve_strategy(name, value, DESIGNS, Design)
    if name == "kernel":
        return resolve_strategy(name, value, KERNELS, Kernel)
    return resolve_baseline(value) if name == "baseline" else resolve_surrogate(value)
