"""Figures mean what they say on many models, sizes and seeds: errors cover, scores predict, and noise is noise."""

import pytest
import torch
from sklearn.linear_model import BayesianRidge, LinearRegression

from lime_callback import Explanation, Features, Lasso, Ridge, explain
from lime_callback.explaining.explain_batch import explain_batch
from lime_callback.explaining.strategies import Strategies
from lime_callback.following.explanation_checkpoint import explanation_of, explanation_state
from lime_callback.sampling.designs import Bernoulli, Orthogonal, Paired, draw_designs
from lime_callback.sampling.locality_kernels import Cosine, Uniform
from lime_callback.surrogates.confidence_intervals import critical_value
from lime_callback.surrogates.fitted_rows import Samples
from lime_callback.surrogates.fitting import fit

few = pytest.mark.filterwarnings("ignore:The explanation of input .* is (uncertain|degenerate)")


def rng(seed):
    return torch.Generator().manual_seed(seed)


def model(d, kind="mixed", seed=0):
    """A model of rows of 0 and 1, ``[m, d]`` to ``[m]``, that no linear one is equal to."""
    main = torch.randn(d, generator=rng(seed), dtype=torch.float64)
    pairs, triples = (torch.randint(0, d, (2 * d, size), generator=rng(seed + size)) for size in (2, 3))
    at, order = main.sum() / 2, torch.randperm(d, generator=rng(seed + 9))

    def forward(z):
        z = z.double()
        if kind == "threshold":
            return ((z @ main) > at).double()
        if kind == "maximum":
            return z[:, order[:4]].amax(1) + z @ main / 10
        if kind == "saturating":
            return (3 * (z @ main - at) / d**0.5).tanh()
        if kind == "sparse":
            return z[:, order[0]] * 2 - z[:, order[1]] + z[:, order[:2]].prod(1)
        products = z[:, pairs].prod(2).sum(1) + 2 * (z[:, triples] - 0.5).prod(2).sum(1)
        return z @ main + products / 2

    return forward


def explained(forward, n, d, seeds, **settings):
    """One explanation a seed, of the same input: all features are 1."""
    x = torch.ones(len(seeds), d, dtype=torch.float64)
    features = torch.arange(d)[None]
    return explain(forward, x, features, n_perturbations=n, baseline="zero", seed=seeds, batch_size=8192, **settings)


def endless(forward, d, **settings):
    """What rows without end would give, to some hundredths of the errors of a few hundred rows."""
    return explained(forward, 30_000, d, [2**30], design="bernoulli", **settings).coefficients[0, 0]


def covered(found, truth, **how):
    """For each seed and feature whether the interval holds the truth; the margin is rounding."""
    return (found.coefficients[:, 0] - truth).abs() <= found.half_widths(**how)[:, 0] + 1e-9


# ---------------------------------------------------------------------------------------------------------------------
# Errors.


@few
@pytest.mark.parametrize("kind", ["mixed", "threshold", "saturating"])
@pytest.mark.parametrize(("d", "n"), [(20, 256), (100, 256), (196, 256), (50, 128), (64, 128), (128, 256)])
def test_intervals_of_the_default_cover(d, n, kind):
    """Half as many features as rows leave pairs no odd residual; 196 of 256 leave few rows to spare."""
    forward = model(d, kind, seed=d + n)
    found = explained(forward, n, d, range(60))
    truth = endless(forward, d)
    assert (found.freedom > 0).all()
    assert float(covered(found, truth).double().mean()) >= 0.92
    true = (found.coefficients[:, 0] - truth).square().mean().sqrt()
    stated = found.standard_error[:, 0].square().mean().sqrt()
    assert 0.8 < float(stated / true) < 1.6


@few
@pytest.mark.parametrize("design", [None, "paired", "bernoulli"])
@pytest.mark.parametrize("width", [0.12, 0.2, 1.0])
def test_intervals_know_the_weights_of_the_kernel(design, width):
    d, n = 16, 1024
    forward = model(d, "saturating", seed=3)
    found = explained(forward, n, d, range(60), design=design, kernel=Cosine(width))
    assert (found.freedom > 0).all()
    assert (found.effective_rows < n).all()
    truth = explained(forward, 2**16, d, [0], kernel=Cosine(width)).coefficients[0, 0]
    assert float(covered(found, truth).double().mean()) >= 0.90


@few
@pytest.mark.parametrize("design", [None, "paired", "bernoulli"])
def test_of_a_kernel_that_leaves_few_rows_no_interval_is_stated(design):
    """A cosine width of 0.06 counts some 8 of 256 rows."""
    found = explained(model(16), 256, 16, range(10), design=design, kernel=Cosine(0.06))
    assert (found.effective_rows < 30).all()
    assert (found.freedom == 0).all()
    assert found.standard_error.isinf().all()
    assert found.half_widths().isinf().all()
    assert (found.score <= 0).all()


@few
@pytest.mark.parametrize(("d", "n"), [(128, 128), (100, 118), (256, 300), (20, 40), (3, 20)])
def test_too_few_rows_state_nothing_and_pass_no_gate(d, n):
    found = explained(model(d), n, d, range(5), design="bernoulli")
    assert (found.freedom == 0).all()
    assert found.standard_error.isinf().all()
    assert (found.score <= 0).all()


def test_too_few_rows_are_told_with_a_number_that_suffices():
    for d in (3, 20, 128):
        with pytest.warns(UserWarning, match="is degenerate: .* are too few to tell") as told:
            explained(model(d), max(d, 20), d, [0], design="paired")
        advised = int(str(told[0].message).split("best to ")[1].split(" ")[0])
        assert (explained(model(d), advised, d, range(5), design="paired").freedom > 0).all()


def test_few_rows_are_told():
    with pytest.warns(UserWarning, match="input 0 is uncertain: its 256 perturbations are few for 150 features"):
        explained(model(150), 256, 150, [0])


@few
@pytest.mark.parametrize("surrogate", [Lasso(0.05), Ridge(0.05), Ridge(30.0, absolute=True)], ids=repr)
def test_intervals_around_shrunk_coefficients_cover(surrogate):
    d, n = 20, 256
    forward = model(d, seed=5)
    found = explained(forward, n, d, range(60), surrogate=surrogate)
    truth = endless(forward, d)  # without a penalty: what the model does
    strong = truth.abs() > truth.abs().median()
    assert ((found.coefficients[:, 0].mean(0) / truth)[strong] < 0.97).all()
    assert float(covered(found, truth)[:, strong].double().mean()) >= 0.92


@few
@pytest.mark.parametrize(("d", "n"), [(20, 256), (100, 256), (196, 256)])
def test_all_intervals_hold_together(d, n):
    """Of pure noise the strongest features are those that chance made strong; their intervals know it."""
    samples = noise(Orthogonal(), n, d, 300)
    found = fit(Ridge(), samples)
    factors = [float(critical_value(float(found.freedom), of=of)) for of in (1, d)]
    outside = [(found.coefficients[0].abs() > factor * found.standard_error[0]) for factor in factors]
    assert 0.01 < float(outside[0].double().mean()) < 0.08
    assert float(outside[1].any(1).double().mean()) <= 0.09
    one = explained(model(d), n, d, [0])
    each, together = one.half_widths(), one.half_widths(simultaneous=True)
    assert (together > each).all()
    torch.testing.assert_close(together / each, torch.full_like(each, factors[1] / factors[0]), rtol=0.05, atol=0)


def test_features_that_an_input_lacks_have_no_part_in_it():
    """Of two inputs one has 40 features and the other 10: errors, scores and intervals are those of each alone."""
    mask = torch.stack([torch.arange(40), torch.arange(40) % 10])
    x = torch.rand(2, 40, generator=rng(0), dtype=torch.float64)
    weight = torch.randn(40, generator=rng(1), dtype=torch.float64)

    def forward(v):
        return (v @ weight).sin() + v[:, :4].prod(1)

    settings = {"n_perturbations": 256, "baseline": "zero", "design": Orthogonal(pairs=True), "seed": [5, 6]}
    found = explain(forward, x, Features.from_mask(mask), **settings)
    assert found.freedom[1] > found.freedom[0] > 0
    for b, d in enumerate((40, 10)):
        alone = explain(
            forward, x[b : b + 1], Features.from_mask(mask[b : b + 1]), **settings | {"seed": [5 + b]}
        )  # fmt: skip
        for name in ("score", "fit_score", "gap", "freedom", "effective_rows", "hidden"):
            torch.testing.assert_close(getattr(found, name)[b], getattr(alone, name)[0], atol=1e-6, rtol=1e-6)
        for one, other in (
            (found.standard_error, alone.standard_error),
            (found.half_widths(simultaneous=True), alone.half_widths(simultaneous=True)),
            (found.effects, alone.effects),
        ):
            torch.testing.assert_close(one[b, :, :d], other[0], atol=1e-6, rtol=1e-6)
            assert (one[b, :, d:] == 0).all()


# ---------------------------------------------------------------------------------------------------------------------
# Scores.


def noise(design, n, d, targets, seed=0):
    """A design with outputs that have nothing to do with it."""
    rows = draw_designs(design, n, torch.ones(1, d, dtype=torch.bool), [seed])
    outputs = torch.randn(1, len(rows[0]), targets, generator=rng(seed), dtype=torch.float64)
    return Samples(rows, Cosine()(rows, torch.ones(1, d, dtype=torch.bool)).double(), outputs, design.group(n, d))


@pytest.mark.parametrize("design", [Orthogonal(), Paired(), Bernoulli()], ids=repr)
@pytest.mark.parametrize(("d", "n"), [(10, 64), (20, 256), (100, 256), (150, 256), (196, 256), (100, 128), (300, 512)])
def test_noise_passes_no_gate(design, d, n):
    found = fit(Ridge(), noise(design, n, d, 400))
    assert float((found.score > 0.2).double().mean()) <= 0.02
    own = min(d, n // 2) if isinstance(design, Paired) else d  # what is the same in both rows of a pair fits nothing
    assert float(found.fit_score.mean()) > 0.9 * own / n  # the share of noise that fits itself


@pytest.mark.parametrize("surrogate", [Lasso(0.02), Ridge(0.01)], ids=repr)
def test_noise_passes_no_gate_of_a_penalised_fit(surrogate):
    found = fit(surrogate, noise(Orthogonal(), 256, 100, 40))
    assert (found.score < 0.2).all()
    assert (found.fit_score > 0.2).all()


def on_fresh_rows(found, forward, d, kernel):
    """R² of an explanation's surrogates on rows of another draw, ``[B]``."""
    present = torch.ones(1, d, dtype=torch.bool)
    rows = draw_designs(Bernoulli(), 4096, present, [2**29])
    share = kernel(rows, present)[0].double()
    share, z = share / share.sum(), rows[0].double()
    y = forward(z)
    predicted = z @ found.coefficients[:, 0].T + found.intercept[:, 0]
    left = (share[:, None] * (y[:, None] - predicted).square()).sum(0)
    return 1 - left / (share * (y - (share * y).sum()).square()).sum()


SURROGATES = (Ridge(), Lasso(0.01), Lasso(0.1), Ridge(0.05), LinearRegression())
SIZES = ((12, 100), (20, 256), (100, 256), (196, 256), (50, 128), (128, 512))
SCORED = [  # the lasso of many features takes long, and is the same
    (d, n, one) for d, n in SIZES for one in SURROGATES if d <= 100 or not isinstance(one, Lasso)
]


@few
@pytest.mark.parametrize("kind", ["mixed", "threshold", "maximum", "saturating", "sparse"])
@pytest.mark.parametrize(("d", "n", "surrogate"), SCORED, ids=lambda one: repr(one)[:12])
def test_scores_are_those_of_fresh_rows(d, n, kind, surrogate):
    forward = model(d, kind, seed=2 * d + n)
    found = explained(forward, n, d, range(12), surrogate=surrogate)
    fresh = on_fresh_rows(found, forward, d, Cosine()).clamp(min=-1)
    away = found.score[:, 0] - fresh
    assert float(away.mean()) < 0.1
    if (found.freedom > 0).all():
        assert float(away.mean()) > -0.15
        assert (found.score <= found.fit_score).all()


@few
@pytest.mark.parametrize("kind", ["mixed", "threshold"])
@pytest.mark.parametrize(("d", "n"), [(20, 256), (60, 512)])
def test_scores_of_any_linear_regressor_are_those_of_fresh_rows(d, n, kind):
    """Without a closed form it is fitted again, to four fifths of the rows, which makes it look a little worse."""
    forward = model(d, kind, seed=2 * d + n)
    found = explained(forward, n, d, range(12), surrogate=BayesianRidge())
    away = found.score[:, 0] - on_fresh_rows(found, forward, d, Cosine())
    assert -0.15 < float(away.mean()) < 0.05


def test_a_narrow_kernel_and_a_penalty_shrink_nothing_without_a_word():
    """The penalty is relative to the weights, so that a linear model is found under a narrow kernel, too."""
    d = 16
    weight = torch.linspace(-1, 1, d, dtype=torch.float64)
    found = explained(lambda z: z @ weight, 2048, d, [0], kernel=Cosine(0.1))
    torch.testing.assert_close(found.coefficients[0, 0], weight, atol=1e-4, rtol=0)


# ---------------------------------------------------------------------------------------------------------------------
# Effects, the gap, and what is hidden.


def test_effects_are_shares_and_what_is_not_used_has_none():
    """The share of what is not used falls as noise does with the number of rows, and has no sign."""
    d, used = 20, 3

    def forward(z):
        return 2 * z[:, 0] - z[:, 1] + 3 * z[:, :3].prod(1)

    unused, raw = [], []
    for n in (128, 512, 2048):
        found = explained(forward, n, d, range(40))
        torch.testing.assert_close(found.effects.abs().sum(-1), torch.ones(40, 1, dtype=torch.float64))
        assert torch.equal(found.effects.sign().abs(), (found.effects != 0).double())
        unused.append(float(found.effects[:, 0, used:].abs().sum(-1).mean()))
        shares = found.coefficients[:, 0].abs()
        raw.append(float((shares[:, used:].sum(-1) / shares.sum(-1)).mean()))
        off = found.effects[:, 0, used:].mean(0)
        assert float(off.abs().max()) < 4 * float(found.effects[:, 0, used:].std() / 40**0.5)
    assert unused[0] > unused[1] > unused[2]
    assert unused[2] < 0.35 * unused[0]  # a quarter of it, by 16 times as many rows
    assert unused[2] < 0.05
    assert all(one < 0.5 * other for one, other in zip(unused, raw, strict=True))


def test_effects_of_one_model_do_not_depend_on_how_it_is_asked():
    """Of any number of features, any rows and any unit a linear model's effects are the same."""
    weight = torch.tensor([4.0, -3.0, 2.0, 0.5, 0.5], dtype=torch.float64)
    expected = weight / 10
    for settings in ({}, {"design": "bernoulli"}, {"kernel": "none"}, {"n_perturbations": 100}):
        for unit in (1.0, 1e-3):
            x, features = torch.ones(1, 5, dtype=torch.float64), torch.arange(5)[None]
            how = {"baseline": "zero", "n_perturbations": 200} | settings
            found = explain(lambda z, unit=unit: unit * (z @ weight), x, features, **how)
            torch.testing.assert_close(found.effects[0, 0], expected, atol=1e-5, rtol=0)
    one = explain(
        lambda z: 27 * z[:, 0], torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1).long(), baseline="zero"
    )
    assert float(one.effects) == 1


def test_the_gap_is_what_the_surrogate_is_off_at_the_input():
    """Of a product of two features the best line says 3/4 where both are on, and the deviation is sqrt(3)/4."""
    found = explained(lambda z: z[:, 0] * z[:, 1], 4, 2, [0], kernel=Uniform())
    assert float(found.gap) == pytest.approx(-0.25 / (3**0.5 / 4), abs=1e-6)
    assert float(explained(lambda z: z.sum(1), 64, 4, [0]).gap) == pytest.approx(0, abs=1e-6)


def test_what_is_left_when_all_is_hidden():
    """Elements of no feature stay; inputs and targets each have their own."""
    x = torch.tensor([[1.0, 2.0, 4.0, 8.0], [3.0, 5.0, 7.0, 9.0]], dtype=torch.float64)
    features = Features.from_mask(torch.tensor([[0, 1, 2, -1]]))

    def forward(v):
        return torch.stack([v.sum(1), 10 + v[:, 3] * v[:, 0]], 1)

    found = explain(forward, x, features, baseline=torch.full((4,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(found.hidden, torch.tensor([[9.5, 14.0], [10.5, 14.5]], dtype=torch.float64))
    torch.testing.assert_close(found.whole_effect, found.prediction - found.hidden)
    torch.testing.assert_close(found.whole_effect[:, 0], (x[:, :3] - 0.5).sum(1))
    assert torch.equal(explain(forward, x, features, [1]).hidden, explain(forward, x, features).hidden[:, 1:])


# ---------------------------------------------------------------------------------------------------------------------
# There and back.

FIELDS = (
    "coefficients", "standard_error", "intercept", "score", "fit_score", "gap", "freedom", "effective_rows", "targets",
    "prediction", "hidden", "fingerprint",
)  # fmt: skip


@few
@pytest.mark.parametrize(("d", "n"), [(3, 64), (20, 256), (60, 64)], ids=["all rows", "some rows", "too few"])
def test_a_file_and_a_checkpoint_keep_every_figure(tmp_path, d, n):
    found = explained(model(d), n, d, range(2))
    found.save(tmp_path / "explanation.npz")
    torch.save(explanation_state(found), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for back in (Explanation.load(tmp_path / "explanation.npz"), explanation_of(state, found.features)):
        for name in FIELDS:
            assert torch.equal(getattr(back, name), getattr(found, name)), name
        for name in ("effects", "effect_errors", "whole_effect"):
            assert torch.equal(getattr(back, name), getattr(found, name)), name
        assert torch.equal(back.half_widths(simultaneous=True), found.half_widths(simultaneous=True))


@few
@pytest.mark.parametrize(("d", "n", "used"), [(20, 512, 256), (20, 256, 128), (100, 256, 128), (60, 512, 128)])
def test_what_a_time_budget_leaves_of_the_rows_states_its_own_errors(d, n, used):
    """A half or a quarter of the rows is a design by itself: its intervals cover, or are not stated."""
    forward = model(d, "saturating", seed=d)
    x, features = torch.ones(40, d, dtype=torch.float64), Features.from_mask(torch.arange(d)[None])
    settings = Strategies(n_perturbations=n, baseline="zero")
    found = explain_batch(
        lambda rows, _: forward(rows),
        x,
        features,
        0,
        settings=settings,
        batch_size=8192,
        seeds=list(range(40)),
        used=used,
    ).explanation
    assert found.n_perturbations == used
    assert (found.freedom > 0).all()
    assert float(covered(found, endless(forward, d)).double().mean()) >= 0.92
