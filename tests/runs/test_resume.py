"""A resumed run goes on as if it had not been interrupted; references come from checkpoints or saved explanations."""

import warnings

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from toys import WAVELENGTHS, Classifier, Samples, events, fit, loader, trainer

from lime_callback import Explanation, LimeCallback, Superbands, Superpixels, Watch
from lime_callback.explaining.explain_function import explain
from lime_callback.following.epoch_series import EpochSeries

pytestmark = pytest.mark.usefixtures("blank_pictures")
SPATIAL, SPECTRAL = Superpixels("grid", n_segments=4), Superbands(3)


def callback(**settings):
    """With a watch that never raises an alarm, although the model rests on it, which it should."""
    defaults = {"views": [SPATIAL, SPECTRAL], "wavelengths": WAVELENGTHS, "probes": 4, "n_perturbations": 24}
    return LimeCallback(**{"on_error": "raise", "watch": {"first": Watch([0, 1], below=0.0)}} | defaults | settings)


class Kept(pl.Callback):
    """Keeps all values that are logged, by epoch."""

    def __init__(self):
        self.values = {}

    def on_train_epoch_end(self, trainer, pl_module):
        found = {name: value for name, value in trainer.callback_metrics.items() if "lime/" in name}
        self.values[trainer.current_epoch] = {n: v.item() for n, v in found.items() if n != "lime/seconds"}


def run(folder, epochs, ckpt=None, data=None, version=0, lime=None):
    pl.seed_everything(0, verbose=False)
    kept, lime = Kept(), lime or callback()
    saving = ModelCheckpoint(folder / "kept", filename="{epoch}", save_top_k=-1)
    logger = TensorBoardLogger(folder, version=version)
    one = trainer(folder, lime, kept, saving, epochs=epochs, logger=logger, enable_checkpointing=True)
    # Unshuffled, so that an interruption does not change what the training itself sees.
    one.fit(Classifier(), loader(), loader(data), ckpt_path=ckpt)
    return kept.values, folder / "lightning_logs" / f"version_{version}" / "lime" / "history.csv"


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.parametrize("version", [0, 1], ids=["same folder", "new folder"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, monkeypatch, version):
    # Dropout draws from the global generator, whose state no checkpoint holds.
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    whole, history = run(tmp_path / "whole", 4)
    run(tmp_path / "parts", 3)  # the third epoch is lost with the interruption
    resumed, again = run(tmp_path / "parts", 4, ckpt=tmp_path / "parts" / "kept" / "epoch=1.ckpt", version=version)
    assert again.read_bytes() == history.read_bytes()
    assert resumed[2] == whole[2]
    assert resumed[3] == whole[3]
    assert whole[2]["lime/spectral/drift"] > 0


def test_the_checkpoint_is_small_and_loads_weights_only(tmp_path):
    photos = Samples(16, shape=(3, 224, 224))
    saving = ModelCheckpoint(tmp_path, filename="last")
    lime = LimeCallback([Superpixels(), Superbands(3)], wavelengths=[450.0, 550.0, 650.0])
    fit(
        tmp_path, lime, saving, model=lambda: Classifier((3, 224, 224)), data=photos, epochs=2, limit_train_batches=1,
        enable_checkpointing=True,
    )  # fmt: skip
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    (state,) = [value for name, value in content["callbacks"].items() if "LimeCallback" in name]
    torch.save(state, tmp_path / "state.pt")
    assert (tmp_path / "state.pt").stat().st_size < 1_000_000


def test_another_validation_set_is_noticed(tmp_path):
    run(tmp_path, 2)
    other = Samples(48)
    other.x = other.x + 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        values, _ = run(tmp_path, 3, ckpt=tmp_path / "kept" / "epoch=1.ckpt", data=other)
    said = [str(w.message) for w in caught if "validation set" in str(w.message)]
    assert said == ["LimeCallback 'lime': the validation set is not the one of the checkpoint, so drift begins anew."]
    assert values[2]["lime/spectral/drift"] == 2.0


def test_when_it_settled_is_said_and_logged(tmp_path, caplog):
    class Stopping(Classifier):
        def configure_optimizers(self):
            self.net[1].momentum = 0.0
            optimizer = torch.optim.Adam(self.parameters(), 1e-2)
            return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: float(epoch < 2))]

    with caplog.at_level("INFO"):
        one, _ = fit(tmp_path, callback(), model=Stopping, epochs=5)
    assert "LimeCallback 'lime': view 'spectral' settled after epoch 3." in [
        record.message for record in caplog.records
    ]
    assert one.callback_metrics["lime/spectral/settled"] == 3.0
    assert one.callback_metrics["lime/spectral/drift"] == 0.0


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A finished run: its checkpoint and its saved explanations."""
    folder = tmp_path_factory.mktemp("before")
    saving = ModelCheckpoint(folder, filename="last")
    fit(folder, callback(target=0, pictures=False), saving, epochs=3, enable_checkpointing=True)
    return folder


def test_a_checkpoint_as_reference(tmp_path, before):
    lime = callback(target=0, reference=str(before / "last.ckpt"))
    one, _ = fit(tmp_path, lime, seed=5, epochs=1, logger=TensorBoardLogger(tmp_path))
    value = one.callback_metrics["lime/spectral/drift_from_reference"].item()
    assert 0 < value < 2
    assert one.callback_metrics["lime/spectral/changed_from_reference"] > 0
    assert len(events(tmp_path).Scalars("lime/spectral/drift_from_reference")) == 1
    saved = Explanation.load(before / "lime" / "spectral.npz")
    torch.testing.assert_close(lime._latest.loop.view("spectral").reference.coefficients, saved.coefficients)
    rows = lime.reference_table("spectral")
    assert [row.feature for row in rows] == list(saved.features.names)
    assert rows[0].after - rows[0].before == pytest.approx(rows[0].change, abs=1e-5)
    assert any(row.significant for row in rows)
    torch.testing.assert_close(lime.reference_drift("spectral").drift.mean().item(), value)


def test_a_reference_leaves_the_weights_alone(tmp_path, before):
    _, alone = fit(tmp_path / "a")
    _, watched = fit(tmp_path / "b", callback(reference=str(before / "last.ckpt")))
    for (name, a), b in zip(alone.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_saved_explanations_as_reference(tmp_path, before):
    paths = {view: str(before / "lime" / f"{view}.npz") for view in ("spatial", "spectral")}
    one, _ = fit(tmp_path / "a", callback(target=0, reference=paths), seed=5, epochs=1)
    other, _ = fit(tmp_path / "b", callback(target=0, reference=str(before / "last.ckpt")), seed=5, epochs=1)
    for view in paths:
        name = f"lime/{view}/drift_from_reference"
        assert one.callback_metrics[name] == pytest.approx(other.callback_metrics[name].item(), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": SPECTRAL, "target": 1}, "Found different targets"),
        ({"views": SPECTRAL, "target": "all"}, "different numbers of targets: 1 and 3"),
        ({"views": Superbands(2), "target": 0}, "Found different features"),
        ({"views": SPECTRAL, "target": 0, "probes": 3}, "different numbers of inputs and targets"),
    ],
)
def test_a_reference_that_does_not_fit_says_what_differs(tmp_path, before, change, message):
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, callback(reference=str(before / "lime" / "spectral.npz"), **change), epochs=1)


def test_probes_of_another_order_do_not_fit(tmp_path, before):
    data = Samples()
    data.x = data.x.flip(0)
    with pytest.raises(ValueError, match="Found different inputs"):
        fit(tmp_path, callback(views=SPECTRAL, target=0, reference=str(before / "lime" / "spectral.npz")), data=data)


@pytest.mark.trouble
def test_references_that_cannot_be(tmp_path, before):
    with pytest.raises(FileNotFoundError, match=r"`reference` should be the path of a checkpoint.*Found no file"):
        callback(reference=str(tmp_path / "nowhere.ckpt"))
    with pytest.raises(ValueError, match="`reference` should say which view a saved explanation is of"):
        callback(reference=str(before / "lime" / "spectral.npz"))
    with pytest.raises(ValueError, match=r"`reference` should name views of this callback.*\['cubes'\]"):
        callback(reference={"cubes": str(before / "lime" / "spectral.npz")})
    with pytest.raises(TypeError, match=r"`reference` should be the path of a checkpoint.*Found a int"):
        callback(reference=3)
    (tmp_path / "torn.ckpt").write_bytes(b"PK")
    with pytest.raises(ValueError, match="`reference` should be a checkpoint that loads with `weights_only=True`"):
        fit(tmp_path, callback(reference=str(tmp_path / "torn.ckpt")))
    with pytest.raises(ValueError, match=r"`reference` should be a checkpoint of the same model.*has in another shape"):
        fit(tmp_path, callback(reference=str(before / "last.ckpt"), target=0), model=lambda: Classifier(outputs=4))
    with pytest.raises(ValueError, match="has no reference"):
        callback().reference_table("spectral")
    with pytest.raises(ValueError, match=r"`view` should be one of \['spatial', 'spectral'\]. Found `view = 'cubes'`"):
        callback().explanation("cubes")


def test_gated_explanations_are_counted_and_kept_out(tmp_path):
    one, _ = fit(tmp_path, callback(gate=1.0), epochs=3)
    assert one.callback_metrics["lime/spectral/gated"] == 4
    assert one.callback_metrics["lime/spectral/drift"] == 2.0
    for wrong in (1.5, "half", True):
        with pytest.raises(ValueError, match="`gate` should be a bound of R², at most 1, or None"):
            callback(gate=wrong)


def test_metrics_reduce_to_the_same_value_on_two_processes(tmp_path):
    import torch.multiprocessing as mp

    from lime_callback.comparing.torchmetrics_drift import ExplanationDrift

    x = torch.rand(6, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    pairs = [(_explained(x[i : i + 2], 1.0), _explained(x[i : i + 2], 1.5)) for i in range(0, 6, 2)]
    metric = ExplanationDrift()
    for before, after in pairs:
        metric.update(before, after)
    whole = {name: value.item() for name, value in metric.compute().items()}
    mp.spawn(_reduce, (str(tmp_path), x), nprocs=2)
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    assert whole.keys() == found.keys()
    assert whole["cosine"] > 0
    for name, value in whole.items():
        assert found[name] == pytest.approx(value, abs=1e-12)


def _explained(x, power):
    features = Superbands(5).features(x)
    return explain(
        lambda x: (x.mean((2, 3)) ** power).cumprod(1)[:, -2:], x, features, n_perturbations=40, baseline=0.1
    )


def _reduce(rank, folder, x):
    from lime_callback.comparing.torchmetrics_drift import ExplanationDrift

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = ExplanationDrift()
    for i in ([0, 4], [2])[rank]:  # shares of unequal size
        metric.update(_explained(x[i : i + 2], 1.0), _explained(x[i : i + 2], 1.5))
    found = {name: value.item() for name, value in metric.compute().items()}
    if rank == 0:
        torch.save(found, f"{folder}/found.pt")
    torch.distributed.destroy_process_group()


def test_axes_of_means_do_not_shrink_during_a_run():
    """Of many epochs every second one is dropped, and the largest may be among them."""
    x = torch.rand(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    bands = Superbands(4).features(x)
    small, large = (
        explain(lambda x, by=by: (by * x.mean((2, 3))).sum(1), x, bands, baseline="zero", n_perturbations=16)
        for by in (torch.ones(4), torch.tensor([1.0, 1.0, 1.0, 9.0]))
    )
    series = EpochSeries()
    for epoch in range(300):
        series.add(large if epoch == 1 else small, float(epoch), {"score": 1.0}, None)
    assert 1.0 not in series.epochs
    largest = float(large.effects.abs().mean(0).max())
    assert series.largest == pytest.approx(largest)
    assert largest > max(float(sizes.max()) for sizes in series.sizes)
    state = series.state()
    assert EpochSeries.of_state(state).largest == series.largest
    del state["largest"]  # as of a former version
    assert EpochSeries.of_state(state).largest == pytest.approx(max(float(sizes.max()) for sizes in series.sizes))
