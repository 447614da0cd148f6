"""Names on maps: where features of several channels lie over each other, and where there is no room for a name."""

import numpy as np
import pytest
import torch
from toys import labels

from lime_callback import Features, explain, figures
from lime_callback.figures.panels import common_start
from lime_callback.pictures.input_panels import panels
from lime_callback.pictures.map_regions import MapRegions

SIDE = 24
HALVES = torch.arange(SIDE) * 2 // SIDE


def sensors():
    """Two sensors of two channels each, cut into halves: that on the right of the second counts most."""
    mask = torch.stack([HALVES.expand(SIDE, -1) + 2 * (channel // 2) for channel in range(4)])[None]
    return Features(mask, ("A left", "A right", "B left", "B right"), "CHW")


def explained(features, weights):
    x = torch.ones(1, 4, SIDE, SIDE)
    mask = features.canonical.expand(1, 4, SIDE, SIDE).long()
    worth = torch.tensor(weights)[mask] / torch.bincount(mask.flatten())[mask]
    forward = lambda x: (x * worth).sum((1, 2, 3))  # noqa: E731
    return explain(forward, x, features, n_perturbations=64, baseline="zero", target=0)


def drawn(explanation):
    picture = np.full((1, SIDE, SIDE, 3), 200, np.uint8)
    (panel,) = panels(explanation, picture, [(0, 0)], lambda b, t: {"title": "t", "subtitle": "s"})
    return panel, figures.attributions([panel], limit=1.0)


def test_where_features_overlap_the_strongest_gives_the_name_and_the_key_tells_what_the_colour_is():
    panel, figure = drawn(explained(sensors(), [0.5, -0.1, 0.05, 0.9]))
    assert set(panel.names.values()) == {"▲A left", "▲B right"}
    assert panel.names[panel.segments[0, -1]] == "▲B right"  # the left and the right half are two regions
    said = labels(figure)
    assert {"▲A left", "▲B right"} <= set(said)
    assert "▼A right" not in said
    assert any("where features overlap, the colour is the mean over channels" in text for text in said)
    assert panel.heat[0, -1] == pytest.approx(sum([-0.1, 0.9]) / 1.55 / 2, abs=0.01)


def test_features_that_cut_channels_otherwise_meet_in_regions_of_their_own():
    mask = torch.stack([HALVES.expand(SIDE, -1), 2 + HALVES[:, None].expand(-1, SIDE), torch.full((SIDE, SIDE), -1)])
    mask[0, 0], mask[1, 0] = -1, -1  # a row that is never hidden
    regions = MapRegions(mask.numpy())
    assert sorted(regions.members.values()) == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert (regions.numbers[0] == -1).all()
    assert len(np.unique(regions.numbers[1:])) == 4
    # The strongest claims both of its regions and names the larger one; the others name what is left.
    named = regions.strongest([0.1, -0.2, 0.9, 0.5], [True, True, True, False])
    assert {f: regions.members[region] for region, f in named.items()}.keys() == {2, 1, 0}
    assert [regions.members[region] for region, f in named.items() if f == 1] == [[1, 3]]
    assert [regions.members[region] for region in regions.unsure([False, True, False, False])] == [[0, 2], [0, 3]]


def rings(names):
    reach = (torch.arange(SIDE) - (SIDE - 1) / 2).abs()
    mask = (torch.maximum(reach[:, None], reach) // 3).long()[None, None]
    return Features(mask, tuple(names), "CHW")


def test_what_all_names_begin_with_is_left_out_and_the_key_says_what_a_number_is():
    _, figure = drawn(explained(rings(f"ring {i}" for i in range(1, 5)), [0.1, 0.2, -0.3, 0.9]))
    said = labels(figure)
    assert {"▲4", "▼3", "▲2"} <= set(said)
    assert "▲ raises, ▼ lowers what is explained (number: which ring)" in said
    assert not any("superpixel" in text for text in said)


def test_without_room_for_its_name_a_region_has_the_sign():
    names = ["the fovea of it", "what lies around", "the far periphery", "a dark border"]
    said = labels(drawn(explained(rings(names), [0.1, 0.2, -0.3, 0.9]))[1])
    assert {"▲", "▼"} <= set(said)
    assert not any("periphery" in text for text in said)
    assert "▲ raises, ▼ lowers what is explained" in said


@pytest.mark.parametrize(("names", "start"), [
    (("ring 1", "ring 2", "ring 10"), "ring "),
    (("superpixel 0, 400-500 nm", "superpixel 0, 500-600 nm"), "superpixel 0, "),
    (("A UL", "B UL"), ""),
    (("sky", "sky upper"), ""),
    ((), ""),
])  # fmt: skip
def test_names_begin_alike_by_whole_words(names, start):
    assert common_start(names) == start
