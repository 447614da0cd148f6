"""What several test files start from."""

import logging
from functools import partial

import pytest

from lime_callback.publishing.drawing_process import DrawingProcess


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
    """The examples make it quieter, which would hide from other tests what it says."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def shared_drawing_process(request, monkeypatch, drawing_process):
    if request.module.__name__ != "test_presenting":
        monkeypatch.setattr(DrawingProcess, "draw", lambda _, requests: drawing_process(requests))
