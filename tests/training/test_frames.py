"""Few frames of ours stand between the hook that Lightning calls and a forward: a person can read them all."""

import sys
from itertools import chain
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from toys import WAVELENGTHS, Classifier, fit

import lime_callback
from lime_callback import LimeCallback, Superbands, Superpixels, Watch, is_explaining
from lime_callback.explaining.explain_batch import explain_batch
from lime_callback.following.pinned_view import PinnedView
from lime_callback.forwards.batched_forwards import perturbed_outputs
from lime_callback.training.hooks import Hooks

HOUSE = str(Path(lime_callback.__file__).parent)
MOST = 9
MOST_BESIDE = 10  # of what is asked besides: the second baseline, the reference and reliance, each by one function more
VIEWS = {"superpixels": Superpixels("grid", n_segments=4), "superbands": Superbands(6)}


def own_frames():
    """Our functions that have been entered and not left, the outermost first; a context manager is left by then."""
    frame, own = sys._getframe(1), []
    while frame is not None:
        if frame.f_code.co_filename.startswith(HOUSE):
            own.insert(0, frame.f_code.co_qualname)
        frame = frame.f_back
    return own


class Watching(Classifier):
    """Keeps the way to each forward that explains: of those in the sanity check, and of those after it."""

    def forward(self, x):
        if is_explaining():
            self.ways[self.trainer.sanity_checking].append(own_frames())
        return super().forward(x)


def ways(folder, views, **settings):
    """The ways to the forwards that explain: those of the sanity check, and those of the epochs."""
    defaults = {"probes": 4, "pictures": False, "on_error": "raise", "max_batch_size": 32}
    lime = LimeCallback(views, wavelengths=WAVELENGTHS, **defaults | settings)
    Watching.ways = {True: [], False: []}
    kept = ModelCheckpoint(folder, filename="last")
    fit(folder, lime, kept, model=Watching, epochs=1, enable_checkpointing=True)
    assert {way[0] for way in chain(*Watching.ways.values())} == {Hooks.on_validation_epoch_end.__qualname__}
    return Watching.ways[True], Watching.ways[False]


def passing(found, *functions):
    """Those that pass all of these functions."""
    return [way for way in found if all(function.__qualname__ in way for function in functions)]


@pytest.mark.parametrize("stem", ["auto", "off"])
@pytest.mark.parametrize("view", VIEWS)
def test_from_the_hook_to_a_forward_of_a_view(tmp_path, view, stem):
    """Also to those that pin, that try the stem, and that measure the faithfulness."""
    rehearsed, explained = ways(tmp_path, VIEWS[view], stem=stem, background=0, n_perturbations=400, design="paired")
    sweep = passing(explained, PinnedView.explain, explain_batch, perturbed_outputs)
    assert len(sweep) > 40
    assert all(("FoldedStem.evaluate" in way) == (stem == "auto") for way in sweep)
    assert PinnedView.pin.__qualname__ in explained[0]
    for way in rehearsed + explained:
        assert len(way) <= MOST, way


def test_what_is_asked_besides_takes_one_function_more(tmp_path):
    settings = {"watch": {"first": Watch([0, 1], below=0.0)}, "time_budget": 60.0, "n_perturbations": 256}
    ways(tmp_path / "before", list(VIEWS.values()))
    reference = str(tmp_path / "before" / "last.ckpt")
    rehearsed, explained = ways(tmp_path / "after", list(VIEWS.values()), reference=reference, **settings)
    assert all(len(way) <= MOST for way in rehearsed)
    beside = [way for way in explained if len(way) > MOST]
    for way in beside:
        assert len(way) <= MOST_BESIDE, way
        assert {"ask", "ViewLoop._find_reference", "RunReliance.measure"} & set(way), way
