"""Errors name what was found in the data, and a way that works."""

import re
import warnings
from contextlib import nullcontext

import pytest
import torch
from toys import Classifier, Samples, fit

from lime_callback import LimeCallback, Superpixels
from lime_callback.forwards.processes import ALONE
from lime_callback.probes import Unsure
from lime_callback.probes.capture import Capture
from lime_callback.probes.model_wrapper import ModelWrapper
from lime_callback.probes.other_entries import alike_inputs
from lime_callback.views.layout import Layout


def callback(**settings):
    defaults = {"probes": 4, "n_perturbations": 16, "pictures": False, "on_error": "raise"}
    return LimeCallback(Superpixels("grid", n_segments=4), **defaults | settings)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (lambda y: torch.nn.functional.one_hot(y, 3), "Found 3 values for each, int64; pass `target='all'`"),
        (lambda y: y.float() + 0.5, r"Found floating-point numbers, float32; let the dataset convert .*`.long\(\)`"),
        (lambda y: "abc"[y], "Found texts, such as '[abc]'; let the dataset number its classes"),
        (lambda y: y.expand(4, 4), r"Found labels of shape \(1, 4, 4\); pass `target='predicted'`"),
    ],
    ids=["multi-hot", "floats", "texts", "pixels"],
)
def test_labels_that_are_no_classes_are_named(tmp_path, label, message):
    class Unlabelled(Classifier):
        def loss(self, batch):
            return self(batch["image"]).square().mean()

    data = Samples(16, pack=lambda x, y, i: {"image": x, "label": label(y)})
    with pytest.raises(ValueError, match=f"`target = 'label'` needs one integer label for each sample. {message}"):
        fit(tmp_path, callback(target="label"), model=Unlabelled, data=data, epochs=1)


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("CHW", (5, 1, 200)), ("HW", (5, 200)), ("C", (5, 1, 200)), ("C", (5, 200, 1)), ("CHW", (5, 9, 9)),
        ("CHW", (5, 1, 6, 9, 9)), ("CHW", (5, 6, 1, 9, 9)), ("CHW", (5, 64, 48, 3)), ("CHW", (5, 28, 28, 1)),
    ],
)  # fmt: skip
def test_the_layout_that_an_error_names_fits(layout, shape):
    def check(layout):
        layout.check(shape)
        layout.check_plausible(shape)

    with pytest.raises(ValueError, match="Pass layout=") as error:
        check(Layout(layout))
    advised = re.search(r"Pass layout='(\w+)'", str(error.value)).group(1)
    check(Layout(advised))


@pytest.mark.parametrize("shape", [(5, 6, 3, 64, 64), (5, 4, 8, 64, 64)])
def test_times_and_depths_are_not_told_a_layout_that_cannot_fit(shape):
    with pytest.raises(ValueError, match="Pass a layout with a letter for each axis, such as layout='CTHW'"):
        Layout("CHW").check(shape)


@pytest.mark.parametrize("shape", [(5, 3, 64, 48), (5, 200, 5, 3), (5, 9, 9, 3), (5, 64, 48, 6)])
def test_small_patches_of_many_channels_stay_what_they_are(shape):
    Layout("CHW").check_plausible(shape)


@pytest.mark.parametrize(
    ("layout", "shape", "better"),
    [
        ("HWC", (5, 6, 24, 24), "CHW"), ("HWC", (5, 1, 28, 28), "CHW"), ("HWC", (5, 200, 9, 9), "CHW"),
        ("CHW", (5, 24, 24, 6), "HWC"), ("CHW", (5, 9, 9, 200), "HWC"), ("WCH", (5, 24, 24, 6), "HWC"),
        ("HWC", (5, 24, 6, 24), "HCW"),
    ],
)  # fmt: skip
def test_a_layout_that_fits_and_is_unlikely_is_doubted(layout, shape, better):
    text = Layout(layout).doubt(shape)
    assert f"pass layout='{better}'" in text
    assert Layout(better).doubt(shape) == ""
    sizes = dict(zip(better, shape[1:], strict=True))
    assert f"{sizes['C']} channels of {sizes['H']} x {sizes['W']} pixels, pass" in text


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("CHW", (5, 6, 24, 24)), ("CHW", (5, 200, 9, 9)), ("HWC", (5, 24, 24, 6)), ("CHW", (5, 24, 24, 24)),
        ("CHW", (5, 64, 48, 6)), ("CHW", (5, 12, 12, 9)), ("C", (5, 9)), ("1CHW", (5, 1, 9, 24, 24)), ("HW", (5, 9, 9)),
    ],
)  # fmt: skip
def test_a_layout_that_may_well_be_is_not_doubted(layout, shape):
    assert Layout(layout).doubt(shape) == ""


@pytest.mark.filterwarnings("ignore:.*are degenerate")
@pytest.mark.parametrize("settings", [{"layout": "HWC"}, {"layout": "HWC", "wavelengths": list(range(400, 412))}, {}])
def test_a_run_of_an_unlikely_layout_warns_once_unless_wavelengths_say_so(tmp_path, settings):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(tmp_path, callback(**settings), epochs=2)
    texts = [str(one.message) for one in said if "pass layout='CHW'" in str(one.message)]
    assert len(texts) == (list(settings) == ["layout"])


def test_choices_rank_what_is_explained():
    """A function makes classes of tokens' outputs, of which probes are unsure."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 12), torch.nn.Unflatten(1, (3, 4)))
    capture = Capture(
        Unsure(count=2, margin=2.0), ALONE, lambda probes: ModelWrapper(net, nullcontext, probes),
        output=lambda y: y.mean(2),
    )  # fmt: skip
    with torch.no_grad():
        x = torch.randn(8, 4)
        y = net(x).mean(2).topk(2).indices[:, 0]
    capture.offer([1], (x, y), 0)
    probes, _ = capture.taken()
    assert len(probes) == 2


class ReadsTheSecond(Classifier):
    """Takes the whole batch, and reads its second image."""

    def forward(self, batch):
        return self.net(batch[1])

    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self(batch), batch[2])


def test_a_model_that_reads_another_image_of_the_batch_is_told_where_else_images_are(tmp_path):
    pairs = Samples(16, pack=lambda x, y, i: (x.flip(-1), x, y))

    def run(how):
        lime = callback(probes=2, n_perturbations=16, baseline="zero", reliance=False, **how)
        fit(tmp_path, lime, model=ReadsTheSecond, data=pairs, epochs=1)
        return lime.explanation("spatial").coefficients

    with pytest.warns(
        UserWarning, match="are degenerate: .* others may be what the model reads. Pass for example"
    ) as told:
        assert not run({}).any()
    said = next(str(one.message) for one in told if "degenerate" in str(one.message))
    assert run({"input_key": eval(re.search(r"`input_key=(.*?)`", said)[1])}).any()


def test_the_labels_are_never_proposed_as_images():
    batch = {"image": torch.zeros(2, 3, 8, 8), "mask": torch.zeros(2, 8, 8), "other": torch.zeros(2, 4, 8, 8)}
    assert alike_inputs(batch, "image", "mask") == ["'other'"]
    assert alike_inputs(batch, "image") == ["'other'", "'mask'"]
