"""Pictures: from explanations to figures, in a run and without one.

Begin with :mod:`~lime_callback.pictures.view_pictures`: which figure shows which view, and what is written on
it. The functions that this door opens need no run. Pictures of the inputs come as uint8 ``[B, H, W, 3]``;
:func:`lime_callback.figures.composite` makes them of any inputs. Every function returns a ``matplotlib``
figure, of which :func:`lime_callback.figures.render` makes an array.
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
