"""How explanations are made: every strategy resolved and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lime_callback.arguments import check_count, check_one_of
from lime_callback.baselines import Baseline, resolve_baseline
from lime_callback.designs import DESIGNS, Design
from lime_callback.kernels import KERNELS, Kernel
from lime_callback.spelling import resolve
from lime_callback.surrogates import Ridge, Surrogate, resolve_surrogate
from lime_callback.targets import Output, check_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class Settings:
    """How explanations are made: every strategy resolved and checked.

    Raises:
        ValueError: for an unknown name or a number out of range.
        TypeError: for an argument of another kind.
    """

    n_perturbations: int = 256
    design: Any = "orthogonal"
    baseline: Any = "mean"
    kernel: Any = "cosine"
    surrogate: Any = field(default_factory=Ridge)
    output: Output | Callable[[Tensor], Tensor] = "raw"
    stem: Literal["auto", "off", False] = "auto"

    def __post_init__(self) -> None:
        check_count("n_perturbations", self.n_perturbations, 2)
        check_output(self.output)
        if self.stem is False:  # what YAML makes of an off without quotes
            object.__setattr__(self, "stem", "off")
        check_one_of("stem", self.stem, ("auto", "off"))
        resolved: dict[str, Design | Kernel | Baseline | Surrogate] = {
            "design": resolve("design", self.design, DESIGNS, Design),
            "kernel": resolve("kernel", self.kernel, KERNELS, Kernel),
            "baseline": resolve_baseline(self.baseline),
            "surrogate": resolve_surrogate(self.surrogate),
        }
        for name, strategy in resolved.items():
            object.__setattr__(self, name, strategy)
