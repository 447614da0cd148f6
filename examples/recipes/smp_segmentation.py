"""A model of segmentation_models_pytorch in a LightningModule."""

import lightning.pytorch as pl
import segmentation_models_pytorch as smp
import torch
from made_data import SMALL, loaders, squares
from seen import Seen, regions
from torch import Tensor

from lime_callback import LimeCallback


class Segmenter(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = smp.FPN("resnet18", encoder_weights=None, in_channels=3, classes=3)
        self.loss = smp.losses.DiceLoss("multiclass")

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return self.loss(self(batch["image"]), batch["mask"])

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", self.loss(self(batch["image"]), batch["mask"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


images, _, maps = squares(channels=3, size=32)
lime, seen, module = LimeCallback(probes=4), Seen(), Segmenter()
trainer = pl.Trainer(max_epochs=1, callbacks=[lime, seen], **SMALL)
trainer.fit(module, *loaders(image=images, mask=maps))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: regions(module.eval()(x)))
