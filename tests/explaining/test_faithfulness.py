"""Faithfulness: explanations of what the model does beat chance, others do not."""

import pytest
import torch

from lime_callback import Features
from lime_callback.explaining.deletion_insertion import area_beyond_chance, curve_rows, steps_for
from lime_callback.explaining.explain_batch import explain_batch
from lime_callback.explaining.strategies import Strategies


def explained(model, d=20, n=256, batch=3, **how):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, d, generator=generator, dtype=torch.float64)
    features = Features.from_mask(torch.arange(d)[None], layout="C")
    return explain_batch(
        lambda rows, _: model(rows), x, features, None, settings=Strategies(n, baseline="zero"), batch_size=64,
        seeds=list(range(batch)), checked=True, **how,
    )  # fmt: skip


def test_the_explanation_of_a_linear_model_beats_chance_as_far_as_can_be():
    slopes = torch.linspace(-2, 2, 20, dtype=torch.float64)
    found = explained(lambda x: x @ slopes)
    assert (found.faithfulness > 0.3).all()


def test_an_explanation_of_noise_does_not():
    generator = torch.Generator().manual_seed(1)
    found = explained(lambda x: torch.randn(len(x), generator=generator, dtype=torch.float64), batch=40)
    assert abs(float(found.faithfulness.mean())) < 0.5
    assert float(found.explanation.score.mean()) < 0


def test_the_unit_is_the_outputs_spread():
    slopes = torch.linspace(-2, 2, 20, dtype=torch.float64)
    one, other = explained(lambda x: x @ slopes), explained(lambda x: 100 * (x @ slopes) + 7)
    torch.testing.assert_close(one.faithfulness, other.faithfulness, atol=1e-6, rtol=1e-6)


def test_curves_go_from_the_strongest_on_and_leave_absent_features_alone():
    found = explained(lambda x: x @ torch.arange(20, dtype=torch.float64)).explanation
    rows = curve_rows(found, 4, [0, 1, 2]).unflatten(1, (4, 4))
    assert rows[:, 0].sum(-1).tolist() == [[4, 8, 12, 16]] * 3
    assert torch.equal(rows[:, 0], ~rows[:, 1])
    assert (rows[:, 0, :-1] <= rows[:, 0, 1:]).all()
    best = found.coefficients[:, 0].argmax(1)
    assert rows[:, 0, 0].gather(1, best[:, None]).all()
    assert torch.equal(curve_rows(found, 4, [0, 1, 2]), curve_rows(found, 4, [0, 1, 2]))


def test_an_output_that_does_not_vary_has_none():
    assert area_beyond_chance(torch.ones(2, 16), torch.zeros(2)).tolist() == [0, 0]


@pytest.mark.parametrize(("n", "steps"), [(16, 0), (64, 1), (256, 4), (1024, 16)])
def test_it_takes_a_sixteenth_of_the_forwards(n, steps):
    assert steps_for(n) == steps
    assert 4 * steps <= n / 16
