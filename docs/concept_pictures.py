"""Makes the pictures of ``concepts.md``: a drawn duck, and a made model whose reasons are known.

    python docs/concept_pictures.py

Nothing is trained; it takes some seconds. Prints the figures that the page states.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from lime_callback import Explanation, Superpixels, explain
from lime_callback.comparing import compare
from lime_callback.explaining.deletion_insertion import curve_rows
from lime_callback.figures import Panel, Tile, render, style
from lime_callback.figures.overlays import draw_image, draw_lines, draw_overlay, inner_box
from lime_callback.sampling import Bernoulli, Blur

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

SIDE, COLOURS, ROWS = 112, 255, 256
WIDE, GAP, SCALE = 440, 10, 2.5  # of a page, in pixels: narrow, so that its texts can be read on a phone
ACROSS = (WIDE - 4 * GAP) / 3  # of a picture, of which three stand side by side
BLUR = Blur()
YELLOW = (0.95, 0.78, 0.1)
PARTS = (  # of the duck: place, half axes, colour
    (0.45, 0.55, 0.24, 0.14, YELLOW), (0.64, 0.37, 0.11, 0.11, YELLOW), (0.77, 0.39, 0.06, 0.03, (0.9, 0.4, 0.1)),
    (0.66, 0.34, 0.02, 0.02, (0.1, 0.1, 0.1)),
)  # fmt: skip


def scene(*, duck: bool = True, water: bool = True) -> Tensor:
    """Draw a yellow duck on water below a sky, ``[3, SIDE, SIDE]`` from 0 to 1; or none, or a meadow."""
    y, x = torch.meshgrid(torch.linspace(0, 1, SIDE), torch.linspace(0, 1, SIDE), indexing="ij")
    sky = torch.stack([0.82 - 0.1 * y, 0.86 - 0.05 * y, 0.88 + 0 * y])
    waves = 0.05 * torch.sin(40 * y + 3 * torch.sin(9 * x))
    ground = torch.stack(
        [0.1 + waves, 0.35 + waves, 0.75 + waves] if water else [0.45 + waves, 0.6 + waves, 0.35 + waves]
    )
    image = torch.where(y > 0.55, ground, sky)
    for left, top, wide, high, colour in PARTS if duck else ():
        inside = ((x - left) / wide) ** 2 + ((y - top) / high) ** 2 < 1
        image = torch.where(inside, torch.tensor(colour)[:, None, None], image)
    return image


def model(x: Tensor, water: float = 1.0) -> Tensor:
    """The logit of "duck", ``[m]``: yellow counts, so does water (a shortcut), most where both are; it saturates."""
    yellow = (torch.minimum(x[:, 0], x[:, 1]) - x[:, 2]).relu().mean((1, 2)) * 25
    blue = (x[:, 2] - x[:, 0] - 0.2).relu().mean((1, 2)) * 14 * water
    return 6 * ((yellow + blue + 0.6 * yellow * blue - 3) / 4).tanh()


def rgb(image: Tensor) -> np.ndarray:
    """A picture ``[3, H, W]`` as uint8 ``[H, W, 3]``."""
    return (255 * image.permute(1, 2, 0)).round().clamp(0, 255).byte().numpy()


def explained(images: Tensor, water: float = 1.0) -> Explanation:
    """Explain the model, by independent rows."""
    cut = Superpixels(n_segments=24).features(images)
    return explain(lambda x: model(x, water), images, cut, baseline=BLUR, design=Bernoulli(), n_perturbations=ROWS)


def places(explanation: Explanation) -> np.ndarray:
    """The number of each pixel's feature, ``[H, W]``."""
    numbers: np.ndarray = explanation.features.canonical[0, 0].numpy()
    return numbers


def strongest(explanation: Explanation) -> list[int]:
    """The numbers of the six features with the largest coefficients, the smallest of them first."""
    return np.argsort(np.abs(explanation.coefficients[0, 0].numpy()))[-6:].tolist()


@style.isolated
def side_by_side(*rows: Sequence[Tile | Panel]) -> Figure:
    """Draw rows of up to three pictures with their titles."""
    tall = ACROSS + 2 * style.LINE + GAP
    figure = style.page(len(rows) * tall + GAP, WIDE)
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            left, top = GAP + k * (ACROSS + GAP), GAP + i * tall
            style.write(figure, left, top, tile.title, points=style.TITLE, bold=True, width=ACROSS)
            style.write(figure, left, top + style.LINE, tile.subtitle, width=ACROSS, colour=style.MUTED)
            box = inner_box(tile.image, left, top + 2 * style.LINE, round(ACROSS), round(ACROSS))
            if isinstance(tile, Panel):
                draw_overlay(figure, tile, float(np.abs(tile.heat).max()), box)
                continue
            draw_image(figure, tile.image, box)
            if tile.segments is not None:
                draw_lines(figure, tile.segments, box)
                for label, name in tile.names.items():
                    y, x = np.argwhere(tile.segments == label).mean(0) / SIDE * ACROSS
                    middle = {"ha": "center", "va": "center_baseline"}
                    style.write(figure, left + x, top + 2 * style.LINE + y, name, bold=True, halo=style.PAPER, **middle)
    return figure


def question(image: Tensor, explanation: Explanation) -> Figure:
    """The probe, its features, and three perturbations with the model's answers."""
    segments = places(explanation)
    hidden = BLUR(image[None], explanation.features)[0]
    count = len(explanation.features)
    assert explanation.samples is not None
    rows = []
    for i in range(3):
        on = explanation.samples.design[0, i]
        seen = torch.where(on[torch.from_numpy(segments).long()], image, hidden)
        said = f"{int(on.sum())} of {count} on: {model(seen[None]).item():.1f}"
        rows.append(Tile(rgb(seen), f"perturbation {i + 1}", said, segments))
    first = [
        Tile(rgb(image), "the probe", f"the model: {model(image[None]).item():.1f}"),
        Tile(rgb(image), "its features", f"{count} superpixels", segments, {i: str(i) for i in strongest(explanation)}),
        Tile(rgb(hidden), "the baseline", f"all hidden: {model(hidden[None]).item():.1f}"),
    ]
    return side_by_side(first, rows)


@style.isolated
def answer(image: Tensor, explanation: Explanation) -> Figure:
    """What the surrogate predicts beside what the model says, and its coefficients."""
    assert explanation.samples is not None
    design, said = explanation.samples.design[0].double(), explanation.samples.outputs[0, :, 0]
    fitted = (design @ explanation.coefficients[0, 0].double() + explanation.intercept[0, 0]).numpy()
    whole, true = float(explanation.coefficients.sum() + explanation.intercept), model(image[None]).item()
    figure = style.page(240, WIDE)
    left, right = axes(figure, (0.1, 0.2, 0.37, 0.66)), axes(figure, (0.68, 0.2, 0.3, 0.66))
    score, gap = explanation.score.item(), explanation.gap.item()
    left.set_title(f"score {score:.2f}, gap {gap:.1f}", fontsize=style.TITLE, fontweight="bold", loc="left", x=-0.2)
    ends = [float(fitted.min()), max(float(fitted.max()), whole)]
    left.plot(ends, ends, color=style.NEUTRAL, lw=1, zorder=1)
    left.plot(fitted, said.numpy(), "o", ms=3, color=style.SIZES[2], mew=0)
    left.plot([whole, whole], [true, whole], color=style.INK, lw=1.2)
    left.plot([whole], [true], "D", ms=7, color=style.INK)
    arrow = {"arrowstyle": "-", "color": style.INK, "lw": 0.8, "shrinkB": 5}
    left.annotate(
        "nothing\nhidden", (whole, true), (0.98, 0.42), textcoords="axes fraction", ha="right", arrowprops=arrow
    )
    left.set_xlabel("the surrogate's prediction")
    left.set_ylabel("the model's output", labelpad=1)
    values, halves = explanation.coefficients[0, 0].numpy(), explanation.half_widths()[0, 0].numpy()
    order = strongest(explanation)
    right.set_title("coefficients", fontsize=style.TITLE, fontweight="bold", loc="left", x=-0.55)
    right.barh(range(len(order)), values[order], color=[style.PLUS if v > 0 else style.MINUS for v in values[order]])
    right.errorbar(values[order], range(len(order)), xerr=halves[order], fmt="none", ecolor=style.INK, elinewidth=1.4)
    right.axvline(0, color=style.INK, lw=0.8)
    right.set_yticks(range(len(order)), [f"feature {i}" for i in order])
    right.set_xlabel("what it adds")
    return figure


@style.isolated
def faithful(images: Tensor, explanation: Explanation, steps: int = 12) -> Figure:
    """The output while features are hidden: in the explanation's order, and in random orders."""
    segments = torch.from_numpy(places(explanation)).long()
    hidden = BLUR(images, explanation.features)
    outputs = []
    for seed in range(20):
        rows = curve_rows(explanation, steps - 1, [seed])[0].view(4, steps - 1, -1)
        outputs.append(torch.stack([model(torch.where(row[:, segments].unsqueeze(1), images, hidden)) for row in rows]))
    ends = model(images).item(), model(hidden).item()
    ranked = [ends[0], *outputs[0][1].tolist(), ends[1]]
    chance = [ends[0], *torch.stack(outputs)[:, 3].mean(0).tolist(), ends[1]]
    x = np.arange(steps + 1) / steps
    figure = style.page(220, WIDE)
    axis = axes(figure, (0.1, 0.21, 0.86, 0.74))
    axis.fill_between(x, ranked, chance, color=style.SIZE, lw=0)
    axis.plot(x, chance, "--", color=style.MUTED, lw=1.8)
    axis.plot(x, ranked, color=style.SIZES[2], lw=2.5)
    axis.annotate("in a random order", (x[4], chance[4]), (6, 6), textcoords="offset points")
    axis.annotate("the strongest first", (x[2], ranked[2]), (8, 4), textcoords="offset points")
    axis.set_xlabel("share of the features that are hidden")
    axis.set_ylabel("the model's output", labelpad=1)
    return figure


def shifted(image: Tensor, before: Explanation, after: Explanation) -> tuple[Figure, float]:
    """Two explanations of a probe, and the share of the attribution that moved between them."""
    moved, segments = float(compare(before, after).moved), places(before)
    panels = [
        Panel(
            rgb(image), one.effects[0, 0].numpy()[segments], segments, f"epoch {epoch}", f"R² {one.score.item():.2f}",
            unsure=np.flatnonzero((one.coefficients.abs() < one.half_widths())[0, 0].numpy()).tolist(),
        )
        for epoch, one in ((1, before), (2, after))
    ]  # fmt: skip
    return side_by_side([Tile(rgb(image), "the probe", f"moved: {moved:.2f}"), *panels]), moved


def swapped() -> Figure:
    """A set of pixels takes another sample's values."""
    one, other, mixed = scene(), scene(duck=False, water=False), scene(water=False)
    row = [
        Tile(rgb(picture), title, f"the model: {model(picture[None]).item():.1f}")
        for picture, title in ((one, "a sample"), (other, "another sample"), (mixed, "water swapped"))
    ]
    return side_by_side(row)


def axes(figure: Figure, place: tuple[float, float, float, float]) -> Axes:
    """Axes without a box."""
    axis = figure.add_axes(place)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(length=3)
    return axis


def save(figure: Figure, path: Path) -> None:
    """Store a figure with few colours."""
    picture = Image.fromarray(render(figure, SCALE))
    picture.quantize(COLOURS).save(path, optimize=True)


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "pictures", help="default: docs/pictures"
    )
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    images = scene()[None]
    before, after = explained(images, water=0.15), explained(images)
    save(question(images[0], after), folder / "concept_perturbations.png")
    save(answer(images[0], after), folder / "concept_surrogate.png")
    save(faithful(images, after), folder / "concept_faithfulness.png")
    figure, moved = shifted(images[0], before, after)
    save(figure, folder / "concept_moved.png")
    save(swapped(), folder / "concept_reliance.png")
    print(
        f"features {len(after.features)}, score {after.score.item():.2f}, gap {after.gap.item():.2f}, moved {moved:.2f}"
    )


if __name__ == "__main__":
    main()
