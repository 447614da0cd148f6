"""Cases of captum's tests of ``FeatureAblation`` (tests/attr/test_feature_ablation.py): a design of one's own.

An ablation is the output less that without a feature. With everything on, and each feature off by itself, the fit has
as many rows as it has numbers to find, so that its coefficients are just that. There are no intervals, and it says so.
"""

import pytest
import torch
from captum_models import BATCH, EACH, ONE, PAIR, THREE_BASELINE, convolution, relu_sums, tensor

from lime_callback import explain
from lime_callback.sampling import Design

pytestmark = pytest.mark.filterwarnings("ignore:.*is degenerate")


class OneOut(Design):
    """Everything on, and each feature off by itself."""

    def sample(self, n, d, generator):
        rows = ~torch.cat([torch.zeros(1, d), torch.eye(d)]).bool()
        return rows[torch.arange(n) % (d + 1)]  # again, where another input has more features

    def enough(self, n, d):
        return min(n, d + 1)


def ablated(forward, x, mask, baseline=0.0, **settings):
    how = {"design": OneOut(), "kernel": "none", "baseline": baseline, "n_perturbations": 64}
    return explain(forward, x, mask, 0, **how | settings).coefficients[:, 0]


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize(
    ("x", "mask", "baseline", "expected"),
    [
        (ONE, EACH, 0.0, [[80.0, 200.0, 120.0]]),
        (ONE, PAIR, 0.0, [[280.0, 120.0]]),
        (ONE, PAIR, 4.0, [[248.0, 104.0]]),
        ([[2.0, 10.0, 3.0], ONE[0]], EACH, 0.0, [[8.0, 35.0, 12.0], [80.0, 200.0, 120.0]]),
        ([[2.0, 10.0, 3.0], ONE[0]], [PAIR, [1, 1, 0]], 0.0, [[41.0, 12.0], [120.0, 280.0]]),
    ],
)
def test_feature_ablation(x, mask, baseline, expected, batch_size):
    found = ablated(relu_sums, tensor(x), torch.tensor(mask), baseline, batch_size=batch_size)
    torch.testing.assert_close(found, tensor(expected), atol=1e-3, rtol=1e-6)


APART_MASK = [[0, 0, 0, 1, 2, 3, 4, 5, 6], [0, 1, 0, 2, 3, 4, 5, 5, 5]]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        (0.0, [[492.0, 80.0, 200.0, 120.0, 0.0, 400.0, 40.0], [200.0, 200.0, 0.0, 400.0, 0.0, 60.0, 0.0]]),
        (
            THREE_BASELINE,
            [[468.0, 68.0, 188.0, 108.0, -16.0, 384.0, 24.0], [184.0, 192.0, -12.0, 388.0, -12.0, 12.0, 0]],
        ),
    ],
)
def test_feature_ablation_of_three_inputs_beside_each_other(baseline, expected):
    """There each of the three has features of its own, of equal numbers; here a number is one feature everywhere."""
    found = ablated(relu_sums, tensor(BATCH), torch.tensor(APART_MASK), baseline)
    torch.testing.assert_close(found, tensor(expected), atol=1e-3, rtol=1e-6)


def test_feature_ablation_of_pictures():
    first = torch.arange(16, dtype=torch.float64).view(4, 4)
    x = torch.stack([first, torch.ones_like(first)])[None]
    whole = ablated(convolution, x, torch.tensor([0, 1]).view(2, 1, 1))
    torch.testing.assert_close(whole, tensor([[67.0, 13.0]]), atol=1e-3, rtol=0)
    pixels = ablated(convolution, x, torch.arange(32).view(2, 4, 4))[0].view(2, 4, 4)
    expected = [
        [[0, 2, 4, 3], [4, 9, 10, 7], [4, 13, 14, 11], [0, 0, 0, 0]],
        [[1, 2, 2, 1], [1, 2, 2, 1], [1, 2, 2, 1], [0, 0, 0, 0]],
    ]
    torch.testing.assert_close(pixels, tensor(expected), atol=1e-3, rtol=0)


def test_inputs_of_integers_are_refused_with_the_way():
    """There they are ablated as integers; here baselines such as a mean need fractions."""
    with pytest.raises(TypeError, match=r"`inputs` should be floating point.*convert them with `.float\(\)`"):
        ablated(lambda x: 1 - torch.relu(1 - x), torch.tensor([[-3, 1, 2]]), torch.tensor(EACH))
    found = ablated(lambda x: 1 - torch.relu(1 - x), tensor([[-3, 1, 2]]), torch.tensor(EACH))
    torch.testing.assert_close(found, tensor([[-3.0, 0.0, 0.0]]), atol=1e-4, rtol=0)
