"""Outputs that are decisions or steps, which no surrogate can describe, and what is undefined of them."""

import math
from dataclasses import replace

import pytest
import torch
from test_findings_in_runs import Net, names, run, scene
from torch.nn.functional import one_hot

from lime_callback import Superbands, Superpixels
from lime_callback.findings import EpochFacts, HiddenSets, InputFacts
from lime_callback.findings.detectors import DETECTORS
from lime_callback.findings.hidden import hidden_sets_plan as plan
from lime_callback.findings.hidden.picture_places import PLACE
from lime_callback.findings.trust_findings import fewest_values


def test_outputs_are_steps_where_they_take_few_values():
    random = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    assert fewest_values(one_hot(random.argmax(1), 3)) == 2
    assert fewest_values(torch.tensor([0.0, 0.5, 1.0]).repeat(14)[:40, None]) == 3
    assert fewest_values(random) == 0
    assert fewest_values(torch.cat([random[:, :1].round(), random[:, 1:]], 1)) == 0  # one of them is rounded
    assert fewest_values(torch.ones(40, 3)) == 0  # they are the same for all, which is another fault
    assert fewest_values(random[:8].round()) == 0
    assert fewest_values(None) == 0


class Decisions(Net):
    """Returns the class that it decides for, once it does not train."""

    def forward(self, x):
        logits = super().forward(x)
        return logits if self.training else 10.0 * one_hot(logits.argmax(1), logits.shape[1])


@pytest.mark.finds
def test_decisions_are_told_at_the_first_look_with_what_to_explain_instead(tmp_path):
    views = [Superbands(12), Superpixels("grid", 9)]
    lime, *_ = run(tmp_path, scene(), module=Decisions, views=views, findings=["unreadable"])
    assert names(lime) == {"unreadable"}
    told = lime.findings()[0]
    assert told.epoch == 0
    assert "its outputs are steps, 2 different values at most" in told.sentence
    assert "Pass `forward=` that returns what the model has before it rounds or decides" in told.advice


@pytest.mark.finds
def test_what_is_undefined_of_decisions_is_not_told_as_a_number(tmp_path):
    views = [Superbands(12), Superpixels("grid", 9)]
    lime, *_ = run(tmp_path, scene(), module=Decisions, epochs=6, views=views)
    assert names(lime) <= {"unreadable", "unstable"}
    assert not [one.sentence for one in lime.findings() if "nan" in one.sentence]


UNDEFINED = torch.full((24,), math.nan, dtype=torch.float64)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_no_detector_says_anything_of_what_is_undefined(detector):
    sets = [plan.CANDIDATE, plan.DEVIATION, plan.OTHER_BANDS, plan.UNREAD]
    sets += [plan.FRAME, plan.INSIDE, plan.OUTSIDE, plan.PADDING]
    sets += [f"{plan.ABSORPTION}{kind}" for kind in ("water vapour", "edges", "noise")]
    sets += [f"{PLACE}top left", f"{PLACE}middle", f"{plan.INPUT}hsi", f"{plan.INPUT}lidar", "r0", "r1"]
    hidden = HiddenSets(
        dict.fromkeys(sets, 0.1), dict.fromkeys(sets, UNDEFINED), dict.fromkeys(sets, UNDEFINED), {},
        dict.fromkeys(sets[:-2], ("r0", "r1")), UNDEFINED, UNDEFINED, None, False,
    )  # fmt: skip
    nothing = torch.full((24, 2), math.nan)
    inputs = InputFacts(math.nan, torch.full((2, 100), math.nan), torch.full((24, 100), math.nan), math.nan,
                        torch.full((2, 100), math.nan))  # fmt: skip
    facts = EpochFacts(
        5, 4, hidden=hidden, by_output=(hidden, hidden), outputs=nothing, before=nothing, losses=(math.nan,) * 5,
        spreads=((math.nan, math.nan),) * 5, label_spreads=(math.nan, 1.0), moves=(math.nan,) * 4, inputs=inputs,
        wavelengths=[400 + 20 * i for i in range(100)], parts=("hsi", "lidar"), reference_loss=math.nan,
        subjects=dict.fromkeys(sets, "these"),
    )  # fmt: skip
    for one in (facts, replace(facts, hidden=replace(hidden, classes=True), by_output=())):
        assert [said.sentence for said in detector().look(one)] == []
