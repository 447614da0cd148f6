"""The house keeps its rules: doors open what they name, at no cost before, and no wing or file grows too large."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lime_callback

HOUSE = Path(lime_callback.__file__).parent
WINGS = sorted(path.name for path in HOUSE.iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("wing", WINGS)
def test_a_door_opens_what_it_names(wing):
    door = import_module(f"lime_callback.{wing}")
    names = getattr(door, "__all__", [])
    assert all(getattr(door, name) is not None for name in names)
    assert set(names) <= set(dir(door))
    assert len((door.__doc__ or "").strip()) > 40
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = door.nothing


def test_a_door_is_no_module_of_its_wing():
    """Else the one would stand in place of the other, by the order of imports."""
    for wing in WINGS:
        modules = {path.stem for path in (HOUSE / wing).iterdir()}
        assert not modules & set(getattr(import_module(f"lime_callback.{wing}"), "__all__", [])), wing


def test_doors_cost_nothing_before_they_are_asked():
    late = [wing for wing in WINGS if wing not in ("figures", "report")]
    code = f"import sys, {', '.join(f'lime_callback.{one}' for one in late)}; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "False"


def test_the_root_holds_the_callback_and_the_wings():
    files = {path.name for path in HOUSE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "callback.py", "py.typed"}


def test_no_wing_and_no_file_is_too_large():
    folders = {path.parent for path in HOUSE.rglob("*.py")}
    assert all(len(list(folder.glob("*.py"))) <= 18 for folder in folders)
    long = {path.name: lines for path in HOUSE.rglob("*.py") if (lines := len(path.read_text().splitlines())) > 300}
    assert long == {}
