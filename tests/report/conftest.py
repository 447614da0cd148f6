"""A run and its page, which the tests of a file share."""

import pytest
from browser import browser_page
from report_pages import views
from toys import WAVELENGTHS, fit

from lime_callback import LimeCallback
from lime_callback.report import read, write_page


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that was explained at three epochs."""
    folder = tmp_path_factory.mktemp("run")
    lime = LimeCallback(
        views(), wavelengths=WAVELENGTHS, n_perturbations=64, probes=3, class_names=["one", "two", "three"],
        watch={"green": {"bands": (500.0, 600.0), "below": 0.9, "reliance": 0.05}}, pictures=False,
    )  # fmt: skip
    # Another kind of processor rounds otherwise, and trains to a third digit that is another.
    rests, share = "'green' is what the model rests on", r"'green' has 66\.\d .* of the attribution, below 90 %"
    with pytest.warns(UserWarning, match=rests), pytest.warns(UserWarning, match=share):
        fit(folder, lime, epochs=3)
    return folder


@pytest.fixture(scope="module")
def browser():
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    return write_page([read(run)], tmp_path_factory.mktemp("page") / "page.html")
