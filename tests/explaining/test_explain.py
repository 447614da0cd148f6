"""``explain`` gives exact answers where they are known, and the same answers however the work is cut."""

from dataclasses import fields, replace
from inspect import signature
from traceback import extract_stack

import pytest
import torch

from lime_callback import Cubes, Explanation, Features, Lasso, Superbands, Superpixels, explain, explain_all
from lime_callback.explaining.strategies import Strategies, StrategyArguments
from lime_callback.views.layout import Layout

LAYOUTS = {
    "CHW": (12, 9, 8),
    "HWC": (9, 8, 12),
    "CWH": (12, 8, 9),
    "1CHW": (1, 12, 9, 8),
    "C": (12,),
    "W": (30,),
}
VIEWS = {
    "slic": Superpixels(n_segments=6),
    "grid": Superpixels("grid", n_segments=6),
    "superbands": Superbands(bands=4),
    "cubes": Cubes(superpixels=Superpixels("grid", n_segments=4), superbands=Superbands(bands=3)),
}


def linear(shape, outputs=2, seed=0, dtype=torch.float32):
    weight = torch.randn(outputs, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return (lambda x: x.flatten(1) @ weight.flatten(1).T + 0.5), weight


def inputs(shape, batch=3, seed=1, dtype=torch.float32):
    return torch.rand(batch, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def curved(x):
    y = x.flatten(1)
    return torch.stack([y.square().mean(1).exp(), (3 * y.mean(1)).sin() + y[:, 0] * y[:, -1]], 1)


def answer(weight, x, features, baseline=0.0):
    """What each feature adds to a linear model's output."""
    parts = weight.unsqueeze(0) * (x - baseline).unsqueeze(1)
    labels = features.mask.expand(x.shape).unsqueeze(1).expand_as(parts)
    return torch.stack([torch.where(labels == k, parts, 0).flatten(2).sum(-1) for k in range(len(features))], -1)


@pytest.mark.parametrize("design", ["bernoulli", "paired"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.filterwarnings("ignore:.*`bands = ")
def test_linear_models_are_explained_exactly(layout, view, design):
    shape = LAYOUTS[layout]
    forward, weight = linear(shape)
    x = inputs(shape)
    features = VIEWS[view].features(x, layout=layout)
    found = explain(forward, x, features, baseline="zero", design=design, n_perturbations=256)
    expected = answer(weight, x, features)
    torch.testing.assert_close(found.coefficients, expected, atol=1e-4, rtol=0)
    assert (1 - found.score).abs().max() < 1e-6
    torch.testing.assert_close(found.prediction, forward(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.intercept + found.coefficients.sum(-1), forward(x), atol=1e-3, rtol=0)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("surrogate", ["ridge", Lasso(1e-4)])
def test_a_batch_is_explained_as_its_inputs_one_by_one(view, surrogate):
    x = inputs((12, 9, 8), dtype=torch.float64)
    settings = {"n_perturbations": 101, "surrogate": surrogate}
    features = VIEWS[view].features(x)
    together = explain(curved, x, features, **settings)
    for b in range(len(x)):
        mask = features.mask[b if len(features.mask) > 1 else 0].unsqueeze(0)
        one = explain(curved, x[b : b + 1], Features(mask, features.names, features.layout), **settings)
        for name in ("coefficients", "standard_error", "intercept", "score", "prediction"):
            torch.testing.assert_close(getattr(together, name)[b], getattr(one, name)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 7, 100, 1000])
def test_any_batch_size_gives_the_same(batch_size):
    x = inputs((12, 9, 8), dtype=torch.float64)
    features = VIEWS["slic"].features(x)
    reference = explain(curved, x, features, n_perturbations=50)
    found = explain(curved, x, features, n_perturbations=50, batch_size=batch_size)
    for name in ("coefficients", "standard_error", "intercept", "score"):
        torch.testing.assert_close(getattr(found, name), getattr(reference, name), atol=1e-5, rtol=0)


def test_all_targets_come_from_the_same_forwards():
    seen = []

    def forward(x):
        seen.append(len(x))
        return x.flatten(1)[:, :4]

    x = inputs((5, 4, 4))
    features = Superbands(bands=5).features(x)
    explain(forward, x, features, n_perturbations=64, design="paired", target=0)
    one = sum(seen)
    seen.clear()
    found = explain(forward, x, features, n_perturbations=64, design="paired")
    assert found.coefficients.shape == (3, 4, 5)
    assert sum(seen) == one == 3 * (1 + 1 + 64)  # as it is, with everything hidden, and the rows


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (1, [[1], [1], [1]]),
        ([3, 0], [[3, 0], [3, 0], [3, 0]]),
        (torch.tensor([2, 0, 3]), [[2], [0], [3]]),
        (torch.tensor([[2, 1], [0, 1], [3, 3]]), [[2, 1], [0, 1], [3, 3]]),
        (None, [[0, 1, 2, 3]] * 3),
    ],
)
def test_targets(target, expected):
    forward, _ = linear((5, 4, 4), outputs=4)
    x = inputs((5, 4, 4))
    features = Superbands(bands=5).features(x)
    found = explain(forward, x, features, target, n_perturbations=32)
    everything = explain(forward, x, features, n_perturbations=32)
    assert found.targets.tolist() == expected
    index = found.targets.unsqueeze(-1).expand(-1, -1, 5)
    torch.testing.assert_close(found.coefficients, everything.coefficients.gather(1, index), atol=1e-6, rtol=0)


def test_outputs_of_one_axis_and_on_other_scales():
    x = inputs((5, 4, 4))
    mask = torch.arange(5).view(5, 1, 1)
    flat = explain(lambda x: x.mean((1, 2, 3)), x, mask, baseline="zero", n_perturbations=32)
    assert flat.coefficients.shape == (3, 1, 5)
    forward, _ = linear((5, 4, 4), outputs=4)
    soft = explain(lambda x: forward(x).softmax(-1), x, mask, n_perturbations=32)
    same = explain(forward, x, mask, n_perturbations=32, output="softmax")
    torch.testing.assert_close(soft.coefficients, same.coefficients)
    pixels = explain(lambda x: x[:, :2], x, mask, baseline="zero", n_perturbations=32, output=lambda y: y.mean((2, 3)))
    torch.testing.assert_close(pixels.coefficients[0, 1, 1], x[0, 1].mean(), atol=1e-5, rtol=0)


def test_elements_that_are_never_hidden_stay():
    x = inputs((1, 4, 4)) + 1
    mask = torch.full((4, 4), -1)
    mask[0, :2] = torch.tensor([0, 1])
    seen = []

    def forward(x):
        seen.append(x.clone())
        return x.flatten(1).sum(1)

    found = explain(forward, x, mask.unsqueeze(0), baseline=0.0, n_perturbations=16, design="paired")
    torch.testing.assert_close(torch.cat(seen)[6:, 0, 1:], x[:, 0, 1:].repeat_interleave(16, 0))
    assert found.heatmap().shape == (3, 1, 1, 4, 4)
    assert (found.heatmap()[:, :, :, 1:] == 0).all()
    torch.testing.assert_close(found.heatmap()[:, 0, 0, 0, :2], x[:, 0, 0, :2], atol=1e-4, rtol=0)


def test_inputs_and_random_state_stay_as_they_are():
    x = inputs((12, 9, 8))
    before, state = x.clone(), torch.get_rng_state()
    explain(lambda x: x.mul_(2).flatten(1).sum(1), x, VIEWS["slic"].features(x), n_perturbations=64)
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_decides():
    x = inputs((12, 9, 8), dtype=torch.float64)
    features = VIEWS["superbands"].features(x)
    one, same, other = (
        explain(curved, x, features, n_perturbations=80, design="paired", seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one.coefficients, same.coefficients)
    assert not torch.allclose(one.coefficients, other.coefficients)
    mixed = explain(curved, x, features, n_perturbations=80, design="paired", seed=[1, 2, 1])
    torch.testing.assert_close(mixed.coefficients[[0, 2]], one.coefficients[[0, 2]])
    torch.testing.assert_close(mixed.coefficients[1], other.coefficients[1])


def test_inputs_with_fewer_features_are_padded():
    mask = torch.zeros(2, 1, 4, 4, dtype=torch.long)
    mask[0, 0, :2] = 1
    mask[0, 0, :, 2:] += 2
    mask[1, 0, 2:] = 1
    x = inputs((3, 4, 4), batch=2)
    features = Features.from_mask(mask)
    found = explain(lambda x: x.flatten(1).sum(1), x, features, baseline=0.0, n_perturbations=64)
    assert features.present.tolist() == [[True] * 4, [True, True, False, False]]
    assert (found.coefficients[1, 0, 2:] == 0).all()
    assert len(found.top(10)[1][0]) == 2
    torch.testing.assert_close(found.coefficients[1, 0, :2].sum(), x[1].sum(), atol=1e-4, rtol=0)


def test_top_names_the_largest():
    x = torch.ones(1, 4)
    found = explain(lambda x: x @ torch.tensor([1.0, -5.0, 3.0, 0.0]), x, torch.arange(4), baseline=0.0)
    assert [name for name, _ in found.top(2)[0][0]] == ["1", "2"]
    with pytest.raises(ValueError, match="`k` should be a whole number of at least 1"):
        found.top(0)


def test_save_and_load(tmp_path):
    x = inputs((12, 9, 8))
    found = explain(curved, x, VIEWS["slic"].features(x), n_perturbations=40)
    path = tmp_path / "explanation.npz"
    found.save(path)
    back = Explanation.load(path)
    for name in ("coefficients", "standard_error", "intercept", "score", "targets", "prediction"):
        assert torch.equal(getattr(back, name), getattr(found, name))
    assert torch.equal(back.samples.design, found.samples.design)
    assert back.features.names == found.features.names
    assert torch.equal(back.heatmap(), found.heatmap())
    assert [one.name for one in tmp_path.iterdir()] == ["explanation.npz"]


@pytest.mark.parametrize("content", [b"", b"no numbers", b"PK\x03\x04 torn"])
def test_files_that_are_no_explanation(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` should be a file that `Explanation.save` wrote. Found .*other.npz"):
        Explanation.load(path)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"n_perturbations": 1}, ValueError, "`n_perturbations` should be a whole number of at least 2"),
        ({"design": "sobol"}, ValueError, "`design` should be one of 'bernoulli', 'paired'.*'sobol'"),
        ({"kernel": "gauss"}, ValueError, "`kernel` should be one of 'cosine', 'euclidean', 'none'.*'gauss'"),
        ({"baseline": "black"}, ValueError, "`baseline` should be one of 'zero', 'mean', 'segment_mean', 'blur'"),
        ({"baseline": torch.zeros(7, 3)}, ValueError, r"`baseline` should broadcast .*\(3, 12, 9, 8\).*\(7, 3\)"),
        ({"baseline": torch.full((12,), torch.nan)}, ValueError, "`baseline` should be finite"),
        ({"baseline": lambda x: None}, TypeError, "`baseline` should return a tensor. Found a NoneType"),
        ({"surrogate": "tree"}, ValueError, "`surrogate` should be one of 'ridge', 'lasso'"),
        ({"surrogate": Lasso}, TypeError, "`surrogate` should be one of .*Found the class Lasso; make an object of it"),
        ({"output": "logit"}, ValueError, "`output` should be one of 'raw', 'centered', 'softmax', 'sigmoid'"),
        ({"target": 2}, ValueError, r"`target` should be an index from 0 to 1: the model has 2 outputs. Found \[2\]"),
        ({"target": "cat"}, TypeError, "`target` should be an integer, a list of integers"),
        ({"target": torch.tensor([1, 0])}, ValueError, r"`target` should have shape \[B\] or \[B, T\] with B = 3"),
        ({"target": torch.tensor([0.0, 1.0, 1.0])}, TypeError, "`target` should hold integers"),
        ({"features": torch.full((1, 9, 8), -1)}, ValueError, "`mask` should hold at least one feature"),
        (
            {"features": torch.zeros(1, 5, 5, dtype=torch.long)},
            ValueError,
            "`features` should have a mask that broadcasts",
        ),
        (
            {"features": torch.zeros(9, 8)},
            ValueError,
            "`features` should hold integers. Found dtype torch.float32; pass `mask.long",
        ),
        (
            {"features": torch.zeros(1, 9, 8)},
            ValueError,
            "`features` should hold integers. Found dtype torch.float32",
        ),
        (
            {"features": "slic"},
            TypeError,
            "`features` should be `Features` of a view, or an integer mask, a tensor or an array. Found a str",
        ),
        ({"inputs": torch.zeros(3, 12, 9, 8, dtype=torch.long)}, TypeError, "`inputs` should be floating point"),
        ({"inputs": [1, 2]}, TypeError, "`inputs` should be a tensor"),
        (
            {"inputs": torch.zeros(0, 12, 9, 8)},
            ValueError,
            r"`inputs` should have shape \[B, \*dims\] and not be empty",
        ),
        ({"seed": [1, 2]}, ValueError, "`seed` should be a number, or one for each of the 3 inputs. Found 2"),
        ({"batch_size": 0}, ValueError, "`batch_size` should be a whole number of at least 1"),
        ({"forward": lambda x: x}, ValueError, r"`forward` should return \[m\] or \[m, K\].*\(3, 12, 9, 8\)"),
        (
            {"forward": lambda x: {"y": "cat"}},
            TypeError,
            r"`forward` should return a tensor \[m\] or \[m, K\]. Found a dict",
        ),
        ({"forward": lambda x: x.new_full((len(x),), torch.nan)}, ValueError, "`forward` should return finite numbers"),
        (
            {"forward": lambda x: x[:, 0, 0, 0], "output": "softmax"},
            ValueError,
            "`output = 'softmax'` of a single output",
        ),
    ],
)
def test_wrong_arguments_are_named(change, kind, message):
    x = inputs((12, 9, 8))
    arguments = {"forward": curved, "inputs": x, "features": VIEWS["grid"].features(x), "n_perturbations": 16} | change
    with pytest.raises(kind, match=message):
        explain(**arguments)


def test_nan_input_is_named():
    x = inputs((12, 9, 8))
    features = VIEWS["grid"].features(x)
    x[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"`inputs` should be finite. Found NaN or infinite values in input \[1\]"):
        explain(curved, x, features)


@pytest.mark.parametrize(
    ("forward", "settings", "message"),
    [
        (lambda x: x.new_ones(len(x)), {}, "input 0 is degenerate: the output does not change with any perturbation"),
        (
            curved,
            {"n_perturbations": 8},
            r"input 0 is degenerate: its 8 perturbations, which count as 7 under the kernel, are too few to tell 6 "
            r"features apart, and no intervals are stated; raise `n_perturbations`, best to \d+ or more",
        ),
        (curved, {"surrogate": Lasso(1e6)}, "input 0 is degenerate: all coefficients are zero"),
    ],
)
def test_degenerate_fits_are_told(forward, settings, message):
    x = inputs((12, 9, 8), batch=1)
    with pytest.warns(UserWarning, match=message):
        found = explain(forward, x, VIEWS["grid"].features(x), 0, **settings)
    assert found.coefficients.isfinite().all()
    assert found.score.isfinite().all()


def test_layout_goes_there_and_back():
    for axes, shape in LAYOUTS.items():
        x = inputs(shape)
        layout = Layout(axes)
        assert layout.canonical(x).ndim == 4
        assert torch.equal(layout.restore(layout.canonical(x)), x)
    for wrong in ("", "CC", "XYZ", "11"):
        with pytest.raises(ValueError, match="`layout` should name the axes of one sample"):
            Layout(wrong)
    with pytest.raises(ValueError, match=r"`layout = 'CHW'` describes samples with 3 axes.*\(7,\).*Pass layout='C'"):
        Layout("CHW").check((2, 7))


def test_a_data_set_is_explained_with_the_arguments_and_defaults_of_a_batch():
    """What both take is checked in one place; only what the batch's size may be differs."""
    one, whole = (signature(function).parameters for function in (explain, explain_all))
    shared = set(one) & set(whole) - {"forward", "target", "batch_size"}
    assert shared == {"background", "seed", "output_key"}
    assert {name: one[name].default for name in shared} == {name: whole[name].default for name in shared}
    strategies = StrategyArguments.__annotations__
    assert whole["strategies"].annotation == "Unpack[StrategyArguments]"
    assert {name: hint.__forward_arg__ for name, hint in strategies.items()} == {
        name: one[name].annotation for name in strategies
    }
    settings = {f.name: f.default for f in fields(Strategies)}
    assert set(strategies) == {*settings, "like"}
    assert {name: one[name].default for name in strategies} == {**settings, "like": None}


def test_an_argument_that_neither_has_is_named():
    with pytest.raises(TypeError, match=r"explain_all\(\) got an unexpected keyword argument 'colour'"):
        explain_all(torch.sin, [], Superbands(), n_perturbations=8, colour="red")


def test_few_frames_lie_between_the_explanation_and_the_forward():
    frames = []

    def forward(x):
        names = [frame.name for frame in extract_stack()]
        frames.append(len(names) - names.index("explain_batch") - 1)
        return x[:, :3]

    explain(forward, torch.rand(2, 5), torch.arange(5), n_perturbations=32)
    assert frames[0] <= 7  # the inputs as they are
    assert max(frames) <= 9  # perturbations, whose batches are shared out and made smaller where memory runs out


# ---- what an explanation says of itself


def seeded():
    return torch.Generator().manual_seed(3)


def told(inputs, mask=None, names=None, forward=None, **settings):
    """The lines that an explanation prints, and the explanation."""
    mask = torch.arange(4).view(1, 4, 1, 1) if mask is None else mask
    features = Features(mask, names or [f"band {i}" for i in range(int(mask.max()) + 1)], Layout("CHW"))
    weights = torch.tensor([3.0, -1.0, 0.5, 0.0]).view(4, 1, 1)
    forward = forward or (lambda x: torch.stack([(weights * x).mean((1, 2, 3)), x.mean((1, 2, 3))], 1))
    found = explain(forward, inputs, features, baseline="zero", n_perturbations=64, **settings)
    lines = repr(found).splitlines()
    assert len(lines) <= 5
    assert all(len(line) < 200 for line in lines)
    assert "tensor" not in repr(found)
    return lines, found


def test_an_explanation_prints_what_it_is():
    (first, strategies, fit, strongest), found = told(1 + torch.rand(3, 4, 5, 5, generator=seeded()), target=[0, 1])
    assert first.startswith("Explanation of 3 inputs x 2 targets x 4 features (groups of channels), 16 perturbations")
    assert [part.partition("(")[0].strip() for part in strategies.split("), ")] == [
        "Orthogonal", "Constant", "Cosine", "Ridge",
    ]  # fmt: skip
    assert f"median {found.score.median():.2f}, least {found.score.min():.2f}; gap: at most 0" in fit
    effect = found.effects[0, 0, 0]
    assert strongest == f"  strongest of input 0 for output 0: 'band 0', effect {effect:+.2f} ± 0.00"


def test_an_explanation_of_a_file_prints_the_same(tmp_path):
    lines, found = told(torch.rand(2, 4, 5, 5, generator=seeded()))
    found.save(tmp_path / "saved.npz")
    assert repr(Explanation.load(tmp_path / "saved.npz")).splitlines() == lines
    assert len(repr(replace(found, strategies=())).splitlines()) == 3  # of a version that did not write them


@pytest.mark.filterwarnings("ignore:The explanation of input 0 is degenerate")
def test_an_explanation_of_one_input_and_a_constant_model_names_no_feature():
    (first, _, fit, strongest), _ = told(torch.rand(1, 4, 5, 5), forward=lambda x: x.new_ones(len(x)))
    assert first.startswith("Explanation of 1 input x 1 target x 4 features")
    assert "median 0.00, least 0.00" in fit
    assert strongest.endswith("no feature, since no effect is known to be above its noise")


def test_an_explanation_of_padded_features_says_how_many_there_are():
    mask = torch.stack([torch.arange(25), torch.arange(25) % 3]).view(2, 1, 5, 5)
    (first, *_), _ = told(torch.rand(2, 4, 5, 5), mask)
    assert "2 inputs x 2 targets x 3 to 25 features (superpixels)" in first


@pytest.mark.filterwarnings("ignore:The explanation of input 0 is degenerate")
def test_an_explanation_of_too_few_rows_knows_no_interval():
    inputs = torch.rand(1, 4, 5, 5, generator=seeded())
    (*_, strongest), _ = told(inputs, torch.arange(100).view(1, 4, 5, 5))
    assert strongest.endswith("± unknown")


def test_an_explanation_shortens_long_names():
    names = ["very " * 100 + "long", "b" * 500, "c\n" * 50, "d"]
    (*_, strongest), _ = told(1 + torch.rand(1, 4, 5, 5, generator=seeded()), names=names)
    assert "'very very" in strongest
    assert "..." in strongest
