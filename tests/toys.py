"""Small models, data and trainers that the tests share, and what is seen of what they leave."""

import importlib.util
import sys
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from matplotlib.image import BboxImage
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader, Dataset

EXAMPLES = Path(__file__).parents[1] / "examples"
SHAPE = (6, 12, 12)
WAVELENGTHS = [450.0, 520.0, 580.0, 640.0, 700.0, 760.0]


class Samples(Dataset):
    """Random images of three classes; a class brightens one channel. ``pack`` makes an item of image, label and
    number."""

    def __init__(self, size=48, shape=SHAPE, pack=lambda x, y, i: (x, y)):
        generator = torch.Generator().manual_seed(7)
        self.x = torch.randn(size, *shape, generator=generator)
        self.y = torch.arange(size) % 3
        self.x[torch.arange(size), self.y] += 1.0
        self.pack = pack

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.pack(self.x[i], self.y[i], i)


class ByName:
    """Indexes by name, and is no mapping."""

    def __init__(self, **entries):
        self._entries = entries

    def keys(self):
        return self._entries.keys()

    def __getitem__(self, name):
        return self._entries[name]

    def __setitem__(self, name, value):
        self._entries = {**self._entries, name: value}


def classifier(base):
    """The small network as a module of either Lightning package."""

    class Classifier(base):
        """A small network; ``pack`` and ``unpack`` make outputs and batches of other forms."""

        def __init__(self, shape=SHAPE, outputs=3, unpack=lambda batch: batch, pack=lambda y: y, pick=lambda y: y):
            super().__init__()
            channels, height, width = shape
            self.net = nn.Sequential(
                nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
                nn.Dropout(0.2), nn.Linear(8 * (height // 4) * (width // 4), outputs),
            )  # fmt: skip
            self.unpack, self.pack, self.pick = unpack, pack, pick

        def forward(self, x):
            return self.pack(self.net(x))

        def loss(self, batch):
            x, y = self.unpack(batch)
            return nn.functional.cross_entropy(self.pick(self(x)), y)

        def training_step(self, batch, _):
            loss = self.loss(batch)
            self.log("loss", loss)
            return loss

        def validation_step(self, batch, _):
            self.log("val_loss", self.loss(batch), batch_size=4)

        def test_step(self, batch, batch_idx):
            self.log("test_loss", self.loss(batch), batch_size=4)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 1e-2)

    return Classifier


Classifier = classifier(pl.LightningModule)


class Still(Classifier):
    """Does not change while it trains: neither its weights nor what it keeps of the batches."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.net[1].momentum = 0.0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


class Untrained(pl.LightningModule):
    """A module with one weight, which training leaves as it is."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def training_step(self, batch, _):
        return self.weight * 0

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


def loader(data=None, shuffle=False, batch_size=16):
    return DataLoader(Samples() if data is None else data, batch_size, shuffle=shuffle)


def trainer(folder, *callbacks, epochs=2, kind=pl.Trainer, **settings):
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }
    return kind(
        max_epochs=epochs, callbacks=list(callbacks), default_root_dir=folder, accelerator="cpu", log_every_n_steps=1,
        **quiet | settings,
    )  # fmt: skip


def fit(folder, *callbacks, model=Classifier, data=None, seed=0, kind=pl.Trainer, ckpt=None, **settings):
    """Train ``model``, which is made after the seed is set."""
    pl.seed_everything(seed, verbose=False)
    model = model()
    one = trainer(folder, *callbacks, kind=kind, **settings)
    one.fit(model, loader(data, shuffle=True), loader(data), ckpt_path=ckpt)
    return one, model


def example(name):
    """A script of ``examples/`` as a module, which no import finds afterwards."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


def events(folder):
    (path,) = {file.parent for file in Path(folder).rglob("events.out.tfevents*")}
    found = EventAccumulator(str(path), size_guidance={"images": 0, "tensors": 0, "scalars": 0, "histograms": 0})
    return found.Reload()


def labels(figure):
    """The texts on a figure."""
    from lime_callback.figures.labels import Label

    return [label.get_text() for label in figure.findobj(Label)]


def shown(figure, *, bars=False):
    """The pictures on a figure in the order in which they were drawn, and where each is, as shares of the figure.

    Colour bars and waterfalls, which are no pictures in colours from 0 to 255, are left out unless ``bars`` is true.
    """
    on = [artist for artist in figure.artists if isinstance(artist, BboxImage)]
    inside = figure.transFigure.inverted()
    found = [(np.asarray(one.get_array()), inside.transform_bbox(one.get_window_extent())) for one in on]
    return [(image, place) for image, place in found if bars or image.dtype == np.uint8]
