"""What holds of every explanation: over layouts, shapes, masks, designs and strategies that hypothesis makes up."""

import random
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lime_callback import Cubes, Explanation, Features, Lasso, Ridge, Superbands, Superpixels, explain
from lime_callback.comparing.drift import MEASURES, compare
from lime_callback.sampling.designs import DESIGNS, Design
from lime_callback.sampling.locality_kernels import KERNELS, Cosine, Euclidean

AXES = ["CHW", "HWC", "CWH", "1CHW", "C1HW", "HW", "W", "C", "1C", "C11"]
BASELINES = ["zero", "mean", "segment_mean", "blur", 0.5]
VALUES = (
    "coefficients", "standard_error", "intercept", "score", "fit_score", "gap", "freedom", "effective_rows",
    "prediction", "hidden",
)  # fmt: skip

settings.register_profile("lime", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("lime")
seeds = st.integers(0, 2**20)
axes = st.sampled_from(AXES)


def rng(seed):
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Case:
    """Inputs with their features, and how to explain them."""

    x: torch.Tensor
    features: Features
    how: dict

    def forward(self, kind="curved", outputs=2):
        """A model of its inputs that is linear, or is not.

        Beside its constant the rounding of rows that are the same is none, so that they do not vary in any batch.
        """
        weight = torch.randn(outputs, self.x[0].numel(), generator=rng(7), dtype=torch.float64)

        def model(x):
            y = x.double().flatten(1) @ weight.T
            return 3 + (y if kind == "linear" else (y / 3).sin() + (y / 5).square())

        return model


@st.composite
def shapes(draw, layout):
    return tuple(1 if axis == "1" else draw(st.integers(1, 5)) for axis in layout)


@st.composite
def masks(draw, shape, batch):
    """Labels of inputs ``[B, *dims]``: shared or not, broadcast or not, with elements that are never hidden."""
    size = [draw(st.sampled_from([1, batch])), *(draw(st.sampled_from([1, axis])) for axis in shape)]
    d = draw(st.integers(1, 6))
    low = draw(st.sampled_from([0, -1]))
    mask = torch.randint(low, d, size, generator=rng(draw(seeds)))
    if draw(st.booleans()):
        mask = torch.full(size, -1)  # all but one element are never hidden
    if int(mask.max()) < 0:
        mask.view(-1)[-1] = d  # a label that leaves others out
    return mask


@st.composite
def cases(draw, n=None, dtypes=(torch.float64,), baselines=BASELINES, d_max=None):
    layout = draw(axes)
    shape, batch = draw(shapes(layout)), draw(st.integers(1, 3))
    x = torch.randn(batch, *shape, generator=rng(draw(seeds)), dtype=torch.float64).to(draw(st.sampled_from(dtypes)))
    view = draw(st.sampled_from(["mask", "grid", "slic", "bands", "cubes"]))
    if view == "mask":
        features = Features.from_mask(draw(masks(shape, batch)), layout=layout)
    else:
        count = draw(st.integers(1, 6))
        grid, bands = Superpixels("grid", n_segments=count), Superbands(bands=min(count, x.shape[1:].numel()))
        made = {"grid": grid, "slic": Superpixels(n_segments=count), "bands": bands, "cubes": Cubes(grid, bands)}
        features = quietly(made[view].features, x, layout=layout)
    d = len(features)
    how = {
        "n_perturbations": n(d) if n else draw(st.integers(2, 40)),
        "design": draw(st.sampled_from(list(DESIGNS))),
        "kernel": draw(st.sampled_from([*KERNELS, Cosine(2.0), Euclidean(0.3)])),
        "baseline": draw(st.sampled_from(baselines)),
        "seed": draw(st.one_of(seeds, st.lists(seeds, min_size=batch, max_size=batch))),
    }
    return Case(x, features, how)


def quietly(function, *args, **settings):
    """A call whose warnings may be those of few rows, degenerate fits, and more bands than channels, and no others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The explanation of input .* is (degenerate|uncertain): ")
        warnings.filterwarnings("ignore", message="spectral: `bands = ")
        return function(*args, **settings)


def explained(case, forward=None, **change):
    arguments = {"inputs": case.x, "features": case.features} | case.how | change
    return quietly(explain, forward or case.forward(), **arguments)


def check_sound(found, x, d, targets):
    batch, *dims = x.shape
    for name in ("coefficients", "standard_error"):
        assert getattr(found, name).shape == (batch, targets, d), name
    for name in ("intercept", "score", "fit_score", "gap", "prediction", "hidden", "targets"):
        assert getattr(found, name).shape == (batch, targets), name
    for name in ("freedom", "effective_rows"):
        assert getattr(found, name).shape == (batch,), name
    assert found.heatmap().shape == (batch, targets, *dims)
    for name in set(VALUES) - {"standard_error", "freedom"}:
        assert getattr(found, name).isfinite().all(), name
    assert (found.score <= 1).all()
    assert (found.score >= -1).all()
    assert (found.standard_error >= 0).all()
    assert (found.freedom >= 0).all()
    few, chance = found.freedom == 0, found.freedom.isfinite()
    outputs = found.samples.outputs
    rounding = 4 * torch.finfo(outputs.dtype).eps * outputs.abs().amax(1)
    still = (outputs.amax(1) - outputs.amin(1) <= rounding) & chance[:, None]  # in the rows that were asked
    unknown = (few[:, None] | still).unsqueeze(-1)
    assert torch.equal(found.standard_error.isinf(), unknown.expand_as(found.standard_error))
    assert (found.coefficients[still] == 0).all()
    assert (found.score[few] <= 0).all()
    assert (found.half_widths() >= found.standard_error).all()
    absent = ~found.features.present.expand(batch, -1)
    assert (found.coefficients.mT[absent] == 0).all()
    sums = found.effects.abs().sum(-1)
    assert ((sums == 0) | ((sums - 1).abs() < 1e-3)).all()
    assert (found.effects * found.coefficients >= 0).all()


# Where rows are fewer than features the default penalty of 1e-8 alone decides, and rounding is 1e8 times larger.
ROUNDING = 1e-8


def close(found, expected, names=("coefficients", "intercept", "score"), tolerance=ROUNDING):
    for name in names:
        a, b = getattr(found, name), getattr(expected, name) if isinstance(expected, Explanation) else expected[name]
        assert torch.equal(a.isinf(), b.isinf()), name
        a, b = (torch.where(one.isinf(), one.sign(), one) for one in (a, b))
        scale = max(1.0, float(b.abs().max()))
        torch.testing.assert_close(a, b, atol=tolerance * scale, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


def arranged(x, memory):
    """The same values in another memory."""
    if memory == "strided":
        return torch.stack([x, x + 1], -1)[..., 0]
    if memory == "transposed":
        return x.transpose(0, -1).contiguous().transpose(0, -1)
    if memory == "expanded":
        return x[:1].expand_as(x)
    return x.clone().requires_grad_() if memory == "grad" else x


@settings(max_examples=120)
@given(
    cases(dtypes=(torch.float64, torch.float32, torch.float16, torch.bfloat16)),
    st.sampled_from(["plain", "strided", "transposed", "expanded", "grad"]),
    st.sampled_from(["curved", "linear", "constant"]),
    st.sampled_from(["ridge", "lasso", Ridge(0.0), Lasso(0.1)]),
)
def test_every_explanation_is_finite_and_leaves_no_trace(case, memory, kind, surrogate):
    x = arranged(case.x, memory)
    model = (lambda x: torch.ones(len(x), 2)) if kind == "constant" else case.forward(kind)
    target = torch.tensor([[1, 0]] * len(x))
    baseline = torch.randn(x.shape, generator=rng(3)).to(x.dtype) if case.how["baseline"] == 0.5 else "mean"
    kept = [x, case.features.mask, target, *([baseline] if isinstance(baseline, torch.Tensor) else [])]
    before = [one.detach().clone() for one in kept]
    states = torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
    change = {"baseline": baseline} if isinstance(baseline, torch.Tensor) else {}
    found = explained(case, model, inputs=x, target=target, surrogate=surrogate, **change)
    check_sound(found, x, len(case.features), 2)
    assert not found.coefficients.requires_grad
    for one, old in zip(kept, before, strict=True):
        assert torch.equal(one, old)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (str(np.random.get_state()), random.getstate())  # noqa: NPY002
    plain = explained(case, model, inputs=before[0], target=target, surrogate=surrogate, **change)
    close(found, plain, VALUES, tolerance=1e-3 if x.dtype != torch.float64 else 1e-7)


@given(cases(), st.integers(1, 90))
def test_any_batch_size_gives_the_same(case, batch_size):
    close(explained(case, batch_size=batch_size), explained(case), VALUES)


@given(cases(), st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_the_inputs_does_not_matter(case, shuffle, seed):
    order = list(range(len(case.x)))
    shuffle.shuffle(order)
    mask = case.features.mask
    moved = Features(mask[order] if len(mask) > 1 else mask, case.features.names, case.features.layout)
    numbers = [seed + b for b in range(len(order))]
    found = explained(case, inputs=case.x[order], features=moved, seed=[numbers[b] for b in order])
    expected = explained(case, seed=numbers)
    close(found, {name: getattr(expected, name)[order] for name in VALUES}, VALUES)


@given(cases(), st.floats(-100, 100), st.floats(0.01, 100), st.booleans())
def test_adding_moves_the_intercept_and_scaling_scales(case, constant, factor, negative):
    factor = -factor if negative else factor
    model, plain = case.forward(), explained(case)
    moved = explained(case, lambda x: model(x) + constant)
    expected = {"coefficients": plain.coefficients, "intercept": plain.intercept + constant, "score": plain.score}
    close(moved, expected | {"standard_error": plain.standard_error}, (*expected, "standard_error"), 1e-7)
    scaled = explained(case, lambda x: model(x) * factor)
    expected = {"coefficients": plain.coefficients * factor, "intercept": plain.intercept * factor}
    close(scaled, expected | {"score": plain.score}, (*expected, "score"), 1e-7)


@dataclass(frozen=True, eq=False)
class Fixed(Design):
    rows: torch.Tensor

    def sample(self, n, d, generator):
        return self.rows[:n, :d]


@given(st.integers(1, 8), st.integers(2, 60), seeds, st.sampled_from(list(KERNELS)))
def test_other_labels_give_the_same_coefficients(d, n, seed, kernel):
    mask = torch.cat([torch.arange(d), torch.randint(-1, d, (5,), generator=rng(seed))])
    x = torch.randn(2, d + 5, generator=rng(seed), dtype=torch.float64)
    rows, order = torch.rand(n, d, generator=rng(seed + 1)) < 0.5, torch.randperm(d, generator=rng(seed + 2))
    case = Case(x, Features.from_mask(mask.unsqueeze(0)), {"n_perturbations": n, "kernel": kernel})
    label = torch.where(mask < 0, -1, order.argsort()[mask.clamp(min=0)])
    plain = explained(case, design=Fixed(rows))
    found = explained(case, features=Features.from_mask(label.unsqueeze(0)), design=Fixed(rows[:, order]))
    expected = {"coefficients": plain.coefficients[..., order], "intercept": plain.intercept, "score": plain.score}
    close(found, expected, tolerance=1e-6)


@settings(max_examples=80)
@given(cases(n=lambda d: 24 * d + 64))
def test_linear_models_are_explained_exactly(case):
    baseline = torch.randn(case.x.shape, generator=rng(2**21), dtype=torch.float64)
    found = explained(case, case.forward("linear"), baseline=baseline, surrogate=Ridge(0.0))
    weight = torch.randn(2, case.x[0].numel(), generator=rng(7), dtype=torch.float64)
    parts = ((case.x - baseline).flatten(1).unsqueeze(1) * weight).view(len(case.x), 2, *case.x.shape[1:])
    labels = case.features.mask.expand(case.x.shape).unsqueeze(1)
    expected = torch.stack([(parts * (labels == k)).flatten(2).sum(-1) for k in range(len(case.features))], -1)
    score = case.features.present.any(1, keepdim=True).double().expand_as(found.score)  # 0 of an input without features
    close(found, {"coefficients": expected, "score": score}, ("coefficients", "score"), 1e-6)
    whole = found.intercept + found.coefficients.sum(-1)
    torch.testing.assert_close(whole, found.prediction, atol=1e-5, rtol=1e-6)


@settings(max_examples=60)
@given(cases(dtypes=(torch.float32,), baselines=["zero", "mean", "segment_mean", "blur"]), st.integers(-30, 30))
def test_any_magnitude_is_as_good_as_another(case, power):
    """Inputs and outputs from 1e-30 to 1e30; the drift between two such models too."""
    factor = 10.0**power

    def small(x):
        return case.forward()(x / factor).float() * factor

    def other(x):
        return case.forward("linear")(x / factor).float() * factor

    x = case.x * factor
    found, changed = (explained(case, model, inputs=x, surrogate=Ridge(1e-6)) for model in (small, other))
    check_sound(found, x, len(case.features), 2)
    measures = compare(found, changed)
    for name in MEASURES:
        assert getattr(measures, name).isfinite().all(), name
    assert ((measures.cosine >= -1e-5) & (measures.cosine <= 2 + 1e-5)).all()
    assert (measures.norm_change.abs() <= 1 + 1e-5).all()


@settings(max_examples=80)
@given(cases())
def test_an_unchanged_model_has_no_drift(case):
    drift = compare(explained(case), explained(case))
    for name in ("cosine", "drift", "sign_changes", "norm_change", "changed", "noise_floor"):
        assert (getattr(drift, name) == 0).all(), name
    assert (drift.p_value == 1).all()
    torch.testing.assert_close(drift.top_overlap, torch.ones_like(drift.drift))
    torch.testing.assert_close(drift.rank_correlation, torch.ones_like(drift.drift))


names = st.lists(st.text(st.characters(codec=None), max_size=8), min_size=3, max_size=3, unique=True)


@given(cases(dtypes=(torch.float64, torch.float32)), names)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_an_explanation_reads_back_as_it_was(tmp_path, case, names):
    more = [f"feature {k}" for k in range(3, len(case.features))]
    features = Features(case.features.mask, (*names, *more)[: max(3, len(case.features))], case.features.layout)
    found = explained(case, features=features)
    found.save(tmp_path / "explanation.npz")
    back = Explanation.load(tmp_path / "explanation.npz")
    for name in (*VALUES, "targets", "fingerprint"):
        assert getattr(back, name).dtype == getattr(found, name).dtype
        assert torch.equal(getattr(back, name), getattr(found, name))
    for name in ("design", "weights", "outputs"):
        assert torch.equal(getattr(back.samples, name), getattr(found.samples, name))
    assert back.samples.group == found.samples.group
    assert (back.features.names, back.features.layout, back.shape) == (features.names, features.layout, found.shape)
    assert torch.equal(back.features.mask, features.mask)
    assert (compare(found, back).drift == 0).all()
