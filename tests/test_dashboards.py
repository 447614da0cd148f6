"""What a person sees in TensorBoard, in a browser."""

import numpy as np
import pytest
from browser import assert_pictures_in_tensorboard, browser_page, tensorboard, wait_for_tags
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lime_callback.sinks import Report, sinks_for

PICTURES = ["lime/spatial/attributions", "lime/spectral/superbands", "lime/spatial/drift"]
SHOWN = ["lime/spatial/attributions", "lime/spectral/superbands", "lime/spatial/drift_chart"]


def _pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _attributions(generator):
    figure = Figure(figsize=(6, 3), layout="constrained")
    for axes, map_ in zip(figure.subplots(1, 2), ("viridis", "RdBu"), strict=True):
        axes.imshow(np.kron(generator.normal(size=(6, 6)), np.ones((4, 4))), cmap=map_)
        axes.set_title("probe 3")
    return _pixels(figure)


def _bars(generator):
    figure = Figure(figsize=(6, 3), layout="constrained")
    figure.subplots().bar(range(20), generator.normal(size=20), yerr=0.2)
    return _pixels(figure)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with three explained epochs, scalars and pictures."""
    from lightning.pytorch.loggers import TensorBoardLogger

    folder = tmp_path_factory.mktemp("run")
    logger = TensorBoardLogger(folder, name="lime", version=0)
    (sink,) = sinks_for([logger], folder / "lime")
    generator = np.random.default_rng(0)
    for epoch in range(3):
        step = 40 * (epoch + 1)
        for view in ("spatial", "spectral"):
            logger.log_metrics({f"lime/{view}/score": 0.8, f"lime/{view}/drift": 0.1 / (epoch + 1)}, step=step)
        drawn = [_attributions(generator), _bars(generator), _bars(generator)]
        sink.write(Report(epoch, step, dict(zip(PICTURES, drawn, strict=True)), {"lime/summary": "**R²** 0.83"}))
    logger.finalize("success")
    return folder


def test_tensorboard_shows_the_pictures(run, tmp_path):
    shown = assert_pictures_in_tensorboard(run, SHOWN, tmp_path / "tensorboard.png")
    assert list(shown) == SHOWN
    assert (tmp_path / "tensorboard.png").stat().st_size > 10_000


def test_a_blank_picture_is_noticed(tmp_path):
    from lightning.pytorch.loggers import TensorBoardLogger

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
