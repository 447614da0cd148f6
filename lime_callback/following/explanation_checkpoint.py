"""Explanations in a checkpoint: tensors and plain values alone, so that it loads weights-only, and no images.

Features are not stored: they are cut again from the same probes, and checked.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lime_callback.explaining.explanation import Explanation
from lime_callback.surrogates.fitted_rows import Samples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lime_callback.views.features import Features

_TENSORS = (
    "coefficients", "standard_error", "intercept", "score", "fit_score", "gap", "freedom", "effective_rows", "targets",
    "prediction", "hidden", "fingerprint",
)  # fmt: skip


def explanation_state(explanation: Explanation) -> dict[str, Any]:
    """What is needed to make the explanation again, but for its features."""
    samples = explanation.samples
    assert samples is not None, "an explanation of a run has its samples"
    return {
        **{name: getattr(explanation, name) for name in _TENSORS},
        "shape": list(explanation.shape),
        "names": list(explanation.features.names),
        "n_perturbations": explanation.n_perturbations,
        "design": _bits(samples.design),
        "design_shape": list(samples.design.shape),
        "weights": samples.weights,
        "outputs": samples.outputs,
        "group": samples.group,
        "chance": samples.chance,
        "period": samples.period,
    }


def explanation_of(state: Mapping[str, Any], features: Features) -> Explanation | None:
    """The inverse of :func:`explanation_state`; ``None`` if the features are not the same any more."""
    if list(features.names) != list(state["names"]):
        return None
    samples = Samples(
        design=_of_bits(state["design"], state["design_shape"]),
        weights=state["weights"],
        outputs=state["outputs"],
        group=state["group"],
        chance=state["chance"],
        period=state.get("period"),  # an earlier version averaged nothing
    )
    return Explanation(
        **{name: state[name] for name in _TENSORS},
        features=features,
        n_perturbations=state["n_perturbations"],
        shape=tuple(state["shape"]),
        samples=samples,
    )


def features_key(features: Features) -> str:
    """A checksum of features: the same for the same names at the same places."""
    mask = np.ascontiguousarray(features.mask.cpu().numpy().astype(np.int64))
    names = repr((tuple(features.names), mask.shape)).encode(errors="surrogatepass")
    return f"{zlib.crc32(mask.tobytes(), zlib.crc32(names)):08x}"


def packed(values: Tensor) -> dict[str, Any]:
    """A tensor, smaller: of regions much is the same."""
    array = np.ascontiguousarray(values.cpu().numpy())
    content = np.frombuffer(zlib.compress(array.tobytes()), np.uint8).copy()
    return {"content": torch.from_numpy(content), "dtype": array.dtype.str, "shape": list(array.shape)}


def unpacked(state: Mapping[str, Any]) -> Tensor:
    """The inverse of :func:`packed`."""
    content = zlib.decompress(state["content"].numpy().tobytes())
    return torch.from_numpy(np.frombuffer(content, state["dtype"]).reshape(state["shape"]).copy())


def _bits(design: Tensor) -> Tensor:
    """Eight rows' worth of on and off in a byte."""
    return torch.from_numpy(np.packbits(design.cpu().numpy()))


def _of_bits(packed: Tensor, shape: list[int]) -> Tensor:
    bits = np.unpackbits(packed.cpu().numpy(), count=int(np.prod(shape)))
    return torch.from_numpy(bits.astype(bool).reshape(shape))
