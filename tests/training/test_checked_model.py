"""A finished model is checked by one command: what is wrong is a line each, and the exit status says whether it is."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from lime_callback.__main__ import main

pytestmark = [pytest.mark.finds, pytest.mark.filterwarnings("ignore:.*does not have many workers")]

# What a user has beside their training script. `channels` is read where it lies, by a module beside the file.
SCRIPT = '''
"""A model and data of a user's own, as a script has them."""

import lightning.pytorch as pl
import torch
from beside_{name} import CHANNELS
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

WAVELENGTHS = [450.0 + 50 * i for i in range(CHANNELS)]
NOTHING = 3


class Net(pl.LightningModule):
    def __init__(self, outputs=3):
        super().__init__()
        self.net = nn.Conv2d(CHANNELS, outputs, 9)
        nn.init.zeros_(self.net.weight)
        with torch.no_grad():
            self.net.weight[:, :, 4, 4] = torch.eye(3, CHANNELS)

    def forward(self, x):
        return self.net(x).flatten(1)

    def validation_step(self, batch, _):
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))


class Blind(Net):
    def forward(self, x):
        return 0 * super().forward(x) + torch.tensor([1.0, 0.0, 0.0])


class Idle(pl.LightningModule):
    pass


class Needy(Net):
    def __init__(self, outputs, lr):
        super().__init__(outputs)


def data():
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 3
    x = torch.randn(64, CHANNELS, 9, 9, generator=generator) + 3 * torch.eye(3, CHANNELS)[y][..., None, None]
    return DataLoader(TensorDataset(x, y), 16)


class Data(pl.LightningDataModule):
    def val_dataloader(self):
        return data()


def empty():
    return DataLoader(TensorDataset(torch.zeros(0, CHANNELS, 9, 9), torch.zeros(0, dtype=torch.long)), 16)


def broken():
    raise KeyError("a mistake of the user's own")


model = Net()
'''


@pytest.fixture
def script(tmp_path, monkeypatch, request):
    """The path of a script of this test's own, run from its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = re.sub(r"\W", "_", tmp_path.name)
    (tmp_path / f"user_{name}.py").write_text(SCRIPT.format(name=name))
    (tmp_path / f"beside_{name}.py").write_text("CHANNELS = 6\n")
    return f"user_{name}.py"


def check(capsys, *arguments):
    status = main(["check", *arguments])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


BANDS = "{class_path: lime_callback.Superbands, init_args: {bands: 3}}"
FEW = ("--set", f"views={BANDS}", "--set", "n_perturbations=64", "--set", "probes=6")


@pytest.mark.parametrize("data", ["data", "Data"])
@pytest.mark.parametrize("model", ["model", "Net"])
def test_a_sound_model_is_said_to_be_one(script, capsys, model, data):
    status, (answer, page), error = check(
        capsys, f"{script}:{model}", "--data", f"{script}:{data}", *FEW, "--set", "findings=[blind, scale]"
    )
    assert (status, answer, error) == (0, "nothing was found wrong", "")
    text = Path(page).read_text()
    assert Path(page) == Path("lime_check/lime/validate/lime_report.html")
    assert '"findings":[]' in text


@pytest.mark.filterwarnings("default")
def test_what_is_wrong_is_a_line_and_exit_status_2(script, capsys, caplog, recwarn):
    level = logging.getLogger("lightning.pytorch").level
    status, (line, page), error = check(
        capsys, f"{script}:Blind", "--data", f"{script}:data", *FEW, "--set", "findings=[blind]", "-o", "elsewhere"
    )
    assert status == 2
    assert re.match(
        r"blind: the model predicts class 0 for all \d+ samples, of which \d+% are of that class\. Look", line
    )
    assert Path(page).is_relative_to("elsewhere")
    assert "predicts class 0 for all" in Path(page).read_text()
    said = [error, caplog.text, *(str(one.message) for one in recwarn)]
    assert not any("predicts class 0" in text for text in said), "it is said once"
    assert logging.getLogger("lightning.pytorch").level == level


@pytest.mark.trouble
def test_a_checkpoint_gives_the_model_its_weights(script, capsys):
    torch.save({"state_dict": {"net.weight": torch.zeros(3, 6, 9, 9), "net.bias": torch.tensor([1.0, 0, 0])}}, "c.ckpt")
    arguments = [f"{script}:Net", "--data", f"{script}:data", *FEW, "--set", "findings=[blind]"]
    assert check(capsys, *arguments, "--checkpoint", "c.ckpt")[0] == 2
    assert check(capsys, *arguments)[0] == 0
    torch.save({"net.weight": torch.zeros(3, 6, 9, 9)}, "c.ckpt")
    status, _, error = check(capsys, *arguments, "--checkpoint", "c.ckpt")
    assert (status, error) == (
        1, "error: `--checkpoint` should be a checkpoint of the same model. Found that 'c.ckpt' lacks: net.bias.\n"
    )  # fmt: skip


def test_arguments_come_from_a_file_and_from_the_command_line(script, capsys):
    config = {
        "views": [{"class_path": "lime_callback.Superbands", "init_args": {"bands": 3}}], "probes": 2,
        "wavelengths": [450.0 + 50 * i for i in range(6)], "findings": ["blind"], "n_perturbations": 64, "name": "mine",
    }  # fmt: skip
    Path("lime.yaml").write_text(yaml.safe_dump(config))
    arguments = ["--config", "lime.yaml", "--set", "probes=3"]
    status, (_, page), _ = check(capsys, f"{script}:Net", "--data", f"{script}:data", *arguments)
    assert status == 0
    from lime_callback.report import read

    run = read(Path(page).parent)
    assert Path(page).parts[-3:-1] == ("mine", "validate")
    assert {row.view for row in run.history} == {"spectral"}
    assert {row.feature for row in run.history} == {"450-500 nm", "550-600 nm", "650-700 nm"}
    assert {row.probe for row in run.history} == {0, 1, 2}


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("{}", [], r"`MODEL` should be `package.module:name` or .* which has no name behind a colon"),
        (":x", [], "which has no module before its colon"),
        ("nowhere.py:x", [], r"`MODEL` should name a file. Found no '.*nowhere.py'"),
        ("no_such_module:x", [], "`MODEL` should name a module that can be imported. Found 'no_such_module'"),
        ("{}:Nut", [], r"`MODEL` should name something in .*py. Found no 'Nut'; there are .*Net, Blind"),
        ("{}:NOTHING", [], "`MODEL` should be a LightningModule, or a class or function .* which is a int"),
        ("{}:data", [], "Found that '.*' returns a DataLoader"),
        ("{}:Needy", [], "which needs more: missing a required argument: 'outputs'; write a function"),
        ("{}:Idle", [], "`trainer.validate` should take the model and the data. Found: No `validation_step"),
        ("{}:Net", ["--data", "{}:Net"], "`--data` should be a DataLoader or a LightningDataModule, or a class"),
        ("{}:Net", ["--checkpoint", "none.ckpt"], "`--checkpoint` should be a file. Found no 'none.ckpt'"),
        ("{}:Net", ["--set", "probs=3"], "should name arguments of LimeCallback, views, .* Found probs"),
        ("{}:Net", ["--set", "probes"], "`--set` should be `name=value`, as in `--set probes=16`. Found 'probes'"),
        ("{}:Net", ["--set", "probes=[1"], "the callback's arguments should be YAML"),
        ("{}:Net", ["--set", "probes=-1"], "`probes`"),
        ("{}:Net", ["--set", "findings=off"], "`findings` should look for something"),
        ("{}:Net", ["--set", "views={{class_path: lime_callback.Nothing}}"], "Found no 'Nothing' in lime_callback"),
        ("{}:Net", ["--config", "none.yaml"], "none.yaml"),
        ("{}:Net", ["--config", "{}"], "should be a YAML file|should be YAML"),
    ],
)
def test_an_error_says_what_was_expected_and_found(script, capsys, model, more, said):
    data = [] if "--data" in more else ["--data", f"{script}:data"]
    status, out, error = check(capsys, model.format(script), *data, *(part.format(script) for part in more))
    assert (status, out) == (1, [])
    assert re.search(f"^error: .*{said}", error), error


def test_a_mistake_of_the_user_s_own_shows_where_it_is(script):
    with pytest.raises(KeyError, match="a mistake of the user's own"):
        main(["check", f"{script}:broken", "--data", f"{script}:data"])


@pytest.mark.filterwarnings("default")
def test_data_without_a_sample_are_no_sound_model(script, capsys):
    status, out, error = check(capsys, f"{script}:Net", "--data", f"{script}:empty")
    assert (status, out) == (1, [])
    assert "error: there should be a sample that can be explained" in error


def test_a_wrong_command_line_is_no_finding(capsys):
    for arguments in (["check", "a:b"], ["check"], ["chek"], ["report", "a", "--nothing"]):
        with pytest.raises(SystemExit, match=r"^1$"):
            main(arguments)
        assert "error: " in capsys.readouterr().err


def test_it_is_a_command(script):
    command = [sys.executable, "-m", "lime_callback", "check", f"{Path(script).stem}:Blind", "--data", f"{script}:data"]
    done = subprocess.run([*command, *FEW, "--set", "findings=[blind]"], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith("blind: ")


# --- watches

PART = '''

class Uneven(pl.LightningModule):
    """One class of five hangs on bands 4 and 5, which the other classes do not have."""

    def forward(self, x):
        low = x[:, 4:].mean((1, 2, 3)) < 1
        five = torch.cat([x[:, :4].mean((2, 3)), torch.full((len(x), 1), -1.0)], 1)
        return five + 9 * (~low).unsqueeze(1) * (torch.arange(5) == 4)

    def validation_step(self, batch, _):
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))


def uneven(count=400):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(count) % 5
    x = torch.randn(count, CHANNELS, 9, 9, generator=generator)
    x[:, :4] += 3 * torch.eye(5)[y][:, :4, None, None]
    x[:, 4:] += torch.where(y == 4, 2.0, 0.0)[:, None, None, None]
    return DataLoader(TensorDataset(x, y), 50)
'''


@pytest.fixture
def watched(script):
    with Path(script).open("a") as file:
        file.write(PART)
    return script


def watch(capsys, script, model, data, *settings):
    given = [part for setting in settings for part in ("--set", setting)]
    return check(capsys, f"{script}:{model}", "--data", f"{script}:{data}", *FEW, *given)


def test_a_watch_without_an_alarm_has_its_line_all_the_same(watched, capsys):
    status, lines, error = watch(capsys, watched, "model", "data", "watch={idle: [4]}", "findings=[blind]")
    assert (status, error) == (0, "")
    assert re.match(
        r"watch 'idle' \(1 of \d channels, 4\): the model is not seen to use it: hiding it \(other samples' values "
        r"there\) changes 0 % of the predictions, at most \d+ %, no more than as many channels at random \(\d+ %\), in "
        r"64 samples; accuracy (\d\.\d\d), \1 with it hidden\.$", lines[0],
    )  # fmt: skip
    assert lines[1] == "nothing was found wrong"


def test_the_alarm_of_a_watch_is_the_answer(watched, capsys, recwarn):
    settings = ("watch={ends: {bands: [4, 5], changed: 0.05}}", "findings=[blind]")
    status, lines, error = watch(capsys, watched, "Uneven", "uneven", *settings)
    assert status == 2
    assert len(lines) == 2  # the watch's and the page
    assert re.match(r"watch 'ends' \(.*\): the model uses it in part: .*; it changes more than 5 % of the p", lines[0])
    assert "nothing was found wrong" not in "".join(lines)
    assert not any("'ends'" in text for text in [error, *(str(one.message) for one in recwarn)]), "it is said once"


def test_a_watch_that_is_used_in_part_is_not_passed_over(watched, capsys):
    settings = ("watch={ends: [4, 5]}", "class_names=[a, b, c, d, soy-mintill]")
    status, (line, answer, page), _ = watch(capsys, watched, "Uneven", "uneven", *settings, "findings=[blind]")
    assert status == 0
    assert re.match(
        r"watch 'ends' \(2 of \d channels, 4 to 5\): the model uses it in part: hiding it \(other samples' values "
        r"there\) changes \d+ % of the predictions \(\d+ to \d+ %\), (no more than )?as many channels at random.* "
        r"\(?\d+ %\)?, in 400 samples; accuracy \d\.\d\d, \d\.\d\d with it hidden; most in "
        r"soy-mintill: \d+ % of 80\.$", line,
    )  # fmt: skip
    assert answer == "nothing was found wrong, but the model uses 'ends' in part"
    text = line.partition("): ")[2]
    assert f'"use":"uses in part","text":"{text}"' in Path(page).read_text(), "the page says what the console says"
    assert '"extent":"2 of ' in Path(page).read_text()


def test_a_watch_is_measured_on_as_many_samples_as_are_asked_for(watched, capsys):
    _, (line, *_), _ = watch(
        capsys, watched, "Uneven", "uneven", "watch={ends: [4, 5]}", "findings=off", "reliance=100"
    )
    assert "in 100 samples" in line


NM = "wavelengths=[400, 500, 600, 700, 800, 900]"


@pytest.mark.parametrize(
    "bands",
    [
        "[[790.0, 910.0]]", "{from: 790, to: 910}", "(790.0, 910.0)", "[(790.0, 910.0)]",
        "[(790.0, 810.0), (890.0, 910.0)]", '"[(790.0, 910.0)]"', '"(790, 910.0)"',
        "{bands: [(790.0, 910.0)], changed: 0.9}",
    ],
)  # fmt: skip
def test_ranges_are_read_as_yaml_and_as_python_writes_them(watched, capsys, bands):
    _, (line, *_), _ = watch(capsys, watched, "Uneven", "uneven", f"watch={{ends: {bands}}}", NM, "findings=off")
    assert line.startswith("watch 'ends' (2 of 6 bands, 800 to 900 nm): the model uses it in part")


def test_a_range_in_a_file_is_told_in_words_that_work_there(tmp_path, watched, capsys):
    config = tmp_path / "watch.yaml"
    config.write_text("watch:\n  ends: [(790.0, 910.0)]\n")
    status, _, error = check(
        capsys, f"{watched}:Uneven", "--data", f"{watched}:uneven", "--config", str(config), "--set", NM
    )
    assert status == 1
    assert "Found the text '(790.0'; on the command line and in YAML, which have no tuples, a range is [[4" in error
    assert "spyndex" not in error


def test_two_single_bands_that_look_like_a_range_are_doubted_once(watched, capsys, recwarn):
    _, (line, *_), _ = watch(capsys, watched, "Uneven", "uneven", "watch={all: [400.0, 900.0]}", NM, "findings=off")
    assert line.startswith("watch 'all' (2 of 6 bands, 400 and 900 nm): ")
    (text,) = [str(one.message) for one in recwarn if "single bands" in str(one.message)]
    assert text.endswith(
        "watch 'all' holds 2 single bands; as a range it would hold 6 of the 6. A range is written (400.0, 900.0) in "
        "Python, [[400.0, 900.0]] or {from: 400, to: 900} on the command line and in YAML."
    )


def test_watches_alone_can_be_checked(watched, capsys):
    status, (line, answer, _), _ = watch(capsys, watched, "Uneven", "uneven", "watch={ends: [4, 5]}", "findings=off")
    assert status == 0
    assert "uses it in part" in line
    assert answer == "no watch raises an alarm, but the model uses 'ends' in part; nothing else was looked for"
    assert watch(capsys, watched, "model", "data", "findings=off")[0] == 1
