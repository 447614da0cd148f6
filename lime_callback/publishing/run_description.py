"""Writes the card that explains a run in words: how to read its pictures, its probes, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.outputs.targets import target_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.publishing.explained_epoch import ExplainedEpoch

_LONGEST = 120  # characters that a setting may have, since nobody reads a whole array

_HOW_TO_READ = """\
### How to read it

- **attributions**: each probe beside what its explained output depends on, and what is predicted and true; `≠` marks
  what is another class. Colours are effects, a part's signed share of the probe's attribution: orange raises the
  output, blue lowers it. What is drawn pale should not be read. Worry where colour lies on the background, or where
  first and present explanation have nothing in common.
- **superbands**: mean coefficients with 95 % intervals over the probes, dots are probes, triangles such far beyond the
  bars. **superpixels**: each probe's strongest effects, with 95 % intervals that hold all together. A purple line is
  the first explanation. Worry where a wavelength range leads that cannot carry what you look for.
- **waterfall**: mean effects, **coefficients**: mean coefficients, over the epochs. Worry where lines still cross when
  the loss is flat.
- **drift_chart**: R², and how far explanations lie apart from one epoch to the next; what is shaded is noise alone.
  Worry where drift leaves the shade late in a run.
- **score**: the share of the output's variance that the linear picture predicts in rows that it was not fitted to (R²).
  Below about 0.5, do not read the picture.
- **moved**: the share of the attribution that went elsewhere since the explanation before. **reliance**: the share of
  the predictions that change when a set is hidden by other samples' values, beside random sets as large.
"""


def settings_of(config: CallbackConfig) -> dict[str, Any]:
    """Return the callback's settings as plain values, by the names of its arguments."""
    chosen = config.settings
    strategies = {name: getattr(chosen, name) for name in ("design", "baseline", "kernel", "surrogate", "output")}
    strategies["output"] = "auto" if config.auto_output else chosen.output
    return {
        "views": {view.name: _text(view) for view in config.views},
        "probes": config.probes,
        "target": _text(config.target),
        "every_n_epochs": config.every_n_epochs,
        "n_perturbations": chosen.n_perturbations,
        **{name: _text(value) for name, value in strategies.items()},
        "watch": {name: _text(watched_set) for name, watched_set in config.watch.items()},
        "reliance": config.reliance,
        "background": config.background,
        "gate": config.gate,
        "relevant_change": config.relevant_change,
        "time_budget": None if config.time_budget is None else _text(config.time_budget),
        "seed": config.seed,
    }


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
    rows = []
    for p in range(len(probes)):
        number = p if probes.numbers is None else probes.numbers[p]
        label = "" if probes.labels is None else target_name(int(probes.labels[p]), class_names)
        named = [target_name(int(t), class_names) for t in targets[p]] if targets else []
        shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
        rows.append(f"| {number} | {_cell(label)} | {_cell(shown)} |")
    return rows


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
