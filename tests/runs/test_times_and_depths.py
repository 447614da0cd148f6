"""Inputs with an axis of times or depths, and wavelengths that a batch brings along."""

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader
from toys import trainer

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.probes.even_collector import spread_evenly
from lime_callback.views import PerInput, WholeInputs

COUNT, CHANNELS, STEPS, SIZE = 8, 4, 3, 6
SEEN = []  # not in the module, of which all is put back
WEIGHTS = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 2.0, 0], [0, 0, 0.5]])  # of channels and steps


class Series(pl.LightningModule):
    """A weighted sum of the means of channels at steps."""

    def __init__(self, axes):
        super().__init__()
        self.axes = axes.replace("D", "T")

    def forward(self, x):
        SEEN.append(tuple(x.shape[1:]))
        order = [0, *(1 + self.axes.index(axis) for axis in "CTHW")]
        output = (x.permute(order).mean((3, 4)) * WEIGHTS).sum((1, 2))
        return torch.stack([output, -output], 1)

    def validation_step(self, batch, _):
        pass


def _images():
    return torch.randn(COUNT, CHANNELS, STEPS, SIZE, SIZE, generator=torch.Generator().manual_seed(5)) + 1


def _validated(tmp_path, axes, view, *, extra=None, **settings):
    letters = axes.replace("D", "T")
    x = _images().permute(0, *(1 + "CTHW".index(axis) for axis in letters)).contiguous()
    batch = {"image": x, "label": torch.arange(COUNT) % 2, **(extra or {})}
    lime = LimeCallback(
        view, layout=axes, probes=2, target=0, output="raw", baseline="zero", n_perturbations=128, on_error="raise",
        **settings,
    )  # fmt: skip
    SEEN.clear()
    trainer(tmp_path, lime).validate(Series(axes), DataLoader([batch], batch_size=None), verbose=False)
    assert set(SEEN) == {tuple(x.shape[1:])}, "the model gets what it always gets"
    return lime


@pytest.mark.parametrize("axes", ["CTHW", "TCHW", "CDHW", "HWCT"])
def test_steps_are_features_of_their_own(tmp_path, axes):
    lime = _validated(tmp_path, axes, WholeInputs(), pictures=False)

    explanation, kind = lime.explanation("inputs"), "depth" if "D" in axes else "time"
    assert explanation.features.names == tuple(f"{kind} {i}" for i in range(STEPS))
    picked = _images()[spread_evenly(2, COUNT)]
    expected = (picked.mean((3, 4)) * WEIGHTS).sum(1)
    torch.testing.assert_close(explanation.coefficients[:, 0], expected, rtol=1e-3, atol=1e-3)


def test_superbands_and_superpixels_reach_over_all_times(tmp_path):
    views = [Superbands(CHANNELS), Superpixels("grid", n_segments=4)]

    lime = _validated(tmp_path, "TCHW", views, wavelengths=[450.0, 550.0, 650.0, 750.0])

    picked = _images()[spread_evenly(2, COUNT)]
    by_band = (picked.mean((3, 4)) * WEIGHTS).sum(2)
    torch.testing.assert_close(lime.explanation("spectral").coefficients[:, 0], by_band, rtol=1e-3, atol=1e-3)
    halves = picked.unfold(3, 3, 3).unfold(4, 3, 3).sum((5, 6)) / SIZE**2
    by_place = (halves * WEIGHTS[:, :, None, None]).sum((1, 2)).flatten(1)
    torch.testing.assert_close(lime.explanation("spatial").coefficients[:, 0], by_place, rtol=1e-3, atol=1e-3)
    assert list((tmp_path / "lime" / "validate").rglob("*.png")), "they can be drawn"


def test_each_time_may_have_a_view_of_its_own(tmp_path):
    lime = _validated(tmp_path, "CTHW", PerInput({"time 1": Superbands(2)}), pictures=False)

    names = lime.explanation("per_input").features.names
    assert [name for name in names if name.startswith("time 1")] == ["time 1 channels 0-1", "time 1 channels 2-3"]


@pytest.mark.parametrize("shape", [(CHANNELS,), (COUNT, CHANNELS)])
def test_wavelengths_may_come_with_the_batch(tmp_path, shape):
    nm = torch.tensor([450.0, 550.0, 650.0, 750.0]).expand(shape)

    lime = _validated(
        tmp_path, "CTHW", Superbands({"red": (600.0, 700.0)}), wavelengths="nm", extra={"nm": nm}, pictures=False
    )

    red = (_images()[spread_evenly(2, COUNT)].mean((3, 4)) * WEIGHTS)[:, 2].sum(1)
    explanation = lime.explanation("spectral")
    torch.testing.assert_close(
        explanation.coefficients[:, 0, explanation.features.names.index("red")], red, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(
    ("nm", "message"),
    [
        ({}, "`wavelengths = 'nm'` should be the key of a batch entry .* pass the wavelengths themselves"),
        ({"nm": 450 + torch.rand(COUNT, CHANNELS)}, "should be alike in all samples .* or leave `wavelengths` out"),
        ({"nm": torch.rand(COUNT, CHANNELS - 1).sort().values[:1].expand(COUNT, -1) + 450}, "one value for each"),
    ],
)
def test_wavelengths_that_a_batch_lacks_are_told(tmp_path, nm, message):
    with pytest.raises(ValueError, match=message):
        _validated(tmp_path, "CTHW", Superbands(2), wavelengths="nm", extra=nm, pictures=False)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("TDCHW", "should have one axis of times, T, or of depths, D"),
        ("THW", "beside the channels, C, as in 'CTHW'"),
    ],
)
def test_layouts_that_no_step_makes_sense_of_are_refused(layout, message):
    with pytest.raises(ValueError, match=message):
        LimeCallback(layout=layout)


def test_an_input_of_other_axes_is_told_a_layout_with_times(tmp_path):
    lime = LimeCallback(Superpixels("grid"), on_error="raise")
    batch = {"image": _images().transpose(1, 2), "label": torch.arange(COUNT) % 2}

    with pytest.raises(ValueError, match="such as layout='CTHW' with times or layout='CDHW' with depths"):
        trainer(tmp_path, lime).validate(Series("TCHW"), DataLoader([batch], batch_size=None), verbose=False)
