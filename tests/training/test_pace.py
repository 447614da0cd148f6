"""Which validations are explained, and what monitors make of it."""

import pytest
from lightning.pytorch.callbacks import EarlyStopping
from toys import WAVELENGTHS, Classifier, fit, loader, trainer

from lime_callback import LimeCallback, Superbands
from lime_callback.publishing.sinks import read_history
from lime_callback.training.run_pace import RunPace


def callback(**settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 2, "n_perturbations": 16, "pictures": False, "on_error": "raise"}
    return LimeCallback(Superbands(3), **usual | settings)


def explained(settings, epochs, per_epoch):
    """The validations that are explained, as epochs from 0 and numbers within them."""
    pace = RunPace(callback(**settings).config)
    return [(epoch, i) for epoch in range(epochs) for i in range(per_epoch) if pace.take(epoch)]


def test_an_epoch_that_is_due_is_explained_once():
    assert explained({"every_n_epochs": 3}, 7, 4) == [(0, 0), (3, 0), (6, 0)]
    assert explained({}, 2, 2) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_validations_are_thinned():
    assert explained({"every_n_validations": 3}, 2, 4) == [(0, 0), (0, 3), (1, 2)]
    with pytest.raises(ValueError, match=r"both say how often to explain.*leave one of the two out"):
        callback(every_n_epochs=2, every_n_validations=2)
    with pytest.raises(ValueError, match="`every_n_validations` should be"):
        callback(every_n_validations=0)


def test_a_run_thins_its_validations_and_goes_on_counting_after_a_resume(tmp_path):
    settings = {"val_check_interval": 1, "limit_train_batches": 3}
    one, model = fit(tmp_path, callback(every_n_validations=4), epochs=2, **settings)
    (path,) = tmp_path.rglob("history.csv")
    assert sorted({row.step for row in read_history(path)}) == [0, 4]  # of the steps 0 to 5
    one.save_checkpoint(tmp_path / "last.ckpt")
    again = trainer(tmp_path, callback(every_n_validations=4), epochs=4, **settings)
    again.fit(model, loader(), loader(), ckpt_path=tmp_path / "last.ckpt")
    assert sorted({row.step for row in read_history(path)}) == [0, 4, 8]


@pytest.mark.parametrize(
    ("settings", "between"),
    [({"every_n_epochs": 5}, 5), ({"every_n_validations": 4}, 4)],
    ids=["epochs", "validations"],
)
def test_a_patience_that_repeated_values_use_up_is_warned_of(tmp_path, settings, between):
    stopping = EarlyStopping("lime/spectral/score", patience=3, mode="max")
    one = trainer(tmp_path, stopping, callback(**settings), epochs=1)
    with pytest.warns(UserWarning, match=f"once in {between} validations, .* Pass `patience={3 * between}`"):
        one.fit(Classifier(), loader(), loader())


def test_a_patience_that_suffices_is_not_warned_of(tmp_path):
    others = EarlyStopping("val_loss", patience=1), EarlyStopping("lime/spectral/score", patience=5, mode="max")
    trainer(tmp_path, *others, callback(every_n_epochs=5), epochs=1).fit(Classifier(), loader(), loader())
