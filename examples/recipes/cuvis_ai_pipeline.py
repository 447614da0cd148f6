"""A pipeline of cuvis.ai that segments hyperspectral cubes, trained by its GradientTrainer."""

from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from cuvis_ai.node.data import CU3SDataNode
from cuvis_ai.node.losses import CrossEntropyLoss
from cuvis_ai_core.node import Node
from cuvis_ai_core.pipeline.pipeline import CuvisPipeline
from cuvis_ai_core.training import GradientTrainer, TrainingConfig
from cuvis_ai_schemas.pipeline import PortSpec
from made_data import loaders, squares
from seen import Seen, regions
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lime_callback import LimeCallback, Superbands, Superpixels


class Segmenter(Node):
    INPUT_SPECS: ClassVar = {"cube": PortSpec(dtype=torch.float32, shape=(-1, -1, -1, -1))}  # [B, H, W, C]
    OUTPUT_SPECS: ClassVar = {"logits": PortSpec(dtype=torch.float32, shape=(-1, -1, -1, -1))}  # [B, H, W, K]

    def __init__(self, channels: int, classes: int, **settings: str) -> None:
        super().__init__(channels=channels, classes=classes, **settings)
        self.net = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, 16), nn.ReLU(), nn.Linear(16, classes))

    def forward(self, cube: Tensor, **_: object) -> dict[str, Tensor]:
        return {"logits": self.net(cube)}


data, segmenter, loss = CU3SDataNode(), Segmenter(61, 3, name="segmenter"), CrossEntropyLoss(name="loss")
pipeline = CuvisPipeline("segmentation")
pipeline.connect(
    (data.outputs.cube, segmenter.cube), (segmenter.logits, loss.logits), (data.outputs.mask, loss.targets)
)

# A GradientTrainer has no forward of its own: it runs its pipeline on a batch, and so does the callback.
lime = LimeCallback(
    [Superpixels(), Superbands(10)],
    layout="HWC",
    wavelengths="wavelengths",
    probes=4,
    forward=lambda trainer, batch: trainer.pipeline.forward(batch=batch)["segmenter", "logits"],
)


class Cubes(pl.LightningDataModule):
    def setup(self, stage: str | None = None) -> None:
        images, _, maps = squares(channels=61, size=24)
        cubes = (images.permute(0, 2, 3, 1) * 1000 + 8000).to(torch.uint16)
        nm = torch.arange(450, 1060, 10, dtype=torch.int32).expand(len(cubes), -1)
        self.loaders = loaders(cube=cubes, mask=maps.int(), wavelengths=nm)

    def train_dataloader(self) -> DataLoader[Any]:
        return self.loaders[0]

    def val_dataloader(self) -> DataLoader[Any]:
        return self.loaders[1]


seen = Seen(part=lambda trainer: segmenter.net)
settings = TrainingConfig(max_epochs=1, accelerator="cpu", enable_progress_bar=False, log_every_n_steps=1)
GradientTrainer(pipeline, Cubes(), [loss], callbacks=[lime, seen], training_config=settings).fit()
print(lime.explanation("spectral"))

for view in ("spatial", "spectral"):
    seen.check(lime, view, lambda x: regions(segmenter.eval()(cube=x)["logits"].movedim(-1, 1)))
