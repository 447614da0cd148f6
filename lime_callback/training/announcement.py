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
from lime_callback.probes.other_entries import label_codes
from lime_callback.probes.probe_choices import Evenly
from lime_callback.training import trainer_facts
from lime_callback.training.background_questions import SHARE

if TYPE_CHECKING:
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.publishing.sinks.console import Console
    from lime_callback.training.loop_report import LoopReport

_CLASSES = 10  # that are counted by name
_FEW = 4  # probes that may well be of one class by chance
_PROPOSED = 2  # entries that may be labels
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
        self._found = False
        self._count = config.probes  # of samples that were announced

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
            samples, asked = trainer_facts.samples_text(trainer, config.choice.which), config.probes
            self._count = min(asked, trainer_facts.most_samples(trainer) or asked)
            most = "at most " if config.choice.one_of_a_rank else ""
            fewer = f" (there are no {asked:,})" if self._count < asked and not most else ""
            views = " and ".join(repr(view.name) for view in config.views)
            self._console.info(
                f"explains {_explained(config)}{most}{self._count} {samples}{fewer} by {views}: "
                f"{_inputs(config, probes)}.\n"
                f"  Cost: {most or 'about '}{forwards_per_epoch(config, self._count):,} forward passes of one sample"
                f"{when}.\n"
                f"  Shown: {self._report.shown_at(trainer)}."
            )
            doubt = "" if probes.parts or config.wavelengths else config.layout.doubt(tuple(probes.inputs.shape))
            if doubt:
                self._console.once(doubt, key="layout")

    def found(self, trainer: Any, probes: Probes, background: Probes | None) -> None:
        """Say once which samples were captured, if that is more than was said before.

        Args:
            trainer: the trainer.
            probes: the samples.
            background: those beside them, which show what other classes there are.
        """
        if self._found:
            return
        self._found = True
        config, numbers, classes = self._config, probes.numbers, probes.facts.classes
        facts = []
        if numbers is not None:
            facts.append(f"numbers {_listed(list(map(str, numbers)), _NUMBERS)}")
        if classes:
            of_class = "" if config.class_names is not None else "class "
            told = [f"{of_class}{target_name(label, config.class_names)}: {count}" for label, count in classes]
            facts.append(_listed(told, _CLASSES))
        count, most = len(probes), config.choice.one_of_a_rank
        fewer = f" of {config.probes} that were asked for" if count < config.probes and not most else ""
        if fewer or facts:
            samples = trainer_facts.samples_text(trainer, "")
            cost = f" They cost about {forwards_per_epoch(config, count):,} forward passes." * (count < self._count)
            self._console.info(f"took {count} {samples}{fewer}{': ' * bool(facts)}{'; '.join(facts)}.{cost}")
        others = None if background is None else background.facts.classes
        chance = count < _FEW or not isinstance(config.choice, Evenly)
        if classes and others and len(classes) == 1 < len(others) and not chance:
            self._console.once(
                f"all {count} probes are of {told[0].rsplit(':', 1)[0]}, and there are {len(others)} classes or more. "
                "Pass `probes='one_per_class'` for one of each, or more probes."
            )


def forwards_per_epoch(config: CallbackConfig, probes: int) -> int:
    """How many inputs the model is run on for an explained epoch, in all processes, unless it has little to hide.

    What is done once comes on top: choosing the probes, a second baseline, and the weights of a reference.
    """
    n, views = config.settings.n_perturbations, len(config.views)
    of_view = probes * (n + 2 + 4 * steps_for(n))  # see `ExplainedBatch.forwards`
    relying = RunReliance(config)
    relied = (probes * n + relying.forwards_of_watches) * relying.expected
    looked = max(probes * n * views // SHARE, LEAST) if config.background and config.findings != "off" else 0
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
    labels = f"labels in entry {facts.label_key}"
    if facts.label_key is None:
        able = label_codes(probes.batch, probes.key)
        ways = " or ".join(f"`label_key={code}`" for code in able[:_PROPOSED])
        labels = f"no labels found{f', pass for example {ways} if it holds them' if able else ''}"
    masks = are_masks(labels_at(probes.batch, probes.label_key))
    not_one = ", a class for each pixel" if masks else ", not of one class each"
    not_classes = not_one if facts.label_key is not None and facts.classes is None else ""
    return f"{where}, {list(facts.shape)}{kind} as {axes} ({', '.join(read)}), {labels}{not_classes}"


def _listed(texts: list[str], most: int) -> str:
    return ", ".join(texts[:most] + [f"… {len(texts) - most} more"] * (len(texts) > most))
