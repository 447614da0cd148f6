"""LightningCLI: every argument from YAML and the command line, help that reads well, errors that name the culprit."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from toys import SHAPE, WAVELENGTHS, Classifier, loader

from lime_callback import Contrast, Cubes, Lasso, LimeCallback, Ridge, Superbands, Superpixels, TopLabels, explain
from lime_callback.following.time_budget import TimeBudget
from lime_callback.outputs.segmentation_reducers import ClassRegion, PixelCount
from lime_callback.probes import probe_choices
from lime_callback.publishing.sinks import read_history
from lime_callback.sampling.baselines import NAMED_BASELINES, BaselineName, Blur, Constant, Given, Mean
from lime_callback.sampling.designs import DESIGNS, Bernoulli, DesignName, Paired
from lime_callback.sampling.locality_kernels import KERNELS, Euclidean, KernelName, Uniform
from lime_callback.surrogates.sklearn_regressor import SklearnSurrogate
from lime_callback.surrogates.surrogate_names import SURROGATES, SurrogateName

pytestmark = [
    # Lightning calls what jsonargparse has renamed, and so do these tests, as long as both spellings have to work.
    pytest.mark.filterwarnings(r"ignore:[\s\S]*(deprecated in v4|JsonargparseDeprecationWarning)"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
]
ROOT = Path(__file__).parents[2]
ARGUMENTS = [name for name in inspect.signature(LimeCallback).parameters if name != "self"]
EVERYTHING = """
views:
  - class_path: lime_callback.Superpixels
    init_args: {method: grid, n_segments: 9}
  - class_path: lime_callback.Superbands
    init_args:
      bands:
        blue: {from: 440, to: 530}
        red: [640.0, 700.0]
        last: [5]
        green: G
  - class_path: lime_callback.Cubes
    init_args:
      superpixels: {class_path: lime_callback.Superpixels, init_args: {n_segments: 4}}
      superbands: {class_path: lime_callback.Superbands, init_args: {bands: 2}}
wavelengths: [450, 520, 580.0, 640, 700, 760]
layout: CWH
probes: 4
target: [0, 1]
every_n_epochs: 1
every_n_validations: 2
n_perturbations: 32
design: bernoulli
baseline: {class_path: lime_callback.sampling.Blur, init_args: {sigma: 0.2}}
kernel: {class_path: lime_callback.sampling.Euclidean, init_args: {width: 0.5}}
surrogate: {class_path: lime_callback.surrogates.Lasso, init_args: {alpha: 0.01}}
like: null
output: softmax
watch:
  ranges: [{from: 440, to: 530}, {from: 600, to: 650}]
  names: [R, G]
  bounds: {bands: [{from: 440, to: 530}], above: 0.5, below: 0.1, stop: true}
  class: {class_path: lime_callback.Watch, init_args: {pixels: outside, below: 0.1}}
gate: null
relevant_change: 0.1
reference: {spatial: FILE}
class_names: [a, b, c]
to_physical: [[0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 0.1]
max_batch_size: 7
time_budget: 20%
stem: off
background: 20
reliance: false
findings: [place, blind]
pictures: false
charts: true
on_error: raise
seed: 5
name: other
input_key: 0
label_key: label
output_key: logits
forward: torch.maximum
"""


def parser():
    one = LightningArgumentParser(exit_on_error=False)
    one.add_argument("--callbacks", type=list[pl.Callback])
    return one


def built(**arguments):
    """The callback of a configuration, after a round through the text that a run's config.yaml would have."""
    one, spec = parser(), {"class_path": "lime_callback.LimeCallback", "init_args": arguments}
    text = one.dump(one.parse_object({"callbacks": [spec]}), skip_none=False)
    (callback,) = one.instantiate_classes(one.parse_string(text)).callbacks
    return callback


def first_channel(inputs):
    return inputs[:, :1]


def test_everything_can_be_set(tmp_path):
    images = torch.randn(2, *SHAPE)
    features = Superpixels("grid", 4).features(images)
    explain(lambda x: x.mean((1, 2, 3)), images, features).save(tmp_path / "saved.npz")
    settings = yaml.safe_load(EVERYTHING.replace("FILE", str(tmp_path / "saved.npz")))
    assert set(settings) == set(ARGUMENTS)
    callback = built(**settings)
    one = callback.config
    space, spectrum, cubes = one.views
    assert isinstance(space, Superpixels)
    assert (space.method, space.n_segments) == ("grid", 9)
    assert isinstance(spectrum, Superbands)
    assert spectrum.bands == {"blue": {"from": 440, "to": 530}, "red": [640.0, 700.0], "last": [5], "green": "G"}
    assert isinstance(cubes, Cubes)
    assert (cubes.superpixels.n_segments, cubes.superbands.bands) == (4, 2)
    assert one.wavelengths == tuple(WAVELENGTHS)
    assert one.layout.axes == "CWH"
    assert (one.probes, one.target, one.every_n_validations, one.gate) == (4, [0, 1], 2, None)
    assert (one.relevant_change, one.background, one.reliance, one.charts) == (0.1, 20, False, True)
    expected = (32, Bernoulli(), Blur(0.2), Euclidean(0.5), Lasso(0.01), "softmax")
    got = one.settings
    assert got.stem == "off"
    assert (got.n_perturbations, got.design, got.baseline, got.kernel, got.surrogate, got.output) == expected
    assert one.watch["ranges"].bands == [{"from": 440, "to": 530}, {"from": 600, "to": 650}]
    assert one.watch["names"].bands == ["R", "G"]
    bounds = one.watch["bounds"]
    assert (bounds.bands, bounds.above, bounds.below, bounds.stop) == ([{"from": 440, "to": 530}], 0.5, 0.1, True)
    assert (one.watch["class"].pixels, one.watch["class"].below) == ("outside", 0.1)
    assert one.reference.explanations == {"spatial": tmp_path / "saved.npz"}
    assert (one.class_names, one.max_batch_size) == (["a", "b", "c"], 7)
    scale, offset = one.to_physical
    assert scale.tolist() == [0.5] * 6
    assert offset.tolist() == pytest.approx([0.1])
    assert callback.state_key.endswith("{'name': 'other'}")
    assert (one.seed, one.name) == (5, "other")
    assert (one.input_key, one.label_key, one.output_key) == (0, "label", "logits")
    assert one.forward is torch.maximum
    assert one.time_budget == TimeBudget(share=0.2)


def test_without_arguments_it_is_the_one_of_python():
    assert built().config.settings == LimeCallback().config.settings


@pytest.mark.parametrize("target", ["predicted", "label", "all", 3, [0, 1]])
def test_targets(target):
    assert built(target=target).config.target == target


def test_top_labels_and_contrasts():
    top = {"class_path": "lime_callback.TopLabels", "init_args": {"k": 2}}
    assert built(target=top).config.target == TopLabels(2)
    for first, second in ((3, 5), ([0, 1], [2, 2])):
        spec = {"class_path": "lime_callback.Contrast", "init_args": {"first": first, "second": second}}
        assert built(output=spec).config.settings.output == Contrast(first, second)


def test_options_of_superpixels():
    options = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2}
    spec = {"class_path": "lime_callback.Superpixels", "init_args": {"method": "quickshift", "options": options}}
    assert built(views=spec).config.views[0].options == options


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("design", "paired", Paired()),
        ("design", {"class_path": "lime_callback.sampling.Bernoulli"}, Bernoulli()),
        ("baseline", "zero", Constant(0.0)),
        ("baseline", 0.5, Constant(0.5)),
        ("baseline", {"class_path": "lime_callback.sampling.Mean"}, Mean()),
        ("kernel", "none", Uniform()),
        ("kernel", {"class_path": "Euclidean"}, Euclidean()),
        ("surrogate", "ridge", Ridge()),
        ("surrogate", {"class_path": "lime_callback.Ridge", "init_args": {"alpha": 0.1}}, Ridge(0.1)),
        ("output", "torch.sigmoid", torch.sigmoid),
    ],
)
def test_strategies(argument, value, expected):
    assert getattr(built(**{argument: value}).config.settings, argument) == expected


def test_a_parity_mode_sets_what_is_left_out():
    settings = built(like="captum").config.settings
    assert (settings.design, settings.surrogate) == (Bernoulli(), Lasso(0.01))


def test_baseline_of_a_value_for_each_channel_or_of_a_function():
    assert built(baseline=[0.1, 2]).config.settings.baseline.values.tolist() == [0.1, 2.0]
    one = built(baseline="torch.zeros_like").config.settings.baseline
    assert isinstance(one, Given)
    assert one.values is torch.zeros_like


@pytest.mark.parametrize("path", ["sklearn.linear_model.BayesianRidge", "lime_callback.surrogates.sklearn_regressor"])
def test_regressors_of_scikit_learn(path):
    regressor = {"class_path": "sklearn.linear_model.BayesianRidge", "init_args": {"tol": 0.01}}
    wrapped = {"class_path": f"{path}.SklearnSurrogate", "init_args": {"estimator": regressor}}
    one = built(surrogate=regressor if path.startswith("sklearn") else wrapped).config.settings.surrogate
    assert isinstance(one, SklearnSurrogate)
    assert (type(one.estimator).__name__, one.estimator.tol) == ("BayesianRidge", 0.01)


CHOICES = "lime_callback.probes.probe_choices"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4, probe_choices.Evenly(4)),
        ([3, 1], probe_choices.Numbered([3, 1])),
        ("misclassified", probe_choices.Misclassified()),
        (
            {"class_path": f"{CHOICES}.Unsure", "init_args": {"count": 4, "margin": 0.2, "anew": True}},
            probe_choices.Unsure(4, anew=True, margin=0.2),
        ),
        (
            {"class_path": f"{CHOICES}.HighestLoss", "init_args": {"loss": "torch.nn.functional.l1_loss"}},
            probe_choices.HighestLoss(loss=torch.nn.functional.l1_loss),
        ),
        ({"class_path": f"{CHOICES}.Numbered", "init_args": {"numbers": [7]}}, probe_choices.Numbered([7])),
    ],
)
def test_probes(value, expected):
    assert built(probes=value).config.choice == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"class_path": "lime_callback.outputs.ClassRegion", "init_args": {"scale": "raw"}}, ClassRegion("raw")),
        ({"class_path": "lime_callback.outputs.PixelCount", "init_args": {"share": True}}, PixelCount(share=True)),
    ],
)
def test_reducers(spec, expected):
    assert built(output=spec).config.settings.output == expected


def test_views_of_masks_and_of_names():
    views = [
        {"class_path": "lime_callback.Validity", "init_args": {"valid": "field", "names": ["in", "out"]}},
        {
            "class_path": "lime_callback.Merged",
            "init_args": {
                "views": [
                    {"class_path": "lime_callback.Superpixels", "init_args": {"mask": "field"}},
                    {"class_path": "lime_callback.Superpixels", "init_args": {"n_segments": 9}},
                ],
                "groups": {"rest": ["superpixel 1", "superpixel 2"]},
                "names": {"superpixel 0": "field"},
            },
        },
        {"class_path": "lime_callback.Superbands", "init_args": {"bands": "NDVI", "show_not_included": False}},
        {"class_path": "lime_callback.Superbands", "init_args": {"bands": ["R", ["G", "B"]], "name": "second"}},
    ]
    validity, merged, index, names = built(views=views).config.views
    assert (validity.valid, validity.names) == ("field", ("in", "out"))
    assert [one.mask for one in merged.views] == ["field", None]
    assert (merged.groups, merged.names) == ({"rest": ["superpixel 1", "superpixel 2"]}, {"superpixel 0": "field"})
    assert (index.bands, index.show_not_included, names.bands) == ("NDVI", False, ["R", ["G", "B"]])


def test_one_view_needs_no_list():
    assert [view.name for view in built(views={"class_path": "lime_callback.Superbands"}).config.views] == ["spectral"]


def test_masks_are_keys_or_functions():
    (view,) = built(
        views={
            "class_path": "lime_callback.Superpixels",
            "init_args": {"mask": f"{__name__}.first_channel", "valid": "ok"},
        }
    ).config.views
    assert (view.mask.__name__, view.valid) == ("first_channel", "ok")


@pytest.mark.parametrize(
    ("names", "known"),
    [(DesignName, DESIGNS), (KernelName, KERNELS), (BaselineName, NAMED_BASELINES), (SurrogateName, SURROGATES)],
)
def test_names_of_the_annotations_are_those_that_are_known(names, known):
    assert names.__args__ == tuple(known)


WATCH, SURROGATE, BANDS = "lime_callback.Watch", "lime_callback.Lasso", "lime_callback.Superbands"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"probes": "many"}, '"probes"'),
        ({"probes": 0}, "`probes` should be a whole number of at least 1"),
        ({"nonsense": 3}, "'nonsense' is not accepted"),
        ({"target": "best"}, "`target` should be.*Found `target = 'best'`. Pass `class_names=`"),
        ({"design": "random"}, r"(?s)\"design\".*'bernoulli', 'paired'"),
        ({"baseline": ["high"]}, '"baseline"'),
        ({"on_error": "ignore"}, r"(?s)\"on_error\".*'warn', 'raise'"),
        ({"views": {"class_path": "lime_callback.Nonesuch"}}, r"(?s)\"views\".*Nonesuch"),
        ({"views": {"class_path": BANDS, "init_args": {"band": 3}}}, r"(?s)\"views\".*'band' is not accepted"),
        (
            {"surrogate": {"class_path": SURROGATE, "init_args": {"alfa": 1}}},
            r"(?s)\"surrogate\".*'alfa' is not accepted",
        ),
        ({"watch": {"water": {"bands": [500.0], "abov": 0.1}}}, r"`watch\['water'\]`.*'abov'"),
        ({"watch": {"water": {"class_path": WATCH, "init_args": {"band": 1}}}}, r"`watch\['water'\]`.*'band'"),
        ({"watch": {"water": {"bands": [500.0], "above": "high"}}}, r"`watch\['water'\]`.*`above = 'high'`"),
        ({"watch": {"water": {"bands": [500.0], "above": 3}}}, "(?s)watch.*`above = 3"),
    ],
)
def test_errors_name_the_argument(arguments, says):
    with pytest.raises(Exception, match=says):
        built(**arguments)


class Data(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return loader(shuffle=True, batch_size=self.batch_size)

    def val_dataloader(self):
        return loader(batch_size=self.batch_size)


class Model(Classifier):
    def __init__(self, outputs: int = 3):
        super().__init__(outputs=outputs)


@pytest.fixture
def run_cli(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cli.py"])  # Lightning warns of pytest's arguments otherwise
    return lambda *args: LightningCLI(Model, Data, args=[str(one) for one in args], seed_everything_default=0)


def quick(folder):
    """Arguments of a short run with a logger, below a folder."""
    return [
        "fit", "--trainer.max_epochs=2", "--trainer.accelerator=cpu", "--trainer.log_every_n_steps=1",
        "--trainer.logger=TensorBoardLogger", f"--trainer.logger.save_dir={folder}",
        "--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false",
        "--trainer.enable_checkpointing=false",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:LimeCallback 'lime'. 'named' is what the model rests on")  # as it should
def test_command_line_runs_and_its_saved_configuration_runs_again(run_cli, tmp_path):
    first = run_cli(
        *quick(tmp_path / "a"), "--trainer.callbacks+=lime_callback.LimeCallback", "--trainer.callbacks.probes=4",
        "--trainer.callbacks.n_perturbations=128", "--trainer.callbacks.pictures=false",
        "--trainer.callbacks.baseline=0.5", "--trainer.callbacks.target=[0,1]",
        "--trainer.callbacks.views+=Superpixels", "--trainer.callbacks.views.n_segments=9",
        "--trainer.callbacks.views+=Superbands", "--trainer.callbacks.views.bands=3",
        "--trainer.callbacks.watch={first: {bands: [0], above: 0.99}, named: [1, 2]}",
        "--trainer.callbacks.surrogate=Lasso", "--trainer.callbacks.surrogate.alpha=0.01",
    )  # fmt: skip
    folder = Path(first.trainer.log_dir)
    before = read_history(folder / "lime" / "history.csv")
    assert {row.epoch for row in before} == {1, 2}
    assert {row.view for row in before} == {"spatial", "spectral"}
    assert {row.probe for row in before} == {0, 1, 2, 3}
    assert "lime/spectral/watch/first" in first.trainer.callback_metrics
    again = run_cli("fit", "--config", folder / "config.yaml", f"--trainer.logger.save_dir={tmp_path / 'b'}")
    limes = [one for cli in (first, again) for one in cli.trainer.callbacks if isinstance(one, LimeCallback)]
    assert limes[0].config.settings == limes[1].config.settings
    lime = limes[1].config
    assert (lime.probes, lime.target, lime.watch["first"].above) == (4, [0, 1], 0.99)
    assert repr(read_history(Path(again.trainer.log_dir) / "lime" / "history.csv")) == repr(before)


def test_wrong_value_on_the_command_line_ends_with_its_name(run_cli, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run_cli(
            *quick(tmp_path), "--trainer.callbacks+=lime_callback.LimeCallback", "--trainer.callbacks.probes=many"
        )  # fmt: skip
    assert '"probes"' in capsys.readouterr().err


def check_help(output):
    assert "object at 0x" not in output
    assert "torch.sparse" not in output  # a Tensor in an annotation would list every subclass of torch
    words = " ".join(output.split())
    for argument in ARGUMENTS:
        text = re.search(rf"^        {argument}: (.+)$", LimeCallback.__doc__, re.MULTILINE).group(1)
        assert f"--trainer.callbacks.{argument} " in words
        assert text.strip() in words, argument
    assert "default: 256" in words
    assert words.count("(if ``None``)") == 3  # strategies, whose defaults a parity mode replaces
    assert words.count("(if ``None``, for ") == 3  # the baseline, whose default is that of bands, pixels or vectors


def test_help_of_the_class_path(run_cli, capsys):
    with pytest.raises(SystemExit, match="0"):
        run_cli("fit", "--trainer.callbacks.help=lime_callback.LimeCallback")
    check_help(capsys.readouterr().out)


def test_help_of_the_short_name_in_the_example():
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "examples/cli.py", "fit", "--trainer.callbacks.help=LimeCallback"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    check_help(done.stdout)


def test_example_configuration_is_of_the_scene(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    scene = importlib.import_module("scene")
    monkeypatch.delitem(sys.modules, "scene")
    (callback,) = yaml.safe_load((ROOT / "examples" / "cli.yaml").read_text())["trainer"]["callbacks"]
    settings = callback["init_args"]
    assert settings["wavelengths"] == scene.wavelengths()
    assert settings["class_names"] == list(scene.CLASS_NAMES)
    lime = built(**settings)
    assert [view.name for view in lime.config.views] == ["spatial", "spectral"]
    ranges = lime.config.watch["water"].bands
    assert sum(any(one["from"] <= nm <= one["to"] for one in ranges) for nm in scene.wavelengths()) == 11
