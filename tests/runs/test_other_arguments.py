"""A run that is resumed with other arguments says so, takes them, and compares nothing with what was asked before."""

from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from toys import WAVELENGTHS, Classifier, fit, loader, trainer

from lime_callback import LimeCallback, Ridge, Superbands, Superpixels
from lime_callback.following.run_question import differences, question_of
from lime_callback.publishing.sinks import read_history
from lime_callback.publishing.sinks.measures_csv import read_measures


def callback(**settings):
    usual = {"views": [Superpixels("grid", 4), Superbands(3)], "wavelengths": WAVELENGTHS, "probes": 2}
    return LimeCallback(**usual | {"n_perturbations": 128, "pictures": False, "on_error": "raise"} | settings)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("before")
    one, _ = fit(folder, callback(), epochs=1)
    one.save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt"


class Drifts(pl.Callback):
    """What monitors find of the drift at each validation; 2 where there is nothing to compare with."""

    def __init__(self):
        self.found = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            values = trainer.callback_metrics
            self.found.append([float(values[f"lime/{view}/drift"]) for view in ("spatial", "spectral")])


def resumed(folder, checkpoint, lime, epochs=2):
    drifts = Drifts()
    pl.seed_everything(0, verbose=False)
    one = trainer(folder, lime, drifts, epochs=epochs)
    one.fit(Classifier(), loader(shuffle=True), loader(), ckpt_path=checkpoint)
    (history,) = folder.rglob("history.csv")
    return drifts.found, read_history(history), one


def shift(x):
    return x - 1


CHANGES = [
    {"n_perturbations": 144},
    {"target": 1},
    {"baseline": "zero"},
    {"output": "softmax"},
    {"seed": 3},
    {"design": "bernoulli"},
    {"kernel": "none"},
    {"surrogate": Ridge(0.5)},
    {"background": 5},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_another_argument_is_said_taken_and_begins_drift_anew(tmp_path, checkpoint, change):
    (name,), lime = change, callback(**change)
    with pytest.warns(UserWarning, match=f"resumed with other arguments: `{name}` [(]from .* to .*drift begins anew"):
        drifts, rows, _ = resumed(tmp_path, checkpoint, lime)
    assert drifts == [[2.0, 2.0]]
    assert {row.epoch for row in rows} == {2}  # the rows of before answer another question
    assert lime._validation.costs["perturbations"] == change.get("n_perturbations", 128)
    assert "target" not in change or lime.explanation("spectral").targets.unique().tolist() == [1]


def test_like_is_said_by_what_it_sets(tmp_path, checkpoint):
    with pytest.warns(UserWarning, match="`design` .*`baseline` .*`surrogate` "):
        drifts, *_ = resumed(tmp_path, checkpoint, callback(like="lime_image"))
    assert drifts == [[2.0, 2.0]]


def test_a_view_of_other_features_begins_anew_and_the_others_go_on(tmp_path, checkpoint):
    lime = callback(views=[Superpixels("grid", 4), Superbands(2)])
    with pytest.warns(UserWarning, match=r"`view 'spectral'` \(from Superbands\(bands=3\) to Superbands\(bands=2\)\)"):
        ((spatial, spectral),), rows, _ = resumed(tmp_path, checkpoint, lime)
    assert spatial < 2.0
    assert spectral == 2.0
    assert {row.epoch for row in rows if row.view == "spatial"} == {1, 2}
    assert {row.epoch for row in rows if row.view == "spectral"} == {2}
    (measures,) = tmp_path.rglob("measures.csv")
    assert {row.epoch for row in read_measures(measures) if row.view == "spectral"} == {2}


def test_features_that_another_watch_cuts_begin_anew(tmp_path, checkpoint):
    lime = callback(watch={"first": [0]}, reliance=False)
    with pytest.warns(UserWarning, match="the features of view 'spectral' are not those of the checkpoint"):
        ((spatial, spectral),), rows, _ = resumed(tmp_path, checkpoint, lime)
    assert spatial < 2.0
    assert spectral == 2.0
    assert {row.epoch for row in rows if row.view == "spectral"} == {2}


def test_arguments_that_change_no_explanation_say_nothing(tmp_path, checkpoint):
    lime = callback(gate=0.1, max_batch_size=7, every_n_epochs=1, stem="off", class_names=["a", "b", "c"], charts=True)
    drifts, rows, _ = resumed(tmp_path, checkpoint, lime)  # a warning would be an error
    assert max(drifts[0]) < 2.0
    assert {row.epoch for row in rows} == {1, 2}


def test_a_second_resume_goes_on_with_the_new_arguments(tmp_path, checkpoint):
    with pytest.warns(UserWarning, match="`seed`"):
        *_, one = resumed(tmp_path / "a", checkpoint, callback(seed=3))
    one.save_checkpoint(tmp_path / "last.ckpt")
    drifts, *_ = resumed(tmp_path / "b", tmp_path / "last.ckpt", callback(seed=3), epochs=3)
    assert max(drifts[0]) < 2.0


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_an_earlier_checkpoint_on_the_same_trainer_is_gone_on_from(tmp_path):
    """What came after it counts for nothing: no row is doubled, and nothing is compared with it."""
    lime, drifts = callback(), Drifts()
    saving = ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1)
    one, model = fit(tmp_path, lime, drifts, saving, epochs=3, enable_checkpointing=True)
    before = list(drifts.found)
    one.fit(model, loader(), loader(), ckpt_path=tmp_path / "kept" / "epoch=0.ckpt")
    (history,) = tmp_path.rglob("history.csv")
    rows = read_history(history)
    assert len({row[:6] for row in rows}) == len(rows)
    assert len(drifts.found) == len(before) + 2
    assert lime._latest.loop.view("spectral").series.epochs == [1.0, 2.0, 3.0]


def test_texts_tell_values_apart():
    one, other = (question_of(callback(output=output).config) for output in (lambda y: y[:, :2], lambda y: y[:, :1]))
    assert differences(one, other).keys() == {"output"}
    same = [question_of(callback(output=shift, baseline=[0.0] * 6).config) for _ in range(2)]
    assert differences(*same) == {}


def filled(value):
    return lambda x: torch.full_like(x, value)


class Filled:
    def __init__(self, value):
        self.value = value

    def __call__(self, x):
        return torch.full_like(x, self.value)

    def method(self, x):
        return self(x)


@pytest.mark.parametrize(
    "make",
    [filled, Filled, lambda v: Filled(v).method, lambda v: partial(torch.full_like, fill_value=v),
     lambda v: lambda x, value=v: torch.full_like(x, value)],
)  # fmt: skip
def test_functions_differ_by_what_they_hold(make):
    questions = [question_of(LimeCallback(baseline=make(value)).config)["baseline"] for value in (0.0, 0.0, 0.9)]

    assert questions[0] == questions[1] != questions[2]


def test_what_a_function_collects_makes_no_difference():
    seen = []

    def collects(x):
        seen.append(len(x))
        return torch.zeros_like(x)

    before = question_of(LimeCallback(baseline=collects).config)
    seen.append(3)

    assert question_of(LimeCallback(baseline=collects).config) == before


def test_what_holds_itself_has_a_text():
    def itself(x):
        return itself(x)

    assert question_of(LimeCallback(baseline=itself).config)["baseline"]
