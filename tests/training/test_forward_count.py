"""``lime/forwards`` is what a model that counts its inputs sees during an explained epoch, in all of its epochs."""

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from toys import WAVELENGTHS, Classifier, fit

from lime_callback import LimeCallback, Superbands, Superpixels, Watch, is_explaining
from lime_callback.probes import HighestLoss


class Counting(Classifier):
    """Counts the inputs that it explains, by epochs."""

    def forward(self, x):
        if is_explaining() and not self.trainer.sanity_checking:
            self.seen[self.trainer.current_epoch] = self.seen.get(self.trainer.current_epoch, 0) + len(x)
        return super().forward(x)


class Told(LimeCallback):
    """Keeps what it says of its forwards, by epochs."""

    def on_validation_epoch_end(self, trainer, pl_module):
        super().on_validation_epoch_end(trainer, pl_module)
        if not trainer.sanity_checking:
            self.told[trainer.current_epoch] = float(trainer.callback_metrics["lime/forwards"])


def counts(folder, epochs=3, views=None, **settings):
    """What a run's callback says, and what its model has seen."""
    views = [Superbands(6), Superpixels("grid", n_segments=4)] if views is None else views
    defaults = {"wavelengths": WAVELENGTHS, "probes": 3, "n_perturbations": 64, "pictures": False, "on_error": "raise"}
    lime = Told(views, **(defaults | settings))
    Told.told, Counting.seen = {}, {}
    kept = ModelCheckpoint(folder, filename="last")
    fit(folder, lime, kept, model=Counting, epochs=epochs, enable_checkpointing=True)
    return lime.told, Counting.seen


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stem": "off"},
        {"design": "paired", "n_perturbations": 400, "views": Superbands(6)},  # with faithfulness and another baseline
        {"watch": {"first": Watch([0, 1], below=0.0)}},
        {"background": 0},
        {"reliance": False},
        {"probes": HighestLoss(2, candidates=12)},
        {"max_batch_size": 5},
    ],
    ids=["plain", "no stem", "faithfulness", "watch", "no background", "no reliance", "chosen", "small batches"],
)
def test_it_is_what_the_model_sees(tmp_path, settings):
    told, seen = counts(tmp_path, **settings)
    assert sorted(seen) == [0, 1, 2]
    assert told == seen
    assert seen[0] > seen[1] == seen[2]


def test_a_reference_and_a_time_budget_count(tmp_path):
    counts(tmp_path / "before", epochs=1)
    plain, _ = counts(tmp_path / "plain")
    told, seen = counts(tmp_path / "reference", reference=str(tmp_path / "before" / "last.ckpt"))
    assert told == seen
    assert told[0] > plain[0]
    told, seen = counts(tmp_path / "budget", time_budget=60.0)
    assert told == seen
    assert told[0] > plain[0]


def test_an_epoch_that_is_not_explained_repeats_the_last_count(tmp_path):
    told, seen = counts(tmp_path, every_n_epochs=2)
    assert sorted(seen) == [0, 2]
    assert told == {0: seen[0], 1: seen[0], 2: seen[2]}
