"""What a person sees in TensorBoard, in a browser."""

import numpy as np
import pytest
from browser import assert_pictures_in_tensorboard, browser_page, tensorboard, wait_for_tags
from lightning.pytorch.loggers import TensorBoardLogger
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.sinks import Report, sinks_for

SHOWN = [
    f"lime/{view}/{what}"
    for view, bars in (("spatial", "superpixels"), ("spectral", "superbands"))
    for what in ("attributions", bars, "drift_chart")
] + ["lime/spectral/waterfall", "lime/spectral/coefficients"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that the callback has explained twice."""
    folder = tmp_path_factory.mktemp("run")
    lime = LimeCallback(wavelengths=WAVELENGTHS, views=[Superpixels("grid", 9), Superbands(6)], n_perturbations=64)
    fit(folder, lime, logger=TensorBoardLogger(folder))
    return folder


def test_tensorboard_shows_the_pictures(run, tmp_path):
    shown = assert_pictures_in_tensorboard(run, SHOWN, tmp_path / "tensorboard.png")
    assert list(shown) == SHOWN
    assert (tmp_path / "tensorboard.png").stat().st_size > 10_000


def test_a_blank_picture_is_noticed(tmp_path):
    (sink,) = sinks_for([TensorBoardLogger(tmp_path)], tmp_path)
    sink.write(Report(0, 1, {"lime/spatial/attributions": np.zeros((40, 60, 3), np.uint8)}))
    with pytest.raises(AssertionError, match="'lime/spatial/attributions' is blank"):
        assert_pictures_in_tensorboard(tmp_path, ["lime/spatial/attributions"])


def test_a_missing_picture_is_noticed(run):
    with pytest.raises(AssertionError, match=r"no images under \['lime/cubes/attributions'\]"):
        assert_pictures_in_tensorboard(run, [*SHOWN, "lime/cubes/attributions"], seconds=2)


def test_tensorboard_has_curves_beside_the_pictures(run):
    """A curve and a picture under one name would both be missing here, although the event file holds both."""
    curves = {f"lime/{view}/{name}" for view in ("spatial", "spectral") for name in ("score", "drift")}
    with tensorboard(run) as address:
        assert wait_for_tags(address, "scalars", curves) >= curves
        assert wait_for_tags(address, "images", SHOWN) == set(SHOWN)


def test_without_a_browser_ci_fails_and_others_skip(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="No Chromium"), browser_page():
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="No Chromium"), browser_page():
        pass
