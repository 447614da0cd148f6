"""Every Python snippet of the README and of the documentation runs as it stands, and prints what the page says.

The snippets of a page share their names, from the first to the last, and run as they would for a user: in an empty
folder, with the pace and the findings of a real run. What a ``print`` prints may stand below it, as ``# > 0.97``, and
is compared then; where there is a ``# >``, ``RENEW_SNIPPETS=1 pytest -n 0 tests/docs/test_snippets.py`` writes what is
printed. What is not fenced as ``python`` is not run.
"""

import ast
import os
import re
import sys
from pathlib import Path

import mktestdocs
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
PRINTED = "# >"
# The module of the one is installed and used in tests/runs/test_closed_frameworks.py. The blocks of the other are those
# of examples/recipes, which run in an environment of their own and compare them.
ELSEWHERE = {"docs/closed_frameworks.md", "docs/recipes.md"}


def name(page):
    return page.relative_to(ROOT).as_posix()


class Runner:
    """Runs a page's snippets one after the other, and keeps how they look with what they print."""

    def __init__(self, page):
        self.page = page
        self.text = page.read_text()
        self.renewed = self.text
        self._names = {"__name__": "__main__", "print": self._print}
        self._end = 0  # of the last snippet, in the text
        self._printed = []  # line and words of each call

    def run(self, source):
        """Run a snippet; errors have the page's own lines in their traceback."""
        start = self.text.index(f"```python\n{source}", self._end) + len("```python\n")
        self._end = start + len(source)
        shift = len(self.renewed) - len(self.text)
        above = "\n" * self.text.count("\n", 0, start)
        tree = ast.parse(above + source, str(self.page))
        self._printed.clear()
        exec(compile(tree, str(self.page), "exec"), self._names)
        shown = self._with_prints(source, tree, first=len(above) + 1)
        self.renewed = self.renewed[: start + shift] + shown + self.text[self._end :]

    def _print(self, *values, sep=" ", **_):
        self._printed.append((sys._getframe(1).f_lineno, sep.join(map(str, values))))

    def _with_prints(self, source, tree, first):
        statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        below = {}
        for line, words in self._printed:
            inner = min(
                (node for node in statements if node.lineno <= line <= node.end_lineno),
                key=lambda node: node.end_lineno - node.lineno,
            )
            comments = [" " * inner.col_offset + f"{PRINTED} {row}".rstrip() for row in words.split("\n")]
            below.setdefault(inner.end_lineno - first, []).extend(comments)
        lines, rows = [], source.splitlines()
        for number, row in enumerate(rows):
            if not row.lstrip().startswith(PRINTED):
                lines.append(row)
                if rows[number + 1 : number + 2] and rows[number + 1].lstrip().startswith(PRINTED):
                    lines += below.get(number, [])
        return "\n".join(lines) + "\n"


@pytest.mark.trouble
@pytest.mark.own_pace
@pytest.mark.finds
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("page", [page for page in PAGES if name(page) not in ELSEWHERE], ids=name)
def test_snippets_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    runner = Runner(page)
    found = mktestdocs.grab_code_blocks(runner.text, lang="python")
    assert len(found) == len(re.findall(r"^ *[`~]{3,} *\{?\.?py", runner.text, re.MULTILINE))  # none is overlooked
    monkeypatch.chdir(tmp_path)
    mktestdocs.register_executor("python", runner.run)
    mktestdocs.check_md_file(page)
    if os.environ.get("RENEW_SNIPPETS"):
        page.write_text(runner.renewed)
    assert page.read_text() == runner.renewed
