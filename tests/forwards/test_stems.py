"""FoldedStem stems: the same outputs without perturbed inputs, and a fallback wherever that cannot be."""

import logging

import pytest
import torch
from torch import nn
from toys import Classifier, fit
from traits import batches, limes

from lime_callback import Cubes, Features, Superbands, Superpixels, explain
from lime_callback.explaining.strategies import Strategies
from lime_callback.forwards.folded_stem import FoldedStem, StemFinder

IMAGE, SPECTRUM, VOLUME = (12, 16, 16), (40,), (1, 6, 8, 8)


class Rest(nn.Module):
    """A model that is not linear after its stem."""

    def __init__(self, stem, before=lambda x: x):
        super().__init__()
        self.stem, self.before = stem, before

    def forward(self, x):
        y = self.stem(self.before(x)).flatten(1)
        return torch.stack([y.tanh().mean(1), (y**2).mean(1), y.amax(1)], 1)


def both(model, x, features, **settings):
    settings = {"n_perturbations": 100, "design": "paired", "batch_size": 7, "seed": [3, 4]} | settings
    return [explain(model.eval(), x, features, **settings, stem=stem) for stem in ("off", "auto")]


def images(shape, size=2, **settings):
    return torch.randn(size, *shape, generator=torch.Generator().manual_seed(1), **settings) + 0.5


def same(found, rows):
    off, auto = found
    assert sum(rows) >= 2 * 100
    scale = off.coefficients.abs().max()
    torch.testing.assert_close(auto.coefficients, off.coefficients, atol=1e-5 * float(scale), rtol=0)
    torch.testing.assert_close(auto.standard_error, off.standard_error, atol=1e-4 * float(scale), rtol=0)
    torch.testing.assert_close(auto.score, off.score, atol=1e-4, rtol=0)


CONVOLUTIONS = [
    nn.Conv2d(12, 8, 4, 4),
    nn.Conv2d(12, 8, 3, padding=1),
    nn.Conv2d(12, 8, 3, 2, bias=False),
    nn.Conv2d(12, 12, 3, groups=3),
    nn.Conv2d(12, 8, 3, padding=1, padding_mode="reflect"),
    nn.Conv2d(12, 8, 3, dilation=2, padding="same"),
    nn.Conv2d(12, 8, (4, 2), (4, 2)),
]
VIEWS = [
    Superbands(5),
    Superbands([range(3), [5]], name="some"),
    Superpixels("grid", 16),
    Superpixels("grid", 9),
    Superpixels(n_segments=6),
    Cubes(superpixels=Superpixels("grid", 4), superbands=Superbands(3)),
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.name}-{getattr(view, 'n_segments', '')}")
@pytest.mark.parametrize("stem", CONVOLUTIONS, ids=str)
def test_convolutions(folded, stem, view):
    x = images(IMAGE)
    same(both(Rest(stem), x, view.features(x)), folded)


@pytest.mark.parametrize(
    ("stem", "shape", "before"),
    [
        (nn.Linear(40, 6), SPECTRUM, lambda x: x),
        (nn.Conv1d(1, 6, 5), SPECTRUM, lambda x: x.unsqueeze(1)),
        (nn.Conv3d(1, 4, (3, 3, 3), padding=1), VOLUME, lambda x: x),
        (nn.Conv3d(1, 4, 3, stride=2), IMAGE, lambda x: x.unsqueeze(1)),
        (nn.Linear(12 * 16 * 16, 5), IMAGE, lambda x: x.flatten(1)),
        (nn.Linear(16, 3), IMAGE, lambda x: x),
    ],
    ids=["linear", "conv1d", "conv3d", "conv3d of an image", "linear of all", "linear of rows"],
)
def test_other_stems(folded, stem, shape, before):
    x = images(shape)
    numbers = torch.arange(x[0].numel()).view(1, *shape) % 7 - 1  # some are never hidden
    same(both(Rest(stem, before), x, Features.from_mask(numbers)), folded)


@pytest.mark.parametrize("baseline", ["zero", "mean", "segment_mean", "blur", 0.3, lambda x: x.flip(0)])
@pytest.mark.parametrize("design", ["bernoulli", "paired", "orthogonal"])
def test_baselines_and_designs(folded, baseline, design):
    x = images(IMAGE)
    found = both(Rest(nn.Conv2d(12, 8, 4, 4)), x, Superbands(5).features(x), baseline=baseline, design=design)
    off, auto = found
    assert folded
    torch.testing.assert_close(auto.coefficients, off.coefficients, atol=1e-5, rtol=1e-4)


def test_inputs_of_their_own_features_and_any_batch(folded):
    x = images(IMAGE, size=5)
    features = Superpixels(n_segments=6).features(x)
    model = Rest(nn.Conv2d(12, 8, 4, 4)).eval().double()
    given = {"n_perturbations": 20, "seed": [1, 2, 3, 4, 5]}
    found = [explain(model, x.double(), features, **given, batch_size=size) for size in (1, 7, 20, 64, 100)]
    for other in found[1:]:
        torch.testing.assert_close(other.coefficients, found[0].coefficients, atol=1e-10, rtol=1e-10)


def test_half_precision_under_autocast(folded):
    x = images(IMAGE)
    model = Rest(nn.Conv2d(12, 8, 4, 4))
    with torch.autocast("cpu", torch.bfloat16):
        off, auto = both(model, x, Superbands(5).features(x))
    assert folded
    torch.testing.assert_close(auto.coefficients, off.coefficients, atol=0.02, rtol=0.05)


class Elsewhere(Rest):
    """Looks at its input besides."""

    def forward(self, x):
        return super().forward(x) + x.mean((1, 2, 3)).unsqueeze(1)


class Twice(Rest):
    def forward(self, x):
        return super().forward(x) + super().forward(x)


class InPlace(Rest):
    def forward(self, x):
        return super().forward(x.mul_(0.5))


class Checks(Rest):
    def forward(self, x):
        if not bool(x.isfinite().all()):
            raise ValueError("no number")
        return super().forward(x)


class Weighs(nn.Conv2d):
    """Not linear, though it derives from a layer that is."""

    def forward(self, x):
        return super().forward(x) * x.mean()


def patches(**settings):
    return nn.Conv2d(12, 8, 4, 4, **settings)


@pytest.mark.parametrize(
    "model",
    [
        Rest(patches(), lambda x: (x - x.mean()) / x.std()),
        Elsewhere(patches()),
        Twice(patches()),
        InPlace(patches()),
        Checks(patches()),
        Rest(Weighs(12, 8, 4, 4)),
        Rest(nn.utils.parametrizations.weight_norm(patches())),
        Rest(nn.Flatten()),
    ],
    ids=["normalised", "elsewhere", "twice", "in place", "checks", "derived", "parametrized", "no layer"],
)
def test_models_that_cannot_be_folded(folded, model, caplog):
    x = images(IMAGE)
    with caplog.at_level(logging.INFO, logger="lime_callback"):
        off, auto = both(model, x, Superbands(5).features(x))
    assert not folded
    assert torch.equal(off.coefficients, auto.coefficients)
    said = [record.message for record in caplog.records if "longer than it could" in record.message]
    assert len(said) == 1


def test_compiled_models_are_left_alone(folded):
    x = images(IMAGE)
    model = Rest(torch.compile(patches(), backend="eager"))
    off, auto = both(model, x, Superbands(5).features(x))
    assert not folded
    assert torch.equal(off.coefficients, auto.coefficients)


def test_it_is_not_taken_where_it_does_not_pay(monkeypatch):
    """A convolution with small kernels and a large output: its images of sixteen features cost more than itself."""
    rows = []
    monkeypatch.setattr(FoldedStem, "evaluate", lambda *args: rows.append(args))
    x = images((3, 32, 32))
    both(Rest(nn.Conv2d(3, 64, 3, padding=1)), x, Superpixels("grid", 16).features(x), n_perturbations=128)
    assert not rows


def test_nothing_is_left_behind(folded):
    model = Rest(patches()).eval()
    before = dict(vars(model.stem))
    x = images(IMAGE)
    both(model, x, Superbands(5).features(x))
    assert vars(model.stem) == before
    assert "forward" not in vars(model.stem)
    assert not model.stem._forward_hooks

    def fails(y):
        if torch.is_tensor(y) and len(y) == 7:
            raise RuntimeError("too many")
        return y

    with pytest.raises(RuntimeError, match="too many"):
        both(model, x, Superbands(5).features(x), output=fails)
    assert vars(model.stem) == before


def test_forward_hooks_of_the_stem_are_called(folded):
    model = Rest(patches()).eval()
    model.stem.register_forward_hook(lambda layer, given, output: output * 2)
    x = images(IMAGE)
    same(both(model, x, Superbands(5).features(x)), folded)


def test_the_stem_is_found():
    def found(model):
        finder = StemFinder(model)
        with finder.looking(lambda x, _: model(x)) as forward:
            forward(images(IMAGE), torch.arange(2))
        return finder.stem

    model = Rest(patches())
    assert found(model).layer is model.stem
    assert not model.stem._forward_hooks
    assert found(Rest(nn.Flatten())) is None


def test_the_callback_folds_and_says_where_it_cannot(tmp_path, folded, caplog):
    class Normalises(Classifier):
        def forward(self, x):
            return super().forward(x / x.abs().amax())

    fit(tmp_path / "folds", limes(), data=batches().dataset)
    assert sum(folded) > 100
    folded.clear()
    with caplog.at_level(logging.INFO):
        fit(tmp_path / "not", limes(), model=Normalises, data=batches().dataset)
    assert not folded
    said = [record.message for record in caplog.records if "takes longer" in record.message]
    assert said == [
        f"LimeCallback 'lime': view '{view}' takes longer than it could, since the model uses its input elsewhere, "
        "too, or changes it by its own values before its first layer. The explanation is the same."
        for view in ("spatial", "spectral")
    ]


def test_the_argument():
    with pytest.raises(ValueError, match=r"`stem` should be one of 'auto', 'off'. Found `stem = 'on'`"):
        Strategies(stem="on")
