"""A random forest and an SVM of scikit-learn on handwritten digits, explained without a neural network.

    python examples/digits.py          (some ten seconds; writes runs/digits.png)
    python examples/digits.py --fast   (a smaller forest, fewer perturbations)

A digit is explained in three forms. As a vector, each of its 64 pixels is a feature, which is hidden by the pixel's
mean over the training data. Discretised, a feature is that the pixel lies in its quarter of the training data, and it
is hidden by the median of those that lie in another. As an image, patches of 2 x 2 pixels are features, as superpixels
are. Two digits are shown: one that both models get right, and one that the forest gets wrong, with what speaks for the
class that it predicted and what for the true one.

The SVM is explained by its decision values, and by the probabilities that a calibration makes of them. These saturate,
so that a linear surrogate fits them worse: see the R².
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from torch import Tensor

from lime_callback import Explanation, Features, Superpixels, explain
from lime_callback.figures import Panel, Tile, composite, render, tiles
from lime_callback.outputs import SklearnForward

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 8
SHOWN = ("forest, vector", "forest, discretised", "forest, image", "SVM, vector", "SVM, image")


def main(arguments: list[str] | None = None) -> None:
    """Fit both models, explain two digits in each form, print the scores and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fast", action="store_true", help="a smaller forest, fewer perturbations")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder for the picture (default: runs)")
    args = parser.parse_args(arguments)
    started = time.perf_counter()
    data = load_digits()
    train, test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.3, stratify=data.target, random_state=args.seed
    )
    forest = RandomForestClassifier(30 if args.fast else 200, random_state=args.seed).fit(train, y_train)
    # One SVM a class: the decision values of a single one count won pairs of classes, and so they jump.
    svm = OneVsRestClassifier(SVC(gamma=0.001)).fit(train, y_train)
    probable = CalibratedClassifierCV(svm, ensemble=False, cv=3).fit(train, y_train)
    models = {"forest": forest, "SVM": svm, "calibrated SVM": probable}
    for name, model in models.items():
        print(f"{name}: accuracy {model.score(test, y_test):.3f} on {len(test)} digits", flush=True)

    cases = choose(forest, svm, test, y_test)
    inputs = torch.from_numpy(np.stack([case.digit for case in cases]))
    targets = torch.tensor([case.target for case in cases])
    print("\nR² of the surrogates, of " + ", ".join(f"{case.title!r}" for case in cases))
    found = {}
    for name, model in models.items():
        for form, (x, features, hidden) in forms(inputs, train).items():
            explanation = explain(
                SklearnForward(model),
                x,
                features,
                targets,
                n_perturbations=256 if args.fast else 1024,
                baseline=hidden,
                batch_size=1024,
            )
            found[f"{name}, {form}"] = explanation
            scores = "  ".join(f"{float(score):.2f}" for score in explanation.score[:, 0])
            print(f"{name + ', ' + form:27} {scores}   {time.perf_counter() - started:4.1f} s", flush=True)

    print(f"\nThe forest takes the {y_test[cases[1].index]} for a {cases[1].target}:")
    for case, top in zip(cases[1:], found["forest, discretised"].top(4)[1:], strict=True):
        print(f"  output {case.target}: " + ", ".join(f"{feature} {value:+.3f}" for feature, value in top[0]))
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "digits.png"
    Image.fromarray(render(draw(cases, inputs, found))).save(path, optimize=True)
    print(f"\n{path}, after {time.perf_counter() - started:.1f} s")


class Case(NamedTuple):
    """A digit, and the class whose output is explained."""

    index: int
    digit: np.ndarray
    target: int
    title: str


def choose(forest: RandomForestClassifier, svm: OneVsRestClassifier, test: np.ndarray, truth: np.ndarray) -> list[Case]:
    """The digit that the forest is surest of, and of those that it gets wrong the one that it is surest of."""
    probability = forest.predict_proba(test)
    predicted, sure = probability.argmax(1), probability.max(1)
    right = int(np.argmax(np.where((predicted == truth) & (svm.predict(test) == truth), sure, -1)))
    wrong = int(np.argmax(np.where(predicted != truth, sure, -1)))
    taken, true = int(predicted[wrong]), int(truth[wrong])
    return [
        Case(right, test[right], int(truth[right]), f"a {truth[right]}"),
        Case(wrong, test[wrong], taken, f"{true} taken for {taken}: why {taken}?"),
        Case(wrong, test[wrong], true, f"{true} taken for {taken}: why {true}?"),
    ]


def forms(inputs: Tensor, train: np.ndarray) -> dict[str, tuple[Tensor, Features, Tensor]]:
    """Inputs, features and what hidden elements become, by the name of the form.

    Args:
        inputs: ``[B, 64]``.
        train: training data, ``[N, 64]``.
    """
    mean = torch.from_numpy(train.mean(0))
    pixels = torch.arange(SIDE * SIDE)[None]
    places = [f"pixel {row},{column}" for row in range(SIDE) for column in range(SIDE)]
    images = inputs.view(-1, 1, SIDE, SIDE)
    return {
        "vector": (inputs, Features(pixels, tuple(places), "C"), mean),
        "discretised": (inputs, Features(pixels, tuple(places), "C"), other_quarters(inputs, train)),
        "image": (images, Superpixels("grid", 16).features(images), mean.view(1, SIDE, SIDE)),
    }


def other_quarters(inputs: Tensor, train: np.ndarray) -> Tensor:
    """For each element the median of the training data that lie in another quarter than it does, ``[B, 64]``.

    One of these data, where a mean may lie in the element's own quarter.
    """
    edges = np.quantile(train, [0.25, 0.5, 0.75], axis=0)
    own, theirs = ((values[:, None] > edges).sum(1) for values in (inputs.numpy(), train))
    hidden = inputs.clone()  # where all training data are in one quarter, there is nothing to hide the pixel by
    for b, pixel in np.ndindex(*own.shape):
        other = train[theirs[:, pixel] != own[b, pixel], pixel]
        if len(other):
            hidden[b, pixel] = float(np.quantile(other, 0.5, method="lower"))
    return hidden


def draw(cases: list[Case], inputs: Tensor, found: dict[str, Explanation]) -> Figure:
    """A row for each case, a column for each form; effects are shares of the attribution, so that scales agree."""
    images = composite(-inputs.view(-1, 1, SIDE, SIDE))  # ink is dark on paper
    rows: list[tuple[str, list[Tile | Panel]]] = []
    for b, case in enumerate(cases):
        row: list[Tile | Panel] = [Tile(images[b], case.title)]
        for name in SHOWN:
            explanation = found[name]
            heat = explanation.on_elements(explanation.effects)[b, 0]
            output, score = float(explanation.prediction[b, 0]), float(explanation.score[b, 0])
            segments = explanation.features.mask.reshape(SIDE, SIDE).numpy()
            note = f"output {output:.2f}, R² {score:.2f}".replace("-", "\N{MINUS SIGN}")
            row.append(Panel(images[b], heat.reshape(SIDE, SIDE).numpy(), segments, name, note))
        rows.append(("", row))
    caption, quantity = "What speaks for a digit, and what against it", "effect (share of the attribution)"
    return tiles(rows, limit=0.4, caption=caption, quantity=quantity)


if __name__ == "__main__":
    main()
