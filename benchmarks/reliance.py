"""Does the callback raise an alarm for a set on which a model relies, and for no other set? Tests planted sets.

    python benchmarks/reliance.py           (ten seeds, with and without the plant; about half an hour on one core)
    python benchmarks/reliance.py --quick   (one seed of two kinds; keeps the code alive)
    python benchmarks/reliance.py --seeds 5 10 --kinds one,pair

Each run trains a small network for ten epochs with three watches. The first watches a set of bands or pixels into which
a signal of the label is planted, in training and in validation; the two others watch sets of the same form without a
signal. For comparison, the same data are learnt without the plant. The table shows in how many runs an alarm names the
planted set, in how many it names another set, and the share of predictions that hiding the planted set changes after
the last epoch.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from quiet_training import make_trainer
from scene import load_scene, wavelengths

from lime_callback import LimeCallback, Superbands, Superpixels, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCHS, TRAIN, VAL = 10, 768, 256
BANDS = ("one", "pair", "offset", "texture", "vapour")
PATCHES = ("1 place", "4 places", "8 places")


class Case(NamedTuple):
    """Data for a run: inputs, labels and three watched sets, the planted one first."""

    x: Tensor  # [N, C, H, W]
    y: Tensor  # [N]
    sets: dict[str, Watch]


def main() -> None:
    """Train with and without each plant, and print how many alarms there were."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 10), help="first seed, and the one behind the last")
    parser.add_argument("--kinds", default=",".join(BANDS + PATCHES))
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*(does not have many workers|LeafSpec.* is deprecated)")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    kinds = ["one", "4 places"] if args.quick else args.kinds.split(",")
    seeds = range(1) if args.quick else range(*args.seeds)
    print(f"{'':<12}{'with the plant':^52}{'without':^36}")
    print(
        f"{'kind':<12}{'found':>8}{'others':>8}{'accuracy':>10}{'changed':>9}{'expected':>10}{'share':>7}"
        f"{'found':>9}{'others':>8}{'accuracy':>10}{'changed':>9}{'expected':>10}  seconds"
    )
    for kind in kinds:
        started, line = time.perf_counter(), f"{kind:<12}"
        for plant in (True, False):
            runs = [run(kind, seed, plant=plant) for seed in seeds]
            planted_alarms, other_alarms = (sum(result[i] for result in runs) for i in (0, 1))
            means = torch.tensor([result[2:] for result in runs]).mean(0).tolist()
            line += (
                f"{planted_alarms:>{5 if plant else 6}}/{len(runs):<2}{other_alarms:>5}/{len(runs):<2}{means[0]:>10.2f}"
            )
            line += f"{means[1]:>9.2f}{means[2]:>10.2f}" + (f"{means[3]:>7.2f}" if plant else "")
        print(f"{line}{time.perf_counter() - started:9.0f}", flush=True)


def run(kind: str, seed: int, *, plant: bool) -> tuple[bool, bool, float, float, float, float]:
    """Train once.

    Returns:
        Whether an alarm names the planted set; whether one names another set; the accuracy; and for the planted set the
        share of predictions that change if it is hidden, the share expected of random sets, and its share of the
        attribution.
    """
    pl.seed_everything(seed, verbose=False)
    case = (spectral if kind in BANDS else spatial)(kind, seed, plant=plant)
    is_bands = kind in BANDS
    view = Superbands(20) if is_bands else Superpixels("grid", n_segments=16)
    lime = LimeCallback(view, watch=case.sets, every_n_epochs=1, pictures=False, layout="CHW", seed=seed)
    model = Network(case.x.shape[1], int(case.y.max()) + 1, bands=is_bands)
    folder = tempfile.TemporaryDirectory()  # for the history, which nobody reads
    trainer = make_trainer(EPOCHS, False, lime, default_root_dir=folder.name, num_sanity_val_steps=0)
    train, val = (TensorDataset(case.x[part], case.y[part]) for part in (slice(TRAIN), slice(TRAIN, None)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(model, DataLoader(train, 64, shuffle=True), DataLoader(val, 128))
    alarms = [str(warning.message) for warning in caught if "what the model rests on" in str(warning.message)]
    view_name = view.name
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    figures = [metrics[f"lime/{view_name}/{metric}"] for metric in (
        "reliance/planted", "reliance/planted_expected", "watch/planted",
    )]  # fmt: skip
    other_alarms = any("'planted'" not in warning for warning in alarms)
    return any("'planted'" in warning for warning in alarms), other_alarms, metrics["accuracy"], *figures


class Network(pl.LightningModule):
    """A small convolutional network.

    Args:
        channels: the number of an input's channels.
        classes: the number of classes.
        bands: whether the channels are a spectrum, which the first layer mixes for each pixel.
    """

    def __init__(self, channels: int, classes: int, *, bands: bool) -> None:
        super().__init__()
        first = nn.Conv2d(channels, 24, 1) if bands else nn.Conv2d(channels, 24, 3, padding=1)
        pool: Callable[[], nn.Module] = (
            (lambda: nn.AdaptiveMaxPool2d(2)) if bands else (lambda: nn.AdaptiveAvgPool2d(4))
        )
        self.net = nn.Sequential(
            first, nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
            pool(), nn.Flatten(), nn.Linear(24 * (4 if bands else 16), classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.net(x)

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the cross-entropy."""
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor]) -> None:
        """Log the accuracy."""
        right = (self(batch[0]).argmax(1) == batch[1]).float().mean()
        self.log("accuracy", right, batch_size=len(batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), 3e-3)


def spectral(kind: str, seed: int, *, plant: bool) -> Case:
    """Return patches of 6 x 6 spectra: made-up smooth spectra of 60 channels, or Indian Pines for ``"vapour"``."""
    generator = torch.Generator().manual_seed(1000 + seed)
    if kind == "vapour":
        return vapour(generator, plant=plant)
    count, channels, classes = TRAIN + VAL, 60, 5
    y = torch.randint(classes, (count,), generator=generator)
    of_class = smooth(torch.randn(classes, channels, generator=generator), 15)
    of_sample = smooth(torch.randn(count, channels, generator=generator), 25)
    noise = torch.randn(count, channels, 6, 6, generator=generator)
    x = (0.25 * of_class[y] + of_sample)[..., None, None] + smooth(noise.movedim(1, -1), 3).movedim(-1, 1)
    # The sets are four ranges of five to nine channels at random places that do not touch each other.
    widths = torch.randint(5, 10, (4,), generator=generator).tolist()
    gaps = torch.randperm(channels - sum(widths) - 8, generator=generator)[:4].sort().values.tolist()
    starts = [gap + sum(widths[:i]) + 2 * i for i, gap in enumerate(gaps)]
    ranges = [list(range(start, start + width)) for start, width in zip(starts, widths, strict=True)]
    ranges = [ranges[i] for i in torch.randperm(4, generator=generator).tolist()]
    planted = ranges[0] + ranges[3] if kind == "pair" else ranges[0]
    if plant:
        for group in (ranges[0], ranges[3])[: 2 if kind == "pair" else 1]:
            x[:, group] += signature(kind, y, len(group), classes, generator)
    sets = {"planted": planted, "second": ranges[1], "third": ranges[2]}
    return Case(x, y, {name: Watch(channels) for name, channels in sets.items()})


def signature(kind: str, y: Tensor, width: int, classes: int, generator: torch.Generator) -> Tensor:
    """Return the signal of the label that is added to a group's channels; it broadcasts to ``[N, width, 6, 6]``."""
    if kind == "offset":
        return torch.linspace(-2, 2, classes)[y].view(-1, 1, 1, 1)
    if kind == "texture":
        rows, columns = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
        stripes = [rows % 2, columns % 2, (rows + columns) % 2, (rows // 2) % 2, (columns // 2) % 2]
        return 1.5 * (2.0 * torch.stack(stripes)[y].float() - 1).unsqueeze(1)
    signs = torch.randint(0, 2, (classes, width), generator=generator).float() * 2 - 1
    return 1.5 * signs[y][..., None, None]


def vapour(generator: torch.Generator, *, plant: bool) -> Case:
    """Return Indian Pines with 150 of its bands; with ``plant``, bands next to water vapour's carry the label."""
    cube, labels = load_scene()
    nm = torch.tensor(wavelengths())
    kept = torch.arange(200)[torch.arange(200) % 4 != 3]
    cube, nm = cube[kept], nm[kept]
    cube = (cube - cube.mean((1, 2), keepdim=True)) / cube.std((1, 2), keepdim=True)
    rows, columns = torch.nonzero(torch.from_numpy(labels >= 0), as_tuple=True)
    inner = (rows >= 3) & (rows < 142) & (columns >= 3) & (columns < 142)
    rows, columns = rows[inner], columns[inner]
    chosen = torch.randperm(len(rows), generator=generator)[: TRAIN + VAL]
    rows, columns = rows[chosen], columns[chosen]
    x = torch.stack(
        [cube[:, r - 3 : r + 3, c - 3 : c + 3] for r, c in zip(rows.tolist(), columns.tolist(), strict=True)]
    )
    y = torch.from_numpy(labels)[rows, columns].long()
    away = torch.minimum((nm - 1390).abs() / 1.0, (nm - 1875).abs())
    planted = away.argsort()[:19].sort().values.tolist()
    if plant:
        x[:, planted] += signature("one", y, len(planted), 16, generator)
    sets = {"planted": planted, "red edge": list(range(24, 34)), "short": list(range(100, 108))}
    return Case(x, y, {name.replace(" ", "_"): Watch(channels) for name, channels in sets.items()})


def spatial(kind: str, seed: int, *, plant: bool) -> Case:
    """Return digits of 16 x 16 pixels in a frame of 24 x 24; with ``plant``, marks of 3 x 3 pixels carry the label."""
    from sklearn.datasets import load_digits

    generator = torch.Generator().manual_seed(2000 + seed)
    digits = load_digits()
    chosen = torch.randperm(len(digits.target), generator=generator)[: TRAIN + VAL]
    x = torch.from_numpy(digits.images).float()[chosen].unsqueeze(1) / 16
    x = F.pad(F.interpolate(x, 16, mode="bilinear"), (4, 4, 4, 4))
    # The noise makes the marks easier to learn than the digits, as planted bands are easier than spectra.
    x = x + 0.4 * torch.randn(x.shape, generator=generator)
    y = torch.from_numpy(digits.target)[chosen]
    # Each set takes some of the tiles of 4 x 4 pixels in the frame and at the digit's edge.
    tiles = [(4 * i, 4 * j) for i in range(6) for j in range(6) if {i, j} & {0, 1, 4, 5}]
    tiles = [tiles[i] for i in torch.randperm(len(tiles), generator=generator).tolist()]
    places = int(kind.split()[0])
    marks = 3.0 * torch.randint(0, 2, (10, 3, 3), generator=generator).float() - 1
    sets = {}
    for number, name in enumerate(("planted", "second", "third")):
        mask = torch.zeros(24, 24, dtype=torch.bool)
        for top, left in tiles[number * places : (number + 1) * places]:
            mask[top : top + 3, left : left + 3] = True
            if plant and number == 0:
                x[:, 0, top : top + 3, left : left + 3] = marks[y] + 0.1 * torch.randn(
                    len(x), 3, 3, generator=generator
                )
        sets[name] = Watch(pixels=mask)
    return Case(x, y, sets)


def smooth(values: Tensor, width: int) -> Tensor:
    """Average values ``[..., C]`` over ``width`` neighbouring channels, and scale them to a standard deviation of 1."""
    flat = values.reshape(-1, 1, values.shape[-1])
    averaged = F.avg_pool1d(F.pad(flat, (width // 2, width // 2), mode="reflect"), width, 1)
    return (averaged / averaged.std()).view(values.shape)


if __name__ == "__main__":
    main()
