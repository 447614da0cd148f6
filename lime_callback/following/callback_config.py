"""What the user asked for, checked: an argument of the callback is a field here, and a line in :meth:`of`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from lime_callback.checks import arguments as check
from lime_callback.checks.numbers import check_count
from lime_callback.comparing.drift import check_relevant_change
from lime_callback.comparing.reference import Reference
from lime_callback.explaining.strategies import Strategies
from lime_callback.following.physical_inputs import check_to_physical
from lime_callback.following.time_budget import TimeBudget
from lime_callback.outputs.by_shape import ByShape
from lime_callback.outputs.targets import check_output
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.probe_choices import resolve_choice
from lime_callback.probes.sensor import Sensor
from lime_callback.probes.several_inputs import SeveralInputs, Steps
from lime_callback.sampling.background_baselines import Background, Data
from lime_callback.sampling.default_baseline import DefaultBaseline
from lime_callback.views import PerInput, Superbands, Superpixels, View, WholeInputs
from lime_callback.views.layout import Layout, without_steps
from lime_callback.views.view import check_views
from lime_callback.views.watch import check_watches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lime_callback.checks.entry_paths import Key as OutputKey
    from lime_callback.following.physical_inputs import ToPhysical
    from lime_callback.probes.batch_entries import Key
    from lime_callback.probes.ranked_samples import Choice
    from lime_callback.views.watch import Watch


@dataclass(frozen=True)
class CallbackConfig:
    """The callback's arguments in the form in which they are used, see :class:`~lime_callback.LimeCallback`.

    What uses an argument reads it from here, ``config.gate``, and keeps no copy: a new argument then is a field, a line
    in :meth:`of`, and its use.

    Attributes:
        choice: the argument ``probes``.
        settings: the arguments that say how one explanation is made, as :func:`~lime_callback.explain` has them.
        background: number of samples.
        findings: the argument, which the detectors check.
        auto_output: whether the labels decide the scale of the output; ``settings`` then say ``"raw"``.
    """

    views: Sequence[View]
    sensor: Sensor
    layout: Layout
    choice: Choice
    target: Any
    every_n_epochs: int | Literal["auto"]
    every_n_validations: int | None
    settings: Strategies
    auto_output: bool
    watch: Mapping[str, Watch]
    reliance: bool | int
    findings: Any
    background: int
    gate: float | None
    relevant_change: float
    reference: Reference | None
    class_names: Sequence[str] | None
    to_physical: ToPhysical | None
    max_batch_size: int | None
    time_budget: TimeBudget | None
    pictures: bool
    charts: bool
    on_error: Literal["warn", "raise"]
    seed: int
    name: str
    input_key: Key | None
    label_key: Key | None
    output_key: OutputKey | None
    forward: Callable[[Any, Any], Any] | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CallbackConfig:
        """Check the arguments of :class:`~lime_callback.LimeCallback`, all of them by their names.

        Raises:
            ValueError: if an argument's value is out of range or an unknown name, or two do not fit each other.
            TypeError: if an argument is of another kind.
        """
        sensor, (layout, steps) = Sensor(given["wavelengths"]), without_steps(given["layout"])
        input_key = _input_key(given["input_key"], layout, steps, sensor)
        usual = [PerInput(), WholeInputs()] if isinstance(input_key, SeveralInputs) else _usual_views(layout, sensor)
        views = check_views(given["views"], usual)
        watches = check_watches(given["watch"])
        for view in views:
            view.check_run(layout)
        for watch in watches.values():
            watch.check_run(layout)
        thin, largest = given["every_n_validations"], given["max_batch_size"]
        background = check_count("background", given["background"], 0)
        output, like = given["output"], given["like"]
        check_output(output, "auto")
        unset = isinstance(output, str) and output == "auto"
        class_names = check.check_class_names(given["class_names"])
        return cls(
            views=views,
            sensor=sensor,
            layout=layout,
            choice=resolve_choice(given["probes"]).named(class_names),
            target=check.check_target(given["target"], "auto", class_names=class_names),
            every_n_epochs=_often(given["every_n_epochs"]),
            every_n_validations=None if thin is None else check_count("every_n_validations", thin),
            settings=Strategies(
                **{name: given[name] for name in ("n_perturbations", "design", "baseline", "kernel", "surrogate")},
                output="raw" if unset else output,
                stem=given["stem"],
                like=like,
                usual=DefaultBaseline() if background else "mean",
            ),
            auto_output=unset and like is None,
            watch=watches,
            reliance=_reliance(given["reliance"]),
            findings=given["findings"],
            background=background,
            gate=check.check_gate(given["gate"]),
            relevant_change=check_relevant_change(given["relevant_change"]),
            reference=Reference.of(given["reference"], [view.name for view in views]),
            class_names=class_names,
            to_physical=check_to_physical(given["to_physical"]),
            max_batch_size=None if largest is None else check_count("max_batch_size", largest),
            time_budget=TimeBudget.of(given["time_budget"]),
            pictures=check.check_flag("pictures", given["pictures"]),
            charts=check.check_flag("charts", given["charts"]),
            on_error=check.check_one_of("on_error", given["on_error"], ("warn", "raise")),
            seed=check_count("seed", given["seed"], 0),
            name=check.check_name("name", given["name"]),
            input_key=input_key,
            label_key=check.check_batch_key("label_key", given["label_key"]),
            output_key=check.check_key("output_key", given["output_key"]),
            forward=check.check_forward(given["forward"]),
        )

    @property
    def asked(self) -> Strategies:
        """The settings before anyone has seen an output: where the user left it open, its shape decides."""
        return replace(self.settings, output=ByShape()) if self.auto_output else self.settings

    def __post_init__(self) -> None:
        """Raise a ``ValueError`` if arguments do not fit each other."""
        if self.every_n_validations is not None and self.every_n_epochs not in ("auto", 1):
            raise ValueError(
                "`every_n_validations` and `every_n_epochs` both say how often to explain. Found "
                f"`every_n_validations = {self.every_n_validations}` and `every_n_epochs = {self.every_n_epochs}`; "
                "leave one of the two out."
            )
        if not self.background and isinstance(self.settings.baseline, (Data, Background)):
            raise ValueError(
                f"`background` should be at least 1 for `baseline = {self.settings.baseline}`, which takes its values "
                "from other samples. Found `background = 0`; leave it out, or take `baseline='mean'`."
            )
        if self.choice.anew and self.reference is not None and self.reference.explanations:
            raise ValueError(
                "`reference` should be a checkpoint where probes are chosen anew at each epoch. Found saved "
                f"explanations of {', '.join(map(repr, self.reference.explanations))}, which are of other samples."
            )

    @property
    def wavelengths(self) -> Sequence[float] | None:
        """One for each channel, in nm, as far as they are known yet; ``None`` if there are none."""
        return self.sensor.wavelengths

    @property
    def keys(self) -> BatchKeys:
        """Where in a batch the inputs and labels are; the layout and the channels' number help to find them."""
        channels = None if self.wavelengths is None or self.sensor.in_batch else len(self.wavelengths)
        return BatchKeys(self.input_key, self.label_key, self.layout, channels)

    @property
    def makes_outputs(self) -> bool:
        """Whether outputs come from a function of the user's, rather than from the model alone."""
        return self.forward is not None or callable(self.settings.output)

    @property
    def probes(self) -> int:
        """How many samples are explained, at most."""
        return self.choice.count


def _reliance(value: Any) -> bool | int:
    """Whether reliance is measured, or on how many samples that of watches is."""
    return value if isinstance(value, bool) else check_count("reliance", value, 4, other="True, False, or ")


def _often(value: Any) -> int | Literal["auto"]:
    """How many epochs lie between explained ones, or ``"auto"``."""
    if isinstance(value, str) and value == "auto":
        return "auto"
    return check_count("every_n_epochs", value, other="'auto', or ")


def _input_key(value: Any, layout: Layout, steps: str, sensor: Sensor) -> Any:
    """Where the inputs are; a list names several, which the model takes together.

    Args:
        value: the argument.
        layout: without an axis of steps.
        steps: the layout with it; empty if there is none.
        sensor: the argument ``wavelengths``.

    Raises:
        ValueError: if a list holds fewer than two different keys, or wavelengths or an axis of steps are said of all
            inputs.
        TypeError: if a key is of another kind.
    """
    if not isinstance(value, Sequence) or isinstance(value, (str, tuple)):
        key = check.check_batch_key("input_key", value)
        return Steps(key, steps, layout) if steps else key
    keys = tuple(check.check_batch_key("input_key", key) for key in value)
    if len(keys) < 2 or len(set(keys)) < len(keys):
        raise ValueError(
            "`input_key` should name at least two different inputs where it is a list, such as ['hsi', 'lidar']. Found "
            f"`input_key = {list(value)!r}`; name one input without a list."
        )
    if steps:
        raise ValueError(
            f"`layout = {steps!r}` should be of one input where it has times or depths. Found `input_key = "
            f"{list(value)!r}`; let the dataset give steps as channels, with `layout={layout.axes!r}`."
        )
    if sensor.given is not None:
        raise ValueError(
            "`wavelengths` should belong to an input where there are several. Found `wavelengths` beside `input_key = "
            f"{list(value)!r}`; give them to that input's view: "
            f"`views=PerInput({{{keys[0]!r}: Superbands(wavelengths=...)}})`."
        )
    return SeveralInputs(keys, layout)


def _usual_views(layout: Layout, sensor: Sensor) -> list[View]:
    """The views of ``views=None``; a superpixel of samples without pixels would be the whole of them."""
    known = sensor.wavelengths
    spectral = [] if sensor.given is None else [Superbands(None if known is None else min(20, len(known)))]
    if layout.has_pixels:
        return [Superpixels(), *spectral]
    return list[View](spectral) or [Superbands(None, name="elements")]
