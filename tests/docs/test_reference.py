"""Every public name has an entry in the reference."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import lime_callback

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    ".".join(path.parent.relative_to(Path(lime_callback.__file__).parents[1]).parts)
    for path in Path(lime_callback.__file__).parent.rglob("__init__.py")
)
ENTRIES = [
    path for page in (ROOT / "docs" / "reference").glob("*.md")
    for path in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
]  # fmt: skip


def named(path):
    package, _, name = path.rpartition(".")
    return getattr(import_module(package), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_entry(package):
    """Under this name, or where the same object is exported elsewhere."""
    entries = [named(path) for path in ENTRIES]
    names = getattr(import_module(package), "__all__", [])
    missing = [name for name in names if not any(named(f"{package}.{name}") is entry for entry in entries)]
    assert missing == []


def test_no_entry_stands_twice_and_all_are_exported():
    assert len(set(ENTRIES)) == len(ENTRIES)
    for path in ENTRIES:
        package, _, name = path.rpartition(".")
        assert name in import_module(package).__all__
