"""Runs each recipe as a script does, and compares it with what docs/recipes.md shows of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "recipes.md").read_text()
RECIPES = sorted(set(HERE.glob("*_*.py")) - {HERE / "made_data.py", Path(__file__)})


def shown(recipe: Path, *fences: str) -> list[str]:
    """The page's blocks that follow the command of a recipe, up to that of the next."""
    after = PAGE.split(f"`python examples/recipes/{recipe.name}`")[-1].split("`python examples/recipes/")[0]
    return re.findall(rf"```(?:{'|'.join(fences)})\n(.*?)```", after, re.DOTALL)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipe_explains_what_the_model_got(recipe: Path, tmp_path: Path) -> None:
    # In a process of its own, as its user runs it: terratorch's import lets a CPU that can multiply float32 with the
    # precision of bfloat16, and another recipe's outputs would differ then.
    ran = subprocess.run(
        [sys.executable, recipe], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    for block in shown(recipe, "text"):
        missing = [line for line in block.splitlines() if line not in ran.stdout]
        assert not missing, f"{missing} not in\n{ran.stdout}"


def test_page_shows_what_stands_in_the_recipes() -> None:
    sources = [path.read_text() for path in (*RECIPES, *HERE.glob("*.yaml"))]
    blocks = re.findall(r"```(?:py|yaml)\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        assert any(block in source for source in sources), block
    assert all(f"`python examples/recipes/{recipe.name}`" in PAGE for recipe in RECIPES)
