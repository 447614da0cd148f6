"""Views: the ways to cut an input into features that are hidden together.

:class:`Superpixels` are groups of pixels, :class:`Superbands` groups of channels, :class:`Cubes` groups of channels
within groups of pixels, :class:`Validity` what is inside and what is outside of a mask; :class:`Merged` lays views over
each other. A view of one's own derives from :class:`View`.
"""

from lime_callback.views.base import View
from lime_callback.views.cubes import Cubes
from lime_callback.views.merged import Merged
from lime_callback.views.superbands import Superbands
from lime_callback.views.superpixels import Superpixels
from lime_callback.views.validity import Validity

__all__ = ["Cubes", "Merged", "Superbands", "Superpixels", "Validity", "View"]
