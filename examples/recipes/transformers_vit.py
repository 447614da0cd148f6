"""A vision transformer of transformers in a LightningModule, with patches that are left out instead of replaced."""

import lightning.pytorch as pl
import torch
from made_data import SMALL, loaders, squares
from seen import Seen, centered
from torch import Tensor
from transformers import ViTConfig, ViTForImageClassification
from transformers.utils import ModelOutput

from lime_callback import LimeCallback, Superpixels

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, num_labels=3, **SIZES))

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ModelOutput:
        return self.model(pixel_values=pixel_values, labels=labels)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return self(**batch).loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", self(**batch).loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


images, classes, _ = squares(channels=3, size=32)
lime, seen, module = LimeCallback(Superpixels("tokens"), baseline="absent", probes=4), Seen(), Classifier()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(module, *loaders(pixel_values=images, labels=classes))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: centered(module.eval()(x).logits), classes)
