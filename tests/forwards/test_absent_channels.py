"""Models that take wavelengths beside the image get fewer of both: equal to each row alone, or refused with why."""

from functools import partial

import pytest
import torch
from test_absent import images
from token_models import CLASSES, PATCH, SIDE, WIDTH, Block, made
from torch import nn

from lime_callback import Superbands, Superpixels, explain
from lime_callback.forwards import AbsentError

CHANNELS = 9
WAVELENGTHS = [0.44, 0.49, 0.56, 0.66, 0.70, 0.84, 0.94, 1.61, 2.19]  # micrometres

# Few perturbations are enough to compare outputs, though not for a fit.
pytestmark = pytest.mark.filterwarnings("ignore:The explanation of input")


class AnySensor(nn.Module):
    """As DOFA: a network makes the patch embedding's weights from the wavelengths, which are one list for all rows."""

    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, WIDTH * PATCH**2))
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(WIDTH, CLASSES)

    def weights(self, wavelengths):
        """The weights of each channel, ``[..., C, WIDTH, PATCH, PATCH]``."""
        waves = torch.as_tensor(wavelengths, dtype=self.head.weight.dtype)[..., None] * torch.arange(1, 5)
        return self.generator(torch.cat([waves.sin(), waves.cos()], -1)).unflatten(-1, (WIDTH, PATCH, PATCH))

    def encode(self, x, weights):
        """From weights ``[m, C, ...]`` of each row."""
        patches = x.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
        tokens = torch.einsum("mcyxab,mcwab->myxw", patches, weights).flatten(1, 2) / x.shape[1]
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens.mean(1))

    def forward(self, x, wavelengths):
        return self.encode(x, self.weights(wavelengths).expand(len(x), -1, -1, -1, -1))


class AnyRow(AnySensor):
    """As Panopticon: takes a dictionary, in which each row has the numbers of its own channels."""

    def forward(self, given):
        return self.encode(given["imgs"], self.weights(given["chn_ids"]))


class Within(nn.Module):
    """Knows its wavelengths, and normalises the image's channels by numbers of its own before."""

    def __init__(self):
        super().__init__()
        self.model = AnySensor()
        self.register_buffer("mean", torch.linspace(-1, 1, CHANNELS)[:, None, None])

    def forward(self, x):
        return self.model(x - self.mean, wavelengths=torch.tensor(WAVELENGTHS, dtype=torch.float64))


def per_row(model, x):
    return model({"imgs": x, "chn_ids": torch.tensor(WAVELENGTHS, dtype=torch.float64).expand(len(x), -1)})


class PerRow(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AnyRow()

    def forward(self, x):
        return per_row(self.model, x)


def shared(model):
    """The model with all its channels, and with some."""
    return partial(model, wavelengths=WAVELENGTHS), lambda x, on: model(x[:, on], [WAVELENGTHS[i] for i in on])


def within(model):
    return model, lambda x, on: model.model((x - model.mean)[:, on], [WAVELENGTHS[i] for i in on])


def rows(model):
    return model, lambda x, on: model.model(
        {"imgs": x[:, on], "chn_ids": torch.tensor(WAVELENGTHS, dtype=torch.float64)[on][None]}
    )


WAYS = {"a list": (AnySensor, shared), "inside": (Within, within), "of each row": (PerRow, rows)}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("batch_size", [3, 64])
@torch.no_grad()
def test_it_is_the_model_on_fewer_channels_row_by_row(name, batch_size):
    kind, way = WAYS[name]
    whole, some = way(made(kind))
    x = images(2, CHANNELS)
    bands = Superbands(bands=5).features(x)
    design = {"n_perturbations": 24, "design": "bernoulli", "batch_size": batch_size}
    found = explain(whole, x, bands, baseline="absent", **design)
    assert "Absent" in found.strategies[1]
    channel = bands.mask.flatten().long()
    for image, on_features, outputs in zip(
        x, found.samples.design.expand(2, -1, -1), found.samples.outputs, strict=True
    ):
        for on, output in zip(on_features, outputs, strict=True):
            if on.any():
                torch.testing.assert_close(
                    some(image[None], on[channel].nonzero().flatten().tolist())[0], output, rtol=0, atol=1e-9
                )
    assert found.hidden.isnan().all()  # no channel, no answer


@torch.no_grad()
def test_rows_with_as_many_channels_go_together_where_each_has_its_own():
    x, sizes = images(2, CHANNELS), {}
    for name, (kind, way) in WAYS.items():
        model = made(kind)
        inner = getattr(model, "model", model)
        sizes[name] = []
        inner.blocks[0].register_forward_pre_hook(lambda _, given, of=name: sizes[of].append(len(given[0])))
        each = Superbands(bands=CHANNELS).features(x)
        explain(way(model)[0], x, each, baseline="absent", n_perturbations=64, batch_size=64)
    assert max(sizes["of each row"]) > 16
    assert max(sizes["a list"]) < 8  # which is one for all rows of a call, so that they have the same channels


@torch.no_grad()
def test_what_a_hidden_channel_holds_does_not_matter():
    model, x = made(AnySensor), images(1, CHANNELS)
    other = x.clone()
    other[:, 4] = 9.0
    bands = Superbands(bands=CHANNELS).features(x)
    one, two = (
        explain(partial(model, wavelengths=WAVELENGTHS), each, bands, baseline="absent", n_perturbations=48)
        for each in (x, other)
    )
    same = (one.samples.outputs - two.samples.outputs)[0].abs().amax(-1) < 1e-9
    assert torch.equal(same, ~one.samples.design[0, :, 4])


class InOrder(AnySensor):
    """Adds something of each channel's place."""

    def forward(self, x, wavelengths):
        return super().forward(x * torch.arange(1, x.shape[1] + 1)[:, None, None], wavelengths)


class Counts(AnySensor):
    """Runs on all its channels alone."""

    def forward(self, x, wavelengths):
        return super().forward(x.unflatten(1, (CHANNELS, 1)).flatten(1, 2), wavelengths)


class Elsewhere(nn.Module):
    """Adds something of the whole image at the end."""

    def __init__(self):
        super().__init__()
        self.model = AnySensor()

    def forward(self, x):
        return self.model(x, WAVELENGTHS) + x.mean((1, 2, 3))[:, None]


class Mixed(nn.Module):
    """Mixes the channels before they get their wavelengths."""

    def __init__(self):
        super().__init__()
        self.model, self.mix = AnySensor(), nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x):
        return self.model(self.mix(x), WAVELENGTHS)


@pytest.mark.parametrize(
    ("kind", "way", "reason"),
    [
        (InOrder, shared, "depends on the places of the channels"),
        (Counts, shared, "runs on no other number of channels"),
        (Elsewhere, within, "uses its input beside its channels"),
        (Mixed, within, "no regular grid"),
    ],
)
def test_what_depends_on_more_than_which_channels_there_are_is_refused_with_the_reason(kind, way, reason):
    x = images(1, CHANNELS)
    whole = partial(made(kind), wavelengths=WAVELENGTHS) if way is shared else made(kind)
    with pytest.raises(AbsentError, match=reason):
        explain(whole, x, Superbands(bands=3).features(x), baseline="absent")


@torch.no_grad()
def test_patches_of_such_a_model_are_left_out_as_of_others():
    model, x = made(AnySensor), images(1, CHANNELS)
    squares = Superpixels("grid", (SIDE // PATCH) ** 2).features(x)
    found = explain(partial(model, wavelengths=WAVELENGTHS), x, squares, baseline="absent", n_perturbations=64)
    assert "Absent" in found.strategies[1]


def test_it_leaves_no_trace():
    model, x = made(AnySensor), images(1, CHANNELS)
    before = [sorted(vars(part)) for part in model.modules()]
    explain(
        partial(model, wavelengths=WAVELENGTHS),
        x,
        Superbands(bands=3).features(x),
        baseline="absent",
        n_perturbations=8,
    )
    assert [sorted(vars(part)) for part in model.modules()] == before


@torch.no_grad()
def test_channels_beyond_what_half_precision_counts():
    """300 channels of a model in bf16, whose wavelengths are those of its channels."""
    waves = torch.linspace(0.4, 2.5, 300).tolist()
    x = torch.randn(1, 300, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).bfloat16()
    model = made(AnySensor).bfloat16()
    bands = Superbands(bands=4).features(x)
    found = explain(partial(model, wavelengths=waves), x, bands, baseline="absent", n_perturbations=16)
    exact = explain(
        partial(made(AnySensor), wavelengths=waves), x.double(), bands, baseline="absent", n_perturbations=16
    )
    largest = float(exact.samples.outputs.abs().amax())
    assert float((found.samples.outputs.double() - exact.samples.outputs).abs().nan_to_num(0.0).amax()) < 0.1 * largest
