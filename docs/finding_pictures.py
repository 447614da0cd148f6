"""Makes the pictures of evidence in ``findings.md``: small trainings with a fault each, and what is found in them.

    python docs/finding_pictures.py

Ten seconds or so for each. Shows what the callback draws, or the finding's figures as bars. Prints what was found; ends
with 1 if a fault was not. The faults are in ``finding_faults.py``.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import lightning.pytorch as pl
from finding_faults import FAULTS, WAVELENGTHS, Bars, Fault, scene
from PIL import Image
from torch.utils.data import DataLoader

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.figures import render, style
from lime_callback.findings import Figure as Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

COLOURS = 192  # of a stored picture
WIDE, ROW, THICK, SCALE = 400, 46, 14, 1.4  # of a page, in pixels: narrow, so that its texts can be read on a phone
TEXT = 13.0
REACH = 240  # pixels of the largest value


@style.isolated
def drawn(bars: Bars, figures: Mapping[str, Evidence]) -> Figure:
    """Draw figures as bars, with their 95 % intervals; pale ones are known before, and stand beside."""
    found = {words: figures[name] for name, words in bars.rows.items()}
    every = [*found.items(), *((words, Evidence(value)) for words, value in bars.beside.items())]
    top = style.MARGIN + 30
    figure = style.page(top + ROW * len(every), WIDE)
    style.write(figure, style.MARGIN, style.MARGIN, bars.title, points=TEXT, bold=True)
    axis = figure.add_axes((style.MARGIN / WIDE, 0, REACH / WIDE, ROW * len(every) / (top + ROW * len(every))))
    most = 1.0 if bars.share else max(one.value for _, one in every)
    axis.set(xlim=(0, most), ylim=(ROW * len(every), 0))
    axis.set_axis_off()
    for i, (words, one) in enumerate(every):
        middle = i * ROW + 26
        axis.annotate(words, (0, middle - 10), (5, 0), textcoords="offset points", va="bottom", fontsize=TEXT)
        dark = words in found
        colour, edge = (style.SIZES[2], style.SIZES[2]) if dark else (style.SIZE, style.MUTED)
        axis.barh(middle, one.value, THICK, color=colour, edgecolor=edge, clip_on=False)
        value, end = written(one.value, bars.share), one.value
        if one.low is not None and one.high is not None:
            for colour, wide in ((style.PAPER, 6), (style.INK, 2.5)):
                axis.plot([one.low, one.high], [middle] * 2, color=colour, lw=wide, clip_on=False)
            value += f" ({written(one.low, bars.share)} to {written(one.high, bars.share)})"
            end = max(end, one.high)
        axis.annotate(value, (end, middle), (6, 0), textcoords="offset points", va="center_baseline", fontsize=TEXT)
    axis.axvline(0, color=style.INK, lw=1.5, clip_on=False)
    return figure


def written(value: float, share: bool) -> str:
    """A number, or a share in percent."""
    return f"{100 * value:.0f} %" if share else f"{value:.2g}"


def trainer(folder: Path, epochs: int, *callbacks: pl.Callback) -> pl.Trainer:
    """A trainer that keeps quiet."""
    return pl.Trainer(
        max_epochs=epochs, callbacks=list(callbacks), default_root_dir=folder, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip


def followed(name: str, fault: Fault, folder: Path) -> LimeCallback:
    """Train with a fault, and return the callback that looked for it."""
    pl.seed_everything(1, verbose=False)
    model, settings = fault.model(), dict(fault.settings)
    train, val = (fault.data(scene(fault.plant, *more)) for more in ((fault.training,), ()))
    if fault.tuned:
        settings["reference"] = folder / "reference.ckpt"
        before = trainer(folder, fault.epochs)
        before.fit(model, DataLoader(val, 16, shuffle=True), DataLoader(val, 32))
        before.save_checkpoint(settings["reference"])
    defaults = {
        "views": [Superpixels("grid", 9), Superbands(12)], "wavelengths": WAVELENGTHS, "probes": 6, "every_n_epochs": 1,
        "class_names": ["grass", "maize", "soy"], "findings": [name], "pictures": fault.bars is None,
    }  # fmt: skip
    lime = LimeCallback(**(defaults | settings))
    trainer(folder, fault.epochs, lime).fit(model, DataLoader(train, 16, shuffle=True), DataLoader(val, 32))
    return lime


def picture(name: str, fault: Fault, path: Path) -> str:
    """Train with a fault, store the picture that shows it, and return what was found; nothing if nothing was."""
    with tempfile.TemporaryDirectory() as folder:
        findings = followed(name, fault, Path(folder)).findings()
        if not findings:
            return ""
        if fault.bars is not None:
            shown = Image.fromarray(render(drawn(fault.bars, findings[0].figures), SCALE))
        else:
            *_, last = sorted((Path(folder) / findings[0].picture).glob("*.png"))
            with Image.open(last) as large:
                half = large.width // 2, large.height // 2
                shown = large.convert("RGB").resize(half, Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    shown.quantize(COLOURS).save(path, optimize=True)
    return " ".join(finding.sentence for finding in findings)


def main() -> int:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "pictures", help="default: docs/pictures"
    )
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS), help="default: all")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    missed = 0
    for name in args.only:
        found = picture(name, FAULTS[name], args.output / f"finding_{name}.png")
        missed += not found
        print(f"{name}: {found or 'NOT FOUND'}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
