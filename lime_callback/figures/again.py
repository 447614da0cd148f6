"""An earlier explanation drawn again: a line across each bar of the present one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lime_callback.figures.scale import Entry


def entry(first: tuple[str, Any] | None) -> list[Entry]:
    """What the key says of it, where there is one."""
    return [] if first is None else [("line", style.FIRST, style.clean(first[0]))]


def marks(axes: Axes, start: NDArray[Any], thick: Any, values: NDArray[Any], *, upright: bool) -> None:
    """Draw the lines of bars that begin at ``start`` and are ``thick``."""
    draw = axes.hlines if upright else axes.vlines
    draw(values, start, start + thick, color=style.FIRST, lw=1.6, zorder=5)
