"""``python -m lime_callback demo`` finds what was planted, and nothing where nothing was."""

import re

import pytest
import torch

from lime_callback.__main__ import main
from lime_callback.training import demo

pytestmark = [pytest.mark.finds, pytest.mark.own_pace, pytest.mark.trouble, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def opened(monkeypatch):
    addresses = []
    monkeypatch.setattr(demo.webbrowser, "open", addresses.append)
    return addresses


def test_the_shortcut_is_found_and_the_page_is_there(tmp_path, capsys, opened):
    before = torch.get_rng_state()
    assert main(["demo", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    page = tmp_path / "lime_report.html"
    assert said.splitlines()[-1] == f"The page that shows it: {page}"
    assert "750 to 800 nm" in page.read_text()
    assert re.findall(r"^  (\w+): .* 750 to 800 nm", said, re.MULTILINE) == ["shortcut_bands"]
    with_marks, without = map(int, re.findall(r"(\d+)%[,.]", said))
    assert (with_marks, without) > (95, 0)
    assert without < 60
    assert not opened
    assert torch.equal(before, torch.get_rng_state())


def test_without_the_mark_no_shortcut_is_found_and_that_is_said(tmp_path, capsys, opened, monkeypatch):
    made = demo.fields
    monkeypatch.setattr(demo, "fields", lambda count=192, *, marked=True, seed=0: made(count, marked=False, seed=seed))
    assert main(["demo", "--output", str(tmp_path), "--open"]) == 1
    assert "no shortcut, which should not be" in capsys.readouterr().out
    assert opened == [(tmp_path / "lime_report.html").as_uri()]
