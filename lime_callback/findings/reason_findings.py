"""The finding of wrong reasons: what some predictions rest on and others do not, and what makes predictions wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from lime_callback.findings.epoch_facts import STAMP
from lime_callback.findings.hidden.picture_places import PLACE
from lime_callback.findings.hidden.probe_places import place_shares
from lime_callback.findings.suspicion import Detector, Suspicion, strongest
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_callback.findings.epoch_facts import EpochFacts, HiddenSets, StampChanges

_FIXED, _FIXED_BY_OTHERS = 0.5, 0.15
_FEWEST_WRONG = 5
_ALIVE = 0.15  # of the answers change when everything is hidden
_RESTS, _RESTS_NOT = 0.55, 0.15  # of a probe's attribution lies in one place; a ninth is usual
_A_QUARTER = 0.25  # of the probes, at least, do not rest on the place
_DECIDES, _TIMES, _WORSE = 0.2, 2.0, 0.6  # of what hiding everything changes; as other places; right as often
_SOME, _MOST, _MORE = 0.15, 0.6, 1.5  # of what hiding everything changes; and times as much as other places


class WrongReasons(Detector):
    """Some predictions rest on a place that others do not use; or wrong ones become right when one thing is hidden."""

    name: ClassVar[str] = "wrong_reasons"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Compare what each place changes in some samples with the others, and what puts wrong predictions right."""
        stamp = [] if facts.stamped is None else list(self._stamp(facts, facts.stamped))
        yield from stamp or strongest(facts, self._some)
        hidden = facts.hidden
        if hidden is None or hidden.was_right is None or not hidden.classes:
            return
        wrong = hidden.was_right == 0
        tried = [name for name in hidden.right if "~" not in name and hidden.shares[name] < 0.3]
        if int(wrong.sum()) < _FEWEST_WRONG or len(tried) < 3:
            return
        fixed = torch.stack([hidden.right[name][wrong].double() for name in tried])
        means = fixed.mean(1)
        first = int(means.argmax())
        others = torch.cat([fixed[:first], fixed[first + 1 :]])
        if float(means[first]) < _FIXED or float(others.mean(1).median()) > _FIXED_BY_OTHERS:
            return
        from lime_callback.explaining.random_set_p_values import p_value_of_count

        name = tried[first]
        what = facts.subjects.get(name, name.rpartition("/")[2])
        yield Suspicion(
            subject=what,
            sentence=(
                f"{float(means[first]):.0%} of {int(wrong.sum())} wrong predictions become right when {what} are "
                f"hidden ({float(others.mean()):.0%} with other sets)."
            ),
            advice="Look at the samples that are wrong: what do they have there that others of their class do not?",
            severity=float(means[first]),
            p_value=min(1.0, len(tried) * p_value_of_count(fixed[first], others)),
            fresh=True,
            figures={"fixed": Figure(float(means[first])), "others": Figure(float(others.mean()))},
            picture="spatial/attributions",
        )

    def _stamp(self, facts: EpochFacts, stamped: StampChanges) -> Iterator[Suspicion]:
        """Something that some pictures have at one place, and that others follow when it is laid over them."""
        found, count, share = list[Suspicion](), len(stamped.lacking), float(stamped.pictures.double().mean())
        for i, lacking in enumerate(stamped.lacking):
            mirrored = [name for name in lacking.changed if name != STAMP]
            changed = lacking.mean(STAMP)
            elsewhere = float(torch.stack([lacking.changed[name] for name in mirrored]).mean())
            # Pictures without it may all be of one class, of which nothing else makes another.
            most = max(lacking.whole, changed.value)
            if most < _ALIVE or changed.value < max(_DECIDES * most, _TIMES * elsewhere):
                continue
            if lacking.classes:
                samples = len(lacking.changed[STAMP])
                what, beside = f"changes {changed.value:.0%} of {samples} predictions", f"{elsewhere:.0%}"
            else:
                output = "the outputs" if count == 1 else f"output {i}"
                what, beside = f"changes {output} by {changed.value:.2f} standard deviations", f"{elsewhere:.2f}"
            found.append(
                Suspicion(
                    subject=f"their {stamped.name} part",
                    sentence=(
                        f"at least {share:.0%} of the pictures have something at their {stamped.name} that decides: "
                        f"laid over others it {what} ({beside} at its mirror images).{_right(facts, stamped)}"
                    ),
                    advice="Look at these pictures: is it a tag, a ruler or a mark? Crop it.",
                    severity=min(1.0, changed.value / most),
                    p_value=min(1.0, count * lacking.p_value_of_moves(STAMP, mirrored)),
                    figures={"changed": changed, "others": Figure(elsewhere), "pictures": Figure(share)},
                    picture="spatial/attributions",
                )
            )
        if found:
            yield min(found, key=lambda one: one.p_value)

    def _some(self, facts: EpochFacts, hidden: HiddenSets) -> Iterator[Suspicion]:
        """A place on which some probes rest and others do not, and which decides for a part of other samples, too.

        The probes choose the place, so that nothing is to be paid for the choice.
        """
        places = [name for name in hidden.changed if name.startswith(PLACE)]
        if not places or hidden.whole < _ALIVE:
            return
        for name in _divided(facts, places):
            others = [other for other in places if other != name]
            part = hidden.part(name)
            usual = float(torch.stack([hidden.changed[other].mean() for other in others]).median())
            if not _SOME <= part < _MOST or float(hidden.changed[name].mean()) < _MORE * usual:
                continue
            place = name.removeprefix(PLACE)
            yield Suspicion(
                subject=f"their {place} part",
                sentence=(
                    f"some predictions rest on the pictures' {place} part, which others do not use: hiding it changes "
                    f"{part:.0%} of what hiding all does, and other places {usual / hidden.whole:.0%}."
                ),
                advice="Look at pictures that differ there: do some have a tag or a mark?",
                severity=min(1.0, 2 * part),
                p_value=hidden.p_value(name, others),
                fresh=True,
                figures={"changed": hidden.mean(name), "others": Figure(usual)},
                picture="spatial/attributions",
            )


def _right(facts: EpochFacts, stamped: StampChanges) -> str:
    """A sentence on predictions that are right less often where the stamp is; empty where they are not."""
    if facts.labels is None or facts.outputs is None or facts.outputs.shape[1] < 2:
        return ""
    known = facts.labels >= 0
    right = (facts.outputs.argmax(1) == facts.labels).double()
    with_it, without = (float(right[known & own].mean()) for own in (stamped.pictures, ~stamped.pictures))
    return f" {with_it:.0%} are right there, and {without:.0%} elsewhere." if with_it < _WORSE * without else ""


def _divided(facts: EpochFacts, places: list[str]) -> list[str]:
    """The place on which some probes rest most, and at least a quarter of them do not; of each output's at most one."""
    found: dict[str, None] = {}
    for view in facts.views.values():
        shares = place_shares(view.explanation)
        if shares is None or not set(places) <= set(shares):
            continue
        table = torch.stack([shares[name] for name in places])  # [places, P, T]
        pixels = facts.hidden is not None and facts.hidden.of_pixels
        for t, of_output in enumerate(table.unbind(2)):
            if pixels:  # a probe without the class rests on nothing
                of_output = of_output[:, (view.explanation.effects[:, t] != 0).any(1).cpu()]
            if not of_output.shape[1]:
                continue
            rests = (of_output >= _RESTS).sum(1)
            first = int((rests + of_output.mean(1)).argmax())
            if int(rests[first]) and float((of_output[first] <= _RESTS_NOT).double().mean()) >= _A_QUARTER:
                found[places[first]] = None
    return list(found)
