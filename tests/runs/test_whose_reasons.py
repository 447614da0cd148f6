"""Whose reasons a run explains: the label's class by default, kept over the run, with what is predicted beside it."""

import json

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from small_run import SmallNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from toys import WAVELENGTHS, Classifier, Samples, fit, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels, explain
from lime_callback.publishing.sinks import read_history
from lime_callback.sampling.seeds import seed_for

SPECTRAL = Superbands(bands=3)


def callback(views=(SPECTRAL,), **settings):
    usual = {"probes": 4, "n_perturbations": 24, "on_error": "raise", "pictures": False, "wavelengths": WAVELENGTHS}
    return LimeCallback(list(views), **usual | settings)


def labelled(label):
    """Samples with another label, of the number and the usual one."""
    return Samples(pack=lambda x, y, i: (x, label(y, i)))


class Single(Classifier):
    """One logit for two classes."""

    def __init__(self):
        super().__init__(outputs=1)

    def loss(self, batch):
        x, y = batch
        return nn.functional.binary_cross_entropy_with_logits(self(x)[:, 0], y.float())


class Values(Classifier):
    """Four numbers of different units."""

    def __init__(self):
        super().__init__(outputs=4)

    def loss(self, batch):
        x, y = batch
        return nn.functional.mse_loss(self(x), y)


class Marked(Values):
    """Any number of four classes."""

    def loss(self, batch):
        x, y = batch
        return nn.functional.binary_cross_entropy_with_logits(self(x), y)


class Ignoring(Classifier):
    """Passes over samples without a label."""

    def loss(self, batch):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y, ignore_index=-100)


def rows_of(folder):
    return read_history(folder / "lime" / "history.csv")


def test_by_default_the_labels_class_is_explained_by_its_centered_logit(tmp_path, caplog):
    lime = callback(class_names=["rye", "oat", "hop"])
    _, model = fit(tmp_path, lime)
    probes, now = lime._validation.probes, lime.predictions("spectral")
    assert lime.explanation("spectral").targets[:, 0].tolist() == probes.labels.tolist()
    logits = model.eval()(probes.inputs).detach()
    expected = logits - logits.mean(1, keepdim=True)
    torch.testing.assert_close(now.outputs, expected, atol=1e-5, rtol=0)
    chance, classes = logits.softmax(1).max(1)
    torch.testing.assert_close(now.probabilities, chance, atol=1e-5, rtol=0)
    assert now.classes.tolist() == classes.tolist()
    assert now.truth.tolist() == probes.labels.tolist()
    last = [row for row in rows_of(tmp_path) if row.epoch == 2 and row.feature == rows_of(tmp_path)[0].feature]
    names = lime.config.class_names
    assert [row.predicted for row in last] == [names[c] for c in classes]
    assert [row.truth for row in last] == [row.target for row in last] == [names[y] for y in probes.labels]
    assert [row.probability for row in last] == pytest.approx(chance.tolist(), abs=1e-5)
    assert "explains the label's class, as its logit less the mean of all logits." in caplog.text
    about = json.loads((tmp_path / "lime" / "run.json").read_text())
    assert (about["settings"]["target"], about["settings"]["output"]) == ("auto", "centered")


class OfVectors(Classifier):
    """Takes vectors [m, 6]."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))


def test_a_vectors_class_is_explained_by_its_log_probability_and_hidden_by_other_samples(tmp_path, caplog):
    lime = callback([SPECTRAL], layout="C", n_perturbations=128)
    data = Samples(pack=lambda x, y, i: (x.mean((1, 2)), y))
    _, model = fit(tmp_path, lime, model=OfVectors, data=data)
    probes, now, found = lime._validation.probes, lime.predictions("spectral"), lime.explanation("spectral")
    logits = model.eval()(probes.inputs).detach()
    torch.testing.assert_close(now.outputs, logits.log_softmax(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(now.probabilities, logits.softmax(1).amax(1), atol=1e-5, rtol=0)
    assert "explains the label's class, as its log-probability." in caplog.text
    about = json.loads((tmp_path / "lime" / "run.json").read_text())
    assert about["settings"]["output"] == "log_softmax"
    again = explain(
        model, probes.inputs, found.features, found.targets, n_perturbations=128, baseline="background",
        background=lime._validation.pinned.background.inputs, output="log_softmax",
        seed=[seed_for(0, probe, "spectral") for probe in range(4)],
    )  # fmt: skip
    torch.testing.assert_close(found.coefficients, again.coefficients, atol=1e-4, rtol=0)
    assert found.samples.period == 8  # 2**3 rows by 8 samples: nothing is left to chance
    assert not bool(found.standard_error.any())


def test_a_constant_on_all_logits_of_a_band_changes_nothing():
    """No probability notices it, and neither does what is explained by default; the raw logit does."""
    torch.manual_seed(0)
    x, features = torch.randn(3, 6, 4, 4), SPECTRAL.features(torch.zeros(3, 6, 4, 4), wavelengths=WAVELENGTHS)
    weight = torch.randn(6, 3)

    def plain(x):
        return torch.tanh(x.mean((2, 3))) @ weight

    def shifted(x):
        return plain(x) + 5 * x[:, 2].mean((1, 2)).unsqueeze(1)

    labels = torch.tensor([0, 1, 2])
    hidden = {"target": labels, "baseline": "zero"}
    found = [explain(one, x, features, **hidden, output="centered").coefficients for one in (plain, shifted)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)
    raw = [explain(one, x, features, **hidden).coefficients for one in (plain, shifted)]
    assert (raw[0] - raw[1]).abs().max() > 0.05


def test_probes_without_a_fitting_label_take_the_prediction(tmp_path, caplog):
    lime = callback()
    fit(tmp_path, lime, model=Ignoring, data=labelled(lambda y, i: y if i < 24 else torch.tensor(-100)), epochs=1)
    labels, now = lime._validation.probes.labels, lime.predictions("spectral")
    known = labels >= 0
    assert 0 < known.sum() < 4
    expected = torch.where(known, labels, now.classes)  # at the first explained epoch, which is this one
    assert lime.explanation("spectral").targets[:, 0].tolist() == expected.tolist()
    assert now.truth.tolist() == torch.where(known, labels, -1).tolist()
    assert f"for {int((~known).sum())} of 4 probes without such a label" in caplog.text


def test_a_single_logit_is_explained_as_it_is(tmp_path, caplog):
    lime = callback()
    _, model = fit(tmp_path, lime, model=Single, data=labelled(lambda y, i: (y > 0).float()), epochs=1)
    now, inputs = lime.predictions("spectral"), lime._validation.probes.inputs
    torch.testing.assert_close(now.outputs, model.eval()(inputs).detach(), atol=1e-5, rtol=0)
    assert lime.explanation("spectral").targets.tolist() == [[0]] * 4
    assert set(now.truth.tolist()) <= {0, 1}
    assert "explains its one output, of class 1." in caplog.text


def test_a_regression_explains_its_first_output_and_says_so_once(tmp_path, caplog):
    lime = callback([SPECTRAL, Superpixels("grid", n_segments=4)], class_names=["P", "K", "Mg", "pH"])
    data = labelled(lambda y, i: torch.tensor([0.5, 200.0, 30.0, 7.0]) + y)
    _, model = fit(tmp_path, lime, model=Values, data=data)
    now = lime.predictions("spectral")
    assert lime.explanation("spectral").targets.tolist() == [[0]] * 4
    torch.testing.assert_close(now.outputs, model.eval()(lime._validation.probes.inputs).detach(), atol=1e-4, rtol=1e-4)
    assert now.truth.shape == (4, 4)
    row = rows_of(tmp_path)[-1]
    assert float(row.truth) == pytest.approx(float(now.truth[-1, 0]))
    assert caplog.text.count("explains output 0 ('P') of 4; pass `target='all'` or an index for others.") == 1


def test_of_several_true_classes_the_largest_output_is_explained(tmp_path):
    lime = callback()
    data = labelled(lambda y, i: torch.tensor([1.0, float(y == 1), 1.0, float(y == 2)]))
    fit(tmp_path, lime, model=Marked, data=data, epochs=1)
    now = lime.predictions("spectral")
    assert lime.explanation("spectral").targets[:, 0].tolist() == now.classes.tolist()
    torch.testing.assert_close(now.probabilities, now.outputs.amax(1).sigmoid())


@pytest.mark.parametrize("settings", [{"output": "raw"}, {"like": "captum"}])
def test_told_otherwise_the_logit_is_explained_as_it_is(tmp_path, settings):
    lime = callback(n_perturbations=128, **settings)
    _, model = fit(tmp_path, lime, epochs=1)
    logits = model.eval()(lime._validation.probes.inputs).detach()
    torch.testing.assert_close(lime.predictions("spectral").outputs, logits, atol=1e-5, rtol=0)


class Half(Classifier):
    """Returns probabilities."""

    def forward(self, x):
        return self.net(x).softmax(1)


def test_probabilities_are_not_centered(tmp_path):
    lime = callback()
    fit(tmp_path, lime, model=Half, epochs=1)
    outputs = lime.predictions("spectral").outputs
    torch.testing.assert_close(outputs.sum(1), torch.ones(4))
    assert lime._latest.loop.view("spectral").scale == "raw"


def resumed(folder, epochs, checkpoint=None, change=None):
    lime = callback(target="predicted")
    kept = ModelCheckpoint(folder / "kept", save_top_k=-1, filename="{epoch}")
    one, model = trainer(folder, kept, lime, epochs=epochs, enable_checkpointing=True), Classifier()
    if change is not None:
        content = torch.load(checkpoint, weights_only=True)
        change(next(state for name, state in content["callbacks"].items() if "LimeCallback" in name))
        torch.save(content, checkpoint)
    one.fit(model, loader(), loader(), ckpt_path=checkpoint)
    return lime


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_a_resumed_run_keeps_target_scale_and_prediction(tmp_path):
    torch.manual_seed(0)
    before = resumed(tmp_path, 2)
    state = torch.load(tmp_path / "kept" / "epoch=1.ckpt", weights_only=True)  # safe to load
    (own,) = (value for name, value in state["callbacks"].items() if "LimeCallback" in name)
    track = own["tracks"]["spectral"]
    assert (track["kind"], track["scale"]) == ("classes", "centered")
    torch.testing.assert_close(track["now"], before.predictions("spectral").outputs)
    after = resumed(tmp_path, 3, tmp_path / "kept" / "epoch=1.ckpt")
    track = after._latest.loop.view("spectral")
    assert (track.kind, track.scale) == ("classes", "centered")
    assert track.targets.tolist() == before.explanation("spectral").targets.tolist()


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_a_run_of_before_goes_on_with_raw_outputs(tmp_path):
    """Its earlier explanations are of raw outputs, and drift against them should mean something."""

    def of_before(state):
        for track in state["tracks"].values():
            for name in ("kind", "scale", "now"):
                del track[name]

    torch.manual_seed(0)
    before = resumed(tmp_path, 2)
    after = resumed(tmp_path, 3, tmp_path / "kept" / "epoch=1.ckpt", of_before)
    track = after._latest.loop.view("spectral")
    assert (track.kind, track.scale) == ("classes", "raw")
    assert track.targets.tolist() == before.explanation("spectral").targets.tolist()
    assert track.now.truth is not None


def test_titles_say_what_is_predicted_and_true(tmp_path):
    from lime_callback.pictures.view_pictures import _ViewPictures
    from lime_callback.publishing.logger_numbers import view_data

    lime = callback([Superpixels("grid", n_segments=4)], class_names=["rye", "oat", "hop"])
    fit(tmp_path, lime)
    probes, track = lime._validation.probes, lime._latest.loop.view("spatial")
    names, now = lime.config.class_names, track.now
    artist = _ViewPictures(track, probes, None, names)
    titles = [panel.title for panel in artist.spatial_panels(track.last)]
    bars = [panel.title for panel in artist.bar_panels(track.last)]
    captions = [one.text for one in view_data(track, probes, [], None, names).segmented()]
    for p, label in enumerate(probes.labels.tolist()):
        right = int(now.classes[p]) == label
        other = f"which is true, ≠ predicted {names[int(now.classes[p])]} "
        said = "which is true and predicted, " if right else other
        for text in (titles[p], bars[p]):
            assert text.startswith(f"probe {p} · explains {names[label]} · {said}")
            assert text.endswith(" %")
        assert captions[p].startswith(f"{names[label]}, {said}")
        assert " %, R² " in captions[p]


def test_a_view_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"`view` should be one of \['spectral'\]. Found `view = 'other'`"):
        callback().predictions("other")
    assert callback().predictions("spectral") is None


@pytest.mark.parametrize("wavelengths", [None, [400.0 + 10 * i for i in range(12)]])
def test_vectors_are_cut_into_elements_where_no_view_is_chosen(tmp_path, wavelengths):
    """Four classes in a row by the third of twelve elements."""
    x = torch.randn(512, 12, generator=torch.Generator().manual_seed(0))
    y = torch.bucketize(x[:, 2].contiguous(), torch.tensor([-0.7, 0.0, 0.7]))
    lime = LimeCallback(layout="C", wavelengths=wavelengths, pictures=False, on_error="raise")
    one = trainer(tmp_path, lime, epochs=12)
    torch.manual_seed(0)
    data = DataLoader(TensorDataset(x, y), 64)
    one.fit(SmallNet(nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 4)), lr=0.02), data, data)
    name = "elements" if wavelengths is None else "spectral"
    explanation = lime.explanation(name)
    assert len(explanation.features) == 12
    assert (explanation.effects[:, 0].abs().argmax(1) == 2).double().mean() >= 0.9
    assert explanation.score.median() > 0.2
