"""Figures: arrays in, ``matplotlib`` figures out, without ``pyplot`` and without a change to its settings.

All figures share one visual language. Orange raises the output, blue lowers it. Light bars cannot be told apart from
zero. Hatched wavelengths have no channel or lie in a water band. The caller passes the limits of the scales, so that
they can stay the same over a run.
"""

from lime_callback.figures.attribution_images import attributions
from lime_callback.figures.bar_charts import feature_bars, superband_bars
from lime_callback.figures.before_and_after import before_after
from lime_callback.figures.line_charts import coefficient_lines, history_lines
from lime_callback.figures.panels import Panel, SpectrumPanel
from lime_callback.figures.rgb_composite import composite
from lime_callback.figures.spectrum_plots import spectra
from lime_callback.figures.style import render
from lime_callback.figures.tile_rows import Tile, label2rgb, tiles
from lime_callback.figures.waterfall_plot import waterfall

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
