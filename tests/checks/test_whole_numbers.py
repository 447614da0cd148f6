"""Every argument that is a whole number takes any integral type, and refuses anything else in the same way."""

import re

import numpy as np
import pytest
import torch
from toys import SHAPE

from lime_callback import (
    Contrast,
    Lasso,
    LimeCallback,
    Superbands,
    Superpixels,
    TopLabels,
    Watch,
    explain,
    explain_all,
)
from lime_callback.explaining import reliance
from lime_callback.explaining.strategies import Strategies
from lime_callback.outputs import ClassRegion, PixelCount
from lime_callback.probes import HighestLoss, Misclassified, Numbered, OnePerClass, Unsure
from lime_callback.probes.probe_choices import resolve_choice
from lime_callback.sampling import Background
from lime_callback.summaries import stability
from lime_callback.views.channels.groups import parse_group

INPUTS = torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(1))
BANDS = Superbands(3)


def model(x):
    return x.mean((2, 3))


def explained(**arguments):
    settings = {"n_perturbations": 16, "target": 0, "baseline": 0.0} | arguments
    return explain(model, INPUTS, BANDS.features(INPUTS), **settings)


def all_explained(**arguments):
    return explain_all(
        model, [(INPUTS, torch.zeros(4).long())], BANDS, **({"n_perturbations": 16, "baseline": 0.0} | arguments)
    )


def channels(numbers):
    return parse_group(numbers).parts[0].numbers


def case(argument, make, good, least=None, kept=None):
    """An argument, how it is given, a value that it takes, the least one if there is one, and where it is kept."""
    return pytest.param(argument, make, good, least, kept, id=f"{make.__name__}.{argument}")


def giving(kind, argument):
    """A function that makes an object with one argument given; named after the object, for the tests' names."""

    def make(value):
        return kind(**{argument: value})

    make.__name__ = getattr(kind, "__name__", "made")
    return make


def of(kind, argument, good, least=None, kept=True):
    where = (lambda made: getattr(made, argument)) if kept is True else kept
    return case(argument, giving(kind, argument), good, least, where)


COUNTS = [
    of(LimeCallback, "probes", 8, 1, kept=None),
    of(LimeCallback, "every_n_epochs", 2, 1, kept=None),
    of(LimeCallback, "n_perturbations", 64, 2, kept=None),
    of(LimeCallback, "max_batch_size", 4, 1, kept=None),
    of(LimeCallback, "background", 8, 0, kept=None),
    of(LimeCallback, "seed", 3, 0, kept=None),
    of(LimeCallback, "target", 1, 0, kept=None),
    of(Strategies, "n_perturbations", 64, 2),
    of(explained, "n_perturbations", 64, 2, kept=None),
    of(explained, "batch_size", 4, 1, kept=None),
    of(explained, "seed", 3, 0, kept=None),
    of(explained, "target", 1, 0, kept=lambda made: int(made.targets[0, 0])),
    of(all_explained, "n_perturbations", 64, 2, kept=None),
    of(all_explained, "batch_size", 4, 1, kept=None),
    of(all_explained, "seed", 3, 0, kept=None),
    of(all_explained, "target", 1, 0, kept=None),
    case("batch_size", lambda value: reliance(model, INPUTS, {"a": [0]}, batch_size=value), 4, 1),
    case("references", lambda value: reliance(model, INPUTS, {"a": [0]}, references=value), 3, 3),
    case("k", lambda value: explained().top(value), 2, 1),
    case("k", lambda value: stability([explained(seed=1), explained(seed=2)], k=value), 2, 1),
    of(Superpixels, "n_segments", 9, 1),
    case("options['rng']", lambda value: Superpixels("quickshift", options={"rng": value}), 3, 0,
         lambda made: made.options["rng"]),
    of(Superbands, "bands", 3, 1, kept=lambda made: made._groups()),
    of(OnePerClass, "count", 4, 1),
    of(Misclassified, "count", 4, 1),
    of(Unsure, "candidates", 64, 8),
    of(HighestLoss, "candidates", 64, 8),
    case("probes", resolve_choice, 4, 1, lambda made: made.count),
    case("probes", lambda value: Numbered([value]), 4, 0, lambda made: made.numbers[0]),
    of(TopLabels, "k", 2, 1),
    case("first", lambda value: Contrast(value, 7), 2, 0, lambda made: made.first[0]),
    case("second", lambda value: Contrast([7], [value]), 2, 0, lambda made: made.second[0]),
    of(ClassRegion, "axis", 1),
    of(PixelCount, "axis", -1),
    of(Background, "samples", 4, 1),
    of(Lasso, "max_iterations", 10, 1),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "make", "good", "least", "kept"), COUNTS)
def test_any_integral_type_is_taken(argument, make, good, least, kept):
    for kind in (int, np.int64, np.uint8) if good > 0 else (int, np.int64):
        made = make(kind(good))
        if kept is not None:
            assert (kept(made), type(kept(made))) == (good, int)  # as an int, which is written to files as it is


def naming(argument, value):
    """Matches an error that names both, in any order."""
    return f"(?s)(?=.*`{re.escape(argument)})(?=.*{re.escape(value)})"


@pytest.mark.parametrize(("argument", "make", "good", "least", "kept"), COUNTS)
@pytest.mark.parametrize("wrong", [2.5, 8.0, np.float64(2.5), True, np.True_])
def test_what_is_no_whole_number_is_a_type_error(argument, make, good, least, kept, wrong):
    with pytest.raises(TypeError, match=naming(argument, repr(wrong))):
        make(wrong)


@pytest.mark.parametrize(
    ("argument", "make", "good", "least", "kept"), [given for given in COUNTS if given.values[3] is not None]
)
def test_what_is_out_of_range_is_a_value_error(argument, make, good, least, kept):
    with pytest.raises(ValueError, match=naming(argument, str(least - 1))):
        make(least - 1)


def test_channels_by_number_are_of_any_integral_type_too():
    assert channels([np.int64(2), 3]) == channels(np.array([2, 3])) == (2, 3)
    Watch(bands=[np.int64(2)])
    with pytest.raises(ValueError, match="True"):
        channels([True, 3])


def test_a_tensor_of_one_number_is_a_list():
    assert isinstance(resolve_choice(torch.tensor([5])), Numbered)
    assert resolve_choice(torch.tensor([5])).numbers == (5,)
