"""Views: the ways to cut an input into features that are hidden together.

:class:`Superpixels` are groups of pixels, :class:`Superbands` groups of channels, :class:`Cubes` groups of channels
within groups of pixels. A view of one's own derives from :class:`View`.
"""

from lime_callback.views.base import View
from lime_callback.views.cubes import Cubes
from lime_callback.views.superbands import Superbands
from lime_callback.views.superpixels import Superpixels

__all__ = ["Cubes", "Superbands", "Superpixels", "View"]
