"""Segmentation in a run: without arguments, with classes that are predicted late or nowhere, with given regions."""

import warnings

import pytest
import torch
from toys import Samples, Untrained, fit

from lime_callback import LimeCallback, Superpixels
from lime_callback.outputs import ClassRegion

GRID = Superpixels("grid", n_segments=4)


class Segmenter(Untrained):
    """Class 1 is predicted on the left from epoch ``begins`` on, and later on the right; ``form`` is the output's."""

    def __init__(self, begins=1, form=lambda y: y):
        super().__init__()
        self.begins, self.form = begins, form

    def forward(self, x):
        level = x.square().mean(1)
        shift = torch.full_like(level, -10.0)
        if self.current_epoch >= self.begins:
            half = level.shape[-1] // 2
            shift[..., slice(None, half) if self.current_epoch == self.begins else slice(half, None)] = 4.0
        return self.form(torch.stack([self.weight * level, self.weight * 0.5 * level + shift], 1))


def masks(x, y, i):
    return {"image": x, "mask": (torch.arange(12).expand(12, 12) >= 6).long()}


def run(folder, lime, model, data=None, epochs=3, record=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(folder, lime, model=lambda: model, data=data or Samples(pack=masks), epochs=epochs, num_sanity_val_steps=1)
    return [str(warning.message) for warning in caught if "LimeCallback" in str(warning.message)]


def callback(**settings):
    usual = {"probes": 2, "n_perturbations": 16, "on_error": "raise", "pictures": False, "background": 0}
    return LimeCallback([GRID], **usual | settings)


@pytest.mark.parametrize(
    ("form", "size"),
    [
        (lambda y: y, 2),
        (lambda y: y.movedim(1, -1), 2),
        (lambda y: (y[:, 1] - y[:, 0]).unsqueeze(-1), 2),
        (lambda y: y[:, 1] - y[:, 0], 2),
        (lambda y: {("net", "logits"): (y[:, 1] - y[:, 0]).unsqueeze(-1)}, 2),
    ],
    ids=["[m, K, H, W]", "[m, H, W, K]", "[m, H, W, 1]", "[m, H, W]", "a dict with tuple keys"],
)
def test_segmentation_with_zero_arguments_takes_the_region_of_each_class(tmp_path, form, size, caplog):
    """And says so in a line, which names both ways."""
    lime = callback()
    with caplog.at_level("INFO"):
        run(tmp_path, lime, Segmenter(begins=0, form=form), epochs=1)
    found = lime.explanation("spatial")
    assert lime._latest.loop.view("spatial").outputs == size
    assert (found.coefficients.abs().amax(-1) > 0).all()
    (said,) = {record.getMessage() for record in caplog.records if "predicted as a class" in record.getMessage()}
    assert "`output=ClassRegion()`" in said
    assert "`output=PixelCount()`" in said


def test_a_class_that_is_predicted_late_gets_its_region_at_its_first_epoch_that_has_one(tmp_path):
    """Its coefficients stayed 0 all run long; its region is that of the first epoch, also when it moves on."""
    lime = callback(output=ClassRegion(), target=1)
    seen = []

    class Seeing(Segmenter):
        def on_validation_epoch_end(self):  # the callback explains before
            if not self.trainer.sanity_checking:
                view = lime._latest.loop.view("spatial")
                seen.append((view.last.coefficients.abs().amax(), view.last.prediction, view.pinned.clone()))

    told = run(tmp_path, lime, Seeing(begins=1), epochs=3)
    (first, _, before), (second, prediction, pinned), (_, moved, still) = seen
    assert first == 0
    assert second > 0
    assert (prediction > 0.9).all()
    assert torch.equal(pinned, still)
    assert not torch.equal(before, pinned)
    assert (moved < 0.5).all()
    assert sum("no pixel of any probe is predicted as class 1: nothing" in text for text in told) == 1


def test_a_region_from_a_batch_entry(tmp_path):
    """`ClassRegion(region="mask")`: a class that is predicted nowhere is explained where it is in truth."""
    lime = callback(output=ClassRegion("raw", region="mask"), target=1)
    told = run(tmp_path, lime, Segmenter(begins=9), epochs=1)
    assert told == []
    found, x = lime.explanation("spatial"), lime._validation.probes.inputs
    expected = (0.5 * x.square().mean(1) - 10)[..., 6:].mean((1, 2))
    torch.testing.assert_close(found.prediction[:, 0], expected)
    assert (found.coefficients[:, 0].abs().amax(-1) > 0).all()


def test_a_region_that_is_no_entry_ends_the_rehearsal(tmp_path):
    lime = callback(output=ClassRegion(region="truth"))
    with pytest.raises(ValueError, match=r"`region` should be .*Found `region = 'truth'` and a batch of .*'mask': ten"):
        run(tmp_path, lime, Segmenter())


@pytest.mark.parametrize(
    "pack",
    [
        lambda x, y, i: (x, x[0]),
        lambda x, y, i: {"image": x, "mask": x[0]},
        lambda x, y, i: {"image": x, "mask": x[:1]},
    ],
    ids=["beside the image", "mask", "mask with a channel"],
)
def test_a_number_for_each_pixel_is_no_class(tmp_path, pack):
    data = Samples(pack=pack)
    with pytest.raises(ValueError, match=r"labels that are no classes.*`output=lambda y: y.flatten\(1\).mean\(1\)`"):
        run(tmp_path, callback(), Segmenter(form=lambda y: y[:, :1]), data)
    lime = callback(output=lambda y: y.flatten(1).mean(1))
    run(tmp_path, lime, Segmenter(form=lambda y: y[:, :1]), data, epochs=1)
    assert lime.explanation("spatial") is not None
