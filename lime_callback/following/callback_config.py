"""What the user asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.sampling.background_baselines import Background, Data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lime_callback.comparing.reference import Reference
    from lime_callback.explaining.strategies import Strategies
    from lime_callback.following.time_budget import TimeBudget
    from lime_callback.probes.batch_entries import Key
    from lime_callback.probes.ranked_samples import Choice
    from lime_callback.views import View
    from lime_callback.views.layout import Layout
    from lime_callback.views.watch import Watch


@dataclass(frozen=True)
class CallbackConfig:
    """The callback's arguments in the form in which they are used, see :class:`~lime_callback.LimeCallback`."""

    views: Sequence[View]
    wavelengths: Sequence[float] | None
    layout: Layout
    choice: Choice
    target: Any
    every_n_epochs: int
    settings: Strategies
    watch: Mapping[str, Watch]
    gate: float | None
    relevant_change: float
    reference: Reference | None
    class_names: Sequence[str] | None
    max_batch_size: int | None
    time_budget: TimeBudget | None
    pictures: bool
    seed: int
    name: str
    input_key: Key | None
    label_key: Key | None
    output_key: Key | None
    forward: Callable[[Any, Any], Any] | None
    background: int = 0  # samples
    auto_output: bool = False
    """Whether the scale of the output is decided by the labels; ``settings`` then say ``"raw"``."""
    reliance: bool = True

    def __post_init__(self) -> None:
        """Raise a ``ValueError`` if arguments do not fit each other."""
        if not self.background and isinstance(self.settings.baseline, (Data, Background)):
            raise ValueError(
                f"`background` should be at least 1 for `baseline = {self.settings.baseline}`, which takes its values "
                "from other samples. Found `background = 0`; leave it out, or take `baseline='mean'`."
            )
        if self.choice.anew and self.reference is not None and self.reference.explanations:
            raise ValueError(
                "`reference` should be a checkpoint where probes are chosen anew at each epoch. Found saved "
                f"explanations of {', '.join(map(repr, self.reference.explanations))}, which are of other samples."
            )

    @property
    def probes(self) -> int:
        """How many samples are explained, at most."""
        return self.choice.count
