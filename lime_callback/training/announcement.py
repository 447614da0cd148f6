"""The one line that says what is explained: what was found in the data, so that a wrong guess is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lime_callback.explaining.deletion_insertion import steps_for
from lime_callback.outputs.targets import target_name

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes

_CLASSES = 10  # that are counted by name
_NUMBERS = 20  # samples that are named


def announcement(config: CallbackConfig, probes: Probes, samples: str, when: str) -> str:
    """Return a sentence on the probes, where they were found in the batch, and how they are explained.

    Args:
        config: the user's arguments.
        probes: the captured samples.
        samples: what they are, such as ``"validation samples"``.
        when: they are explained, such as ``" at the end of every validation"``.
    """
    fewer = f" ({config.probes} were asked for)" if len(probes) < config.probes else ""
    views, n = " and ".join(repr(view.name) for view in config.views), config.settings.n_perturbations
    forwards = len(probes) * len(config.views) * (n + 2 + 4 * steps_for(n))  # see `ExplainedBatch.forwards`
    return (
        f"explains {len(probes)} {samples}{fewer}{when}: {_inputs(config, probes)}, {_labels(config, probes)}; by "
        f"{views}, {n} perturbations each (at most {forwards} forward passes of one sample)."
    )


def _inputs(config: CallbackConfig, probes: Probes) -> str:
    """Where the inputs are, their numbers, their shape, and what is taken for channels and pixels."""
    facts, axes, numbers = probes.facts, config.layout.axes, ""
    where = f"batch entry {facts.input_key}" if facts.input_key else "the batch"
    if probes.numbers is not None:
        more = f", … {len(probes.numbers) - _NUMBERS} more" if len(probes.numbers) > _NUMBERS else ""
        numbers = f" (numbers {', '.join(map(str, probes.numbers[:_NUMBERS]))}{more})"
    sizes = dict(zip(axes, facts.shape, strict=False))
    read = [f"{sizes['C']} channels"] if "C" in sizes else []
    if pixels := " x ".join(str(sizes[axis]) for axis in "HW" if axis in sizes):
        read.append(f"{pixels} pixels")
    kind = f" of {facts.dtype}" if probes.integer is not None else ""
    if probes.parts:
        names = [part.name for part in probes.parts]
        read.append(f"joined from {', '.join(names if len(names) < 5 else [*names[:2], '…', names[-1]])}")
    return f"{where}{numbers}, {list(facts.shape)}{kind} as {axes} ({', '.join(read)})"


def _labels(config: CallbackConfig, probes: Probes) -> str:
    """Where the labels are, and how many probes each class has."""
    facts = probes.facts
    if facts.label_key is None:
        return "no labels found"
    if facts.classes is None:
        return f"labels in entry {facts.label_key}, not of one class each"
    named = "" if config.class_names is not None else "class "
    told = [f"{named}{target_name(label, config.class_names)}: {count}" for label, count in facts.classes[:_CLASSES]]
    more = [f"{len(facts.classes) - _CLASSES} classes more"] * (len(facts.classes) > _CLASSES)
    return f"labels in entry {facts.label_key} ({', '.join(told + more)})"
