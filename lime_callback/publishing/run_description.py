"""The card that explains a run in words: how to read its pictures, what its probes are, and its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.outputs.targets import target_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes

_LONGEST = 120  # characters of a setting: an array or a function has more to say than anyone reads

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


def settings_of(plan: CallbackConfig) -> dict[str, Any]:
    """The callback's settings as plain values, by the names of its arguments."""
    made = plan.settings
    strategies = {name: getattr(made, name) for name in ("design", "baseline", "kernel", "surrogate", "output")}
    strategies["output"] = "auto" if plan.auto_output else made.output
    return {
        "views": {view.name: _text(view) for view in plan.views},
        "probes": plan.probes,
        "target": _text(plan.target),
        "every_n_epochs": plan.every_n_epochs,
        "n_perturbations": made.n_perturbations,
        **{name: _text(value) for name, value in strategies.items()},
        "watch": {name: _text(one) for name, one in plan.watch.items()},
        "reliance": plan.reliance,
        "background": plan.background,
        "gate": plan.gate,
        "relevant_change": plan.relevant_change,
        "time_budget": None if plan.time_budget is None else _text(plan.time_budget),
        "seed": plan.seed,
    }


def card(
    name: str,
    settings: Mapping[str, Any],
    probes: Probes,
    tracks: Sequence[FollowedView],
    class_names: Sequence[str] | None,
) -> str:
    """Markdown that explains a run to someone who sees its pictures for the first time.

    Args:
        name: of the callback.
        settings: of the callback, see :func:`settings_of`.
        probes: what is explained.
        tracks: of the views that were explained.
        class_names: of the outputs, or ``None``.
    """
    listed = {what: value for what, value in settings.items() if what not in ("views", "watch")}
    if (scale := chosen_scale(tracks)) is not None:
        listed["output"] = scale
    listed |= {f"view `{view}`": value for view, value in settings.get("views", {}).items()}
    listed |= {f"watch `{watch}`": value for watch, value in settings.get("watch", {}).items()}
    rows = [f"| {_cell(what)} | {_cell(value)} |" for what, value in listed.items() if value is not None]
    anew = any(track.anew for track in tracks)
    lines = [
        f"## What the model uses, by `{name}`",
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
        *_probe_rows(probes, tracks, class_names),
        "",
        "### Settings",
        "",
        "| argument | value |",
        "|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def chosen_scale(tracks: Sequence[FollowedView]) -> str | None:
    """The scale that ``output="auto"`` became; ``None`` where the user chose one."""
    return next((track.scale for track in tracks if track.scale is not None), None)


def _probe_rows(probes: Probes, tracks: Sequence[FollowedView], class_names: Sequence[str] | None) -> list[str]:
    targets = next((track.last.targets.tolist() for track in tracks if track.last is not None), [])
    rows = []
    for p in range(len(probes)):
        number = p if probes.numbers is None else probes.numbers[p]
        label = "" if probes.labels is None else target_name(int(probes.labels[p]), class_names)
        explained = [target_name(int(t), class_names) for t in targets[p]] if targets else []
        shown = ", ".join(explained[:5]) + (f" and {len(explained) - 5} more" if len(explained) > 5 else "")
        rows.append(f"| {number} | {_cell(label)} | {_cell(shown)} |")
    return rows


def _text(value: Any) -> str:
    """A setting in words; a function by its name, since its address says nothing."""
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"{value.__module__}.{name}"
    text = value if isinstance(value, str) else " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _cell(value: object) -> str:
    """A value inside of a table's cell."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
