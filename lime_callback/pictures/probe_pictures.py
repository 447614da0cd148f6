"""RGB pictures and mean spectra of probes, made once for a set of probes: all epochs and figures show the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from lime_callback.following.physical_inputs import physical

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from numpy.typing import NDArray

    from lime_callback.following.physical_inputs import ToPhysical
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.views.layout import Layout

_made: WeakKeyDictionary[Probes, dict[Hashable, NDArray[Any]]] = WeakKeyDictionary()


def pictures_of(
    probes: Probes, layout: Layout, to_physical: ToPhysical | None, wavelengths: Sequence[float] | None
) -> NDArray[np.uint8]:
    """The probes' pictures, uint8 ``[P, H, W, 3]``, not to be written to.

    Args:
        probes: the samples, on the CPU.
        layout: names their axes.
        to_physical: turns them into physical units, see :mod:`lime_callback.following.physical_inputs`.
        wavelengths: the channels' wavelengths in nm, or ``None``.
    """
    from lime_callback.figures import composite

    key = ("picture", layout.axes, id(to_physical), None if wavelengths is None else tuple(wavelengths))
    return _once(probes, key, lambda: composite(physical(probes.inputs, layout, to_physical), wavelengths))


def spectra_of(probes: Probes, layout: Layout, to_physical: ToPhysical | None) -> NDArray[np.floating[Any]]:
    """The probes' mean spectra, ``[P, C]``, not to be written to; the arguments are those of :func:`pictures_of`."""
    return _once(
        probes,
        ("spectrum", layout.axes, id(to_physical)),
        lambda: np.stack(
            [sample.float().mean((1, 2)).numpy() for sample in physical(probes.inputs, layout, to_physical)]
        ),
    )


def _once(probes: Probes, key: Hashable, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """What was made of the probes under this key; a run keeps its functions, so each has an identity of its own."""
    made = _made.setdefault(probes, {})
    if key not in made:
        made[key] = make()
        made[key].flags.writeable = False
    return made[key]
