"""Which baseline gives the features that a model really uses the largest coefficients? Tests data with a planted cause.

    python benchmarks/baselines.py          (about two minutes on one core)
    python benchmarks/baselines.py --last   (cases and seeds that nobody looked at while choosing defaults)
    python benchmarks/baselines.py --quick  (keeps the code alive; its figures mean little)

In each case only a group of bands, a patch, or one or two elements decide the class. Everything else varies without
meaning: over samples and, except for homogeneous cases, over pixels. For each baseline the table shows the share of
validation samples whose strongest feature is a planted one. It explains the predicted class on the callback's default
scale, which is the logit less the mean of all logits, or for vectors the log-probability. It leaves out samples that
the model classifies wrongly. ``default`` is the callback's baseline, ``counts`` the share of its explanations whose
score passes the callback's default gate, and ``score`` their mean score. Cases that begin with ``ordered`` have three
classes in a row, one of which lies in the middle of the data: a known limit of the defaults for bands and pixels.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from sklearn.datasets import load_iris, load_wine
from torch import Tensor, nn

from lime_callback import Features, Superbands, Superpixels, explain
from lime_callback.outputs.output_kinds import scale_of
from lime_callback.sampling.default_baseline import DefaultBaseline

if TYPE_CHECKING:
    from collections.abc import Callable

BASELINES = ("mean", "data", "background", "blur", "default")
TRAINING, BACKGROUND, PROBES = 768, 64, 32
GATE = 0.2  # the callback's default
BANDS, GROUPS = 48, 6


@dataclass(frozen=True)
class Made:
    """Samples ``x`` with labels ``y``, their features, and the numbers of the features that decide the class."""

    x: Tensor
    y: Tensor
    features: Features
    planted: tuple[int, ...]


def spectra(
    plant: Callable[[Tensor, Tensor, slice], None], homogeneous: bool, size: int = 6, classes: int = 2
) -> Callable[[int], Made]:
    """Return a maker of patches [N, BANDS, size, size]: spectra with random levels, and a group that ``plant`` sets."""

    def make(seed: int) -> Made:
        g = torch.Generator().manual_seed(seed)
        total = TRAINING + BACKGROUND + PROBES
        y, group = torch.randint(0, classes, (total,), generator=g), seed % GROUPS
        usual, width = 2 + torch.linspace(0, 6, BANDS).sin(), BANDS // GROUPS
        # The groups' levels are independent; otherwise a model would do well to use groups without the plant.
        levels = 0.3 * torch.randn(total, GROUPS, generator=g).repeat_interleave(width, 1)
        x = (usual + levels + 0.2 * torch.randn(total, BANDS, generator=g))[..., None, None]
        x = x + (0.0 if homogeneous else 0.5) * torch.randn(total, BANDS, size, size, generator=g)
        plant(x, y, slice(group * width, (group + 1) * width))
        return Made(x, y, Superbands(GROUPS).features(x[:1]), (group,))

    return make


def band_offset(x: Tensor, y: Tensor, group: slice) -> None:
    """Make a class brighter in the group."""
    x[:, group] += (0.9 * (2 * y - 1))[:, None, None, None]


def band_offsets(x: Tensor, y: Tensor, group: slice) -> None:
    """Make three classes brighter in the group, each more than the one before."""
    x[:, group] += (1.2 * (y - 1))[:, None, None, None]


def band_slope(x: Tensor, y: Tensor, group: slice) -> None:
    """Let the classes differ in the sign of the group's slope, not in its mean."""
    slope = torch.linspace(-1, 1, group.stop - group.start)
    x[:, group] += (2 * y - 1)[:, None, None, None] * 0.6 * slope[:, None, None]


def band_absorption(x: Tensor, y: Tensor, group: slice) -> None:
    """Make a class darker in the group, and leave the other unchanged."""
    x[:, group] -= (1.8 * y)[:, None, None, None]


def images(
    plant: Callable[[Tensor, Tensor, torch.Generator], None], homogeneous: bool, classes: int = 2
) -> Callable[[int], Made]:
    """Return a maker of images [N, 3, 32, 32] of 16 patches with random colours, one of which ``plant`` sets."""

    def make(seed: int) -> Made:
        g = torch.Generator().manual_seed(seed)
        total = TRAINING + BACKGROUND + PROBES
        y, place = torch.randint(0, classes, (total,), generator=g), 5 + seed % 6
        row, column = 8 * (place // 4), 8 * (place % 4)
        x = 0.5 * torch.randn(total, 3, 1, 1, generator=g).expand(-1, -1, 32, 32).clone()
        if not homogeneous:
            x += 0.5 * torch.randn(total, 3, 4, 4, generator=g).repeat_interleave(8, 2).repeat_interleave(8, 3)
            x += 0.2 * torch.randn(x.shape, generator=g)
        plant(x[:, :, row : row + 8, column : column + 8], y, g)
        return Made(x, y, Superpixels("grid", n_segments=16).features(x[:1]), (place,))

    return make


def patch_brightness(patch: Tensor, y: Tensor, g: torch.Generator) -> None:
    """Make the patch brighter or darker, by the class."""
    patch += (0.8 * (2 * y - 1))[:, None, None, None]


def patch_brightnesses(patch: Tensor, y: Tensor, g: torch.Generator) -> None:
    """Make the patch brighter for each of three classes than for the one before."""
    patch += (1.2 * (y - 1))[:, None, None, None]


def patch_texture(patch: Tensor, y: Tensor, g: torch.Generator) -> None:
    """Draw stripes along or across the patch, by the class."""
    stripes = (torch.arange(8) % 4 < 2).float() * 2 - 1
    along, across = stripes.view(1, 8).expand(8, 8), stripes.view(8, 1).expand(8, 8)
    patch += 0.8 * torch.stack([along, across])[y].unsqueeze(1)


def patch_object(patch: Tensor, y: Tensor, g: torch.Generator) -> None:
    """Put a bright object into the patch, or none, by the class."""
    patch[:, :, 2:6, 2:6] += (1.2 * y)[:, None, None, None]


def patch_colour(patch: Tensor, y: Tensor, g: torch.Generator) -> None:
    """Make the patch red or green, by the class, with random strength."""
    strength = (0.5 + torch.rand(len(y), generator=g))[:, None, None]
    patch[:, 0] += strength * (y == 0)[:, None, None]
    patch[:, 1] += strength * (y == 1)[:, None, None]


def vectors(label: Callable[[Tensor], Tensor], d: int, planted: tuple[int, ...]) -> Callable[[int], Made]:
    """Return a maker of vectors [N, d], whose elements differ in offset and scale, with labels from ``label``."""

    def make(seed: int) -> Made:
        g = torch.Generator().manual_seed(seed)
        z = torch.randn(TRAINING + BACKGROUND + PROBES, d, generator=g)
        x = z * (0.5 + torch.rand(d, generator=g)) + 3 * torch.randn(d, generator=g)
        return Made(x, label(z), Features.from_mask(torch.arange(d).view(1, d)), planted)

    return make


def iris(seed: int) -> Made:
    """Return the iris data with the sepals (elements 0 and 1) shuffled over the samples.

    Unshuffled sepals also tell the classes apart, and networks use them: the right answer would be unknown.
    """
    data = load_iris()
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(150, generator=g)
    x, y = torch.tensor(data.data).float()[order], torch.tensor(data.target)[order]
    for k in (0, 1):
        x[:, k] = x[torch.randperm(150, generator=g), k]
    return Made(x, y, Features.from_mask(torch.arange(4).view(1, 4)), (2, 3))


def wine(seed: int) -> Made:
    """Return the wine data with all but flavanoids and proline (elements 6 and 12) shuffled over the samples."""
    data = load_wine()
    g = torch.Generator().manual_seed(seed)
    order = torch.randperm(178, generator=g)
    x, y = torch.tensor(data.data).float()[order], torch.tensor(data.target)[order]
    x = (x - x.mean(0)) / x.std(0) + torch.linspace(1, 5, 13)
    for k in set(range(13)) - {6, 12}:
        x[:, k] = x[torch.randperm(178, generator=g), k]
    return Made(x, y, Features.from_mask(torch.arange(13).view(1, 13)), (6, 12))


FIFTHS = torch.tensor([-0.84, -0.25, 0.25, 0.84])  # borders between five equal classes of a standard normal element
THIRDS = torch.tensor([-0.6, 0.6])  # borders between three equal classes of the sum of two such elements
BUILT_BY = {
    "spectral: offset, homogeneous": spectra(band_offset, True),
    "spectral: offset": spectra(band_offset, False),
    "spectral: absorption, homogeneous": spectra(band_absorption, True),
    "spatial: brightness, homogeneous": images(patch_brightness, True),
    "spatial: texture": images(patch_texture, False),
    "spatial: object, homogeneous": images(patch_object, True),
    "vector: iris": iris,
    "vector: one of twelve": vectors(lambda z: (z[:, 4] > 0).long(), 12, (4,)),
}
LAST = {
    "spectral: slope, homogeneous": spectra(band_slope, True),
    "spectral: slope": spectra(band_slope, False),
    "spectral: absorption": spectra(band_absorption, False),
    "spatial: colour, homogeneous": images(patch_colour, True),
    "spatial: brightness": images(patch_brightness, False),
    "spatial: object": images(patch_object, False),
    "vector: wine": wine,
    "vector: three classes of one": vectors(lambda z: (z[:, 7] > -0.5).long() + (z[:, 7] > 0.5), 20, (7,)),
    "vector: five classes of one": vectors(lambda z: torch.bucketize(z[:, 3], FIFTHS), 12, (3,)),
    "vector: three of a sum of two": vectors(lambda z: torch.bucketize(z[:, 2] + z[:, 9], THIRDS), 12, (2, 9)),
    "ordered: spectral, three offsets": spectra(band_offsets, False, classes=3),
    "ordered: spatial, three brightnesses": images(patch_brightnesses, False, classes=3),
}


def trained(made: Made, epochs: int, seed: int) -> nn.Module:
    """Train a small network for the samples: an MLP for vectors, a CNN for the others."""
    torch.manual_seed(seed)
    channels, outputs = made.x.shape[1], int(made.y.max()) + 1
    if made.x.ndim == 2:
        body: list[nn.Module] = [nn.BatchNorm1d(channels), nn.Linear(channels, 32), nn.ReLU(), nn.Linear(32, outputs)]
    else:
        cells = 16 if made.x.shape[-1] == 32 else 1
        body = [
            nn.BatchNorm2d(channels), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4 if cells == 16 else 1), nn.Flatten(),
            nn.Linear(16 * cells, 32), nn.ReLU(), nn.Linear(32, outputs),
        ]  # fmt: skip
    model = nn.Sequential(*body)
    held = BACKGROUND + PROBES if len(made.x) > 400 else len(made.x) // 3
    x, y = made.x[:-held], made.y[:-held]
    optimizer = torch.optim.Adam(model.parameters(), 3e-3, weight_decay=1e-4)
    for _ in range(epochs if len(x) > 400 else 6 * epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval()


def first(made: Made, model: nn.Module, n: int) -> tuple[list[float], float]:
    """Return how often a planted feature is the strongest, and how often the model is right.

    Returns:
        A list with a share for each baseline, then the share of the default's explanations that pass the gate, then
        their mean score; and the share of samples that the model classifies rightly. The list counts these alone.
    """
    held = len(made.x) // 3 if len(made.x) <= 400 else BACKGROUND + PROBES
    x, y = made.x[-held:], made.y[-held:]
    background, probes, labels = x[:-PROBES], x[-PROBES:], y[-PROBES:]
    with torch.no_grad():
        outputs = model(probes)
    predicted = outputs.argmax(1)
    right = predicted == labels
    shares, output = [], scale_of("classes", outputs, made.features.layout)
    for name in BASELINES:
        baseline = DefaultBaseline() if name == "default" else name
        explanation = explain(
            model, probes[right], made.features, predicted[right], baseline=baseline, background=background,
            n_perturbations=n, output=output,
        )  # fmt: skip
        strongest = explanation.coefficients[:, 0].abs().argmax(1)
        shares.append(float(torch.isin(strongest, torch.tensor(made.planted)).double().mean()))
    shares += [
        float((explanation.score >= GATE).double().mean()),
        float(explanation.score.mean()),
    ]  # the last baseline is the default
    return shares, float(right.double().mean())


def main() -> None:
    """Train the models, explain samples, print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--last", action="store_true")
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter(
        "ignore", UserWarning
    )  # the callback warns of fits that explain nothing, which are counted here
    cases, begin = (LAST, 300) if args.last else (BUILT_BY, 0)
    epochs, n, seeds = (1, 32, 1) if args.quick else (10, 256, args.seeds)
    print(f"{'':<36}{'right':>7}" + "".join(f"{name:>12}" for name in (*BASELINES, "counts", "score")))
    of_kind: dict[str, list[Tensor]] = {}
    for case, make in cases.items():
        shares_of_seeds, right = [], []
        for seed in range(begin, begin + seeds):
            made = make(seed)
            shares, known = first(made, trained(made, epochs, seed), n)
            shares_of_seeds.append(shares)
            right.append(known)
        means = torch.tensor(shares_of_seeds).mean(0)
        of_kind.setdefault(case.split(":")[0], []).append(means)
        print(f"{case:<36}{sum(right) / len(right):7.2f}" + "".join(f"{share:12.3f}" for share in means), flush=True)
    for kind, all_means in of_kind.items():
        mean = torch.stack(all_means).mean(0)
        print(f"{'all ' + kind:<43}" + "".join(f"{share:12.3f}" for share in mean))


if __name__ == "__main__":
    main()
