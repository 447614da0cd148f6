"""Pages of reports for tests: made-up histories, and pages opened in a browser."""

import re
from io import BytesIO

import numpy as np
from matplotlib.image import imread

from lime_callback import Superbands, Superpixels
from lime_callback.publishing.sinks import HistoryFile, HistoryRow


def views():
    return [Superpixels("grid", 9), Superbands(6)]


def opened(page, path, width=1300, height=900, scheme="light"):
    """Open a page from its file; gives all that it complained about or asked others for."""
    seen = []
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    page.on("console", lambda message: seen.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    page.on("request", lambda one: seen.append(one.url) if not one.url.startswith(("data:", path.as_uri())) else None)
    page.goto(path.as_uri())
    page.wait_for_selector("main svg[role=img]")
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    return seen


def pixels(locator):
    picture = imread(BytesIO(locator.screenshot()))
    return (picture[..., :3] * 255).round().astype(np.uint8)


def history(folder, epochs=2, probes=2, features=("a", "b", "c", "d"), targets=("Corn",), view="spectral"):
    """Write a history of made-up numbers."""
    random = np.random.default_rng(0)
    rows = [
        HistoryRow(e, 10 * e, view, p, target, name, *random.normal(size=2).tolist(), 0.9)
        for e in range(1, epochs + 1) for p in range(probes) for target in targets for name in features
    ]  # fmt: skip
    HistoryFile(folder / "history.csv").append(rows)
    return rows


def named(page, name):
    return page.get_by_role("img", name=re.compile(re.escape(name))).first
