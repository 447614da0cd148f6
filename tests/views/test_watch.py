"""A watched set's share of the attribution, and its alarms."""

import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from toys import WAVELENGTHS, Classifier, events, fit

from lime_callback import Cubes, LimeCallback, Superbands, Superpixels, Watch, explain
from lime_callback.comparing.watch_shares import MeanWatchShare, WatchShares, mean_share, shares
from lime_callback.explaining.effects import balanced_sizes
from lime_callback.following.watch_alarms import level, questions, share_alarm
from lime_callback.views.channels.groups import parse_group
from lime_callback.views.layout import Layout
from lime_callback.views.watch import can_follow, check_watches, watch_overlap, watched_elements
from lime_callback.views.watch_borders import cut_at_watches

X = torch.rand(2, 6, 8, 8, generator=torch.Generator().manual_seed(0))
SUPERBANDS = Superbands(3)


def inside(watch, view=SUPERBANDS):
    features = view.features(X, wavelengths=WAVELENGTHS)
    return watch_overlap(watched_elements(watch, X, Layout.of("CHW"), WAVELENGTHS, None), features, len(X)).parts


def test_overlap_is_the_part_of_each_feature_in_the_set():
    assert inside(Watch([0, 1, 2])).tolist() == [[1.0, 0.5, 0.0]] * 2
    assert inside(Watch((510.0, 590.0))).tolist() == [[0.5, 0.5, 0.0]] * 2
    assert inside(Watch([455.0])).tolist() == [[0.5, 0.0, 0.0]] * 2
    left = torch.zeros(8, 8, dtype=torch.bool)
    left[:, :4] = True
    assert inside(Watch(pixels=left), Superpixels("grid", n_segments=4)).tolist() == [[1.0, 0.0, 1.0, 0.0]] * 2
    both = Cubes(superpixels=Superpixels("grid", n_segments=4), superbands=SUPERBANDS)
    assert inside(Watch([4, 5]), both)[0].tolist() == [0, 0, 1] * 4


def test_a_view_that_is_not_cut_along_the_set_does_not_follow_it():
    assert not can_follow(Watch([0]), Superpixels("grid", n_segments=4).features(X), X)
    assert not can_follow(Watch(pixels=torch.ones(8, 8).bool()), SUPERBANDS.features(X), X)
    assert can_follow(Watch([0]), SUPERBANDS.features(X), X)


def test_shares_are_exact_on_linear_models():
    weight = torch.tensor([4.0, 0.0, 0.0, -3.0, 1.0, 0.0])
    x = torch.ones(1, 6, 1, 1)
    found = explain(lambda x: x.flatten(1) @ weight, x, torch.arange(6).view(6, 1, 1), baseline=0.0)
    share, error, known = shares(found, torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.5, 0.0]]))
    assert known.all()
    torch.testing.assert_close(share, torch.tensor([[4.5 / 8]], dtype=share.dtype), atol=1e-5, rtol=0)
    assert error < 1e-5


def test_the_error_of_a_share_is_its_spread_over_designs():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, generator=generator)
    mix = torch.randn(6, 6, generator=generator)
    x = torch.ones(1, 6)

    def forward(x):
        return x @ weight + 0.5 * ((x @ mix) * x).sum(1) * x[:, 0]

    found = [explain(forward, x, torch.arange(6), baseline=0.0, n_perturbations=96, seed=seed) for seed in range(200)]
    results = [shares(one, torch.tensor([[1.0, 0, 0, 1, 0, 0]])) for one in found]
    spread = np.std([float(one.share) for one in results])
    stated = np.sqrt(np.mean([float(one.error) ** 2 for one in results]))
    assert stated == pytest.approx(spread, rel=0.15)


def test_a_set_of_noise_has_no_more_than_it_holds():
    """A model that uses none of 40 noisy features of a set, and one strong one outside of it."""
    x = torch.ones(4, 60)
    generator = torch.Generator().manual_seed(0)

    def forward(x):
        return x[:, 59] + 0.3 * torch.randn(len(x), generator=generator)

    found = explain(forward, x, torch.arange(60), baseline=0.0, n_perturbations=512, seed=[0, 1, 2, 3])
    place = torch.zeros(4, 60)
    place[:, :40] = 1
    naive = found.coefficients.abs()[..., :40].sum(-1) / found.coefficients.abs().sum(-1)
    assert naive.mean() > 0.3
    assert shares(found, place).share.mean() < 0.1 * naive.mean() + 0.03


@pytest.mark.parametrize("strength", [0.0, 4.0, 6.0])
def test_sizes_are_on_average_those_of_the_true_coefficients(strength):
    """Noise neither adds to a set's size where nothing is used, nor takes from one that is."""
    true = torch.full((4000, 25), strength, dtype=torch.float64)
    noisy = true + torch.randn(true.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    size, slope = balanced_sizes(noisy, torch.ones_like(noisy))
    assert float(size.mean()) == pytest.approx(strength, abs=0.05)
    step = 1e-6
    moved = balanced_sizes(noisy + step, torch.ones_like(noisy))[0]
    torch.testing.assert_close((moved - size) / step, slope, atol=1e-4, rtol=1e-4)
    assert torch.equal(balanced_sizes(noisy, torch.full_like(noisy, torch.inf))[0], noisy.abs())


def test_shares_are_averaged_over_the_probes_where_something_is_known():
    shares_of = torch.tensor([[0.2, 0.4], [0.5, 0.5], [0.0, 0.0]])
    known = torch.tensor([[True, True], [True, True], [False, False]])
    found = mean_share(WatchShares(shares_of, torch.full((3, 2), 0.01), known), 0.1)
    assert found.mean == pytest.approx(0.4)
    assert found.error == pytest.approx(0.1)  # of 0.3 and 0.5, not of the perturbations
    assert found.freedom == 1
    one = mean_share(WatchShares(shares_of[:1], torch.full((1, 2), 0.01), known[:1]), 0.1, freedom=30)
    assert (one.mean, one.error, one.freedom) == (pytest.approx(0.3), pytest.approx(0.01), 30)
    none = mean_share(WatchShares(shares_of[2:], torch.zeros(1, 2), known[2:]), 0.1)
    assert (none.mean, none.freedom) == (0.1, 0)
    assert share_alarm(Watch([0], above=0.05), none, 0.05) is None


def test_alarms_wait_for_more_than_the_error():
    watch = Watch([0], above=0.5, below=0.2)
    assert (
        share_alarm(watch, MeanWatchShare(0.6, 0.02, 7, 0.1), 0.05) == "has 60.0 ± 2.0 % of the attribution, above 50 %"
    )
    assert share_alarm(watch, MeanWatchShare(0.6, 0.1, 7, 0.1), 0.05) is None
    assert share_alarm(watch, MeanWatchShare(0.6, 0.02, 7, 0.1), 0.0005) is None
    assert (
        share_alarm(watch, MeanWatchShare(0.1, 0.02, 7, 0.1), 0.05) == "has 10.0 ± 2.0 % of the attribution, below 20 %"
    )
    assert share_alarm(watch, MeanWatchShare(0.3, 0.0, 7, 0.1), 0.05) is None


def test_the_levels_of_a_run_come_to_five_in_a_hundred():
    assert 4 * sum(level(epoch, 4) for epoch in range(1, 100_000)) == pytest.approx(0.05, rel=1e-3)
    watches = {"a": Watch([0], above=0.5, below=0.1), "b": Watch([0])}
    assert questions([["a", "b"], ["b"]], watches, True) == 3  # two bounds, and whether the model rests on b
    assert questions([["a", "b"], ["b"]], watches, False) == 2


def test_false_alarms_of_a_bound_over_a_whole_run():
    """Three shares that lie on their bound, of eight probes whose values are others at each of twenty epochs."""
    generator = torch.Generator().manual_seed(0)
    watch, runs, raised = Watch([0], above=0.3), 300, 0
    for _ in range(runs):
        values = 0.3 + 0.1 * torch.randn(20, 3, 8, 1, generator=generator, dtype=torch.float64)
        raised += any(
            share_alarm(
                watch, mean_share(WatchShares(one, torch.zeros(8, 1), torch.ones(8, 1).bool()), 0.1), level(k, 3)
            )
            for k, epoch in enumerate(values, 1)
            for one in epoch
        )
    assert raised <= 25  # 15 expected at most, and three standard deviations more


def test_features_are_cut_at_the_borders_of_sets():
    x, layout = torch.rand(2, 10, 4, 4), Layout.of("CHW")
    features = Superbands(3, wavelengths=[400.0 + 10 * i for i in range(10)]).features(x)
    sets = {
        "a": watched_elements(Watch([2, 3, 4, 5]), x, layout, None, None),
        "b": watched_elements(Watch([5, 9]), x, layout, None, None),
    }
    found = cut_at_watches(features, sets)
    assert found.names[0] == features.names[0]
    own = features.names
    assert features.canonical.flatten().tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.canonical.flatten().tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 5, 6]
    assert found.names == (
        own[0],
        f"{own[0]} in a",
        f"{own[1]} in a",
        f"{own[1]} in a, b",
        own[1],
        own[2],
        f"{own[2]} in b",
    )
    for inside in sets.values():
        assert set(watch_overlap(inside, found, 2).parts.flatten().tolist()) <= {0.0, 1.0}
    assert cut_at_watches(found, sets) is found
    assert cut_at_watches(features, {}) is features


def test_parts_follow_the_wavelength_where_channels_descend():
    x = torch.rand(1, 6, 2, 2)
    features = Superbands(2, wavelengths=[700.0, 600.0, 500.0, 400.0, 300.0, 200.0]).features(x)
    found = cut_at_watches(features, {"a": watched_elements(Watch([0]), x, Layout.of("CHW"), None, None)})
    assert features.canonical.flatten().tolist() == [1, 1, 1, 0, 0, 0]
    assert found.canonical.flatten().tolist() == [2, 1, 1, 0, 0, 0]


def test_superpixels_are_cut_where_a_mask_of_each_input_says():
    x = torch.rand(2, 3, 8, 8)
    features = Superpixels("grid", n_segments=4).features(x)
    mask = torch.zeros(2, 8, 8, dtype=torch.bool)
    mask[0, :3, :3] = mask[1, 4:, 4:] = True
    inside = watched_elements(Watch(pixels=mask), x, Layout.of("CHW"), None, None)
    found = cut_at_watches(features, {"m": inside})
    assert found.names[-2:] == ("superpixel 3", "superpixel 3 in m")  # one input has it outside, the other within
    assert found.present.sum(1).tolist() == [5, 4]
    assert watch_overlap(inside, found, 2).parts.sum(1).tolist() == [1.0, 1.0]
    assert watch_overlap(inside, found, 2).share.tolist() == [9 / 64, 16 / 64]


class Given(Classifier):
    """Answers by the second channel alone, and does not learn."""

    def forward(self, x):
        return x[:, 1].mean((1, 2)).unsqueeze(1) * torch.tensor([1.0, -1.0, 0.5]) + 0 * self.net(x)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


def watched(**watch):
    return LimeCallback(SUPERBANDS, wavelengths=WAVELENGTHS, probes=8, n_perturbations=64, baseline=0.0, watch=watch)


@pytest.mark.usefixtures("blank_pictures")
def test_an_alarm_warns_once_is_logged_and_stops_the_run(tmp_path):
    lime = watched(plant=Watch((500.0, 530.0), above=0.4, stop=True), calm=[3, 4])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one, _ = fit(tmp_path, lime, model=Given, logger=TensorBoardLogger(tmp_path), epochs=5)
    text = "'plant' has 100.0 ± 0.0 % of the attribution, above 40 % in view 'spectral', epoch 1; it is 1 of 6 "
    said = [str(w.message) for w in caught if "has 100.0" in str(w.message)]
    assert len(said) == 1
    assert said[0].startswith(f"LimeCallback 'lime': {text}bands, 520 nm, and hiding it (")
    assert one.current_epoch == 1
    assert one.callback_metrics["lime/spectral/watch/plant"] == pytest.approx(1, abs=1e-3)
    assert one.callback_metrics["lime/spectral/watch_reference/plant"] == pytest.approx(1 / 6)
    assert one.callback_metrics["lime/spectral/reliance/plant"] > 0.2
    assert one.callback_metrics["lime/spectral/reliance/plant_expected"] == 0
    assert one.callback_metrics["lime/spectral/reliance/calm"] == 0
    assert one.callback_metrics["lime/spectral/watch/calm"] == pytest.approx(0, abs=1e-3)
    found = events(tmp_path)
    assert [event.value for event in found.Scalars("lime/spectral/watch/plant")] == pytest.approx([1], abs=1e-3)
    tag = "lime/spectral/watch/plant/alarm/text_summary"
    assert found.Tensors(tag)[0].tensor_proto.string_val[0].decode().startswith(text)


@pytest.mark.usefixtures("blank_pictures")
def test_only_a_bound_of_its_own_stops_the_run(tmp_path):
    """The model rests on the set, which is said, but the share that was to be waited for is never reached."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one, _ = fit(tmp_path, watched(plant=Watch([1], above=1.0, stop=True)), model=Given, epochs=3)
    assert one.current_epoch == 3
    assert [str(w.message) for w in caught if "is what the model rests on" in str(w.message)]


@pytest.mark.usefixtures("blank_pictures")
def test_an_alarm_without_stop_goes_on(tmp_path):
    rests = pytest.warns(UserWarning, match="is what the model rests on")
    with rests, pytest.warns(UserWarning, match="'plant' has 100.0"):
        one, _ = fit(tmp_path, watched(plant=Watch([1], above=0.4)), model=Given, epochs=3)
    assert one.current_epoch == 3


def test_the_experts_bands_for_potassium():
    nm = [462.08 + i * (938.37 - 462.08) / 149 for i in range(150)]
    potassium = [462.08, 465.27, 474.86, 494.04, 599.53, 609.12, 612.32]
    x = torch.rand(1, 150, 4, 4)
    found = watch_overlap(
        watched_elements(Watch(potassium), x, Layout.of("CHW"), nm, None),
        Superbands(150).features(x, wavelengths=nm),
        1,
    )
    assert found.parts.sum() == 7
    assert found.share == pytest.approx(7 / 150)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Watch(), ValueError, "`watch` takes either `bands` or `pixels`. Found neither"),
        (lambda: Watch([0], pixels="mask"), ValueError, "`watch` takes either `bands` or `pixels`. Found both"),
        (lambda: Watch([0], above=2), ValueError, "`above` should be a share from 0 to 1. Found `above = 2`"),
        (lambda: Watch([0], below=-1), ValueError, "`below` should be a share from 0 to 1"),
        (lambda: Watch([0], reliance=1.5), ValueError, "`reliance` should be a share from 0 to 1"),
        (lambda: Watch([0], stop=True), ValueError, "`stop` needs a bound to wait for"),
        (lambda: Watch("Infrared-ish"), ValueError, "Infrared-ish"),
        (lambda: Watch(pixels=3.5), TypeError, "`pixels` should be an integer tensor or array, the key"),
        (lambda: check_watches(["R"]), TypeError, "`watch` should be a dictionary of names.*Found a list"),
        (lambda: check_watches({"a/b": [0]}), ValueError, "`watch` should be a name of letters"),
        (lambda: check_watches({"w": []}), ValueError, r"`watch\['w'\]` names no set of channels or pixels"),
        (lambda: inside(Watch((2000.0, 2100.0))), ValueError, "Found none of them there"),
        (lambda: inside(Watch([7])), ValueError, "7"),
    ],
)
def test_what_cannot_be_watched(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_pairs_within_a_list_are_ranges_as_yaml_has_no_tuples():
    nm = [1300.0 + 10 * i for i in range(70)]
    nested, tuples = (
        parse_group(bands).pick(nm, 70).channels
        for bands in ([[1350.0, 1430.0], [1800.0, 1950.0]], [(1350.0, 1430.0), (1800.0, 1950.0)])
    )
    assert nested == tuples
    assert len(nested) == 9 + 16
    assert len(parse_group([1350.0, 1430.0]).pick(nm, 70).channels) == 2  # one list: single bands
    assert len(parse_group([[0, 1], [2, 3]]).pick(nm, 70).channels) == 4  # channel numbers
    with pytest.raises(ValueError, match=r"as ranges in nm where all are pairs.* Found .*\{'from': 400, 'to': 500\}"):
        Watch([[1350.0, 1430.0], [1800.0, 1850.0, 1900.0]])


def test_what_hiding_changes_has_a_bound_of_its_own():
    with pytest.raises(ValueError, match="`changed` should be a share from 0 to 1"):
        Watch([0], changed=2)
    with pytest.raises(ValueError, match="nor `reliance` nor `changed`"):
        Watch([0], stop=True)
    watch = Watch([0], changed=0.05, stop=True)
    assert watch.stops("changed")
    assert not watch.stops("reliance")
    assert questions([["a"]], {"a": watch}, True) == 2
