"""Figures: arrays in, ``matplotlib`` figures out, without ``pyplot`` and without a change to its settings.

All figures share one visual language. Orange raises the output, blue lowers it. Light bars cannot be told apart from
zero. Hatched wavelengths have no channel or lie in a water band. The caller passes the limits of the scales, so that
they can stay the same over a run. A page is at most 700 pixels wide with text of 12 pixels and more; it is rendered as
it is, or at twice the resolution.
"""

from lime_callback.figures.attribution_images import attributions
from lime_callback.figures.bar_charts import feature_bars
from lime_callback.figures.epoch_charts import effect_lines, history_lines, waterfall
from lime_callback.figures.panels import BarPanel, Panel, ProbeRow, SpectrumPanel
from lime_callback.figures.rgb_composite import composite
from lime_callback.figures.spectrum_plots import spectra
from lime_callback.figures.style import render
from lime_callback.figures.superband_figure import superband_effects
from lime_callback.figures.tile_rows import Tile, label2rgb, tiles

__all__ = [
    "BarPanel",
    "Panel",
    "ProbeRow",
    "SpectrumPanel",
    "Tile",
    "attributions",
    "composite",
    "effect_lines",
    "feature_bars",
    "history_lines",
    "label2rgb",
    "render",
    "spectra",
    "superband_effects",
    "tiles",
    "waterfall",
]
