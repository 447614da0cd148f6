"""The package of `docs/closed_frameworks.md` brings the callback into a Trainer that takes none."""

import json
import re
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from toys import Classifier, loader, trainer

from lime_callback import LimeCallback

PAGE = Path(__file__).parents[2] / "docs" / "closed_frameworks.md"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The page's package as pip leaves it: its module, and its entry points beside it."""
    project = tomllib.loads(block("toml"))["project"]
    (tmp_path / "lime_everywhere.py").write_text(block("python"))
    info = tmp_path / "lime_everywhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = (
        f"[{group}]\n" + "\n".join(f"{name} = {place}" for name, place in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("lime_everywhere", None)


def test_a_trainer_without_callbacks_explains(installed, monkeypatch):
    settings = {**json.loads(block("json")), "input_key": 0, "pictures": False}
    (installed / "lime.json").write_text(json.dumps(settings))
    monkeypatch.setenv("LIME_CALLBACK_FILE", str(installed / "lime.json"))
    one = trainer(installed, epochs=1)
    (lime,) = [callback for callback in one.callbacks if isinstance(callback, LimeCallback)]
    one.fit(Classifier(), loader(), loader())
    assert len(lime.explanation("spatial").score) == 4
    LimeCallback(**json.loads(block("json")))  # the page's own file


def test_without_the_variable_a_trainer_has_none(installed, monkeypatch):
    monkeypatch.delenv("LIME_CALLBACK_FILE", raising=False)
    assert not any(isinstance(callback, LimeCallback) for callback in trainer(installed).callbacks)
    assert [point.name for point in entry_points(group="pytorch_lightning.callbacks_factory")] == ["lime"]
