"""What a run's reliance is measured on: the watches and superbands of its views, and the background, pinned once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from lime_callback.explaining.hidden_sets import hidden_outputs, reliance_of_outputs
from lime_callback.sampling.seeds import seed_for
from lime_callback.sampling.value_swaps import choose_swaps
from lime_callback.views.watch import watched_elements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from lime_callback.explaining.reliance_result import Reliance
    from lime_callback.following.callback_config import CallbackConfig
    from lime_callback.following.explain_context import ExplainContext
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.sampling.value_swaps import Swaps

_REFERENCES = 7  # random sets of each watch where the user says how many samples it is measured on
_MOST_BANDS = 32  # features of a view; more of them are no superbands that a person reads one by one


@dataclass
class RunReliance:
    """Measures what hiding watches and superbands changes, at each explained epoch by the same swaps.

    Args:
        config: the user's arguments.

    Attributes:
        last: what was found last; its bands are named ``<view>/<band>``.
        impossible: why it cannot be measured, if it cannot.
    """

    config: CallbackConfig
    last: Reliance | None = None
    impossible: str = ""
    _swaps: tuple[Swaps, ...] = field(default=(), repr=False)
    _nm: Sequence[float] | None = field(default=None, repr=False)
    _pinned: bool = False

    def sets(self, views: Mapping[str, FollowedView]) -> bool:
        """Whether there is anything to hide."""
        return bool(self.config.reliance) and any(followed.watched or _bands(followed) for followed in views.values())

    @property
    def expected(self) -> bool:
        """Whether there will be something to hide, as far as is known before the views are cut."""
        config = self.config
        return bool(
            config.reliance
            and config.background
            and (config.watch or any(hasattr(view, "bands") for view in config.views))
        )

    @property
    def forwards_of_watches(self) -> int:
        """How many inputs the model is run on for the watches alone, where the user says on how many samples."""
        samples = min(self._asked_for, self.config.background)
        return samples * (1 + len(self.config.watch) * (1 + _REFERENCES))

    @property
    def _asked_for(self) -> int:
        """Samples that the user wants the watches to be measured on; 0 where that is left open."""
        return 0 if isinstance(self.config.reliance, bool) or not self.config.watch else self.config.reliance

    def measure(
        self,
        context: ExplainContext,
        background: Probes,
        views: Mapping[str, FollowedView],
        budget: int,
        device: torch.device,
    ) -> None:
        """Hide the watches and superbands; the first time, choose the samples and the sets.

        Args:
            context: how to run the model, which has the background as its probes.
            background: the samples, on the CPU or on the model's device.
            views: with their features, by their names.
            budget: inputs that the model may be run on.
            device: where the model is.

        Raises:
            ValueError: if the model's outputs are not finite.
            RankError: if something failed in another process.
        """
        if not self._pinned:
            with context.ranks.together():
                self._swaps = self._pin(background, views, budget)
            self._pinned = True
            if not self._swaps:
                self.impossible = (
                    f"{len(background)} samples and {budget} forwards, as many as one view has, are too few for it"
                )
        self.last = None  # what was measured before is not so now
        for swaps in self._swaps:
            found = hidden_outputs(
                context.model,
                background.inputs,
                self.config.layout,
                swaps,
                background_labels(background),
                self.config.asked,
                context.batch_size,
                context.ranks,
                device=device,
                batch=background.batch,
            )
            with context.ranks.together():
                own = reliance_of_outputs(found, swaps, self._nm)
                self.last = own if self.last is None else self.last.joined(own)

    def of(self, followed: FollowedView) -> Reliance | None:
        """What was found last of a view's watches and superbands; ``None`` if there is nothing."""
        if self.last is None:
            return None
        prefix = f"{followed.view.name}/"
        names = [name for name in self.last.names if name in followed.watched or name.startswith(prefix)]
        return self.last.only(names).renamed([name.removeprefix(prefix) for name in names]) if names else None

    def _pin(self, background: Probes, views: Mapping[str, FollowedView], budget: int) -> tuple[Swaps, ...]:
        config, count = self.config, len(background)
        inputs, batch = background.inputs, background.batch
        watched: dict[str, Tensor] = {}
        bands: dict[str, Tensor] = {}
        order: Sequence[float] | None = config.wavelengths
        for followed in views.values():
            own = getattr(followed.view, "wavelengths", None)
            nm = config.wavelengths if own is None else own
            order = nm if order is None else order
            for name in followed.watched.keys() - watched.keys():
                # It fitted the probes: what does not fit here is an array with a mask for each of them.
                with suppress(ValueError):
                    watched[name] = watched_elements(config.watch[name], inputs, config.layout, nm, batch)
            bands |= {f"{followed.view.name}/{name}": mask for name, mask in _bands(followed).items()}
        watched = {name: watched[name] for name in config.watch if name in watched}
        self._nm = order
        by_length = None if order is None else sorted(range(len(order)), key=lambda i: order[i])
        seed = seed_for(config.seed, "reliance")
        if not self._asked_for:
            chosen = [choose_swaps(watched, bands, count, budget, seed, by_length)]
        else:  # the watches in as many samples as were asked for, the bands in as many as one view's forwards afford
            cost = min(count, self._asked_for) * (1 + len(watched) * (1 + _REFERENCES))
            chosen = [
                choose_swaps(watched, {}, count, cost, seed, by_length, _REFERENCES),
                choose_swaps({}, bands, count, budget, seed, by_length),
            ]
        return tuple(swaps for swaps in chosen if swaps is not None)


def _bands(followed: FollowedView) -> dict[str, Tensor]:
    """The superbands of a view as masks ``[1, C, 1, 1]``; none of a view that is cut in another way."""
    features = followed.whole
    if features is None:
        return {}
    mask = features.canonical
    if mask.shape[0] > 1 or mask.shape[1] == 1 or mask.shape[2] * mask.shape[3] > 1 or len(features) > _MOST_BANDS:
        return {}
    return {name: mask == label for label, name in enumerate(features.names) if bool((mask == label).any())}


def background_labels(background: Probes) -> Tensor | None:
    """The background's labels: integers, or a regression's numbers."""
    if background.labels is not None:
        return background.labels
    found = background.label_entry
    return found if isinstance(found, torch.Tensor) and len(found) == len(background) else None
