"""Whole runs on batches as other frameworks make them."""

import warnings
from dataclasses import dataclass

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader
from toys import SHAPE, WAVELENGTHS, Classifier, Samples, Still, fit, loader, trainer

from lime_callback import LimeCallback, Superpixels
from lime_callback.probes.probe_samples import Probes
from lime_callback.training.pinned_probes import _usual_rows


def callback(**settings):
    defaults = {"probes": 4, "n_perturbations": 16, "pictures": False, "on_error": "raise", "background": 4}
    return LimeCallback(Superpixels("grid", n_segments=4), **defaults | settings)


@dataclass
class Boxed:
    """A batch that is no mapping, with a list of something for each sample, as torchgeo's and anomalib's have."""

    image: torch.Tensor
    label: torch.Tensor
    bounds: list


def boxed(items):
    x, y = zip(*items, strict=True)
    return Boxed(torch.stack(x), torch.stack(y), [{"row": i} for i in range(len(x))])


def as_dictionary(items):
    x, y = zip(*items, strict=True)
    return {"image": {"S2": torch.stack(x), "S1": torch.stack(x)[:, :2]}, "label": torch.stack(y), "bounds": list(y)}


def as_lists(items):
    x, y = zip(*items, strict=True)
    return list(x), [{"class": one} for one in y]


@pytest.mark.parametrize(
    ("collate", "unpack", "settings"),
    [
        (boxed, lambda b: (b.image, b.label), {"input_key": "image"}),
        (boxed, lambda b: (b.image, b.label), {"forward": lambda net, b: net(b.image + 0 * len(b.bounds[0]))}),
        (as_dictionary, lambda b: (b["image"]["S2"], b["label"]), {"wavelengths": WAVELENGTHS}),
        (as_dictionary, lambda b: (b["image"]["S2"], b["label"]), {"input_key": "image.S2"}),
        (
            as_lists,
            lambda b: (torch.stack(b[0]), torch.stack([t["class"] for t in b[1]])),
            {"forward": lambda net, b: net(torch.stack(b[0]))},
        ),
    ],
)  # fmt: skip
def test_batches_of_other_frameworks_are_explained(tmp_path, collate, unpack, settings):
    lime = callback(**settings)
    data = DataLoader(Samples(24), 8, collate_fn=collate)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "LimeCallback")
        trainer(tmp_path, lime, epochs=1).fit(Classifier(unpack=unpack), data, data)
    assert lime.explanation("spatial").coefficients.shape[0] == 4
    numbers = lime._validation.probes.inputs.flatten(1)
    assert all(any(torch.equal(one, x.flatten()) for x in Samples(24).x) for one in numbers)


@pytest.mark.parametrize("mode", ["min_size", "max_size", "max_size_cycle"])
def test_combined_loaders_give_all_probes(tmp_path, mode):
    class Both(Classifier):
        def validation_step(self, batch, _):
            pass

    lime = callback()
    both = CombinedLoader([loader(Samples(32), batch_size=8), loader(Samples(16), batch_size=8)], mode)
    pl.seed_everything(0, verbose=False)
    trainer(tmp_path, lime, epochs=1).fit(Both(), loader(), both)
    assert len(lime.explanation("spatial").coefficients) == 4


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32])
@pytest.mark.parametrize("own", [False, True])
def test_cubes_of_integers_are_explained_as_the_model_gets_them(tmp_path, dtype, own):
    seen = set()

    class Scaled(Classifier):
        def forward(self, x):
            seen.add(x.dtype)
            return super().forward(x.float() / 10)

    settings = {"forward": lambda net, batch: net(batch[0])} if own else {}
    lime = callback(**settings, baseline=-3.0)
    data = Samples(16, pack=lambda x, y, i: ((x * 10 + 50).clamp(0, 100).to(dtype), y))
    fit(tmp_path, lime, model=Scaled, data=data, epochs=1)
    assert seen == {dtype}
    assert lime.explanation("spatial").score.mean() > 0.5


def test_images_of_several_sizes_are_told(tmp_path):
    """The largest group is explained, and what is left out is said."""
    sizes = [12, 8, 12, 16, 12, 20, 12, 24]

    class Pooled(Classifier):
        def forward(self, x):
            return self.net(torch.nn.functional.adaptive_avg_pool2d(x, SHAPE[1:]))

    data = Samples(8, pack=lambda x, y, i: (x[:, :1].expand(-1, sizes[i], -1), y))
    lime = callback(probes=8, background=0)
    one = trainer(tmp_path, lime, epochs=1)
    with pytest.warns(UserWarning, match=r"explains 4 of 8 samples, of shape \(6, 12, 12\).*Passed over 4 of other"):
        one.fit(Pooled(), loader(data, batch_size=1), loader(data, batch_size=1))
    assert len(lime.explanation("spatial").coefficients) == 4


@pytest.mark.parametrize(("side", "rows"), [(12, 32), (2048, 2)])
def test_explanations_have_batches_of_their_own_within_memory(side, rows):
    """Validation in batches of one made explanations run row by row."""
    largest = _usual_rows(Probes(torch.empty(1, 2, side, side), None, None, None))
    assert largest == rows


def test_the_size_of_validation_batches_changes_no_explanation(tmp_path):
    sizes, found = [], []
    for size in (1, 16):
        rows = []

        class Counts(Still):
            def forward(self, x, rows=rows):
                rows.append(len(x))
                return super().forward(x)

        lime = callback(probes=[0, 5, 9, 14])
        pl.seed_everything(0, verbose=False)
        trainer(tmp_path, lime, epochs=1).fit(Counts(), loader(Samples(16)), loader(Samples(16), batch_size=size))
        sizes.append(max(rows))
        found.append(lime.explanation("spatial").coefficients)
    assert sizes == [32, 32]
    assert torch.allclose(found[0], found[1], atol=1e-6)
