"""What moved, how much longer and how far turned: exact answers, noise by simulation, and what a run says of it."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from interactions import explained, interacting

from lime_callback.comparing.attribution_shift import LONGEST, scale, without_noise
from lime_callback.comparing.drift import compare, mean_over_inputs
from lime_callback.comparing.prediction_change import has_classes, prediction_changed
from lime_callback.comparing.significance import p_values_beyond


def linear(weights):
    weights = torch.tensor(weights, dtype=torch.float64)
    return lambda x: x @ weights


def test_what_moved_by_hand():
    """A quarter of the attribution goes from the first feature to the third, and nothing else happens."""
    one, two = (explained(linear(w), 4, 96) for w in ([2.0, -1.0, 0.0, 1.0], [1.0, -1.0, 1.0, 1.0]))
    found = compare(one, two)
    assert float(found.moved) == pytest.approx(0.25, abs=1e-5)
    assert float(found.scale) == pytest.approx(0, abs=1e-5)
    assert float(found.flipped) == 0
    assert float(found.changed) == 0.5
    assert float(compare(one, two, relevant_change=0.3).changed) == 0


def test_a_sign_that_turns_has_flipped_and_moved():
    one, two = (explained(linear(w), 4, 96) for w in ([2.0, -1.0, 0.0, 1.0], [2.0, 1.0, 0.0, 1.0]))
    found = compare(one, two)
    assert float(found.flipped) == pytest.approx(0.25, abs=1e-5)
    assert float(found.moved) == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("times", [3.0, 1 / 3, 1000.0])
def test_outputs_that_are_multiplied_are_longer_and_nothing_moves(times):
    found = compare(explained(interacting(12), 12, 96), explained(interacting(12, times=times), 12, 96))
    assert float(found.scale) == pytest.approx(math.log2(times), abs=1e-6)
    assert float(found.moved) == pytest.approx(0, abs=1e-6)
    assert float(found.changed) == float(found.flipped) == 0
    assert found.moved_bound() < 1e-5


def test_an_unchanged_model_has_shifts_of_zero_exactly():
    found = compare(*(explained(interacting(12), 12, 96, 3) for _ in range(2)))
    for name in ("moved", "scale", "flipped", "changed"):
        assert (getattr(found, name) == 0).all(), name
    assert found.moved_bound() == 0


@pytest.mark.parametrize("change", [-1.0, -3.0])
def test_no_more_than_all_of_the_attribution_moves(change):
    """A total is taken without its noise, and shares that turn their signs far from 0 are not."""
    model = interacting(20, 3)
    found = compare(explained(model, 20, 192, range(8)), explained(lambda x: change * model(x), 20, 192, range(8)))
    for values in (found.moved, found.shift.apart):
        assert float(values.min()) > 0.9
        assert float(values.max()) <= 1


@pytest.mark.filterwarnings("ignore:.*degenerate")
def test_without_any_attribution_everything_moved():
    one, none = explained(linear([1.0, 2.0]), 2, 24), explained(linear([0.0, 0.0]), 2, 24)
    assert float(compare(one, none).moved) == float(compare(none, one).moved) == 1
    assert float(compare(one, none).scale) == -LONGEST
    assert float(compare(none, none).moved) == float(compare(none, none).scale) == 0
    zero = torch.zeros(1)
    assert scale(zero, zero).item() == 0


@pytest.mark.parametrize(("d", "n"), [(20, 128), (20, 100), (50, 150)])
def test_noise_of_different_designs_is_taken_out(d, n):
    """Of 150 rows for 50 features, fewer than four each, too: of the noise a tenth is left at most."""
    found = compare(*(explained(interacting(d, 3), d, n, range(i, 60, 2)) for i in range(2)))
    parts = found.shift.apart, found.moved, found.cosine, found.drift
    raw, moved, cosine, drift = (values.flatten().numpy() for values in parts)
    for biased, mended in ((raw, moved), (cosine, drift)):
        assert abs(np.mean(mended)) < 0.1 * np.mean(biased) + 2 * np.std(mended) / 30**0.5
    assert np.mean(raw) > 5 * np.std(raw) / 30**0.5


def test_few_features_are_called_changed_that_are_not():
    shares = compare(*(explained(interacting(12), 12, 96, range(i, 120, 2)) for i in range(2))).changed
    assert shares.mean() < 0.01
    moved = compare(explained(interacting(12), 12, 96, 5), explained(interacting(12, change=30.0), 12, 96, 5))
    assert float(moved.changed) > 0


def test_sizes_without_noise_are_zero_on_average_and_whole_far_from_it():
    noise = torch.randn(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    error = torch.ones_like(noise)
    assert float(without_noise(noise, error).mean()) == pytest.approx(0, abs=0.01)
    assert float(without_noise(noise + 4, error).mean()) == pytest.approx(4, abs=0.02)
    assert torch.equal(without_noise(noise, 0 * error), noise.abs())


def test_p_values_of_changes_beyond_what_matters():
    change, error = torch.tensor([0.03, 0.04, -0.09, 0.09, 0.0]).double(), torch.tensor([0.02] * 4 + [0.0]).double()
    p = p_values_beyond(change, error, 0.05, torch.tensor(10.0))
    assert p.tolist() == pytest.approx([1, 1, *[scipy.stats.t.sf(2, 10)] * 2, 1])
    assert (p_values_beyond(change, error * torch.inf, 0.05, torch.tensor(10.0)) == 1).all()
    assert (p_values_beyond(change, error, 0.05, torch.tensor(0.0)) == 1).all()
    two_sided = p_values_beyond(torch.tensor([0.04]).double(), torch.tensor([0.02]).double(), 0.0, torch.tensor(10.0))
    assert float(two_sided) == pytest.approx(2 * scipy.stats.t.sf(2, 10))


def test_targets_of_one_input_count_as_one():
    values = torch.tensor([[1.0, 3.0], [5.0, 100.0], [9.0, 9.0]])
    kept = torch.tensor([[True, True], [True, False], [False, False]])
    found = mean_over_inputs(values, kept, torch.ones(3, 2))
    assert float(found.mean) == pytest.approx((2 + 5) / 2)
    assert float(found.error) == pytest.approx(np.std([2, 5], ddof=1) / 2**0.5)
    assert float(found.noise) == pytest.approx(2**0.5 / 2)
    assert int(found.probes) == 2


def test_predictions_that_changed():
    before = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.2, 0.1]])
    turned = before + torch.tensor([-10.0, 10.0])
    assert prediction_changed(before, before, classes=True) == 0
    assert prediction_changed(before, turned, classes=True) == 0.75
    assert prediction_changed(before[:1], turned[:1], classes=True) == 1
    logit = torch.tensor([[-1.0], [2.0]])
    assert prediction_changed(logit, -logit, classes=True) == 1
    assert prediction_changed(logit.sigmoid(), (logit + 2).sigmoid(), classes=True) == 0.5
    numbers = torch.tensor([[0.0], [2.0]])
    assert prediction_changed(numbers, numbers + 3, classes=False) == pytest.approx(3)
    assert prediction_changed(numbers[:1], numbers[:1] + 3, classes=False) == 1
    assert prediction_changed(numbers[:1], numbers[:1], classes=False) == 0
    with pytest.raises(ValueError, match=r"`before` and `after` should be outputs \[P, K\] of the same probes"):
        prediction_changed(before, before[:2], classes=True)


def test_what_has_classes():
    two, one = torch.zeros(3, 2), torch.zeros(3, 1)
    assert has_classes(two, None)
    assert has_classes(two, torch.tensor([0, 1, 1]))
    assert not has_classes(two, torch.zeros(3, 2))
    assert has_classes(one, torch.tensor([0, 1, 1]))
    assert not has_classes(one, torch.tensor([0, 7, 1]))
    assert not has_classes(one, None)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-0.1, ValueError, "`relevant_change` should be at least 0"),
        (1.0, ValueError, "`relevant_change` should be a share of the attribution"),
        ("much", TypeError, "`relevant_change` should be a number"),
    ],
)
def test_a_relevant_change_is_a_share(value, error, message):
    one = explained(linear([1.0, 2.0]), 2, 96)
    with pytest.raises(error, match=message):
        compare(one, one, relevant_change=value)


def test_bounds_of_what_moved():
    one = explained(interacting(12), 12, 96, range(6))
    two = explained(interacting(12, change=3.0), 12, 96, range(6))
    found = compare(one, two)
    assert found.moved_bound(0.99) > found.moved_bound() > float(found.shift.apart.mean())
    assert compare(one, two, gate=1.0).moved_bound() == math.inf
    with pytest.raises(ValueError, match=r"`level` should lie between 0\.5 and 1"):
        found.moved_bound(0.5)
