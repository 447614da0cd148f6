"""Says which samples are not explained, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.probes.batch_entries import entry_code

if TYPE_CHECKING:
    from lime_callback.probes.probe_samples import Probes


def passed_over_text(probes: Probes, wanted: int) -> str:
    """Say that samples of other shapes were passed over, and how many of those ``wanted`` remain; or nothing."""
    if not probes.passed_over:
        return ""
    count, others = sum(probes.passed_over.values()), ", ".join(map(str, list(probes.passed_over)[:3]))
    return (
        f"explains {len(probes)} of {wanted} samples, of shape {tuple(probes.inputs.shape[1:])}, which most have. "
        f"Passed over {count} of other shapes, such as {others}, since samples that share a forward share a shape; "
        "let the dataset crop or resize them, or choose others by `probes=[...]`."
    )


def not_finite_text(probes: Probes, rest: Probes | None) -> str:
    """Say which samples are left out for NaN or infinite values; the others are ``rest``."""
    places = range(len(probes)) if rest is None else rest.not_finite
    which = [i if probes.numbers is None else probes.numbers[i] for i in places]
    return (
        f"explains {len(probes) - len(places)} of {len(probes)} samples. Left out for NaN or infinite values: "
        f"{', '.join(map(str, which))}, counted from 0. Replace them in the dataset, or pass `input_key=lambda "
        f"batch: torch.nan_to_num({entry_code(probes.batch, probes.key)})`."
    )
