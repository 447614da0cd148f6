"""An argument of the callback has three places: the callback names it, its configuration checks it, and it is used."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from toys import SHAPE, WAVELENGTHS

import lime_callback
from lime_callback import LimeCallback, Superpixels
from lime_callback.following.callback_config import CallbackConfig
from lime_callback.following.run_question import question_of
from lime_callback.probes.probe_samples import Probes
from lime_callback.publishing.run_description import NOT_TOLD, settings_of
from lime_callback.publishing.run_metadata import NO_SETTING, run_metadata

HOUSE = Path(lime_callback.__file__).parent
SIGNATURE = inspect.signature(LimeCallback).parameters
LIBRARY = {"comparing/drift.py"}  # `compare` has an argument `relevant_change`, whether a callback uses it or not
# What has the name of an argument and is something else.
NAMESAKES = {
    "Metric.name": "that of a row of the table",
    "ViewLoop.views": "the followed views by their names",
    "KeptView.reference": "the reference's explanation",
    "KeptView.reliance": "what was measured",
    "FollowedView.reliance": "what was measured",
    "PinnedProbes.probes": "the samples",
    "PinnedProbes.watch": "of what a validation step gives the model",
    "PinnedProbes.background": "the samples",
}


def mentions(name):
    """The lines that name an argument, by files."""
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        lines = [line.strip() for line in path.read_text().splitlines() if re.search(rf"\b{name}\b", line)]
        if lines and (where := path.relative_to(HOUSE).as_posix()) not in LIBRARY:
            found[where] = lines
    return found


@pytest.mark.parametrize(
    ("name", "user"),
    [("relevant_change", "following/followed_view.py"), ("max_batch_size", "training/pinned_probes.py")],
)
def test_an_argument_is_named_at_three_places(name, user):
    found = mentions(name)
    told = found.pop("publishing/run_metadata.py", [])
    assert all(line.startswith(f'"{name}": "') for line in told)  # a reason not to be told, which may be left out
    told = found.pop("publishing/run_description.py", [])
    assert all(line.startswith(f'"{name}": "') for line in told)
    assert found.keys() == {"callback.py", "following/callback_config.py", user}
    in_docstring, in_signature = found["callback.py"]
    assert in_docstring.startswith(f"{name}: ")
    assert in_signature.startswith(f"{name}: ")
    field, *check = found["following/callback_config.py"]
    assert field.startswith(f"{name}: ")
    assert len(check) <= 2
    copied = [line for line in found[user] if re.search(rf"(?<!\bconfig\.)\b{name}\b", line)]
    assert copied == [], "read it from the configuration where it is used"


def kept(tree):
    """The attributes that the classes of a module declare or set, as ``Class.attribute``."""
    for one in ast.walk(tree):
        if isinstance(one, ast.ClassDef):
            for part in ast.walk(one):
                if isinstance(part, ast.AnnAssign) and part in one.body:
                    yield f"{one.name}.{part.target.id}"
                set_here = isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store)
                if set_here and ast.unparse(part.value) == "self":
                    yield f"{one.name}.{part.attr.lstrip('_')}"


def test_nothing_keeps_a_copy_of_an_argument():
    paths = [path for wing in ("training", "following") for path in (HOUSE / wing).glob("*.py")]
    names = {name for path in paths if path.stem != "callback_config" for name in kept(ast.parse(path.read_text()))}
    assert "ViewLoop.config" in names
    assert {name for name in names if name.partition(".")[2] in SIGNATURE} == NAMESAKES.keys()


def test_every_argument_is_checked():
    class Read(dict):
        def __getitem__(self, name):
            names.add(name)
            return super().__getitem__(name)

    names = set()
    CallbackConfig.of(Read({name: one.default for name, one in SIGNATURE.items()}))
    assert names == set(SIGNATURE)


def test_every_argument_is_told_or_it_is_said_why_not():
    told, others = settings_of(LimeCallback().config).keys(), {"choice", "auto_output", "sensor"}
    assert others <= {field.name for field in fields(CallbackConfig)}
    assert told.isdisjoint(NOT_TOLD)
    assert told | NOT_TOLD.keys() == SIGNATURE.keys() | others


def test_what_is_told_is_in_a_run_s_description_or_it_is_said_why_not():
    config = LimeCallback(wavelengths=WAVELENGTHS, class_names=["a", "b", "c"]).config
    inputs = torch.zeros(2, *SHAPE)
    about = run_metadata(config, Probes(inputs, None, inputs, None))
    settings = about["settings"].keys()
    assert settings.isdisjoint(NO_SETTING)
    assert settings | NO_SETTING.keys() == settings_of(config).keys()
    beside = {name for name, why in {**NOT_TOLD, **NO_SETTING}.items() if "beside the settings" in why}
    assert beside <= about.keys()
    assert beside == {"views", "probes", "watch", "gate", "wavelengths", "class_names"}


# What changes no explanation; all others are compared with those of a checkpoint.
NOT_ASKED = {
    "every_n_epochs", "every_n_validations", "stem", "watch", "reliance", "findings", "gate", "relevant_change",
    "reference", "class_names", "to_physical", "max_batch_size", "time_budget", "pictures", "charts", "on_error",
    "name",
}  # fmt: skip


def test_every_argument_is_compared_with_a_checkpoint_s_or_changes_no_explanation():
    asked = question_of(LimeCallback().config).keys()
    arguments = {"views" if name.startswith("view ") else name for name in asked} | {"like"}  # by what it sets
    assert arguments.isdisjoint(NOT_ASKED)
    assert arguments | NOT_ASKED == SIGNATURE.keys()


@pytest.mark.parametrize("name", ["x" * 300, "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 90])
def test_a_view_has_no_name_that_is_too_long_for_a_file(name):
    with pytest.raises(
        ValueError, match="`name` should be a name of at most 200 bytes, since files are named after it"
    ):
        Superpixels(name=name)
    assert Superpixels(name="x" * 200).name == "x" * 200
