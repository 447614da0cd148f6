"""KernelSHAP: exact against Shapley values by enumeration, efficient, and as sure as it says."""

import math
import re
from itertools import product

import pytest
import torch
from toys import fit

from lime_callback import Explanation, LimeCallback, Superbands, explain
from lime_callback.comparing import compare
from lime_callback.sampling import Coalitions, Cosine, Mean, ShapleyKernel
from lime_callback.surrogates import Efficient


def game(x):
    """Two outputs with interactions of all orders."""
    return torch.stack([x.prod(1) + 3 * x.sum(1).sin() + x[:, 0] * x[:, -1], x.square().sum(1).sqrt()], 1)


def shapley_values(model, x, baseline):
    """By their definition: mean contributions over all coalitions, ``[T, d]``."""
    d = len(x)
    coalitions = list(product([False, True], repeat=d))
    values = dict(zip(coalitions, model(torch.where(torch.tensor(coalitions), x, baseline)), strict=True))
    shares = [math.factorial(k) * math.factorial(d - k - 1) / math.factorial(d) for k in range(d)]
    columns = []
    for feature in range(d):
        without = [one for one in coalitions if not one[feature]]
        columns.append(
            sum(
                shares[sum(one)] * (values[(*one[:feature], True, *one[feature + 1 :])] - values[one])
                for one in without
            )
        )
    return torch.stack(columns, 1)


def inputs(d, batch=None):
    shape = (d,) if batch is None else (batch, d)
    return torch.randn(shape, generator=torch.Generator().manual_seed(d), dtype=torch.float64)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("n", [256, 300])
def test_coefficients_are_shapley_values_where_all_coalitions_are_asked(d, n):
    x, baseline = inputs(d), torch.linspace(-0.5, 0.3, d, dtype=torch.float64)
    found = explain(game, x[None], torch.arange(d), like="kernel_shap", baseline=baseline, n_perturbations=n)
    assert found.n_perturbations == 2**d
    torch.testing.assert_close(found.coefficients[0], shapley_values(game, x, baseline), rtol=1e-8, atol=1e-8)
    assert (found.standard_error == 0).all()


@pytest.mark.parametrize(("d", "n"), [(3, 64), (12, 128), (30, 257), (30, 400)])
def test_coefficients_add_up_to_what_everything_changes(d, n):
    x = inputs(d, batch=3)
    found = explain(game, x, torch.arange(d), like="kernel_shap", n_perturbations=n, seed=[0, 1, 2])
    torch.testing.assert_close(found.coefficients.sum(-1), found.prediction - found.hidden, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.intercept, found.hidden, rtol=1e-12, atol=1e-12)
    assert found.gap.abs().max() < 1e-9


def test_a_feature_that_an_input_lacks_gets_nothing():
    x, mask = inputs(6, batch=2), torch.tensor([[0, 1, 2, 3, 4, 5], [0, 1, 1, -1, 3, 3]])
    found = explain(game, x, mask, like="kernel_shap", n_perturbations=64)
    hidden = torch.where(mask[1] < 0, x[1], 0.0)
    rows = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]).bool()[:, torch.tensor([0, 1, 1, 0, 2, 2])]

    def on_groups(z):
        keep = (z[:, :, None] * rows).sum(1)
        return game(torch.where(mask[1] < 0, x[1], keep * x[1] + (1 - keep) * hidden))

    expected = shapley_values(on_groups, torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(found.coefficients[1][:, [0, 1, 3]], expected, rtol=1e-7, atol=1e-7)
    assert (found.coefficients[1][:, [2, 4, 5]] == 0).all()


def interacting(x):
    return (x[:, :10] * x[:, 10:]).sum(1) + 2 * x.sum(1).sin() + x[:, 4] * x[:, 7] * x[:, 9]


def test_sampled_intervals_cover_and_the_score_is_that_of_fresh_rows():
    """Over 60 seeds, against Shapley values from 2^14 coalitions."""
    x, d = inputs(20, batch=1), 20
    settings = {"like": "kernel_shap", "batch_size": 8192}
    truth = explain(interacting, x, torch.arange(d), n_perturbations=2**14, **settings).coefficients[0, 0]
    found = explain(interacting, x.expand(60, -1), torch.arange(d), n_perturbations=256, seed=range(60), **settings)
    wrong = found.coefficients[:, 0] - truth
    assert 0.9 < float((wrong.abs() <= found.half_widths()[:, 0]).double().mean()) < 0.98
    stated, true = (one.square().mean().sqrt() for one in (found.standard_error, wrong))
    assert float(stated / true) == pytest.approx(1, abs=0.12)
    rows = Coalitions().sample(8_000, d, torch.Generator().manual_seed(99))[2:]
    outputs = interacting(torch.where(rows, x, 0.0)).unsqueeze(1)
    predicted = rows.double() @ found.coefficients[:, 0].T + found.intercept[:, 0]
    fresh = 1 - (outputs - predicted).square().mean(0) / outputs.var()
    assert float(found.score.mean() - fresh.mean()) == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize(("n", "d"), [(64, 30), (65, 9), (256, 8), (300, 8), (4, 9), (2, 9), (16, 1)])
def test_coalitions_begin_with_all_and_none_and_come_in_pairs(n, d):
    rows = Coalitions().sample(n, d, torch.Generator().manual_seed(1))
    assert rows.shape == (n, d)
    assert rows[0].all()
    assert not rows[1].any()
    pairs = rows[: n // 2 * 2].unflatten(0, (-1, 2))
    assert torch.equal(pairs[:, 0], ~pairs[:, 1])
    assert torch.equal(rows, Coalitions().sample(n, d, torch.Generator().manual_seed(1)))


def test_sizes_are_drawn_as_shapleys_kernel_weighs_them():
    d, n = 9, 400
    counts = torch.zeros(d + 1)
    for seed in range(20):
        rows = Coalitions().sample(n, d, torch.Generator().manual_seed(seed))[2:]
        counts += torch.bincount(rows.sum(1), minlength=d + 1)
    size = torch.arange(1, d)
    mass = 1 / (size * (d - size))
    torch.testing.assert_close(counts[1:-1] / counts.sum(), mass / mass.sum(), rtol=0.05, atol=0.002)


def test_weights_of_all_coalitions_are_shapleys_kernel():
    d = 7
    rows = Coalitions().sample(128, d, torch.Generator().manual_seed(0)).unsqueeze(0)
    weights, size = ShapleyKernel()(rows, torch.ones(1, d, dtype=torch.bool))[0], rows[0].sum(1)
    expected = torch.tensor([(d - 1) / (math.comb(d, k) * k * (d - k)) if 0 < k < d else 0.0 for k in size.tolist()])
    torch.testing.assert_close(weights[2:], (expected / expected.max())[2:].double())
    assert (weights[:2] == 1).all()


def test_half_of_all_coalitions_still_weigh_by_size():
    """As a time budget asks: every size has rows among the first, and their weights are those of their size."""
    d = 8
    rows = Coalitions().sample(256, d, torch.Generator().manual_seed(0))[:64].unsqueeze(0)
    weights, size = ShapleyKernel()(rows, torch.ones(1, d, dtype=torch.bool))[0], rows[0].sum(1)
    mass = torch.stack([weights[size == k].sum() for k in range(1, d)])
    expected = torch.tensor([1 / (k * (d - k)) for k in range(1, d)]).double()
    torch.testing.assert_close(mass / mass.sum(), expected / expected.sum())


def test_it_is_kept_in_files_and_compared(tmp_path):
    x = inputs(12, batch=2)
    first = explain(game, x, torch.arange(12), like="kernel_shap", n_perturbations=128)
    first.save(tmp_path / "shap.npz")
    again = Explanation.load(tmp_path / "shap.npz")
    assert again.samples.efficient
    assert float(compare(first, again).drift.abs().max()) == 0
    assert (
        compare(
            first, explain(lambda v: -game(v), x, torch.arange(12), like="kernel_shap", n_perturbations=128)
        ).drift.min()
        > 1
    )


def test_the_callback_has_it(tmp_path):
    lime = LimeCallback(
        Superbands(6), like="kernel_shap", probes=2, pictures=False, n_perturbations=64, on_error="raise"
    )
    fit(tmp_path, lime, epochs=1)
    found = lime.explanation("spectral")
    torch.testing.assert_close(found.coefficients.sum(-1), found.prediction - found.hidden, rtol=1e-4, atol=1e-4)
    assert LimeCallback(like="kernel_shap", baseline="mean").config.settings.baseline == Mean()


def test_an_efficient_fit_needs_its_rows():
    with pytest.raises(
        ValueError, match=re.escape("needs a design whose first two rows are everything on and everything off")
    ):
        LimeCallback(surrogate=Efficient())
    with pytest.raises(ValueError, match="`like = 'kernel_shap'` sets `kernel` to ShapleyKernel"):
        LimeCallback(like="kernel_shap", kernel=Cosine())
    assert LimeCallback(surrogate=Efficient(), design=Coalitions()).config.settings.surrogate == Efficient()
