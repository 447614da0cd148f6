"""What a validation step does to a batch before it calls the model is seen, and said with a way that works."""

import re
import warnings

import pytest
import torch
from torch.utils.data import DataLoader
from toys import Classifier, Samples, fit, trainer

from lime_callback import LimeCallback, Superpixels

IMAGES = Samples(16, pack=lambda x, y, i: ((x * 20 + 100).clamp(0, 255).round(), y))
BYTES = Samples(16, pack=lambda x, y, i: ((x * 20 + 100).clamp(0, 255).to(torch.uint8), y))


def callback(**settings):
    defaults = {"probes": 4, "n_perturbations": 16, "pictures": False, "on_error": "raise"}
    return LimeCallback(Superpixels("grid", n_segments=4), **defaults | settings)


def stepping(how):
    """A module whose steps call the model in this way."""

    class Steps(Classifier):
        def loss(self, batch):
            return torch.nn.functional.cross_entropy(how(self, batch[0]), batch[1])

    return Steps


def scaled(x):
    return (x / 255 - 0.5) / 0.25


@pytest.mark.parametrize("sanity", [0, 2])
@pytest.mark.parametrize(
    "how",
    [lambda m, x: m(scaled(x)), lambda m, x: m.forward(scaled(x)), lambda m, x: m.net(scaled(x))],
    ids=["called", "forward", "part"],
)
def test_preprocessing_in_the_step_is_told_and_the_advice_works(tmp_path, how, sanity):
    model, lime = stepping(how), callback()
    with pytest.warns(UserWarning, match="`validation_step` gives the model.*another input") as told:
        fit(tmp_path, lime, model=model, data=IMAGES, epochs=1, num_sanity_val_steps=sanity)
    texts = [str(one.message) for one in told if "validation_step" in str(one.message)]
    assert len(texts) == 1
    advised = eval(re.search(r"`forward=(lambda .*?)`[.]", texts[0]).group(1))
    lime, right = callback(forward=advised), callback(forward=lambda m, batch: m(scaled(batch[0])))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "LimeCallback")
        fit(tmp_path, lime, model=model, data=IMAGES, epochs=1)
        fit(tmp_path, right, model=model, data=IMAGES, epochs=1)
    found, wanted = (one.explanation("spatial").coefficients for one in (lime, right))
    assert torch.allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(
    "how", [lambda m, x: m(x.float()), lambda m, x: m.net(x.float())], ids=["called", "part"]
)  # fmt: skip
def test_a_step_that_makes_floats_of_bytes_is_followed(tmp_path, how):
    lime = callback()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "LimeCallback")
        fit(tmp_path, lime, model=stepping(how), data=BYTES, epochs=1)
    assert lime.explanation("spatial").coefficients.isfinite().all()


@pytest.mark.parametrize("sanity", [0, 2])
def test_steps_that_call_the_model_with_the_batch_are_not_mentioned_and_left_alone(tmp_path, sanity):
    class Both(Classifier):
        def forward(self, x):
            return self.net((x - 0.1) / 3)

        def validation_step(self, batch, index):
            torch.nn.Flatten()(batch[0])
            super().validation_step(batch, index)

    states = []
    for lime in ([callback()], []):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "LimeCallback")
            _, model = fit(tmp_path, *lime, model=Both, data=Samples(16), epochs=2, num_sanity_val_steps=sanity)
        assert not any(part._forward_pre_hooks for part in model.modules())
        states.append(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))


WARM = Samples(16, pack=lambda x, y, i: (300 + 0.25 * x, y))


def test_a_flip_is_seen_where_images_vary_little_around_a_large_mean(tmp_path):
    with pytest.warns(UserWarning, match="`validation_step` gives the model.*another input"):
        fit(tmp_path, callback(), model=stepping(lambda m, x: m(x.flip(-1))), data=WARM, epochs=1)


def nodata(x):
    return torch.where(x < 70, torch.zeros_like(x), scaled(x))


def advised_by(tmp_path, data, model, **names):
    with pytest.warns(UserWarning, match="`validation_step` gives the model.*another input") as told:
        fit(tmp_path, callback(), model=model, data=data, epochs=1)
    text = next(str(one.message) for one in told if "validation_step" in str(one.message))
    return eval(re.search(r"`forward=(lambda .*?)`[.]", text).group(1), {"torch": torch, **names})


@pytest.mark.parametrize(
    ("how", "right"),
    [
        (lambda m, x: torch.cat([m(part) for part in scaled(x).split(3)]), lambda m, x: m(scaled(x))),
        (lambda m, x: m(nodata(x)), lambda m, x: m(nodata(x))),
    ],
    ids=["in pieces", "nodata is masked"],
)
def test_the_advice_does_what_the_step_does(tmp_path, how, right):
    advised = advised_by(tmp_path, IMAGES, stepping(how), preprocess=lambda x: nodata(x))
    found, wanted = callback(forward=advised), callback(forward=lambda m, batch: right(m, batch[0]))
    for lime in (found, wanted):
        fit(tmp_path, lime, model=stepping(how), data=IMAGES, epochs=1)
    values = [one.explanation("spatial").coefficients for one in (found, wanted)]
    assert torch.allclose(*values, atol=1e-3)


def test_a_model_that_gets_a_mapping_is_called_so_in_the_advice(tmp_path):
    class Steps(Classifier):
        def forward(self, inputs):
            return self.net(inputs["image"] if isinstance(inputs, dict) else inputs)

        def loss(self, batch):
            return torch.nn.functional.cross_entropy(self({"image": scaled(batch[0])}), batch[1])

    advised = advised_by(tmp_path, IMAGES, Steps)
    x = IMAGES.x[:2]
    seen = []
    advised(seen.append, [x])
    torch.testing.assert_close(seen[0]["image"], scaled(x), atol=1e-4, rtol=0)


def test_pieces_of_the_batch_itself_are_not_mentioned(tmp_path):
    for how in (
        lambda m, x: torch.cat([m(part) for part in x.split(3)]),
        lambda m, x: torch.cat([m.net(part) for part in x.split(3)]),
    ):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "LimeCallback")
            fit(tmp_path, callback(), model=stepping(how), data=IMAGES, epochs=1)


def test_images_in_a_list_that_the_step_stacks_are_advised_so(tmp_path):
    class Steps(Classifier):
        def loss(self, batch):
            return torch.nn.functional.cross_entropy(self(torch.stack(batch[0])), batch[1])

    def collate(samples):
        return [x for x, _ in samples], torch.tensor([int(y) for _, y in samples])

    def run(lime):
        data = DataLoader(IMAGES, batch_size=8, collate_fn=collate)
        trainer(tmp_path, lime, epochs=1).fit(Steps(), data, data)
        return lime.explanation("spatial").coefficients

    with pytest.raises(TypeError) as told:
        run(callback())
    text = "".join(told.value.__notes__)
    advised = eval(re.search(r"`forward=(lambda .*?)`, which works", text).group(1), {"torch": torch})
    assert run(callback(forward=advised)).isfinite().all()


@pytest.mark.parametrize("steps", [False, True])
def test_a_step_that_takes_another_entry_of_the_batch_is_told_by_its_key(tmp_path, steps):
    """It was told to preprocess the first; inputs with times were not watched at all."""
    add = (lambda x: torch.stack([x, x])) if steps else lambda x: x
    data = Samples(16, pack=lambda x, y, i: (add(x), add(x).flip(-1), y))

    class Second(Classifier):
        def forward(self, x):
            return super().forward(x[:, 0] if steps else x)

        def loss(self, batch):
            return torch.nn.functional.cross_entropy(self(batch[1]), batch[2])

    layout = {"layout": "TCHW"} if steps else {}
    with pytest.warns(UserWarning, match=r"another entry of the batch.*Pass for example `input_key=1`[.]"):
        fit(tmp_path / "first", callback(**layout), model=Second, data=data, epochs=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "LimeCallback")
        fit(tmp_path, callback(**layout, input_key=1), model=Second, data=data, epochs=1)
