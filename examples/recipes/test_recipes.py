"""Runs each recipe as a script does, and looks at what docs/recipes.md shows of it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RECIPES = sorted(path for path in HERE.glob("*_*.py") if path.name not in ("made_data.py", "test_recipes.py"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_explains_what_the_model_got(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])
    runpy.run_path(str(recipe), run_name="__main__")
