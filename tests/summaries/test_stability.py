"""Five seeds side by side: how stable is an explanation?"""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from lime_callback import Superpixels, explain
from lime_callback.summaries.seed_stability import stability

SIDE = 12


def pictures(batch=2):
    return torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def linear(x):
    return torch.stack([x.sum((1, 2, 3)), x[:, 0].mean((1, 2))], 1)


def curved(x):
    y = x.flatten(1)
    return torch.stack([(5 * y[:, ::7].mean(1)).sin() * y[:, 40], y.square().mean(1) + y[:, 3] * y[:, 90]], 1)


def seeds(forward, count=5, x=None, **settings):
    x = pictures() if x is None else x
    features = Superpixels("grid", n_segments=9).features(x)
    settings = {"n_perturbations": 96, "design": "bernoulli"} | settings
    return [explain(forward, x, features, seed=seed, **settings) for seed in range(count)]


def test_five_seeds_of_a_linear_model_agree_entirely():
    found = stability(seeds(linear, n_perturbations=128))
    for values in (found.cosine, found.rank_correlation, found.top_overlap):
        assert values.shape == (5, 5, 2, 2)
        torch.testing.assert_close(values, torch.ones_like(values), atol=1e-4, rtol=0)
    assert found.mean() == pytest.approx({"cosine": 1, "rank_correlation": 1, "top_overlap": 1}, abs=1e-4)


def test_pairwise_cosine_rank_correlation_and_top_k_overlap():
    explanations = seeds(curved)
    found = stability(explanations, k=3)
    for i, j in combinations(range(5), 2):
        for b in range(2):
            for t in range(2):
                a, c = (explanations[s].coefficients[b, t].double().numpy() for s in (i, j))
                cosine = a @ c / np.linalg.norm(a) / np.linalg.norm(c)
                shared = set(np.abs(a).argsort()[-3:]) & set(np.abs(c).argsort()[-3:])
                for s, o in ((i, j), (j, i)):
                    assert float(found.cosine[s, o, b, t]) == pytest.approx(cosine, abs=1e-5)
                    assert float(found.rank_correlation[s, o, b, t]) == pytest.approx(spearmanr(a, c)[0], abs=1e-5)
                    assert float(found.top_overlap[s, o, b, t]) == pytest.approx(len(shared) / 3)


def test_the_mean_and_the_least_are_those_of_different_explanations():
    """The diagonal, which is always 1, does not count."""
    found = stability(seeds(curved))
    off = ~torch.eye(5, dtype=torch.bool)
    for name in ("cosine", "rank_correlation", "top_overlap"):
        values = getattr(found, name)
        assert found.mean()[name] == pytest.approx(float(values[off].mean()), abs=1e-6)
        assert found.least()[name] == float(values[off].min())
        assert found.least()[name] < found.mean()[name] < 1


def test_more_perturbations_are_more_stable():
    few, many = (stability(seeds(curved, n_perturbations=n)).mean() for n in (96, 640))
    assert 1 - many["cosine"] < (1 - few["cosine"]) / 4
    assert many["rank_correlation"] > few["rank_correlation"]


def test_the_order_of_the_explanations_does_not_matter():
    explanations = seeds(curved, 3)
    one, other = stability(explanations), stability(iter(explanations[::-1]))
    assert torch.equal(one.cosine, other.cosine.flip(0, 1))
    assert one.mean() == pytest.approx(other.mean())


def test_features_that_an_input_lacks_do_not_count():
    """An input alone, and beside one with more features."""
    x = pictures()
    mask = torch.arange(SIDE * SIDE).view(1, 1, SIDE, SIDE) // 36
    masks = torch.cat([mask.clamp(max=1), mask])
    together, alone = (
        [explain(curved, x[:b], masks[:b], seed=seed, n_perturbations=96, design="bernoulli") for seed in (0, 1)]
        for b in (2, 1)
    )
    assert len(together[0].features) == 4
    assert len(alone[0].features) == 2
    # The same coefficients for the features that are there.
    padded = [
        replace(two, coefficients=torch.cat([torch.nn.functional.pad(one.coefficients, (0, 2)), two.coefficients[1:]]))
        for one, two in zip(alone, together, strict=True)
    ]
    one, two = stability(alone), stability(padded)
    for name in ("cosine", "rank_correlation", "top_overlap"):
        torch.testing.assert_close(getattr(two, name)[:, :, :1], getattr(one, name))


def test_it_is_said_in_a_line():
    text = str(stability(seeds(linear, n_perturbations=128), k=4))
    assert text == "cosine 1.00 (least 1.00), rank correlation 1.00 (least 1.00), top-4 overlap 1.00 (least 1.00)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: stability(seeds(linear, 1)), ValueError, "`explanations` should be at least two. Found 1."),
        (lambda: stability([*seeds(linear, 2), None]), TypeError, "should be an Explanation. Found a NoneType"),
        (lambda: stability(seeds(linear, 2), k=0), ValueError, "`k` should be a whole number of at least 1"),
        (
            lambda: stability(seeds(linear, 2) + seeds(linear, 1, pictures().flip(0))),
            ValueError,
            "should be of the same inputs, features and targets. Found in explanation 2 different inputs",
        ),
        (
            lambda: stability(
                [*seeds(linear, 1), explain(linear, pictures(), Superpixels("grid", n_segments=4).features(pictures()))]
            ),
            ValueError,
            "Found in explanation 1 different features",
        ),
    ],
)
def test_explanations_that_cannot_be_compared_are_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
