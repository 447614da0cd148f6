"""Measures how far the reported drift is from the true one, with fresh and with pinned perturbations.

    python benchmarks/drift.py          (about six minutes on two cores)
    python benchmarks/drift.py --quick  (keeps the code alive; its figures mean little)

The benchmark trains the main example's vision transformer on Indian Pines and keeps it after each of the last five
epochs. Many perturbations, the same for both epochs, give the true drift of a pair of epochs. Then few perturbations
give the drift in two ways: "fresh" draws new rows at each epoch and takes the plain cosine distance; "ours" is the
callback's way, with a pinned design and without the bias of noise. The table shows the root mean square error over
pairs of epochs and repetitions, for the mean over the probes, which a callback reports, and for single probes.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from quiet_training import make_trainer
from scene import IndianPines, PatchViT, wavelengths

from lime_callback import Explanation, Features, Superbands, explain
from lime_callback.comparing import compare
from lime_callback.sampling.seeds import seed_for

OUTPUTS = ("raw", "softmax")


def main() -> None:
    """Train the model, measure the drifts, print their errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--reference", type=int, default=20_480, help="perturbations of the truth")
    parser.add_argument("--augmented", action="store_true", help="train as the main example does")
    parser.add_argument("--design", default="orthogonal", help="of the pinned perturbations (default: orthogonal)")
    args = parser.parse_args()
    sizes = (64, 128) if args.quick else (64, 128, 256)
    epochs, reference, repetitions = (2, 512, 1) if args.quick else (14, args.reference, 5)
    kept, count = (2, 2) if args.quick else (5, 8)
    models, probes, targets = trained(epochs, kept, count, augmented=args.augmented)
    print(f"{len(models) - 1} pairs of neighbouring epochs, {len(probes)} probes, {repetitions} repetitions")
    exact = explanations(models, probes, targets, reference, "orthogonal", 0)
    true = drifts(exact)
    score = torch.stack([explanation.score for explanation in exact]).mean((0, 1)).tolist()
    print(f"truth: {reference} perturbations, R² {score[0]:.2f} of the logit and {score[1]:.2f} of the probability\n")
    print(f"{'':21}  reported: mean of the probes     each probe")
    print(
        f"{'output':<8}{'n':>5}{'true':>8}  {'fresh':>8}{'ours':>8}{'ratio':>7}     {'fresh':>8}{'ours':>8}{'ratio':>7}"
    )
    for n in sizes:
        errors: dict[str, list[Tensor]] = {"fresh": [], "ours": []}
        for repetition in range(1, repetitions + 1):
            anew = explanations(models, probes, targets, n, "bernoulli", repetition, pinned=False)
            same = explanations(models, probes, targets, n, args.design, repetition)
            errors["fresh"].append(cosines(anew) - true)
            errors["ours"].append(drifts(same) - true)
        for i, output in enumerate(OUTPUTS):
            single = {name: rms(torch.stack(repeated)[..., i]) for name, repeated in errors.items()}
            mean = {name: rms(torch.stack(repeated)[..., i].mean(2)) for name, repeated in errors.items()}
            print(
                f"{output:<8}{n:>5}{true[..., i].mean():8.3f}  "
                f"{mean['fresh']:8.4f}{mean['ours']:8.4f}{mean['fresh'] / mean['ours']:7.1f}     "
                f"{single['fresh']:8.4f}{single['ours']:8.4f}{single['fresh'] / single['ours']:7.1f}",
                flush=True,
            )


class PlainViT(PatchViT):
    """The main example's transformer without its augmentation, which makes a model more additive than most are."""

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the cross-entropy."""
        image, label = batch
        return torch.nn.functional.cross_entropy(self(image), label)


class Keep(pl.Callback):
    """Keeps a copy of the model after each epoch."""

    def __init__(self) -> None:
        self.models: list[PatchViT] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy the model."""
        twin = PatchViT(pl_module.class_weights)
        twin.load_state_dict(pl_module.state_dict())
        self.models.append(twin.eval())


def trained(epochs: int, kept: int, count: int, *, augmented: bool) -> tuple[list[PatchViT], Tensor, Tensor]:
    """Return the models of the last epochs, validation patches, and the classes that the first model predicts."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    pl.seed_everything(0, workers=True, verbose=False)
    data, keep = IndianPines(), Keep()
    trainer = make_trainer(epochs, False, keep)
    trainer.fit((PatchViT if augmented else PlainViT)(data.class_weights()), datamodule=data)
    probes = torch.stack([data.val[i * len(data.val) // count][0] for i in range(count)])
    models = keep.models[-kept:]
    with torch.no_grad():
        return models, probes, models[0](probes).argmax(1)


def explanations(
    models: list[PatchViT], probes: Tensor, targets: Tensor, n: int, design: str, seed: int, *, pinned: bool = True
) -> list[Explanation]:
    """Explain logit and probability of all probes for each model."""
    features = Superbands(20).features(probes, wavelengths=wavelengths())
    return [
        both_outputs(
            model, probes, features, targets, n, design,
            [seed_for(seed, probe, "" if pinned else epoch) for probe in range(len(probes))],
        )
        for epoch, model in enumerate(models)
    ]  # fmt: skip


def both_outputs(
    model: torch.nn.Module, probes: Tensor, features: Features, targets: Tensor, n: int, design: str, seeds: list[int]
) -> Explanation:
    """Explain logit and probability of the targets with the same forwards."""
    return explain(
        model,
        probes,
        features,
        torch.stack([targets, targets + 16], 1),
        n_perturbations=n,
        design=design,
        output=lambda y: torch.cat([y, y.softmax(-1)], 1),
        batch_size=256,
        seed=seeds,
    )


def drifts(explained: list[Explanation]) -> Tensor:
    """Return the drift between neighbours as the callback reports it, [pairs, probes, outputs]."""
    return torch.stack([compare(a, b).drift for a, b in pairwise(explained)])


def cosines(explained: list[Explanation]) -> Tensor:
    """Return the plain cosine distance between neighbours, with its bias, [pairs, probes, outputs]."""
    return torch.stack([compare(a, b).cosine for a, b in pairwise(explained)])


def rms(errors: Tensor) -> float:
    """Return the root mean square."""
    return float(errors.double().square().mean().sqrt())


if __name__ == "__main__":
    main()
