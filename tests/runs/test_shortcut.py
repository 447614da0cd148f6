"""The planted shortcut is found by its bands, without a watch, and nothing is found without it; one seed of each."""

import sys
from pathlib import Path

import pytest

from lime_callback.findings import Finding

pytestmark = pytest.mark.finds


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    try:
        import planted_shortcut

        yield planted_shortcut
    finally:
        sys.path.pop(0)


@pytest.mark.filterwarnings("ignore:LimeCallback 'lime'", "ignore:.*does not have many workers")
def test_the_shortcut_is_named_and_ends_the_run(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lime = example.looking(pictures=False)
    assert lime.config.watch == {}
    found = example.train(0, lime, plant=True)
    assert any(map(example.names_planted, found.findings))
    assert found.epochs <= 3


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_without_the_shortcut_nothing_is_found(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = example.train(0, example.looking(pictures=False), plant=False, epochs=3)
    assert (found.findings, found.epochs) == ((), 3)


def test_which_findings_are_of_the_shortcut(example):
    def of(name, where):
        return Finding(name, "a few bands", f"the predictions hang on {where}: hiding them does.", "", 1.0, 0.0)

    assert example.names_planted(of("shortcut_bands", "1561 to 1651 nm"))
    assert not example.names_planted(of("shortcut_bands", "1350 to 1450 nm"))
    assert not example.names_planted(of("shortcut_bands", "400 to 2500 nm"))
    assert not example.names_planted(of("absorption", "1561 to 1651 nm"))
    assert not example.names_planted(of("shortcut_bands", "bands"))
