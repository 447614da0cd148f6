"""Says in three lines, before training starts, what will be explained, what that costs, and where it is seen.

What the capture finds is said after it, so that a wrong guess and missing samples are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.explaining.deletion_insertion import steps_for
from lime_callback.findings.investigation import LEAST
from lime_callback.following.run_reliance import RunReliance
from lime_callback.outputs.output_kinds import classes_text
from lime_callback.outputs.probabilities_and_losses import are_masks
from lime_callback.outputs.segmentation_reducers import OfPixels
from lime_callback.outputs.targets import target_name
from lime_callback.probes.batch_entries import labels_at
from lime_callback.training import trainer_facts
from lime_callback.training.background_questions import SHARE

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.sinks.console import Console
    from lime_callback.training.loop_report import LoopReport

_CLASSES = 10  # that are counted by name
_NUMBERS = 20  # samples that are named


class Announcement:
    """Speaks once of the run, and once of the samples that were captured.

    Args:
        config: the user's arguments.
        console: writes the lines.
        report: knows where they are seen.
    """

    def __init__(self, config: CallbackConfig, console: Console, report: LoopReport) -> None:
        self._config, self._console, self._report = config, console, report
        self._begun = False

    def begin(self, trainer: Any, probes: Probes, when: str) -> None:
        """Say what will be explained, unless that was said.

        Args:
            trainer: the trainer.
            probes: one captured sample or more.
            when: they are explained, such as ``" at the end of every validation"``.
        """
        if self._begun:
            return
        self._begun, config = True, self._config
        with self._console.contained("the announcement"):
            samples = trainer_facts.samples_text(trainer, config.choice.which)
            views = " and ".join(repr(view.name) for view in config.views)
            self._console.info(
                f"explains {_explained(config)}{config.probes} {samples} by {views}: {_inputs(config, probes)}.\n"
                f"  Cost: about {forwards_per_epoch(config):,} forward passes of one sample{when}.\n"
                f"  Shown: {self._report.shown_at(trainer)}."
            )

    def found(self, trainer: Any, probes: Probes) -> None:
        """Say which samples were captured, if that is more than was said before."""
        config, numbers, classes = self._config, probes.numbers, probes.facts.classes
        facts = []
        if numbers is not None:
            facts.append(f"numbers {_listed(list(map(str, numbers)), _NUMBERS)}")
        if classes:
            of_class = "" if config.class_names is not None else "class "
            told = [f"{of_class}{target_name(label, config.class_names)}: {count}" for label, count in classes]
            facts.append(_listed(told, _CLASSES))
        fewer = f" of {config.probes} that were asked for" if len(probes) < config.probes else ""
        if fewer or facts:
            samples = trainer_facts.samples_text(trainer, "")
            self._console.info(f"took {len(probes)} {samples}{fewer}{': ' * bool(facts)}{'; '.join(facts)}.")


def forwards_per_epoch(config: CallbackConfig) -> int:
    """How many inputs the model is run on for an explained epoch, in all processes, unless it has little to hide.

    What is done once comes on top: choosing the probes, a second baseline, and the weights of a reference.
    """
    n, views = config.settings.n_perturbations, len(config.views)
    of_view = config.probes * (n + 2 + 4 * steps_for(n))  # see `ExplainedBatch.forwards`
    relied = config.probes * n * RunReliance(config).expected
    looked = max(config.probes * n * views // SHARE, LEAST) if config.background and config.findings != "off" else 0
    return views * of_view + relied + looked


def _explained(config: CallbackConfig) -> str:
    """Which outputs are explained, as far as that is known, and of classes of pixels over which pixels."""
    output, target, names = config.settings.output, config.target, config.class_names
    if isinstance(output, OfPixels):
        return f"{classes_text(target, names)}, as {output.words}, of "
    return "" if isinstance(target, str) or callable(target) else f"{classes_text(target, names, 'outputs')} of "


def _inputs(config: CallbackConfig, probes: Probes) -> str:
    """Where inputs and labels are in the batch, the inputs' shape, and what is taken for channels and pixels."""
    facts, axes = probes.facts, config.layout.axes
    where = f"batch entry {facts.input_key}" if facts.input_key else "the batch"
    sizes = dict(zip(axes, facts.shape, strict=False))
    read = [f"{sizes['C']} channels"] if "C" in sizes else []
    if pixels := " x ".join(str(sizes[axis]) for axis in "HW" if axis in sizes):
        read.append(f"{pixels} pixels")
    kind = f" of {facts.dtype}" if probes.integer is not None else ""
    if probes.parts:
        names = [part.name for part in probes.parts]
        read.append(f"joined from {', '.join(names if len(names) < 5 else [*names[:2], '…', names[-1]])}")
    labels = "no labels found" if facts.label_key is None else f"labels in entry {facts.label_key}"
    masks = are_masks(labels_at(probes.batch, probes.label_key))
    not_one = ", a class for each pixel" if masks else ", not of one class each"
    not_classes = not_one if facts.label_key is not None and facts.classes is None else ""
    return f"{where}, {list(facts.shape)}{kind} as {axes} ({', '.join(read)}), {labels}{not_classes}"


def _listed(texts: list[str], most: int) -> str:
    return ", ".join(texts[:most] + [f"… {len(texts) - most} more"] * (len(texts) > most))
