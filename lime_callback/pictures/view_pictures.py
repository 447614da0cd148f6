"""Decides which figures show a followed view, and writes their texts.

Figures of single probes and the waterfall show effects: a feature's signed share of its probe's attribution. The scale
of effects depends neither on the run nor on the probe, so a colour and a bar mean the same at every epoch and for every
probe. An explanation whose score is below the gate is drawn pale. Means and lines show coefficients, in units of the
output.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lime_callback.comparing.score_gate import passes_gate
from lime_callback.following.epoch_series import means_over_probes
from lime_callback.outputs.targets import target_name
from lime_callback.pictures.input_panels import EFFECT, bars, effect_limit, panels
from lime_callback.surrogates.confidence_intervals import critical_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from lime_callback.explaining.explanation import Explanation
    from lime_callback.figures.figure_requests import Request
    from lime_callback.following.epoch_series import Means
    from lime_callback.following.followed_view import FollowedView
    from lime_callback.probes.probe_samples import Probes

_PANELS = 16
_LINES = 5  # lines that are coloured and named; the others stay grey
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
        self.before = None if track.first is self.last else track.first
        self.moments = (f"epoch {track.series.epochs[0]:g}", f"epoch {track.series.epochs[-1]:g}")
        epoch = track.series.epochs[-1]
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
            made |= {"waterfall": self.waterfall(), "coefficients": self.lines()}
        made["drift"] = partial(
            history_lines,
            list(series.epochs), {name: list(series.scores)}, {name: list(series.drifts)},
            noise_floor={name: list(series.floors)},
            gate=self.track.config.gate, caption=name,
        )  # fmt: skip
        return made

    def attributions(self) -> Request:
        """Request every probe's explanation, beside the run's first one if the present one is later."""
        from lime_callback import figures

        panels = self.spectrum_panels if self.spectral else self.spatial_panels
        present, targets = list(panels(self.last)), self.last.score.shape[1]
        shared: dict[str, Any] = {"limit": self.limit, "caption": self.caption, "quantity": EFFECT}
        if self.before is not None:
            shared |= {"moments": self.moments, "wavelengths": self.wavelengths}
            return partial(figures.before_after, list(panels(self.before)), present, targets=targets, **shared)
        if self.spectral:
            return partial(figures.spectra, present, wavelengths=self.wavelengths, **shared)
        return partial(figures.attributions, present, targets=targets, **shared)

    def superbands(self) -> Request:
        from lime_callback.figures import superband_bars

        return partial(
            superband_bars,
            self.last.features.names,
            self.counting(self.last).numpy(),
            self.means(self.last).halves.numpy(),
            targets=self.target_names(),
            channels=self.mask[0, :, 0, 0].numpy(),
            wavelengths=self.wavelengths,
            limit=self.track.series.longest,
            caption=self.caption,
            first=None if self.before is None else (self.moments[0], self.means(self.before).coefficients.numpy()),
            sizes=self.track.series.sizes[-1].nan_to_num(0.0).numpy(),
        )

    def counting(self, explanation: Explanation) -> Tensor:
        """Return the coefficients ``[P, T, d]``, with NaN for explanations below the gate.

        For a target for which no explanation passes the gate, all coefficients are kept.
        """
        counts = passes_gate(explanation, self.track.config.gate)
        return explanation.coefficients.masked_fill(~(counts | ~counts.any(0)).unsqueeze(-1), torch.nan)

    def means(self, explanation: Explanation) -> Means:
        counts = passes_gate(explanation, self.track.config.gate)
        return means_over_probes(explanation, counts | ~counts.any(0))

    def waterfall(self) -> Request:
        """Request the waterfall of the first target: effects by epoch and wavelength."""
        from lime_callback.figures import waterfall

        series, gate = self.track.series, self.track.config.gate
        labels = self.mask[0, :, 0, 0].long()
        effects = torch.stack(
            [torch.cat([effects_then[0].new_zeros(1), effects_then[0]])[labels + 1] for effects_then in series.effects]
        )
        return partial(
            waterfall, list(series.epochs), effects.numpy(), wavelengths=self.wavelengths, limit=self.limit,
            caption=self.caption, target=self.target_names()[0], quantity=EFFECT,
            pale=None if gate is None else [score < gate for score in series.scores],
        )  # fmt: skip

    def lines(self) -> Request:
        """Request each superband's mean coefficient over the epochs, for the first target."""
        from lime_callback.figures import coefficient_lines

        series = self.track.series
        values, halves = (
            torch.stack([epoch_values[0] for epoch_values in part]).numpy()
            for part in (series.coefficients, series.halves)
        )
        names = self.last.features.names
        order = series.sizes[-1][0].nan_to_num(0.0).argsort(descending=True, stable=True)[:_LINES].tolist()
        return partial(
            coefficient_lines, list(series.epochs), names, values, halves,
            highlight=[names[i] for i in order], over_probes=True,
            limit=float(np.nan_to_num(abs(values)).max()), target=self.target_names()[0], caption=self.caption,
        )  # fmt: skip

    def strongest(self) -> Request:
        """Request the strongest features of each probe."""
        from lime_callback.figures import feature_bars

        first = None
        if self.before is not None:
            first = (self.moments[0], [values for _, _, values, _ in self.bar_panels(self.before)])
        return partial(
            feature_bars,
            list(self.bar_panels(self.last)),
            limit=_WHOLE,
            caption=self.caption,
            quantity=EFFECT,
            first=first,
            together=True,
        )

    def target_names(self) -> list[str]:
        """Return the T targets' names; ``"each probe's target"`` if the probes' targets differ."""
        targets = self.last.targets
        if bool((targets == targets[:1]).all()):
            return [target_name(int(t), self.class_names) for t in targets[0]]
        return ["each probe's target"] * targets.shape[1]

    def chosen(self) -> Iterator[tuple[int, int]]:
        """Yield each panel's probe and target: as many probes as fit into 16 panels with all their targets."""
        probes, targets = self.last.score.shape
        shown = min(targets, _PANELS)
        yield from ((p, t) for p in range(min(probes, _PANELS // shown)) for t in range(shown))

    @cached_property
    def images(self) -> NDArray[np.uint8] | None:
        """The probes' pictures, uint8 ``[P, H, W, 3]``; ``None`` if they are spectra of a single pixel."""
        from lime_callback.figures import composite

        x = self.last.features.layout.canonical(self.probes.inputs)
        return None if self.spectral and x.shape[2] * x.shape[3] == 1 else composite(x, self.wavelengths)

    @cached_property
    def spectra(self) -> NDArray[np.floating[Any]]:
        """The probes' mean spectra, ``[P, C]``."""
        x = self.last.features.layout.canonical(self.probes.inputs)
        return np.stack([sample.float().mean((1, 2)).numpy() for sample in x])

    def texts(self, explanation: Explanation, probe: int, t: int) -> dict[str, Any]:
        target = target_name(int(explanation.targets[probe, t]), self.class_names)
        prediction, score = float(explanation.prediction[probe, t]), float(explanation.score[probe, t])
        numbers, now = self.probes.numbers, self.track.now
        name = f"probe {probe}" if numbers is None else f"sample {numbers[probe]}"
        predicted_and_true = (
            "" if now is None else f" · {now.text(probe, int(explanation.targets[probe, t]), self.class_names)}"
        )
        return {
            "title": f"{name} · {target}{predicted_and_true}",
            "subtitle": f"output {prediction:.3g}, R² {score:.2f}",
            "pale": self.track.config.gate is not None and score < self.track.config.gate,
        }

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

    def bar_panels(self, explanation: Explanation) -> Iterator[tuple[str, Any, Any, Any]]:
        return bars(
            explanation, self.chosen(), lambda probe, t: self.texts(explanation, probe, t)["title"], as_effects=True
        )
