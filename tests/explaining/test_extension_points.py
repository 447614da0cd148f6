"""Designs, kernels, baselines and surrogates of the user's own: each is used as it is, or refused by its name."""

import re

import pytest
import torch

from lime_callback import LimeCallback, Superbands, explain
from lime_callback.sampling import Baseline, Bernoulli, Design, Kernel
from lime_callback.surrogates import Surrogate

X = torch.rand(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def model(x):
    return torch.stack([x[:, 0] * x[:, 1] + 3 * x[:, 2], x.sum(1).exp()], 1)


def explained(**settings):
    return explain(model, X, torch.arange(6), **{"n_perturbations": 40, "baseline": "zero", "seed": [0, 1]} | settings)


class Own(Design):
    """Bernoulli's rows after ``turn``, in groups of ``grouped``."""

    def __init__(self, turn=lambda rows: rows, grouped=1, most=None):
        self.turn, self.grouped, self.most = turn, grouped, most

    def sample(self, n, d, generator):
        return self.turn(Bernoulli().sample(n, d, generator))

    def group(self, n, d, used=None):
        return self.grouped

    def enough(self, n, d):
        return n if self.most is None else self.most


@pytest.mark.parametrize("turn", [torch.Tensor.float, torch.Tensor.long, torch.Tensor.double, lambda rows: rows])
def test_rows_of_zeros_and_ones_are_rows(turn):
    theirs, ours = explained(design=Own(turn)), explained(design="bernoulli")
    assert torch.equal(theirs.coefficients, ours.coefficients)
    assert theirs.samples.design.dtype == torch.bool


@pytest.mark.parametrize(
    ("design", "kind", "message"),
    [
        (
            Own(lambda rows: rows[:30]),
            ValueError,
            "over 6 features. `Own.sample(40, 6, generator)` returned shape (30, 6)",
        ),
        (
            Own(lambda rows: rows[:, :5]),
            ValueError,
            "returned shape (40, 5); return [40, 6], or override `enough(n, d)`",
        ),
        (Own(lambda rows: rows * 0.5), ValueError, "other values, such as 0.5; return for example `rows > 0.5`"),
        (Own(lambda rows: rows * torch.nan), ValueError, "`design` should draw rows of true and false, or of 1 and 0"),
        (Own(lambda rows: rows.numpy()), TypeError, "`design` should return a tensor. `Own.sample(40, 6, generator)`"),
        (Own(lambda rows: None), TypeError, "returned a NoneType"),
        (Own(grouped=0), ValueError, "from 1 to 40. `Own.group(40, 6)` returned 0; leave `group` out if it is 1"),
        (Own(grouped=2.0), TypeError, "how many neighbouring rows are drawn together, from 1 to 40."),
        (
            Own(most=0),
            ValueError,
            "how many rows to draw, from 1 to 40. `Own.enough(40, 6)` returned 0; leave `enough`",
        ),
        (Own(most=50), ValueError, "`Own.enough(40, 6)` returned 50"),
    ],
)
def test_rows_that_cannot_be_are_refused_by_the_designs_name(design, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        explained(design=design)


@pytest.mark.filterwarnings("ignore:.*is degenerate")
def test_fewer_rows_than_asked_for_are_said_by_enough():
    found = explained(design=Own(most=30))
    assert found.n_perturbations == 30


class Weights(Kernel):
    def __init__(self, turn):
        self.turn = turn

    def __call__(self, design, present):
        return self.turn(torch.ones(design.shape[:2], dtype=torch.float64))


def negative(weights):
    weights[:, -1] = -1
    return weights


@pytest.mark.parametrize("surrogate", ["ridge", "lasso"])
@pytest.mark.parametrize(
    ("turn", "kind", "message"),
    [
        (
            negative,
            ValueError,
            "finite and at least 0, and not all 0. Weights returned 1 others for input 0; a weight of 0",
        ),
        (lambda w: w * torch.nan, ValueError, "Weights returned 40 others for input 0"),
        (lambda w: w * torch.inf, ValueError, "and a large one stands for infinity"),
        (lambda w: w * 0, ValueError, "finite and at least 0, and not all 0. Weights returned 40 others for input 0"),
        (
            lambda w: w[:, :30],
            ValueError,
            "weigh each of 40 rows, [2, 40] for a design [2, 40, d]. `Weights(...)(design, pres",
        ),
        (lambda w: w[0], ValueError, "returned shape (40,)"),
        (
            lambda w: w.long(),
            TypeError,
            "`kernel` should weigh by floating-point numbers. `Weights(...)(design, present)`",
        ),
        (
            lambda w: w.tolist(),
            TypeError,
            "`kernel` should return a tensor. `Weights(...)(design, present)` returned a list",
        ),
    ],
)
def test_weights_that_cannot_be_are_refused_by_the_kernels_name(turn, kind, message, surrogate):
    with pytest.raises(kind, match=re.escape(message)):
        explained(kernel=Weights(turn), surrogate=surrogate)


@pytest.mark.filterwarnings("ignore:.*is degenerate")
def test_a_weight_of_nothing_leaves_a_row_out():
    def without(w):
        w[:, 20:] = 0
        return w

    found, fewer = explained(kernel=Weights(without), design="bernoulli"), explained(kernel="none", design="bernoulli")
    half = fewer.samples
    rows = torch.cat([half.design.double(), torch.ones(2, 40, 1)], 2)[:, :20]
    expected = torch.linalg.lstsq(rows, half.outputs[:, :20]).solution[:, :6].mT
    torch.testing.assert_close(found.coefficients, expected, rtol=1e-5, atol=1e-5)


class Solved(Surrogate):
    def __init__(self, turn, kept=None):
        self.turn, self.of_kept = turn, kept

    def solve(self, problem):
        return self.turn(torch.linalg.solve(problem.gram + 1e-9 * torch.eye(problem.gram.shape[-1]), problem.cross))

    def kept(self, problem, beta):
        return None if self.of_kept is None else self.of_kept(torch.ones_like(beta))


def test_a_surrogate_of_ones_own_is_used_as_it_is():
    torch.testing.assert_close(
        explained(surrogate=Solved(lambda b: b)).coefficients, explained().coefficients, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    ("surrogate", "kind", "message"),
    [
        (
            Solved(lambda b: b * torch.nan),
            ValueError,
            "`Solved.solve` returned NaN or infinite ones 12 times for input 0",
        ),
        (
            Solved(lambda b: b.mT),
            ValueError,
            "feature and target, [B, d, T] = (2, 6, 2). `Solved.solve(...)` returned shape (2, 2",
        ),
        (
            Solved(lambda b: b.numpy()),
            TypeError,
            "`surrogate` should return a tensor. `Solved.solve(...)` returned a ndarray",
        ),
        (
            Solved(lambda b: b, lambda k: k * torch.nan),
            ValueError,
            "`Solved.kept` returned other values for input 0; return None",
        ),
        (Solved(lambda b: b, lambda k: k[0]), ValueError, "`Solved.kept(...)` returned shape (6, 2)"),
    ],
)
def test_coefficients_that_cannot_be_are_refused_by_the_surrogates_name(surrogate, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        explained(surrogate=surrogate)


class Hidden(Baseline):
    def __init__(self, turn):
        self.turn = turn

    def __call__(self, inputs, features):
        return self.turn(torch.zeros_like(inputs))


@pytest.mark.parametrize("turn", [torch.Tensor.float, torch.Tensor.long, lambda b: b[:1], lambda b: b[:, :1]])
def test_a_baselines_values_broadcast_and_take_the_inputs_dtype(turn):
    assert torch.equal(explained(baseline=Hidden(turn)).coefficients, explained().coefficients)


@pytest.mark.parametrize(
    ("turn", "kind", "message"),
    [
        (
            lambda b: b * torch.nan,
            ValueError,
            "`baseline` should be finite. `Hidden(...)(inputs, features)` returned NaN or",
        ),
        (
            lambda b: b[:, :5],
            ValueError,
            "broadcast to the inputs' shape (2, 6), with size 1 where values are the same. `Hidden",
        ),
        (lambda b: b[0], ValueError, "returned shape (6,)"),
        (
            lambda b: 0.0,
            TypeError,
            "`baseline` should return a tensor. `Hidden(...)(inputs, features)` returned a float",
        ),
    ],
)
def test_values_that_cannot_hide_are_refused_by_the_baselines_name(turn, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        explained(baseline=Hidden(turn))


@pytest.mark.parametrize(
    ("argument", "value", "name"),
    [
        ("design", Own(lambda rows: rows[:1]), "Own"),
        ("kernel", Weights(negative), "Weights"),
        ("surrogate", Solved(lambda b: b * torch.nan), "Solved"),
        ("baseline", Hidden(lambda b: b * torch.nan), "Hidden"),
    ],
)
def test_a_run_refuses_them_before_it_trains(tmp_path, argument, value, name):
    from toys import fit

    lime = LimeCallback(Superbands(3), probes=2, n_perturbations=64, pictures=False, **{argument: value})
    with pytest.raises(ValueError, match=rf"(?s)`{argument}` should.*{name}"):
        fit(tmp_path, lime, epochs=1)


class OneOut(Design):
    """Everything on, and each feature off by itself: FeatureAblation as a design."""

    def sample(self, n, d, generator):
        rows = ~torch.cat([torch.zeros(1, d), torch.eye(d)]).bool()
        return rows[torch.arange(n) % (d + 1)]  # again, where another input has more features

    def enough(self, n, d):
        return min(n, d + 1)


@pytest.mark.filterwarnings("ignore:.*is degenerate")
def test_the_example_of_the_documentation_is_ablation():
    found = explained(design=OneOut(), kernel="none")
    whole = model(X)
    for feature in range(6):
        without = X.clone()
        without[:, feature] = 0
        torch.testing.assert_close(found.coefficients[..., feature], whole - model(without), rtol=1e-5, atol=1e-6)
    assert found.standard_error.isinf().all()
