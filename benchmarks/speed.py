"""Measures the time of an explanation as a multiple of the forward passes that it needs, and compares other packages.

    python benchmarks/speed.py          (about half an hour on two cores; --picture FILE draws it)
    python benchmarks/speed.py --quick  (keeps the code alive; its figures mean little)

The unit is plain forward passes: the model runs on as many rows, in the same batches, and nothing else is done. The
benchmark explains an input of small vision transformers with random weights by superbands (20, or the 3 channels) and
by superpixels, which are the patches that the model embeds. "direct" (`stem="off"`) writes every perturbed input.
"folded" (`stem="auto"`) replaces the first layer by precomputed images of the features. Other packages explain the same
features with as many perturbations in the same batches. This package and lime explain four outputs at once. Captum and
meteors explain an output at a time, so that four outputs cost four calls, of which one is timed. Other packages are not
timed on the deepest model, and not if they are not installed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from timing import Quartiles, parser, ratio, rounds, told
from torch import Tensor, nn

from lime_callback import Explanation, Superbands, Superpixels, explain
from lime_callback.sampling.baselines import resolve_baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lime_callback.views import Features

TARGETS = [0, 1, 2, 3]
METHODS = ("direct", "folded", "captum, 1 target", "captum, 4 targets", "lime, 4 targets", "meteors, 1 target",
           "meteors, 4 targets")  # fmt: skip


class Row(NamedTuple):
    """A model and its input."""

    channels: int
    size: int
    patch: int
    layers: int
    others: bool  # whether other packages are timed

    def __str__(self) -> str:
        return f"{self.channels} x {self.size}², patch {self.patch}, {self.layers} layers"


ROWS = (
    Row(200, 32, 4, 4, True),
    Row(150, 224, 16, 4, True),
    Row(150, 224, 16, 12, False),
    Row(3, 224, 16, 4, True),
)
QUICK = (Row(20, 32, 8, 1, True), Row(3, 32, 8, 1, True))


class ViT(nn.Module):
    """A vision transformer with random weights: a convolution embeds patches of all channels."""

    def __init__(self, channels: int, size: int, patch: int, layers: int, width: int = 192) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, width, patch, patch)
        self.position = nn.Parameter(torch.randn(1, (size // patch) ** 2, width) / 8)
        layer = nn.TransformerEncoderLayer(width, 3, 4 * width, 0.0, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``[m, 10]``."""
        tokens = self.embed(x).flatten(2).mT
        return self.head(self.encoder(tokens + self.position).mean(1))


class Task(NamedTuple):
    """A model, an input and its features, and the amount of work, for every package."""

    model: nn.Module
    x: Tensor
    features: Features
    n: int
    batch: int

    @property
    def mask(self) -> Tensor:
        """Each element's feature, ``[1, C, H, W]``."""
        return self.features.mask.long().expand(self.x.shape)

    @property
    def baseline(self) -> Tensor:
        """This package's baseline, for the packages that take one."""
        return resolve_baseline("mean")(self.x, self.features).expand(self.x.shape)


def main() -> None:
    """Measure the times, print them as ratios, and draw them if asked to."""
    arguments = parser(__doc__, repetitions=3)
    arguments.add_argument("--picture", help="a file for bars of the medians")
    arguments.add_argument("--perturbations", type=int, default=256)
    arguments.add_argument("--batch", type=int, default=16)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    repetitions, n = (1, 32) if args.quick else (args.repetitions, args.perturbations)
    missing = [name for name in ("captum", "lime", "meteors") if not importable(name)]
    print(f"{n} perturbations in batches of {args.batch}, {repetitions} rounds, {args.threads} threads, {args.clock}")
    for name in missing:
        print(f"{name} cannot be imported and is left out")
    print("time as a multiple of plain forward passes of as many rows; median [quartiles]")
    measured: dict[str, dict[str, Quartiles]] = {}
    for row in QUICK if args.quick else ROWS:
        torch.manual_seed(0)
        model = ViT(*row[:4]).eval()
        x = torch.randn(1, row.channels, row.size, row.size)
        for name, features in views(row, x).items():
            task = Task(model, x, features, n, args.batch)
            calls = methods(task, row, name, missing)
            warm = methods(task._replace(n=args.batch), row, name, missing)
            print(f"\n{row}: {name}")
            with quiet() as reasons:
                times = rounds(calls, repetitions, args.clock, warm)
                apart = difference(task)
            ratios = {method: ratio(times[method], times["plain"]) for method in calls if method != "plain"}
            ratios |= {
                method.replace("1 target", "4 targets"): (4 * quartiles[0], 4 * quartiles[1], 4 * quartiles[2])
                for method, quartiles in ratios.items()
                if "1 target" in method
            }
            for method in METHODS:
                if method in ratios:
                    best = "" if "target" not in method else times_ours(ratios[method], ratios)
                    print(f"  {method:<19}{told(ratios[method]):>22}{best}")
            print(
                f"  folded and direct: outputs differ by {apart[0]:.1e} of the largest, coefficients by {apart[1]:.1e}",
                flush=True,
            )
            for reason in sorted(reasons):
                print(f"  {reason}")
            measured[f"{row}: {name}"] = ratios
    if args.picture:
        draw(measured, args.picture, f"{n} perturbations in batches of {args.batch}")


def importable(name: str) -> bool:
    """Return whether a package and its requirements are installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def views(row: Row, x: Tensor) -> dict[str, Features]:
    """Return the features of two views: superbands, and the model's patches."""
    side = row.size // row.patch
    patches = torch.arange(side**2).view(side, side).repeat_interleave(row.patch, 0).repeat_interleave(row.patch, 1)
    bands = Superbands(min(20, row.channels)).features(x)
    return {f"{len(bands)} superbands": bands, f"{side**2} patches": Superpixels(mask=patches).features(x)}


def methods(task: Task, row: Row, view: str, missing: list[str]) -> dict[str, Callable[[], object]]:
    """Return the calls to time, by their names."""
    calls: dict[str, Callable[[], object]] = {
        "plain": partial(plain, task),
        "direct": partial(ours, task, "off"),
        "folded": partial(ours, task, "auto"),
    }
    if not row.others:
        return calls
    if row.channels == 3 and "patches" in view and "lime" not in missing:
        calls["lime, 4 targets"] = by_lime(task)
    if "captum" not in missing:
        calls["captum, 1 target"] = by_captum(task)
    if "meteors" not in missing:
        calls["meteors, 1 target"] = by_meteors(task, spectral="patches" not in view)
    return calls


@torch.no_grad()
def plain(task: Task) -> None:
    """Run the model on as many rows as an explanation has, in the same batches."""
    rows = task.x.expand(task.batch, -1, -1, -1).contiguous()
    for start in range(0, task.n, task.batch):
        task.model(rows[: task.n - start])


def ours(task: Task, stem: str) -> Explanation:
    """Explain four outputs with this package."""
    return explain(task.model, task.x, task.features, TARGETS, n_perturbations=task.n, batch_size=task.batch, stem=stem)


def difference(task: Task) -> tuple[float, float]:
    """Return the largest difference between the folded and the direct path, as a share of the largest value.

    The first share is that of the outputs for the perturbed inputs, the second that of the coefficients.
    """
    direct, folded = (ours(task, stem) for stem in ("off", "auto"))
    assert direct.samples is not None, "they are new"
    assert folded.samples is not None, "they are new"
    return (
        far(direct.samples.outputs, folded.samples.outputs),
        far(direct.coefficients, folded.coefficients),
    )


def far(values: Tensor, other: Tensor) -> float:
    """Return ``max |other - values| / max |values|``."""
    return float((other - values).abs().max() / values.abs().max())


def by_captum(task: Task) -> Callable[[], object]:
    """Return a call of captum's Lime with its defaults, for one output."""
    from captum.attr import Lime

    return partial(
        Lime(task.model).attribute,
        task.x,
        baselines=task.baseline,
        target=TARGETS[0],
        feature_mask=task.mask,
        n_samples=task.n,
        perturbations_per_eval=task.batch,
        show_progress=False,
    )


def by_lime(task: Task) -> Callable[[], object]:
    """Return a call of lime's image explainer with its defaults, for four outputs."""
    from lime.lime_image import LimeImageExplainer

    segments = task.features.mask[0, 0].numpy()
    image = task.x[0].movedim(0, -1).contiguous().numpy()

    @torch.no_grad()
    def classify(images: Any) -> Any:
        return task.model(torch.stack([torch.from_numpy(image).movedim(-1, 0) for image in images])).numpy()

    return partial(
        LimeImageExplainer(random_state=0).explain_instance,
        image,
        classify,
        labels=TARGETS,
        top_labels=None,
        num_samples=task.n,
        batch_size=task.batch,
        segmentation_fn=lambda _: segments,
    )


def by_meteors(task: Task, *, spectral: bool) -> Callable[[], object]:
    """Return a call of meteors' Lime with its defaults, for one output; it takes no other baseline than its own."""
    from meteors import HSI
    from meteors.attr import Lime
    from meteors.models import ExplainableModel, SkLearnLasso

    image = task.x[0]
    cube = HSI(image=image, wavelengths=[400.0 + 10 * band for band in range(len(image))], orientation=("C", "H", "W"))
    lime = Lime(ExplainableModel(task.model, "classification"), SkLearnLasso(alpha=0.01))
    counts = {"target": TARGETS[0], "n_samples": task.n, "perturbations_per_eval": task.batch}
    if not spectral:
        return partial(lime.get_spatial_attributes, cube, task.features.mask[0, 0], **counts)
    names = {name: label for label, name in enumerate(task.features.names)}
    mask = task.features.mask[0].expand(image.shape)
    return partial(lime.get_spectral_attributes, cube, mask, band_names=names, **counts)


@contextlib.contextmanager
def quiet() -> Iterator[set[str]]:
    """Hide warnings and progress bars; yield a set of this package's messages about stems that it does not fold."""
    messages: set[str] = set()
    handler = logging.Handler()
    handler.emit = lambda record: messages.add(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("lime_callback")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def times_ours(quartiles: Quartiles, ratios: dict[str, Quartiles]) -> str:
    """Return as a text how many times as long as the faster of this package's paths."""
    return f"   {quartiles[1] / min(ratios['direct'][1], ratios['folded'][1]):6.1f} times ours"


def draw(measured: dict[str, dict[str, Quartiles]], path: str, about: str) -> None:
    """Draw bars of the medians with their quartiles, in a colour for each method."""
    from matplotlib.figure import Figure

    colours = dict(zip(METHODS, ("#4477aa", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#66ccee", "#bbbbbb"),
                       strict=True))  # fmt: skip
    bars = sum(len(ratios) + 1 for ratios in measured.values())
    figure = Figure(figsize=(9, 1.2 + 0.27 * bars), layout="constrained")
    axes = figure.subplots()
    at, ticks, used = 0.0, [], {}
    for ratios in measured.values():
        first = at
        for method in METHODS:
            if method not in ratios:
                continue
            low, middle, high = ratios[method]
            error = [[middle - low], [high - middle]]
            used[method] = axes.barh(at, middle, 0.85, color=colours[method], xerr=error, ecolor="#555555")
            text = f"{middle:.2f}" if middle < 10 else f"{middle:.0f}"
            paper = {"boxstyle": "square,pad=0.1", "facecolor": "white", "linewidth": 0}  # over the line at 1
            axes.annotate(text, (high, at), (5, 0), textcoords="offset points", va="center", fontsize=8, bbox=paper)
            at += 1
        ticks.append((first + at - 1) / 2)
        at += 1
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(right=axes.get_xlim()[1] * 1.5)
    axes.set_yticks(ticks, [name.replace(": ", "\n") for name in measured], fontsize=9)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("time of an explanation; 1 = plain forward passes of as many rows")
    axes.set_title(about, fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    order = [method for method in METHODS if method in used]
    figure.legend([used[method] for method in order], order, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
