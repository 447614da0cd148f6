"""Means over the probes and their intervals, as pictures and loggers show them."""

from dataclasses import replace

import pytest
import torch

from lime_callback import explain
from lime_callback.following.epoch_series import EpochSeries, means_over_probes
from lime_callback.surrogates.confidence_intervals import critical_value


def explained(probes, seed=0):
    """Of a linear model of five features, each probe with weights of its own: its effects are known."""
    weights = torch.randn(probes, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = torch.ones(probes, 5, dtype=torch.float64)
    explanation = explain(lambda z: z.sum(1), x, torch.arange(5), baseline="zero", n_perturbations=32)
    return replace(explanation, coefficients=weights.unsqueeze(1), standard_error=torch.zeros(probes, 1, 5).double())


def test_effects_sizes_and_their_intervals_are_those_of_the_probes():
    explanation = explained(9)
    effects = (explanation.coefficients / explanation.coefficients.abs().sum(-1, keepdim=True))[:, 0]
    means = means_over_probes(explanation)
    torch.testing.assert_close(means.effects[0], effects.mean(0))
    torch.testing.assert_close(means.sizes[0], effects.abs().mean(0))
    half = critical_value(8.0) * effects.std(0) / 3
    torch.testing.assert_close(means.effect_halves[0], half)
    assert (means.size_lows < means.sizes).all()
    assert (means.sizes < means.size_highs).all()
    assert (means.size_lows >= 0).all()


def test_intervals_of_sizes_hold_the_mean_of_all_probes():
    """Of 400 choices of eight probes from many; sizes are skewed, so Student's t would hold too seldom."""
    everyone = explained(4000, seed=1)
    true = means_over_probes(everyone).sizes
    held = []
    for start in range(0, 3200, 8):
        part = slice(start, start + 8)
        parts = {name: getattr(everyone, name)[part] for name in ("coefficients", "standard_error", "score", "freedom")}
        means = means_over_probes(replace(everyone, **parts))
        held.append((means.size_lows <= true) & (true <= means.size_highs))
    assert float(torch.stack(held).double().mean()) == pytest.approx(0.94, abs=0.025)


@pytest.mark.parametrize("probes", [1, 2])
def test_too_few_probes_say_nothing_of_sizes(probes):
    means = means_over_probes(explained(probes))
    assert means.size_lows.isnan().all()
    assert means.size_highs.isnan().all()
    assert means.sizes.isfinite().all()


def test_what_moved_is_kept_over_the_epochs():
    series = EpochSeries()
    explanation = explained(4)
    series.add(explanation, 1.0, {"score": 0.9}, None)
    series.add(explanation, 2.0, {"score": 0.9, "drift": 0.1, "moved": 0.25}, {"noise_floor": 0.01})
    assert torch.tensor(series.moves).isnan().tolist() == [True, False]
    assert series.moves[1] == 0.25
    assert EpochSeries.of_state(series.state()).moves[1] == 0.25
