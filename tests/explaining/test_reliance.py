"""What hiding a set changes, beside random sets: exact on models whose answers are known, and in whole runs."""

import copy
import itertools
import re
import warnings
from dataclasses import replace

import lightning.pytorch as pl
import pytest
import torch
from scipy import stats
from torch import nn
from toys import WAVELENGTHS, Classifier, Samples, Still, fit, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels, Watch
from lime_callback.explaining.answer_changes import AnswerChanges
from lime_callback.explaining.hidden_sets import HiddenOutputs, reliance_of_outputs
from lime_callback.explaining.model_reliance import reliance
from lime_callback.explaining.random_set_p_values import p_value_of_count, p_value_of_mean
from lime_callback.explaining.reliance_result import stands_out
from lime_callback.explaining.uses.set_use import ClassChange, SetUse
from lime_callback.following.watch_alarms import level, reliance_alarm
from lime_callback.sampling.random_sets import random_set_elsewhere
from lime_callback.sampling.value_swaps import choose_swaps, overlap
from lime_callback.surrogates.confidence_intervals import wilson_interval
from lime_callback.views.channels.set_extent import extent_of


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


X = torch.randn(64, 50, 4, 4, generator=seeded())
TWO = torch.tensor([1.0, -1.0])


def by_bands(x):
    """Two classes by the mean of channels 10 to 13, and nothing else."""
    return x[:, 10:14].mean((1, 2, 3)).unsqueeze(1) * TWO


def bands(*channels, count=50):
    mask = torch.zeros(1, count, 1, 1, dtype=torch.bool)
    mask[:, list(channels)] = True
    return mask


# --- elsewhere


def test_elsewhere_has_as_many_ranges_of_the_same_widths_away_from_the_set():
    inside = bands(3, 4, 5, 20, 21, 40)
    for seed in range(50):
        found = random_set_elsewhere(inside, seeded(seed))
        assert found.shape == inside.shape
        assert not (found & inside).any()
        row = found.flatten().int()
        assert row.sum() == 6
        ends = torch.nn.functional.pad(row, (1, 1)).diff()
        widths = ((ends == -1).nonzero() - (ends == 1).nonzero()).flatten()
        assert len(widths) <= 3  # ranges may come to stand beside each other
        assert widths.max() >= 3


def test_elsewhere_goes_by_the_wavelength_and_not_by_the_channel():
    order = torch.randperm(50, generator=seeded(1)).tolist()
    inside = bands(*order[10:15])
    row = random_set_elsewhere(inside, seeded(2), order).flatten()[order].nonzero().flatten()
    assert (row.diff() == 1).all()
    assert len(row) == 5


@pytest.mark.parametrize("channels", [range(30), range(50), range(0, 50, 2)])
def test_elsewhere_is_as_large_where_there_is_no_room(channels):
    inside = bands(*channels)
    assert random_set_elsewhere(inside, seeded()).sum() == inside.sum()


def test_patches_move_as_they_are():
    inside = torch.zeros(1, 1, 12, 12, dtype=torch.bool)
    inside[..., :3, :3] = inside[..., 9:, 5:7] = True
    for seed in range(20):
        found = random_set_elsewhere(inside, seeded(seed))
        assert found.sum() == 15
        assert not (found & inside).any()


def test_masks_that_differ_between_inputs_move_as_a_whole():
    inside = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    for i in range(3):
        inside[i, 0, i, :2] = True
    found = random_set_elsewhere(inside, seeded())
    assert found.sum((1, 2, 3)).tolist() == [2, 2, 2]
    assert not (found & inside).any()


# --- what is measured


def test_a_set_that_decides_changes_half_of_two_classes_and_no_other_does():
    labels = by_bands(X).argmax(1)
    found = reliance(by_bands, X, {"used": [10, 11, 12, 13], "unused": [30, 31, 32]}, labels)
    assert found.names == ("used", "unused")
    donors = choose_swaps({"used": bands(10, 11, 12, 13), "unused": bands(30, 31, 32)}, {}, 64, 9999, 0, None, 19)
    other = labels[donors.donors] != labels[donors.samples]
    assert found.changed.tolist() == [float(other.double().mean()), 0.0]
    torch.testing.assert_close(found.accuracy_drop, found.changed)
    torch.testing.assert_close(found.everything, found.changed[:1].expand(2))
    assert found.expected[0] == 0
    assert found.loss_increase[0] > 0
    assert found.loss_increase[1] == 0
    assert found.share.tolist() == [0.08, 0.06]
    assert found.relies().tolist() == [True, False]
    assert found.relies(0.9).tolist() == [False, False]
    assert found.text("used").startswith(
        f"hiding it (other samples' values there) changes {100 * found.changed[0]:.0f} % of the predictions, as many "
        "channels at random: 0 %"
    )


def test_a_mask_is_the_same_as_the_channels_that_it_holds():
    mask = torch.zeros(50, 1, 1, dtype=torch.bool)
    mask[10:13] = True
    by_mask, by_channels = (reliance(by_bands, X, {"a": one}) for one in (mask, [10, 11, 12]))
    assert by_mask.changed == by_channels.changed
    assert by_mask.expected == by_channels.expected


@pytest.mark.parametrize("batch_size", [1, 7, 64, 5000])
def test_the_batch_size_changes_nothing(batch_size):
    one = reliance(by_bands, X[:12], {"a": [10, 11], "b": [2]}, references=3)
    other = reliance(by_bands, X[:12], {"a": [10, 11], "b": [2]}, references=3, batch_size=batch_size)
    for name in ("changed", "expected", "spread", "excess_error"):
        assert torch.equal(getattr(one, name), getattr(other, name))


def test_layouts_change_nothing():
    one = reliance(by_bands, X, {"a": [10, 11]})
    other = reliance(lambda x: by_bands(x.movedim(-1, 1)), X.movedim(1, -1), {"a": [10, 11]}, layout="HWC")
    assert one.changed == other.changed
    assert one.expected == other.expected


def test_a_regression_counts_by_its_spread_and_its_variance():
    generator = seeded(3)
    x = torch.randn(400, 12, generator=generator)
    found = reliance(lambda x: 5 * x[:, 3], x, {"all": [3], "none": [5]}, 5 * x[:, 3], layout="C")
    # Of two independent normal values the difference is 2 / sqrt(pi) on average, and its square 2.
    assert found.changed[0] == pytest.approx(2 / torch.pi**0.5, abs=0.1)
    assert found.loss_increase[0] == pytest.approx(2, abs=0.3)
    assert found.accuracy_drop is None
    assert not found.classes
    assert found.changed[1] == found.loss_increase[1] == 0
    assert "standard deviations" in found.text("all")
    assert found.relies().tolist() == [True, False]


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    reliance(by_bands, X[:8], {"a": [1]}, references=3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("outputs", "labels", "output", "kind"),
    [
        (3, torch.tensor([0, 1, 2, 2]), "raw", "classes"),
        (3, None, "raw", "classes"),
        (1, None, "raw", "values"),
        (1, torch.tensor([0, 1, 1, 0]), "raw", "sides"),
        (1, torch.tensor([0, 7, 1, 0]), "raw", "values"),
        (2, torch.rand(4, 2), "raw", "values"),
        (2, torch.tensor([0, 9, 1, 0]), "softmax", "classes"),
        (2, torch.tensor([0, 9, 1, 0]), "log_softmax", "classes"),
    ],
)
def test_how_outputs_are_read(outputs, labels, output, kind):
    assert AnswerChanges.of(torch.rand(4, outputs), labels, output).kind == kind


def test_losses_are_those_of_torch():
    y, labels = torch.randn(6, 3, generator=seeded()).double(), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = nn.functional.cross_entropy(y, labels, reduction="none")
    torch.testing.assert_close(AnswerChanges.of(y, labels).loss(y), expected)
    torch.testing.assert_close(AnswerChanges.of(y, labels, "softmax").loss(y.softmax(1)), expected)
    torch.testing.assert_close(AnswerChanges.of(y, labels, "log_softmax").loss(y.log_softmax(1)), expected)
    sides = labels.clamp(max=1)
    by_side = nn.functional.binary_cross_entropy_with_logits(y[:, 0], sides.double(), reduction="none")
    torch.testing.assert_close(AnswerChanges.of(y[:, :1], sides).loss(y[:, :1]), by_side)


# --- what it says of each set: three verdicts


def in_one_class(x):
    """Five classes by the largest of channels 20 to 24; where channels 10 to 13 are low, it is never class 4."""
    low = x[:, 10:14].mean((1, 2, 3)) < -1
    return 3 * x[:, 20:25].mean((2, 3)) - 30 * low.unsqueeze(1) * (torch.arange(5) == 4)


def five_classes(count=400, seed=3):
    x, labels = torch.randn(count, 50, 4, 4, generator=seeded(seed)), torch.arange(count) % 5
    x[:, 20:25] += 4 * torch.eye(5)[labels][..., None, None]
    x[:, 10:14] += torch.where(labels == 4, 0.0, -2.0)[:, None, None, None]
    return x, labels


def test_a_set_that_decides_on_one_class_of_five_is_used_in_part():
    x, labels = five_classes()
    found = reliance(in_one_class, x, {"used": [10, 11, 12, 13], "unused": [30, 31, 32, 33]}, labels, references=7)
    used, unused = found.use_of("used"), found.use_of("unused")
    assert (used.use, unused.use) == ("uses in part", "not seen to use")
    assert used.low < used.changed < used.high < 0.3
    assert [(one.label, one.samples) for one in used.most] == [(4, 80)]
    assert used.most[0].changed > 0.6
    assert [(one.label, one.samples) for one in used.by_class] == [(label, 80) for label in range(5)]
    names = ["corn", "oats", "rye", "soy", "soy-mintill"]
    assert used.sentence(names) == (
        f"the model uses it in part: hiding it (other samples' values there) changes {100 * used.changed:.0f} % of "
        f"the predictions ({100 * used.low:.0f} to {100 * used.high:.0f} %), as many channels at random: "
        f"{100 * used.expected:.0f} %, in 400 samples; accuracy {used.accuracy:.2f}, {used.accuracy_hidden:.2f} with "
        f"it hidden; most in soy-mintill: {100 * used.most[0].changed:.0f} % of 80"
    )
    assert "most in class 4: " in used.sentence()
    assert unused.sentence().startswith(
        "the model is not seen to use it: hiding it (other samples' values there) changes 0 % of the predictions, at "
        "most 1 %, no more than as many channels at random ("
    )
    assert "most in" not in unused.sentence()


def test_what_a_model_rests_on_is_what_raises_the_alarm():
    labels = by_bands(X).argmax(1)
    found = reliance(by_bands, X, {"used": [10, 11, 12, 13], "unused": [30, 31]}, labels)
    assert [found.use_of(name).use for name in found.names] == ["rests on", "not seen to use"]
    assert (
        found.use_of("used")
        .sentence()
        .startswith("the model rests on it: hiding it (other samples' values there) changes")
    )
    # Where the bound is too high for an alarm, it is used in part all the same.
    assert found.use_of("used", bound=0.9).use == "uses in part"


def test_a_rare_class_alone_makes_a_use():
    """Eight of 400 samples are of it: 2 % of all predictions are not seen among all."""
    x, labels = five_classes()
    few = torch.cat([(labels != 4).nonzero().flatten(), (labels == 4).nonzero().flatten()[:8]])
    found = reliance(in_one_class, x[few], {"used": [10, 11, 12, 13]}, labels[few], references=7)
    used = found.use_of("used")
    assert used.high < 0.05
    assert (used.use, used.most[0].label, used.most[0].samples) == ("uses in part", 4, 8)
    # Of four samples nothing is said, and nothing follows.
    fewer = reliance(in_one_class, x[few[:-4]], {"used": [10, 11, 12, 13]}, labels[few[:-4]], references=7)
    assert fewer.class_changed[0, 4] == 1
    assert "class 4" not in fewer.use_of("used").sentence()
    assert fewer.use_of("used").use == "not seen to use"


def test_the_use_of_values_is_in_standard_deviations():
    x = torch.randn(100, 12, generator=seeded(3))
    found = reliance(lambda x: 5 * x.mean(1), x, {"one": [3]}, 5 * x.mean(1), layout="C")
    used = found.use_of("one")
    assert used.use == "uses in part"
    assert re.match(
        r"the model uses it in part: hiding it \(other samples' values there\) changes the outputs by 0\.\d\d standard "
        r"deviations \(0\.\d\d to 0\.\d\d\), (no more than )?as many channels at random.*0\.\d\d\)?, in 100 samples; "
        r"R² 1\.00, 0\.\d\d with it hidden$", used.sentence(),
    )  # fmt: skip
    target = 5 * x.mean(1)
    donor = choose_swaps({"one": (torch.arange(12) == 3).view(1, 12, 1, 1)}, {}, 100, 9999, 0, None, 19)
    moved = 5 / 12 * (x[donor.donors, 3] - x[donor.samples, 3])
    r2 = 1 - moved.square().sum() / (target - target.mean()).square().sum()
    assert used.accuracy_hidden == pytest.approx(float(r2), abs=1e-6)


def test_values_of_many_sizes_that_hang_on_one_band_are_seen_to_use_it_and_no_other():
    """Of log-normal values a few change far more than all others, and the mean's interval may reach down to 0."""
    denied, wrong = 0, 0
    for seed in range(60):
        x = torch.randn(38, 6, generator=seeded(seed))
        found = reliance(lambda z: (1.5 * z[:, 3:4]).exp(), x, {"one": [3], "other": [5]}, layout="C", references=7)
        denied += found.use_of("one").use == "not seen to use"
        wrong += found.use_of("other").use != "not seen to use"
    assert (denied, wrong) == (0, 0)


def test_all_classes_that_change_much_are_named_and_no_class_of_few_samples():
    changes = [(0, 0.1, 40), (1, 0.8, 40), (2, 0.75, 30), (3, 1.0, 1), (4, 0.5, 20), (5, 0.45, 60)]
    use = SetUse("uses in part", 0.3, 0.2, 0.4, 0.14, 191, True, tuple(ClassChange(*one) for one in changes))
    assert [one.label for one in use.most] == [1, 2, 5]  # by what surely changes
    assert use.sentence().endswith("; most in class 1: 80 % of 40, class 2: 75 % of 30, class 5: 45 % of 60")
    assert "as much at random: 14 %" in use.sentence()


def test_a_set_says_how_much_it_is_and_stands_beside_as_many_of_its_kind():
    x, labels = five_classes()
    nm = [400.0 + 10 * i for i in range(50)]
    watch = {"used": [(500.0, 530.0)], "two": [(500.0, 510.0), (880.0, 900.0)]}
    found = reliance(in_one_class, x, watch, labels, references=7, wavelengths=nm)
    assert found.use_of("used").extent.text == "4 of 50 bands, 500 to 530 nm"
    assert found.use_of("two").extent.text == "4 of 50 bands, 500 to 510 and 880 to 890 nm"
    assert "as many bands at random" in found.use_of("used").sentence()
    assert "4 of 50 bands, 500 to 530 nm" in str(found)
    assert found.only(["two"]).joined(found).use_of("two").extent.text.endswith("880 to 890 nm")
    corner = torch.zeros(4, 4, dtype=torch.bool)
    corner[:2, :2] = True
    found = reliance(in_one_class, x, {"corner": corner, "channels": [1, 2, 5]}, labels, references=3)
    assert found.use_of("corner").extent == ("4 of 16 pixels", "pixels")
    assert found.use_of("channels").extent == ("3 of 50 channels, 1 to 2 and 5", "channels")


def test_bands_that_may_have_been_meant_otherwise_are_doubted():
    x, labels = five_classes(40)
    nm = [400.0 + 10 * i for i in range(50)]

    def doubts(bands):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            reliance(in_one_class, x, {"w": bands}, labels, references=3, wavelengths=nm)
        return [str(one.message) for one in caught]

    assert doubts([(500.0, 530.0)]) == doubts([500.0, 510.0]) == doubts([500.0, 600.0, 700.0]) == []
    assert doubts([530.0, 500.0]) == doubts([500.0, 510.0, 700.0, 720.0]) == doubts([1, 2]) == []
    (two,), (four,), (beyond,) = (
        doubts(one) for one in ([500.0, 530.0], [500.0, 530.0, 700.0, 720.0], [(500.0, 530.0), (2600.0, 2700.0)])
    )
    assert two.startswith("set 'w' holds 2 single bands; as a range it would hold 4 of the 50.")
    assert "as ranges it would hold 7 of the 50. A range is written [(500.0, 530.0), (700.0, 720.0)] in P" in four
    assert "[[500.0, 530.0], [700.0, 720.0]] or [{from: 500, to: 530}, {from: 700, to: 720}] on the" in four
    assert beyond == "set 'w' goes without 2600-2700 nm, of which the sensor's 400-890 nm hold no band."


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([7], "1 of 20 bands, 470 nm"),
        ([0, 2, 4, 6, 8], "5 of 20 bands, 5 ranges from 400 to 480 nm"),
        ([4, 3, 2], "3 of 20 bands, 420 to 440 nm"),
    ],
)
def test_many_ranges_are_counted(numbers, text):
    inside = torch.zeros(1, 20, 1, 1, dtype=torch.bool)
    inside[:, numbers] = True
    nm = [400.0 + 10 * i for i in range(20)]
    assert extent_of(inside, nm).text == text
    assert extent_of(inside.flip(1), nm[::-1]).text == text
    assert extent_of(inside, nm[:5]).elements == "channels"  # those of another input


def test_intervals_of_shares_are_wilsons():
    low, high = wilson_interval(torch.tensor([0.0, 0.2, 1.0]).double(), torch.tensor([50, 50, 50]))
    for i, count in enumerate((0, 10, 50)):
        expected = stats.binomtest(count, 50).proportion_ci(method="wilson")
        assert (float(low[i]), float(high[i])) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_a_result_is_printed_as_a_table_for_people():
    x, labels = five_classes(100)
    found = reliance(in_one_class, x, {"used": [10, 11, 12, 13], "unused": [30]}, labels, references=3)
    header, *rows = str(found).splitlines()
    assert header.split("  ")[0] == "set"
    assert [row.split("  ")[0] for row in rows] == ["used", "unused"]
    assert "not seen to use" in rows[1]
    assert "tensor" not in str(found) + repr(found)
    assert found.table(["a", "b", "c", "d", "soy"]).count("soy: ") == 1


# --- what is pinned


@pytest.mark.parametrize("budget", [40, 200, 600, 2048, 10_000])
@pytest.mark.parametrize("watched", [0, 1, 3])
def test_no_more_is_asked_than_the_budget_allows(budget, watched):
    sets = {f"w{i}": bands(*range(5 * i, 5 * i + 4)) for i in range(watched)}
    superbands = {f"b{i}": bands(2 * i, 2 * i + 1) for i in range(20)}
    swaps = choose_swaps(sets, superbands, 64, budget, 0)
    if budget < 100 and (not watched or watched == 3):
        assert swaps is None
        return
    assert swaps is not None
    assert swaps.forwards <= budget
    assert set(sets) <= set(swaps.names)
    assert all(len(places) >= 3 for places in swaps.references)
    if budget >= 2048:
        assert len(swaps.names) == 20 + watched
        assert len(swaps.samples) >= 32


def test_samples_take_the_values_of_others_and_the_seed_alone_decides():
    one, same, other = (choose_swaps({"a": bands(1)}, {}, 64, 2048, seed) for seed in (0, 0, 1))
    assert (one.samples != one.donors).all()
    assert sorted(one.samples.tolist()) == sorted(one.donors.tolist())
    assert torch.equal(one.samples, same.samples)
    assert all(torch.equal(a, b) for a, b in zip(one.masks, same.masks, strict=True))
    assert not torch.equal(one.samples, other.samples)


def test_equal_bands_are_each_others_random_sets():
    superbands = {"a": bands(0, 1), "b": bands(2, 3), "c": bands(4, 5), "d": bands(6, 7), "wide": bands(*range(20, 40))}
    swaps = choose_swaps({}, superbands, 64, 2048, 0)
    assert swaps.references[0] == (1, 2, 3)
    assert len(swaps.references[4]) == 3
    assert all(place >= 5 for place in swaps.references[4])
    assert all(swaps.masks[place].sum() == 20 for place in swaps.references[4])


def test_false_alarms_of_random_sets_over_a_whole_run():
    """Sets that are like their random sets, of ten epochs whose samples and sets all are new, in 200 runs."""
    generator, raised, runs = seeded(5), 0, 200
    swaps = choose_swaps({name: bands(0) for name in "abc"}, {}, 48, 48 * 37, 0, None, 11)
    answers = AnswerChanges("classes", None)
    for _ in range(runs):
        for epoch in range(1, 11):
            rates = 0.25 + 0.05 * torch.randn(len(swaps.masks), 1, generator=generator)
            flipped = torch.rand(len(swaps.masks), 48, generator=generator) < rates
            hidden = torch.stack([1.0 - flipped.double(), flipped.double()], -1)
            whole = torch.tensor([[1.0, 0.0]]).expand(48, -1).double()
            found = reliance_of_outputs(HiddenOutputs(whole, hidden, whole[swaps.donor_rows], answers), swaps)
            if found.relies(None, level(epoch, 3)).any():
                raised += 1
                break
    assert raised <= 0.05 * runs


@pytest.mark.parametrize(
    ("changed", "expected", "everything", "much"),
    [
        (0.54, 0.24, 0.8, True),  # more than twice as much
        (0.40, 0.32, 0.8, False),  # some range is always the most important one
        (0.09, 0.00, 0.8, False),  # too little to matter
        (0.75, 0.45, 0.8, True),  # most of what was left to change
        (0.45, 0.25, 0.5, True),  # likewise of two classes, of which half keep their prediction whatever is hidden
        (0.60, 0.45, 0.5, False),  # random sets change nearly all that there is
        (0.70, 0.60, 0.5, False),
    ],
)
def test_a_set_stands_out_if_it_matters_much_more_than_random_sets(changed, expected, everything, much):
    assert stands_out(*torch.tensor([[changed], [expected], [everything]]).double()).tolist() == [much]


@pytest.mark.parametrize("seed", range(3))
def test_the_most_important_range_of_a_smooth_spectrum_is_no_alarm(seed):
    """All channels are used, those in the middle half as much again as those at the ends."""
    generator = seeded(seed)
    weights = (1 + 0.5 * torch.linspace(0, torch.pi, 60).sin()) * torch.randn(5, 60, generator=generator)
    x = torch.randn(64, 60, 1, 1, generator=generator)
    found = reliance(lambda z: z[:, :, 0, 0] @ weights.T, x, {"middle": list(range(26, 34)), "end": list(range(8))})
    assert found.expected.min() > 0.1
    assert not found.relies().any()


@pytest.mark.parametrize("width", [1, 2])
def test_a_frame_which_has_no_other_place_has_random_sets_all_the_same(width):
    """The border of an image decides; its random sets lie within."""
    x = torch.randn(64, 1, 16, 16, generator=seeded(7))
    frame = torch.ones(1, 16, 16, dtype=torch.bool)
    frame[:, width:-width, width:-width] = False
    found = reliance(lambda z: (z * frame).mean((1, 2, 3)).unsqueeze(1) * TWO, x, {"frame": frame})
    assert found.expected < 0.3
    assert found.relies().tolist() == [True]


def test_random_sets_that_overlap_are_known_to_differ_by_less():
    same, apart = [bands(1, 2)] * 3, [bands(1, 2), bands(3, 4), bands(5, 6)]
    assert overlap(same) == pytest.approx(1)
    assert overlap(apart) == 0
    assert overlap([bands(1, 2), bands(2, 3)]) == pytest.approx(0.5)
    assert overlap(apart[:1]) == 0
    one, other = (choose_swaps({"a": bands(1)}, {}, 48, 4096, 0, None, 11) for _ in range(2))
    whole, answers = torch.zeros(48, 2).double(), AnswerChanges("classes", None)
    hidden = torch.randn(len(one.masks), 48, 2, generator=seeded(8)).double()
    found = [
        reliance_of_outputs(HiddenOutputs(whole, hidden, whole, answers), replace(swaps, overlaps=(shared,))).spread
        for swaps, shared in ((one, 0.0), (other, 0.5))
    ]
    assert float(found[1] / found[0]) == pytest.approx(3**0.5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_labels_of_minus_a_hundred_are_none_of_any_type(outputs):
    y = torch.randn(8, outputs, generator=seeded(9)).double()
    labels = torch.tensor([0, 1, -100, 1, 0, -100, 1, 0])
    whole, known = AnswerChanges.of(y, labels), labels >= 0
    if outputs == 1:
        assert torch.equal(whole.right(y)[known], AnswerChanges.of(y, labels.float()).right(y)[known])
        assert AnswerChanges.of(y, labels.double()).kind == "sides"
    none = AnswerChanges.of(y, torch.full((8,), -100))
    assert (none.kind, none.labels) == ("classes" if outputs > 1 else "values", None)


def test_the_chance_of_a_count_is_that_of_all_ways_to_choose_the_set():
    """Of three sets that are alike any may be the one that is asked about, in each of four samples."""
    changed = torch.randint(0, 2, (3, 4), generator=seeded(3)).double()
    counts = [sum(float(changed[which[i], i]) for i in range(4)) for which in itertools.product(range(3), repeat=4)]
    expected = sum(count >= float(changed[0].sum()) for count in counts) / len(counts)
    assert p_value_of_count(changed[0], changed[1:]) == pytest.approx(expected)


def test_the_chance_of_a_count_is_found_where_few_samples_change():
    """Ten of 64 samples, and not one by any random set: no interval over the samples is as sure."""
    changed = (torch.arange(64) < 10).double()
    assert p_value_of_count(changed, torch.zeros(19, 64, dtype=torch.float64)) < 1e-10
    assert p_value_of_count(torch.zeros(64).double(), torch.zeros(19, 64).double()) == 1


def test_the_chance_of_values_is_that_of_a_paired_t_test():
    changed, random = torch.rand(64, generator=seeded(4)).double(), torch.rand(5, 64, generator=seeded(5)).double()
    expected = stats.ttest_rel(changed, random.mean(0), alternative="greater").pvalue
    assert expected < p_value_of_mean(changed, random) < 1.3 * expected  # what is always left counts, too
    alike = torch.full((64,), 2.0, dtype=torch.float64)
    assert 0 < p_value_of_mean(alike, random) < 1e-10


def test_single_probabilities_decide_at_a_half():
    """As a sigmoid gives them, beside labels of 0 and 1 of any type; logits decide at 0."""
    p = torch.tensor([[0.1], [0.4], [0.6], [0.9]]).double()
    for labels in (torch.tensor([0, 1, 1, 1]), torch.tensor([0.0, 1.0, 1.0, 1.0])):
        answers = AnswerChanges.of(p, labels)
        assert answers.right(p).tolist() == [1, 0, 1, 1]
        assert answers.changed(p, 1 - p).tolist() == [1, 1, 1, 1]
        torch.testing.assert_close(answers.loss(p), AnswerChanges.of(p.logit(), labels).loss(p.logit()))


def test_samples_without_a_label_do_not_count_and_leave_the_others_alone():
    y = torch.randn(6, 3, generator=seeded(6)).double()
    labels = torch.tensor([0, -100, 2, 1, -1, 0])
    answers, known = AnswerChanges.of(y, labels), labels >= 0
    assert answers.kind == "classes"
    for found, alone in (
        (answers.right(y), AnswerChanges.of(y, labels.clamp(min=0)).right(y)),
        (answers.loss(y), AnswerChanges.of(y, labels.clamp(min=0)).loss(y)),
    ):
        assert torch.equal(found[known], alone[known])
        assert found[~known].isnan().all()


# --- in a run


class Planted(Samples):
    """Images whose label is told by one channel."""

    def __init__(self, size=96):
        super().__init__(size)
        self.x[:, 1] += 3 * (self.y.float() - 1).view(-1, 1, 1)


def callback(**settings):
    watch = {"plant": [1], "calm": [4]}
    base = {"views": Superbands(6), "wavelengths": WAVELENGTHS, "watch": watch, "pictures": False}
    return LimeCallback(**base | settings)


def warned(tmp_path, lime, **settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one, model = fit(tmp_path, lime, data=Planted(), **settings)
    return one, model, [str(w.message) for w in caught if "rests on" in str(w.message)]


def test_a_run_says_of_each_watch_at_its_end_whether_it_is_used(tmp_path, caplog):
    with caplog.at_level("INFO"), pytest.warns(UserWarning, match="rests on"):
        fit(tmp_path, callback(), data=Planted(), epochs=5)
    said = [text for text in caplog.messages if "watch '" in text]
    assert len(said) == 2
    # Six channels, of which one is hidden.
    assert re.search(r"watch 'plant' \(1 of 6 bands, \d+ nm\): the model rests on it: hiding it \(other", said[0])
    assert re.search(
        r"as many bands at random: \d+ %, in \d+ samples; accuracy \d\.\d\d, \d\.\d\d with it hidden", said[0]
    )
    assert "watch 'calm' (1 of 6 bands, " in said[1]
    assert " samples" in said[1]


def test_a_run_says_once_what_its_model_rests_on(tmp_path):
    lime = callback()
    one, _, said = warned(tmp_path, lime, epochs=5)
    assert len(said) == 1
    assert "'plant' is what the model rests on, since hiding it (other samples' values there) changes " in said[0]
    assert re.search(r"is 1 of 6 bands, \d+ nm\.$", said[0])
    metrics = one.callback_metrics
    assert metrics["lime/spectral/reliance/plant"] > metrics["lime/spectral/reliance/plant_expected"] + 0.3
    assert metrics["lime/spectral/reliance/calm"] < 0.3
    found = lime.reliance("spectral")
    assert found.names[:2] == ("plant", "calm")
    assert len(found.names) == 8  # and six superbands
    assert found.changed[0] == pytest.approx(float(metrics["lime/spectral/reliance/plant"]))
    assert int(found.changed[2:].argmax()) == 1
    assert not any("reliance/45" in name for name in metrics)  # superbands are not for the loggers
    assert metrics["lime/forwards"] <= 2 * 8 * 257


def test_an_alarm_needs_no_explanation_that_passes_the_gate(tmp_path):
    """What hiding changes is measured by itself, also where perturbations are too few for a fit."""
    lime = callback(gate=1.0)
    _, _, said = warned(tmp_path, lime, epochs=5)
    assert len(said) == 1
    assert re.search(r"; it is 1 of 6 bands, \d+ nm\.$", said[0])


def test_without_reliance_nothing_is_measured(tmp_path):
    lime = callback(reliance=False)
    one, _, said = warned(tmp_path, lime, epochs=2)
    assert said == []
    assert lime.reliance("spectral") is None
    assert not any("reliance" in name for name in one.callback_metrics)
    assert one.callback_metrics["lime/forwards"] == 8 * (2**6 + 2 + 4) + 3  # and a proof of the stem


def test_a_set_that_the_model_should_use_raises_no_alarm(tmp_path):
    assert warned(tmp_path, callback(watch={"plant": Watch([1], below=0.05)}), epochs=4)[2] == []


def test_a_bound_of_its_own_stops_the_run(tmp_path):
    one, _, said = warned(tmp_path, callback(watch={"plant": Watch([1], reliance=0.2, stop=True)}), epochs=20)
    assert "more than 20 % beyond that, in view" in said[0]
    assert one.current_epoch < 20


def test_superpixels_follow_pixels(tmp_path):
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[:4, :4] = True
    lime = LimeCallback(Superpixels("grid", n_segments=9), watch={"corner": Watch(pixels=mask)}, pictures=False)
    one, _ = fit(tmp_path, lime, epochs=1)
    assert lime.reliance("spatial").names == ("corner",)
    assert one.callback_metrics["lime/spatial/watch_reference/corner"] == pytest.approx(16 / 144)


def test_measuring_leaves_no_trace(tmp_path):
    _, alone = fit(tmp_path / "a", data=Planted(), epochs=2)
    _, watched, _ = warned(tmp_path / "b", callback(), epochs=2)
    for a, b in zip(alone.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_an_unchanged_model_relies_on_the_same_at_every_epoch(tmp_path):
    seen = []

    class Look(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            seen.append(copy.copy(lime.reliance("spectral")))

    lime = callback()
    pl.seed_everything(0, verbose=False)
    model = Still()
    one = trainer(tmp_path, lime, Look(), epochs=2, num_sanity_val_steps=0)
    one.fit(model, loader(shuffle=True), loader())
    assert torch.equal(seen[0].changed, seen[1].changed)
    assert torch.equal(seen[0].expected, seen[1].expected)


def test_a_resumed_run_counts_the_epochs_before_it(tmp_path):
    lime = callback()
    one, _, _ = warned(tmp_path, lime, epochs=2)
    one.save_checkpoint(tmp_path / "last.ckpt")
    again = callback()
    two = trainer(tmp_path, again, epochs=3)
    two.fit(Classifier(), loader(Planted(), shuffle=True), loader(Planted()), ckpt_path=tmp_path / "last.ckpt")
    assert again._latest.loop.watches.asked == 3
    assert again.reliance("spectral") is not None


def test_a_failure_leaves_the_run_alone(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such luck")

    monkeypatch.setattr("lime_callback.following.run_reliance.hidden_outputs", broken)
    with pytest.warns(UserWarning, match="the measurement of reliance failed and is left out.*no such luck"):
        one, _ = fit(tmp_path, callback(), epochs=2)
    assert one.callback_metrics["lime/spectral/reliance/plant"] == 1  # the worst there can be
    assert one.callback_metrics["lime/spectral/reliance/plant_expected"] == 0


def test_nothing_is_said_of_what_was_not_measured():
    assert reliance_alarm("a", Watch([0]), None, 0.05) is None
    found = reliance(by_bands, X, {"used": [10, 11, 12, 13]})
    assert reliance_alarm("other", Watch([0]), found, 0.05) is None
    assert reliance_alarm("used", Watch([0], below=0.1), found, 0.05) is None
    assert "rests on" in reliance_alarm("used", Watch([0]), found, 0.05)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: reliance(by_bands, X, {}), ValueError, "`sets` should be a dictionary.*Found an empty one"),
        (lambda: reliance(by_bands, X, [[1]]), TypeError, "`sets` should be a dictionary.*Found a list"),
        (lambda: reliance(by_bands, X[:3], {"a": [1]}), ValueError, "at least four samples.*Found 3"),
        (lambda: reliance(by_bands, X, {"a": [1]}, torch.ones(3)), ValueError, "one for each of the 64 inputs"),
        (lambda: reliance(by_bands, X, {"a": torch.zeros(50, 1, 1).bool()}), ValueError, "at least one true element"),
        (lambda: reliance(by_bands, X, {"a": torch.ones(9, 1, 1).bool()}), ValueError, "broadcasts to the inputs'"),
        (lambda: reliance(by_bands, X, {"a": [1]}, references=2), ValueError, "of at least 3. Found `references = 2`"),
        (lambda: reliance(lambda x: by_bands(x) / 0, X, {"a": [1]}), ValueError, "`forward` should return finite"),
        (lambda: reliance(by_bands, X, {"a": [1]}).text("b"), ValueError, "`name` should be one of"),
        (lambda: callback(reliance="3"), TypeError, "`reliance` should be"),
        (lambda: callback(reliance=3), ValueError, "a whole number of at least 4. Found `reliance = 3`"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
