"""Writes the card that explains a run in words: how to read its pictures, its probes, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lime_callback.explaining.strategies import Strategies
from lime_callback.following.metric_table import METRICS
from lime_callback.outputs.targets import class_name, target_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.publishing.explained_epoch import ExplainedEpoch

_LONGEST = 120  # characters that a setting may have, since nobody reads a whole array

_HOW_TO_READ = """\
### How to read it

Everything is an effect: a part's signed share of its probe's attribution. Orange raises the output, blue lowers it.

- **attributions**: each probe beside its first and its present map, and what is predicted and true; `≠` marks what is
  another class, ○ what may be noise. What says "poor fit" should not be read. Worry where colour lies on the
  background, or where first and present explanation have nothing in common.
- **superbands**: a grey span is a range's mean size over the probes, however their signs differ; dots are probes, the
  diamond is their mean with its 95 % interval. Below it each probe is a row. Worry where a wavelength range leads that
  cannot carry what you look for.
- **superpixels**: each probe's strongest effects, with 95 % intervals that hold all together, and where they lie. A
  hollow line is the first explanation.
- **features**: the same for features of channels and pixels, such as cubes.
- **waterfall**, **effects**: mean sizes over the epochs. Worry where lines still cross when the loss is flat.
- **drift_chart**: R², and the share of the attribution that moved from one epoch to the next. Worry where much moves
  late in a run.

Epochs count from 1. TensorBoard keeps ten pictures of each kind, the newest among them, which has the first explanation
or all epochs in it; `tensorboard --logdir ... --samples_per_plugin images=1000` keeps all.
"""


NOT_TOLD = {
    "wavelengths": "`run.json` has them beside the settings",
    "class_names": "`run.json` has them beside the settings",
    "name": "the settings are told under it",
    "to_physical": "changes pictures alone",
    "layout": "says where the data are, not what is asked of them",
    "input_key": "says where the data are, not what is asked of them",
    "label_key": "says where the data are, not what is asked of them",
    "output_key": "says where the data are, not what is asked of them",
    "forward": "says how the model is called, not what is asked of it",
    "like": "the strategies that it sets are told",
    "reference": "is a path, and its metrics have names of their own",
    "max_batch_size": "changes no result",
    "stem": "changes no result",
    "pictures": "changes no result",
    "charts": "changes no result",
    "on_error": "changes no result",
    "choice": "a field that is told as `probes`",
    "sensor": "a field that is told as `wavelengths`",
    "auto_output": "a field that is told as `output`",
}
"""Arguments of the callback that are not among its settings, and why; all others are."""


def settings_of(config: CallbackConfig) -> dict[str, Any]:
    """Return the callback's settings as plain values, by the names of its arguments, without :data:`NOT_TOLD`."""
    settings: dict[str, Any] = {"views": (), "probes": config.probes}
    for name, value in vars(config).items():
        settings |= vars(value) if isinstance(value, Strategies) else {name: value}
    settings["views"] = {view.name: view for view in config.views}
    settings["target"] = _text(config.target)  # also where it is a number
    if config.auto_output:
        settings["output"] = "auto"
    return {name: _plain(value) for name, value in settings.items() if name not in NOT_TOLD}


def card(config: CallbackConfig, explained: ExplainedEpoch) -> str:
    """Return Markdown that explains a run to someone who sees its pictures for the first time.

    Args:
        config: the user's arguments.
        explained: the first epoch that is shown.
    """
    probes, views, settings = explained.probes, explained.views, settings_of(config)
    listed = {argument: value for argument, value in settings.items() if argument not in ("views", "watch")}
    if (scale := chosen_scale(views)) is not None:
        listed["output"] = scale
    listed |= {f"view `{view}`": value for view, value in settings.get("views", {}).items()}
    listed |= {f"watch `{watch}`": value for watch, value in settings.get("watch", {}).items()}
    rows = [f"| {_cell(argument)} | {_cell(value)} |" for argument, value in listed.items() if value is not None]
    anew = any(followed.anew for followed in views)
    lines = [
        f"## What the model uses, by `{config.name}`",
        "",
        f"Parts of {len(probes)} samples are hidden, again and again; a linear model says what each part adds to the "
        f"explained output. {'They are chosen anew' if anew else 'Samples, parts and outputs are the same'} at each "
        "epoch.",
        "",
        _HOW_TO_READ,
        "### Metrics",
        "",
        *(f"- **{_cell(metric.name)}**: {metric.words}" for metric in METRICS),
        "",
        "### Probes",
        "",
        "| probe | label | explained output |",
        "|---|---|---|",
        *_probe_rows(explained, config.class_names),
        "",
        "### Settings",
        "",
        "| argument | value |",
        "|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def chosen_scale(views: Sequence[FollowedView]) -> str | None:
    """Return the scale that ``output="auto"`` became; ``None`` if the user chose a scale."""
    return next((followed.scale for followed in views if followed.scale is not None), None)


def _probe_rows(explained: ExplainedEpoch, class_names: Sequence[str] | None) -> list[str]:
    probes = explained.probes
    targets = next((followed.last.targets.tolist() for followed in explained.views if followed.last is not None), [])
    kind = next((followed.kind for followed in explained.views), None)
    rows = []
    for p in range(len(probes)):
        number = p if probes.numbers is None else probes.numbers[p]
        label = "" if probes.labels is None else class_name(int(probes.labels[p]), class_names, kind)
        named = [target_name(int(t), class_names, kind) for t in targets[p]] if targets else []
        shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
        rows.append(f"| {number} | {_cell(label)} | {_cell(shown)} |")
    return rows


def _plain(value: Any) -> Any:
    """Return a setting as plain values: numbers and ``None`` stay, mappings keep their names, all else is text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return {name: _text(entry) for name, entry in value.items()} if isinstance(value, Mapping) else _text(value)


def _text(value: Any) -> str:
    """Return a setting as a text; a function becomes its name, since its address says nothing."""
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"{value.__module__}.{name}"
    text = value if isinstance(value, str) else " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _cell(value: object) -> str:
    """Escape a value for a cell of a Markdown table."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
