"""How many perturbations are used over a run: as many as were asked for, or as its budget of time affords."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lime_callback.following.time_budget import affordable
from lime_callback.training.batch_growth import seconds_per_row

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.publishing.sinks.console import Console

FELT = 1.0  # seconds


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
    """Uses fewer perturbations where time is short, and says so.

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
        self.keep(0.0, each, max(ranks.gather(allowed)))
        self.begun = True

    def keep(self, fixed: float, each: float, allowed: float) -> None:
        """Use fewer from now on if those of now take too long; never more, so that epochs compare.

        Args:
            fixed: seconds that an explained epoch takes besides.
            each: seconds a perturbation of all probes and views.
            allowed: seconds in all.
        """
        most, settings, budget = self.used, self.config.settings, self.config.time_budget
        self.used = affordable(most, max(settings.design.group(most, 2), 1), fixed, each, allowed)
        if self.used < most:
            self.console.info(
                f"the time budget of {budget} affords {self.used} of {settings.n_perturbations} perturbations, the "
                "first ones of each design; the errors grow accordingly."
            )
        if fixed + each * self.used > allowed:
            self.console.once(
                f"the time budget of {budget} is too small: {self.used} perturbations take {each * self.used:.3g} s, "
                f"and the rest {fixed:.3g} s. Explain less often with `every_n_epochs`, fewer `probes` or `views`, or "
                "pass `pictures=False`.",
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
