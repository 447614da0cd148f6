"""Superbands: equal groups, groups by name, wavelength and number, and what is said about them."""

import logging
import re
import warnings

import numpy as np
import pytest
import torch

from lime_callback import Cubes, explain
from lime_callback.views import Superbands
from lime_callback.views.channels.named_bands import bands_of
from lime_callback.views.layout import Layout

NM = [400.0 + 10 * k for k in range(61)]  # 400 to 1000 nm
LAYOUTS = ["CHW", "1CHW", "HWC", "CWH", "C"]


def cut(bands, wavelengths=NM, channels=None):
    """Names and labels of each channel."""
    channels = len(wavelengths) if channels is None else channels
    features = Superbands(bands).features(torch.zeros(2, channels, 1, 1), wavelengths=wavelengths)
    return features.names, features.mask.flatten().tolist()


def members(bands, wavelengths=NM):
    """The wavelengths of each feature."""
    names, labels = cut(bands, wavelengths)
    return {
        name: [nm for nm, label in zip(wavelengths, labels, strict=True) if label == k] for k, name in enumerate(names)
    }


@pytest.mark.parametrize("channels", [20, 21, 103, 200])
@pytest.mark.parametrize("bands", [1, 7, 20])
def test_equal_groups_are_contiguous_and_differ_by_at_most_one_channel(channels, bands):
    names, labels = cut(bands, None, channels)
    sizes = np.bincount(labels)
    assert len(names) == len(sizes) == bands
    assert sizes.max() - sizes.min() <= 1
    assert labels == sorted(labels)


def test_names_say_the_channels_or_the_wavelengths():
    assert cut(2, None, 5)[0] == ("channels 0-2", "channels 3-4")
    assert cut(2, [400, 410, 505.4, 600])[0] == ("400-410 nm", "505-600 nm")
    assert cut(2, [400, 600])[0] == ("400 nm", "600 nm")
    assert cut(3, None, 3)[0] == ("channel 0", "channel 1", "channel 2")


def test_names_are_unique_where_bands_are_narrow():
    assert cut(3, [500.1, 500.2, 500.3])[0] == ("500.1 nm", "500.2 nm", "500.3 nm")
    assert len(set(cut(3, [500.0, 500.0, 500.0])[0])) == 3


def test_equal_groups_follow_the_wavelengths_and_not_the_channels():
    order = torch.randperm(len(NM), generator=torch.Generator().manual_seed(0)).tolist()
    names, labels = cut(6)
    mixed_names, mixed = cut(6, [NM[k] for k in order])
    assert mixed_names == names
    assert mixed == [labels[k] for k in order]


def test_more_groups_than_channels_become_one_each():
    with pytest.warns(UserWarning, match="`bands = 20` is more than the 3 channels"):
        assert cut(20, None, 3)[1] == [0, 1, 2]


@pytest.mark.parametrize("bands", [6, ["R", [0, 1]], {"low": slice(0, 9)}])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(layout, bands):
    x = torch.rand(2, 61, 1, 1).expand(2, 61, *((1, 1) if layout == "C" else (3, 4)))
    before = x.clone()
    view = Superbands(bands, wavelengths=NM)
    expected = view.features(x)
    found = view.features(Layout(layout).restore(x), layout=layout)
    assert torch.equal(found.canonical, expected.mask)
    assert found.names == expected.names
    assert found.mask.numel() == 61
    assert torch.equal(x, before)
    found.check(tuple(Layout(layout).restore(x).shape))


@pytest.mark.parametrize("layout", ["W", "HW"])
def test_inputs_without_channels_are_one_superband(layout):
    x = torch.rand(2, *(4 for _ in layout))
    assert Superbands(1).features(x, layout=layout).names == ("channel 0",)
    assert Superbands(1, wavelengths=[550]).features(x, layout=layout).names == ("550 nm",)
    with pytest.raises(ValueError, match="names no channel axis; the layout of a spectrum is 'C'"):
        Superbands(1, wavelengths=[550, 560]).features(x, layout=layout)


def test_band_names_are_ranges_and_the_rest_is_not_included():
    found = members(["R", "N"])
    assert list(found) == ["R", "N", "not_included"]
    assert found["R"] == [620, 630, 640, 650, 660, 670, 680, 690]
    assert (found["N"][0], found["N"][-1]) == (760, 900)
    assert sum(map(len, found.values())) == len(NM)


def test_index_names_are_the_union_of_their_bands():
    assert members(["NDVI"])["NDVI"] == members([["R", "N"]])["R+N"]
    assert {band.name for band in bands_of("EVI")} == {"N", "R", "B"}  # and no constants
    assert {band.name for band in bands_of("kNDVI")} == {"N", "R"}


def test_names_can_be_merged_and_called_by_the_user():
    assert list(members([["G", "B"], "R"])) == ["G+B", "R", "not_included"]
    assert list(members({"visible": ["B", "G", "R"]})) == ["visible", "not_included"]


def test_no_feature_is_left_over_where_groups_cover_all_channels():
    assert cut([(300.0, 650.5), (650.6, 1100.0)])[0] == ("300-650.5 nm", "650.6-1100 nm")


@pytest.mark.parametrize("spec", [(505.0, 540.0), {"from": 505, "to": 540}, {"from": 505.0, "to": 540.0}])
def test_ranges_of_wavelengths(spec):
    assert members([spec])["505-540 nm"] == [510, 520, 530, 540]


def test_floats_are_wavelengths_and_whole_numbers_are_channels():
    found = members([[462.08, 465.27], [1, 2], range(3, 5), slice(50, None), np.array([10]), {"from": 700, "to": 710}])
    assert found["462.08, 465.27 nm"] == [460, 470]
    assert found["channels 1-2"] == [410, 420]
    assert found["channels 3-4"] == [430, 440]
    assert found["channels 50-60"] == NM[50:]
    assert found["channel 10"] == [500]
    assert found["700-710 nm"] == [700, 710]
    assert list(members([[0, 4, 7], [10, 20, 30, 40]]))[:2] == ["channels 0, 4, 7", "channels 10 … 40 (4)"]


def test_channel_numbers_need_no_wavelengths():
    assert cut({"a": [0, 3], "b": 1}, None, 5) == (("a", "b", "not_included"), [0, 1, 2, 0, 2])


def test_different_forms_can_be_merged():
    assert members({"mixed": ["R", (400.0, 410.0), [5, 6]]})["mixed"] == [400, 410, 450, 460, *members(["R"])["R"]]


def test_the_distance_of_single_wavelengths_is_logged(caplog):
    potassium = [462.08, 465.0, 474.86, 494.04, 599.53]
    with caplog.at_level(logging.INFO, logger="lime_callback"):
        cut({"K": potassium})
    message = "spectral: 'K': of 5 single wavelengths, 465 nm lies farthest from its nearest band, 5 nm from channel 6"
    assert message in caplog.text


@pytest.mark.parametrize(
    ("wavelengths", "wanted", "distance"),
    [(NM, 1006.0, "6"), ([400, 410, 420, 520, 530, 540], 465.0, "45"), ([500], 501.0, "1")],
)
def test_single_wavelengths_far_from_any_band_are_warned_about(wavelengths, wanted, distance):
    with pytest.warns(UserWarning, match=rf"{distance} nm from channel .* farther than half the band spacing there"):
        cut([[wanted]], wavelengths)


def test_a_name_outside_the_sensor_is_left_out():
    message = r"'S1' is left out: the sensor's 400-1000 nm hold no band of S1 \(1550-1750 nm\)"
    with pytest.warns(UserWarning, match=message) as caught:
        assert cut(["R", "S1"])[0] == ("R", "not_included")
    assert len(caught) == 1


def test_an_index_goes_without_the_bands_outside_the_sensor():
    message = r"'BI' goes without S1 \(1550-1750 nm\), of which the sensor's 400-1000 nm hold no band"
    with pytest.warns(UserWarning, match=message) as caught:
        found = members(["BI"])
    assert len(caught) == 1
    assert found["BI"] == members([["B", "R", "N"]])["B+R+N"]


def test_groups_that_are_all_outside_are_refused():
    message = r"`bands` should name at least one channel. .*'S1' is left out: .*'S2' is left out"
    with pytest.raises(ValueError, match=message):
        cut(["S1", "S2"])


def test_a_single_wavelength_far_outside_the_sensor_is_left_out():
    message = r"'water' goes without 2500 nm, of which the sensor's 400-1000 nm hold no band"
    with pytest.warns(UserWarning, match=message):
        assert members({"water": [970.0, 2500.0]})["water"] == [970]
    with pytest.raises(ValueError, match=r"should name at least one channel.*'water' is left out"):
        cut({"water": [2500.0]})


def test_numbers_that_could_be_wavelengths_as_well_are_refused_with_the_way_out():
    """A field spectrometer has a channel for each nm, so 1400 is a channel and a wavelength."""
    wavelengths = [float(nm) for nm in range(350, 2501)]
    message = (
        r"say whether 1400 is a channel or a wavelength: channel 1400 lies at 1750 nm.*write wavelengths as 1400.0"
    )
    with pytest.raises(ValueError, match=message):
        cut({"clay": [1400, 1900, 2100]}, wavelengths)
    x = torch.zeros(1, len(wavelengths), 1, 1)
    for bands, channel in (({"clay": [1400.0]}, 1050), ({"clay": [1750.0]}, 1400), ({"clay": [7]}, 7)):
        labels = Superbands(bands, wavelengths=wavelengths).features(x).mask[0, :, 0, 0]
        assert torch.nonzero(labels == 0).flatten().tolist() == [channel]
    labels = Superbands({"clay": [1400]}).features(x).mask[0, :, 0, 0]  # without wavelengths it is a channel
    assert torch.nonzero(labels == 0).flatten().tolist() == [1400]


def test_a_shared_channel_goes_to_the_first_with_one_warning_a_pair():
    message = r"'500-600 nm' and '550-650 nm' both claim 6 channels \(550-600 nm\); '500-600 nm' comes first"
    with pytest.warns(UserWarning, match=message) as caught:
        found = members([(500.0, 600.0), (550.0, 650.0)])
    assert len(caught) == 1
    assert found["550-650 nm"] == [610, 620, 630, 640, 650]


def test_a_group_left_with_nothing_is_left_out():
    with pytest.warns(UserWarning, match="650 nm") as caught:
        assert cut(["R", [650.0]])[0] == ("R", "not_included")
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 2
    assert "both claim 1 channel (650 nm)" in texts[0]
    assert "'650 nm' is left out: no channel is left for it" in texts[1]


def test_a_views_own_wavelengths_come_first():
    x = torch.zeros(1, 3, 2, 2)
    view = Superbands(["R"], wavelengths=[500, 600, 650])
    assert view.features(x, wavelengths=[650, 500, 600]).mask.flatten().tolist() == [1, 1, 0]


@pytest.mark.parametrize("kind", [tuple, np.array, torch.tensor])
def test_wavelengths_come_in_any_kind_of_sequence(kind):
    assert Superbands(wavelengths=kind([400.0, 500.0])).wavelengths == (400.0, 500.0)


@pytest.mark.parametrize(
    ("bands", "error", "message"),
    [
        (0, ValueError, "`bands` should be a whole number of at least 1. Found `bands = 0`"),
        (-3, ValueError, "`bands` should be a whole number of at least 1"),
        (2.5, TypeError, "`bands` should be a whole number, a sequence of groups, a dictionary"),
        (True, TypeError, "`bands` should be a whole number"),
        ("", ValueError, "`bands` should name bands or spectral indices that spyndex knows. Found ''"),
        (b"R", TypeError, "Found b'R'"),
        ([], ValueError, "`bands` should hold at least one group. Found none"),
        ({}, ValueError, "`bands` should hold at least one group. Found none"),
        ([[]], ValueError, "Found the empty group []"),
        ([462.08, 465.27], ValueError, "write `bands=[[462.08, 465.27]]` for one group of several"),
        ({"from": 400, "to": 500}, ValueError, "Found one range by itself; write `bands=[{'from': 400, 'to': 500}]`"),
        ({"not_included": "R"}, ValueError, "and not 'not_included'"),
        ([{"start": 400}], ValueError, "`bands` takes a range of wavelengths as {'from': 400, 'to': 500}"),
        ([(500.0, 400.0)], ValueError, "Found 500.0 to 400.0"),
        ([(400, 500)], ValueError, "`bands` takes a tuple of two floats as a range of wavelengths"),
        ([[460, 465.27]], ValueError, "whole numbers as channels and numbers with a decimal point as wavelengths"),
        ([["R", 3]], ValueError, "whole numbers as channels and numbers with a decimal point as wavelengths"),
        ([[-1]], ValueError, "`bands` should hold channel numbers of 0 or above. Found -1"),
        ([[float("nan")]], ValueError, "`bands` should hold wavelengths that are finite and above 0"),
        ([None], TypeError, "Found None, a NoneType"),
        (["NDVII"], ValueError, "Found 'NDVII'. Did you mean 'NDVI'"),
        (["red"], ValueError, "Did you mean 'R'"),
        (["qqqq"], ValueError, "`import spyndex; print(*spyndex.bands, *spyndex.indices)` lists all names"),
        (["DPDD"], ValueError, "Found 'DPDD', which is computed from VV, VH"),
    ],
)
def test_wrong_bands_are_refused_at_construction(bands, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Superbands(bands)


@pytest.mark.parametrize(
    ("wavelengths", "error", "message"),
    [
        ([], ValueError, "one wavelength for each channel. Found none"),
        ([400, float("nan")], ValueError, "should be finite and above 0, in nm. Found [nan]"),
        ([400, -1], ValueError, "should be finite and above 0, in nm. Found [-1.0]"),
        ([0.4, 2.5], ValueError, "which look like micrometres; multiply them by 1000"),
        ("400", TypeError, "`wavelengths` should be a sequence of numbers"),
        (400, TypeError, "`wavelengths` should be a sequence of numbers"),
    ],
)
def test_wrong_wavelengths_are_refused_at_construction(wavelengths, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Superbands(wavelengths=wavelengths)


@pytest.mark.parametrize(
    ("bands", "wavelengths", "message"),
    [
        (["R"], None, "`bands` names 'R' by wavelength. Found no wavelengths; pass `wavelengths=` to the callback"),
        ([[462.08]], None, "`bands` names '462.08 nm' by wavelength"),
        (2, [400, 500, 600], "one value for each of the 4 channels. Found 3 wavelengths"),
        ([[0, 4]], None, "`bands` should name channels from 0 to 3. Found channel 4"),
        ([slice(9, 12)], None, "`bands` should name at least one channel"),
    ],
)
def test_settings_that_do_not_fit_the_inputs_are_refused(bands, wavelengths, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Superbands(bands).features(torch.rand(2, 4, 2, 2), wavelengths=wavelengths)


# ---------------------------------------------------------------------------------------------------------------------
# The spellings of the reference notebooks, on the sensor that they use.

HYPERVIEW = np.linspace(462.08, 938.37, 150).tolist()
POTASSIUM = [462.08, 465.27, 474.86, 494.04, 599.53, 609.12, 612.32]


def notebook(bands, **settings):
    """The wavelengths of each feature, None for those that are never hidden."""
    features = Superbands(bands, **settings).features(torch.zeros(1, 150, 1, 1), wavelengths=HYPERVIEW)
    labels = features.mask.flatten().tolist()
    return {
        name: [nm for nm, label in zip(HYPERVIEW, labels, strict=True) if label == k]
        for k, name in [*enumerate(features.names), (-1, None)]
    }


def within(*ranges):
    return [nm for nm in HYPERVIEW if any(low <= nm <= high for low, high in ranges)]


R, G, B, N = (620, 690), (510, 600), (450, 530), (760, 900)


def test_notebooks_red_green_blue():
    """`["R", "G", "B"]`, whose green and blue overlap: what both claim goes to the first."""
    with pytest.warns(UserWarning, match="'G' and 'B' both claim 7 channels"):
        found = notebook(["R", "G", "B"])
    assert list(found) == ["R", "G", "B", "not_included", None]
    assert (found["R"], found["G"]) == (within(R), within(G))
    assert found["B"] == within((450, 510))
    assert found["not_included"] == [nm for nm in HYPERVIEW if nm not in {*within(R, G, B)}]


def test_notebooks_red_and_green_with_blue():
    """`["R", ["G", "B"]]`: two features, the second one merged."""
    found = notebook(["R", ["G", "B"]])
    assert list(found) == ["R", "G+B", "not_included", None]
    assert (found["R"], found["G+B"]) == (within(R), within(G, B))


def test_notebooks_an_index_by_its_name_alone():
    """`"BI"`: the bands of its formula that the sensor has, as one feature."""
    with pytest.warns(UserWarning, match=r"'BI' goes without S1"):
        found = notebook("BI")
    assert list(found) == ["BI", "not_included", None]
    assert found["BI"] == within(B, R, N)
    with pytest.warns(UserWarning, match=r"'BI' goes without S1"):
        assert notebook(["BI"]) == found
    assert list(notebook("R")) == ["R", "not_included", None]


def test_notebooks_expert_wavelengths():
    """Lists of single wavelengths in nm, with names and without; the nearest channel of each."""
    nearest = sorted({min(HYPERVIEW, key=lambda nm: abs(nm - one)) for one in POTASSIUM})
    assert notebook({"K": POTASSIUM})["K"] == nearest
    assert notebook([POTASSIUM])["462.08 … 612.32 (7) nm"] == nearest
    assert notebook([np.array(POTASSIUM)])["462.08 … 612.32 (7) nm"] == nearest
    assert list(notebook({"K": POTASSIUM, "Mg": [800.0, 850.0]})) == ["K", "Mg", "not_included", None]


@pytest.mark.filterwarnings("ignore:spectral. '")
@pytest.mark.parametrize("bands", [["R", "G", "B"], ["R", ["G", "B"]], "BI", {"K": POTASSIUM}], ids=str)
def test_notebooks_show_not_included(bands):
    """What no group names is one further feature, or is never hidden; the groups are the same."""
    shown, left = notebook(bands), notebook(bands, show_not_included=False)
    assert (shown[None], left[None]) == ([], shown["not_included"])
    assert "not_included" not in left
    assert {name: left[name] for name in left if name} == {
        n: shown[n] for n in shown if n not in (None, "not_included")
    }


def test_what_is_not_included_is_never_hidden_where_it_is_not_shown():
    x, seen = torch.rand(1, 4, 2, 2) + 1, []

    def model(x):
        seen.append(x.clone())
        return x[:, 0].sum((1, 2)) + 100 * x[:, 3].sum((1, 2))

    features = Superbands({"a": [0], "b": [1]}, show_not_included=False).features(x)
    found = explain(model, x, features, baseline="zero", n_perturbations=16)
    seen = torch.cat(seen)
    assert torch.equal(seen[:, 2:], x[:, 2:].expand_as(seen[:, 2:]))
    assert (seen[:, :2] == 0).any()
    expected = torch.tensor([x[0, 0].sum(), 0.0])
    torch.testing.assert_close(found.coefficients[0, 0], expected, atol=1e-3, rtol=0)
    assert (found.heatmap()[0, 0, 2:] == 0).all()


def test_cubes_leave_alone_what_their_superbands_do():
    cubes = Cubes(superbands=Superbands([[0], [1, 2]], show_not_included=False)).features(torch.rand(1, 5, 8, 8))
    assert (cubes.mask[:, 3:] == -1).all()
    assert (cubes.mask[:, :3] >= 0).all()


def test_show_not_included_is_true_or_false():
    with pytest.raises(TypeError, match=r"`show_not_included` should be True or False. Found `show_not_included = 0`"):
        Superbands(3, show_not_included=0)


@pytest.mark.parametrize(("channels", "groups"), [(12, 12), (20, 20), (45, 20)])
def test_without_a_number_there_are_twenty_groups_or_as_many_as_channels(channels, groups):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Superbands(None).features(torch.rand(2, channels, 3, 3))) == groups


@pytest.mark.parametrize(
    ("bands", "ways"),
    [
        ({"R": 0, "G": 1}, (["R", "G"], {"R": [0], "G": [1]})),
        ({("R", "G"): 1, "B": 2}, ([["R", "G"], "B"], {"R+G": [1], "B": [2]})),
        ({"NDVI": np.int64(1)}, (["NDVI"], {"NDVI": [1]})),
    ],
)
def test_band_names_beside_segment_numbers_are_not_taken_for_channels(bands, ways):
    """In meteors' ``band_names={"R": 0}`` a number is a segment of its mask; both ways out work."""
    with pytest.raises(
        ValueError, match=r"should say whether \d is a channel.*a segment of a mask in other packages"
    ) as told:
        Superbands(bands)
    assert f"`{ways[0]!r}` for the bands" in str(told.value)
    for way in ways:
        found = Superbands(way, wavelengths=[460.0, 560.0, 660.0, 840.0]).features(torch.rand(1, 4, 2, 2))
        assert found.names[: len(way)] == tuple("+".join(name) if isinstance(name, list) else name for name in way)
    assert Superbands({"clay": 3}).features(torch.rand(1, 4, 2, 2)).names == ("clay", "not_included")


@pytest.mark.parametrize(
    "bands",
    [
        np.array([[0, 1], [2, 3]]), [np.arange(2), np.array([2, 3])], [[np.int32(0), np.uint8(1)], range(2, 4)],
        [slice(np.int64(0), np.int64(2)), slice(np.int16(2), None)], np.int8(2), torch.tensor([[0, 1], [2, 3]]),
        [{"from": np.int64(400), "to": np.float32(500)}, (np.float64(500.5), np.float64(900))],
    ],
)  # fmt: skip
def test_groups_of_numpys_numbers_are_those_of_pythons(bands):
    view = Superbands(bands, wavelengths=np.array([460, 490, 660, 840]))
    assert view.features(torch.rand(1, 4, 2, 2)).mask.flatten().tolist() == [0, 0, 1, 1]
