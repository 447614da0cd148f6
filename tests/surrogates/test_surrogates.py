"""Surrogates agree with scikit-learn, and their errors with a simulation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import linear_model

from lime_callback import Features, Lasso, Ridge, explain
from lime_callback.surrogates.fitted_rows import Samples
from lime_callback.surrogates.fitting import fit
from lime_callback.surrogates.surrogate_names import resolve_surrogate


def problems(batch=5, n=90, d=12, targets=3, seed=0, shared=False):
    generator = torch.Generator().manual_seed(seed)
    first = 1 if shared else batch
    design = torch.rand(first, n, d, generator=generator) < 0.5
    weights = torch.rand(first, n, generator=generator, dtype=torch.float64) + 0.05
    truth = torch.randn(batch, d, targets, generator=generator, dtype=torch.float64)
    truth[:, d // 2 :] *= 0.02
    noise = torch.randn(batch, n, targets, generator=generator, dtype=torch.float64)
    return Samples(design, weights, design.double() @ truth + 0.3 * noise + 2.0)


def by_sklearn(make, samples):
    outputs = samples.outputs
    design = samples.design.expand(len(outputs), -1, -1).double().numpy()
    weights = samples.weights.expand(len(outputs), -1).numpy()
    coefficients = np.empty((len(outputs), outputs.shape[2], design.shape[2]))
    intercept, score = np.empty(coefficients.shape[:2]), np.empty(coefficients.shape[:2])
    for b in range(len(outputs)):
        for t in range(outputs.shape[2]):
            y = outputs[b, :, t].numpy()
            model = make().fit(design[b], y, sample_weight=weights[b])
            coefficients[b, t], intercept[b, t] = model.coef_, model.intercept_
            score[b, t] = model.score(design[b], y, sample_weight=weights[b])
    return coefficients, intercept, score


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Ridge(0.0), lambda: linear_model.LinearRegression()),
        (Ridge(1.0, absolute=True), lambda: linear_model.Ridge(1.0)),
        (Ridge(30.0, absolute=True), lambda: linear_model.Ridge(30.0)),
        (Lasso(0.001), lambda: linear_model.Lasso(0.001, tol=1e-12, max_iter=100_000)),
        (Lasso(0.05), lambda: linear_model.Lasso(0.05, tol=1e-12, max_iter=100_000)),
        (Lasso(100.0), lambda: linear_model.Lasso(100.0)),
        (linear_model.ElasticNet(0.01, tol=1e-12), lambda: linear_model.ElasticNet(0.01, tol=1e-12)),
    ],
    ids=lambda value: repr(value) if not callable(value) else "",
)
def test_agrees_with_sklearn(ours, theirs, shared):
    samples = problems(shared=shared)
    found = fit(resolve_surrogate(ours), samples)
    coefficients, intercept, score = by_sklearn(theirs, samples)
    np.testing.assert_allclose(found.coefficients, coefficients, atol=1e-5)
    np.testing.assert_allclose(found.intercept, intercept, atol=1e-5)
    np.testing.assert_allclose(found.fit_score, score, atol=1e-5)


@pytest.mark.parametrize(
    ("surrogate", "theirs"),
    [
        ("ridge", linear_model.Ridge(1e-6)),
        (Ridge(1.0, absolute=True), linear_model.Ridge(1.0)),
        (Lasso(0.001), linear_model.Lasso(0.001, tol=1e-12, max_iter=100_000)),
        (Ridge(0.0), linear_model.LinearRegression()),
        (linear_model.LinearRegression(), linear_model.LinearRegression()),
        (linear_model.BayesianRidge(tol=1e-9), linear_model.BayesianRidge(tol=1e-9)),
        (linear_model.ElasticNet(0.01, tol=1e-12), linear_model.ElasticNet(0.01, tol=1e-12)),
    ],
    ids=["ridge", "ridge 1", "lasso 0.001", "least squares", "their least squares", "bayesian ridge", "elastic net"],
)
def test_surrogates_ridge_lasso_least_squares_any_linear_model_and_r2(surrogate, theirs):
    """From `explain` on: coefficients, intercept and weighted R² of the model's own outputs are scikit-learn's."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    features = Features.from_mask(torch.arange(8)[None], layout="C")

    def model(v):
        return torch.stack([v.sum(1).tanh() + 0.3 * v[:, 0] * v[:, 1], (v @ v.new_tensor(range(8))).sin()], 1)

    found = explain(model, x, features, n_perturbations=100, surrogate=surrogate)
    samples = found.samples
    for b in range(2):
        rows, weights = samples.design[0].double().numpy(), samples.weights[0].numpy()
        for t in range(2):
            y = samples.outputs[b, :, t].numpy()
            one = theirs.fit(rows, y, sample_weight=weights)
            np.testing.assert_allclose(found.coefficients[b, t], one.coef_, atol=1e-4)
            assert float(found.intercept[b, t]) == pytest.approx(one.intercept_, abs=1e-4)
            assert float(found.fit_score[b, t]) == pytest.approx(one.score(rows, y, sample_weight=weights), abs=1e-4)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_a_penalty_means_the_same_whatever_the_weights_and_the_number_of_rows(strength):
    """It stands beside the mean squared error, so that a narrow kernel shrinks no more than a wide one."""
    samples = problems()
    found = fit(Ridge(strength), samples)
    lighter = replace(samples, weights=samples.weights / 1000)
    twice = replace(
        samples, **{name: getattr(samples, name).repeat(1, 2, 1)[..., :12] for name in ("design", "outputs")},
        weights=samples.weights.repeat(1, 2),
    )  # fmt: skip
    for other in (lighter, twice):
        torch.testing.assert_close(fit(Ridge(strength), other).coefficients, found.coefficients, atol=1e-9, rtol=0)
    total = float(samples.weights[0].sum())
    first = Samples(samples.design[:1], samples.weights[:1], samples.outputs[:1])
    coefficients, _, _ = by_sklearn(lambda: linear_model.Ridge(strength * total), first)
    np.testing.assert_allclose(found.coefficients[:1], coefficients, atol=1e-7)


def test_lasso_sets_coefficients_to_zero_exactly():
    found = fit(Lasso(0.05), problems())
    assert 0.2 < (found.coefficients == 0).double().mean() < 0.8


def test_lasso_meets_its_optimality_conditions_when_features_are_nearly_the_same():
    samples = problems(batch=1, n=60, d=8, targets=1)
    design = samples.design.clone()
    design[:, :, 1] = design[:, :, 0]
    design[:, 0, 1] = ~design[:, 0, 1]
    samples = Samples(design, samples.weights, samples.outputs)
    coefficients, _, _ = by_sklearn(lambda: linear_model.Lasso(0.01, tol=1e-13, max_iter=1_000_000), samples)
    np.testing.assert_allclose(fit(Lasso(0.01), samples).coefficients, coefficients, atol=1e-5)


def test_an_estimator_without_sample_weights_gets_weighted_rows():
    samples = problems()
    found = fit(resolve_surrogate(linear_model.OrthogonalMatchingPursuit(n_nonzero_coefs=12)), samples)
    torch.testing.assert_close(found.coefficients, fit(Ridge(0.0), samples).coefficients, atol=1e-5, rtol=0)


def test_an_estimator_of_the_user_is_never_fitted_itself():
    estimator = linear_model.LinearRegression()
    fit(resolve_surrogate(estimator), problems())
    assert not hasattr(estimator, "coef_")


def test_an_estimator_that_is_not_linear_is_refused():
    from sklearn.neighbors import KNeighborsRegressor

    with pytest.raises(TypeError, match=r"`surrogate` should be a linear regressor.*Found a KNeighborsRegressor"):
        resolve_surrogate(KNeighborsRegressor())


def test_batch_equals_one_by_one():
    samples = problems()
    together = fit(Ridge(), samples)
    for b in range(len(samples.outputs)):
        one = Samples(samples.design[b : b + 1], samples.weights[b : b + 1], samples.outputs[b : b + 1])
        for whole, single in zip(together[:4], fit(Ridge(), one)[:4], strict=True):
            torch.testing.assert_close(whole[b : b + 1], single, atol=1e-10, rtol=1e-10)


def test_the_order_of_rows_does_not_matter():
    samples = problems()
    order = torch.randperm(samples.design.shape[1], generator=torch.Generator().manual_seed(1))
    shuffled = Samples(samples.design[:, order], samples.weights[:, order], samples.outputs[:, order])
    for surrogate in (Ridge(), Lasso(0.01)):
        one, other = (fit(surrogate, some)._asdict() for some in (samples, shuffled))
        if surrogate.shrinks:  # the folds that are left out, one after another, are others then
            torch.testing.assert_close(one.pop("score"), other.pop("score"), atol=0.05, rtol=0)
        for name, found in one.items():
            torch.testing.assert_close(found, other[name], atol=1e-7, rtol=1e-7)


def test_a_feature_that_never_varies_has_no_effect_on_the_others():
    samples = problems()
    dead = torch.zeros(5, 90, 1, dtype=torch.bool)
    padded = Samples(torch.cat([samples.design, dead], -1), samples.weights, samples.outputs)
    found, reference = fit(Ridge(0.0), padded), fit(Ridge(0.0), samples)
    torch.testing.assert_close(found.coefficients[..., :-1], reference.coefficients, atol=1e-8, rtol=0)
    assert (found.coefficients[..., -1] == 0).all()
    assert (found.standard_error[..., -1] == 0).all()


def test_constant_output_has_score_zero_and_is_told():
    samples = problems()
    outputs = samples.outputs.float().clone()
    outputs[1, :, 0] = 1234.5
    found = fit(Ridge(), Samples(samples.design, samples.weights, outputs))
    assert found.constant.nonzero().tolist() == [[1, 0]]
    assert found.score[1, 0] == 0
    assert found.coefficients[1, 0].abs().max() < 1e-9


def test_autocast_does_not_reach_the_fit():
    samples = problems()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = fit(Ridge(), samples)
    torch.testing.assert_close(inside.coefficients, fit(Ridge(), samples).coefficients, atol=0, rtol=0)


@pytest.mark.parametrize("group", [1, 2])
def test_standard_errors_are_those_of_repeated_draws(group):
    """Noise that differs from row to row, and is the same in the rows of a group: the error that is stated is the one
    there is."""
    repetitions, n, d = 600, 160, 6
    generator = torch.Generator().manual_seed(3)
    design = torch.rand(repetitions, n, d, generator=generator) < 0.5
    z = design.double()
    spread = 0.2 + 2.0 * z[..., 0]
    noise = torch.randn(repetitions, n // group, generator=generator, dtype=torch.float64).repeat_interleave(group, 1)
    outputs = (z @ torch.linspace(-1, 1, d, dtype=torch.float64) + spread * noise).unsqueeze(-1)
    if group == 2:  # neighbours that differ in all features, as paired designs have them
        design[:, 1::2] = ~design[:, ::2]
        outputs = (design.double() @ torch.linspace(-1, 1, d, dtype=torch.float64) + spread * noise).unsqueeze(-1)
    found = fit(Ridge(0.0), Samples(design, torch.ones(repetitions, n, dtype=torch.float64), outputs, group))
    real = found.coefficients[:, 0].std(0)
    stated = found.standard_error[:, 0].square().mean(0).sqrt()
    np.testing.assert_allclose(stated / real, 1.0, atol=0.12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ridge(-1.0), "`alpha` should be at least 0. Found `alpha = -1.0`"),
        (lambda: Lasso(0.0), "`alpha` should be above 0"),
        (lambda: Lasso(tolerance=0.0), "`tolerance` should be above 0"),
        (lambda: Lasso(max_iterations=0), "`max_iterations` should be a whole number of at least 1"),
        (lambda: resolve_surrogate("elastic"), "`surrogate` should be one of 'ridge', 'lasso'.*'elastic'"),
    ],
)
def test_wrong_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
