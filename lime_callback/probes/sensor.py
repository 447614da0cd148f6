"""The channels' wavelengths, which the user gives, or a batch brings along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lime_callback.checks.wavelengths import check_wavelengths
from lime_callback.probes.batch_entries import labels_at, resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.probes.probe_samples import Probes


@dataclass
class Sensor:
    """Knows the wavelengths once probes are captured; nothing is explained before.

    Args:
        given: one for each channel of a batch's inputs, in nm; or the key of the batch's entry with them, ``[C]`` or
            ``[B, C]``; or ``None``.

    Attributes:
        wavelengths: one for each channel of the probes, in nm, or ``None``.

    Raises:
        TypeError: if ``given`` is none of these.
        ValueError: if there is no wavelength, or one cannot be one.
    """

    given: Any = None
    wavelengths: Sequence[float] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not self.in_batch:
            self.given = self.wavelengths = check_wavelengths(self.given)

    @property
    def in_batch(self) -> bool:
        """Whether a batch brings the wavelengths along."""
        return isinstance(self.given, str)

    def read(self, probes: Probes) -> None:
        """Take the wavelengths from the probes' batch, and repeat them for each time or depth.

        Raises:
            ValueError: if the batch has no such entry, or its samples are of several sensors.
        """
        known = self._of_batch(probes) if self.in_batch else self.given
        if known is None:
            return
        steps = len(probes.parts)
        if steps and len(known) * steps == probes.parts[-1].stop:
            known = check_wavelengths({"nm": list(known) * steps})
        self.wavelengths = known

    def _of_batch(self, probes: Probes) -> Sequence[float] | None:
        key = resolved(probes.batch, self.given)
        values = labels_at(probes.batch, key)
        if key is None or not isinstance(values, Tensor):
            raise ValueError(
                f"`wavelengths = {self.given!r}` should be the key of a batch entry with a wavelength for each channel."
                " Found none there; pass the wavelengths themselves, in nm, or the key of another entry."
            )
        rows = values.reshape(-1, values.shape[-1]).double().cpu()
        if not bool((rows == rows[:1]).all()):
            raise ValueError(
                f"`wavelengths = {self.given!r}` should be alike in all samples that are explained. Found several "
                "sensors; choose samples of one by `probes=[...]`, or leave `wavelengths` out."
            )
        return check_wavelengths(rows[0].tolist())
