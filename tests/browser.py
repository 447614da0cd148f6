"""What a person sees: dashboards on this machine, opened in a headless browser."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from io import BytesIO
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import pytest
from matplotlib.image import imread

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SECONDS = 60.0  # for each step, on a machine that is busy


@contextmanager
def tensorboard(logdir):
    """Serve a folder with TensorBoard on a free port; gives the address."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _address(server, log):
    end = time.monotonic() + _SECONDS
    while True:
        said = os.pread(log.fileno(), 100_000, 0).decode(errors="replace")
        if found := re.search(r"http://127\.0\.0\.1:\d+", said):
            return found[0]
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"TensorBoard gave no address within {_SECONDS} s. It said: {said}")
        time.sleep(0.1)


@contextmanager
def mlflow_ui(database):
    """Serve the runs of an SQLite file with MLflow's page on a free port; gives the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{database}"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=os.environ | quiet,
            start_new_session=True,
        )  # fmt: skip
        try:
            _wait_for(f"{address}/health", server, log)
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # it has processes of its own
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _wait_for(address, server, log):
    end = time.monotonic() + _SECONDS
    while True:
        try:
            with urlopen(address, timeout=_SECONDS):
                return
        except URLError:
            if server.poll() is not None or time.monotonic() > end:
                said = os.pread(log.fileno(), 100_000, 0).decode(errors="replace")
                raise RuntimeError(f"No answer from {address}. The server said: {said}") from None
        time.sleep(0.2)


def wait_for_tags(address, plugin, tags, seconds=_SECONDS):
    """Wait until TensorBoard has read all ``tags`` of a plugin, ``"images"`` or ``"scalars"``; gives all it has."""
    end = time.monotonic() + seconds
    while True:
        with urlopen(f"{address}/data/plugin/{plugin}/tags", timeout=_SECONDS) as answer:
            found = {tag for run in json.load(answer).values() for tag in run}
        if found.issuperset(tags):
            return found
        if time.monotonic() > end:
            missing = sorted(set(tags) - found)
            raise AssertionError(f"TensorBoard has no {plugin} under {missing}. It has {sorted(found)}.")
        time.sleep(0.1)


@contextmanager
def browser_page():
    """A page of a headless Chromium. Where there is none the test is skipped, but in CI it fails."""
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        message = "No Chromium found; on Debian `apt-get install chromium` brings it."
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(_SWITCHES))
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1400})
            page.set_default_timeout(_SECONDS * 1000)
            yield page
        finally:
            browser.close()


def assert_pictures_in_tensorboard(logdir, tags, screenshot=None, seconds=_SECONDS):
    """Open TensorBoard on a run's folder and assert that it shows a picture, and no blank one, for each tag.

    Args:
        logdir: folder of one or several runs.
        tags: at most 12 names, as TensorBoard has them; it turns pages beyond that.
        screenshot: file for a picture of the page; ``None``: none.
        seconds: how long TensorBoard may take to read the folder.

    Returns:
        What the page shows for each tag, as the browser draws it, uint8 [H, W, 3].
    """
    pattern = quote(f"^({'|'.join(map(re.escape, tags))})$", safe="")
    shown = {}
    with browser_page() as page, tensorboard(logdir) as address:
        wait_for_tags(address, "images", tags, seconds)
        page.goto(f"{address}/#images&tagFilter={pattern}")
        for tag in tags:
            heading = page.get_by_text(f"tag: {tag}", exact=True)
            image = page.locator("tf-image-loader").filter(has=heading).first.locator("img")
            image.wait_for(state="visible")
            image.evaluate("image => image.decode()")  # until it is loaded; an image that cannot be read raises
            shown[tag] = _drawn(image)
            colours = len(np.unique(shown[tag].reshape(-1, 3), axis=0))
            assert colours > 16, f"The picture under {tag!r} is blank: it has {colours} colours."
        if screenshot is not None:
            page.screenshot(path=screenshot)
    return shown


def assert_charts_in_tensorboard(logdir, titles, screenshot=None):
    """Open the custom scalars of TensorBoard, and assert that all charts are there, in this order, with their lines.

    Args:
        logdir: folder of one run.
        titles: of the charts.
        screenshot: file for a picture of the page; ``None``: none.
    """
    with browser_page() as page, tensorboard(logdir) as address:
        troubles = listen(page)
        page.goto(f"{address}/#custom_scalars")
        cards = page.locator("tf-custom-scalar-margin-chart-card")
        cards.nth(len(titles) - 1).wait_for(state="visible")
        assert [card.evaluate("card => card.title") for card in cards.all()] == list(titles)
        for card, title in zip(cards.all(), titles, strict=True):
            assert _until(lambda card=card: _lines(_drawn(card)) > 60), f"The chart {title!r} has no lines."
        if screenshot is not None:
            page.evaluate("window.scrollTo(0, 0)")
            cards.first.scroll_into_view_if_needed()
            page.screenshot(path=screenshot)
    assert troubles == []


def _lines(picture):
    """How many pixels have the colour of TensorBoard's first run."""
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    return ((red > 220) & (green < 150) & (blue < 110)).sum()


def _until(holds, seconds=_SECONDS):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def assert_pictures_in_mlflow(database, experiment, run, keys, screenshot=None):
    """Open a run in MLflow's page and assert that it shows a picture under each key, and another one at a later step.

    Args:
        database: the SQLite file with the runs.
        experiment: its number.
        run: its number.
        keys: of the pictures.
        screenshot: file for a picture of the page; ``None``: none.

    Returns:
        Width by height of each picture, as MLflow keeps it for the page.
    """
    proportions = {}
    with browser_page() as page, mlflow_ui(database) as address:
        troubles = listen(page)
        page.goto(f"{address}/#/experiments/{experiment}/runs/{run}/model-metrics")
        search = page.get_by_placeholder("Search metric charts")
        for key in keys:
            search.fill(key)
            card = page.get_by_test_id("experiment-view-compare-runs-card").filter(
                has=page.get_by_title(key, exact=True)
            )
            image = card.locator("img")
            image.wait_for(state="visible")
            image.evaluate("image => image.decode()")
            first = _drawn(image)
            colours = len(np.unique(first.reshape(-1, 3), axis=0))
            assert colours > 16, f"The picture under {key!r} is blank: it has {colours} colours."
            for _ in range(2):  # from step 0 to the first explanation, which is the same, and on to the next
                card.get_by_role("slider").press("ArrowRight")
            assert _until(lambda image=image, first=first: _changed(_drawn(image), first)), f"{key!r} does not change."
            proportions[key] = image.evaluate("image => image.naturalWidth / image.naturalHeight")
        if screenshot is not None:
            _without_assistant(page)
            search.fill("attributions")
            page.screenshot(path=screenshot)
    # Its own charts resize themselves, and it asks for what an unregistered user has not.
    ours = [one for one in troubles if "ResizeObserver" not in one and "Failed to load resource" not in one]
    assert ours == []
    return proportions


def _changed(now, before):
    return now.shape != before.shape or bool((now != before).any())


def _without_assistant(page):
    close = page.locator("button[aria-label*='lose']")
    if close.count():
        close.last.click()


def listen(page):
    """The errors that a page's own code makes from now on; what it lacks on its server is no concern of ours."""
    found = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    return found


def _drawn(locator):
    picture = imread(BytesIO(locator.screenshot()))
    return (picture[..., :3] * 255).round().astype(np.uint8)
