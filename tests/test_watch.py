"""A watched set's share of the attribution, and its alarms."""

import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from toys import WAVELENGTHS, Classifier, events, fit

from lime_callback import Cubes, LimeCallback, Superbands, Superpixels, Watch, explain
from lime_callback.watch import check_watch, overlap, shares

X = torch.rand(2, 6, 8, 8, generator=torch.Generator().manual_seed(0))
SUPERBANDS = Superbands(3)


def inside(watch, view=SUPERBANDS):
    return overlap(watch, view.features(X, wavelengths=WAVELENGTHS), X, WAVELENGTHS, None)


def test_overlap_is_the_part_of_each_feature_in_the_set():
    assert inside(Watch([0, 1, 2])).tolist() == [[1.0, 0.5, 0.0]] * 2
    assert inside(Watch((510.0, 590.0))).tolist() == [[0.5, 0.5, 0.0]] * 2
    assert inside(Watch([455.0])).tolist() == [[0.5, 0.0, 0.0]] * 2
    left = torch.zeros(8, 8, dtype=torch.bool)
    left[:, :4] = True
    assert inside(Watch(pixels=left), Superpixels("grid", n_segments=4)).tolist() == [[1.0, 0.0, 1.0, 0.0]] * 2
    both = Cubes(superpixels=Superpixels("grid", n_segments=4), superbands=SUPERBANDS)
    assert inside(Watch([4, 5]), both)[0].tolist() == [0, 0, 1] * 4


def test_a_view_that_is_not_cut_along_the_set_does_not_follow_it():
    assert inside(Watch([0]), Superpixels("grid", n_segments=4)) is None
    assert inside(Watch(pixels=torch.ones(8, 8).bool())) is None


def test_shares_are_exact_on_linear_models():
    weight = torch.tensor([4.0, 0.0, 0.0, -3.0, 1.0, 0.0])
    x = torch.ones(1, 6, 1, 1)
    found = explain(lambda x: x.flatten(1) @ weight, x, torch.arange(6).view(6, 1, 1), baseline=0.0)
    share, error = shares(found, torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.5, 0.0]]))
    torch.testing.assert_close(share, torch.tensor([[4.5 / 8]], dtype=share.dtype), atol=1e-5, rtol=0)
    assert error < 1e-5


def test_the_error_of_a_share_is_its_spread_over_designs():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, generator=generator)
    mix = torch.randn(6, 6, generator=generator)
    x = torch.ones(1, 6)

    def forward(x):
        return x @ weight + 0.5 * ((x @ mix) * x).sum(1) * x[:, 0]

    found = [explain(forward, x, torch.arange(6), baseline=0.0, n_perturbations=96, seed=seed) for seed in range(200)]
    results = [shares(one, torch.tensor([[1.0, 0, 0, 1, 0, 0]])) for one in found]
    spread = np.std([float(share) for share, _ in results])
    stated = np.sqrt(np.mean([float(error) ** 2 for _, error in results]))
    assert stated == pytest.approx(spread, rel=0.15)


def test_alarms_wait_for_more_than_the_error():
    watch = Watch([0], above=0.5, below=0.2)
    assert watch.alarm(0.6, 0.02) == "has 0.600 ± 0.020 of the attribution, above 0.5"
    assert watch.alarm(0.6, 0.1) is None
    assert watch.alarm(0.1, 0.02) == "has 0.100 ± 0.020 of the attribution, below 0.2"
    assert watch.alarm(0.3, 0.0) is None


class Given(Classifier):
    """Answers by the second channel alone, and does not learn."""

    def forward(self, x):
        return x[:, 1].mean((1, 2)).unsqueeze(1) * torch.tensor([1.0, -1.0, 0.5]) + 0 * self.net(x)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.0)


def watched(**watch):
    return LimeCallback(SUPERBANDS, wavelengths=WAVELENGTHS, probes=3, n_perturbations=24, baseline=0.0, watch=watch)


def test_an_alarm_warns_once_is_logged_and_stops_the_run(tmp_path):
    lime = watched(plant=Watch((500.0, 530.0), above=0.4, stop=True), calm=[3, 4])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one, _ = fit(tmp_path, lime, model=Given, logger=TensorBoardLogger(tmp_path), epochs=5)
    text = "'plant' has 0.500 ± 0.000 of the attribution, above 0.4 in view 'spectral', epoch 0."
    assert [str(w.message) for w in caught if "plant" in str(w.message)] == [f"LimeCallback 'lime': {text}"]
    assert one.current_epoch == 1
    assert one.callback_metrics["lime/spectral/watch/plant"] == pytest.approx(0.5, abs=1e-3)
    assert one.callback_metrics["lime/spectral/watch/calm"] == pytest.approx(0, abs=1e-3)
    found = events(tmp_path)
    assert [event.value for event in found.Scalars("lime/spectral/watch/plant")] == pytest.approx([0.5], abs=1e-3)
    tag = "lime/spectral/watch/plant/alarm/text_summary"
    assert found.Tensors(tag)[0].tensor_proto.string_val[0].decode() == text


def test_an_alarm_without_stop_goes_on(tmp_path):
    with pytest.warns(UserWarning, match="'plant' has 0.500"):
        one, _ = fit(tmp_path, watched(plant=Watch([1], above=0.4)), model=Given, epochs=3)
    assert one.current_epoch == 3


def test_the_experts_bands_for_potassium():
    nm = [462.08 + i * (938.37 - 462.08) / 149 for i in range(150)]
    potassium = [462.08, 465.27, 474.86, 494.04, 599.53, 609.12, 612.32]
    x = torch.rand(1, 150, 4, 4)
    found = overlap(Watch(potassium), Superbands(150).features(x, wavelengths=nm), x, nm, None)
    assert found.sum() == 7


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Watch(), ValueError, "`watch` takes either `bands` or `pixels`. Found neither"),
        (lambda: Watch([0], pixels="mask"), ValueError, "`watch` takes either `bands` or `pixels`. Found both"),
        (lambda: Watch([0], above=2), ValueError, "`above` should be a share from 0 to 1. Found `above = 2`"),
        (lambda: Watch([0], below=-1), ValueError, "`below` should be a share from 0 to 1"),
        (lambda: Watch([0], stop=True), ValueError, "`stop` needs a bound to wait for"),
        (lambda: Watch("Infrared-ish"), ValueError, "Infrared-ish"),
        (lambda: Watch(pixels=3), TypeError, "`pixels` should be an integer tensor or array, the key"),
        (lambda: check_watch(["R"]), TypeError, "`watch` should be a dictionary of names.*Found a list"),
        (lambda: check_watch({"a/b": [0]}), ValueError, "`watch` should be a name of letters"),
        (lambda: check_watch({"w": []}), ValueError, r"`watch\['w'\]` names no set of channels or pixels"),
        (lambda: inside(Watch((2000.0, 2100.0))), ValueError, "Found none of them there"),
        (lambda: inside(Watch([7])), ValueError, "7"),
    ],
)
def test_what_cannot_be_watched(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
