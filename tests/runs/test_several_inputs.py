"""Models with several inputs in a run: both are perturbed, each gets its own tensor, one surrogate compares them."""

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.views import PerInput


class Scenes(Dataset):
    """A spectrum image of six bands, and heights of another resolution, as `pack` says."""

    def __init__(self, pack):
        self.pack = pack

    def __len__(self):
        return 16

    def __getitem__(self, i):
        generator = torch.Generator().manual_seed(i)
        hsi = torch.randn(6, 8, 8, generator=generator)
        lidar = torch.randint(0, 200, (1, 4, 4), generator=generator, dtype=torch.uint8)
        return self.pack(hsi, lidar, i % 2)


class Fusion(pl.LightningModule):
    """Linear in both inputs: 2 x the first two bands' mean, and a hundredth of the heights of the upper half."""

    def __init__(self, unpack):
        super().__init__()
        self.unpack, self.weight = unpack, nn.Parameter(torch.zeros(1))
        self.seen = set()

    def forward(self, hsi, lidar):
        self.seen.add((hsi.shape[1:], hsi.dtype, lidar.shape[1:], lidar.dtype))
        heights = lidar.float()[:, :, :2].mean((1, 2, 3))
        output = 2 * hsi[:, :2].mean((1, 2, 3)) + heights / 100 + 0 * self.weight
        return torch.stack([output, -output], 1)

    def training_step(self, batch, _):
        return self(*self.unpack(batch)).sum() * 0 + self.weight.sum()

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


BATCHES = {
    "named": (
        lambda hsi, lidar, y: {"hsi": hsi, "lidar": lidar, "label": y},
        lambda batch: (batch["hsi"], batch["lidar"]),
        ["hsi", "lidar"],
    ),
    "in a tuple": (lambda hsi, lidar, y: (hsi, lidar, y), lambda batch: batch[:2], [0, 1]),
    "by paths": (
        lambda hsi, lidar, y: {"image": {"S2": hsi, "S1": lidar}, "y": y},
        lambda batch: (batch["image"]["S2"], batch["image"]["S1"]),
        ["image.S2", "image.S1"],
    ),
}


def _fit(tmp_path, model, pack, **settings):
    trainer = pl.Trainer(
        max_epochs=1, default_root_dir=tmp_path, logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[lime := LimeCallback(probes=[2, 8, 13], on_error="raise", pictures=False, target=0, **settings)],
    )  # fmt: skip
    loader = DataLoader(Scenes(pack), 8)
    trainer.fit(model, loader, loader)
    return lime


@pytest.mark.parametrize("kind", BATCHES)
def test_inputs_of_one_model_are_explained_together_and_exactly(tmp_path, kind):
    pack, unpack, keys = BATCHES[kind]
    model = Fusion(unpack)
    view = PerInput({keys[0]: Superbands(3), keys[1]: Superpixels("grid", n_segments=4)})

    lime = _fit(tmp_path, model, pack, views=view, input_key=keys, baseline="zero", output="raw", n_perturbations=128)

    explanation = lime.explanation("per_input")
    scenes = [Scenes(lambda *x: x)[i] for i in (2, 8, 13)]
    effects = torch.tensor(
        [
            [2 * float(hsi[:2].mean()), 0, 0]
            + [float(lidar[:, r : r + 2, c : c + 2].float().sum()) / 800 * (r == 0) for r in (0, 2) for c in (0, 2)]
            for hsi, lidar, _ in scenes
        ]
    )
    torch.testing.assert_close(explanation.coefficients[:, 0].float(), effects, rtol=1e-3, atol=1e-3)
    # The model got what it gets in training, integers as integers.
    assert model.seen == {(torch.Size([6, 8, 8]), torch.float32, torch.Size([1, 4, 4]), torch.uint8)}


def test_without_views_each_input_counts_as_a_whole_too(tmp_path):
    pack, unpack, keys = BATCHES["named"]

    lime = _fit(tmp_path, Fusion(unpack), pack, input_key=keys, n_perturbations=64)

    assert lime.explanation("inputs").features.names == ("hsi", "lidar")
    assert lime.reliance("inputs").names == ("hsi", "lidar")
    assert {name.split()[0] for name in lime.explanation("per_input").features.names} == {"hsi", "lidar"}


def test_a_forward_of_ones_own_gets_the_batch_with_both_perturbed(tmp_path):
    pack, unpack, keys = BATCHES["named"]
    perturbed = []

    def forward(module, batch):
        perturbed.append((len(batch["hsi"]), len(batch["lidar"]), len(batch["label"])))
        return module(batch["hsi"], batch["lidar"])

    own = _fit(tmp_path / "own", Fusion(unpack), pack, input_key=keys, forward=forward, n_perturbations=64)
    usual = _fit(tmp_path / "usual", Fusion(unpack), pack, input_key=keys, n_perturbations=64)

    assert all(len(set(sizes)) == 1 for sizes in perturbed)
    torch.testing.assert_close(own.explanation("inputs").coefficients, usual.explanation("inputs").coefficients)


def test_an_input_that_is_not_there_is_named(tmp_path):
    pack, unpack, _ = BATCHES["named"]

    with pytest.raises(ValueError, match=r"`input_key` should name .* Found `input_key = 'radar'` .*'hsi'"):
        _fit(tmp_path, Fusion(unpack), pack, input_key=["hsi", "radar"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_key": ["hsi"]}, "at least two different inputs where it is a list"),
        ({"input_key": ["hsi", "hsi"]}, "at least two different inputs where it is a list"),
        ({"input_key": ["hsi", "lidar"], "wavelengths": [450.0, 550.0]}, "give them to that input's view: `views=Per"),
    ],
)
def test_wrong_keys_of_several_inputs_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LimeCallback(**settings)
