"""Pictures: turns explanations into figures, in a run and without one.

Begin with :mod:`~lime_callback.pictures.view_pictures`, which decides which figure shows a view and writes its texts.
The functions exported here need no run. They take pictures of the inputs as uint8 ``[B, H, W, 3]``, which
:func:`lime_callback.figures.composite` makes of any inputs, and return a ``matplotlib`` figure, which
:func:`lime_callback.figures.render` turns into an array.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.pictures.aggregate_figure import draw_aggregate, draw_aggregate_spectra
    from lime_callback.pictures.ensemble_figure import draw_ensemble
    from lime_callback.pictures.stability_figure import draw_stability
    from lime_callback.pictures.superpixel_figure import draw_features

__all__ = ["draw_aggregate", "draw_aggregate_spectra", "draw_ensemble", "draw_features", "draw_stability"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "aggregate_figure": ["draw_aggregate", "draw_aggregate_spectra"],
        "ensemble_figure": ["draw_ensemble"],
        "superpixel_figure": ["draw_features"],
        "stability_figure": ["draw_stability"],
    },
)
