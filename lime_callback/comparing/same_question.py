"""Checks that two explanations answer the same question: that their inputs, targets and features are the same."""

from __future__ import annotations

import torch

from lime_callback.explaining.explanation import Explanation


def check_explanation(argument: str, value: object) -> Explanation:
    """Check that ``value`` is an explanation.

    Raises:
        TypeError: if it is not.
    """
    if not isinstance(value, Explanation):
        raise TypeError(
            f"`{argument}` should be an Explanation. Found a {type(value).__name__}; `explain` makes one, and "
            f"`Explanation.load` reads one."
        )
    return value


def difference(before: Explanation, after: Explanation, *, features: bool = True) -> str:
    """Return in which of inputs, targets and features two explanations differ, for an error; empty if in none.

    Args:
        before: an explanation.
        after: another explanation, on any device.
        features: whether to compare features, too.
    """
    named = [("features", before.features.names, after.features.names)] if features else []
    for kind, a, b in (
        ("numbers of inputs and targets", tuple(before.targets.shape), tuple(after.targets.shape)),
        ("shapes of one input", before.shape, after.shape),
        *named,
    ):
        if a != b:
            return f"different {kind}: {brief(a)} and {brief(b)}"
    if not torch.allclose(before.fingerprint, after.fingerprint.to(before.fingerprint), rtol=1e-4, atol=1e-6):
        which = (before.fingerprint - after.fingerprint.to(before.fingerprint)).abs().amax(1).argmax()
        return f"different inputs, or the same ones in another order: see input {int(which)}"
    masks = [("feature masks", before.features.mask, after.features.mask)] if features else []
    for kind, a_tensor, b_tensor in (("targets", before.targets, after.targets), *masks):
        if a_tensor.shape != b_tensor.shape or not torch.equal(a_tensor, b_tensor.to(a_tensor.device)):
            return f"different {kind}"
    return ""


def brief(value: object) -> str:
    """Return a value as a text for an error, cut at about 200 characters."""
    text = str(value)
    return text if len(text) < 200 else f"{text[:190]}…"
