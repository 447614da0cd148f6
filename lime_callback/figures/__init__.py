"""Figures: arrays in, ``matplotlib`` figures out, without ``pyplot`` and without a change to its settings.

One visual language throughout: orange raises the output, blue lowers it, light bars are not told apart from zero, and
hatched wavelengths have no channel or lie in a water band. Limits are handed in, so that they can stay the same over
a run.
"""

from lime_callback.figures.attributions import attributions
from lime_callback.figures.bars import feature_bars, superband_bars
from lime_callback.figures.before_after import before_after
from lime_callback.figures.composite import composite
from lime_callback.figures.history import coefficient_lines, history_lines
from lime_callback.figures.panels import Panel, SpectrumPanel
from lime_callback.figures.spectra import spectra
from lime_callback.figures.style import render
from lime_callback.figures.tiles import Tile, label2rgb, tiles
from lime_callback.figures.waterfall import waterfall

__all__ = [
    "Panel",
    "SpectrumPanel",
    "Tile",
    "attributions",
    "before_after",
    "coefficient_lines",
    "composite",
    "feature_bars",
    "history_lines",
    "label2rgb",
    "render",
    "spectra",
    "superband_bars",
    "tiles",
    "waterfall",
]
