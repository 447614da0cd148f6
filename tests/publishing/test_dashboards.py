"""What a person sees in TensorBoard and in MLflow, in a browser."""

import numpy as np
import pytest
from browser import (
    assert_charts_in_tensorboard,
    assert_pictures_in_mlflow,
    assert_pictures_in_tensorboard,
    browser_page,
    listen,
    tensorboard,
    wait_for_tags,
)
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from logged_names import PICTURES
from matplotlib.image import imread
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.publishing.sinks import Report, sinks_for
from lime_callback.publishing.sinks.tensorboard_layout import layout_there


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that the callback has explained twice."""
    folder = tmp_path_factory.mktemp("run")
    views = [Superpixels("grid", 9), Superbands(6)]
    fit(
        folder,
        LimeCallback(wavelengths=WAVELENGTHS, views=views, n_perturbations=64, charts=True),
        logger=TensorBoardLogger(folder),
    )
    return folder


def test_tensorboard_shows_the_pictures(run, tmp_path):
    shown = assert_pictures_in_tensorboard(run, PICTURES, tmp_path / "tensorboard.png")
    assert list(shown) == PICTURES
    assert (tmp_path / "tensorboard.png").stat().st_size > 10_000


def test_a_blank_picture_is_noticed(tmp_path):
    (sink,) = sinks_for([TensorBoardLogger(tmp_path)], tmp_path)
    sink.write(Report(0, 1, {"lime/spatial/attributions": np.zeros((40, 60, 3), np.uint8)}))
    with pytest.raises(AssertionError, match="'lime/spatial/attributions' is blank"):
        assert_pictures_in_tensorboard(tmp_path, ["lime/spatial/attributions"])


def test_a_missing_picture_is_noticed(run):
    with pytest.raises(AssertionError, match=r"no images under \['lime/cubes/attributions'\]"):
        assert_pictures_in_tensorboard(run, [*PICTURES, "lime/cubes/attributions"], seconds=2)


def test_tensorboard_has_curves_beside_the_pictures(run):
    """A curve and a picture under one name would both be missing here, although the event file holds both."""
    curves = {f"lime/{view}/{name}" for view in ("spatial", "spectral") for name in ("score", "drift")}
    with tensorboard(run) as address:
        assert wait_for_tags(address, "scalars", curves) >= curves
        assert wait_for_tags(address, "images", PICTURES) == set(PICTURES)


def test_tensorboard_draws_lines_in_their_bands(run, tmp_path):
    """A chart of all, and one of each: TensorBoard gives all lines of a run one colour."""
    bands = ["450 nm", "520 nm", "580 nm", "640 nm", "700 nm", "760 nm"]
    together = "all that are followed: mean effects with their 95 % intervals"
    squares = [title for title in chart_titles(run) if title.startswith("superpixel")]
    assert len(squares) == 8
    assert_charts_in_tensorboard(run, [together, *squares, together, *bands], tmp_path / "charts.png")


def chart_titles(run):
    (folder,) = {path.parent for path in run.rglob("events.out.tfevents*")}
    return [chart.title for category in layout_there(folder).category for chart in reversed(category.chart)]


def test_tensorboard_shows_histograms_and_the_card(run):
    with browser_page() as page, tensorboard(run) as address:
        troubles = listen(page)
        wait_for_tags(address, "histograms", {"lime_effects/spatial/all", "lime_effects/spectral/all"})
        page.goto(f"{address}/#histograms")
        page.get_by_text("tag: lime_effects/spectral/all").wait_for(state="visible")
        page.locator("tf-histogram-loader path").first.wait_for(state="attached")
        page.goto(f"{address}/#text")
        page.reload()
        page.get_by_role("heading", name="How to read it").wait_for(state="visible")
        page.get_by_role("cell", name="n_perturbations", exact=True).wait_for(state="attached")
    assert troubles == []


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included")
def test_mlflow_shows_the_pictures_and_its_slider_changes_them(tmp_path):
    database = tmp_path / "runs.db"
    logger = MLFlowLogger(tracking_uri=f"sqlite:///{database}", artifact_location=str(tmp_path / "artifacts"))
    lime = LimeCallback(wavelengths=WAVELENGTHS, views=[Superpixels("grid", 9), Superbands(6)], n_perturbations=64)
    fit(tmp_path, lime, logger=logger)
    shown = assert_pictures_in_mlflow(database, logger.experiment_id, logger.run_id, PICTURES, tmp_path / "mlflow.png")
    assert (tmp_path / "mlflow.png").stat().st_size > 10_000
    for key, proportion in shown.items():
        stored = max((tmp_path / "artifacts").rglob(f"{key.replace('/', '~')}+step+5+*.png"))
        height, width = imread(stored).shape[:2]
        assert proportion == pytest.approx(width / height, rel=0.02)


def test_without_a_browser_ci_fails_and_others_skip(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="No Chromium"), browser_page():
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="No Chromium"), browser_page():
        pass
