"""The run of which `of_version_before` holds the files; `python small_run.py`, with that version, made them there."""

import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lime_callback import LimeCallback, Superbands, Superpixels, Watch

CHECKPOINT = "after_two_epochs.ckpt"


class SmallNet(pl.LightningModule):
    """Draws no random numbers while it trains, so that a resumed run is the same as an uninterrupted one."""

    def __init__(self, net=None, lr=1e-2):
        super().__init__()
        self.net = net or nn.Sequential(nn.Flatten(), nn.Linear(4 * 6 * 6, 8), nn.Tanh(), nn.Linear(8, 3))
        self.lr = lr

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


class Save(pl.Callback):
    """Without the paths that `ModelCheckpoint` keeps in its files."""

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            trainer.save_checkpoint(CHECKPOINT)


def samples():
    y = torch.arange(24) % 3
    x = torch.randn(24, 4, 6, 6, generator=torch.Generator().manual_seed(7))
    x[torch.arange(24), y] += 1.0
    return DataLoader(TensorDataset(x, y), batch_size=8)


def small_run(ckpt_path=None, **settings):
    """Three epochs in the working directory, or those that are left of them after a checkpoint."""
    pl.seed_everything(0, verbose=False)
    defaults = {"on_error": "raise", "pictures": False}
    lime = LimeCallback(
        [Superpixels("grid", n_segments=9), Superbands(2)], wavelengths=[450.0, 550.0, 650.0, 750.0], probes=3,
        n_perturbations=48, watch={"first": Watch([0, 1], above=0.9)}, **defaults | settings,
    )  # fmt: skip
    trainer = pl.Trainer(
        max_epochs=3, callbacks=[lime, Save()], default_root_dir=".", accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(SmallNet(), samples(), samples(), ckpt_path=ckpt_path)
    return trainer, lime


if __name__ == "__main__":
    small_run()
