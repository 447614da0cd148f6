"""With fewer rows than features, fits agree with those by the Gram matrix, and build nothing of its size."""

import numpy as np
import pytest
import torch
from sklearn import linear_model
from torch.utils._python_dispatch import TorchDispatchMode

from lime_callback import Lasso, Ridge
from lime_callback.surrogates import Efficient
from lime_callback.surrogates.fitted_rows import Samples
from lime_callback.surrogates.fitting import coefficient_influences, fit
from lime_callback.surrogates.linear_models import Problem, centred_problem


def wide(n=140, d=160, batch=3, targets=2, group=1, efficient=False):
    """Samples of inputs with 160, 40 and 12 features: the last ones have rows to spare for errors."""
    rng = torch.Generator().manual_seed(0)
    design = torch.rand(batch, n, d, generator=rng) < 0.5
    if efficient:
        design[:, 0], design[:, 1] = True, False
    for b, present in enumerate((d, 40, 12)[:batch]):
        design[b, :, present:] = False
    weights = torch.rand(batch, n, generator=rng, dtype=torch.float64) + 0.05
    truth = torch.randn(batch, d, targets, generator=rng, dtype=torch.float64)
    noise = torch.randn(batch, n, targets, generator=rng, dtype=torch.float64)
    return Samples(design, weights, design.double() @ truth + 0.3 * noise + 2, group, efficient=efficient)


@pytest.mark.parametrize(
    ("surrogate", "group"),
    [(Ridge(), 1), (Ridge(), 2), (Ridge(), 3), (Ridge(0.3), 1), (Ridge(2.0, absolute=True), 2), (Lasso(0.05), 1)],
)
def test_all_of_a_fit_is_that_by_the_gram_matrix(surrogate, group, monkeypatch):
    samples = wide(group=group)
    found = fit(surrogate, samples)
    influences = coefficient_influences(found.coefficients, samples)
    monkeypatch.setattr(Problem, "_is_wide", False)
    expected = fit(surrogate, samples)
    assert found.freedom[2] > 0, "an input of few features has errors"
    for name, value in expected._asdict().items():
        close = {"rtol": 1e-6, "atol": 1e-6}
        torch.testing.assert_close(getattr(found, name), value, **close, msg=lambda text, name=name: f"{name}: {text}")
    theirs = coefficient_influences(found.coefficients, samples)
    torch.testing.assert_close(influences[2], theirs[2], rtol=1e-6, atol=1e-6)


def test_an_efficient_fit_is_that_by_the_gram_matrix(monkeypatch):
    samples = wide(efficient=True)
    found = fit(Efficient(), samples)
    monkeypatch.setattr(Problem, "_is_wide", False)
    expected = fit(Efficient(), samples)
    # The first input has fewer rows than features, which the Gram matrix solves to 1e-5 alone.
    for name in ("coefficients", "standard_error", "score", "freedom"):
        torch.testing.assert_close(getattr(found, name)[1:], getattr(expected, name)[1:], rtol=1e-6, atol=1e-6)
    whole = samples.outputs[:, 0] - samples.outputs[:, 1]
    torch.testing.assert_close(found.coefficients.sum(-1), whole, rtol=1e-6, atol=1e-6)


def test_a_wide_ridge_is_that_of_scikit_learn():
    samples = wide(batch=1)
    found = fit(Ridge(2.0, absolute=True), samples)
    theirs = linear_model.Ridge(2.0, solver="svd").fit(samples.design[0], samples.outputs[0], samples.weights[0])
    np.testing.assert_allclose(found.coefficients[0], theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(found.intercept[0], theirs.intercept_, atol=1e-8)


def test_the_default_on_a_wide_problem_is_the_shortest_of_all_exact_fits():
    samples = wide(batch=1)
    found = fit(Ridge(0.0), samples)
    problem = centred_problem(samples)
    shortest = np.linalg.lstsq(problem.x[0].numpy(), problem.y[0].numpy(), rcond=1e-10)[0]
    np.testing.assert_allclose(found.coefficients[0], shortest.T, atol=1e-6)


@pytest.mark.parametrize("surrogate", [Ridge(), Ridge(0.3)])
def test_no_tensor_of_a_wide_fit_is_of_the_gram_matrix_size(surrogate):
    n, d = 24, 2000
    samples = wide(n, d, batch=1)
    with Largest() as largest:
        fit(surrogate, samples)
    assert largest.elements < 10 * n * d
    with Largest() as largest:
        _ = centred_problem(samples).gram  # which is there for those who ask for it
    assert largest.elements == d * d


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that is computed."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(part, torch.Tensor):
                self.elements = max(self.elements, part.numel())
        return result
