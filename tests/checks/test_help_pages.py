"""Errors name pages and sections that exist."""

import re
import tomllib

import pytest
import torch
from toys import Samples, fit

from lime_callback import LimeCallback, Superpixels
from lime_callback.__main__ import main
from lime_callback.checks.help_pages import PAGES, pages_folder
from lime_callback.publishing.sinks.console import Console


def anchors(text):
    return {
        re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-") for line in re.findall("^#+ (.*)", text, re.M)
    }


@pytest.mark.parametrize("page", sorted(set(PAGES.values())))
def test_the_page_and_its_section_are_there(page):
    path, _, section = page.partition("#")
    text = (pages_folder().parent / path).read_text()
    assert not section or section in anchors(text)


@pytest.mark.parametrize(
    ("settings", "page"),
    [
        ({"input_key": "hsi"}, PAGES["batch"]),
        ({"label_key": "y"}, PAGES["labels"]),
        ({"layout": "HW"}, PAGES["layout"]),
        ({"output_key": "head"}, PAGES["output"]),
        ({"wavelengths": [450.0, 550.0]}, PAGES["wavelengths"]),
    ],
)
def test_an_error_ends_with_the_page_that_helps(tmp_path, settings, page):
    with pytest.raises(ValueError, match=rf"See {re.escape(page)}\.$"):
        fit(tmp_path, LimeCallback(**{"views": Superpixels("grid", 4)} | settings), data=Samples(6))


def test_the_command_line_says_where_the_pages_are(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert str(pages_folder()) in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize(
    ("error", "page"),
    [(torch.OutOfMemoryError("CUDA out of memory."), "memory"), (RuntimeError("no threes"), "failed")],
)
def test_a_failure_that_is_left_out_ends_with_the_page_that_helps(error, page):
    console = Console("lime")
    with (
        pytest.warns(UserWarning, match=rf"[^.]\. See {re.escape(PAGES[page])}\.$"),
        console.contained("view 'spatial'"),
    ):
        raise error


def test_the_package_brings_the_pages_along():
    project = pages_folder().parent
    wheel = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = {page.partition("#")[0] for page in PAGES.values()}
    assert wheel["force-include"] == {page: f"lime_callback/{page}" for page in named}
