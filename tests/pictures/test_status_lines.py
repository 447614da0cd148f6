"""What stands above a view's main pictures: fit, change, classes and watches, each as it was measured."""

from types import SimpleNamespace

import pytest
import torch
from toys import WAVELENGTHS, Classifier, Samples, Still, fit

from lime_callback import LimeCallback, Superbands, Superpixels, Watch
from lime_callback.pictures import status_lines
from lime_callback.pictures.status_lines import status
from lime_callback.publishing import publisher
from lime_callback.views.channels.set_extent import SetExtent

NAMES = ["maize", "oats", "soy"]
SPECTRAL = (Superbands(3),)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A function that runs a callback, and returns each explained epoch's texts, and its followed view."""
    epochs, tracks = [], []

    def keep(track, *_):
        epochs.append(status(track))
        tracks.append(track)
        return {}

    monkeypatch.setattr(publisher, "requests", keep)

    def run(views=SPECTRAL, *, model=Classifier, epochs_of_run=3, data=None, **settings):
        epochs.clear()
        usual = {"probes": 4, "n_perturbations": 64, "wavelengths": WAVELENGTHS, "class_names": NAMES}
        lime = LimeCallback(list(views), **usual | {"on_error": "raise"} | settings)
        fit(tmp_path, lime, epochs=epochs_of_run, model=model, data=data)
        return list(epochs), tracks[-1]

    return run


def test_fit_change_and_the_missing_watch_are_said(told):
    first, second, third = told()[0]
    assert first[0].startswith("R² of the explanation ")
    assert ", worst " in first[0]
    assert "nothing to compare with yet" in first
    assert any(text.endswith(" of the attribution moved since epoch 1") for text in second)
    assert any(" of the attribution moved since epoch 2, " in text and text.endswith("since epoch 1") for text in third)
    assert all("no watch is set" in texts for texts in (first, second, third))


def test_what_has_settled_is_said_with_its_epoch(told):
    *_, last = told(model=Still)[0]
    assert "0 % of the attribution moved since epoch 2, 0 % since epoch 1" in last
    assert "settled since epoch 2" in last
    assert "not settled" not in last


def test_probes_of_other_classes_are_counted(told):
    """Each label is 1, which an untrained network does not predict for all."""
    (first,), track = told(model=Still, epochs_of_run=1, data=Samples(pack=lambda x, y, i: (x, torch.tensor(1))))
    wrong = int((track.now.classes != 1).sum())
    assert wrong > 0
    assert f"⚠ {wrong} of 4 probes are predicted wrongly (≠)" in first
    assert not any("explained for another class" in text for text in first)


def test_an_alarm_of_another_view_is_said(told):
    corner = torch.zeros(12, 12, dtype=torch.bool)
    corner[:6] = True
    watch = {"all": Watch(list(range(6)), above=0.5), "upper half": Watch(pixels=corner, above=1.0)}
    with pytest.warns(UserWarning, match="'all' has 100.0 ± 0.0 % of the attribution, above 50 %"):
        spectral, spatial = told(
            (*SPECTRAL, Superpixels("grid", n_segments=4)), epochs_of_run=1, watch=watch, reliance=False
        )[0]
    assert "⚠ alarm of watch 'all'" in spectral
    assert "⚠ alarm of watch 'all' in view 'spectral'" in spatial


def test_fits_below_the_gate_are_a_warning(told):
    (first,), _ = told((Superpixels("grid", n_segments=9),), epochs_of_run=1, gate=0.9999999)
    assert any(text.startswith("⚠ ") and text.endswith(" of 4 fits are too poor to be read") for text in first)


def test_verdicts_are_the_same_words_as_on_the_console():
    names = ("ends", "water", "red edge", "wanted")
    changed, expected = (torch.tensor(column, dtype=torch.float64) for column in ([0.5, 0.2, 0.0, 0.5], [0.1] * 4))
    extents = (SetExtent("2 of 9 bands, 400 to 410 nm", "bands"),) * 4
    verdicts = ("rests on", "uses in part", "not seen to use", "rests on")
    track = SimpleNamespace(
        watched=dict.fromkeys(names), alarmed={"ends"}, alarmed_elsewhere={},
        reliance=SimpleNamespace(names=names, changed=changed, expected=expected, classes=True, extents=extents),
        uses={name: SimpleNamespace(use=use) for name, use in zip(names, verdicts, strict=True)},
        config=SimpleNamespace(watch={name: Watch([0], below=0.1 if name == "wanted" else None) for name in names}),
    )  # fmt: skip
    assert list(status_lines._watches(track)) == [
        "⚠ the model rests on 'ends': hiding it changes 50 % of predictions, as many bands at random: 10 %",
        "⚠ the model uses 'water' in part: hiding it changes 20 % of predictions, as many bands at random: 10 %",
        "the model is not seen to use 'red edge': hiding it changes 0 % of predictions, as many bands at random: 10 %",
        "the model rests on 'wanted': hiding it changes 50 % of predictions, as many bands at random: 10 %",
    ]


def test_watches_are_named_with_and_without_an_alarm(told):
    """A share cannot be below 0; that of a watch on all channels is 1, above any bound."""
    watch = {"all": Watch(list(range(6)), above=0.5), "none": Watch([0], above=1.0)}
    with pytest.warns(UserWarning, match="'all' has 100.0 ± 0.0 % of the attribution, above 50 %"):
        (first,), _ = told(epochs_of_run=1, watch=watch, reliance=False)
    assert "⚠ alarm of watch 'all'" in first
    assert "watch 'none': no alarm, reliance not measured" in first
    assert "no watch is set" not in first
