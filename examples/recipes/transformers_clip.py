"""CLIP of transformers, fine-tuned on images and their captions in a LightningModule."""

import lightning.pytorch as pl
import torch
from made_data import SMALL, loaders, squares
from seen import Seen
from torch import Tensor
from transformers import CLIPConfig, CLIPModel
from transformers.utils import ModelOutput

from lime_callback import LimeCallback

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


class Matcher(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        vision = {"image_size": 32, "patch_size": 8, **SIZES}
        text = {"vocab_size": 64, "max_position_embeddings": 8, "bos_token_id": 0, "eos_token_id": 63, **SIZES}
        self.model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))

    def forward(self, pixel_values: Tensor, input_ids: Tensor) -> ModelOutput:
        return self.model(pixel_values=pixel_values, input_ids=input_ids, return_loss=True)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return self(**batch).loss

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", self(**batch).loss)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


# Each image is compared with its own caption, which stays with it while parts of the image are hidden.
lime = LimeCallback(
    probes=4,
    forward=lambda module, batch: module(**batch).logits_per_image.diagonal(),
    class_names=["caption"],
)

images, classes, _ = squares(channels=3, size=32)
words, ends = torch.randint(2, 60, (len(images), 5)), torch.full((len(images), 1), 63)
captions = torch.cat([words, 60 + classes[:, None], ends], 1)
pl.seed_everything(0)
seen, module = Seen(), Matcher()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(module, *loaders(pixel_values=images, input_ids=captions))
print(lime.explanation("spatial"))

similarity = module.eval()(images, captions).logits_per_image.diagonal()
seen.check(lime, "spatial", lambda x: similarity.unsqueeze(1))
