"""The planted shortcut raises the alarm, and its absence does not; one seed of each."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    try:
        import planted_shortcut

        yield planted_shortcut
    finally:
        sys.path.pop(0)


@pytest.mark.filterwarnings("ignore:LimeCallback 'lime'. 'planted'", "ignore:.*does not have many workers")
def test_the_shortcut_raises_the_alarm_and_stops_the_run(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = example.train(0, example.watcher(pictures=False), plant=True)
    assert found.alarm is not None
    assert found.alarm <= 3
    assert found.shares[-1] > example.BOUND


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_without_the_shortcut_there_is_no_alarm(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = example.train(0, example.watcher(pictures=False), plant=False, epochs=3)
    assert found.alarm is None
    # One of twenty superbands: less than twice what it would have if all were alike, and well below the bound.
    assert max(found.shares) < 2 / 20 < example.BOUND
