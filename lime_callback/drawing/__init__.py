"""From explanations to figures, without a run: what stands out, how stable it is, what several of them have in common.

Pictures of the inputs come as uint8 ``[B, H, W, 3]``; :func:`lime_callback.figures.composite` makes them of any inputs.
Every function returns a ``matplotlib`` figure, of which :func:`lime_callback.figures.render` makes an array.
"""

from lime_callback.drawing.aggregate import draw_aggregate, draw_aggregate_spectra
from lime_callback.drawing.ensemble import draw_ensemble
from lime_callback.drawing.features import draw_features
from lime_callback.drawing.stability import draw_stability

__all__ = ["draw_aggregate", "draw_aggregate_spectra", "draw_ensemble", "draw_features", "draw_stability"]
