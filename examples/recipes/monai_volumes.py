"""A network of MONAI on volumes, in a LightningModule, with MONAI's transforms and loader."""

import lightning.pytorch as pl
import torch
from made_data import SMALL, squares
from monai.data import DataLoader, Dataset
from monai.networks.nets import DenseNet
from monai.transforms import Compose, EnsureTyped, ScaleIntensityd
from seen import Seen, centered
from torch import Tensor, nn

from lime_callback import LimeCallback


class Classifier(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.model = DenseNet(spatial_dims=3, in_channels=1, out_channels=3, init_features=8, block_config=(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch["image"]), batch["label"])

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch["image"]), batch["label"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 1e-3)


lime = LimeCallback(layout="CDHW", probes=4)

images, classes, _ = squares(channels=16, size=24)
volumes = [{"image": image[None], "label": int(label)} for image, label in zip(images, classes, strict=True)]
data = Dataset(volumes, Compose([EnsureTyped("image"), ScaleIntensityd("image")]))
seen, module = Seen(), Classifier()
trainer = pl.Trainer(max_epochs=2, callbacks=[lime, seen], **SMALL)
trainer.fit(module, DataLoader(data, batch_size=8, shuffle=True), DataLoader(data, batch_size=8))
print(lime.explanation("spatial"))

seen.check(lime, "spatial", lambda x: centered(module.eval()(x)), classes, shape=(16, 24, 24))
