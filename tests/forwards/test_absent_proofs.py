"""What leaving tokens out would get wrong is refused, whatever the first image shows and however few tokens are."""

import pytest
import torch
from token_models import Block, ConvNet, made
from torch import nn

from lime_callback import Features, explain
from lime_callback.forwards import AbsentError, model_patches

pytestmark = pytest.mark.filterwarnings("ignore:The explanation of input")


class Embedded(nn.Module):
    """Patches of 4 x 4 pixels as tokens without places, blocks, and a head of what ``pooled`` makes of the tokens."""

    def __init__(self, blocks=2):
        super().__init__()
        self.embed = nn.Conv2d(3, 12, 4, 4)
        self.blocks = nn.ModuleList(self.block() for _ in range(blocks))
        self.head = nn.Linear(12, 3)

    def block(self):
        return Block()

    def pooled(self, tokens):
        return tokens.mean(1)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).mT
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.pooled(tokens))


class FixedGrid(Embedded):
    """Pools over as many cells as four whatever the number of tokens is."""

    def pooled(self, tokens):
        return nn.functional.adaptive_avg_pool1d(tokens.mT, 4).mean(2)


class Halves(Embedded):
    """Pools over windows of half of all tokens, and leaves out what does not fill one."""

    def pooled(self, tokens):
        return nn.functional.avg_pool1d(tokens.mT, min(self.whole // 2, tokens.shape[1])).mean(2)

    def forward(self, x):
        self.whole = x.shape[2] * x.shape[3] // 16
        return super().forward(x)


class OnePlace(Embedded):
    """Reads the token at one place."""

    place = 0

    def pooled(self, tokens):
        return tokens[:, self.place]


class Distances(nn.Module):
    """A block whose attention falls with the distance of two tokens in their row."""

    def __init__(self):
        super().__init__()
        self.own, self.out = nn.Linear(12, 36), nn.Linear(12, 12)

    def forward(self, x):
        query, key, value = self.own(x).chunk(3, -1)
        at = torch.arange(x.shape[1])
        near = -0.5 * (at[:, None] - at).abs()
        return x + self.out((query @ key.mT / 5 + near).softmax(-1) @ value)


class ByDistance(Embedded):
    def block(self):
        return Distances()


def patches(height=16, width=16):
    grid = torch.arange(height)[:, None] // 4 * (width // 4) + torch.arange(width) // 4
    return Features.from_mask(grid.view(1, 1, height, width))


def explained(model, x, batch_size=16, n=60):
    return explain(model, x, patches(*x.shape[2:]), n_perturbations=n, baseline="absent", batch_size=batch_size)


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("first", ["black", "tiled", "noise"])
def test_what_depends_on_places_is_refused_whatever_the_first_image_shows(first):
    x = images(2, 3, 16, 20)
    if first == "black":
        x[0] = 0
    elif first == "tiled":
        x[0] = x[0, :, :4, :4].repeat(1, 4, 5)
    with pytest.raises(AbsentError, match="depends on the places of the tokens"):
        explained(made(ByDistance), x)


@pytest.mark.parametrize(("height", "width"), [(8, 16), (16, 16), (24, 24), (32, 32)])
def test_pooling_over_windows_of_half_of_the_tokens_is_refused(height, width):
    with pytest.raises(AbsentError, match="depends on the places of the tokens"):
        explained(made(Halves), images(1, 3, height, width))


@pytest.mark.parametrize(("height", "width"), [(16, 24), (16, 16), (24, 24)])
def test_pooling_over_a_fixed_grid_is_refused(height, width):
    """Its cells divide all tokens, and half of them, evenly, and those of most rows not."""
    with pytest.raises(AbsentError, match="depends on the places of the tokens"):
        explained(made(FixedGrid), images(1, 3, height, width))


@pytest.mark.parametrize(("height", "width"), [(4, 8), (8, 8), (4, 20), (8, 16), (12, 12), (12, 4)])
def test_a_model_that_reads_one_place_is_refused(height, width):
    count = height * width // 16
    for place in range(count):
        model = made(OnePlace)
        model.place = place
        with pytest.raises(AbsentError, match="depends on the places of the tokens"):
            explained(model, images(1, 3, height, width))


class Small(Embedded):
    """Has memory for some rows."""

    rows = 4

    def forward(self, x):
        if len(x) > self.rows:
            raise torch.OutOfMemoryError
        return super().forward(x)


@pytest.mark.parametrize("count", [1, 8, 20])
@pytest.mark.parametrize("rows", [2, 3, 8])
def test_the_proof_shrinks_its_batches_where_memory_runs_out(count, rows):
    x, model = images(count, 3, 16, 16), made(Small)
    model.rows = 100
    whole = explained(model, x)
    model.rows = rows
    assert torch.allclose(explained(model, x).samples.outputs, whole.samples.outputs, rtol=0, atol=1e-12)


def test_a_view_along_patches_says_what_else_cuts_a_picture():
    with pytest.raises(AbsentError, match=r"`Superpixels\(method='tokens'\)` cuts .* Take `method='slic'` or 'grid'"):
        model_patches(made(ConvNet), images(1, 3, 16, 16))
