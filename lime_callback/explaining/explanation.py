"""The result of an explanation: coefficients, effects and their errors for each input and target.

Letters: ``B`` inputs, ``T`` targets, ``n`` perturbations, ``d`` features, ``*dims`` the axes of one input.
"""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.checks.numbers import check_count
from lime_callback.explaining.effects import effects, magnitudes
from lime_callback.explaining.image_and_mask import marked_images, strongest_signs
from lime_callback.surrogates.confidence_intervals import LEVEL, critical_value
from lime_callback.surrogates.fitting import coefficient_influences

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lime_callback.surrogates.fitted_rows import Samples
    from lime_callback.views.features import Features


@dataclass(frozen=True, eq=False)
class Explanation:
    """A surrogate for each input and target, on the inputs' device.

    Inputs with fewer features than others have coefficients of 0 in place of the missing ones; ``features.present``
    tells which entries are real.

    Attributes:
        coefficients: what switching a feature on adds to the output, in its units, ``[B, T, d]``.
        standard_error: ``[B, T, d]``, robust against heteroscedasticity and against rows that were drawn together;
            infinite if the rows are too few to know it, and 0 if the rows are exhaustive.
        intercept: ``[B, T]``.
        score: R² of rows left out of the fit, ``[B, T]``, from -1 to 1: how well the surrogate predicts. 0 if the
            output does not vary, and at most 0 if the rows are too few.
        fit_score: weighted R² of the fitted rows, ``[B, T]``, which grows with the number of features alone.
        gap: the surrogate's output for the unperturbed input minus the model's, in standard deviations of the outputs,
            ``[B, T]``; 0 if they do not vary.
        freedom: the standard errors' degrees of freedom, ``[B]``: 0 if the rows are too few, infinite if exhaustive.
        effective_rows: number of rows of equal weight that would tell as much as these do, ``[B]``.
        targets: index of the output that is explained, int64 ``[B, T]``.
        prediction: the output for the unperturbed input, ``[B, T]``.
        hidden: the output with every feature hidden, ``[B, T]``.
        fingerprint: mean, spread and slope of each input's values, ``[B, 3]``, which identify the inputs.
        features: the features that the coefficients belong to.
        n_perturbations: number of the design's rows, n.
        shape: one input's shape, ``dims``.
        samples: the data that was fitted, or ``None`` if it was left out.
        strategies: the design, baseline, kernel and surrogate, in words; empty if they are unknown, as in files of
            earlier versions.
    """

    coefficients: Tensor
    standard_error: Tensor
    intercept: Tensor
    score: Tensor
    fit_score: Tensor
    gap: Tensor
    freedom: Tensor
    effective_rows: Tensor
    targets: Tensor
    prediction: Tensor
    hidden: Tensor
    fingerprint: Tensor
    features: Features
    n_perturbations: int
    shape: tuple[int, ...]
    samples: Samples | None = None
    strategies: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say in a few lines what was explained and how well; the tensors are attributes."""
        (batch, targets, _), kind = self.coefficients.shape, self.features.kind
        counts = self.features.present.sum(1).tolist()
        size = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"
        score, gap = self.score.flatten().double(), self.gap.flatten().double().abs()
        lines = [
            f"Explanation of {batch} input{'s' * (batch != 1)} x {targets} target{'s' * (targets != 1)} x {size} "
            f"features ({kind}), {self.n_perturbations} perturbations each",
            ", ".join(self.strategies),
            f"R² of rows left out: median {score.quantile(0.5):.2f}, least {score.min():.2f}; gap: at most "
            f"{gap.max():.2f} standard deviations of the outputs",
            f"strongest of input 0 for output {int(self.targets[0, 0])}: {self._strongest()}",
        ]
        return "\n  ".join(filter(None, lines))

    def _strongest(self) -> str:
        """Name the first input's and target's strongest feature, with its effect and interval."""
        effects, errors = (part[0, 0].detach().double().cpu() for part in (self.effects, self.effect_errors))
        strongest, count = int(effects.abs().argmax()), int(self.features.present[0].sum())
        half = float(errors[strongest] * critical_value(float(self.freedom[0]), of=count))
        if effects[strongest] == 0:
            return "no feature, since no effect is known to be above its noise"
        name = reprlib.repr(self.features.names[strongest])
        return f"{name}, effect {effects[strongest]:+.2f} ± {f'{half:.2f}' if math.isfinite(half) else 'unknown'}"

    def heatmap(self) -> Tensor:
        """Each element's coefficient, ``[B, T, *dims]``; 0 for elements that are never hidden."""
        return self.on_elements(self.coefficients).expand(*self.score.shape, *self.shape)

    def on_elements(self, values: Tensor) -> Tensor:
        """Give each element its feature's value of ``[B, T, d]``: ``[B, T, *dims]``, of size 1 where the mask is."""
        batch, targets, _ = values.shape
        mask = self.features.mask.long().expand(batch, *self.features.mask.shape[1:])
        padded = torch.cat([values.new_zeros(batch, targets, 1), values], dim=-1)
        index = (mask + 1).flatten(1).unsqueeze(1).expand(batch, targets, -1)
        return padded.gather(2, index).view(batch, targets, *mask.shape[1:])

    @property
    def effects(self) -> Tensor:
        """Each feature's signed share of the attribution of its input and target, ``[B, T, d]``.

        Absolute values sum to 1, or are all 0. See :mod:`lime_callback.explaining.effects`.
        """
        return effects(self.coefficients, self.standard_error)

    @property
    def effect_errors(self) -> Tensor:
        """Standard errors of the coefficients on the scale of the effects, ``[B, T, d]``."""
        total = magnitudes(self.coefficients, self.standard_error).sum(-1, keepdim=True)
        return torch.where(total > 0, self.standard_error / torch.where(total > 0, total, 1.0), math.inf)

    @property
    def whole_effect(self) -> Tensor:
        """The unperturbed input's output minus the output with every feature hidden, ``[B, T]``."""
        return self.prediction - self.hidden

    @cached_property
    def influences(self) -> Tensor:
        """How far each group of rows moves each coefficient, ``[B, G, T, d]``; computed once, and kept in no file.

        Raises:
            ValueError: if the explanation was made without its samples.
        """
        if self.samples is None:
            raise ValueError("`influences` need the explanation's `samples`. Found `samples = None`.")
        return coefficient_influences(self.coefficients, self.samples)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what can be computed from them travels to no file and no process."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def half_widths(self, level: float = LEVEL, *, simultaneous: bool = False) -> Tensor:
        """Half of each coefficient's confidence interval, ``[B, T, d]``; infinite if the rows are too few for one.

        Args:
            level: probability that an interval holds the coefficient that endless perturbations would give.
            simultaneous: whether all intervals of an input and target hold theirs together with that probability, as
                the strongest features need, which are picked because they are large.

        Raises:
            ValueError: if the level does not lie between 0 and 1.
        """
        counts = self.features.present.expand(len(self.freedom), -1).sum(1)
        known = list(zip(self.freedom.tolist(), counts.tolist(), strict=True))
        factors = torch.stack([critical_value(freedom, level, of=d if simultaneous else 1) for freedom, d in known])
        factors = factors.to(self.standard_error)[:, None, None]
        return torch.where(self.standard_error > 0, self.standard_error * factors, 0.0)

    def top(self, k: int = 5) -> list[list[list[tuple[str, float]]]]:
        """For each input and target the k features of largest absolute coefficient, as (name, coefficient).

        Raises:
            ValueError: if ``k`` is below 1.
            TypeError: if it is no whole number.
        """
        k = check_count("k", k)
        present = self.features.present.expand(len(self.coefficients), -1).unsqueeze(1)
        size = torch.where(present, self.coefficients.abs(), -1.0)
        order = size.argsort(dim=-1, descending=True, stable=True)[..., :k].tolist()
        values, exists = self.coefficients.tolist(), present.expand_as(size).tolist()
        names = self.features.names
        return [
            [[(names[i], values[b][t][i]) for i in row if exists[b][t][i]] for t, row in enumerate(rows)]
            for b, rows in enumerate(order)
        ]

    def image_and_mask(
        self,
        images: Tensor,
        *,
        num_features: int = 5,
        positive_only: bool = True,
        negative_only: bool = False,
        hide_rest: bool = False,
        hide_color: float | Sequence[float] | Tensor = 0.0,
        min_weight: float = 0.0,
    ) -> tuple[Tensor, Tensor]:
        """Images of each input's strongest features, as ``lime``'s ``get_image_and_mask`` makes them for one input.

        Three things differ: a coefficient of 0 is never marked, features that lower the output are -1 in the mask also
        if no others are marked, and hidden parts may have any colour. ``lime`` also calls ``hide_color`` what replaces
        hidden parts *while explaining*; that is the ``baseline`` here, with ``"segment_mean"`` for ``None``.

        Args:
            images: the inputs ``[B, *dims]``, or pictures of them whose shape the mask broadcasts to.
            num_features: largest number of features that are marked.
            positive_only: mark only features that raise the output.
            negative_only: mark only features that lower it. If neither is true, both kinds are marked, and images of
                three channels are painted green where the output is raised, red where it is lowered.
            hide_rest: hide all that is not marked.
            hide_color: the colour of hidden parts, in the images' units: a number, or one for each channel.
            min_weight: absolute coefficient that a feature has to exceed, or to reach if both kinds are marked.

        Returns:
            The images, ``[B, T, *dims]``, and the mask, int64 ``[B, T, *dims]``, of size 1 where the features' mask is:
            1 for features that raise the output, -1 for those that lower it, 0 for the rest.

        Raises:
            ValueError: if the images do not fit, both kinds are excluded, or a number is out of range.
            TypeError: if an argument is of another kind.
        """
        batch, targets, _ = self.coefficients.shape
        if not isinstance(images, Tensor):
            raise TypeError(f"`images` should be a tensor [B, *dims]. Found a {type(images).__name__}.")
        self.features.layout.check(tuple(images.shape), "images")
        if len(images) != batch:
            raise ValueError(f"`images` should be one for each of the {batch} inputs explained. Found {len(images)}.")
        self.features.check(tuple(images.shape))
        kinds = {"positive_only": positive_only, "negative_only": negative_only}
        signs = strongest_signs(
            self.coefficients, self.features.present, num_features=num_features, min_weight=min_weight, **kinds
        )
        mask = self.on_elements(signs)
        layout = self.features.layout
        flat = layout.canonical(mask.flatten(0, 1))
        marked = marked_images(
            layout.canonical(images.detach()), flat.view(batch, targets, *flat.shape[1:]),
            hide_rest=hide_rest, hide_color=hide_color, **kinds,
        )  # fmt: skip
        return layout.restore(marked.flatten(0, 1)).reshape(batch, targets, *images.shape[1:]), mask

    def to(self, device: torch.device | str) -> Explanation:
        """The same explanation on another device; itself, with what it has computed, where it is there already."""
        if self.coefficients.device == torch.device(device):
            return self
        moved = {
            f.name: getattr(self, f.name).to(device) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)
        }
        samples = self.samples and replace(
            self.samples, **{k: getattr(self.samples, k).to(device) for k in ("design", "weights", "outputs")}
        )
        return replace(self, **moved, features=self.features.to(device), samples=samples)

    def plot(
        self, images: Tensor | None = None, *, wavelengths: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None, axes: Axes | None = None,
    ) -> Figure:  # fmt: skip
        """Draw its effects: superbands over the wavelength, other features as bars, or as maps beside ``images``.

        Args:
            images: the inputs ``[B, *dims]``, for features that tell pixels apart.
            wavelengths: the channels' wavelengths, in nm.
            class_names: the outputs' names.
            axes: axes of a figure of your own, which get the picture; ``None`` makes a figure.

        Raises:
            ValueError: if the images or the wavelengths do not fit.
        """
        from lime_callback.pictures.explanation_display import explanation_figure

        return explanation_figure(self, images, wavelengths=wavelengths, class_names=class_names, axes=axes)

    def _repr_html_(self) -> str:
        from lime_callback.pictures.explanation_display import explanation_html

        return explanation_html(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one ``.npz`` file, without pickle; an existing file is replaced as a whole."""
        from lime_callback.explaining.explanation_file import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Explanation:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file was not written by :meth:`save`, or is not whole.
        """
        from lime_callback.explaining.explanation_file import load

        return load(path, cls)
