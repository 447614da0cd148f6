"""What the tests of stems share."""

import pytest

from lime_callback.forwards.folded_stem import FoldedStem


@pytest.fixture
def folded(monkeypatch):
    """Counts the rows whose stem was folded."""
    rows = []
    score = FoldedStem.evaluate
    monkeypatch.setattr(FoldedStem, "evaluate", lambda *args: rows.append(args[3] - args[2]) or score(*args))
    monkeypatch.setattr(FoldedStem, "pays", lambda self: True)
    return rows
