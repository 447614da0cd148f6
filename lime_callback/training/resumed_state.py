"""A checkpoint's state of a callback, read and checked, before any of it is taken over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lime_callback.following.followed_view import FollowedView
from lime_callback.following.run_question import differences, question_of, view_argument
from lime_callback.probes.probe_choices import Numbered

if TYPE_CHECKING:
    from torch import Tensor

    from lime_callback.following.callback_config import CallbackConfig


@dataclass(frozen=True, eq=False)
class ResumedState:
    """What a checkpoint says of a run, as far as it holds for the arguments of now.

    Attributes:
        whole: the state as it was saved.
        fingerprint: of the probes.
        chosen: the probes' numbers, where the same samples are to be explained again; ``None``: they are chosen anew.
        middles: whether samples are spread as versions before did, which did not say so.
        epoch: the last explained epoch, counted from 0, or ``None``.
        passed: validations since then that were not explained.
        pace: with ``every_n_epochs="auto"``, one of how many validations is explained; ``None`` before it was known.
        step: the last step that counts.
        epochs: the epochs trained until then; NaN in a state of an earlier version.
        costs: of the last explanation.
        used: perturbations of each probe and view; ``None`` if another number was asked for.
        alarms: of the last explanation.
        history: the path of the run's history, or ``None``.
        said: keys of what was said.
        asked: how many explained epochs have asked about watches.
        questions: state of what was found so far; empty in a state of an earlier version, and with other arguments.
        tracks: the views' states, of those views that are asked the same as before.
        changed: which arguments differ, and from what to what.
        forgotten: names of the views that are asked something else than before.
    """

    whole: dict[str, Any]
    fingerprint: Tensor
    chosen: Numbered | None
    middles: bool
    epoch: int | None
    passed: int
    pace: int | None
    step: int
    epochs: float
    costs: dict[str, float]
    used: int | None
    alarms: dict[str, str]
    history: str | None
    said: list[str]
    asked: int
    questions: dict[str, Any]
    tracks: dict[str, dict[str, Any]]
    changed: dict[str, str]
    forgotten: set[str]

    @classmethod
    def of(cls, state: dict[str, Any], config: CallbackConfig) -> ResumedState:
        """Read a state; of a version that knew no question, the same one is taken to have been asked.

        Raises:
            Exception: if any of it cannot be read.
        """
        changed = differences(dict(state.get("question", {})), question_of(config))
        views = {view.name: view for view in config.views}
        of_views = {name for name in views if view_argument(name) in changed}
        forgotten = of_views if len(of_views) == len(changed) else set(views)
        tracks = {name: track for name, track in state["tracks"].items() if name in views.keys() - forgotten}
        for name, track in tracks.items():  # all of it can be read, or nothing is taken over
            FollowedView(views[name], config).restore(track)
        same_choice = state.get("choice") == config.choice.key and not config.choice.anew
        count = None if "n_perturbations" in changed or state.get("used") is None else int(state["used"])
        return cls(
            whole=state,
            fingerprint=state["fingerprint"],
            chosen=Numbered(state["numbers"]) if state.get("numbers") and same_choice else None,
            middles=bool(state.get("middles", True)),
            epoch=None if state["epoch"] is None else int(state["epoch"]),
            passed=int(state.get("passed", 0)),
            pace=None if state.get("pace") is None else int(state["pace"]),
            step=int(state["step"]),
            epochs=float(state.get("epochs", math.nan)),
            costs={name: float(cost) for name, cost in state["costs"].items()},
            used=count,
            alarms=dict(state.get("alarms", {})),
            history=state["history"],
            said=[] if changed else list(state["said"]),  # what is asked now has not been said
            asked=int(state.get("asked", 0)),
            questions={} if changed else dict(state.get("questions", {})),
            tracks=tracks,
            changed=changed,
            forgotten=forgotten,
        )

    @property
    def change(self) -> str:
        """A sentence on what differs; empty where nothing does."""
        if not self.changed:
            return ""
        what = ", ".join(f"`{name}` ({way})" for name, way in self.changed.items())
        return (
            f"the run is resumed with other arguments: {what}. The new ones hold, and drift begins anew for "
            f"{' and '.join(f'view {name!r}' for name in sorted(self.forgotten))}."
        )
