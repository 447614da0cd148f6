"""Outputs of many structures: a right answer, or an error that names a way which then works. The test follows it."""

import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lime_callback import Superpixels, explain
from lime_callback.checks.entry_paths import tensors
from lime_callback.outputs import ClassRegion, PixelCount

pytestmark = pytest.mark.filterwarnings("ignore:The explanation of input")

GRID = Superpixels("grid", n_segments=4)
X = torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0)) - 0.4
NAMES = ["logits", "out", "net", "aux", "a.b", "0", ("net", "logits"), ("x", "y"), 3]


@dataclass
class Output:
    output: Any
    auxiliary: Any = None


FORMS = {
    "[m]": lambda x: x.mean((1, 2, 3)),
    "[m, 1]": lambda x: x.mean((2, 3))[:, :1],
    "[m, K]": lambda x: x.mean((2, 3)),
    "[m, K, H, W]": lambda x: x * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1),
    "[m, H, W, K]": lambda x: (x * torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)).movedim(1, -1),
    "[m, H, W, 1]": lambda x: x[:, 0].unsqueeze(-1),
    "[m, 1, H, W]": lambda x: x[:, :1],
    "[m, H, W]": lambda x: x[:, 0],
    "[m, H / 2, W / 2]": lambda x: x[:, 0, ::2, ::2],
    "[m, H, W] of numbers": lambda x: x.argmax(1),
    "[m, H, W] of yes and no": lambda x: x[:, 0] > 0,
}
CLASSES = {"[m]": 1, "[m, 1]": 1, "[m, K]": 3, "[m, K, H, W]": 3, "[m, H, W, K]": 3, "[m, H, W] of numbers": 3}


@st.composite
def structures(draw, depth=2):
    """A function that wraps a prediction, with or without other tensors beside it."""
    others = draw(st.sampled_from([[], [torch.zeros(())], [torch.arange(2)], [torch.rand(2, 5)], ["text", None]]))
    inner = draw(structures(depth - 1)) if depth and draw(st.booleans()) else lambda y: y
    kind = draw(st.sampled_from(["plain", "dict", "tuple", "list", "dataclass", "namespace"]))
    names = [draw(st.sampled_from(NAMES)), "loss", "hidden"]
    if kind == "plain":
        return inner
    if kind == "dict":
        return lambda y: dict(zip(names, [inner(y), *others], strict=False))
    if kind in ("tuple", "list"):
        before = draw(st.booleans()) and not others
        parts = (lambda y: [*others, inner(y)]) if before else lambda y: [inner(y), *others]
        return (lambda y: tuple(parts(y))) if kind == "tuple" else parts
    if kind == "dataclass":
        return lambda y: Output(inner(y), *others[:1])
    return lambda y: SimpleNamespace(head=inner(y), **{f"other{i}": part for i, part in enumerate(others)})


def follow(forward, how):
    """Explain; where that is refused, follow the first advice that names arguments, and go on."""
    for _ in range(4):
        try:
            return explain(forward, X, GRID.features(X), n_perturbations=8, baseline="zero", **how), how
        except (ValueError, TypeError) as error:
            keys = re.findall(r"`output_key=(.+?)`(?: or|\.)", str(error))
            outputs = re.findall(r"`output=(\w+\(.*?\))`", str(error))
            if not keys and not outputs:
                raise
            # A person knows which of the entries is the prediction: the one that has the prediction's shape.
            how = how | ({"output_key": keys} if keys else {"output": eval(outputs[0])})
            if keys:
                how["output_key"] = next(key for key in map(eval, keys) if is_prediction(forward, key))
    raise AssertionError(how)


def is_prediction(forward, key):
    from lime_callback.outputs.output_entries import output_tensor

    return output_tensor(forward(X), key, len(X)).shape == forward.shape


class Wrapped:
    def __init__(self, form, wrap):
        self.form, self.wrap, self.shape = form, wrap, form(X).shape

    def __call__(self, x):
        return self.wrap(self.form(x))


@pytest.mark.parametrize("form", FORMS)
@given(wrap=structures())
@settings(max_examples=6, deadline=None, derandomize=True)
def test_a_right_answer_or_an_error_whose_advice_works(form, wrap):
    beside = [part for part in tensors(wrap(FORMS[form](X))).values() if part.shape == (2, 5)]
    assume(not (beside and "of " in form))  # numbers beside class numbers are the prediction
    found, how = follow(Wrapped(FORMS[form], wrap), {})
    output = how.get("output", "raw")
    assert found.prediction.shape == (2, CLASSES.get(form, 2))
    if output == "raw":
        torch.testing.assert_close(found.prediction, FORMS[form](X).view(2, -1))
    else:
        assert isinstance(output, (ClassRegion, PixelCount))
        expected = explain(FORMS[form], X, GRID.features(X), n_perturbations=8, baseline="zero", output=output)
        torch.testing.assert_close(found.coefficients, expected.coefficients)
