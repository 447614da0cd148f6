"""The parts of the examples that can be checked without training."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from toys import example


@pytest.fixture(scope="module")
def scene():
    return example("scene")


@pytest.fixture(scope="module")
def labels(scene):
    return scene.load_scene()[1]


@pytest.fixture(scope="module")
def split(scene, labels):
    return scene.split_blocks(labels)


def test_wavelengths_are_those_of_the_kept_bands(scene):
    nm = np.array(scene.wavelengths())
    assert nm.shape == (200,)
    assert nm[0] == pytest.approx(400.02, abs=0.01)
    assert nm[-1] == pytest.approx(2489.11, abs=0.02)  # band 219; band 220, of 2498.96 nm, is dropped
    steps = np.diff(nm)
    assert (steps < 0).sum() == 2  # where the second and the third spectrometer begin
    within = (steps > 0) & (steps < 15)
    assert np.abs(steps[within] - 9.8).max() < 0.4
    gaps = [(low, high) for low, high in pairwise(nm) if high - low > 15]
    assert [round(high - low) for low, high in gaps] == [60, 154]  # 5 and 14 bands are missing
    assert all(low < water < high for (low, high), water in zip(gaps, (1370, 1900), strict=True))


@pytest.mark.parametrize(
    ("position", "nm"),
    [(5, 449.07), (30, 696.50), (41, 783.27), (63, 994.88), (127, 1630.90), (162, 2122.78), (181, 2311.35)],
)
def test_wavelengths_meet_published_centres(scene, position, nm):
    assert scene.wavelengths()[position] == pytest.approx(nm, abs=0.011)


def test_scene_has_its_classes(scene):
    cube, labels = scene.load_scene()
    assert cube.shape == (200, 145, 145)
    assert cube.dtype == torch.float32
    assert labels.shape == (145, 145)
    counts = np.bincount(labels[labels >= 0], minlength=16)
    assert len(scene.CLASS_NAMES) == len(counts) == 16
    assert dict(zip(scene.CLASS_NAMES, counts, strict=True))["Soybean-mintill"] == 2455


def test_split_shares_no_pixel(scene, labels, split):
    train = scene.covered(split.train, labels.shape)
    val = scene.covered(split.val, labels.shape)
    assert train.any()
    assert val.any()
    assert not (train & val).any()


def test_split_has_every_larger_class_on_both_sides(scene, labels, split):
    in_train = np.bincount(scene.Patches(torch.empty(0), labels, split.train).targets, minlength=16)
    in_val = np.bincount(scene.Patches(torch.empty(0), labels, split.val).targets, minlength=16)
    assert (in_train > 0).all()
    larger = np.bincount(labels[labels >= 0]) >= 380
    assert (np.minimum(in_train, in_val)[larger] >= 10).all()


def test_split_is_the_same_for_a_seed_and_holds_the_same_patches_for_any(scene, labels, split):
    again, other = scene.split_blocks(labels), scene.split_blocks(labels, seed=1)
    assert np.array_equal(again.train, split.train)
    assert not np.array_equal(other.train, split.train)
    assert {tuple(corner) for corner in other.val.tolist()} == {tuple(corner) for corner in split.val.tolist()}


@pytest.mark.parametrize(("row", "column"), [(0, 0), (11, 0), (0, 11), (11, 11)])
def test_patches_that_share_a_pixel_are_refused(scene, row, column):
    with pytest.raises(ValueError, match="share no pixel"):
        scene.Split(train=np.array([[0, 0]]), val=np.array([[row, column]]))
    scene.Split(train=np.array([[0, 0]]), val=np.array([[12, 0]]))


def test_missing_scene_says_what_to_install(scene, monkeypatch):
    monkeypatch.setattr(scene.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e \"\.\[examples\]\""):
        scene.load_scene()


def test_data_is_normalised_by_the_pixels_of_training_alone(scene, split):
    data = scene.IndianPines()
    seen = data.cube[:, torch.from_numpy(scene.covered(split.train, (145, 145)))].double()
    assert seen.mean(1).abs().max() < 1e-3
    assert (seen.std(1) - 1).abs().max() < 1e-3
    assert (len(data.train), len(data.val)) == (len(split.train), len(split.val))


def test_patches_are_windows_with_the_class_of_their_middle(scene, labels, split):
    data = scene.IndianPines(limit=5)
    image, label = data.train[3]
    row, column = split.train[3]
    assert len(data.train) == len(data.val) == 5
    assert image.shape == (200, 12, 12)
    assert torch.equal(image[:, 6, 6], data.cube[:, row + 6, column + 6])
    assert label == labels[row + 6, column + 6]


def test_class_weights_have_a_mean_of_one_over_the_samples(scene):
    data = scene.IndianPines()
    assert data.class_weights()[torch.from_numpy(data.train.targets)].mean() == pytest.approx(1.0, abs=1e-4)


def test_augmentation_keeps_shapes_and_shares(scene):
    torch.manual_seed(0)
    image, share = scene.augment(torch.randn(6, 200, 12, 12), torch.arange(6))
    assert image.shape == (6, 200, 12, 12)
    assert torch.allclose(share.sum(1), torch.ones(6))


def test_model_returns_logits(scene):
    assert scene.PatchViT()(torch.zeros(2, 200, 12, 12)).shape == (2, 16)
