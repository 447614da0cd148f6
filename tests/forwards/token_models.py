"""Small transformers that are built as those of known packages, with random weights, in float64."""

from __future__ import annotations

import torch
from torch import nn

SIDE, PATCH, WIDTH, CLASSES = 16, 4, 12, 3
PATCHES = (SIDE // PATCH) ** 2


def labels(side=SIDE, patch=PATCH):
    """The number of each pixel's patch, ``[side, side]``."""
    along = torch.arange(side) // patch
    return along[:, None] * (side // patch) + along


class Block(nn.Module):
    """Attention over all tokens, before a perceptron; of one's own, so that a model has no fast path."""

    def __init__(self, width=WIDTH):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x, mask=None):
        y = self.first(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.perceptron(self.second(x))


class Embedding(nn.Module):
    """As timm's patch embedding: a module of its own."""

    def __init__(self, channels=3, patch=PATCH):
        super().__init__()
        self.proj = nn.Conv2d(channels, WIDTH, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Tokens(nn.Module):
    """As timm builds it: a sequence of blocks, ``prefix`` tokens in front, and a mean or the first token at the end.

    ``keep`` are the places of the tokens that are left, ``[L]``: what a row means, said by the model itself.
    """

    def __init__(self, prefix=1, pool="token", blocks=2, channels=3):
        super().__init__()
        self.embed, self.pool = Embedding(channels), pool
        self.prefix = nn.Parameter(torch.randn(1, prefix, WIDTH))
        self.position = nn.Parameter(torch.randn(1, PATCHES + prefix, WIDTH))
        self.blocks = self.rows(blocks)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

    def rows(self, blocks):
        return nn.Sequential(*[Block() for _ in range(blocks)])

    def encode(self, x):
        return self.blocks(x)

    def forward(self, x, keep=slice(None)):
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), self.embed(x)], 1) + self.position
        x = self.norm(self.encode(tokens[:, keep]))
        return self.head(x[:, 0] if self.pool == "token" else x.mean(1))


class Torchvision(Tokens):
    """As torchvision builds it: an encoder that adds the positions, and has its blocks in an ordered sequence."""

    def encode(self, x):
        for _, block in self.blocks.named_children():
            x = block(x)
        return x


class Encoder(Tokens):
    """With torch's own encoder, whose layers take a fast path that hooks would close."""

    def rows(self, blocks):
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, 0.1, batch_first=True)
        return nn.TransformerEncoder(layer, blocks)


class TokensFirst(Tokens):
    """With torch's own encoder as it is without an argument: the axis of tokens comes first."""

    def rows(self, blocks):
        return nn.TransformerEncoder(
            nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, 0.1), blocks, enable_nested_tensor=False
        )

    def encode(self, x):
        return self.blocks(x.transpose(0, 1)).transpose(0, 1)


class Bands(Tokens):
    """As SpectralFormer: a token is a group of neighbouring bands, with all their pixels."""

    def __init__(self):
        super().__init__(channels=8)
        self.embed = nn.Sequential(nn.Unflatten(1, (PATCHES, 2)), nn.Flatten(2), nn.Linear(2 * SIDE, WIDTH))


class Windows(Tokens):
    """As Swin: attention within windows, so that neighbours in the row matter."""

    def encode(self, x):
        first, *others = self.blocks
        x = first(x)
        for block in others:
            x = torch.cat([block(part) for part in x.split(4, 1)], 1)
        return x


class Convolved(Tokens):
    """A convolution between the blocks, over the grid of patches."""

    def __init__(self):
        super().__init__(0, "mean")
        self.between = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)

    def encode(self, x):
        side = SIDE // PATCH
        x = self.blocks[0](x)
        x = x + self.between(x.transpose(1, 2).unflatten(2, (side, side))).flatten(2).transpose(1, 2)
        return self.blocks[1](x)


class ConvNet(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES))


def made(kind, *arguments, seed=0):
    """A model in float64 and evaluation mode, whose weights are large enough to matter."""
    torch.manual_seed(seed)
    model = kind(*arguments)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(1.5)
    return model.double().eval()
