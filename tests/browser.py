"""What a person sees: dashboards on this machine, opened in a headless browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from io import BytesIO
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


def _drawn(locator):
    picture = imread(BytesIO(locator.screenshot()))
    return (picture[..., :3] * 255).round().astype(np.uint8)
