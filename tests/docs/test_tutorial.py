"""The tutorial is stored as it ran: in order, with what was found, and small."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "tutorial.ipynb"


def printed():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    return "".join("".join(out["text"]) for cell in cells for out in cell["outputs"] if out.get("name") == "stdout")


def test_the_shortcut_is_found_and_the_cure_is_quiet():
    text = printed()
    assert re.search(r"^shortcut_bands, .*\n.* 15\d\d to 16\d\d nm", text, re.MULTILINE)
    assert text.rstrip().endswith("findings: none")
    planted, cured = re.findall(r"in validation (\d+)%", text)
    assert int(cured) > int(planted) + 15


def test_it_is_small_and_names_no_folder_of_a_machine():
    text = NOTEBOOK.read_text()
    assert len(text) < 1_500_000
    assert not re.search(r'/(home|root|work|tmp)/|"name": "stderr"', text)


def test_the_page_says_what_the_notebook_prints():
    page, text = (ROOT / "docs" / "tutorial.md").read_text(), printed()
    told = [line for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert told
    assert set(told) <= set(text.splitlines())
