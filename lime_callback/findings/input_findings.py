"""The finding that inputs are not what the model was made for: their scale, their order, or training's own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from lime_callback.findings.spectral_order import is_reversed, is_shuffled, turned_part
from lime_callback.findings.suspicion import Detector, Suspicion
from lime_callback.publishing.finding import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lime_callback.findings.epoch_facts import EpochFacts, InputFacts

_LARGE, _SMALL = 20.0, 0.005  # root mean square of what a first layer gets; about 1 is usual
_SHIFT, _RATIO = 1.5, 3.0  # standard deviations, and times as wide
_FEWEST_BANDS, _FEWEST_SPECTRA = 16, 4
_LEAST = 1e-12


class Scale(Detector):
    """Inputs that are not what the model was made for."""

    name: ClassVar[str] = "scale"

    def look(self, facts: EpochFacts) -> Iterator[Suspicion]:
        """Look at the inputs' size, at training's beside validation's, and at the order of the bands."""
        inputs = facts.inputs
        if inputs is None:
            return
        yield from _size(inputs)
        if inputs.training is not None:
            yield from _difference(inputs.validation, inputs.training)
        wrong = misplaced(facts)
        if wrong is not None:
            subject, what = wrong
            yield Suspicion(
                subject=f"bands' {subject}",
                sentence=f"the bands {what}.",
                advice="Compare `wavelengths=` with the data's own list; look for a transform that reorders channels.",
                severity=1.0,
                p_value=1e-6,
                picture="spectral/waterfall",
            )


def misplaced(facts: EpochFacts) -> tuple[str, str] | None:
    """What is wrong with bands that do not lie where their wavelengths say, in a word and as a clause."""
    nm, inputs = facts.wavelengths, facts.inputs
    if nm is None or inputs is None or len(nm) != inputs.spectra.shape[1]:
        return None
    if len(nm) < _FEWEST_BANDS or len(inputs.spectra) < _FEWEST_SPECTRA:
        return None
    values = [float(value) for value in nm]
    if is_shuffled(inputs.spectra, values):
        return "order", "are not in the order of their wavelengths: neighbours in nm have nothing in common"
    if is_reversed(inputs.spectra, values):
        return "direction", "seem to run the other way than their wavelengths: the red edge is not where it is due"
    order = sorted(range(len(values)), key=values.__getitem__)
    part = turned_part(inputs.spectra[:, order])
    if part is None:
        return None
    first, last = round(values[order[part[0]]]), round(values[order[part[1] - 1]])
    return "part", (
        f"from {first} to {last} nm seem to run the other way than their wavelengths: at the ends neighbours are "
        "strangers, and fit to the other end"
    )


def _size(inputs: InputFacts) -> Iterator[Suspicion]:
    size = inputs.first_layer
    if size is None or math.isnan(size) or _SMALL <= size <= _LARGE:
        return
    kind = "large" if size > _LARGE else "small"
    yield Suspicion(
        subject="size",
        sentence=f"the first layer gets {kind} values, {size:.3g} in root mean square, where about 1 is usual.",
        advice="Normalise the inputs: subtract each channel's mean and divide by its standard deviation.",
        severity=1.0,
        p_value=0.0,
        figures={"first layer": Figure(size), "inputs": Figure(inputs.own)},
    )


def _difference(validation: Tensor, training: Tensor) -> Iterator[Suspicion]:
    spread = training[1].clamp(min=_LEAST)
    shift = float(((validation[0] - training[0]).abs() / spread).median())
    ratio = float((validation[1].clamp(min=_LEAST) / spread).log().median().exp())
    if math.isnan(shift + ratio) or (shift <= _SHIFT and 1 / _RATIO <= ratio <= _RATIO):
        return  # where pixels are missing, nothing is known
    yield Suspicion(
        subject="training and validation",
        sentence=(
            f"validation inputs are not as training's: shifted by {shift:.1f} of their standard deviations, and "
            f"{ratio:.2g} times as wide."
        ),
        advice="Apply the same normalisation and unit in both data sets.",
        severity=1.0,
        p_value=0.0,
        figures={"shift": Figure(shift), "ratio": Figure(ratio)},
    )
