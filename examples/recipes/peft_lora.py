"""LoRA of peft on a vision transformer of transformers, in a LightningModule."""

import lightning.pytorch as pl
import torch
from made_data import SMALL, loaders, squares
from peft import LoraConfig, get_peft_model
from seen import Seen, centered
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

from lime_callback import LimeCallback

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


class FineTuned(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        vit = ViTForImageClassification(ViTConfig(image_size=32, patch_size=8, num_labels=3, **SIZES))
        lora = LoraConfig(r=4, target_modules="all-linear", modules_to_save=["classifier"])
        self.model = get_peft_model(vit, lora)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(pixel_values=x).logits

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch["image"]), batch["label"])

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch["image"]), batch["label"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW((p for p in self.parameters() if p.requires_grad), 1e-3)


images, classes, _ = squares(channels=3, size=32)
lime, seen, module = LimeCallback(probes=4), Seen(), FineTuned()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(module, *loaders(image=images, label=classes))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: centered(module.eval()(x)), classes)
