"""Any mask convention: a right answer, or an error whose advice is followed and then gives one."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_callback import Superpixels, explain

KINDS = [torch.int64, torch.uint8, torch.int16, torch.float32, np.int32, np.uint16, np.float64, np.bool_, list]
# What the axes of a mask mean, whatever their sizes are.
SHAPES = ["BCHW", "B1HW", "1CHW", "11HW", "1C11", "CHW", "1HW", "BHW", "HW", "C", "BC", "WH"]


@st.composite
def conventions(draw):
    # Sizes that are alike leave room for two meanings.
    alike = draw(st.sampled_from([None, 2, 3]))
    sizes = {axis: alike or draw(st.integers(1, 4)) for axis in "BCHW"} | {"1": 1}
    axes, kind = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(KINDS + [torch.int64] * 6))
    low, high = draw(st.sampled_from([(0, 2), (1, 3), (-1, 2), (5, 7)]))
    if kind is np.bool_:
        low, high = 0, 1
    if kind in (torch.uint8, np.uint16):
        low = max(low, 0)
    shape = [sizes[axis] for axis in axes]
    numbers = np.array(
        draw(st.lists(st.integers(low, high), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    )
    return sizes, axes, kind, numbers.reshape(shape)


def as_kind(numbers, kind):
    if kind is list:
        return numbers.tolist()
    return torch.from_numpy(numbers).to(kind) if isinstance(kind, torch.dtype) else numbers.astype(kind)


def bright(x):
    return x.sum((1, 2, 3))


def placed(numbers, axes):
    """The mask as it is meant, in a shape that broadcasts to ``[B, C, H, W]``; none where it has no meaning."""
    every = slice(None)
    lacking = {
        "CHW": (None,), "1HW": (None,), "BHW": (every, None), "HW": (None, None), "C": (None, every, None, None),
        "BC": (every, every, None, None),
    }  # fmt: skip
    return None if axes == "WH" else numbers[lacking.get(axes, ...)]


def check(found, x, mask):
    """Each feature's coefficient is the sum of its elements, for the features that an input has."""
    mask = torch.from_numpy(np.array(mask, dtype=np.int64)).expand(x.shape)
    numbers = [number for number in mask.unique().tolist() if number >= 0]
    assert found.features.names == tuple(map(str, numbers))
    sums = torch.stack([torch.where(mask == number, x, 0.0).sum((1, 2, 3)) for number in numbers], 1)
    torch.testing.assert_close(found.coefficients[:, 0], sums, rtol=1e-4, atol=1e-4)


def followed(text, mask):
    """The mask as the error's advice makes it, for each of its ways."""
    if "torch.as_tensor" in text:
        return [torch.as_tensor(mask)]
    ways = re.findall(r"`(mask[.\[][^`]*)`", text)
    return [eval(way, {"mask": mask, "None": None, "int": int}) for way in ways]


@pytest.mark.filterwarnings("ignore:.*is degenerate")  # of an input that a mask leaves alone
@settings(max_examples=60, deadline=None, derandomize=True)
@given(conventions())
def test_a_mask_is_read_as_it_is_meant_or_its_error_says_how_to_give_it(convention):
    sizes, axes, kind, numbers = convention
    x = torch.rand(*(sizes[axis] for axis in "BCHW"), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    meant = placed(numbers, axes)
    masks, answers = [as_kind(numbers, kind)], []
    for _ in range(3):  # an advice on the kind may be followed by one on the shape
        advised = []
        for mask in masks:
            told = ""
            try:
                answers.append(explain(bright, x, mask, baseline="zero", n_perturbations=16))
            except (ValueError, TypeError) as error:
                told = str(error)
            if "at least one feature" in told:
                assert numbers.max() < 0
                return
            if "should have a mask that broadcasts" in told:
                assert meant is None or not fits(meant, x)
                assert f"[H, W] = ({sizes['H']}, {sizes['W']})" in told
                return
            ways = followed(told, mask) if told else []
            assert ways or not told, f"no advice: {told}"
            advised += ways
        masks = advised
    assert answers
    assert not masks
    if meant is not None and fits(meant, x):
        right = []
        for found in answers:
            try:
                check(found, x, meant)
                right.append(True)
            except AssertionError:
                right.append(False)
        assert any(right), "none of the ways is the one that was meant"
        assert all(right) or len(answers) > 1


def fits(mask, x):
    return mask.ndim == 4 and all(own in (1, size) for own, size in zip(mask.shape, x.shape, strict=True))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(conventions())
def test_a_views_mask_is_read_as_it_is_meant_or_its_error_names_the_shapes(convention):
    sizes, _, kind, numbers = convention
    x = torch.rand(*(sizes[axis] for axis in "BCHW"), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = as_kind(numbers, kind)
    told, features = "", None
    try:
        features = Superpixels(mask=mask).features(x)
    except (ValueError, TypeError) as error:
        told = str(error)
    if "should leave pixels" in told:
        assert numbers.max() < 0
    elif "pass `mask." in told:
        (way,) = followed(told, mask)
        assert way.dtype in (torch.int64, np.dtype(int))
    elif told:
        assert "should have shape" in told or "integer tensor or array" in told
        good = torch.zeros(sizes["H"], sizes["W"], dtype=torch.int64)
        assert Superpixels(mask=good).features(x).names == ("superpixel 0",)
    if features is None:
        return
    expected = {f"superpixel {number}" for number in np.unique(np.array(numbers)) if number >= 0}
    assert set(features.names) == expected
    plain = torch.from_numpy(np.array(numbers, dtype=np.int64))
    plain = plain.reshape(-1, sizes["H"], sizes["W"])
    for number in {int(n) for n in np.unique(numbers) if n >= 0}:
        inside = features.mask[:, 0] == features.numbers.index(number)
        assert torch.equal(inside, plain == number)
