"""Drift tells change from noise: by exact answers, by references, and by simulation."""

import math
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from interactions import explained, interacting

from lime_callback import Cubes, Features, Superbands, Superpixels, explain
from lime_callback.comparing.coefficient_similarity import (
    cosine_distance,
    map_similarity,
    norm_change,
    rank_correlation,
    sign_changes,
    top_overlap,
)
from lime_callback.comparing.drift import check_comparable, compare
from lime_callback.comparing.significance import discoveries, p_values
from lime_callback.explaining import explanation
from lime_callback.following.epoch_metrics import similarity
from lime_callback.surrogates.confidence_intervals import critical_value

D = 12


@pytest.fixture(scope="module")
def truth():
    return {change: explained(interacting(D, change=change), D, 40_000, 99) for change in (0.0, 2.0)}


def test_an_unchanged_model_has_drift_zero_exactly():
    one, two = (explained(interacting(D), D, 128, 3) for _ in range(2))
    found = compare(one, two)
    for name in ("cosine", "noise_floor", "drift", "sign_changes", "norm_change", "changed"):
        assert (getattr(found, name) == 0).all(), name
    assert float(found.rank_correlation) == pytest.approx(1)
    assert (found.top_overlap == 1).all()
    assert (found.change_error == 0).all()
    assert (found.p_value == 1).all()


def test_a_run_that_goes_on_on_another_machine_keeps_its_design():
    """There weights differ by rounding, and the noise cancels all the same."""
    one, two = (explained(interacting(D, change=change), D, 128, 3) for change in (0.0, 2.0))
    rounded = replace(two, samples=replace(two.samples, weights=two.samples.weights * (1 + 1e-7)))
    assert not torch.equal(rounded.samples.weights, two.samples.weights)
    torch.testing.assert_close(compare(one, rounded).drift, compare(one, two).drift, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(compare(one, rounded).change_error, compare(one, two).change_error, atol=1e-4, rtol=0)


def test_a_change_that_is_linear_is_found_without_error():
    """What both models have in common, interactions among it, cancels on a shared design."""
    found = compare(explained(interacting(D), D, 128, 3), explained(interacting(D, change=2.0), D, 128, 3))
    expected = torch.zeros(D, dtype=torch.float64)
    expected[0] = 2.0
    torch.testing.assert_close(found.change[0, 0], expected, atol=1e-4, rtol=0)
    assert found.change_error.max() < 1e-4
    assert found.significant()[0, 0].tolist() == [True] + [False] * (D - 1)


@pytest.mark.parametrize("design", ["bernoulli", "paired"])
def test_calibration_without_a_change(design):
    """Independent designs, unchanged model: 5 in 100 features are called changed at level 0.05."""
    forward = interacting(D)
    one, two = (explained(forward, D, 12 * D, range(i, 600, 2), design) for i in range(2))
    assert 0.02 <= float(compare(one, two).significant(0.05, "none").double().mean()) <= 0.07
    found = compare(explained(forward, D, 12 * D, 1, design), explained(forward, D, 12 * D, 2, design))
    assert found.noise_floor > 0


@pytest.mark.parametrize("design", ["bernoulli", "paired"])
@pytest.mark.parametrize("rows", [8, 16])
def test_intervals_cover_the_large_sample_value(design, rows, truth):
    value = truth[0.0].coefficients[0, 0]
    found = explained(interacting(D), D, rows * D, range(200), design)
    half = float(critical_value(math.inf)) * found.standard_error[:, 0]
    assert 0.92 <= float(((found.coefficients[:, 0] - value).abs() <= half).double().mean()) <= 0.98


@pytest.mark.parametrize("change", [0.0, 2.0])
def test_the_bias_of_noise_is_taken_out(change, truth):
    """Over independent designs the cosine distance is too large by the noise floor, and the drift is not."""
    true = float(cosine_distance(truth[0.0].coefficients, truth[change].coefficients))
    one = explained(interacting(D), D, 96, range(0, 400, 2))
    found = compare(one, explained(interacting(D, change=change), D, 96, range(1, 400, 2)))
    raw, drift, floor = (values.flatten().numpy() for values in (found.cosine, found.drift, found.noise_floor))
    bias = np.mean(raw) - true
    assert bias > 4 * np.std(raw) / 200**0.5
    assert abs(np.mean(drift) - true) < 0.25 * bias + 2 * np.std(drift) / 200**0.5
    if change == 0:
        assert np.mean(floor) == pytest.approx(np.mean(raw), rel=0.2)


def test_pinned_perturbations_are_closer_to_the_truth_than_fresh_ones(truth):
    true = float(cosine_distance(truth[0.0].coefficients, truth[2.0].coefficients))
    before, after = interacting(D), interacting(D, change=2.0)
    ours = compare(*(explained(forward, D, 96, range(50)) for forward in (before, after))).drift - true
    one, two = (
        explained(before, D, 96, range(1000, 1050), "bernoulli"),
        explained(after, D, 96, range(2000, 2050), "bernoulli"),
    )
    fresh = compare(one, two).cosine - true
    assert ours.square().mean().sqrt() < 0.25 * fresh.square().mean().sqrt()


def test_the_gate_keeps_poor_fits_out():
    one, two = explained(interacting(D, strength=5.0), D, 200, 1), explained(interacting(D, strength=5.0), D, 200, 2)
    score = float(one.score)
    assert compare(one, two, gate=score - 0.5).mean() is not None
    assert compare(one, two, gate=1.0).mean() is None


def vectors(seed=0, ties=False):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, 4, 3, 9, generator=generator, dtype=torch.float64)
    return (a.round(decimals=0), b.round(decimals=0)) if ties else (a, b)


ALL = torch.ones(1, 9, dtype=torch.bool)


@pytest.mark.parametrize("ties", [False, True])
def test_measures_agree_with_scipy(ties):
    a, b = vectors(ties=ties)
    for i in range(4):
        for t in range(3):
            cosine = scipy.spatial.distance.cosine(a[i, t], b[i, t])
            assert float(cosine_distance(a, b)[i, t]) == pytest.approx(cosine)
            rank = scipy.stats.spearmanr(a[i, t], b[i, t]).statistic
            assert float(rank_correlation(a, b, ALL)[i, t]) == pytest.approx(rank)


def test_measures_by_hand():
    a = torch.tensor([[[3.0, -2.0, 1.0, 0.0]]])
    b = torch.tensor([[[-3.0, 2.0, 0.5, 0.0]]])
    present = torch.tensor([[True, True, True, False]])
    assert sign_changes(a, b, present).item() == pytest.approx(2 / 3)
    assert top_overlap(a, b, present, 2).item() == 1
    assert top_overlap(a, torch.tensor([[[0.0, 1.0, 2.0, 0.0]]]), present, 2).item() == 0.5
    assert norm_change(a, 2 * a).item() == pytest.approx(0.5)
    assert norm_change(a, 0 * a).item() == -1
    assert norm_change(0 * a, 0 * a).item() == 0
    assert cosine_distance(a, -a).item() == pytest.approx(2)
    assert cosine_distance(a, 0 * a).item() == 1
    assert cosine_distance(0 * a, 0 * a).item() == 0
    assert rank_correlation(0 * a, 0 * a, present).item() == 1


def test_false_discoveries_are_controlled_by_the_step_up_of_each_family():
    """Benjamini and Hochberg: of d sorted p values all up to the last one that is at most ``level k / d``."""
    p = torch.rand(50, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64) ** 3
    ordered = p.sort(-1).values
    last = torch.where(ordered <= 0.1 * torch.arange(1, 10) / 9, ordered, -1.0).amax(-1, keepdim=True)
    assert torch.equal(discoveries(p, 0.1, "fdr"), p <= last)
    assert torch.equal(discoveries(p, 0.1, "none"), p <= 0.1)
    with pytest.raises(ValueError, match="`level` should lie between 0 and 1"):
        discoveries(p, 1.5, "fdr")
    with pytest.raises(ValueError, match="`correction` should be one of 'fdr', 'none'"):
        discoveries(p, 0.1, "bonferroni")


def test_the_influences_of_an_explanation_are_computed_once(monkeypatch):
    computed, compute = [], explanation.coefficient_influences
    monkeypatch.setattr(explanation, "coefficient_influences", lambda *given: computed.append(1) or compute(*given))
    first, second = (explained(interacting(D, change=change), D, 12 * D, 0) for change in (0.0, 1.0))
    drift = compare(first, second)
    assert torch.equal(compare(first, second.to("cpu")).change_error, drift.change_error)
    assert len(computed) == 2
    read = pickle.loads(pickle.dumps(first))
    assert "influences" not in vars(read)
    assert torch.equal(read.influences, first.influences)
    with pytest.raises(ValueError, match="`influences` need the explanation's `samples`"):
        _ = replace(first, samples=None).influences


def test_p_values_are_those_of_students_t():
    change = torch.tensor([0.0, 1.0, -2.0, 1.0], dtype=torch.float64)
    error = torch.tensor([0.0, 0.5, 1.0, 0.0], dtype=torch.float64)
    expected = [1.0, *scipy.stats.t.sf([2.0, 2.0], 10) * 2, 0.0]
    np.testing.assert_allclose(p_values(change, error, 10), expected)


@pytest.mark.parametrize("d", [1, 7, 40])
def test_rank_correlation_is_scipys_with_ties_and_absent_features(d):
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randint(-3, 4, (2, 3, 2, d + 2), generator=rng).double()  # many ties
    present = torch.ones(3, d + 2, dtype=torch.bool)
    present[:, 1], present[0, 0] = False, False
    a, b = (part.masked_fill(~present.unsqueeze(1), 0.0) for part in (a, b))
    found = rank_correlation(a, b, present)
    for one in range(3):
        for t in range(2):
            pair = [part[one, t][present[one]] for part in (a, b)]
            spreads = [int(len(part.unique()) > 1) for part in pair]
            expected = scipy.stats.spearmanr(*pair).statistic if all(spreads) else float(not any(spreads))
            assert float(found[one, t]) == pytest.approx(expected, abs=1e-12)


def test_rank_correlation_of_many_features_compares_no_pairs():
    a, b = torch.randn(2, 1, 1, 200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    present = torch.ones(1, 200_000, dtype=torch.bool)  # their pairs would take 40 GB
    assert float(rank_correlation(a, a, present)) == pytest.approx(1, abs=1e-12)
    assert abs(float(rank_correlation(a, b, present))) < 0.01


def flat_but_for(share, seed, size=40, positive=False):
    """A map that is 0 but for a share of its pixels, ``[1, 1, size * size]``."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(1, 1, size * size, generator=generator, dtype=torch.float64)
    return torch.where(torch.rand(values.shape, generator=generator) < share, values.abs() if positive else values, 0.0)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("share", [0.03, 0.3, 1.0])
def test_equal_maps_are_alike_opposite_ones_are_not_and_unrelated_ones_are_neither(share, positive):
    """Whatever the signs, and however flat the maps are, which is where SSIM takes all pairs for alike."""
    a, b = (flat_but_for(share, seed, positive=positive) for seed in range(2))
    areas = torch.ones(1, a.shape[-1], dtype=torch.long)
    of_maps = partial(map_similarity, areas=areas)
    assert float(of_maps(a, a)) == 1
    assert float(of_maps(a, -a)) < -0.2
    assert abs(float(of_maps(a, b))) < 0.1
    assert 0.9 < float(of_maps(a, a + 0.2 * b)) < 1
    torch.testing.assert_close(of_maps(1e200 * a, 1e200 * b), of_maps(a, b))
    torch.testing.assert_close(of_maps(1e-300 * a, 1e-300 * b), of_maps(a, b))


def test_ssim_takes_opposite_maps_for_alike_where_most_of_them_is_flat():
    """Which is why it is not what is logged."""
    a = flat_but_for(1.0, 0)
    a.view(40, 40)[:, 8:] = 0
    assert whole_similarity(a.view(40, 40), -a.view(40, 40)) > 0.5
    assert float(map_similarity(a, -a, torch.ones(1, 1600))) < -0.99


def test_maps_without_differences_of_their_own():
    ones, areas = torch.ones(1, 1, 4), torch.tensor([[3, 1, 2, 5]])
    assert map_similarity(ones, ones, areas).tolist() == [[1.0]]
    assert map_similarity(0 * ones, 0 * ones, areas).tolist() == [[1.0]]
    assert float(map_similarity(ones, -ones, areas)) == pytest.approx(0, abs=1e-12)
    assert float(map_similarity(ones, 0 * ones, areas)) == 0
    assert float(map_similarity(ones, 0 * ones, 0 * areas)) == 1  # no pixel that could differ


def test_similarity_of_maps_with_equal_means_is_ssim_of_one_window():
    """SSIM's windows and constants apart, both say the same."""
    a, b = torch.randn(2, 1, 1, 11 * 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, b = a - a.mean(), b - b.mean()
    b = b + 0.5 * a
    one_window = whole_similarity(a.view(11, 11), b.view(11, 11), window=11, K1=1e-6, K2=1e-9)
    assert float(map_similarity(a, b, torch.ones(1, 121))) == pytest.approx(one_window, abs=1e-9)


@pytest.mark.parametrize("size", [(3, 5), (40, 69), (224, 224)])
def test_similarity_of_regions_is_that_of_their_maps(size):
    rng = torch.Generator().manual_seed(1)
    segments = torch.stack([waves(size, 6, seed=seed) for seed in range(2)])  # as crooked as superpixels
    a, b = torch.randn(2, 2, 3, 9, generator=rng, dtype=torch.float64)
    a[..., 7:], b[..., 7:] = 1e300, -1e300  # regions that no pixel has
    areas = torch.stack([torch.bincount(one.flatten(), minlength=9) for one in segments])
    found = map_similarity(a, b, areas)
    for one in range(2):
        maps = [part[one, 0][segments[one]] for part in (a, b)]
        assert float(found[one, 0]) == pytest.approx(concordance(*maps), abs=1e-12)
    torch.testing.assert_close(map_similarity(a[:1], b[:1], areas[:1]), found[:1])
    shared = map_similarity(a, b, areas[:1])
    torch.testing.assert_close(shared[1:], map_similarity(a[1:], b[1:], areas[:1]))


@pytest.mark.parametrize("view", [Superpixels("grid", 9), Cubes(Superpixels("grid", 9), Superbands(2))])
def test_similarity_of_explanations_is_that_of_their_mean_maps(view):
    x = images()
    valid = torch.ones(8, 8, dtype=torch.bool)
    valid[:2, :3] = False  # never hidden: pixels without a coefficient, in which no maps can differ
    view = replace(view, valid=valid) if isinstance(view, Superpixels) else view
    counts = valid if isinstance(view, Superpixels) else torch.ones_like(valid)
    one, two = (explain(partial(lines, seed), x, view.features(x), n_perturbations=64) for seed in range(2))
    maps = [part.heatmap().mean(2)[..., counts] for part in (one, two)]
    expected = [concordance(maps[0][b, t], maps[1][b, t]) for b in range(2) for t in range(3)]
    assert similarity(one, two)["similarity"] == pytest.approx(np.mean(expected), abs=1e-6)


def test_views_that_are_not_cut_in_space_have_no_similarity():
    assert similarity(of(images()), of(images())) == {}


def lines(seed, x):
    """Three linear functions of the inputs."""
    return x.flatten(1) @ torch.randn(x[0].numel(), 3, generator=torch.Generator().manual_seed(seed))


def concordance(a, b):
    """Lin's concordance correlation, by its definition."""
    a, b = a.double().flatten().numpy(), b.double().flatten().numpy()
    together = np.mean((a - a.mean()) * (b - b.mean()))
    return 2 * together / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)


def whole_similarity(a, b, window=7, **constants):
    """scikit-image's SSIM over all windows."""
    from skimage.metrics import structural_similarity

    a, b = a.numpy(), b.numpy()
    span = max(np.ptp(a), np.ptp(b))
    return structural_similarity(a, b, data_range=span, win_size=window, use_sample_covariance=False, **constants)


def waves(size, count, seed):
    """Regions with crooked borders: where each of some smooth pictures is the largest."""
    noise = torch.randn(1, count + 1, 5, 5, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise, size, mode="bicubic")[0].argmax(0)


def images(seed=0):
    return torch.rand(2, 6, 8, 8, generator=torch.Generator().manual_seed(seed))


def of(x, view=Superbands(3), **settings):  # noqa: B008
    return explain(lambda x: x.flatten(1)[:, :3], x, view.features(x), n_perturbations=20, baseline=0.0, **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: of(images(1)), "Found different inputs, or the same ones in another order: see input"),
        (lambda: of(images().flip(0)), "Found different inputs"),
        (lambda: of(images()[:1]), r"different numbers of inputs and targets: \(2, 3\) and \(1, 3\)"),
        (lambda: of(images(), target=1), r"different numbers of inputs and targets: \(2, 3\) and \(2, 1\)"),
        (lambda: of(images(), target=[0, 2, 1]), "Found different targets"),
        (lambda: of(images(), Superbands(2)), "Found different features: .*'channels 0-1'.* and .*'channels 0-2'"),
        (lambda: of(images(), Superbands({"a": [0, 1], "b": [2, 3], "c": [4, 5]})), "Found different features"),
        (lambda: of(images()[..., :4]), r"different shapes of one input: \(6, 8, 8\) and \(6, 8, 4\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*degenerate")
def test_what_cannot_be_compared_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        compare(of(images()), change())


@pytest.mark.filterwarnings("ignore:.*degenerate")
def test_masks_of_the_same_names_are_compared_too():
    x = images()
    features = Superpixels("grid", n_segments=4).features(x)
    moved = Features(features.mask.flip(-1), features.names, features.layout)
    one, two = (explain(lambda x: x.flatten(1).sum(1), x, f, n_perturbations=20) for f in (features, moved))
    with pytest.raises(ValueError, match="Found different feature masks"):
        check_comparable(one, two)
