"""How many perturbations are used over a run: as many as were asked for, or as its budget of time affords."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median_low
from typing import TYPE_CHECKING

from lime_callback.following.time_budget import affordable
from lime_callback.training.batch_growth import seconds_per_row

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.publishing.sinks.console import Console

FELT = 1.0  # seconds
CAUTION = 0.8  # of the budget is all that more perturbations than now may take
_EPOCHS = 3  # explained ones, whose median decides


def is_late(context: ExplainContext, console: Console) -> bool:
    """Whether the time budget is used up before an explained epoch is done; says once what is left out then."""
    late = context.is_late()
    if late:
        console.remark(
            "the time budget is used up before all is done. What comes then is left out, in this order: the look for a "
            "second baseline, reliance, and pictures, but for those of the last epoch.",
            key="time budget: late",
        )
    return late


@dataclass
class PerturbationCount:
    """Uses fewer perturbations where time is short, more again where it is not, and says so.

    What the last three explained epochs took decides, and of these their median: a single epoch that takes long, as
    where another program has the device, changes nothing.

    Args:
        config: the user's arguments.
        console: for what is said.

    Attributes:
        used: perturbations of each probe and view.
        begun: whether what an explanation takes has been measured.
    """

    config: CallbackConfig
    console: Console
    used: int = field(init=False)
    begun: bool = field(default=False, init=False)
    _took: list[tuple[float, float]] = field(default_factory=list, init=False)  # the rest, a perturbation; in budgets

    def __post_init__(self) -> None:
        self.used = self.config.settings.n_perturbations

    def begin(self, context: ExplainContext, views: int, allowed: float) -> None:
        """Before the first explanation, find out what the budget of time affords.

        Args:
            context: how to explain, and the probes.
            views: how many views explain each probe; reliance counts as one more.
            allowed: seconds that the explanation may take.
        """
        ranks, inputs = context.ranks, len(context.model.probes) * views
        each = inputs / ranks.shares * seconds_per_row(context, self.config.asked.output)
        allowed = max(ranks.gather(allowed))
        self._use(min(self.used, self._affordable(0.0, each / allowed)))
        self._warn(0.0, each, allowed)
        self.begun = True

    def keep(self, fixed: float, each: float, allowed: float) -> None:
        """Use as many from now on as the last epochs show to be affordable.

        More than now are used only where they leave a fifth of the budget, so that the number does not swing.

        Args:
            fixed: seconds that the last explained epoch took besides.
            each: seconds a perturbation of all probes and views.
            allowed: seconds in all.
        """
        self._took = [*self._took, (fixed / allowed, each / allowed)][-_EPOCHS:]
        # Of two epochs the one that took less.
        fixed, each = (median_low(part) for part in zip(*self._took, strict=True))
        most = self._affordable(fixed, each)
        self._use(most if most <= self.used else max(self.used, self._affordable(fixed, each, CAUTION)))
        self._warn(fixed * allowed, each * allowed, allowed)

    def _affordable(self, fixed: float, each: float, budget: float = 1.0) -> int:
        """The most perturbations that a part of the budget affords, where all times are in budgets."""
        settings = self.config.settings
        n = settings.n_perturbations
        return affordable(n, max(settings.design.group(n, 2), 1), fixed, each, budget)

    def _use(self, count: int) -> None:
        budget, all_of_them = self.config.time_budget, self.config.settings.n_perturbations
        if count < self.used:
            self.console.info(
                f"the time budget of {budget} affords {count} of {all_of_them} perturbations, the first ones of each "
                "design; the errors grow accordingly."
            )
        elif count > self.used:
            self.console.info(f"the time budget of {budget} affords {count} of {all_of_them} perturbations again.")
        self.used = count

    def _warn(self, fixed: float, each: float, allowed: float) -> None:
        if fixed + each * self.used > allowed:
            self.console.once(
                f"the time budget of {self.config.time_budget} is too small: {self.used} perturbations take "
                f"{each * self.used:.3g} s, and the rest {fixed:.3g} s. Explain less often with `every_n_epochs`, "
                "fewer `probes` or `views`, or pass `pictures=False`.",
                key="time budget",
            )

    def compare(self, seconds: float, lap: float) -> None:
        """Say so where explaining took longer than the training before it, and so long that it is felt."""
        if seconds > max(lap, FELT):
            self.console.remark(
                f"explaining took {seconds:.3g} s, longer than the {lap:.3g} s of training before it. Less often with "
                "`every_n_epochs`, fewer `n_perturbations`, `probes` or `views`, `pictures=False`, or a `time_budget` "
                "would make it cheaper.",
                key="cost",
            )
