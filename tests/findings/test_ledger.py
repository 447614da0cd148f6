"""The ledger tells a finding when it is sure, once, and closes it when it is over; over a run it is rarely wrong."""

import numpy as np
import pytest

from lime_callback.findings import Suspicion
from lime_callback.findings.ledger import Ledger


def suspicion(subject="here", severity=0.5, p_value=1e-12):
    return Suspicion(subject, f"{subject} is odd.", "Look.", severity, p_value, picture="spectral/superbands")


def told(ledger, epoch, *suspicions, patience=2):
    return [one.subject for one in ledger.take(epoch, {"place": suspicions}, {"place": patience})]


def test_what_comes_up_twice_in_a_row_is_told_once():
    ledger = Ledger("lime")
    assert told(ledger, 0, suspicion()) == []
    assert told(ledger, 1, suspicion()) == ["here"]
    assert told(ledger, 2, suspicion()) == []
    (finding,) = ledger.findings
    assert (finding.epoch, finding.look, finding.last, finding.is_open) == (1, 2, 2, True)
    assert finding.line == "here is odd. See lime/spectral/superbands. Look."


def test_what_comes_up_now_and_then_is_not_told():
    ledger = Ledger("lime")
    for epoch in range(10):
        assert told(ledger, epoch, *([suspicion()] if epoch % 2 else [])) == []


def test_what_is_overwhelming_is_told_at_once_unless_its_detector_waits():
    assert told(Ledger("lime"), 0, suspicion(severity=1.0)) == ["here"]
    assert told(Ledger("lime"), 0, suspicion(severity=1.0), patience=3) == []
    assert told(Ledger("lime"), 0, suspicion(severity=1.0, p_value=1e-4)) == []


def test_it_is_told_again_when_it_is_much_more_severe_or_comes_back():
    ledger = Ledger("lime")
    for epoch, severity in enumerate([0.3, 0.3, 0.45, 0.6]):
        again = told(ledger, epoch, suspicion(severity=severity))
        assert again == (["here"] if epoch in (1, 3) else [])
    assert len(ledger.findings) == 1
    for epoch in (4, 5):
        told(ledger, epoch)
    assert (ledger.findings[0].closed, ledger.open()) == (5, [])
    told(ledger, 6, suspicion())
    assert told(ledger, 7, suspicion()) == ["here"]
    assert [one.is_open for one in ledger.findings] == [False, True]


def test_a_detector_that_could_not_look_leaves_its_findings_as_they_are():
    ledger = Ledger("lime")
    for epoch in (0, 1):
        told(ledger, epoch, suspicion())
    for epoch in range(2, 6):
        ledger.take(epoch, {}, {"place": 2})
    assert [one.is_open for one in ledger.findings] == [True]


def test_two_subjects_of_one_name_are_two_findings():
    ledger = Ledger("lime")
    for epoch in (0, 1):
        news = told(ledger, epoch, suspicion("here", 0.2), suspicion("there", 0.7))
    assert news == ["here", "there"]
    assert ledger.metrics(["place", "blind"]) == {"findings": 2.0, "finding/place": 0.7, "finding/blind": 0.0}


def test_a_resumed_ledger_goes_on_where_it_was():
    whole, first = Ledger("lime"), Ledger("lime")
    parts = [[], [suspicion()], [suspicion()], [suspicion(severity=0.9)], [], []]
    for epoch, part in enumerate(parts):
        told(whole, epoch, *part)
    for epoch, part in enumerate(parts[:2]):
        told(first, epoch, *part)
    resumed = Ledger("lime")
    resumed.restore(first.state())
    assert [told(resumed, epoch, *part) for epoch, part in enumerate(parts[2:], 2)] == [["here"], ["here"], [], []]
    assert resumed == whole


@pytest.mark.parametrize("patience", [1, 2])
def test_at_most_one_run_in_twenty_tells_anything_without_a_cause(patience):
    """Thirteen detectors whose p values are uniform, as they are where nothing is wrong, over forty epochs."""
    random, names = np.random.default_rng(patience), [f"detector {i}" for i in range(13)]
    runs, wrong = 1000, 0
    for _ in range(runs):
        ledger = Ledger("lime")
        for epoch in range(40):
            found = {
                name: [suspicion(severity=1.0, p_value=p)] for name, p in zip(names, random.random(13), strict=True)
            }
            ledger.take(epoch, found, dict.fromkeys(names, patience))
        wrong += bool(ledger.findings)
    assert wrong <= 0.05 * runs + 3 * np.sqrt(runs * 0.05 * 0.95)
    if patience == 1:
        assert wrong > 0.02 * runs  # the level is used, too
