"""Cases of captum's tests of ``KernelShap`` (tests/attr/test_kernel_shap.py), and captum itself, by their values."""

import pytest
import torch
from captum.attr import KernelShap
from captum_models import (
    APART,
    BATCH,
    BATCH_MASK,
    EACH,
    ONE,
    PAIR,
    THREE,
    THREE_BASELINE,
    THREE_MASK,
    TWO,
    relu_sums,
    tensor,
)

from lime_callback import explain

CASES = [
    (ONE, EACH, tensor([[10.0, 20.0, 10.0]]), [[40.0, 120.0, 80.0]]),
    (ONE, EACH, 0.0, [[76.66666, 196.66666, 116.66666]]),
    (ONE, PAIR, 0.0, [[275.0, 115.0]]),
    (ONE, PAIR, 4.0, [[248.0, 104.0]]),
    (APART, list(range(9)), 0.0, [[90, 0, 0, 78, 0, 198, 0, 398, 38]]),
    (THREE, THREE_MASK, 0.0, [[255.0, 595.0, 0.0]]),
    (THREE, THREE_MASK, THREE_BASELINE, [[184, 580.0, -12.0]]),
]


def shapley(x, mask, baseline, **settings):
    return explain(
        relu_sums,
        tensor(x),
        torch.tensor(mask),
        0,
        like="kernel_shap",
        baseline=baseline,
        n_perturbations=512,
        **settings,
    )


# One row at a time is slow where there are more features.
SIZES = [(*case, size) for case in CASES for size in (1, 64) if size > 1 or len(set(case[1])) <= 3]


@pytest.mark.parametrize(("x", "mask", "baseline", "expected", "batch_size"), SIZES)
def test_kernel_shap(x, mask, baseline, expected, batch_size):
    found = shapley(x, mask, baseline, batch_size=batch_size)
    torch.testing.assert_close(found.coefficients[:, 0], tensor(expected), atol=0.4, rtol=0)
    torch.testing.assert_close(found.coefficients.sum(-1), found.prediction - found.hidden, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("x", "mask", "baseline", "expected"),
    [
        (TWO, EACH, 0.0, [56.1688, 124.1695, 65.6695]),
        (TWO, [PAIR, [0, 1, 0]], 0.0, [162.9993, 83.0007]),
        (BATCH, BATCH_MASK, 0.0, [165.83333, 841.83333, 78.3333]),
        (BATCH, BATCH_MASK, THREE_BASELINE, [118, 810, 60]),
    ],
)
def test_captums_value_for_a_batch_is_the_mean_of_ours_over_its_inputs(x, mask, baseline, expected):
    """It takes one set of coefficients for a batch there; here each input has its own."""
    found = shapley(x, mask, baseline)
    torch.testing.assert_close(found.coefficients[:, 0].mean(0), tensor(expected), atol=1.0, rtol=0)


def test_captum_itself_at_the_same_inputs():
    """With rows enough to hold all coalitions of 3 features, its fit is ours to its finite weight of the ends."""
    x = torch.tensor([[3.0, -1.0, 4.0]])
    torch.manual_seed(0)
    theirs = KernelShap(lambda v: relu_sums(v).sin()).attribute(
        x, target=0, n_samples=5000, perturbations_per_eval=5000
    )
    ours = explain(lambda v: relu_sums(v).sin(), x, torch.arange(3), 0, like="kernel_shap", n_perturbations=64)
    torch.testing.assert_close(ours.coefficients[0, 0], theirs[0], atol=0.1, rtol=0)
    assert float(theirs.sum()) == pytest.approx(float(ours.coefficients.sum()), abs=5e-3)
