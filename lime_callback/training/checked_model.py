"""Looks once at a finished model for what is wrong: a validation with the callback, outside of any training."""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_callback.checks.named_objects import named_object, with_objects
from lime_callback.comparing.reference import load_weights
from lime_callback.report import read, write_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lime_callback.publishing.finding import Finding

PAGE = "lime_report.html"
SAMPLES = 512  # at most, that watches are measured on
_TUPLE = re.compile(r"\(\s*(\d+(?:\.\d*)?)\s*,\s*(\d+(?:\.\d*)?)\s*,?\s*\)")  # of two numbers
_NOTHING: tuple[Any, ...] = ("off", False, [])  # YAML reads `off` as false


@dataclass(frozen=True)
class CheckedModel:
    """What a look at a finished model came to.

    Attributes:
        wrong: the findings, the worst first.
        watches: a line for each watch: whether the model uses it, and its alarms.
        alarmed: names of the watches with an alarm.
        in_part: names of the watches that are used in part, and raise no alarm.
        looked: whether anything was looked for beside the watches.
        page: the path of the page that shows it.
    """

    wrong: tuple[Finding, ...]
    page: Path
    watches: tuple[str, ...] = ()
    alarmed: tuple[str, ...] = ()
    in_part: tuple[str, ...] = ()
    looked: bool = True

    @property
    def answer(self) -> str:
        """What there is to say where no finding is told; empty where a watch has an alarm."""
        if self.wrong or self.alarmed:
            return ""
        *first, last = map(repr, self.in_part) if self.in_part else ("",)
        parts = f", but the model uses {', '.join(first)}{' and ' * bool(first)}{last} in part" * bool(last)
        if self.looked:
            return f"nothing was found wrong{parts}"
        return f"no watch raises an alarm{parts}; nothing else was looked for"


def check_model(
    model: str,
    data: str,
    output: Path,
    callback: Callable[..., Any],
    *,
    checkpoint: Path | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> CheckedModel:
    """Validate a model with the callback, and write the page.

    Args:
        model: names a ``LightningModule``, see :func:`lime_callback.checks.named_objects.named_object`.
        data: names a ``DataLoader`` or a ``LightningDataModule``.
        output: folder for what the callback writes.
        callback: makes the callback.
        checkpoint: path of a checkpoint whose weights the model gets; ``None`` leaves it as it is.
        arguments: the callback's.

    Raises:
        ValueError: if an argument does not fit, or nothing could be explained.
        FileNotFoundError: if there is no such file.
        Exception: what the user's own code raises.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch import LightningDataModule, LightningModule, Trainer
    from torch.utils.data import DataLoader

    given = dict(arguments or {})
    # Nothing of it is drawn: the page draws for itself. A watch is asked about once, and so in many samples.
    many = {"background": SAMPLES, "reliance": SAMPLES} if given.get("watch") else {}
    lime = _callback(callback, {"pictures": False, "on_error": "warn"} | many | given)
    module = named_object("MODEL", model, (LightningModule,))
    loader = named_object("--data", data, (DataLoader, LightningDataModule))
    if checkpoint is not None:
        if not checkpoint.is_file():
            raise FileNotFoundError(f"`--checkpoint` should be a file. Found no {str(checkpoint)!r}.")
        module.load_state_dict(load_weights(checkpoint, module, "--checkpoint"))
    with _quiet(lambda: [*(finding.line for finding in lime.findings()), *lime._latest.alarms.values()]):
        trainer = Trainer(
            callbacks=[lime], default_root_dir=output, logger=False, devices=1, enable_checkpointing=False,
            enable_model_summary=False, enable_progress_bar=False,
        )  # fmt: skip
        loaders = {"datamodule": loader} if isinstance(loader, LightningDataModule) else {"dataloaders": loader}
        try:
            trainer.validate(module, verbose=False, **loaders)
        except MisconfigurationException as error:
            raise ValueError(f"`trainer.validate` should take the model and the data. Found: {error}") from error
    history = lime._latest.publisher.history
    if history is None:
        raise ValueError("there should be a sample that can be explained. Found none; the messages say why.")
    page = write_page([read(history)], Path(history).with_name(PAGE))
    watches = lime._latest.loop.watches
    return CheckedModel(
        tuple(sorted(lime.findings(), key=lambda one: -one.severity)), page, tuple(watches.lines()),
        tuple(watches.troubles), tuple(watches.in_part), lime.config.findings not in _NOTHING,
    )  # fmt: skip


def callback_arguments(config: Path | None, settings: Sequence[str]) -> dict[str, Any]:
    """Read the callback's arguments from a YAML file, and from texts such as ``"probes=16"``, which come first.

    Values are those of YAML, so ``"wavelengths=[450, 550, 650]"`` is a list. Objects are ``class_path`` and
    ``init_args``, as for LightningCLI. In watches, Python's ranges ``(1350.0, 1430.0)`` are read, too.

    Raises:
        ValueError: if the file or a text is not of this form.
        OSError: if the file cannot be read.
    """
    import yaml  # Lightning brings it

    values: dict[str, Any] = {}
    try:
        if config is not None:
            loaded = yaml.safe_load(config.read_text(encoding="utf-8"))
            if not isinstance(loaded, dict):
                raise ValueError(
                    f"`--config` should be a YAML file with arguments of LimeCallback by their names. Found "
                    f"{str(config)!r}, which holds a {type(loaded).__name__}."
                )
            values |= loaded
        for text in settings:
            name, equals, value = text.partition("=")
            if not equals or not name:
                raise ValueError(f"`--set` should be `name=value`, as in `--set probes=16`. Found {text!r}.")
            values[name.strip()] = _watches(value) if name.strip() == "watch" else yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"the callback's arguments should be YAML. Found: {error}") from error
    return values


def _watches(text: str) -> Any:
    """Read watches whose ranges may be Python's tuples, ``{water: [(1350.0, 1430.0)]}``, also as a text in quotes."""
    import yaml

    def unquoted(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: unquoted(part) for name, part in value.items()}
        return yaml.safe_load(value) if isinstance(value, str) and value.strip()[:1] in ("[", "{") else value

    return unquoted(yaml.safe_load(_TUPLE.sub(r"{from: \1, to: \2}", text)))


def _callback(callback: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    known = inspect.signature(callback).parameters
    unknown = sorted(str(name) for name in arguments if name not in known)
    if unknown:
        raise ValueError(f"`--set` and `--config` should name arguments of LimeCallback, {', '.join(known)}. Found "
                         f"{', '.join(unknown)}.")  # fmt: skip
    arguments = dict(arguments)
    if arguments.get("findings") in _NOTHING:
        arguments["findings"] = "off"
        if not arguments.get("watch"):
            raise ValueError(
                "`findings` should look for something where there is no watch. Found that nothing is looked for; leave "
                "it out, or set a `watch`."
            )
    try:
        return callback(**with_objects("--config", arguments))
    except TypeError as error:
        raise ValueError(str(error)) from error


@contextmanager
def _quiet(answers: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Let Lightning say what is important alone; show warnings at the end, but for those that are the answer."""
    log, kept = logging.getLogger("lightning.pytorch"), list[warnings.WarningMessage]()
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings(record=True) as recorded:
            kept = recorded
            yield
    finally:
        log.setLevel(level)
        told = tuple(answers())
        for one in kept:
            if not (told and str(one.message).endswith(told)):
                warnings.showwarning(one.message, one.category, one.filename, one.lineno)
