"""Runs in which something is wrong are told so by themselves, and sound ones are not told anything."""

import warnings
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, Dataset
from toys import trainer

from lime_callback import LimeCallback, Superbands, Superpixels, is_explaining
from lime_callback.findings import Detector, Suspicion, investigation

pytestmark = pytest.mark.finds
CHANNELS, SIDE, CLASSES = 24, 9, 3
NM = [450.0 + 50 * i for i in range(CHANNELS)]  # 450 to 1600 nm, with water vapour at 1350 to 1450


def scene(size=96, seed=0, plant=None, strength=1.0):
    """Smooth spectra of three classes with noise; ``plant(x, y)`` writes what gives the class away into the images."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % CLASSES
    axis = torch.linspace(0, 1, CHANNELS)
    shapes = torch.stack([torch.sin(3 * axis + k) + 0.8 * axis * k for k in range(CLASSES)])
    x = strength * shapes[y][:, :, None, None].expand(-1, -1, SIDE, SIDE).clone()
    bumps = torch.randn(size, 6, generator=generator) @ torch.stack([torch.sin((k + 1) * 2 * axis) for k in range(6)])
    x = x + 0.5 * bumps[:, :, None, None] + 0.3 * torch.randn(x.shape, generator=generator)
    if plant is not None:
        plant(x, y)
    return torch.utils.data.TensorDataset(x, y)


class Net(pl.LightningModule):
    """A small convolutional network; ``keep`` is called with it before training."""

    def __init__(self, lr=1e-2):
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(
            nn.Conv2d(CHANNELS, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(),
            nn.Linear(144, CLASSES),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam([one for one in self.parameters() if one.requires_grad], self.lr)


def run(folder, data, module=Net, epochs=3, ckpt=None, callbacks=(), **settings):
    pl.seed_everything(1, verbose=False)
    defaults = {"wavelengths": NM, "n_perturbations": 256, "pictures": False, "on_error": "raise", "probes": 6}
    lime = LimeCallback(**(defaults | settings))
    one = trainer(folder, lime, *callbacks, epochs=epochs, num_sanity_val_steps=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train, val = data if isinstance(data, tuple) else (data, data)
        one.fit(module(), DataLoader(train, 16, shuffle=True), DataLoader(val, 32), ckpt_path=ckpt)
    lines = [str(one.message) for one in caught if str(one.message).startswith("LimeCallback")]
    return lime, lines, one


def bands(low, high):
    def plant(x, y):
        x *= 0.3
        x[:, low:high] = (2.0 * (y - 1))[:, None, None, None].float()

    return plant


def corner(x, y):
    x *= 0.3
    x[:, :, :3, :3] = (2.0 * (y - 1))[:, None, None, None].float()


def border(x, y):
    x *= 0.2
    frame = torch.ones(SIDE, SIDE, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    x[:, :, frame] = (2.0 * (y - 1))[:, None, None].float()


def names(lime):
    return {finding.name for finding in lime.findings()}


def test_a_sound_run_hears_of_nothing(tmp_path):
    lime, lines, one = run(tmp_path, scene(), epochs=4)
    assert lime.findings() == ()
    assert lines == []
    assert one.callback_metrics["lime/findings"] == 0
    assert one.callback_metrics["lime/finding/place"] == 0


@pytest.mark.parametrize(
    ("plant", "found", "said"),
    [
        (bands(6, 8), {"shortcut_bands"}, "750 to 800 nm"),
        (bands(18, 20), {"shortcut_bands", "absorption"}, "1350 to 1400 nm"),
        (corner, {"place"}, "top left"),
        (border, {"place"}, "border"),
    ],
    ids=["bands", "water", "corner", "border"],
)
def test_what_gives_the_class_away_is_named(tmp_path, plant, found, said):
    lime, lines, one = run(tmp_path, scene(plant=plant))
    assert names(lime) == found
    assert len(lines) == len(found)  # one line a finding
    assert any(said in line for line in lines)
    assert one.callback_metrics["lime/findings"] == len(found)
    for finding in lime.findings():
        assert finding.epoch <= 2
        assert finding.figures["changed"].low > 0.2
        assert 0.4 < finding.severity <= 1


def test_the_picture_of_a_finding_is_one_of_the_run(tmp_path):
    views = [Superbands(4, name="lines"), Superpixels("grid", 9, name="tiles")]
    lime, lines, _ = run(tmp_path, scene(plant=corner), epochs=2, views=views, pictures=True, findings=["place"])
    assert [finding.picture for finding in lime.findings()] == ["lime/tiles/attributions"]
    assert any("See lime/tiles/attributions. Look there: " in line for line in lines)
    assert any(path.match("lime/tiles/attributions/*.png") for path in tmp_path.rglob("*.png"))


def test_a_stamp_is_looked_for_once_in_a_background(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(investigation, "find_stamp", lambda planes: looked.append(len(planes)))
    lime, _, _ = run(tmp_path, scene(), epochs=3)
    assert len(looked) == 1
    assert len(lime.findings()) == 0


class Constant(Net):
    def forward(self, x):
        return super().forward(x) * 0 + self.net[5].bias * 0 + torch.tensor([1.0, 0, 0])


def test_one_class_for_all(tmp_path):
    lime, lines, _ = run(tmp_path, scene(), module=Constant, epochs=4, findings=["blind"])
    assert names(lime) == {"blind"}
    assert "predicts class 0 for all" in " ".join(lines)


class Untrained(Net):
    """Its optimizer has a copy of the weights."""

    def configure_optimizers(self):
        return torch.optim.Adam([nn.Parameter(one.detach().clone()) for one in self.parameters()], self.lr)


class FrozenStem(Net):
    """Its first layers are frozen, but its normalisation counts on."""

    def __init__(self):
        super().__init__()
        self.net[:2].requires_grad_(False)


class FrozenAndStill(FrozenStem):
    def on_train_epoch_start(self):
        self.net[:2].eval()


@pytest.mark.parametrize(
    ("module", "said"), [(Untrained, "has changed since"), (FrozenStem, "net.1.running_mean"), (FrozenAndStill, "")]
)
def test_what_stands_still_or_moves_and_should_not(tmp_path, module, said):
    lime, lines, _ = run(tmp_path, scene(), module=module, epochs=4, findings=["frozen"])
    assert names(lime) == ({"frozen"} if said else set())
    assert said in " ".join(lines)


class Blinkered(Net):
    """Does not read the upper half of the spectrum."""

    def forward(self, x):
        return self.net(torch.cat([x[:, : CHANNELS // 2], x[:, CHANNELS // 2 :] * 0], 1))


def test_bands_that_are_not_read(tmp_path):
    lime, lines, _ = run(tmp_path, scene(), module=Blinkered, epochs=4)
    assert "unread_bands" in names(lime)
    assert "1100 to 1600 nm" in " ".join(lines)


def scaled(x, y):
    x *= 3000


def shuffled(x, y):
    x[:] = x[:, torch.randperm(CHANNELS, generator=torch.Generator().manual_seed(3))]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (lambda: scene(plant=scaled), "large values"),
        (lambda: scene(plant=shuffled), "order of their wavelengths"),
        (lambda: (scene(), scene(plant=lambda x, y: x.mul_(10))), "not as training's"),
    ],
    ids=["raw", "shuffled", "another unit"],
)
def test_inputs_that_are_not_what_the_model_was_made_for(tmp_path, data, said):
    lime, lines, _ = run(tmp_path, data(), findings=["scale"])
    assert names(lime) == {"scale"}
    assert said in " ".join(lines)


class Pair(Dataset):
    def __init__(self, used):
        self.x, self.y = scene().tensors
        self.used = used
        self.z = torch.randn(len(self.x), 4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"hsi": self.x[i], "lidar": self.z[i], "label": self.y[i]}


class TwoInputs(Net):
    def forward(self, hsi, lidar):
        return self.net(hsi) + 0 * lidar.sum((1, 2, 3))[:, None]

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch["hsi"], batch["lidar"]), batch["label"])

    def validation_step(self, batch, _):
        self(batch["hsi"], batch["lidar"])


def test_an_input_that_is_not_used(tmp_path):
    lime, lines, _ = run(
        tmp_path, Pair(False), module=TwoInputs, input_key=["hsi", "lidar"], wavelengths=None, findings=["one_modality"]
    )
    assert names(lime) == {"one_modality"}
    assert "input 'lidar' is not used" in " ".join(lines)
    assert [finding.picture for finding in lime.findings()] == ["lime/inputs/superbands"]


def outside_valid(x):
    valid = torch.ones(x.shape[0], SIDE, SIDE, dtype=torch.long)
    valid[:, :, 6:] = 0
    return valid


def marked_outside(x, y):
    x *= 0.3
    x[:, :, :, 6:] = (2.0 * (y - 1))[:, None, None, None].float()


def test_pixels_outside_of_the_mask(tmp_path):
    views = Superpixels("grid", 9, valid=outside_valid)
    lime, _, _ = run(tmp_path, scene(plant=marked_outside), views=views, findings=["outside"])
    assert names(lime) == {"outside"}
    sound, none, _ = run(tmp_path, scene(plant=lambda x, y: x[:, :, :, 6:].zero_()), views=views, findings=["outside"])
    assert (names(sound), none) == (set(), [])


class Noise(Net):
    """Its output is a hash of the input, which no surrogate can describe."""

    def forward(self, x):
        return torch.sin(1e4 * super().forward(x)) * 5


def test_explanations_that_cannot_be_trusted(tmp_path):
    lime, lines, _ = run(tmp_path, scene(), module=Noise, epochs=4, findings=["unreadable"], views=Superbands(12))
    assert names(lime) == {"unreadable"}
    assert "cannot be trusted" in " ".join(lines)


class Failing(Detector):
    name = "failing"

    def look(self, facts):
        raise RuntimeError("a detector that fails")


class Own(Detector):
    name = "own"

    def look(self, facts):
        yield Suspicion("all", f"epoch {facts.epoch} is odd.", "Look.", 1.0, 0.0)


def test_a_detector_of_ones_own_and_one_that_fails(tmp_path):
    lime, lines, one = run(tmp_path, scene(), findings=[Failing(), Own()], on_error="warn")
    assert names(lime) == {"own"}
    assert sum("a detector that fails" in line for line in lines) == 1
    assert one.callback_metrics["lime/finding/own"] == 1


def test_it_may_end_the_training(tmp_path):
    _, _, one = run(tmp_path, scene(plant=corner), epochs=8, findings="stop")
    assert one.current_epoch < 5
    _, lines, one = run(tmp_path, scene(plant=corner), epochs=3, findings="off")
    assert (one.current_epoch, lines) == (3, [])
    assert "lime/findings" not in one.callback_metrics


def test_a_resumed_run_tells_nothing_twice(tmp_path):
    def part(epochs, ckpt=None):
        pl.seed_everything(1, verbose=False)
        lime = LimeCallback(
            wavelengths=NM, n_perturbations=64, pictures=False, on_error="raise", probes=6, findings=["place"]
        )
        kept = ModelCheckpoint(tmp_path / "kept", filename="{epoch}", save_top_k=-1)
        one = trainer(tmp_path, lime, kept, epochs=epochs, enable_checkpointing=True)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data = scene(plant=corner)
            one.fit(Net(), DataLoader(data, 16), DataLoader(data, 32), ckpt_path=ckpt)
        return lime, [str(one.message) for one in caught if "one place decides" in str(one.message)]

    first, said = part(3)
    assert len(said) == 1
    resumed, again = part(5, tmp_path / "kept" / "epoch=2.ckpt")
    assert again == []
    assert [one.epoch for one in resumed.findings()] == [one.epoch for one in first.findings()]
    assert resumed.findings()[0].last > first.findings()[0].last


class Counting(Net):
    def forward(self, x):
        if is_explaining():
            Counting.seen += len(x)
        return super().forward(x)


def test_the_search_costs_at_most_a_fifth(tmp_path):
    def forwards(**settings):
        Counting.seen = 0
        run(tmp_path, scene(size=160), module=Counting, epochs=2, n_perturbations=256, probes=8, **settings)
        return Counting.seen

    without = forwards(findings="off")
    assert without < forwards() <= 1.2 * without


def test_it_leaves_no_trace(tmp_path):
    def weights(*callbacks):
        pl.seed_everything(3, verbose=False)
        module = FrozenStem()
        data = scene(plant=corner)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer(tmp_path, *callbacks, epochs=3).fit(
                module, DataLoader(data, 16, shuffle=True), DataLoader(data, 32)
            )
        return module.state_dict()

    alone = weights()
    watched = weights(LimeCallback(wavelengths=NM, n_perturbations=32, pictures=False))
    assert alone.keys() == watched.keys()
    assert all(torch.equal(alone[name], watched[name]) for name in alone)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("loud", ValueError, r"one of \['warn', 'stop', 'off'\], or a list of names. Found `findings = 'loud'`"),
        ("place", ValueError, r"pass `findings=\['place'\]`"),
        (["plaice"], ValueError, "should list some of .*'place'.* Found 'plaice'"),
        (["place", "place"], ValueError, "each name once"),
        (3, TypeError, "or a list of names. Found `findings = 3`"),
        ([Own], TypeError, "derive a class from `Detector`, and pass an object of it"),
    ],
)
def test_wrong_arguments(value, kind, message):
    with pytest.raises(kind, match=message):
        LimeCallback(findings=value)


def test_the_detector_of_the_documentation_works(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    names_of = {}
    exec(code, names_of)
    assert [one.name for one in names_of["callback"].config.findings if not isinstance(one, str)] == ["unsure"]
    lime, lines, _ = run(tmp_path, scene(strength=0.0), epochs=2, findings=[names_of["Unsure"]()])
    assert names(lime) <= {"unsure"}
    assert all("its largest probability" in line for line in lines)
