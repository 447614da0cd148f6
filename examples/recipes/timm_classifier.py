"""A model of timm in a LightningModule."""

import lightning.pytorch as pl
import timm
import torch
from made_data import SMALL, loaders, squares
from seen import Seen, centered
from torch import Tensor, nn

from lime_callback import LimeCallback


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = timm.create_model(
            "vit_tiny_patch16_224", num_classes=3, img_size=32, patch_size=8, depth=2, pretrained=False
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch["image"]), batch["label"])

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch["image"]), batch["label"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


images, classes, _ = squares(channels=3, size=32)
lime, seen, module = LimeCallback(probes=4), Seen(), Classifier()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(module, *loaders(image=images, label=classes))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: centered(module.eval()(x)), classes)
