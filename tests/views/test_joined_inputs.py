"""Several inputs as one image: joined without a loss, cut by a view each."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_callback import Superbands, Superpixels
from lime_callback.views import Layout, PerInput, WholeInputs
from lime_callback.views.inputs.joined import join, split

CHW = Layout("CHW")
_SHAPES = st.one_of(
    st.tuples(st.integers(1, 5)), st.tuples(*[st.integers(1, 7)] * 2), st.tuples(*[st.integers(1, 7)] * 3)
)
_DTYPES = st.sampled_from([torch.float32, torch.float64, torch.uint8, torch.int16])


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.tuples(_SHAPES, _DTYPES), min_size=2, max_size=4), seed=st.integers(0, 9))
def test_what_is_joined_is_split_again_to_the_bit(parts, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = {
        f"input {i}": (torch.rand(2, *shape, generator=generator) * 100).to(dtype)
        for i, (shape, dtype) in enumerate(parts)
    }

    joined, where = join(inputs, CHW)

    again = split(joined, where, CHW)
    assert list(again) == list(inputs)
    assert all(torch.equal(again[name], x) and again[name].dtype == x.dtype for name, x in inputs.items())


def _two():
    inputs = {"hsi": torch.rand(2, 6, 8, 8), "lidar": torch.rand(2, 1, 4, 4)}
    return inputs, *join(inputs, CHW)


def test_a_feature_hides_the_same_elements_of_its_input_as_its_own_view_says():
    inputs, joined, parts = _two()
    views = {"hsi": Superbands(3), "lidar": Superpixels("grid", n_segments=4)}

    features = PerInput(views).features(joined, parts=parts)

    assert [name.split()[0] for name in features.names] == ["hsi"] * 3 + ["lidar"] * 4
    masks = split(features.mask.expand(joined.shape), parts, CHW)
    for name, offset in (("hsi", 0), ("lidar", 3)):
        own = views[name].features(inputs[name])
        # Labels are cast to the input's floats by `split`.
        assert torch.equal(masks[name].long() - offset, own.mask.expand(inputs[name].shape).long())


def test_inputs_without_a_view_are_cut_as_they_usually_are():
    inputs = {"image": torch.rand(2, 3, 16, 16), "weather": torch.rand(2, 5)}
    joined, parts = join(inputs, CHW)

    features = PerInput().features(joined, parts=parts)

    assert sum(name.startswith("weather") for name in features.names) == 5
    assert 4 <= sum(name.startswith("image") for name in features.names) <= 16


def test_whole_inputs_are_a_feature_each():
    _, joined, parts = _two()

    features = WholeInputs().features(joined, parts=parts)

    assert features.names == ("hsi", "lidar")
    assert features.mask.flatten().tolist() == [0] * 6 + [1]


@pytest.mark.parametrize("view", [PerInput(), WholeInputs()])
def test_one_input_is_refused(view):
    with pytest.raises(ValueError, match=r"`input_key` should name several inputs .* such as `input_key=\['hsi'"):
        view.features(torch.rand(2, 3, 8, 8))


def test_a_view_of_no_input_is_refused():
    _, joined, parts = _two()

    with pytest.raises(ValueError, match="Found 'radar', and the inputs 'hsi', 'lidar'"):
        PerInput({"radar": Superpixels()}).features(joined, parts=parts)


def test_inputs_of_other_numbers_of_samples_are_refused():
    with pytest.raises(ValueError, match="Found 'hsi': 2, 'grid': 3 rows"):
        join({"hsi": torch.rand(2, 3, 4, 4), "grid": torch.rand(3, 2)}, CHW)


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32])
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_integers_beside_half_precision_stay_exact(half, dtype):
    inputs = {"half": torch.rand(2, 3, 4, 4).to(half), "whole": torch.randint(2049, 32000, (2, 1, 4, 4), dtype=dtype)}

    joined, where = join(inputs, CHW)

    assert all(torch.equal(split(joined, where, CHW)[name], x) for name, x in inputs.items())
