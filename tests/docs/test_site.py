"""The documentation builds as a site without a warning, and can be read in a browser, on a phone too."""

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import browser_page

ROOT = Path(__file__).parents[2]
WIDTHS = {390: "dark", 1280: "light"}  # of a phone, of a laptop; a colour scheme each


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of each file."""


@contextmanager
def served(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the site, built as `.ci/run` builds it."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    said = subprocess.run(build, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "WARNING" not in said.stderr
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with browser_page() as page:
        yield page.context.browser


@pytest.fixture
def page(browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=WIDTHS[width])
    page.set_default_timeout(60_000)
    yield page
    page.close()


def paths():
    """All pages, and of the reference, whose pages are made alike, the first three."""
    pages = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
    reference = [path for path in pages if path.parts[0] == "reference"]
    others = [path for path in pages if path not in reference]
    return [path.with_suffix("").as_posix() for path in others + reference[:3]]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", paths())
def test_a_page_can_be_read_at_each_width(site, page, path, width):
    seen = []
    page.on("request", lambda one: seen.append(one.url) if not one.url.startswith((site, "data:")) else None)
    page.on("requestfailed", lambda one: seen.append(f"failed: {one.url}"))
    page.on("response", lambda one: seen.append(f"{one.status}: {one.url}") if one.status >= 400 else None)
    page.on("pageerror", lambda error: seen.append(f"error: {error}"))
    address = f"{site}/{path.removesuffix('index')}".rstrip("/") + "/"
    page.goto(address, wait_until="load")
    pictures = page.evaluate("""async () => {
        const pictures = [...document.querySelectorAll("article img")];
        await Promise.all(pictures.map((picture) => picture.decode()));
        return pictures.map((picture) => [picture.getAttribute("src"), picture.alt, picture.clientWidth]);
    }""")
    assert seen == []  # all that it asked for was there, and it asked nobody else
    assert [name for name, words, _ in pictures if len(words) < 10] == []
    assert max([drawn for *_, drawn in pictures], default=0) <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "it has to be moved sideways"
    found = Axe().run(page).response["violations"]
    assert {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in found} == {}
