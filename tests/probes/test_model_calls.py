"""How a model is called: with the image, with entries by name, with the batch; and advice that works where it fails."""

import re
import warnings
from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch
from torch import nn
from toys import Samples, fit

from lime_callback import LimeCallback, Superpixels
from lime_callback.probes.other_entries import label_codes

GRID = Superpixels("grid", n_segments=4)


class Base(pl.LightningModule):
    """A model without a forward of its own."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))

    def training_step(self, batch, _):
        return self.net[2].weight.sum()

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


class AnyName(Base):
    def forward(self, **inputs):
        return self.net(inputs["image"])


class Named(Base):
    def forward(self, image, label):
        assert len(image) == len(label)
        return self.net(image)


class NamedOnly(Base):
    def forward(self, *, image):
        return self.net(image)


class OfBatch(Base):
    def forward(self, batch):
        return self.net(batch["image"])


class OfSample(Base):
    def forward(self, sample):
        return self.net(sample["image"])


class OfPair(Base):
    def forward(self, x, y):
        assert len(x) == len(y)
        return self.net(x)


class Predicts(Base):
    def predict_step(self, batch, _):
        return SimpleNamespace(output=self.net(batch["image"]))


class PartByName(nn.Module):
    """Takes all of a batch by name, and returns what it is told to."""

    def __init__(self, returns):
        super().__init__()
        self.net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
        self.returns = returns

    def forward(self, image, label, place):
        assert len(image) == len(label) == len(place)
        return self.returns(self.net(image))


class HasPart(Base):
    """Calls a part in its steps, beside an empty list of parts."""

    returns = staticmethod(lambda y: y)

    def __init__(self):
        super().__init__()
        del self.net
        self.parts = nn.ModuleList()
        self.part = PartByName(self.returns)

    def training_step(self, batch, _):
        return self.part.net[2].weight.sum()


class ComparesPairs(HasPart):
    """As models of images and their captions do: each input with all of its batch."""

    returns = staticmethod(lambda y: {"per_image": y @ y.T, "per_text": y @ y.T})


def by_name(x, y, i):
    return {"image": x, "label": y, "place": i}


def pair(x, y, i):
    return x, y


def alone(x, y, i):
    return x


def explained(folder, model, pack, **settings):
    """The explanation, and that of the part that does the work."""
    usual = {"probes": 2, "n_perturbations": 16, "pictures": False, "background": 0, "on_error": "raise"}
    lime = LimeCallback([GRID], **usual | settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(folder, lime, model=model, data=Samples(pack=pack), epochs=1)
    return lime.explanation("spatial")


@pytest.mark.parametrize("model", [AnyName, Named, NamedOnly, OfBatch])
def test_a_dict_batch_is_passed_by_name_where_the_names_fit(tmp_path, model):
    found = explained(tmp_path / "a", model, by_name)
    expected = explained(tmp_path / "b", model, by_name, forward=lambda module, batch: module.net(batch["image"]))
    torch.testing.assert_close(found.coefficients, expected.coefficients)
    assert (found.coefficients.abs().amax(-1) > 0).all()


@pytest.mark.parametrize(
    ("model", "pack"),
    [
        (OfSample, by_name),
        (OfPair, pair),
        (Base, pair),
        (Base, by_name),
        (Base, alone),
        (Predicts, by_name),
        (HasPart, by_name),
    ],
    ids=[
        "forward(sample)",
        "forward(x, y)",
        "none, of a pair",
        "none, of a dict",
        "none, of a tensor",
        "predict_step",
        "a part by name",
    ],
)
def test_the_error_shows_the_lambda_that_works(tmp_path, model, pack):
    """The advice, executed, explains."""
    with pytest.raises(Exception, match=r"LimeCallback calls the model with the images alone. Pass `forward=") as error:
        explained(tmp_path / "a", model, pack)
    (advised,) = re.findall(r"`forward=(lambda module, batch: .*?)`, which works", "".join(error.value.__notes__))
    found = explained(tmp_path / "b", model, pack, forward=eval(advised))
    assert (found.coefficients.abs().amax(-1) > 0).all()


def test_where_nothing_works_the_error_says_what_to_write(tmp_path):
    class Needy(Base):
        def forward(self, image, depth):
            return self.net(image) + depth

        net = None

    with pytest.raises(
        TypeError, match=r"'depth'[\s\S]*`forward=lambda module, batch: module\(batch\['image'\], ...\)`"
    ):
        explained(tmp_path, Needy, lambda x, y, i: {"image": x, "name": str(int(i))})


def test_a_module_without_a_forward_is_told_of_its_part_and_of_no_other_entry(tmp_path):
    with pytest.raises(NotImplementedError, match="forward") as told:
        explained(tmp_path, ComparesPairs, lambda x, y, i: {"image": x, "label": y, "place": x[:, 0]})
    note = " ".join(told.value.__notes__)
    assert "`forward=lambda module, batch: module.part(batch['image'], ...)`" in note
    assert "input_key" not in note


class Strict(Base):
    """Takes floats of six channels alone, and says so as layers do."""

    def forward(self, x):
        if x.dtype != torch.float32 or x.shape[1] != 6:
            raise RuntimeError(f"expected 6 channels of Float, but found {tuple(x.shape)} of {x.dtype}")
        return self.net(x)


def refused(tmp_path, data, **settings):
    lime = LimeCallback(GRID, probes=2, n_perturbations=16, pictures=False, on_error="raise", background=2, **settings)
    with pytest.raises(RuntimeError, match="expected 6 channels") as told:
        fit(tmp_path, lime, model=Strict, data=data, epochs=1)
    return " ".join(told.value.__notes__)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.int16])
def test_images_of_another_dtype_than_the_models_are_told_how_to_give_them(tmp_path, dtype):
    data = Samples(16, pack=lambda x, y, i: {"image": (x * 10 + 50).to(dtype), "label": y})
    text = refused(tmp_path / "first", data)
    forward = eval(re.search(r"`forward=(lambda .*?)`", text)[1])
    assert "module(batch['image'].float())" in text
    lime = LimeCallback(GRID, probes=2, n_perturbations=16, pictures=False, on_error="raise", forward=forward)
    fit(tmp_path, lime, model=Strict, data=data, epochs=1)
    assert lime.explanation("spatial").score.min() > 0.2
    text = refused(tmp_path / "second", data, input_key=lambda batch: batch["image"] + 0)
    assert "Let the function `input_key` return floats" in text


def test_a_model_that_refuses_what_was_taken_for_its_images_is_told_the_other_entries(tmp_path):
    data = Samples(16, pack=lambda x, y, i: (x[:2], y, x))
    text = refused(tmp_path / "first", data)
    assert "The images were taken from batch entry 0. Pass for example `input_key=2`." in text
    lime = LimeCallback(GRID, probes=2, n_perturbations=16, pictures=False, on_error="raise", input_key=2)
    fit(tmp_path, lime, model=Strict, data=data, epochs=1)
    assert lime._validation.probes.inputs.shape[1] == 6


class Sensors(Base):
    """Takes both sensors as one image of six channels."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(6, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def training_step(self, batch, _):
        return self.net[0].weight.sum()

    def forward(self, x):
        return self.net(x)


class SensorsApart(Sensors):
    def forward(self, first, second):
        return self.net(torch.cat([first, second], 1))


class SensorsInPart(Sensors):
    """Its steps call a part, which it has instead of a forward."""

    forward = pl.LightningModule.forward


@pytest.mark.parametrize("model", [Sensors, SensorsApart, SensorsInPart])
@pytest.mark.parametrize("key", ["s1", "s2", ["s1", "s2"]], ids=str)
def test_a_model_of_two_entries_is_told_both_and_a_call_that_works(tmp_path, model, key):
    """And not one entry after the other, each of which it refuses."""

    def sensors(x, y, i):
        return {"s1": x[:2], "s2": x[2:], "label": y}

    try:
        explained(tmp_path / "a", model, sensors, input_key=key)
    except Exception as error:
        note = " ".join(error.__notes__)
        keys = re.search(r"`input_key=(\[.*?\])`", note)
        forward = re.search(r"`forward=(lambda module, batch: [^`]*)`", note)
        assert ("..." in note, "input_key='" in note) == (False, False)
        settings = {"input_key": key if keys is None else eval(keys[1])}
        found = explained(
            tmp_path / "b", model, sensors, **settings, **({} if forward is None else {"forward": eval(forward[1])})
        )
        assert settings["input_key"] == ["s1", "s2"]
        assert (found.coefficients.abs().amax(-1) > 0).all()
    else:
        assert (model, key) == (SensorsApart, ["s1", "s2"])


def test_where_several_entries_may_be_meant_a_list_is_offered(tmp_path):
    with pytest.raises(ValueError, match=r"Where the model takes several, pass `input_key=\['s1', 's2'\]`"):
        explained(tmp_path, Sensors, lambda x, y, i: {"s1": x[:2], "s2": x[2:], "label": y})


def test_a_captions_tokens_are_not_proposed_as_labels():
    tokens, several = torch.randint(2, 60, (4, 7)), torch.tensor([[0, 1, 1]] * 4)
    batch = {"pixels": torch.rand(4, 3, 8, 8), "tokens": tokens, "tags": several, "label": torch.arange(4)}
    assert label_codes(batch, "pixels") == ["'label'", "'tags'"]
