"""Views: the ways to cut an input into features that are hidden together.

Begin with :mod:`~lime_callback.views.features`, what a view returns, and :mod:`~lime_callback.views.view`, what
every view is. :class:`Superpixels` are groups of pixels, :class:`Superbands` groups of channels (named as
:mod:`~lime_callback.views.channels` reads them), :class:`Cubes` groups of channels within groups of pixels.
:mod:`~lime_callback.views.inputs` is for models with several inputs. A
:class:`Watch` names a set of channels or pixels that is followed.
"""

from typing import TYPE_CHECKING

from lime_callback.checks.lazy_names import lazily

if TYPE_CHECKING:
    from lime_callback.views.cubes import Cubes
    from lime_callback.views.features import Features
    from lime_callback.views.inputs.per_input import PerInput, WholeInputs
    from lime_callback.views.layout import Layout
    from lime_callback.views.merged import Merged
    from lime_callback.views.superbands import Superbands
    from lime_callback.views.superpixels import Superpixels
    from lime_callback.views.validity import Validity
    from lime_callback.views.view import View
    from lime_callback.views.view_inputs import ViewInputs
    from lime_callback.views.watch import Watch

__all__ = [
    "Cubes",
    "Features",
    "Layout",
    "Merged",
    "PerInput",
    "Superbands",
    "Superpixels",
    "Validity",
    "View",
    "ViewInputs",
    "Watch",
    "WholeInputs",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "view": ["View"],
        "view_inputs": ["ViewInputs"],
        "features": ["Features"],
        "layout": ["Layout"],
        "superpixels": ["Superpixels"],
        "superbands": ["Superbands"],
        "cubes": ["Cubes"],
        "merged": ["Merged"],
        "inputs.per_input": ["PerInput", "WholeInputs"],
        "validity": ["Validity"],
        "watch": ["Watch"],
    },
)
