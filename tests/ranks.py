"""Runs trainings in two processes on the CPU, one after the other; started by ``test_ranks.py`` once a process.

Usage: python ranks.py FOLDER STRATEGY KIND ..., with the environment that ``torchrun`` would set. Each kind has its own
folder.
"""

import os
import sys
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from toys import WAVELENGTHS, Classifier, Samples, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels, is_explaining
from lime_callback.forwards.perturbed_inputs import PerturbedInputs
from lime_callback.probes.probe_choices import HighestLoss


class Still(Classifier):
    """Two processes train it as one does, but for rounding."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.forwards = kind, 0
        # What differs between processes: the statistics of their batches, and what dropout draws.
        self.net[1] = self.net[5] = torch.nn.Identity()

    def configure_model(self):
        if isinstance(self.trainer.strategy, ModelParallelStrategy):
            from torch.distributed.fsdp import fully_shard

            mesh = self.device_mesh["data_parallel"]
            for layer in (self.net[0], self.net[6], self):
                fully_shard(layer, mesh=mesh)

    def forward(self, x):
        if is_explaining():
            COUNTS[self.trainer.current_epoch] = COUNTS.get(self.trainer.current_epoch, 0) + 1
            INPUTS[self.trainer.current_epoch] = INPUTS.get(self.trainer.current_epoch, 0) + len(x)
            late = self.trainer.current_epoch == 1 and not self.trainer.sanity_checking
            if late and self.kind == "error" and self.global_rank == 1:
                raise RuntimeError("the second process has a bad day")
            if self.kind == "memory" and self.global_rank == 1 and len(x) > 4:
                raise RuntimeError("CUDA error: out of memory")
        return super().forward(x)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-4)


ROOM = PerturbedInputs._room
COUNTS: dict[int, int] = {}
INPUTS: dict[int, int] = {}
NOW = {"epoch": -1, "rank": 0}  # of the validation that runs


def has_a_bad_day():
    return NOW == {"epoch": 1, "rank": 1}


class Unable(Superpixels):
    """Cannot cut its inputs on the second process's bad day, so that this process makes no forward at all."""

    def cut(self, given):
        if has_a_bad_day():
            raise RuntimeError("the second process has a bad day")
        return super().cut(given)


def unable(inputs):
    """A baseline that fails between the forward of the probes as they are and that of the probes with nothing shown."""
    if has_a_bad_day():
        raise RuntimeError("the second process has a bad day")
    return inputs.mean((2, 3), keepdim=True)


def without_room():
    """On its bad day, the second process has no memory for more than four perturbed inputs: no forward of a batch."""

    def some(self, count):
        if has_a_bad_day() and count > 4:
            raise RuntimeError("CUDA error: out of memory")
        return ROOM(self, count)

    PerturbedInputs._room = some


class Tell(pl.Callback):
    """Writes what each process has seen."""

    def __init__(self, folder, lime):
        self.folder, self.lime, self.values = folder, lime, []

    def on_validation_start(self, one, module):
        NOW.update(epoch=-1 if one.sanity_checking else one.current_epoch, rank=one.global_rank)

    def on_validation_end(self, one, module):
        if not one.sanity_checking:
            names = [name for name in one.callback_metrics if name.startswith("lime/") and "seconds" not in name]
            self.values.append({name: float(one.callback_metrics[name]) for name in names})

    def on_fit_end(self, one, module):
        weights = {
            name: value.full_tensor() if hasattr(value, "full_tensor") else value
            for name, value in module.state_dict().items()
        }
        found = {"weights": weights, "metrics": self.values, "forwards": COUNTS, "inputs": INPUTS}
        if self.lime is not None:
            explained = {name: self.lime.explanation(name) for name in ("spatial", "spectral")}
            found["background"] = self.lime._validation.pinned.background.inputs
            found["losses"] = self.lime._validation.questions._investigation.course.losses
            found["findings"] = [one.as_plain() for one in self.lime.findings()]
            found["numbers"] = self.lime._validation.probes.numbers
            found["coefficients"] = {name: one.coefficients for name, one in explained.items() if one is not None}
        torch.save(found, Path(self.folder) / f"rank{one.global_rank}.pt")


def main(folder, strategy, kind):
    COUNTS.clear()
    INPUTS.clear()
    PerturbedInputs._room = ROOM
    devices = 1 if strategy == "one" else 2
    anew = HighestLoss(5, anew=True)
    probes = {"few": 1, "chosen": anew, "view": anew}.get(kind, 5)
    if kind == "room":
        without_room()
    superpixels = Unable if kind == "view" else Superpixels
    lime = None if kind == "without" else LimeCallback(
        [superpixels("grid", n_segments=4), Superbands(bands=3)], wavelengths=WAVELENGTHS, probes=probes,
        baseline=unable if kind == "baseline" else None,
        n_perturbations=64 if kind == "few" else 24, design="paired", every_n_epochs=1,
        max_batch_size=None if kind == "memory" else 7,
        time_budget=1e-6 if kind == "few" else None, findings="warn" if kind == "findings" else "off",
    )  # fmt: skip
    strategies = {
        "one": "auto",
        "ddp": DDPStrategy(process_group_backend="gloo"),
        "fsdp": ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1, process_group_backend="gloo"),
    }
    pl.seed_everything(0, verbose=False)
    one = trainer(
        folder, *([lime] if lime else []), Tell(folder, lime), devices=devices, strategy=strategies[strategy], epochs=3,
        logger=TensorBoardLogger(folder, version=0),
    )  # fmt: skip
    data, size = Samples(size=46 if kind == "ragged" else 48), 16 if strategy == "one" else 8
    one.fit(Still(kind), loader(data, batch_size=size), loader(data, batch_size=size))


def speak_into(path):
    """Let all that this process says from now on go into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)


if __name__ == "__main__":
    torch.set_num_threads(1)
    where, how, *kinds = sys.argv[1:]
    for one_kind in kinds:
        own = Path(where) / one_kind
        own.mkdir(exist_ok=True)
        speak_into(own / f"said{os.environ.get('RANK', 0)}.txt")
        main(str(own), how, one_kind)
    if how != "one":
        # Lightning leaves the group be, and a process that ends with it may be aborted by one of gloo's threads.
        torch.distributed.destroy_process_group()
