"""Hydra hands over its own lists and dictionaries, unless it is told to convert them."""

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands, Watch
from lime_callback.checks.plain_values import plain
from lime_callback.following.run_question import question_of

BANDS = {"_target_": "lime_callback.Superbands", "bands": {"red": [640.0, 700.0], "first": [0]}}
SETTINGS = {
    "wavelengths": WAVELENGTHS, "target": [0, 1], "class_names": ["a", "b", "c"], "probes": [3, 1],
    "watch": {"blue": {"bands": [{"from": 440, "to": 530}], "above": 0.9}, "red": [640.0]}, "reliance": False,
    "baseline": [0.0] * 6, "to_physical": [2.0, 0.5], "n_perturbations": 128,
}  # fmt: skip


def configured(**settings):
    return instantiate(OmegaConf.create({"_target_": "lime_callback.LimeCallback", **settings}))


def test_everything_is_taken_as_hydra_hands_it_over(tmp_path):
    lime = configured(views=BANDS, pictures=False, **SETTINGS)
    given = {"red": [640.0, 700.0], "first": [0]}
    assert question_of(lime.config) == question_of(LimeCallback(Superbands(given), **SETTINGS).config)
    assert [(watch.bands, watch.above) for watch in lime.config.watch.values()] == [
        ([{"from": 440, "to": 530}], 0.9), ([640.0], None),
    ]  # fmt: skip
    assert all(type(value) in (list, tuple, dict) for value in (lime.config.class_names, lime.config.target))
    fit(tmp_path, lime, epochs=1)
    assert "first" in lime.explanation("spectral").features.names


def test_a_reference_for_each_view_is_taken(tmp_path):
    with pytest.raises(InstantiationException, match=r"Found no file .*nowhere"):
        configured(reference={"spatial": str(tmp_path / "nowhere.npz")})


def test_a_list_of_views_is_taken_where_hydra_converts_it():
    """Without ``_convert_`` Hydra itself refuses, since it makes configurations of such objects."""
    views = [{"_target_": "lime_callback.Superpixels", "method": "grid", "n_segments": 4}, BANDS]
    lime = configured(views=views, _convert_="all", **SETTINGS)
    assert [view.name for view in lime.config.views] == ["spatial", "spectral"]


def test_parts_of_a_configuration_become_plain():
    found = plain(OmegaConf.create({"bands": ["${of}", [1, {"from": 2}]], "of": 7}))
    assert found == {"bands": [7, [1, {"from": 2}]], "of": 7}
    assert type(found["bands"][1][1]) is dict
    assert Watch(OmegaConf.create([640.0])).bands == [640.0]
