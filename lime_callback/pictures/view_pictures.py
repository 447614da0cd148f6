"""Decides which figures show a followed view, and writes their texts.

All figures of a view show effects: a feature's signed share of its probe's attribution. The scale of maps depends
neither on the run nor on the probe, so a colour means the same at every epoch and for every probe. An explanation whose
score is below the gate is drawn pale, and does not enter means.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch

from lime_callback.following.epoch_series import means_over_probes
from lime_callback.outputs.targets import target_name
from lime_callback.pictures.input_panels import EFFECT, SIZE, bars, effect_limit, panels, size_limit
from lime_callback.pictures.probe_pictures import pictures_of, spectra_of
from lime_callback.pictures.probe_texts import panel_texts, probe_rows
from lime_callback.pictures.status_lines import WARNING, status
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures.figure_requests import Request
    from lime_callback.following.epoch_series import Means
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes
    from lime_callback.views.layout import Layout

_PANELS = 8  # more would make a picture that nobody can take in
_WHOLE = 1.0  # the effect of a feature that holds the whole attribution


def requests(
    track: FollowedView, probes: Probes, wavelengths: Sequence[float] | None, class_names: Sequence[str] | None
) -> dict[str, Request]:
    """Return the requests for all pictures of a view's last explanation, by the last part of the pictures' tags.

    Args:
        track: the followed view, explained at least once; it may follow further epochs before the pictures are drawn.
        probes: the explained samples.
        wavelengths: the channels' wavelengths in nm, or ``None``; those of the view itself come first.
        class_names: the outputs' names, or ``None``.
    """
    view_wavelengths = getattr(track.view, "wavelengths", None)
    return _ViewPictures(
        track, probes, wavelengths if view_wavelengths is None else view_wavelengths, class_names
    ).figures()


class _ViewPictures:
    """Gathers the arguments of a followed view's figures."""

    def __init__(
        self,
        track: FollowedView,
        probes: Probes,
        wavelengths: Sequence[float] | None,
        class_names: Sequence[str] | None,
    ) -> None:
        assert track.last is not None, "explain comes first"
        self.track, self.probes, self.last = track, probes, track.last
        self.wavelengths, self.class_names = wavelengths, class_names
        self.mask = self.last.features.canonical
        self.spectral = self.mask.shape[1] > 1 and self.mask.shape[2] * self.mask.shape[3] == 1
        self.limit = effect_limit(len(self.last.features))
        # The first explanation is drawn beside the present one, since a dashboard may not show a run's first picture.
        # At the first epoch they are the same: the pictures then have the layout of all later ones.
        self.first = None if track.anew else track.first or self.last
        series = track.series
        self.moments = (f"epoch {series.epochs[0]:g}", f"epoch {series.epochs[-1]:g}")
        epoch = series.epochs[-1]
        self.caption = f"{track.view.name} · after {epoch:g} epoch{'s' * (epoch != 1)}"

    def figures(self) -> dict[str, Request]:
        from lime_callback.figures import history_lines

        name, series = self.track.view.name, self.track.series
        made = {"attributions": self.attributions()}
        if self.spectral:
            made["superbands"] = self.superbands()
        else:
            made["superpixels" if self.mask.shape[1] == 1 else "features"] = self.strongest()
        if self.track.anew:  # other probes at each epoch cannot be compared over epochs
            return made
        if self.spectral:
            made |= {"waterfall": self.waterfall(), "effects": self.lines()}
        made["drift"] = partial(
            history_lines,
            list(series.epochs), {name: list(series.scores)}, {name: list(series.moves)},
            gate=self.track.config.gate, relevant=self.track.least_change, caption=self.caption,
            status=self.warnings,
        )  # fmt: skip
        return made

    def attributions(self) -> Request:
        """Request every probe's explanation, beside the run's first one."""
        from lime_callback import figures

        panels = self.spectrum_panels if self.spectral else self.spatial_panels
        present = list(panels(self.last))
        shared: dict[str, Any] = {
            "limit": self.limit, "caption": self.caption_of_probes, "quantity": EFFECT, "status": self.status,
        }  # fmt: skip
        shared["first"] = None if self.first is None else list(panels(self.first))
        if self.spectral:
            return partial(
                figures.spectra, present, wavelengths=self.wavelengths, moment=self.moments[0],
                spectrum_unit="in physical units" if self.track.config.to_physical is not None else "", **shared,
            )  # fmt: skip
        return partial(figures.attributions, present, targets=self.last.score.shape[1], moments=self.moments, **shared)

    def superbands(self) -> Request:
        from lime_callback.figures import superband_effects

        means = self.means(self.last)
        return partial(
            superband_effects,
            self.last.features.names,
            *(part.numpy() for part in (means.sizes, means.effects, means.effect_halves)),
            targets=self.target_names(),
            channels=self.mask[0, :, 0, 0].numpy(),
            wavelengths=self.wavelengths,
            limit=self.track.series.largest,
            values=self.counting(self.last).numpy(),
            probes=probe_rows(self.track, self.probes, self.class_names),
            map_limit=self.limit,
            caption=self.caption,
            status=self.status,
            quantity=EFFECT,
            first=None if self.first is None else (self.moments[0], self.means(self.first).sizes.numpy()),
        )

    @cached_property
    def status(self) -> list[str]:
        """How sure the explanation is, what changed, and what is wrong, in short texts."""
        return status(self.track)

    @cached_property
    def warnings(self) -> list[str]:
        """What of the status tells of something wrong; it stands above every picture, since each is seen alone."""
        return [text for text in self.status if text.startswith(WARNING)]

    def counting(self, explanation: Explanation) -> Tensor:
        """Return the effects ``[P, T, d]``, with NaN for explanations below the gate.

        For a target for which no explanation passes the gate, all effects are kept.
        """
        counts = self.track.counts(explanation)
        return explanation.effects.masked_fill(~(counts | ~counts.any(0)).unsqueeze(-1), torch.nan)

    def means(self, explanation: Explanation) -> Means:
        counts = self.track.counts(explanation)
        return means_over_probes(explanation, counts | ~counts.any(0))

    def waterfall(self) -> Request:
        """Request the waterfall of the first target: mean sizes by epoch and wavelength."""
        from lime_callback.figures import waterfall

        series, gate = self.track.series, self.track.config.gate
        labels = self.mask[0, :, 0, 0].long()
        sizes = torch.stack([values[0] for values in series.sizes])
        return partial(
            waterfall, list(series.epochs), torch.where(labels >= 0, sizes[:, labels], torch.nan).numpy(),
            # A range that counts four times as much as each would if all were alike is dark at least.
            wavelengths=self.wavelengths, limit=size_limit(series.largest, len(self.last.features)),
            caption=self.caption, status=self.warnings,
            target=self.first_target(), quantity=SIZE,
            pale=None if gate is None else [score < gate for score in series.scores],
        )  # fmt: skip

    def lines(self) -> Request:
        """Request each superband's mean size over the epochs, for the first target."""
        from lime_callback.figures import effect_lines

        series = self.track.series
        parts = (
            torch.stack([values[0] for values in part]).numpy()
            for part in (series.sizes, series.size_lows, series.size_highs)
        )
        return partial(
            effect_lines, list(series.epochs), self.last.features.names, *parts, limit=self.track.series.largest,
            target=self.first_target(), caption=self.caption, status=self.warnings, quantity=SIZE,
        )  # fmt: skip

    def strongest(self) -> Request:
        """Request the strongest features of each probe, with their places."""
        from lime_callback.figures import feature_bars

        first = None
        if self.first is not None:
            first = (self.moments[0], [panel.coefficients for panel in self.bar_panels(self.first)])
        return partial(
            feature_bars, list(self.bar_panels(self.last)), limit=0.4, caption=self.caption_of_probes,
            status=self.warnings, quantity=EFFECT, first=first, together=True,
        )  # fmt: skip

    def target_names(self) -> list[str]:
        """Return the T targets' names; empty ones if the probes' targets differ, which stand beside each probe."""
        targets = self.last.targets
        if bool((targets == targets[:1]).all()):
            return [target_name(int(t), self.class_names, self.track.kind) for t in targets[0]]
        return [""] * targets.shape[1]

    def first_target(self) -> str:
        """Return the name of the first target, and how many there are if the others are left out."""
        name, count = self.target_names()[0], self.last.score.shape[1]
        if not name:
            return f"over {len(self.last.score)} probes, explained for several classes"
        return name if count == 1 else f"{name}, first of {count} targets"

    def chosen(self) -> Iterator[tuple[int, int]]:
        """Yield each panel's probe and target: as many probes as fit into 8 panels with all their targets."""
        targets = min(self.last.score.shape[1], _PANELS)
        yield from ((p, t) for p in range(self.shown_probes) for t in range(targets))

    @property
    def shown_probes(self) -> int:
        probes, targets = self.last.score.shape
        return min(probes, _PANELS // min(targets, _PANELS))

    @property
    def caption_of_probes(self) -> str:
        """The caption of figures with a panel for each probe and target, which says what is left out."""
        probes, targets = self.last.score.shape
        parts = [self.caption]
        if self.shown_probes < probes:
            parts.append(f"first {self.shown_probes} of {probes} probes")
        if targets > _PANELS:
            parts.append(f"first {_PANELS} of {targets} targets")
        return " · ".join(parts)

    @property
    def images(self) -> NDArray[np.uint8] | None:
        """The probes' pictures, uint8 ``[P, H, W, 3]``; ``None`` if they are spectra of a single pixel."""
        if self.spectral and self.layout.canonical(self.probes.inputs).shape[2:] == (1, 1):
            return None
        return pictures_of(self.probes, self.layout, self.track.config.to_physical, self.wavelengths)

    @property
    def layout(self) -> Layout:
        """The axes of a probe."""
        return self.last.features.layout

    @property
    def spectra(self) -> NDArray[np.floating[Any]]:
        """The probes' mean spectra in physical units, if the user said how to get there, ``[P, C]``."""
        return spectra_of(self.probes, self.layout, self.track.config.to_physical)

    def texts(self, explanation: Explanation, probe: int, t: int) -> dict[str, Any]:
        return panel_texts(self.track, self.probes, self.class_names, explanation, probe, t)

    def spatial_panels(self, explanation: Explanation) -> Iterator[Any]:
        assert self.images is not None, "what is cut in space can be seen"
        yield from panels(explanation, self.images, self.chosen(), partial(self.texts, explanation))

    def spectrum_panels(self, explanation: Explanation) -> Iterator[Any]:
        from lime_callback.figures import SpectrumPanel

        layout, reaches = explanation.features.layout, critical_value(self.last.freedom.double().cpu()).tolist()
        parts = [explanation.on_elements(values) for values in (explanation.effects, explanation.effect_errors)]
        for probe, t in self.chosen():
            effect, error = (layout.canonical(part[probe, t].unsqueeze(0))[0, :, 0, 0].numpy() for part in parts)
            yield SpectrumPanel(
                image=None if self.images is None else self.images[probe],
                spectrum=self.spectra[probe],
                coefficients=effect,
                halves=error * reaches[probe],
                **self.texts(explanation, probe, t),
            )

    def bar_panels(self, explanation: Explanation) -> Iterator[Any]:
        texts = {pair: self.texts(self.last, *pair) for pair in self.chosen()}  # first and last have the same bars
        made = bars(
            explanation, texts, lambda probe, t: texts[probe, t]["title"],
            as_effects=True, pictures=self.images if self.mask.shape[1] == 1 else None,
        )  # fmt: skip
        for text, panel in zip(texts.values(), made, strict=True):
            yield panel.cleared() if text.get("empty") else panel
