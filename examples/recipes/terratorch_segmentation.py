"""terratorch's task for semantic segmentation, from a file for LightningCLI: terratorch_segmentation.yaml."""

from pathlib import Path

from seen import Seen, regions
from terratorch.cli_tools import build_lightning_cli

from lime_callback import LimeCallback

# As `terratorch fit --config terratorch_segmentation.yaml` does, with a callback more to see what the model got.
config = Path(__file__).with_suffix(".yaml")
cli = build_lightning_cli(["fit", "--config", str(config), "--trainer.callbacks+=seen.Seen"])
lime = next(one for one in cli.trainer.callbacks if isinstance(one, LimeCallback))
seen = next(one for one in cli.trainer.callbacks if isinstance(one, Seen))
print(lime.explanation("spectral"))

for view in ("spatial", "spectral"):
    seen.check(lime, view, lambda x: regions(cli.model.eval()(x).output))
