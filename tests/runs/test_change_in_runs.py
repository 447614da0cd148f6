"""What a run says of change: to monitors and loggers, with gates, after a resume, and where nothing happens."""

import csv
import io
from dataclasses import replace

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from toys import WAVELENGTHS, Classifier, events, fit, loader, trainer

from lime_callback import LimeCallback, Superbands, Watch, explain
from lime_callback.comparing.drift import compare
from lime_callback.comparing.reference import reference_rows
from lime_callback.comparing.score_gate import is_informative, passes_gate
from lime_callback.following.epoch_series import EpochSeries, means_over_probes
from lime_callback.following.followed_view import FollowedView
from lime_callback.following.metric_table import change_names, worst_values
from lime_callback.surrogates.confidence_intervals import critical_value
from lime_callback.views.watch import WatchOverlap

CHANGE = [f"lime/spectral/{name}" for name in sorted(change_names())]


def callback(**settings):
    defaults = {"wavelengths": WAVELENGTHS, "probes": 4, "n_perturbations": 24, "on_error": "raise", "pictures": False}
    return LimeCallback(**{"views": Superbands(3), "target": 0} | defaults | settings)


def with_rate(rate):
    class Slow(Classifier):
        def configure_optimizers(self):
            self.net[1].momentum = 0.0
            return torch.optim.SGD(self.parameters(), rate)

    return Slow


@pytest.mark.parametrize("monitored", CHANGE)
def test_monitors_find_a_finite_value_from_the_first_validation_on(tmp_path, monitored):
    stopping = EarlyStopping(monitored, patience=9, check_finite=True)
    checkpoint = ModelCheckpoint(tmp_path / "best", monitor=monitored, save_top_k=-1)
    one, _ = fit(tmp_path, stopping, checkpoint, callback(), epochs=3, enable_checkpointing=True)
    assert one.current_epoch == 3
    assert len(checkpoint.best_k_models) == 3
    assert torch.isfinite(stopping.best_score)


def test_what_was_not_measured_is_in_no_logger(tmp_path):
    loggers = [TensorBoardLogger(tmp_path, version="tb"), CSVLogger(tmp_path, version="csv")]
    one, _ = fit(tmp_path, callback(), epochs=3, logger=loggers)
    (path,) = tmp_path.rglob("metrics.csv")
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("lime/spectral/score")]
    found = events(tmp_path)
    assert len(rows) == 3
    for name in CHANGE:
        if name.endswith("settled"):
            continue
        assert not rows[0][name], name
        assert all(rows[i][name] for i in (1, 2)), name
        assert len(found.Scalars(name)) == 2
    measured = [float(row["lime/spectral/settled"]) for row in rows if row.get("lime/spectral/settled")]
    assert -1 not in measured
    assert {"lime/spectral/moved", "lime/spectral/settled"} <= one.callback_metrics.keys()


def test_a_test_shows_no_change(tmp_path):
    one = trainer(tmp_path, callback())
    (found,) = one.test(Classifier(), loader(), verbose=False)
    assert "lime/test/spectral/score" in found
    assert not [name for name in (*found, *one.callback_metrics) if name.split("/")[-1] in change_names()]


def test_where_hardly_anything_is_learnt_it_has_settled(tmp_path):
    one, _ = fit(tmp_path, callback(), model=with_rate(1e-6), epochs=4)
    value = {name.rpartition("/")[2]: float(v) for name, v in one.callback_metrics.items() if "/spectral/" in name}
    assert value["settled"] == 2
    assert value["changed"] == value["flipped"] == value["prediction_changed"] == 0
    assert 0 <= value["moved"] < 1e-3
    assert abs(value["scale"]) < 1e-2


def test_a_bias_that_turns_every_prediction_is_seen(tmp_path):
    class Turning(with_rate(0.0)):
        def on_validation_epoch_start(self):
            last = self.trainer.current_epoch == 1
            with torch.no_grad():  # of a class that is not explained: first nobody's, then everybody's
                self.net[-1].bias[1] = 1e2 if last else -1e2

    one, _ = fit(tmp_path, callback(), model=Turning, epochs=2)
    assert float(one.callback_metrics["lime/spectral/prediction_changed"]) == 1
    assert float(one.callback_metrics["lime/spectral/moved"]) == pytest.approx(0, abs=1e-3)
    assert float(one.callback_metrics["lime/spectral/drift"]) == pytest.approx(0, abs=1e-3)


class Adding(with_rate(0.0)):
    """Learns nothing, but that from the second epoch on a band adds the same to all logits."""

    def forward(self, x):
        same = 3.0 * x[:, 1].mean((1, 2)).unsqueeze(1)
        return super().forward(x) + (same if self.trainer.current_epoch else 0.0)


@pytest.mark.parametrize(("output", "moves"), [("auto", False), ("softmax", False), ("raw", True)])
def test_what_a_band_adds_to_all_logits_alike_is_no_change_but_of_raw_ones(tmp_path, output, moves):
    settings = {"target": "auto", "output": output, "every_n_epochs": 1}
    one, _ = fit(tmp_path, callback(**settings), model=Adding, epochs=2)
    value = {name.rpartition("/")[2]: float(v) for name, v in one.callback_metrics.items() if "/spectral/" in name}
    assert value["prediction_changed"] == 0
    if moves:
        assert value["moved"] > 0.1
        assert value["drift"] > 0.01
    else:
        assert value["moved"] < 1e-3
        assert value["drift"] == pytest.approx(0, abs=1e-3)


def test_a_run_that_creeps_has_not_settled():
    """Each step is small, and the way is long: what moved is measured from where it seemed to settle."""
    x = torch.ones(3, 4, dtype=torch.float64)
    track = FollowedView(Superbands(4), LimeCallback(gate=0.2).config)
    said = []
    for epoch in range(8):
        weights = torch.tensor([1.0 - 0.07 * epoch, 0.07 * epoch, 0.0, 1.0], dtype=torch.float64)
        track.take(explain(lambda z, w=weights: z @ w, x, torch.arange(4), baseline="zero", n_perturbations=40), epoch)
        said.append(track.metrics["settled"])
        if epoch:
            assert track.metrics["moved"] < 0.05
    assert said[1] == 1
    assert -1 in said[2:]
    still = track.last
    track.take(still, 8), track.take(still, 9)
    assert track.metrics["settled"] >= 6


def linear():
    """Explanations of six probes by a linear model."""
    x = torch.rand(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    return weighted(x, 0.0, 1.0, 2.0, 3.0, 4.0)


def test_gated_probes_do_not_enter_means_lines_and_watches():
    one = linear()
    score = one.score.clone()
    score[:2] = 0.1
    wild = one.coefficients.clone()
    wild[:2] = 1e6
    one = replace(one, score=score, coefficients=wild)
    counts = passes_gate(one, 0.2)
    assert counts[:, 0].tolist() == [False] * 2 + [True] * 4
    means = means_over_probes(one, counts)
    torch.testing.assert_close(means.coefficients, one.coefficients[2:].mean(0))
    torch.testing.assert_close(means.errors, one.coefficients[2:].std(0) / 2)
    torch.testing.assert_close(means.halves, critical_value(3.0) * means.errors)
    first = WatchOverlap(torch.eye(5)[:1].expand(6, 5).double(), torch.full((6,), 0.2).double())
    track = FollowedView(Superbands(5), LimeCallback(gate=0.2).config, watched={"first": first})
    track.take(one, 1.0)
    assert track.metrics["watch/first"] < 1
    assert track.metrics["gated"] == 2
    assert float(track.series.coefficients[-1].abs().max()) < 1e5
    assert passes_gate(one, None).all()


def test_degenerate_fits_log_no_score():
    x = torch.rand(1, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with pytest.warns(UserWarning, match="too few to tell 30 features apart"):
        few = explain(lambda z: torch.sin(9 * z.sum(1)), x, torch.arange(30), baseline="zero", n_perturbations=36)
    assert not is_informative(few).any()
    track = FollowedView(Superbands(30), LimeCallback(gate=0.2).config)
    track.take(few, 1.0)
    assert track.metrics["score"] == 0
    assert "score" not in track.measured
    assert track.measured["gated"] == 1
    with pytest.warns(UserWarning, match="does not change"):
        still = explain(lambda z: 0 * z.sum(1), x, torch.arange(30), baseline="zero", n_perturbations=200)
    assert not is_informative(still).any()


def test_series_of_former_checkpoints_can_be_read():
    series = EpochSeries()
    one = linear()
    for epoch in range(3):
        series.add(one, float(epoch), {"score": 1.0}, None)
    state = series.state()
    again = EpochSeries.of_state(state)
    ends = ("effect_halves", "size_lows", "size_highs")
    for name in ("coefficients", "errors", "noises", "halves", "effects", "sizes", *ends):
        for a, b in zip(getattr(series, name), getattr(again, name), strict=True):
            torch.testing.assert_close(a, b, equal_nan=True)
    for name in ("noises", "halves", "sizes", "moves", *ends):
        del state[name]
    old = EpochSeries.of_state(state)
    assert len(old.coefficients) == len(old.halves) == len(old.sizes) == 3
    assert all(torch.isinf(half).all() for half in (*old.halves, *old.effect_halves))
    assert all(torch.isnan(end).all() for end in (*old.size_lows, *old.size_highs))
    assert len(old.moves) == 3
    old.add(one, 3.0, {"score": 1.0}, None)
    assert len(old.halves) == len(old.noises) == 4
    torch.save(old.state(), (buffer := io.BytesIO()))
    buffer.seek(0)
    torch.load(buffer, weights_only=True)


def test_tracks_of_former_checkpoints_can_be_read():
    track = FollowedView(Superbands(5), LimeCallback(gate=0.2).config)
    track.take(linear(), 1.0), track.take(linear(), 2.0)
    assert track.metrics["settled"] == 2
    state = track.state()
    for name in ("unmeasured", "anchor", "since", "answers"):
        del state[name]
    state["metrics"] = {name: value for name, value in state["metrics"].items() if name not in ("moved", "scale")}
    old = FollowedView(Superbands(5), LimeCallback(gate=0.2).config)
    old.restore(state)
    assert old.metrics["moved"] == worst_values()["moved"]
    assert old.settling.since == -1


def weighted(x, *weights, bend=False):
    weights = torch.tensor(weights, dtype=torch.float64)
    return explain(
        lambda z: 3 * (z @ weights).tanh() if bend else z @ weights, x, torch.arange(x.shape[1]), baseline="zero",
        n_perturbations=64,
    )  # fmt: skip


def test_reference_rows_pair_the_probes():
    """A change that is the same in all probes is sure, one that differs as much as they do is not."""
    x = torch.rand(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
    x[:, 2] = torch.tensor([1.0, -1.0] * 3)
    one, two = weighted(x, 1.0, 1.0, 1.0), weighted(x, 2.0, 1.0, 5.0)
    same, none, turns = reference_rows(one, two, compare(one, two))
    assert same.significant
    assert same.p_value < 0.01
    assert same.change == pytest.approx(float(x[:, 0].mean()), abs=1e-4)
    assert same.standard_error == pytest.approx(float(x[:, 0].std() / 6**0.5), abs=1e-4)
    assert not none.significant
    assert not turns.significant
    assert turns.noise < 0.01 < turns.standard_error
    assert turns.effect > same.effect


def test_of_a_single_probe_no_change_of_others_is_known():
    x = torch.rand(1, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
    one, two = weighted(x, 1.0, 1.0, 1.0), weighted(x, 2.0, 1.0, 5.0)
    rows = reference_rows(one, two, compare(one, two))
    assert all(row.p_value == 1 and not row.significant and row.noise < 0.01 for row in rows)


def test_intervals_over_the_probes_cover():
    """Of eight probes of a population: the share of draws whose interval holds its mean."""
    generator = torch.Generator().manual_seed(3)
    found = weighted(torch.randn(300, 4, generator=generator, dtype=torch.float64), 1.0, 2.0, -1.0, 0.5, bend=True)
    truth, inside = means_over_probes(found), []
    for _ in range(400):
        rows = torch.randperm(300, generator=generator)[:8]
        drawn = {name: getattr(found, name)[rows] for name in ("coefficients", "standard_error", "score", "targets")}
        means = means_over_probes(replace(found, **drawn))
        inside.append((means.coefficients - truth.coefficients).abs() <= means.halves)
    assert 0.90 <= float(torch.stack(inside).double().mean()) <= 0.98


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_resumed_run_measures_as_an_uninterrupted_one(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)

    def run(folder, epochs, ckpt=None):
        pl.seed_everything(0, verbose=False)
        saving = ModelCheckpoint(folder / "kept", filename="{epoch}", save_top_k=-1)
        one = trainer(folder, callback(watch={"w": Watch([0])}), saving, epochs=epochs, enable_checkpointing=True)
        one.fit(with_rate(1e-3)(), loader(), loader(), ckpt_path=ckpt)
        return {n: float(v) for n, v in one.callback_metrics.items() if "/spectral/" in n}

    whole = run(tmp_path / "whole", 4)
    run(tmp_path / "parts", 2)
    resumed = run(tmp_path / "parts", 4, ckpt=tmp_path / "parts" / "kept" / "epoch=1.ckpt")
    assert resumed == whole
    assert whole["lime/spectral/settled"] > 0
