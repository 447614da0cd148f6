"""A figure of each kind with made data, by name; a function that changes names, such as one that makes them long."""

from __future__ import annotations

import numpy as np
import torch

from lime_callback import Aggregate, Explanation, Features, figures
from lime_callback.figures import BarPanel, Panel, ProbeRow, SpectrumPanel, Tile, label2rgb
from lime_callback.pictures import draw_aggregate, draw_aggregate_spectra, draw_ensemble, draw_features, draw_stability
from lime_callback.pictures.input_panels import EFFECT, SIZE
from lime_callback.surrogates.fitted_rows import Samples

SIDE, CHANNELS = 48, 40
NM = np.linspace(450.0, 1600.0, CHANNELS)
NAMES = ("blue and green", "red edge", "near infrared", "shortwave infrared")
DIFFERENT = "· Corn-mintill · predicted 25 %, ≠ true Grass-trees"
STATUS = (
    "Fit: R² 0.83, worst 0.31",
    "⚠ 1 of 16 fits is too poor to be read",
    "12 % of the attribution moved since epoch 11, 45 % since epoch 1",
    "settled since epoch 3",
    "watch 'clouds': no alarm, reliance not measured",
)


def waves(*shape, shift=0.0):
    """Values from -1 to 1 that no library and no generator decides."""
    return np.sin(1.7 * np.arange(1, 1 + np.prod(shape)) + shift).reshape(shape)


def picture(shift=0.0):
    """A disc on a meadow."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    disc = ((x - 0.35 - shift) ** 2 + (y - 0.4) ** 2 < 0.05)[..., None]
    meadow = np.stack([90 + 60 * x, 120 + 80 * y, 70 + 40 * x * y], -1)
    return np.where(disc, np.array([200.0, 60.0, 50.0]), meadow).astype(np.uint8)


def grid(n):
    cells = np.arange(SIDE) * n // SIDE
    return cells[:, None] * n + cells


def panel(name, shift=0.0, *, pale=False):
    segments = grid(4)
    segments[:6, :6] = -1
    heat = waves(17, shift=shift)[segments]
    return Panel(picture(shift / 9), heat, segments, name, "prediction 7.41, R² 0.83", pale=pale)


def spectrum(name, shift=0.0, *, image=True, pale=False, spread=None):
    coefficients, halves = np.repeat(waves(8, shift=shift), 5), 1.96 * np.repeat(0.2 + 0.1 * waves(8), 5)
    own = np.cos(NM / 300)
    return SpectrumPanel(
        picture() if image else None, own, coefficients, halves, name, "R² 0.83", pale=pale, spread=spread
    )


def explained(features, shift=0.0, inputs=1, targets=1):
    """An explanation whose numbers are made, of no model."""
    d, ones = len(features), torch.ones(inputs, targets)
    coefficients = torch.from_numpy(waves(inputs, targets, d, shift=shift))
    outputs = torch.linspace(-1, 1, 8, dtype=torch.float64).view(1, 8, 1).expand(inputs, 8, targets)
    samples = Samples(torch.ones(1, 8, d, dtype=torch.bool), torch.ones(1, 8, dtype=torch.float64), outputs)
    return Explanation(
        coefficients=coefficients, standard_error=torch.full_like(coefficients, 0.2), intercept=0 * ones,
        score=0.83 * ones, fit_score=0.85 * ones, gap=0 * ones, freedom=torch.full((inputs,), 1e6),
        effective_rows=torch.full((inputs,), 8.0), hidden=0 * ones, targets=torch.arange(targets).repeat(inputs, 1),
        prediction=7.41 * ones,
        fingerprint=torch.ones(inputs, 3), features=features, n_perturbations=8,
        shape=(3, SIDE, SIDE) if features.mask.shape[-1] > 1 else (CHANNELS, 1, 1), samples=samples,
    )  # fmt: skip


def superpixels(n, shift=0.0):
    mask = torch.from_numpy(grid(n))[None, None]
    return explained(Features(mask, tuple(f"superpixel {i}" for i in range(n**2)), "CHW"), shift)


def aggregate(names):
    bands = (torch.arange(CHANNELS) * len(names) // CHANNELS).view(1, CHANNELS, 1, 1)
    return Aggregate().add(explained(Features(bands, names, "CHW"), inputs=9, targets=2))


def superbands(n, channels, **more):
    values = waves(3, 2, 4)
    halves = 4.30265 * values.std(0, ddof=1) / 3**0.5  # Student's t of two degrees of freedom
    return figures.superband_effects(
        [n(name) for name in NAMES], np.abs(values).mean(0), values.mean(0), halves, values=values,
        targets=[n("Corn-notill"), n("Woods")], channels=channels, wavelengths=NM, limit=1.0,
        probes=[ProbeRow(n(group), n(f"probe {i}")) for i, group in enumerate(("Woods", "Oats", "Woods"))],
        status=[n("Fit: R² 0.83"), n("⚠ 1 of 3 fits is too poor to be read")], caption=n("spectral · epoch 12"), **more,
    )  # fmt: skip


def effects(n, sizes):
    return figures.effect_lines(
        range(8), [n(name) for name in (*NAMES, "visible", "water")], sizes, 0.8 * sizes, 1.3 * sizes, top=3, limit=1.0,
        target=n("Corn-notill"), caption=n("spectral · epoch 7"),
    )  # fmt: skip


def marked(n):
    mask = np.sign(np.round(waves(16)[grid(4)]))
    rows = [
        (n("the steps of an explanation"), [Tile(picture(), n("probe 3"), n("as it is")),
         Tile(picture(), n("superpixels"), n("16 of them"), grid(4)), panel(n("coefficients"))]),
        ("", [Tile(label2rgb(picture(), mask), n("label2rgb"), n("both signs"), mask.astype(int)),
         panel(n("again"), 2.0)]),
    ]  # fmt: skip
    return figures.tiles(rows, limit=1.0, caption=n("tiles"))


FIGURES = {
    "attributions": lambda n: figures.attributions(
        [panel(n("probe 3 · Corn-notill")), panel(n("probe 7 · Woods"), 2.0, pale=True)], limit=1.0,
        caption=n("spatial · epoch 12"), status=[n("Fit: R² 0.83"), n("⚠ 1 of 2 fits is too poor to be read")],
    ),
    "attributions_with_first": lambda n: figures.attributions(
        [panel(n("probe 3 · Corn-notill"), 2.0)], first=[panel(n("probe 3 · Corn-notill"))], limit=0.8,
        moments=(n("epoch 1"), n("epoch 12")), caption=n("spatial · epoch 12"),
    ),
    "spectra": lambda n: figures.spectra(
        [spectrum(n("probe 3 · Corn-notill")), spectrum(n("probe 7 · Woods"), 2.0, pale=True)], wavelengths=NM,
        limit=1.0, caption=n("spectral · epoch 12"),
    ),
    "spectra_with_first": lambda n: figures.spectra(
        [spectrum(n("probe 3 · Corn-notill"), 2.0)], first=[spectrum(n("probe 3 · Corn-notill"))], wavelengths=NM,
        limit=1.0, moment=n("epoch 1"), caption=n("spectral · epoch 12"),
    ),
    "superband_effects": lambda n: superbands(n, np.arange(CHANNELS) // 10),
    "superband_effects_in_rows": lambda n: superbands(
        n, np.arange(CHANNELS) % 20 // 5, first=(n("epoch 1"), np.abs(waves(2, 4, shift=1.0)))
    ),
    "feature_bars": lambda n: figures.feature_bars(
        [BarPanel(n(f"probe {i}"), [n(f"superpixel {j}") for j in range(9)], waves(9, shift=i), np.full(9, 1.96 * 0.2),
                  picture(), grid(3)) for i in (3, 7)],
        top=6, limit=1.0, caption=n("spatial · epoch 12"),
        first=(n("epoch 1"), [waves(9, shift=i + 1) for i in (3, 7)]),
    ),
    "waterfall": lambda n: figures.waterfall(
        range(8), np.abs(waves(8, 8)).repeat(5, axis=1) * np.linspace(0.2, 1, 8)[:, None], wavelengths=NM, limit=0.9,
        target=n("Corn-notill"), pale=[i < 2 for i in range(8)], caption=n("spectral · epoch 7"),
    ),
    "history_lines": lambda n: figures.history_lines(
        range(8), {n("spatial"): 0.7 + 0.2 * waves(8), n("spectral"): np.linspace(0.2, 0.9, 8)},
        {n("spatial"): [np.nan, *0.3 + 0.2 * waves(7)], n("spectral"): np.linspace(0.6, 0.1, 8)},
        gate=0.5, relevant=0.2, caption=n("history · epoch 7"), status=[n("Fit: R² 0.83")],
    ),
    "effect_lines": lambda n: effects(n, np.abs(waves(8, 6)) * np.linspace(0.2, 1, 8)[:, None]),
    "tiles": marked,
    "draw_features": lambda n: draw_features(
        superpixels(4), picture()[None], positive_only=False, class_names=[n("Woods")], caption=n("strongest"),
    ),
    "draw_stability": lambda n: draw_stability(
        {n("paired"): [superpixels(4, 0.1 * seed) for seed in range(3)]}, picture()[None], class_names=[n("Woods")],
        caption=n("three seeds"),
    ),
    "draw_ensemble": lambda n: draw_ensemble(
        {n(f"{side} by {side}"): superpixels(side, side / 4) for side in (2, 3, 6)}, picture()[None],
        class_names=[n("Woods")], caption=n("three grids"),
    ),
    "draw_aggregate": lambda n: draw_aggregate(
        aggregate(tuple(map(n, NAMES))), wavelengths=NM, class_names=[n("Corn-notill"), n("Woods")],
        caption=n("validation"),
    ),
    "draw_aggregate_spectra": lambda n: draw_aggregate_spectra(
        aggregate(tuple(map(n, NAMES))), wavelengths=NM, class_names=[n("Corn-notill"), n("Woods")],
        caption=n("validation"),
    ),
}  # fmt: skip


def drawn(name, names=str):
    """Draw an example; ``names`` changes all names on it."""
    return FIGURES[name](names)


def effects_of(
    n, probes=16, targets=1, bands=20, *, wavelengths=True, rows=False, groups=("Corn-notill", "Woods"), **more
):
    """Superbands of made effects; each probe is explained for one of ``groups``."""
    values = waves(probes, targets, bands) ** 3
    values /= np.abs(values).sum(-1, keepdims=True)
    names = [n(f"{400 + 100 * i}-{500 + 100 * i} nm") for i in range(bands)]
    channels = np.arange(10 * bands) % bands if rows else np.arange(10 * bands) // 10
    halves = np.full((targets, bands), np.inf) if probes == 1 else values.std(0) / probes**0.5 * 2.1
    return figures.superband_effects(
        names, np.abs(values).mean(0), values.mean(0), halves, values=values, channels=channels, limit=0.1,
        wavelengths=np.linspace(400, 2400, 10 * bands) if wavelengths else None, map_limit=0.3,
        targets=[n(f"target {t}") for t in range(targets)] if targets > 1 else [""], quantity=EFFECT,
        probes=[ProbeRow(n(groups[p % len(groups)]), n(f"probe {p}")) for p in range(probes)],
        status=STATUS, caption=n("spectral · after 12 epochs"), **more,
    )  # fmt: skip


def maps(n, probes=16, targets=1, shape=(SIDE, SIDE), *, first=False, **more):
    """Maps of made effects in which regions carry names and marks."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    segments = y * 4 // shape[0] * 4 + x * 4 // shape[1]
    image = np.stack([255 * y // shape[0], 255 * x // shape[1], 128 + 0 * x], -1).astype(np.uint8)
    panels = [
        Panel(
            image, 0.4 * waves(16, shift=i)[segments],
            segments, n(f"probe {i // targets} {DIFFERENT}"), n("output 7.41, R² 0.83"),
            names={3: "▲3", 9: "▼9", 14: "▲14"}, unsure=(1, 2),
        )
        for i in range(probes * targets)
    ]  # fmt: skip
    return figures.attributions(
        panels, limit=0.4, targets=targets, caption=n("spatial · after 12 epochs"), status=STATUS, quantity=EFFECT,
        first=panels if first else None, moments=(n("epoch 1"), n("epoch 12")), **more,
    )  # fmt: skip


def curves(n, count=16, channels=CHANNELS, **more):
    """Spectra of made effects; those without wavelengths have channel numbers."""
    panels = [spectrum(n(f"probe {i} {DIFFERENT}"), i) for i in range(count)]
    return figures.spectra(
        panels, limit=0.4, caption=n("spectral · after 12 epochs"), status=STATUS, quantity=EFFECT, **more
    )


def strongest(n, count=16, features=9, shape=(SIDE, SIDE)):
    """Bars of made effects beside pictures of any proportions."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([255 * y // shape[0], 255 * x // shape[1], 128 + 0 * x], -1).astype(np.uint8)
    segments = x * features // shape[1]
    panels = [
        BarPanel(n(f"probe {i} {DIFFERENT}"),
                 [n(f"superpixel {j}") for j in range(features)], 0.3 * waves(features, shift=i),
                 np.full(features, 0.05), image, segments)
        for i in range(count)
    ]  # fmt: skip
    return figures.feature_bars(
        panels, limit=0.4, caption=n("spatial · after 12 epochs"), quantity=EFFECT, together=True, status=STATUS
    )


def over_epochs(n, epochs, kind, bands=20):
    """Charts over any number of epochs."""
    count, names = len(epochs), [n(f"{400 + 100 * i}-{500 + 100 * i} nm") for i in range(bands)]
    sizes = np.abs(waves(count, bands)) / bands
    look = {"caption": n("spectral · after 12 epochs"), "limit": 0.1, "status": STATUS}
    if kind == "waterfall":
        return figures.waterfall(
            epochs, sizes.repeat(10, 1), wavelengths=np.linspace(400, 2400, 10 * bands), quantity=SIZE,
            target=n("Woods"), pale=[i % 3 == 1 for i in range(count)], **look,
        )  # fmt: skip
    if kind == "effects":
        return figures.effect_lines(
            epochs, names, sizes, 0.8 * sizes, 1.2 * sizes, top=8, target=n("Woods"), quantity=SIZE, **look
        )
    score, moved = ({n(f"view {i}"): part(waves(count, shift=i)) for i in range(3)} for part in (np.array, np.abs))
    return figures.history_lines(epochs, score, moved, gate=0.3, relevant=0.2, caption=look["caption"], status=STATUS)


UNUSUAL = {
    **{f"superbands for {t} targets": lambda n, t=t: effects_of(n, 8, t) for t in (2, 4, 9)},
    "superbands of one probe": lambda n: effects_of(n, 1, groups=[""]),
    "superbands of 16 probes, each of its own class": lambda n: effects_of(n, groups=[f"class {i}" for i in range(16)]),
    "superbands of 24 probes": lambda n: effects_of(n, 24),
    "superbands without wavelengths": lambda n: effects_of(n, 8, wavelengths=False),
    "superbands in rows": lambda n: effects_of(n, 8, 2, rows=True),
    "60 superbands in rows": lambda n: effects_of(n, 8, 1, 60, rows=True),
    "60 narrow superbands": lambda n: effects_of(n, 8, 1, 60),
    "2 superbands": lambda n: effects_of(n, 8, 1, 2),
    **{f"maps for {t} targets": lambda n, t=t: maps(n, 16 // t, t) for t in (2, 3, 4, 9)},
    **{f"maps for {t} targets with first": lambda n, t=t: maps(n, 16 // t, t, first=True) for t in (2, 4, 9)},
    "maps of one probe": lambda n: maps(n, 1, first=True),
    "maps of 16 probes": lambda n: maps(n, 16, first=True),
    "maps of tall images": lambda n: maps(n, 3, shape=(200, 40)),
    "maps of wide images": lambda n: maps(n, 3, shape=(40, 200), first=True),
    "maps of a row of pixels": lambda n: maps(n, 2, shape=(1, 300), first=True),
    "16 spectra": lambda n: curves(n, wavelengths=NM, first=[spectrum("", i + 1) for i in range(16)]),
    "one spectrum": lambda n: curves(n, 1, wavelengths=NM),
    "3 spectra without wavelengths": lambda n: curves(n, 3, wavelengths=None),
    "bars of 16 probes": lambda n: strongest(n),
    "bars of one probe": lambda n: strongest(n, 1),
    "bars beside tall images": lambda n: strongest(n, 3, 4, shape=(200, 40)),
    "bars beside wide images": lambda n: strongest(n, 3, 2, shape=(40, 200)),
    **{
        f"{kind} of {len(epochs)} epochs": lambda n, epochs=epochs, kind=kind: over_epochs(n, epochs, kind)
        for kind in ("waterfall", "effects", "history")
        for epochs in ([3.0], [1.0, 2.0], list(range(1, 241)))
    },
}  # fmt: skip
