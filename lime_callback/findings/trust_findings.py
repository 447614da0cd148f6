"""The finding that explanations of a view cannot be trusted, and what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lime_callback.checks.help_pages import see
from lime_callback.findings.suspicion import Detector, Suspicion
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lime_callback.findings.epoch_facts import EpochFacts, ViewFacts

_READABLE = 0.25  # predictive R²: below it a surrogate says next to nothing of the model
_MOST = 0.75  # of the explanations
_ALIVE = 0.15  # of the answers change when everything is hidden
_STEPS, _ENOUGH = 0.25, 12  # different values a sample at most; samples that tell
_TWICE = 0.85  # severity; one look is not enough for it

WITHOUT_STEPS = "Pass `forward=` that returns what the model has before it rounds or decides, such as logits."


class Unreadable(Detector):
    """Explanations of a view cannot be trusted."""

    name: ClassVar[str] = "unreadable"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Look at how well the surrogates predict rows that they have not seen."""
        if facts.hidden is not None and facts.hidden.whole < _ALIVE:
            return  # of answers that do not depend on the input there is nothing to explain
        steps = fewest_values(facts.outputs)
        for name, view in facts.views.items():
            score = view.explanation.score.double()
            known = score[score.isfinite()]
            if not known.numel():
                continue
            weak = float((known < _READABLE).double().mean())
            if weak < _MOST:
                continue
            mean = float(known.mean())
            why = f"its outputs are steps, {steps} different values at most, and " if steps else ""
            yield Suspicion(
                subject=name,
                sentence=(
                    f"explanations by view '{name}' cannot be trusted: {why}R² is {mean:.2f}, of rows they have not "
                    "seen."
                ),
                advice=f"{WITHOUT_STEPS if steps else what_helps(view)} {see('score')}",
                # Of a model that has just begun to learn a surrogate may be poor once.
                severity=1.0 if steps else min(_TWICE, 1.0 - max(mean, 0.0)),
                p_value=0.0 if steps else 0.25 ** min(known.numel(), 12),
                figures={"score": Figure(mean), "weak": Figure(weak)},
                picture=f"{name}/attributions",
            )


def fewest_values(outputs: Tensor | None) -> int:
    """How many different values an output takes at most over samples ``[N, K]``, if it is few: decisions, or steps.

    Returns:
        0 where outputs vary from sample to sample, where there are too few samples, or where all are the same.
    """
    if outputs is None or len(outputs) < _ENOUGH:
        return 0
    most = max(len(one.unique()) for one in outputs.T)
    return most if 1 < most <= _STEPS * len(outputs) else 0


def what_helps(view: ViewFacts) -> str:
    """What would make a view's explanations better."""
    explanation = view.explanation
    rows, features = explanation.n_perturbations, explanation.features.most
    if rows < 4 * features:
        return f"Pass `n_perturbations={8 * features}`, since {rows} are few for {features} features, or cut fewer."
    return "Cut fewer features, or try another baseline: the model is not nearly linear in these features."
