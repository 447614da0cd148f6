"""Meteors itself beside ``like="meteors"``; no part of the suite, since meteors asks for a numpy below 2.

    pip install --no-deps meteors loguru seaborn pandas && pytest -n 0 tests/explaining/meteors_parity.py

It works with a newer numpy, too, where pip is not asked.
"""

import meteors
import pytest
import torch
from sklearn.metrics import r2_score

from lime_callback import Superbands, Superpixels, explain


def model(x):
    y = 2 * x.mean((2, 3))
    return (4 * y[:, :6] * y[:, -6:].sin()).sum(1, keepdim=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("view", ["spectral", "spatial"])
def test_meteors(view):
    """Its own masks, loop, distance, kernel, baseline and lasso, by its defaults; its score does not weigh the rows."""
    x = torch.rand(1, 12, 8, 8, generator=torch.Generator().manual_seed(0))
    x[:, :, :4] += 1
    features = (Superbands(bands=6) if view == "spectral" else Superpixels("grid", n_segments=4)).features(x)
    ours = explain(model, x, features, like="meteors", n_perturbations=90)

    def rows(*_, **__):
        yield from ours.samples.design[0].long().unsqueeze(1)

    lime = meteors.attr.Lime(meteors.models.ExplainableModel(model, "regression"), perturb_func=rows)
    hsi = meteors.HSI(image=x[0], wavelengths=[400 + 10 * band for band in range(12)])
    mask = features.mask[0].expand(x.shape[1:]).long()
    if view == "spectral":
        names = {str(number): number for number in range(6)}
        found = lime.get_spectral_attributes(hsi, band_mask=mask, band_names=names, target=0, n_samples=90)
    else:
        found = lime.get_spatial_attributes(hsi, segmentation_mask=mask, target=0, n_samples=90)
    assert ours.coefficients.count_nonzero() >= 3
    torch.testing.assert_close(found.attributes, ours.heatmap()[0, 0], atol=1e-4, rtol=0)
    fitted = ours.samples.design[0].float() @ ours.coefficients[0, 0] + ours.intercept[0, 0]
    assert found.score == pytest.approx(r2_score(ours.samples.outputs[0, :, 0], fitted), abs=1e-4)
