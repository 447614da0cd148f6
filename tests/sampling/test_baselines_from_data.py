"""Hidden elements that become the mean of the data, or values of other samples: in `explain`, and over a run."""

import lightning.pytorch as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from toys import WAVELENGTHS, Classifier, Samples, Still, fit, loader, trainer

from lime_callback import Cubes, Features, LimeCallback, Ridge, Superbands, Superpixels, explain
from lime_callback.forwards.perturbed_inputs import PerturbedInputs
from lime_callback.sampling.baselines import Background, Baseline, Data
from lime_callback.sampling.default_baseline import DefaultBaseline
from lime_callback.sampling.designs import Orthogonal, draw_designs
from lime_callback.sampling.hidden_values import DrawnSamples, draw_samples, hidden_in_rows
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.seeds import seed_for

EXACT = {"surrogate": Ridge(0.0)}
SHAPE = (12, 8, 8)
VIEWS = {
    "bands": Superbands(4),
    "pixels": Superpixels("grid", n_segments=4),
    "cubes": Cubes(Superpixels("grid", n_segments=4), Superbands(2)),
}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, DATA, WEIGHT = normal(3, *SHAPE), normal(20, *SHAPE, seed=1) + 1, normal(*SHAPE, seed=2)


def linear(x):
    return (x * WEIGHT).flatten(1).sum(1)


def answer(features, hidden):
    """What a linear model's coefficients have to be, if hidden elements become ``hidden``."""
    labels = features.mask.expand(X.shape)
    parts = (X - hidden) * WEIGHT
    return torch.stack([(parts * (labels == k)).flatten(1).sum(1) for k in range(len(features))], dim=1)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("baseline", "mean"),
    [
        (None, DATA.mean((0, 2, 3), keepdim=True)),
        ("data", DATA.mean((0, 2, 3), keepdim=True)),
        (Data(by="position"), DATA.mean(0, keepdim=True)),
    ],
    ids=["default", "channel", "position"],
)
def test_the_mean_of_the_data_is_exact_for_a_linear_model(view, baseline, mean):
    features = VIEWS[view].features(X)
    found = explain(linear, X, features, baseline=baseline, background=DATA, **EXACT)
    torch.testing.assert_close(found.coefficients[:, 0], answer(features, mean), atol=1e-6, rtol=0)


@pytest.mark.parametrize("view", VIEWS)
def test_the_mean_of_the_data_is_that_of_channels_in_every_layout(view):
    expected = explain(linear, X, VIEWS[view].features(X), background=DATA).coefficients
    x, data = (one.permute(0, 2, 3, 1) for one in (X, DATA))
    features = VIEWS[view].features(x, layout="HWC")
    found = explain(lambda x: linear(x.permute(0, 3, 1, 2)), x, features, background=data)
    torch.testing.assert_close(found.coefficients, expected, atol=1e-8, rtol=0)


def test_elements_of_vectors_have_a_mean_each():
    x, data, weight = normal(2, 5), normal(30, 5, seed=1) * 3 + 7, normal(5, seed=2)
    found = explain(lambda x: x @ weight, x, torch.arange(5), background=data, **EXACT)
    torch.testing.assert_close(found.coefficients[:, 0], (x - data.mean(0)) * weight, atol=1e-6, rtol=0)


@pytest.mark.parametrize("view", VIEWS)
def test_values_of_one_other_sample_are_exact_for_a_linear_model(view):
    features = VIEWS[view].features(X)
    found = explain(linear, X, features, baseline="background", background=DATA[:1], **EXACT)
    torch.testing.assert_close(found.coefficients[:, 0], answer(features, DATA[:1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("samples", [4, 16])
@pytest.mark.parametrize("design", ["paired", "bernoulli"])
def test_values_of_other_samples_explain_the_mean_over_them_within_the_stated_errors(design, samples):
    features, how = VIEWS["bands"].features(X), {"baseline": Background(samples), "background": DATA[: samples + 1]}
    right = answer(features, DATA[:samples].mean(0, keepdim=True))
    inside = []
    for seed in range(40):
        found = explain(linear, X, features, **how, design=design, seed=seed, **EXACT)
        away = (found.coefficients[:, 0] - right).abs()
        inside.append(away <= 2 * found.standard_error[:, 0] + 1e-6)  # errors that are 0 but for rounding
    assert float(torch.stack(inside).double().mean()) > 0.9
    many = explain(linear, X, features, **how, n_perturbations=20_000, **EXACT)
    torch.testing.assert_close(many.coefficients[:, 0], right, atol=0.05 * float(right.abs().max()), rtol=0)


def test_rows_are_as_many_as_asked_for_even_where_a_design_has_no_more():
    """Each repetition has another sample, until each row has had all of them."""
    features, how = VIEWS["pixels"].features(X), {"background": DATA, "baseline": Background(8)}
    assert explain(linear, X, features, background=DATA).n_perturbations == 16
    assert explain(linear, X, features, **how, n_perturbations=100).n_perturbations == 100
    assert explain(linear, X, features, **how | {"baseline": Background(17)}).n_perturbations == 256
    found = explain(linear, X, features, **how)
    assert found.n_perturbations == 16 * 8
    assert not bool(found.standard_error.any())  # nothing is left to chance


@given(st.integers(1, 12), st.integers(2, 80), st.lists(st.integers(0, 99), min_size=3, max_size=3))
def test_samples_are_shared_by_pairs_and_taken_equally_often(size, n, seeds):
    found = draw_samples(X, DATA[:size], n, seeds)
    assert found.choice.shape == (3, n)
    assert found.count == max(1, size - 1)
    assert torch.equal(found.choice[:, 1::2], found.choice[:, : n - 1 : 2][:, : n // 2])
    for stop in (n, n // 2):  # a budget may halve the rows
        counts = torch.stack([torch.bincount(row[:stop:2], minlength=found.count) for row in found.choice])
        assert int(counts.max() - counts.min()) <= 1
    for a, b in zip(seeds, found.choice, strict=True):  # an input's choice depends on its seed alone
        assert torch.equal(draw_samples(X[:1], DATA[:size], n, [a]).choice[0], b)


def test_a_row_and_its_complement_have_the_same_sample():
    """As the default design lays its rows out."""
    present = torch.ones(1, 6, dtype=torch.bool)
    rows = draw_designs(Orthogonal(), 256, present, [5], repeated=True)[0]
    assert torch.equal(rows[::2], ~rows[1::2])


def test_an_input_is_never_hidden_by_itself():
    data = torch.cat([DATA[:3], X[1:2], DATA[3:6]])
    found = draw_samples(X, data, 20, [0, 0, 0])
    assert [3 in own for own in found.own.tolist()] == [True, False, True]
    alone = draw_samples(X[:1], X[:1], 4, [0])  # there is no other
    assert alone.count == 1


def perturbed(x, data, features, design, choice, own):
    """Perturbed inputs one by one."""
    labels = features.mask.expand(x.shape)
    rows = []
    for b in range(len(x)):
        for r, row in enumerate(design[b if len(design) > 1 else 0]):
            hidden = data[own[b, choice[b, r]]]
            keep = torch.cat([row.new_ones(1), row])[labels[b].long() + 1]
            rows.append(torch.where(keep, x[b], hidden))
    return torch.stack(rows)


@pytest.mark.parametrize("view", [*VIEWS, "never hidden"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_rows_are_made_of_the_input_and_of_their_own_sample(view, dtype, form):
    x, data = (one.to(dtype).contiguous(memory_format=form) for one in (X, DATA))
    mask = (torch.arange(12).view(1, 12, 1, 1) // 4 - 1) if view == "never hidden" else None
    features = VIEWS[view].features(x) if mask is None else Features.from_mask(mask)
    hidden = draw_samples(x, data, 11, [1, 2, 3])
    design = draw_designs(Orthogonal(), 11, features.present, [1, 2, 3], repeated=True)[:, :9]
    rows = slice(9)
    perturber = PerturbedInputs(x, hidden_in_rows(hidden, rows), features, design)
    expected = perturbed(x, data, features, design, hidden.choice, hidden.own)
    for batch in (4, 27):
        found = torch.cat([perturber.rows(i, min(i + batch, 27)).clone() for i in range(0, 27, batch)])
        assert torch.equal(found, expected)
    for k in range(perturber.grounds):
        off = torch.zeros_like(design[:, :1])
        choice = torch.full((3, 1), k)
        assert torch.equal(perturber.nothing(k), perturbed(x, data, features, off, choice, hidden.own))


class Net(nn.Module):
    def __init__(self, stem):
        super().__init__()
        self.stem = stem
        self.rest = nn.Sequential(nn.Flatten(), nn.Tanh(), nn.LazyLinear(3))

    def forward(self, x):
        return self.rest(self.stem(x))


STEMS = {
    "patches": (lambda: nn.Conv2d(12, 16, 4, stride=4), "pixels", 0),
    "channels": (lambda: nn.Conv2d(12, 4, 3, padding=1), "bands", 0),
    "one by one": (lambda: nn.Conv2d(12, 2, 5, padding=2), "cubes", 0),
    "some never hidden": (lambda: nn.Conv2d(12, 4, 3, padding=1), "never hidden", 0),
}


@pytest.mark.parametrize("case", STEMS)
@pytest.mark.parametrize(("baseline", "n"), [("data", 64), ("background", 64), ("background", 256)])
def test_a_folded_stem_finds_what_perturbed_inputs_do(case, baseline, n, monkeypatch):
    make, view, _ = STEMS[case]
    torch.manual_seed(0)
    model = Net(make().double()).double()
    model(X)
    model = model.double().eval()
    mask = (torch.arange(12).view(1, 12, 1, 1) // 4 - 1) if view == "never hidden" else None
    features = VIEWS[view].features(X) if mask is None else Features.from_mask(mask)
    folds = []
    from lime_callback.explaining import explain_batch
    from lime_callback.forwards import folded_stem

    monkeypatch.setattr(folded_stem.FoldedStem, "pays", lambda self: True)
    fold = explain_batch.fold_stem
    monkeypatch.setattr(explain_batch, "fold_stem", lambda *given: folds.append(fold(*given)) or folds[-1])
    found, direct = (
        explain(
            model, X, features, baseline=baseline, background=DATA, n_perturbations=n, batch_size=24, stem=stem,
            seed=[4, 5, 6],
        )
        for stem in ("auto", "off")
    )  # fmt: skip
    assert folds[0][0] is not None, folds[0][1]
    torch.testing.assert_close(found.coefficients, direct.coefficients, atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore:.*too few to tell")
@pytest.mark.parametrize("view", VIEWS)
def test_the_kernel_on_inputs_weighs_each_row_by_its_own_sample(view):
    features = VIEWS[view].features(X)
    found = explain(
        linear, X, features, baseline=Background(8), background=DATA, kernel=InputCosine(0.5), n_perturbations=12,
        seed=[1, 2, 3],
    ).samples  # fmt: skip
    data = DATA[[(2 * i + 1) * 20 // 18 for i in range(9)]]
    hidden = draw_samples(X, data, 12, [1, 2, 3])
    rows = perturbed(X, data, features, found.design, hidden.choice, hidden.own).view(3, 12, -1)
    cosine = nn.functional.cosine_similarity(rows, X.flatten(1).unsqueeze(1), dim=-1)
    torch.testing.assert_close(found.weights, torch.exp(-((1 - cosine) ** 2) / (2 * 0.5**2)))


def test_memory_does_not_grow_with_the_samples():
    features = VIEWS["bands"].features(X)
    perturber = PerturbedInputs(
        X, draw_samples(X, DATA, 400, [0, 0, 0]), features, torch.ones(1, 400, 4, dtype=torch.bool)
    )
    first = perturber.rows(0, 8)
    assert perturber.rows(8, 16).data_ptr() == first.data_ptr()
    assert isinstance(perturber.hidden, DrawnSamples)
    assert perturber.hidden.samples is not None
    assert perturber.hidden.samples.shape == DATA.shape  # once for all inputs and rows


def test_a_batch_is_explained_as_its_inputs_are_one_by_one():
    features = VIEWS["bands"].features(X)
    how = {"baseline": "background", "background": DATA, "n_perturbations": 64}
    whole = explain(linear, X, features, **how)
    for b in range(3):
        one = explain(linear, X[b : b + 1], features, **how)
        torch.testing.assert_close(one.coefficients[0], whole.coefficients[b])


def test_a_baseline_of_the_users_own_does_without_a_background():
    class Half(Baseline):
        def __call__(self, inputs, features):
            return inputs / 2

    features = VIEWS["bands"].features(X)
    found = explain(linear, X, features, baseline=Half(), **EXACT)
    torch.testing.assert_close(found.coefficients[:, 0], answer(features, X / 2), atol=1e-6, rtol=0)
    again = explain(linear, X, features, baseline=Half(), background=DATA, **EXACT)
    assert torch.equal(found.coefficients, again.coefficients)


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ({"baseline": "data"}, ValueError, "`baseline = 'data'` takes its values .* pass `background=`"),
        ({"baseline": Background(3)}, ValueError, "`baseline = 'background'` takes .* pass `background=`"),
        ({"background": DATA[0]}, ValueError, r"`background` should hold .*\[N, 12, 8, 8\]. Found shape \(12, 8, 8\)"),
        ({"background": DATA[:0]}, ValueError, r"Found shape \(0, 12, 8, 8\)"),
        ({"background": DATA.numpy()}, TypeError, "`background` should be a floating-point tensor.* Found a ndarray"),
        ({"background": DATA.long()}, TypeError, "`background` should be .* Found dtype torch.int64"),
        ({"background": DATA / 0}, ValueError, "`background` should be finite"),
    ],
)
def test_wrong_backgrounds_are_named(how, kind, message):
    with pytest.raises(kind, match=message):
        explain(linear, X, VIEWS["bands"].features(X), **how)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="`by` should be one of 'channel', 'position'"):
        Data(by="pixel")
    with pytest.raises(ValueError, match="`samples` should be"):
        Background(0)
    with pytest.raises(ValueError, match="`background` should be a whole number of at least 0"):
        LimeCallback(background=-1)
    with pytest.raises(ValueError, match=r"`background` should be at least 1 for .*Data.* Found `background = 0`"):
        LimeCallback(baseline="data", background=0)


def callback(**settings):
    defaults = {"views": [VIEWS["pixels"], Superbands(3)], "wavelengths": WAVELENGTHS, "probes": 3}
    return LimeCallback(**{"n_perturbations": 24, "on_error": "raise", "pictures": False} | defaults | settings)


def test_the_background_is_spread_evenly_and_stays(tmp_path):
    lime, data, seen = callback(background=6), Samples(), []

    class Look(pl.Callback):
        def on_validation_end(self, trainer, pl_module):
            seen.append(lime._validation.pinned.background)

    fit(tmp_path, lime, Look(), data=data, epochs=3)
    rehearsed, *later = seen
    assert rehearsed is None  # of the sanity check nothing stays
    assert later[0] is later[1] is later[2]
    assert len(later[0]) == 6
    assert later[0].inputs.device.type == "cpu"
    numbers = [int((data.x == one).flatten(1).all(1).nonzero()) for one in later[0].inputs]
    assert numbers == [4, 8, 21, 26, 39, 44]
    assert later[0].labels.tolist() == data.y[numbers].tolist()


@pytest.mark.parametrize("probes", ["unsure", [1, 40], 3])
def test_the_background_is_the_even_one_whatever_probes_are_chosen(tmp_path, probes):
    lime = callback(probes=probes)
    fit(tmp_path, lime, epochs=1)
    assert torch.equal(lime._validation.pinned.background.inputs, Samples().x)  # 48, of the 64 that are asked for


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
def test_without_validation_and_in_a_test_there_is_a_background_too(tmp_path):
    lime = callback(background=5)
    one = trainer(tmp_path, lime, epochs=2)
    one.fit(Classifier(), loader())
    assert len(lime._validation.pinned.background) == 5
    one.test(Classifier(), loader(), verbose=False)
    assert len(lime._outside.pinned.background) == 5


def test_no_background_is_kept_where_none_is_wanted(tmp_path):
    lime = callback(background=0)
    fit(tmp_path, lime, epochs=1)
    assert lime._validation.pinned.background is None
    found = lime.explanation("spectral")
    assert lime.config.settings.baseline.__class__.__name__ == "Mean"
    assert bool(found.coefficients.isfinite().all())


def test_inputs_of_other_shapes_are_left_out(tmp_path):
    class Two(Samples):
        def __getitem__(self, i):
            x, y = super().__getitem__(i)
            return (x if i < 32 else x[:, :8, :8]), y

    class Pooled(Classifier):
        def __init__(self):
            super().__init__()
            self.net[3] = nn.AdaptiveAvgPool2d(3)

    lime = callback(background=12)
    fit(tmp_path, lime, data=Two(), model=Pooled, epochs=1, limit_train_batches=0)
    assert lime._validation.pinned.background is None or lime._validation.pinned.background.inputs.shape[1:] == (
        6,
        12,
        12,
    )


@pytest.mark.parametrize("baseline", ["background", "data", None])
def test_an_unchanged_model_has_drift_zero(tmp_path, baseline):
    one, _ = fit(tmp_path, callback(baseline=baseline, n_perturbations=64), model=Still, epochs=2)
    assert one.callback_metrics["lime/spectral/drift"] == 0
    assert one.callback_metrics["lime/spatial/drift"] == 0


@pytest.mark.parametrize("baseline", ["background", None])
def test_the_weights_are_those_of_a_run_without_the_callback(tmp_path, baseline):
    _, without = fit(tmp_path / "without")
    _, with_it = fit(tmp_path / "with", callback(baseline=baseline, n_perturbations=64))
    for name, weight in without.state_dict().items():
        assert torch.equal(with_it.state_dict()[name], weight), name


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_resumed_run_has_the_same_background_and_none_of_it_in_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)

    def run(folder, epochs, ckpt=None):
        pl.seed_everything(0, verbose=False)
        lime = callback(baseline="background", background=40, n_perturbations=64)
        saving = ModelCheckpoint(folder / "kept", filename="{epoch}", save_top_k=-1)
        one = trainer(folder, lime, saving, epochs=epochs, enable_checkpointing=True)
        one.fit(Classifier(), loader(), loader(), ckpt_path=ckpt)
        return lime, folder / "kept" / f"epoch={epochs - 1}.ckpt"

    whole, _ = run(tmp_path / "whole", 2)
    _, ckpt = run(tmp_path / "parts", 1)
    resumed, _ = run(tmp_path / "parts", 2, ckpt)
    assert torch.equal(resumed._validation.pinned.background.inputs, whole._validation.pinned.background.inputs)
    for view in ("spatial", "spectral"):
        assert torch.equal(resumed.explanation(view).coefficients, whole.explanation(view).coefficients)
    content = torch.load(ckpt, weights_only=True)["callbacks"]
    (state,) = [value for name, value in content.items() if "LimeCallback" in name]

    def tensors(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return [one for part in value for one in tensors(part)]
        return [value] if isinstance(value, torch.Tensor) else []

    assert max(one.numel() for one in tensors(state)) < 40 * 6 * 12 * 12


def test_the_default_is_that_of_each_view(tmp_path):
    """The mean of the data for bands, the blurred input for superpixels."""
    lime = callback()
    assert isinstance(lime.config.settings.baseline, DefaultBaseline)
    _, module = fit(tmp_path, lime, epochs=1)
    study = lime._validation
    for view, baseline in (("spectral", study.pinned.background.inputs.mean((0, 2, 3))), ("spatial", "blur")):
        found = lime.explanation(view)
        again = explain(
            module.eval(), study.probes.inputs, found.features, found.targets, n_perturbations=24, baseline=baseline,
            output="centered", seed=[seed_for(0, probe, view) for probe in range(3)],
        )  # fmt: skip
        torch.testing.assert_close(found.coefficients, again.coefficients, atol=1e-4, rtol=0)
