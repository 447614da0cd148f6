"""References: a checkpoint or saved explanations that a run is compared with."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from lime_callback.comparing.same_question import brief
from lime_callback.comparing.significance import discoveries, p_values_beyond
from lime_callback.explaining.effects import effects
from lime_callback.explaining.explanation import Explanation
from lime_callback.surrogates.confidence_intervals import mean_over_probes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn

    from lime_callback.comparing.drift import Drift
    from lime_callback.surrogates.confidence_intervals import MeanOverProbes


class ReferenceRow(NamedTuple):
    """How a feature's coefficient changed against the reference, as means over the probes that count.

    Attributes:
        feature: the feature's name.
        before: mean coefficient in the reference.
        after: mean coefficient now.
        change: mean change.
        standard_error: the change's standard error, from its spread over the probes; infinite for a single probe.
        p_value: the change's p value, for samples such as the probes; 1 for a single probe.
        significant: whether the change is significant at the false discovery rate.
        noise: the change's standard error from the perturbations alone, for just these probes.
        effect: mean absolute effect now, the feature's share of the attribution.
    """

    feature: str
    before: float
    after: float
    change: float
    standard_error: float
    p_value: float
    significant: bool
    noise: float
    effect: float


@dataclass(frozen=True)
class Reference:
    """The reference's files, checked.

    Args:
        checkpoint: a checkpoint of the same model, or ``None``.
        explanations: each view's saved explanation, by the view's name.
    """

    checkpoint: Path | None
    explanations: Mapping[str, Path]

    @classmethod
    def of(cls, value: Any, views: Sequence[str]) -> Reference | None:
        """Read the user's argument: a path, or paths by the names of views.

        Raises:
            FileNotFoundError: if a file does not exist.
            ValueError: if a view is unknown, a single explanation is given for several views, or a saved explanation
                cannot be read.
            TypeError: if ``value`` is neither a path nor a dictionary of paths.
        """
        if value is None:
            return None
        if isinstance(value, (str, Path)):
            path = Path(value)
            if path.suffix != ".npz":
                return cls(_existing(path), {})
            if len(views) > 1:
                raise ValueError(
                    f"`reference` should say which view a saved explanation is of, as in "
                    f"{{{views[0]!r}: {str(path)!r}}}. "
                    f"Found one path and the views {list(views)}."
                )
            value = {views[0]: path}
        if not isinstance(value, dict):
            raise TypeError(
                "`reference` should be the path of a checkpoint or of a saved explanation, or a dictionary from view "
                "to "
                f"saved explanation. Found a {type(value).__name__}."
            )
        unknown = [view for view in value if view not in views]
        if unknown or not value:
            raise ValueError(
                f"`reference` should name views of this callback, {list(views)}. Found "
                f"{unknown or 'an empty dictionary'}."
            )
        return cls(None, {view: _explanation(view, path) for view, path in value.items()})


def _explanation(view: str, path: Any) -> Path:
    if not isinstance(path, (str, Path)):
        raise TypeError(
            f"`reference[{view!r}]` should be the path of a saved explanation. Found a {type(path).__name__}."
        )
    existing = _existing(Path(path))
    try:
        Explanation.load(existing)
    except ValueError as error:
        raise ValueError(
            f"`reference` should be a saved explanation for view {view!r}, or the path of a checkpoint by itself. "
            f"{error}"
        ) from error
    return existing


def check_fits(reference: Explanation, explanation: Explanation, view: str) -> None:
    """Check a saved explanation against one of any sample of this run, before the probes are known.

    Args:
        reference: the saved explanation.
        explanation: an explanation of any sample of this run.
        view: the view's name, for the error.

    Raises:
        ValueError: if they differ in the inputs' shape, in the number of targets, or in features that all inputs share.
    """
    saved, other = reference.features, explanation.features
    pairs = [
        ("shapes of one input", reference.shape, explanation.shape),
        ("numbers of targets", reference.targets.shape[1], explanation.targets.shape[1]),
    ]
    if len(saved.mask) == len(other.mask) == 1:
        pairs.append(("features", saved.names, other.names))
    for kind, before, now in pairs:
        if before != now:
            raise ValueError(
                f"`reference` should be an explanation of the same inputs, by the same view {view!r} and for the same "
                f"targets. Found different {kind}: {brief(before)} and {brief(now)}."
            )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"`reference` should be the path of a checkpoint or of a saved explanation. Found no file {str(path)!r}."
        )
    return path


def load_weights(path: Path, module: nn.Module, argument: str = "reference") -> dict[str, Tensor]:
    """Load a checkpoint's weights and check that they fit a module; unpickle only tensors and plain values.

    Args:
        path: the checkpoint's path.
        module: the model.
        argument: name of the user's argument, for the errors.

    Raises:
        ValueError: if the file cannot be read, or its weights do not fit the module; the message says which.
    """
    module_weights = module.state_dict()
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"`{argument}` should be a checkpoint that loads with `weights_only=True`. Found {str(path)!r}: {error}"
        ) from error
    weights = content.get("state_dict", content) if isinstance(content, dict) else {}
    if not isinstance(weights, dict) or not all(
        isinstance(weights[name], Tensor) for name in module_weights.keys() & weights.keys()
    ):
        raise ValueError(
            f"`{argument}` should be a checkpoint whose weights are tensors by name. Found {str(path)!r}, which holds "
            f"something else; save one by `trainer.save_checkpoint` or `torch.save(model.state_dict(), path)`."
        )
    missing, surplus = sorted(module_weights.keys() - weights.keys()), sorted(weights.keys() - module_weights.keys())
    other = [
        name for name in module_weights.keys() & weights.keys() if module_weights[name].shape != weights[name].shape
    ]
    for misfit, names in (
        ("lacks", missing),
        ("has beyond the model", surplus),
        ("has in another shape", sorted(other)),
    ):
        if names:
            raise ValueError(
                f"`{argument}` should be a checkpoint of the same model. Found that {str(path)!r} {misfit}: "
                f"{', '.join(names[:5])}{f' and {len(names) - 5} more' * (len(names) > 5)}."
            )
    return dict(weights)


@contextmanager
def weights_of(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Give a module other weights and buffers for a while; its own tensors come back at the end, not copies."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    kept = {name: tensor.data for name, tensor in tensors.items() if name in weights}
    try:
        for name, data in kept.items():
            tensors[name].data = weights[name].to(device=data.device, dtype=data.dtype, copy=True)
        yield
    finally:
        for name, data in kept.items():
            tensors[name].data = data


def reference_rows(
    before: Explanation | None, after: Explanation | None, drift: Drift, level: float = 0.05
) -> list[ReferenceRow]:
    """One row for each feature: its coefficient in the reference and now, as means over the probes.

    Each probe's change is averaged over its targets, which depend on each other; the spread of these changes over the
    probes gives the error of their mean. Probes below the gate do not count. The rows are meaningful for views whose
    features are the same for all probes, such as superbands.

    Args:
        before: the reference's explanation.
        after: the explanation now.
        drift: the drift between the two.
        level: false discovery rate.
    """
    if before is None or after is None:
        return []
    present = drift.present.unsqueeze(1)
    shares = effects(after.coefficients, after.standard_error).abs()
    parts = [before.coefficients, after.coefficients, drift.change, shares]
    counts = drift.kept.unsqueeze(-1) & present
    earlier, later, change, share = (_over_probes(part, torch.zeros_like(part), counts) for part in parts)
    noise = _over_probes(drift.change, drift.change_error, counts).noise
    freedom = (change.probes.double() - 1).cpu()
    p = p_values_beyond(change.mean, change.error, 0.0, freedom)
    columns = [part.mean.tolist() for part in (earlier, later, change)]
    columns += [change.error.tolist(), p.tolist(), discoveries(p, level, "fdr").tolist(), noise.tolist()]
    return [ReferenceRow(*row) for row in zip(after.features.names, *columns, share.mean.tolist(), strict=True)]


def _over_probes(values: Tensor, errors: Tensor, counts: Tensor) -> MeanOverProbes:
    """Average values ``[P, T, d]`` over the probes; each probe's targets that count are averaged first."""
    number = counts.sum(1)
    means = [torch.where(counts, part.double(), 0.0).sum(1) / number.clamp(min=1) for part in (values, errors)]
    return mean_over_probes(means[0], means[1], number > 0)
