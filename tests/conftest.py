"""What several test files start from."""

import logging
import os
import warnings
from functools import partial

import numpy as np
import pytest
import torch

from lime_callback.publishing.drawing_process import DrawingProcess
from lime_callback.training import background_questions, run_pace

if "PYTEST_XDIST_WORKER" in os.environ and "OMP_NUM_THREADS" not in os.environ:
    # As many processes as cores test at the same time: with as many threads each, they wait for each other most of it.
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start


# A file is tested by one process. Those that take longest come first, so that none is left alone at the end.
LONGEST = (
    "test_ranks.py",
    "test_dashboards.py",
    "test_hyperview.py",
    "test_killed.py",
    "test_mlflow.py",
    "test_photo.py",
)


def pytest_collection_modifyitems(items):
    """Put the longest files first."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """W&B without a network, and with all that it writes in a temporary folder."""
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield tmp_path
    import wandb

    wandb.teardown()


@pytest.fixture(scope="session")
def drawing_process():
    """One for all tests, since its start takes a second; ``test_presenting.py`` has those of its own."""
    studio = DrawingProcess()
    yield partial(DrawingProcess.draw, studio)
    studio.close()


@pytest.fixture(autouse=True)
def lightning_says_as_much_as_before():
    """The examples make it quieter, also from a module's fixture, which would hide what other tests look at."""
    logging.getLogger("lightning.pytorch").setLevel(logging.INFO)


# What explanations take does not decide what tests see, but for those of the pace itself.
OWN_SHARE, run_pace.SHARE = run_pace.SHARE, 1 / run_pace.CAUTION

# Models of tests are hardly trained and their data are made: what is wrong with them, tests of findings alone ask.
OWN_DETECTORS = background_questions.detectors_of


def asked_detectors(value):
    """Those that a test asks for by more than the default."""
    return () if value == "warn" else OWN_DETECTORS(value)


background_questions.detectors_of = asked_detectors


@pytest.fixture(autouse=True)
def own_pace(request, monkeypatch):
    """Let the callback leave out validations as it does outside of tests."""
    if request.node.get_closest_marker("own_pace") is not None:
        monkeypatch.setattr(run_pace, "SHARE", OWN_SHARE)


@pytest.fixture(autouse=True)
def finds(request, monkeypatch):
    """Let the callback look for findings as it does outside of tests."""
    if request.node.get_closest_marker("finds") is not None:
        monkeypatch.setattr(background_questions, "detectors_of", OWN_DETECTORS)


class Unexpected(logging.Handler):
    """Collects the callback's messages of trouble that warnings, which are errors in tests, would have raised."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        if record.getMessage().startswith("LimeCallback"):
            try:
                warnings.warn_explicit(record.getMessage(), UserWarning, "lime_callback", 1, registry={})
            except UserWarning as warning:
                self.texts.append(str(warning))


@pytest.fixture(autouse=True)
def trouble_is_expected(request):
    """A test fails that hears of trouble which it does not ask for: the callback itself only logs it."""
    handler, log = Unexpected(), logging.getLogger("lightning.pytorch")
    log.addHandler(handler)
    yield
    log.removeHandler(handler)
    assert handler.texts == [] or request.node.get_closest_marker("trouble") is not None


@pytest.fixture
def blank_pictures(shared_drawing_process, monkeypatch):
    """Pictures are asked for, delivered and shown as ever, but are empty: drawing them takes most of a short run."""
    empty = np.full((8, 8, 3), 255, np.uint8)
    monkeypatch.setattr(DrawingProcess, "draw", lambda _, requests, scale=2.0: dict.fromkeys(requests, empty))


@pytest.fixture(autouse=True)
def shared_drawing_process(request, monkeypatch, drawing_process):
    if request.module.__name__ != "test_presenting":
        monkeypatch.setattr(DrawingProcess, "draw", lambda _, requests, scale=2.0: drawing_process(requests, scale))
