"""Views of one's own: what they return is checked, and an error says which of them it is in."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from lime_callback import Features, LimeCallback
from lime_callback.views import View, ViewInputs

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
ROWS = (torch.arange(8) // 4)[None, None, :, None]


@dataclass(frozen=True)
class Mine(View):
    how: Any = field(compare=False)
    name: str = "mine"

    def cut(self, given):
        assert isinstance(given, ViewInputs)
        return self.how(given)


def written(given):
    given.images.zero_()
    return given.labelled(ROWS, ["upper", "lower"])


@pytest.mark.parametrize(("how", "kind", "said"), [
    (lambda g: g.labelled(ROWS[0, 0, :, 0].expand(8, 8), ["a", "b"]), ValueError,
     r"`labels` should have .* \[2, 3, 8, 8\].* Found shape \[8, 8\]; `labels\[None, None\]`"),
    (lambda g: g.labelled(torch.zeros(1, 1, 5, 5).long(), ["a"]), ValueError, r"Found shape \[1, 1, 5, 5\]\."),
    (lambda g: g.labelled(np.zeros((1, 1, 8, 8), int), ["a"]), TypeError, r"Found a ndarray; .* `torch.as_tensor`"),
    (lambda g: g.labelled(torch.rand(1, 1, 8, 8), ["a"]), TypeError, r"Found torch.float32; .* `.long\(\)`"),
    (lambda g: g.labelled(ROWS * float("nan"), ["a"]), TypeError, "Found torch.float32"),
    (lambda g: g.labelled(9 * ROWS - 5, ["a", "b"]), ValueError, "labels from -5 to 4"),
    (lambda g: g.labelled(3 * ROWS, ["a", "b"]), ValueError, "labels from 0 to 3"),
    (lambda g: g.labelled(ROWS, ["a", "a"]), ValueError, "different from each other"),
    (lambda g: g.labelled(ROWS, ["a", "b", "c"]), ValueError, r"Found no label of \['c'\]; leave these names out"),
    (lambda g: ROWS, TypeError, "should return Features, as `return given.labelled.* Found a Tensor"),
    (lambda g: None, TypeError, "should return Features.* Found None"),
    (lambda g: Features(torch.arange(5)[None, None, None], ("a", "b", "c", "d", "e"), "CHW"), ValueError, "broadcasts"),
    (lambda g: {}["k"], RuntimeError, "failed with KeyError: 'k'"),
    (written, ValueError, "wrote into them; write into a copy instead, such as `given.images.clone"),
])  # fmt: skip
def test_a_wrong_return_is_told_with_the_class_and_the_name(how, kind, said):
    with pytest.raises(kind, match=said) as caught:
        Mine(how).features(X.clone())
    assert "`Mine.cut(given)`, view 'mine'" in str(caught.value)


def test_one_feature_has_nothing_to_be_compared_with():
    with pytest.warns(UserWarning, match=r"`Mine.cut\(given\)`, view 'mine' returned one feature, 'all'"):
        Mine(lambda g: g.labelled(torch.zeros(1, 1, 1, 1).long(), ["all"])).features(X)


def test_what_is_right_goes_through():
    masks = torch.stack([ROWS[0], ROWS[0] * 0])  # the second input lacks a feature
    for labels in (ROWS, ROWS.bool(), ROWS.to(torch.uint8), masks):
        assert Mine(lambda g, labels=labels: g.labelled(labels, ["a", "b"])).features(X).names == ("a", "b")
    with torch.inference_mode():
        assert len(Mine(lambda g: g.labelled(ROWS, ["a", "b"])).features(X.clone())) == 2


def test_a_view_without_a_name_is_told_by_its_class():
    class Nameless(View):
        pass

    with pytest.raises(TypeError, match="Found a view Nameless without one; give the class a field `name"):
        LimeCallback(Nameless())
    with pytest.raises(ValueError, match="View Mine: `name` should be"):
        LimeCallback(Mine(None, name="a/b"))
