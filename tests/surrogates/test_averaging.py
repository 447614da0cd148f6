"""Rows that are asked with several samples in place of what is hidden, and averaged before the fit."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lime_callback import Features, Ridge, explain
from lime_callback.comparing.drift import compare
from lime_callback.explaining import explain_batch
from lime_callback.explaining.explanation_from_fit import refitted_like
from lime_callback.explaining.strategies import Strategies
from lime_callback.sampling.baselines import Background
from lime_callback.sampling.designs import DESIGNS
from lime_callback.sampling.hidden_values import draw_samples
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.locality_kernels import Cosine
from lime_callback.surrogates.averaged_rows import RowCounts, averaged, rows_to_ask
from lime_callback.surrogates.fitted_rows import Samples
from lime_callback.surrogates.fitting import coefficient_influences, fit

EXACT = Ridge(0.0)
SIZES = (6, 12, 20)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(d):
    """A model with thresholds and interactions, an input, and a background of 9: 8 samples for each row."""
    weight, bend = normal(d, seed=d), normal(d, d, seed=d + 1) / d

    def model(x):
        return x @ weight + 2 * torch.tanh(x @ bend[:, 0] * d**0.5) + (x @ bend * x).sum(1)

    features = Features.from_mask(torch.arange(d)[None], layout="C")
    return model, normal(1, d, seed=d + 2), features, normal(9, d, seed=d + 3)


def ask_once(monkeypatch):
    monkeypatch.setattr(explain_batch, "rows_to_ask", lambda design, kernel, n, d, grounds: RowCounts(n, n))


@pytest.mark.parametrize("d", SIZES)
def test_coefficients_are_of_the_mean_over_samples_and_intervals_hold_it(d):
    model, x, features, data = asked(d)
    how = {"baseline": "background", "background": data, "surrogate": EXACT}
    right = explain(model, x, features, **how, n_perturbations=60_000, design="paired", seed=1_000).coefficients
    found = [explain(model, x, features, **how, seed=seed) for seed in range(60)]
    assert all(one.samples.period == 64 for one in found)
    away = torch.stack([one.coefficients - right for one in found])
    inside = away.abs() <= torch.stack([one.half_widths() for one in found])
    assert float(inside.double().mean()) >= 0.9
    bias, noise = away.mean(0), away.std(0) / 60**0.5
    assert float((bias.abs() <= 3.5 * noise + 1e-9).double().mean()) == 1.0


@pytest.mark.parametrize("d", SIZES)
def test_the_score_is_that_of_fresh_averaged_rows_and_higher_than_of_single_ones(d, monkeypatch):
    model, x, features, data = asked(d)
    how = {"baseline": "background", "background": data, "surrogate": EXACT}
    g = torch.Generator().manual_seed(7)
    fresh = torch.rand(4_000, d, generator=g) < 0.5
    donors = torch.stack([torch.randperm(9, generator=g)[:4] for _ in range(4_000)])
    own = draw_samples(x, data, 2, [0]).own[0]
    y = torch.stack([model(torch.where(fresh, x, data[own[donors[:, k] % 8]])) for k in range(4)]).mean(0)
    weights = Cosine()(fresh[None], torch.ones(1, d, dtype=torch.bool))[0]
    stated, real = [], []
    for seed in range(30):
        found = explain(model, x, features, **how, seed=seed)
        left = y - found.intercept[0] - fresh.double() @ found.coefficients[0, 0]
        mean = (weights * y).sum() / weights.sum()
        real.append(float(1 - (weights * left**2).sum() / (weights * (y - mean) ** 2).sum()))
        stated.append(float(found.score))
    assert sum(stated) / 30 == pytest.approx(sum(real) / 30, abs=0.1)
    ask_once(monkeypatch)
    single = [float(explain(model, x, features, **how, seed=seed).score) for seed in range(30)]
    assert sum(stated) > sum(single) + 30 * 0.05


def test_all_rows_with_all_samples_leave_nothing_to_chance():
    model, x, features, data = asked(4)
    how = {"baseline": "background", "background": data, "surrogate": EXACT}
    one, other = (explain(model, x, features, **how, seed=seed) for seed in (0, 1))
    assert one.n_perturbations == 16 * 8
    torch.testing.assert_close(one.coefficients, other.coefficients)
    assert not bool(one.standard_error.any())
    assert bool(one.freedom.isinf().all())
    torch.testing.assert_close(one.score, one.fit_score)
    part = replace(one.samples, **{n: getattr(one.samples, n)[:, :64] for n in ("design", "weights", "outputs")})
    assert bool((fit(EXACT, replace(part, chance=True)).standard_error > 0).all())


def test_averaging_changes_no_coefficient():
    """A weighted fit to all rows and one to their weighted means are the same."""
    for n in (256, 250):
        design, weights = normal(2, 64, 5) > 0, normal(2, n, seed=1).abs() + 0.1
        rows = design[:, torch.arange(n) % 64]
        samples = Samples(rows, weights, rows.double() @ normal(5, 3, seed=2) + normal(2, n, 3, seed=3), 2)
        apart, together = fit(Ridge(0.3), samples), fit(Ridge(0.3), replace(samples, period=64))
        torch.testing.assert_close(together.coefficients, apart.coefficients)
        torch.testing.assert_close(together.intercept, apart.intercept)
        assert averaged(replace(samples, period=64)).design.shape == (2, 64, 5)
        assert coefficient_influences(together.coefficients, replace(samples, period=64)).shape == (2, 32, 3, 5)
        assert averaged(samples) is samples


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 3), st.integers(0, 99))
def test_a_row_has_another_sample_each_time(half, times, missing, seed):
    x, data = normal(2, 3), normal(9, 3, seed=1)
    period = 2 * half
    n = max(period, period * times - missing)
    choice = draw_samples(x, data, n, [seed, seed + 1], period).choice
    assert choice.shape == (2, n)
    for row in range(period):
        got = choice[:, row::period]
        assert all(len(set(one)) == got.shape[1] for one in got.tolist())
    assert torch.equal(choice[:, ::2][:, : n // 2], choice[:, 1::2])  # a row and its complement
    assert torch.equal(choice[:, :period], draw_samples(x, data, period, [seed, seed + 1]).choice)
    counts = torch.stack([torch.bincount(one[:period:2], minlength=8) for one in choice])
    assert int(counts.max() - counts.min()) <= 1


@pytest.mark.parametrize("name", DESIGNS)
def test_rows_are_asked_again_only_where_there_are_enough(name):
    design = DESIGNS[name]()
    assert rows_to_ask(design, Cosine(), 24, 6, 8) == (24, 24)
    assert rows_to_ask(design, Cosine(), 256, 150, 8) == (256, 256)
    assert rows_to_ask(design, Cosine(), 256, 12, 1) == (256, 256)
    assert rows_to_ask(design, InputCosine(0.5), 256, 12, 8) == (256, 256)
    n, period = rows_to_ask(design, Cosine(), 256, 12, 8)
    assert (n, period) == (256, 128 if name == "paired" else 64)
    assert rows_to_ask(design, Cosine(), 256, 12, 3) == (256, 128)
    assert rows_to_ask(design, Cosine(), 251, 12, 3).period % 2 == 0
    assert rows_to_ask(design, Cosine(0.001), 256, 12, 8) == (256, 256)  # which lets hardly any row count


@pytest.mark.parametrize("used", [128, 64, 32])
def test_fewer_rows_are_asked_with_fewer_samples_first_and_compare_with_earlier_ones(used):
    model, x, features, data = asked(12)
    settings = Strategies(baseline=Background(), surrogate=EXACT)

    def explained(model, used=None):
        return explain_batch.explain_batch(
            lambda x, _: model(x), x, features, None, settings=settings, batch_size=64, seeds=[3], used=used,
            background=data,
        ).explanation  # fmt: skip

    whole, few = explained(model), explained(model, used)
    assert few.n_perturbations == used
    assert few.samples.period == (64 if used > 64 else None)
    again = refitted_like(whole, few, EXACT)
    torch.testing.assert_close(again.coefficients, few.coefficients)
    torch.testing.assert_close(again.standard_error, few.standard_error)
    for name in ("period", "chance", "group"):
        assert getattr(again.samples, name) == getattr(few.samples, name)
    assert float(compare(again, few).drift.abs().max()) < 1e-9
    changed = compare(whole, explained(lambda x: model(x) + 0.1 * x[:, 0]))
    assert float(changed.change_error.max()) < 0.2 * float(whole.standard_error.min())  # noise that both share cancels


def test_a_file_keeps_what_was_averaged(tmp_path):
    model, x, features, data = asked(12)
    found = explain(model, x, features, baseline="background", background=data)
    found.save(tmp_path / "one.npz")
    loaded = type(found).load(tmp_path / "one.npz")
    assert loaded.samples.period == found.samples.period == 64
    again = fit(Ridge(), loaded.samples)
    torch.testing.assert_close(again.coefficients, found.coefficients)
    torch.testing.assert_close(again.score, found.score)
