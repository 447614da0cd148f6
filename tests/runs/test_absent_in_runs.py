"""``LimeCallback(baseline="absent")``: tokens are left out of a model that trains, or the run says why not."""

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from toys import WAVELENGTHS, Classifier, trainer
from traits import batches, limes

from lime_callback import Superbands, Superpixels
from lime_callback.explaining.strategies import Strategies
from lime_callback.sampling import Absent
from lime_callback.sampling.default_baseline import DefaultBaseline


class Patched(Classifier):
    """A vision transformer of nine patches with a class token."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True)
        self.embed, self.position = nn.Conv2d(6, 8, 4, 4), nn.Parameter(torch.randn(10, 8))
        self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

    def forward(self, x, keep=slice(None)):
        tokens = torch.cat([torch.zeros(len(x), 1, 8), self.embed(x).flatten(2).mT], 1) + self.position
        return self.head(self.encoder(tokens[:, keep])[:, 0])


def explained(folder, model, *, precision=None, **settings):
    lime = limes(n_perturbations=128, **settings)
    pl.seed_everything(0, verbose=False)
    model = model()
    trainer(folder, lime, precision=precision).fit(model, batches(), batches())
    return lime, model.eval()


def test_each_row_is_the_model_on_the_tokens_that_are_left(tmp_path):
    how = {"views": Superpixels("tokens"), "output": "raw", "probes": [2]}
    lime, model = explained(tmp_path, Patched, baseline="absent", **how)
    found = lime.explanation("spatial")
    assert found.strategies[1] == repr(Absent())
    assert len(found.features) == 9
    probe = torch.cat([x for x, _ in batches()])[2:3]
    with torch.no_grad():
        whole = model(probe)
        target = int(found.targets[0, 0])
        for on, output in zip(found.samples.design[0], found.samples.outputs[0], strict=True):
            keep = torch.cat([torch.zeros(1).long(), 1 + on.nonzero().flatten()])
            torch.testing.assert_close(model(probe, keep)[0, target], output[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(whole[0, target], found.prediction[0, 0], rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:LimeCallback")
def test_views_and_models_that_cannot_say_why_and_hide_as_before(tmp_path):
    views = [Superpixels("tokens"), Superbands(bands=3)]
    with pytest.warns(
        UserWarning, match="'spectral' hides by values.*100% of the model's patches hold several"
    ) as told:
        lime, _ = explained(tmp_path / "patched", Patched, baseline="absent", views=views)
    assert sum("hides by values" in str(one.message) for one in told) == 1  # and once a run
    assert lime.explanation("spatial").strategies[1] == repr(Absent())
    assert lime.explanation("spectral").strategies[1] == Strategies(baseline=DefaultBaseline()).texts[1]
    with pytest.warns(UserWarning, match="'spatial' hides by values.*no row of blocks"):
        other, _ = explained(tmp_path / "other", Classifier, baseline="absent")
    usual, _ = explained(tmp_path / "usual", Classifier)
    for view in ("spatial", "spectral"):
        assert torch.equal(other.explanation(view).coefficients, usual.explanation(view).coefficients)


def test_under_autocast_the_rows_run_as_validation_does(tmp_path):
    """In bf16-mixed each row is the model under autocast on the tokens that are left; its rounding is bf16's."""
    how = {"views": Superpixels("tokens"), "output": "raw", "probes": [2], "precision": "bf16-mixed"}
    lime, model = explained(tmp_path, Patched, baseline="absent", **how)
    found = lime.explanation("spatial")
    assert found.strategies[1] == repr(Absent())
    assert found.samples.outputs.dtype in (torch.float32, torch.float64)
    probe, target = torch.cat([x for x, _ in batches()])[2:3], int(found.targets[0, 0])
    rows, exact = [], []
    with torch.no_grad():
        for on in found.samples.design[0]:
            keep = torch.cat([torch.zeros(1).long(), 1 + on.nonzero().flatten()])
            exact.append(model(probe, keep)[0, target])
            with torch.autocast("cpu", torch.bfloat16):
                rows.append(model(probe, keep)[0, target].float())
    step = 2**-8 * float(torch.stack(rows).abs().max())
    outputs = found.samples.outputs[0].flatten().float()
    torch.testing.assert_close(outputs, torch.stack(rows), rtol=0, atol=4 * step)
    assert not torch.allclose(outputs, torch.stack(exact), rtol=0, atol=1e-6)  # it did run in bf16


class Quiet(Patched):
    """Logs nothing in its steps: Lightning's ``log`` cannot be compiled with every version of torch."""

    def training_step(self, batch, _):
        return self.loss(batch)

    def validation_step(self, batch, _):
        return {"loss": self.loss(batch)}


def test_a_compiled_model_is_explained_as_it_is_uncompiled_or_says_why_not(tmp_path):
    """The whole module compiled, of which the callback gets the module itself, and a compiled part."""
    how = {"views": Superpixels("tokens"), "output": "raw", "baseline": "absent"}
    plain, _ = explained(tmp_path / "plain", Quiet, **how)
    whole, _ = explained(tmp_path / "whole", lambda: torch.compile(Quiet(), backend="eager"), **how)
    assert whole.explanation("spatial").strategies[1] == repr(Absent())
    torch.testing.assert_close(
        whole.explanation("spatial").coefficients, plain.explanation("spatial").coefficients, rtol=0, atol=1e-4
    )

    def with_a_compiled_part():
        model = Quiet()
        model.head = torch.compile(model.head, backend="eager")
        return model

    with pytest.warns(UserWarning, match="'spatial' hides by values.*the model is compiled"):
        part, _ = explained(tmp_path / "part", with_a_compiled_part, **how | {"views": Superpixels("grid", 9)})
    assert part.explanation("spatial").strategies[1] == Strategies(baseline=DefaultBaseline()).texts[1]


class AnySensor(Classifier):
    """Makes its embedding of the wavelengths that it gets beside the image, as DOFA does."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True)
        self.generator, self.encoder, self.head = nn.Linear(2, 8), nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

    def embed(self, x, wavelengths):
        waves = torch.tensor(wavelengths)[:, None] / 1000
        weights = self.generator(torch.cat([waves.sin(), waves.cos()], 1))  # [C, width]
        return torch.einsum("mcp,cw->mpw", nn.functional.avg_pool2d(x, 4).flatten(2), weights)

    def forward(self, x, wavelengths=WAVELENGTHS):
        return self.head(self.encoder(self.embed(x, wavelengths)).mean(1))


def test_bands_are_left_out_with_their_wavelengths(tmp_path):
    how = {"views": Superbands(bands=3), "output": "raw", "probes": [2], "baseline": "absent", "target": 1}
    lime, model = explained(
        tmp_path, AnySensor, **how, forward=lambda module, batch: module(batch[0], wavelengths=WAVELENGTHS)
    )
    found = lime.explanation("spectral")
    assert "Absent" in found.strategies[1]
    probe, channel = torch.cat([x for x, _ in batches()])[2:3], found.features.mask.flatten().long()
    with torch.no_grad():
        for on, output in zip(found.samples.design[0], found.samples.outputs[0], strict=True):
            if on.any():
                kept = on[channel].nonzero().flatten().tolist()
                alone = model(probe[:, kept], [WAVELENGTHS[i] for i in kept])
                torch.testing.assert_close(alone[0, 1], output[0], rtol=0, atol=1e-5)


def test_a_view_along_patches_needs_a_model_with_patches(tmp_path):
    with pytest.raises(ValueError, match="no row of blocks in the model receives tokens"):
        explained(tmp_path, Classifier, views=Superpixels("tokens"))


@pytest.mark.parametrize("view", [Superpixels("tokens"), Superpixels("slic_tokens", n_segments=6)])
def test_an_unchanged_model_does_not_drift(tmp_path, view):
    class Still(Patched):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.0)

    lime = limes(n_perturbations=128, baseline="absent", views=view)
    one = trainer(tmp_path, lime)
    one.fit(Still(), batches(), batches())
    assert float(one.callback_metrics["lime/spatial/drift"]) == 0
    assert float(one.callback_metrics["lime/spatial/score"]) > 0


@pytest.mark.trouble  # rows are few for a fit
@pytest.mark.filterwarnings("ignore:LimeCallback")
def test_a_time_budget_uses_the_first_rows(tmp_path):
    views = Superpixels("tokens")
    with pytest.warns(UserWarning, match="time budget of 0.001 s is too small"):
        lime, _ = explained(tmp_path, Patched, baseline="absent", views=views, time_budget=1e-3)
    assert lime.explanation("spatial").n_perturbations < 128
