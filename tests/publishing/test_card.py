"""The card says how to read each picture that a run has."""

from pathlib import Path

import pytest

from lime_callback.publishing.run_description import _HOW_TO_READ

READING = (Path(__file__).parents[2] / "docs/reading.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "kind", ["attributions", "superbands", "superpixels", "features", "waterfall", "effects", "drift_chart"]
)
def test_each_kind_of_picture_is_on_the_card_and_among_the_keys(kind):
    assert f"**{kind}**" in _HOW_TO_READ
    keys = READING.partition("### Keys in W&B")[2].partition("\n### ")[0]
    assert f"`{kind}`" in keys or f"/{kind}`" in keys
