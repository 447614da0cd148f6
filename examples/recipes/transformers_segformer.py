"""SegFormer of transformers in a LightningModule; its map of logits has a quarter of the image's pixels a side."""

import lightning.pytorch as pl
import torch
from made_data import SMALL, loaders, squares
from seen import Seen, regions
from torch import Tensor
from transformers import SegformerConfig, SegformerForSemanticSegmentation
from transformers.utils import ModelOutput

from lime_callback import LimeCallback


class Segmenter(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        sizes = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "decoder_hidden_size": 32}
        self.model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=3, **sizes))

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> ModelOutput:
        return self.model(pixel_values=pixel_values, labels=labels)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return self(**batch).loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", self(**batch).loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


images, _, maps = squares(channels=3, size=64)
lime, seen, module = LimeCallback(probes=4), Seen(), Segmenter()
trainer = pl.Trainer(max_epochs=1, callbacks=[lime, seen], **SMALL)
trainer.fit(module, *loaders(pixel_values=images, labels=maps))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: regions(module.eval()(x).logits))
