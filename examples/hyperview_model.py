"""A CLIP vision transformer for soil parameters, and weights for it from a file.

Shapes: images ``[B, C, S, S]`` with C = 150 bands; outputs ``[B, 4]`` in the units of the model's scale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from hyperview import BANDS, PARAMETERS
from hyperview_data import Scale
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, R2Score
from transformers import CLIPVisionConfig, CLIPVisionModel

if TYPE_CHECKING:
    from pathlib import Path

SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "image_size": 48,
        "patch_size": 8,
        "hidden_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 192,
    },
    "clip": {},  # ViT-B/32 for images of 224 x 224, transformers' own default
}
_SCALE = ("band_mean", "band_std", "target_mean", "target_std")


class SoilCLIP(pl.LightningModule):
    """``transformers.CLIPVisionModel`` with 150 channels, and a linear layer from its pooled output to four parameters.

    Args:
        size: ``"small"`` trains on two cores, ``"clip"`` is ViT-B/32.
        lr: the highest learning rate of the one-cycle schedule.

    Attributes:
        scale: how images and outputs are related to reflectances and parameters; kept in the checkpoint.
    """

    def __init__(self, size: str = "small", *, lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        config = CLIPVisionConfig(num_channels=BANDS, **SIZES[size])
        self.image_size, self.lr = config.image_size, lr
        self.vision = CLIPVisionModel(config)
        self.head = nn.Linear(config.hidden_size, len(PARAMETERS))
        for name, value in vars(Scale.challenge()).items():
            self.register_buffer(name, value)
        self.r2 = R2Score(multioutput="raw_values")
        self.error = MeanAbsoluteError(num_outputs=len(PARAMETERS))

    @property
    def scale(self) -> Scale:
        """See the class."""
        return Scale(*(getattr(self, name).cpu() for name in _SCALE))

    @scale.setter
    def scale(self, scale: Scale) -> None:
        for name in _SCALE:
            getattr(self, name).copy_(getattr(scale, name))

    def forward(self, image: Tensor) -> Tensor:
        """The four parameters ``[B, 4]`` of images ``[B, C, S, S]``."""
        found: Tensor = self.head(self.vision(pixel_values=image).pooler_output)
        return found

    def training_step(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean squared error of images that are augmented."""
        loss = F.mse_loss(self(augment(batch["image"])), batch["target"])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor]) -> None:
        """R² and mean absolute error of a batch."""
        found = self(batch["image"])
        self.r2.update(found, batch["target"])
        self.error.update(found, batch["target"])

    def on_validation_epoch_end(self) -> None:
        """Log R² of each parameter and of their mean, and the error in each parameter's unit."""
        r2, error = self.r2.compute(), self.error.compute() * self.target_std
        self.r2.reset()
        self.error.reset()
        self.log("val/r2", r2.mean())
        self.log_dict({f"val/r2/{name}": value for name, value in zip(PARAMETERS, r2, strict=True)})
        self.log_dict({f"val/error/{name}": value for name, value in zip(PARAMETERS, error, strict=True)})

    def configure_optimizers(self) -> dict[str, object]:
        """AdamW with one cycle of the learning rate over the whole run."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=0.1)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def augment(image: Tensor) -> Tensor:
    """Turn a batch of images ``[B, C, S, S]``, and hide up to half of the squares and 20 groups of bands of each.

    Hidden is 0, the average field where bands are standardised. So the model meets in training what LIME asks it, and
    looks at all bands that tell.
    """
    batch, channels, side, _ = image.shape
    squares = torch.rand(batch, 1, 6, 6) > 0.5 * torch.rand(batch, 1, 1, 1)
    groups = torch.rand(batch, 20, 1, 1) > 0.5 * torch.rand(batch, 1, 1, 1)
    squares = F.interpolate(squares.to(image), (side, side))  # each pixel that of the nearest square
    image = image * groups[:, torch.arange(channels) * 20 // channels].to(image) * squares
    image = image.flip(2) if torch.rand(()) < 0.5 else image
    return image.rot90(int(torch.randint(4, ())), (2, 3))


@dataclass(frozen=True)
class Loaded:
    """What was found in a checkpoint.

    Attributes:
        matched: names of the model's weights that were loaded.
        missing: names that the file lacks; they keep the values they had.
        unexpected: names in the file that the model has no place for.
        scaled: the file holds the model's scale.
    """

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    scaled: bool

    def __str__(self) -> str:
        lines = [f"{len(self.matched)} weights matched"]
        for what, names in (("missing, left as they were", self.missing), ("unexpected, left out", self.unexpected)):
            shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            lines.append(f"{len(names)} {what}" + (f": {shown}" if names else ""))
        if not self.scaled:
            lines.append("no scale in it: images are only divided by 5419, outputs are shares of 325, 625, 400 and 7.8")
        return "\n".join(lines)


def load_checkpoint(model: SoilCLIP, path: Path) -> Loaded:
    """Load weights into a model, nothing but weights: a Lightning checkpoint, a state dict, or a safetensors file.

    Names are compared without what stands in front of CLIP's own (``vision_model.`` and the like); the head may be
    called ``head`` or ``classifier``, and may be missing. All of the vision transformer has to be there.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read as weights, or they are those of another architecture.
    """
    found = _read_weights(path)
    own = {_plain(name): name for name in model.state_dict()}
    given = {_plain(name): value for name, value in found.items()}
    matched = [name for name in own if name in given]
    wrong = [name for name in matched if given[name].shape != model.state_dict()[own[name]].shape]
    absent = [name for name in own if name not in given and name.startswith("vision.")]
    if wrong or absent:
        first = (
            f"`{wrong[0]}` of shape {tuple(given[wrong[0]].shape)} instead of "
            f"{tuple(model.state_dict()[own[wrong[0]]].shape)}"
            if wrong
            else f"no `{absent[0]}`"
        )
        raise ValueError(
            f"'{path}' should hold weights of the architecture of `--size {model.hparams.size}`. Found {first}: of the "
            f"model's {len(own)} weights {len(matched) - len(wrong)} match, {len(wrong)} have another shape and "
            f"{len(own) - len(matched)} are missing. Try another --size."
        )
    model.load_state_dict({own[name]: given[name] for name in matched}, strict=False)
    return Loaded(
        matched,
        [name for name in own if name not in given and name not in _SCALE],
        [name for name in given if name not in own],
        all(name in given for name in _SCALE),
    )


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"'{path}' should be a checkpoint that loads weights-only. Found one that does not: {reason}"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"'{path}' should hold a state dict, names and tensors. Found a {type(found).__name__}.")
    return found


def _plain(name: str) -> str:
    """A weight's name without the modules around it: ``vision.`` and CLIP's own name, or ``head.weight``."""
    clip = re.fullmatch(r"(?:(?!text).)*?((?:embeddings|pre_layrnorm|encoder|post_layernorm)\..+)", name)
    head = re.fullmatch(r"(?:.+\.)?(?:head|classifier)\.(weight|bias)", name)
    return f"vision.{clip[1]}" if clip else f"head.{head[1]}" if head else name
