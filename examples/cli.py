"""Train the example's vision transformer from a configuration file, with LightningCLI.

    python examples/cli.py fit --config examples/cli.yaml

`cli.yaml` says everything: the model, the data, the trainer, and what is explained. Anything in it can be changed on
the command line, such as `--trainer.max_epochs=3`. The callback's arguments are listed by

    python examples/cli.py fit --trainer.callbacks.help=LimeCallback
"""

from __future__ import annotations

import torch
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from quiet_training import ignore_advice
from scene import IndianPines, PatchViT

from lime_callback import LimeCallback  # imported, so that `LimeCallback` will do where a class path is asked for

__all__ = ["LimeCallback", "PinesCLI"]


class PinesCLI(LightningCLI):
    """Takes the weights of the classes from the data, which a file cannot know."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what the model needs to what the data has, once both the file and the data are read."""
        parser.link_arguments(
            "data", "model.class_weights", compute_fn=IndianPines.class_weights, apply_on="instantiate"
        )


if __name__ == "__main__":
    ignore_advice()
    torch.set_num_threads(1)  # so small a model hardly gains from a second thread, and loses much on a busy machine
    PinesCLI(PatchViT, IndianPines, seed_everything_default=0)
