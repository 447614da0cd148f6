"""Runs each recipe as a script does, and compares it with what docs/recipes.md shows of it."""

from __future__ import annotations

import logging
import re
import runpy
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "recipes.md").read_text()
RECIPES = sorted(set(HERE.glob("*_*.py")) - {HERE / "made_data.py", Path(__file__)})


class Lines(logging.Handler):
    """Keeps what the callback says."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + "\n"


def shown(recipe: Path, *fences: str) -> list[str]:
    """The page's blocks that follow the command of a recipe, up to that of the next."""
    after = PAGE.split(f"`python examples/recipes/{recipe.name}`")[-1].split("`python examples/recipes/")[0]
    return re.findall(rf"```(?:{'|'.join(fences)})\n(.*?)```", after, re.DOTALL)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_explains_what_the_model_got(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Messages go to the logger of the package that was imported last, which some frameworks decide.
    said, logs = Lines(), [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning")]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    for log in logs:
        log.addHandler(said)
    try:
        runpy.run_path(str(recipe), run_name="__main__")
    finally:
        for log in logs:
            log.removeHandler(said)
    printed = said.text + capsys.readouterr().out
    for block in shown(recipe, "text"):
        missing = [line for line in block.splitlines() if line not in printed]
        assert not missing, f"{missing} not in\n{printed}"


def test_page_shows_what_stands_in_the_recipes() -> None:
    sources = [path.read_text() for path in (*RECIPES, *HERE.glob("*.yaml"))]
    blocks = re.findall(r"```(?:py|yaml)\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        assert any(block in source for source in sources), block
    assert all(f"`python examples/recipes/{recipe.name}`" in PAGE for recipe in RECIPES)
