"""A run with the callback is the run without it, bit for bit: a row for each trait of a model or a run."""

import random
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import ClassVar

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import torchmetrics
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader
from toys import SHAPE, Classifier, trainer
from traits import Broken, Data, Stream, TwoLoaders, batches, equal, limes

from lime_callback import LimeCallback, Superbands, Superpixels, is_explaining
from lime_callback.probes.probe_choices import HighestLoss, Misclassified, Unsure


class Record(pl.Callback):
    """What the training sees and logs."""

    def __init__(self):
        self.rows = []

    def _take(self, one, batch=None):
        metrics = one.callback_metrics.items()
        logged = {name: float(value) for name, value in metrics if not name.startswith(("lime", "second"))}
        modes = [module.training for module in one.lightning_module.modules()]
        self.rows.append((one.global_step, float(batch[0].double().sum()) if batch else 0.0, logged, modes))

    def on_train_batch_start(self, one, module, batch, index):
        self._take(one, batch)

    def on_validation_end(self, one, module):
        self._take(one)

    def on_train_end(self, one, module):
        self._take(one)


class Alone(Classifier):
    """The small network, with its own statistics of what it has logged."""


class FrozenNorm(Classifier):
    def on_train_epoch_start(self):
        self.net[1].eval()


class Metric(Classifier):
    def __init__(self):
        super().__init__()
        self.seen = torchmetrics.MeanMetric()

    def forward(self, x):
        y = super().forward(x)
        self.seen.update(y.detach())
        return y

    def on_validation_epoch_end(self):
        self.log("seen", self.seen.compute())


class Scripted(Classifier):
    """Its first layers are a script, which does not follow what Python sets on it."""

    def __init__(self):
        super().__init__()
        self.front = torch.jit.script(nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.Dropout(0.1)))

    def forward(self, x):
        return super().forward(self.front(x))


class Traced(Scripted):
    """Its first layers are traced, which have no attributes that Python sees."""

    def __init__(self):
        super().__init__()
        self.front = torch.jit.trace(nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)), torch.rand(2, 6, 12, 12))


class Logs(Classifier):
    def forward(self, x):
        y = super().forward(x)
        self.log("inside", y.mean(), batch_size=1)
        return y


class Buffers(Classifier):
    """Its outputs depend on a buffer that each forward moves, as a memory bank's do."""

    def __init__(self):
        super().__init__()
        self.register_buffer("moved", torch.zeros(3))

    def forward(self, x):
        y = super().forward(x)
        self.moved += y.detach().mean(0)
        return y + 0.1 * self.moved


class Attributes(Classifier):
    """Its outputs depend on plain attributes that each forward changes."""

    def __init__(self):
        super().__init__()
        self.calls, self.sizes = 0, []

    def forward(self, x):
        self.calls += 1
        self.sizes.append(len(x))
        return super().forward(x) + 0.01 * self.calls + 0.01 * len(self.sizes)


class Generators(Classifier):
    """Its outputs depend on random generators of its own."""

    def __init__(self):
        super().__init__()
        self.of_torch, self.of_numpy = torch.Generator().manual_seed(1), np.random.default_rng(1)
        self.older, self.of_python = np.random.RandomState(1), random.Random(1)

    def forward(self, x):
        noise = torch.rand(3, generator=self.of_torch) + self.of_python.random()
        return super().forward(x) + 0.1 * noise + 0.1 * self.of_numpy.random() + 0.1 * self.older.rand()


@dataclass
class Facts:
    calls: int = 0
    seen: deque = field(default_factory=lambda: deque(maxlen=3))


class Contents(Classifier):
    """Its outputs depend on what lies in containers, arrays and objects, which each forward changes."""

    def __init__(self):
        super().__init__()
        self.array, self.pair, self.counts = np.zeros(1), (torch.zeros(3), 0), Counter()
        self.facts, self.space = Facts(), SimpleNamespace(bank=OrderedDict(), sizes=defaultdict(int))
        self.kept = [self.array]
        self.kept.append(self.kept)

    def forward(self, x):
        y = super().forward(x)
        self.array += 1
        self.pair[0].add_(y.detach().mean(0))
        self.counts.update([len(x)])
        self.facts.calls += 1
        self.facts.seen.append(self.counts.total())
        self.space.bank[self.facts.calls] = y.detach().mean()
        self.space.sizes[len(x)] += 1
        number = self.array[0] + sum(self.facts.seen) + len(self.space.bank) + len(self.space.sizes)
        return y + 0.1 * self.pair[0] + 0.01 * number


class Hidden(Classifier):
    """A module in a plain list, which torch does not see, and which stays in training mode."""

    def __init__(self):
        super().__init__()
        self.hidden = [nn.BatchNorm2d(6)]

    def forward(self, x):
        return super().forward(self.hidden[0](x).detach())


class Clipped(Classifier):
    """Each forward writes to its parameters: by `.data`, and in place."""

    def forward(self, x):
        self.net[6].weight.data.mul_(0.99)
        self.net[0].weight.data = self.net[0].weight.data * 0.99
        with torch.no_grad():
            self.net[6].bias.mul_(0.9)
        return super().forward(x)


class Outside(Classifier):
    """Writes outside of the module tree, but not while it is explained."""

    calls: ClassVar = [0]

    def __init__(self):
        super().__init__()
        self.calls[0] = 0

    def forward(self, x):
        if not is_explaining():
            self.calls[0] += 1
        return super().forward(x) + 0.01 * self.calls[0]


class InPlace(Classifier):
    def forward(self, x):
        return super().forward(x.mul_(0.5))


class Spectral(Classifier):
    """Power iteration moves buffers in training mode."""

    def __init__(self):
        super().__init__()
        self.net[6] = nn.utils.parametrizations.spectral_norm(self.net[6])


class Recurrent(Classifier):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(144, 16, batch_first=True, dropout=0.1, num_layers=2)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.rnn(x.flatten(2))[0][:, -1])


class Scheduled(Classifier):
    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), 1e-2)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}


class Manual(Classifier):
    """Two optimizers, stepped by hand."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, index):
        loss = self.loss(batch)
        self.log("loss", loss)
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
        if self.trainer.is_last_batch:
            self.lr_schedulers().step()

    def configure_optimizers(self):
        first = torch.optim.SGD(self.net[0].parameters(), 1e-2, momentum=0.9)
        second = torch.optim.Adam(self.net[6].parameters(), 1e-2)
        return [first, second], [torch.optim.lr_scheduler.StepLR(first, 1)]


class Patched(Classifier):
    """A vision transformer, whose tokens can be left out; what it writes is written on the way to them, and behind."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True)
        self.embed, self.position = nn.Conv2d(6, 8, 4, 4), nn.Parameter(torch.randn(9, 8))
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)
        self.register_buffer("calls", torch.zeros(()))
        self.sizes = []

    def forward(self, x):
        self.calls += 1
        y = self.encoder(self.embed(x).flatten(2).mT + self.position)
        self.sizes.append(len(y))
        return self.head(y.mean(1))


class Quiet(Classifier):
    """Logs nothing in its steps: Lightning's ``log`` cannot be compiled with every version of torch."""

    def training_step(self, batch, _):
        return self.loss(batch)

    def validation_step(self, batch, _):
        return {"loss": self.loss(batch)}


class QuietPatched(Quiet, Patched):
    """The transformer whose tokens are left out, and which logs nothing."""


class Grows(Classifier):
    """Has one class more from the second epoch on."""

    def forward(self, x):
        y = super().forward(x)
        return torch.cat([y, y[:, :1] - 5], 1) if self.trainer.current_epoch else y


class Averaging(WeightAveraging):
    def __init__(self):
        super().__init__(avg_fn=lambda average, current, _: 0.5 * average + 0.5 * current)


def shuffled(**settings):
    return lambda: batches(shuffle=True, **settings)


SHUFFLED = shuffled()
ABSENT = {"baseline": "absent", "views": [Superpixels("tokens"), Superbands(bands=3)]}


def row(name, model=Alone, *, train=SHUFFLED, val=batches, before=list, after=list, lime=None, **settings):
    return pytest.param(model, train, val, before, after, lime or {}, settings, id=name)


ROWS = [
    row("dropout and batch norm"),
    row("frozen batch norm", FrozenNorm),
    row("metric updated in forward", Metric),
    row("log in forward", Logs),
    row("buffer written in forward", Buffers),
    row("plain attributes written in forward", Attributes),
    row("generators of its own", Generators),
    row("containers, arrays and objects written in forward", Contents),
    row("a module in a plain list", Hidden),
    row("a module in a plain list, no validation", Hidden, limit_val_batches=0),
    row("parameters written in forward", Clipped),
    row("what is outside, with the flag", Outside),
    row("input written in forward", InPlace),
    row("spectral norm", Spectral),
    row("a script within the model", Scripted),
    row("a script within the model, no validation", Scripted, limit_val_batches=0),
    row("a traced part of the model", Traced),
    row("a traced part of the model, no validation", Traced, limit_val_batches=0),
    row("recurrent layers", Recurrent),
    row("gradient accumulation", accumulate_grad_batches=2),
    row("gradient clipping", gradient_clip_val=0.1),
    row("scheduler on a validation metric", Scheduled),
    row("manual optimization of two optimizers", Manual),
    row("compiled", lambda: torch.compile(Quiet(), backend="aot_eager")),
    row("compiled layer", lambda: compiled_layer()),
    row("bf16 autocast", precision="bf16-mixed"),
    row("float64", precision="64-true"),
    row("workers", train=shuffled(num_workers=2), val=lambda: batches(num_workers=1)),
    row("noise of python", train=lambda: batches("python", shuffle=True)),
    row("noise of numpy", train=lambda: batches("numpy", shuffle=True), val=lambda: batches("numpy")),
    row("noise of torch", train=lambda: batches("torch", shuffle=True), val=lambda: batches("torch")),
    row("shuffled validation", val=shuffled()),
    row("weight averaging before", before=lambda: [Averaging()]),
    row("weight averaging after", after=lambda: [Averaging()]),
    row("early stopping and checkpoints", after=lambda: [EarlyStopping("val_loss", patience=0)], checkpoints=True),
    row("validation within the epoch", val_check_interval=1),
    row("validation at every second epoch", check_val_every_n_epoch=2),
    row("several validation loaders", TwoLoaders, val=lambda: [batches(), batches(size=5)]),
    row("no validation loader", val=lambda: None),
    row("no validation batches", limit_val_batches=0),
    row("an empty validation loader", val=lambda: DataLoader([])),
    row("no sanity check", num_sanity_val_steps=0),
    row("no sanity check, and noise", num_sanity_val_steps=0, val=lambda: batches("numpy")),
    row("no sanity check, validation later", num_sanity_val_steps=0, check_val_every_n_epoch=2),
    row("few validation batches", limit_val_batches=1),
    row("iterable data", train=lambda: DataLoader(Stream(), 8), val=lambda: DataLoader(Stream(), 8)),
    row("last partial batches", train=shuffled(size=7), val=lambda: batches(size=7)),
    row("steps", max_steps=4),
    row("time", max_time={"minutes": 10}),
    row("fast run", fast_dev_run=True),
    row("output that grows", Grows),
    row("all targets", lime={"target": "all"}),
    row("pictures and logger", lime={"pictures": True}, board=True),
    row("explained rarely", lime={"every_n_epochs": 2}),
    row("a time budget", lime={"time_budget": 0.01, "n_perturbations": 64}),
    row("a broken view", lime={"views": [Broken()]}),
    row("probes of the highest loss", Metric, lime={"probes": HighestLoss(3)}),
    row("probes chosen anew", Buffers, lime={"probes": HighestLoss(3, anew=True)}),
    row("probes chosen anew, log in forward", Logs, lime={"probes": Misclassified(3, anew=True)}),
    row("probes chosen anew, input written in forward", InPlace, lime={"probes": Unsure(3, anew=True)}),
    row("probes chosen anew without validation", lime={"probes": HighestLoss(3, anew=True)}, limit_val_batches=0),
    row(
        "probes chosen anew, weight averaging", after=lambda: [Averaging()], lime={"probes": HighestLoss(3, anew=True)}
    ),
    row("one probe of each class", lime={"probes": "one_per_class"}, val=lambda: batches("numpy")),
    row("tokens left out", Patched, lime=ABSENT),
    row("tokens left out, bf16 autocast", Patched, lime=ABSENT, precision="bf16-mixed"),
    row("tokens left out, compiled", lambda: torch.compile(QuietPatched(), backend="aot_eager"), lime=ABSENT),
    row("nothing to leave out", Buffers, lime={"baseline": "absent"}),
    row("two callbacks", after=lambda: [limes(name="second")]),
]


def compiled_layer():
    model = Classifier()
    model.net[0] = torch.compile(model.net[0], backend="aot_eager")
    return model


def trained(folder, model, train, val, before, after, lime, settings):
    """What there is to compare after a run."""
    settings = dict(settings)
    pl.seed_everything(3, verbose=False)
    model, record = model(), Record()
    train, val = train(), val()
    callbacks = [*before(), *([] if lime is None else [limes(**lime)]), *after(), record]
    if settings.pop("checkpoints", False):
        settings["enable_checkpointing"] = True
        callbacks.append(ModelCheckpoint(folder / "kept", monitor="val_loss"))
    if settings.pop("board", False):
        settings["logger"] = TensorBoardLogger(folder)
    one = trainer(folder, *callbacks, **settings)
    one.fit(model, train, val)
    return {
        "weights": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in one.optimizers],
        "schedulers": [config.scheduler.state_dict() for config in one.lr_scheduler_configs],
        "seen": record.rows,
        "epochs": (one.current_epoch, one.global_step),
        "asked": train.dataset.asked if isinstance(train.dataset, Data) else None,
        "random": [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()],  # noqa: NPY002
    }


@pytest.mark.filterwarnings("ignore:.*")  # what a trait makes Lightning say is not the question here
@pytest.mark.parametrize(("model", "train", "val", "before", "after", "lime", "settings"), ROWS)
def test_the_run_is_the_same(tmp_path, model, train, val, before, after, lime, settings):
    spec = (model, train, val, before)
    alone = trained(tmp_path / "alone", *spec, (lambda: []) if _second(after) else after, None, settings)
    watched = trained(tmp_path / "watched", *spec, after, lime, settings)
    for what in alone:
        assert equal(alone[what], watched[what]), what
    assert len(alone["seen"]) > 1


def _second(after):
    return any(isinstance(one, LimeCallback) for one in after())


def test_a_difference_would_be_seen(tmp_path):
    """The comparison is not blind: a callback that draws one number is caught."""

    class Draws(pl.Callback):
        def on_validation_epoch_end(self, one, module):
            torch.rand(1)

    spec = (Alone, shuffled(), batches, list)
    alone = trained(tmp_path / "alone", *spec, list, None, {})
    drawn = trained(tmp_path / "drawn", *spec, lambda: [Draws()], None, {})
    for what in ("weights", "seen", "random", "optimizers"):
        assert not equal(alone[what], drawn[what]), what


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_weights_that_were_validated_are_explained(tmp_path, place):
    """With weight averaging, predictions are those of the averaged weights, wherever the callback was put."""

    class Validated(pl.Callback):
        def on_validation_batch_start(self, one, module, batch, index, loader=0):
            if not one.sanity_checking and index == 0:
                with torch.no_grad():
                    self.outputs = module(batch[0][4:5])

    lime, validated = limes(probes=3, views=[Superbands(bands=3)]), Validated()
    order = [lime, Averaging()] if place == "before" else [Averaging(), lime]
    one = trainer(tmp_path, *order, validated)
    pl.seed_everything(0, verbose=False)
    one.fit(Classifier(SHAPE), batches(shuffle=True), batches())
    found = lime.explanation("spectral")
    logits = validated.outputs[0]
    expected = logits[int(found.targets[0, 0])] - logits.mean()  # a class is explained by its centered logit
    assert found.prediction[0, 0].item() == pytest.approx(expected.item(), abs=1e-6)
