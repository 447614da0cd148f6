"""Explanations as files: one ``.npz`` each, without pickle."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from lime_callback.checks.whole_files import check_regular, replacing
from lime_callback.surrogates.fitted_rows import Samples
from lime_callback.views.features import Features
from lime_callback.views.layout import Layout

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from zipfile import ZipFile

T = TypeVar("T")
_FORMAT = "lime_callback explanation 2"


def save(explanation: Any, path: str | os.PathLike[str]) -> None:
    """Write everything to one ``.npz`` file, without pickle; an existing file is replaced as a whole.

    Args:
        explanation: a :class:`~lime_callback.Explanation`, which imports this module, not the other way round.
        path: the file's path.
    """
    arrays = {
        f.name: getattr(explanation, f.name)
        for f in fields(explanation)
        if isinstance(getattr(explanation, f.name), Tensor)
    }
    arrays["mask"] = explanation.features.mask
    if explanation.samples is not None:
        arrays |= {f"samples_{k}": getattr(explanation.samples, k) for k in ("design", "weights", "outputs")}
    about = {
        "format": _FORMAT,
        "names": explanation.features.names,
        "layout": explanation.features.layout.axes,
        "per_input": explanation.features.per_input,
        "numbers": explanation.features.numbers,
        "n_perturbations": explanation.n_perturbations,
        "shape": explanation.shape,
        "strategies": explanation.strategies,
        "group": explanation.samples.group if explanation.samples is not None else 1,
        "chance": explanation.samples is not None and explanation.samples.chance,
        "efficient": explanation.samples is not None and explanation.samples.efficient,
        "period": None if explanation.samples is None else explanation.samples.period,
    }
    with replacing(Path(path)) as file:
        np.savez(
            file,
            about=np.array(json.dumps(about)),
            **{k: v.detach().cpu().numpy() for k, v in arrays.items()},
        )


def _check_whole(explanation: Any) -> None:
    """Raise a ``ValueError`` if the parts' shapes do not fit each other, as in a damaged file."""
    batch, targets = explanation.targets.shape
    shapes: dict[str, tuple[int, ...]]
    size, samples = len(explanation.features), explanation.samples
    shapes = dict.fromkeys(("intercept", "score", "fit_score", "gap", "prediction", "hidden"), (batch, targets))
    shapes |= dict.fromkeys(("freedom", "effective_rows"), (batch,))
    shapes |= dict.fromkeys(("coefficients", "standard_error"), (batch, targets, size))
    parts = {name: getattr(explanation, name) for name in shapes} | {"fingerprint": explanation.fingerprint}
    shapes |= {"fingerprint": (batch, 3)}
    if samples is not None:
        parts |= {"outputs": samples.outputs, "design": samples.design[:1]}
        shapes |= {
            "outputs": (batch, explanation.n_perturbations, targets),
            "design": (1, explanation.n_perturbations, size),
        }
    for name, shape in shapes.items():
        if tuple(parts[name].shape) != shape:
            raise ValueError(f"`{name}` should have shape {shape} there, and has {tuple(parts[name].shape)}")
        if parts[name].is_complex():
            raise ValueError(f"`{name}` should hold real numbers there, and holds {parts[name].dtype}")
    explanation.features.check((batch, *explanation.shape))


def _check_sizes(file: ZipFile, size: int) -> None:
    """Raise a ``ValueError`` if arrays would take more memory than the file has bytes, before they are made."""
    total = 0
    for member in file.infolist():
        with file.open(member) as opened:
            major, _ = np.lib.format.read_magic(opened)
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, kind = read(opened)
            total += math.prod(shape) * kind.itemsize
    if total > size:
        raise ValueError(f"its arrays ask for {total / 1e6:.0f} MB, and the file has {size / 1e6:.1f}")


def load(path: str | os.PathLike[str], make: Callable[..., T]) -> T:
    """Read what :func:`save` wrote; nothing is unpickled.

    Args:
        path: the file's path.
        make: makes an :class:`~lime_callback.Explanation` of its attributes, given by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file was not written by :func:`save`, or is not whole.
    """
    try:
        check_regular(Path(path))
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            _check_sizes(file.zip, Path(path).stat().st_size)
            about = json.loads(str(file["about"]))
            arrays = {k: torch.from_numpy(file[k]) for k in file.files if k != "about"}
        if about["format"] != _FORMAT:
            raise ValueError(f"its format is {about['format']!r}, where this version has {_FORMAT!r}; explain again")
        per_input = bool(about.get("per_input", False))  # older files do not say
        numbers = tuple(about["numbers"]) if "numbers" in about else None  # likewise
        features = Features(arrays.pop("mask"), tuple(about["names"]), Layout(about["layout"]), per_input, numbers)
        parts: dict[str, Any] = {
            k.removeprefix("samples_"): arrays.pop(k) for k in list(arrays) if k.startswith("samples_")
        }
        told = {"group": int(about["group"]), "chance": bool(about["chance"]), "period": about.get("period")}
        told["efficient"] = bool(about.get("efficient", False))
        explanation = make(
            **arrays,
            features=features,
            n_perturbations=int(about["n_perturbations"]),
            shape=tuple(about["shape"]),
            samples=Samples(**parts, **told) if parts else None,
            strategies=tuple(about.get("strategies", ())),
        )
        _check_whole(explanation)
        return explanation
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"`path` should be a file that `Explanation.save` wrote. Found {str(path)!r}, which could not be read: "
            f"{error}"
        ) from error
