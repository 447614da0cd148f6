"""The same explanation by this package and by others: a model, what is explained of it, and the calls that do it.

Other packages explain as they come, but for the features, the number of perturbations and the batches, which are those
of ours; captum also hides by the same baseline.
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
from torch import Tensor, nn

from lime_callback import Explanation, Superbands, Superpixels, explain
from lime_callback.sampling.baselines import resolve_baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lime_callback.views import Features

TARGETS = [0, 1, 2, 3]


class Row(NamedTuple):
    """A model and its input."""

    channels: int
    size: int
    patch: int
    layers: int
    others: bool  # whether other packages are timed

    def __str__(self) -> str:
        return f"{self.channels} x {self.size}², patch {self.patch}, {self.layers} layers"


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
    if "patches" in view:
        calls["absent"] = partial(ours, task, baseline="absent")
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


def ours(task: Task, stem: str = "auto", baseline: str = "mean") -> Explanation:
    """Explain four outputs with this package."""
    return explain(
        task.model,
        task.x,
        task.features,
        TARGETS,
        n_perturbations=task.n,
        baseline=baseline,
        batch_size=task.batch,
        stem=stem,
    )


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
        return task.model(torch.stack([torch.from_numpy(one).movedim(-1, 0) for one in images])).numpy()

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
    told: set[str] = set()
    handler = logging.Handler()
    handler.emit = lambda record: told.add(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("lime_callback")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield told
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
