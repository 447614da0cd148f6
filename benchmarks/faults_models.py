"""The models of the catalogue of planted faults: a small transformer and a small CNN, and how they are trained.

Shapes: images ``[m, C, 12, 12]``; features ``[m, F]``; outputs ``[m, K]``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from faults_data import BATCH, SIDE, make_task
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faults_data import Task

MODELS = ("vit", "cnn")
EPOCHS = 6
LR = {"vit": 2e-3, "cnn": 4e-3}


class ViT(nn.Module):
    """A vision transformer of 16 tokens of 3 x 3 pixels, whose features are the mean of its tokens.

    Args:
        channels: C.
    """

    features = 48

    def __init__(self, channels: int, *, norm: str = "batch") -> None:
        super().__init__()
        width = self.features
        self.stem = nn.Conv2d(channels, width, 3, 3)
        self.position = nn.Parameter(0.1 * torch.randn(1, (SIDE // 3) ** 2, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[m, F]``."""
        return self.last(self.encoder(self.stem(x).flatten(2).mT + self.position)).mean(1)


class CNN(nn.Module):
    """A CNN whose first layer mixes each pixel's bands, and whose features are a map of 3 x 3 places.

    Args:
        channels: C.
        norm: ``"batch"`` or ``"group"``.
    """

    features = 9 * 24

    def __init__(self, channels: int, *, norm: str = "batch") -> None:
        super().__init__()

        def normal() -> nn.Module:
            return nn.BatchNorm2d(24) if norm == "batch" else nn.GroupNorm(4, 24)

        self.stem = nn.Conv2d(channels, 24, 1)
        self.body = nn.Sequential(
            normal(), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), normal(), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(24, 24, 3, padding=1), normal(), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[m, F]``."""
        return self.body(self.stem(x))


class Net(nn.Module):
    """A backbone and a linear head.

    Args:
        backbone: with its number of ``features``.
        outputs: K.
        before: what the images go through first.
        after: what the outputs go through last.
    """

    def __init__(
        self, backbone: nn.Module, outputs: int, *, before: nn.Module | None = None, after: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.before = before or nn.Identity()
        self.backbone = backbone
        self.head = nn.Linear(backbone.features, outputs)
        self.after = after or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``[m, K]``."""
        return self.after(self.head(self.backbone(self.before(x))))


def backbone(model: str, channels: int, *, norm: str = "batch") -> nn.Module:
    """A transformer or a CNN."""
    return (ViT if model == "vit" else CNN)(channels, norm=norm)


class Learner(pl.LightningModule):
    """Trains a network for classes or for numbers.

    Args:
        net: takes the inputs.
        lr: the learning rate, the highest of one cycle.
        regression: whether the targets are numbers.
        inputs: the entries of a batch that the network takes.
        augment: changes the images of a training batch; it is told the epoch.
        constant: whether the learning rate stays as it is.
    """

    def __init__(
        self,
        net: nn.Module,
        lr: float,
        *,
        regression: bool,
        inputs: Sequence[str] = ("image",),
        augment: Callable[[Tensor, int], Tensor] | None = None,
        constant: bool = False,
    ) -> None:
        super().__init__()
        self.net, self.lr, self.regression, self.inputs = net, lr, regression, tuple(inputs)
        self.augment, self.constant = augment, constant

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs ``[m, K]``."""
        return self.net(*inputs)

    def loss(self, outputs: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Cross-entropy, or the mean squared error."""
        return F.mse_loss(outputs, batch["target"]) if self.regression else F.cross_entropy(outputs, batch["label"])

    def training_step(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a batch."""
        inputs = [batch[name] for name in self.inputs]
        if self.augment is not None:
            inputs = [self.augment(x, self.current_epoch) for x in inputs]
        loss = self.loss(self(*inputs), batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(inputs[0]))
        return loss

    def validation_step(self, batch: dict[str, Tensor]) -> None:
        """Log the loss, and the accuracy of classes."""
        outputs = self(*(batch[name] for name in self.inputs))
        self.log("val_loss", self.loss(outputs, batch), batch_size=len(outputs))
        if not self.regression:
            right = (outputs.argmax(1) == batch["label"]).float().mean()
            self.log("val_accuracy", right, batch_size=len(outputs))

    def configure_optimizers(self) -> Any:
        """AdamW, with one cycle of the learning rate over the run."""
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=0.05)
        if self.constant:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learner(task: Task, model: str, **settings: Any) -> Learner:
    """A network for a task, and how it is trained.

    Args:
        task: what is learnt.
        model: ``"vit"`` or ``"cnn"``.
        settings: of the backbone (``norm``), the network (``before``, ``after``) and the :class:`Learner`.
    """
    norm = settings.pop("norm", "batch")
    around = {name: settings.pop(name) for name in ("before", "after") if name in settings}
    net = Net(backbone(model, task.bands, norm=norm), task.outputs, **around)
    return Learner(net, settings.pop("lr", LR[model]), regression=task.regression, **settings)


@lru_cache(4)  # runs that differ in the dose come one after the other
def pretrained(data: str, model: str, seed: int, *, norm: str = "batch") -> dict[str, Tensor]:
    """Weights of the network of :func:`learner` that was trained on a data set; the same for the same arguments."""
    task = make_task(data, seed)
    name = "target" if task.regression else "label"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(10_000 + seed)
        module = learner(task, model, norm=norm)
        optimizer = torch.optim.AdamW(module.parameters(), LR[model], weight_decay=0.05)
        steps = EPOCHS * -(-len(task.train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR[model], total_steps=steps)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(task.train)).split(BATCH):
                optimizer.zero_grad()
                module.loss(module(task.train.image[rows]), {name: task.train.target[rows]}).backward()
                optimizer.step()
                schedule.step()
    return {key: value.detach().clone() for key, value in module.state_dict().items()}
