"""Wrong arguments and inputs: each is named at the earliest moment it can be known, with what was expected and found.

What can be known without data raises at construction; what needs data raises in the sanity check, before the first
training step.
"""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from toys import SHAPE, WAVELENGTHS, Classifier, Samples, fit

from lime_callback import (
    Cubes,
    Explanation,
    Features,
    Lasso,
    LimeCallback,
    Ridge,
    Superbands,
    Superpixels,
    Watch,
    explain,
)
from lime_callback.comparing.drift import compare
from lime_callback.sampling.baselines import Blur, Constant, Given, Mean
from lime_callback.sampling.designs import Paired
from lime_callback.sampling.locality_kernels import Cosine, Euclidean
from lime_callback.views import View
from lime_callback.views.layout import Layout

NAN, INF = math.nan, math.inf
SPATIAL, SPECTRAL = Superpixels("grid", n_segments=4), Superbands(bands=3)


class Nameless(View):
    def __init__(self, name=None):
        self.name = name

    def features(self, inputs, **_):
        return SPECTRAL.features(inputs)


def case(name, kind, message, /, **settings):
    return pytest.param(settings, kind, message, id=name)


V, T = ValueError, TypeError


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        case("views of None", T, r"`views` should be a view or several.*Found `views = \[None\]`", views=[None]),
        case("views as a class", T, "`views` should be a view or several.*Superpixels", views=Superpixels),
        case("views as a dictionary", T, "`views` should be a view or several", views={"spatial": SPATIAL}),
        case("view without a name", T, "`views` should have names.*Nameless without one; give", views=Nameless()),
        case("own view named ..", V, r"`name` should be a name of letters.*'\.\.'", views=Nameless("..")),
        case("own view with a colon", V, "`name` should be a name of letters.*'a:b'", views=Nameless("a:b")),
        case("wavelength NaN", V, r"`wavelengths` should be finite and above 0.*\[nan\]", wavelengths=[500.0, NAN]),
        case("wavelength infinite", V, "`wavelengths` should be finite and above 0", wavelengths=[500.0, INF]),
        case("no wavelengths", V, "`wavelengths` should hold one.*Found none at all", wavelengths=[]),
        case("one wavelength", T, "`wavelengths` should be a sequence of numbers.*500.0", wavelengths=500.0),
        case("wavelengths as a number", T, "`wavelengths` should be a sequence.*500", wavelengths=500.0),
        case("wavelengths of texts", T, "`wavelengths` should be a sequence.*'600'", wavelengths=["500", "600"]),
        case("wavelengths of booleans", T, "`wavelengths` should be a sequence.*True", wavelengths=[True, True]),
        case("wavelengths without order", T, "`wavelengths` should be a sequence", wavelengths={500.0, 600.0}),
        case(
            "wavelengths by channel", V, "`wavelengths` should be in one of the units.*'b1'", wavelengths={"b1": 500.0}
        ),
        case("wavelengths in two axes", T, "`wavelengths` should be a sequence", wavelengths=torch.ones(2, 2)),
        case("layout twice", V, "`layout` should name the axes.*Found `layout = 'CHWW'`", layout="CHWW"),
        case("layout in small letters", V, "axes.*T, times, or D.*'chw'.*Pass layout='CHW', in cap", layout="chw"),
        case("layout in small letters with times", V, "Pass layout='CTHW', in capitals", layout="cthw"),
        case("layout with a batch", V, "'BCHW'`. Pass layout='CHW', without the axis of the batch", layout="BCHW"),
        case("layout with a batch, small", V, "'nhwc'`. Pass layout='HWC', without the axis of the", layout="nhwc"),
        case("layout with a batch and depths", V, "'BCDHW'`. Pass layout='CDHW', without", layout="BCDHW"),
        case("layout of a batch alone", V, "Found `layout = 'B'`.$", layout="B"),
        case("layout as a list", V, "`layout` should name the axes.*Found", layout=["C", "H", "W"]),
        case("layout None", V, "`layout` should name the axes.*Found `layout = None`", layout=None),
        case("probes boolean", T, "`probes` should be a whole number.*Found `probes = True`", probes=True),
        case("probes float", T, "`probes` should be a whole number.*Found `probes = 8.0`", probes=8.0),
        case("probes text", V, "`probes` should be a whole number.*Found `probes = '8'`", probes="8"),
        case("target boolean", T, "`target` should be .*Found `target = True`", target=True),
        case("target float", T, "`target` should be .*Found `target = 1.0`", target=1.0),
        case("target empty", V, r"`target` should be .*Found `target = \[\]`", target=[]),
        case("target nested", T, r"`target` should be .*Found `target = \[\[1\], \[2\]\]`", target=[[1], [2]]),
        case("target set", T, r"`target` should be .*Found `target = \{1\}`", target={1}),
        case("target None", T, "`target` should be .*Found `target = None`", target=None),
        case(
            "every_n_epochs negative", V, "`every_n_epochs` should be 'auto', or a whole number.*-1", every_n_epochs=-1
        ),
        case(
            "every_n_epochs float", T, "`every_n_epochs` should be 'auto', or a whole number.*1.5", every_n_epochs=1.5
        ),
        case("n_perturbations NaN", T, "`n_perturbations` should be a whole number.*nan", n_perturbations=NAN),
        case("design as a class", T, "`design` should be one of.*the class Paired; make an object", design=Paired),
        case("design number", T, "`design` should be one of.*Found a float", design=0.5),
        case("like unknown", V, "`like` should be one of 'lime_image', 'lime_tabular'.*'shap'", like="shap"),
        case(
            "like and kernel",
            V,
            "`like = 'captum'` sets `kernel`.*Found `kernel = 'cosine'`",
            like="captum",
            kernel="cosine",
        ),
        case("baseline NaN", V, "`baseline` should be finite. Found `baseline = nan`", baseline=NAN),
        case("baseline infinite", V, "`baseline` should be finite. Found `baseline = inf`", baseline=INF),
        case("baseline tensor of NaN", V, "`baseline` should be finite.*NaN", baseline=torch.tensor([NAN])),
        case("baseline complex", V, "`baseline` should be.*complex64", baseline=torch.zeros(3, dtype=torch.complex64)),
        case("baseline boolean", T, "`baseline` should be one of.*a number, a tensor.*Found a bool", baseline=True),
        case("baseline of texts", T, "`baseline` should hold numbers.*'a'", baseline=["a", "b"]),
        case("baseline as a class", T, "`baseline` should be .*the class Mean; make an object of it", baseline=Mean),
        case("kernel number", T, "`kernel` should be one of .*Found a float", kernel=0.25),
        case("kernel as a class", T, "`kernel` should be one of.*the class Cosine; make an object", kernel=Cosine),
        case("surrogate number", T, "`surrogate` should be one of .*Found a float", surrogate=1.0),
        case("surrogate classifier", T, "`surrogate` should be a linear.*classifier", surrogate=LogisticRegression()),
        case("output None", T, "`output` should be one of .*Found `output = None`", output=None),
        case("output list", T, r"`output` should be one of .*Found `output = \['softmax'\]`", output=["softmax"]),
        case("output as a class", T, "`output` should be .*the class Softmax; make an object", output=torch.nn.Softmax),
        case("watch text", T, "`watch` should be a dictionary of names.*Found a str", watch="water"),
        case("watch by itself", T, "`watch` should be a dictionary of names.*Found a Watch", watch=Watch("R")),
        case("watch of None", V, r"`watch\['a'\]` names no set of channels or pixels.*neither", watch={"a": None}),
        case("watch by number", T, "`watch` should be a name of letters.*Found `watch = 1`", watch={1: "R"}),
        case("gate NaN", V, "`gate` should be a bound of R².*None, which keeps all. Found `gate = nan`", gate=NAN),
        case("gate infinite", V, "`gate` should be a bound of R².*Found `gate = -inf`", gate=-INF),
        case("reference list", T, "`reference` should be the path.*Found a list", reference=["a.ckpt"]),
        case("reference folder", FileNotFoundError, "`reference` should be.*Found no file '/'", reference="/"),
        case("reference empty", V, r"`reference` should name views of.*\['spatial'\].*an empty", reference={}),
        case("reference number", T, r"`reference\['spatial'\]` should be the path.*a int", reference={"spatial": 3}),
        case("reference names", V, r"`reference` should name views.*Found \[1, 'a'\]", reference={1: "x", "a": "y"}),
        case("reference source", V, "`reference` should be a saved.*'spatial'", reference={"spatial": __file__}),
        case("class_names text", T, "`class_names` should be a list of names.*'rye'", class_names="rye"),
        case("class_names number", T, "`class_names` should be a list of names.*Found `.* = 3`", class_names=3),
        case("class_names by number", T, r"`class_names` should be.*list\(names.values\(\)\)", class_names={0: "rye"}),
        case("class_names of None", T, "`class_names` should be a list of names.*None", class_names=[None, "rye"]),
        case("class_names empty", V, "`class_names` should hold a different name.*an empty list", class_names=[]),
        case("class_names twice", V, r"`class_names` should.*\['oat'\] more than once", class_names=["oat", "oat"]),
        case("class_names blank", V, "`class_names` should hold.*an empty name", class_names=["oat", " "]),
        case("max_batch_size boolean", T, "`max_batch_size` should be a whole number.*True", max_batch_size=True),
        case("pictures text", T, "`pictures` should be True or False. Found `pictures = 'yes'`", pictures="yes"),
        case("charts", T, "`charts` should be True or False. Found `charts = 'all'`", charts="all"),
        case("pictures number", T, "`pictures` should be True or False. Found `pictures = 1`", pictures=1),
        case("on_error boolean", V, "`on_error` should be one of 'warn', 'raise'. Found .*True", on_error=True),
        case("seed negative", V, "`seed` should be a whole number of at least 0. Found `seed = -1`", seed=-1),
        case("seed None", T, "`seed` should be a whole number of at least 0. Found `seed = None`", seed=None),
        case("name empty", V, "`name` should be a name of letters.*Found `name = ''`", name=""),
        case("name of dots", V, r"`name` should be a name of letters.*Found `name = '\.\.'`", name=".."),
        case("name number", T, "`name` should be a name of letters.*Found `name = 3`", name=3),
        case(
            "input_key float", T, "`input_key` should be the name of an entry.*Found `input_key = 1.0`", input_key=1.0
        ),
        case("input_key list of one", V, r"`input_key` should name at least two.*\['image'\]", input_key=["image"]),
        case("input_key boolean", T, "`input_key` should be the name of an entry.*True", input_key=True),
        case("label_key list", T, r"`label_key` should be the name of an entry.*\['label'\]", label_key=["label"]),
        case("output_key path", T, r"`output_key` should be the name.*path.*\('a', 1.5\)", output_key=("a", 1.5)),
        case("forward text", T, "`forward` should be a function that takes.*'predict'", forward="predict"),
        case("forward as a class", T, "`forward` should be.*the class Linear; make an", forward=torch.nn.Linear),
    ],
)
def test_the_callback_refuses(settings, kind, message):
    with pytest.raises(kind, match=message):
        LimeCallback(**settings)


LABELS = torch.zeros(1, 3, dtype=torch.long)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        pytest.param(make, kind, message, id=name)
        for name, make, kind, message in [
            ("method list", lambda: Superpixels(["slic"]), V, "`method` should be one of 'slic'.*Found `method"),
            ("n_segments text", lambda: Superpixels(n_segments="9"), T, "`n_segments` should be a whole number"),
            ("n_segments negative", lambda: Superpixels(n_segments=-4), V, "`n_segments` should be a whole number.*-4"),
            ("mask number", lambda: Superpixels(mask=3.5), T, "`mask` should be an integer tensor or array, the key"),
            ("mask of texts", lambda: Superpixels(mask=np.array([["a"]])), V, "`mask` should hold integers.*<U1"),
            ("valid list", lambda: Superpixels(valid=[[1]]), T, "`valid` should be an integer tensor or array"),
            ("own wavelengths text", lambda: Superpixels(wavelengths=["500"]), T, "`wavelengths` should be a sequence"),
            ("view name None", lambda: Superpixels(name=None), T, "`name` should be a name of letters.*None"),
            ("view named ..", lambda: Superpixels(name=".."), V, r"`name` should be a name of letters.*'\.\.'"),
            ("view with a colon", lambda: Superpixels(name="a:b"), V, "`name` should be a name of letters.*'a:b'"),
            ("bands fraction", lambda: Superbands(2.5), T, "`bands` should be a whole number, a sequence.*2.5"),
            ("bands set", lambda: Superbands({"R"}), T, "`bands` should be a whole number, a sequence of groups"),
            (
                "bands array",
                lambda: Superbands(np.ones((1, 2))),
                V,
                "`bands` should hold wavelengths in nm.*micrometres",
            ),
            ("bands boolean", lambda: Superbands([[True]]), T, "`bands` should hold a band or index name"),
            ("bands of floats in a slice", lambda: Superbands([slice(4.0, 5.0)]), V, "`bands` takes a slice of chan"),
            ("bands without step", lambda: Superbands([slice(0, 4, 0)]), V, "`bands` takes .* step other than 0"),
            ("bands NaN", lambda: Superbands([(NAN, 500.0)]), V, "`bands` should hold ranges.*Found nan to 500.0"),
            ("bands infinite", lambda: Superbands([(400.0, INF)]), V, "`bands` should hold ranges.*400.0 to inf"),
            ("range in micrometres", lambda: Superbands([(0.4, 0.5)]), V, "`bands` should .*nm.*multiply them by 1000"),
            ("bands in micrometres", lambda: Watch([0.45, 0.5]), V, "`bands` should .* nm.*0.5, which look like micro"),
            ("cubes swapped", lambda: Cubes(SPECTRAL, SPATIAL), T, "`superpixels` should be a Superpixels.*pass for"),
            ("cubes of a class", lambda: Cubes(superbands=Superbands), T, "`superbands` should be a Superbands"),
            ("ridge text", lambda: Ridge("1"), T, "`alpha` should be a number. Found `alpha = '1'`"),
            ("ridge NaN", lambda: Ridge(NAN), V, "`alpha` should be at least 0. Found `alpha = nan`"),
            ("ridge infinite", lambda: Ridge(INF), V, "`alpha` should be finite. Found `alpha = inf`"),
            ("ridge boolean", lambda: Ridge(True), T, "`alpha` should be a number. Found `alpha = True`"),
            ("lasso None", lambda: Lasso(None), T, "`alpha` should be a number. Found `alpha = None`"),
            ("lasso infinite", lambda: Lasso(INF), V, "`alpha` should be finite"),
            ("tolerance NaN", lambda: Lasso(tolerance=NAN), V, "`tolerance` should be above 0. Found .*nan"),
            ("iterations float", lambda: Lasso(max_iterations=9.5), T, "`max_iterations` should be a whole number"),
            ("width text", lambda: Cosine("wide"), T, "`width` should be a number. Found `width = 'wide'`"),
            ("width NaN", lambda: Cosine(NAN), V, "`width` should be above 0. Found `width = nan`"),
            ("width infinite", lambda: Euclidean(INF), V, "`width` should be finite.*`kernel='none'` counts"),
            ("sigma None", lambda: Blur(None), T, "`sigma` should be a number. Found `sigma = None`"),
            ("sigma infinite", lambda: Blur(INF), V, "`sigma` should be finite.*`baseline='mean'`"),
            ("sigma too large", lambda: Blur(11), V, "`sigma` should be at most 10.*`baseline='mean'`"),
            ("constant NaN", lambda: Constant(NAN), V, "`value` should be finite. Found `value = nan`"),
            ("constant text", lambda: Constant("1"), T, "`value` should be a number. Found `value = '1'`"),
            ("given None", lambda: Given(None), T, "`baseline` should be a function that takes the inputs, or a ten"),
            ("above text", lambda: Watch("R", above="0.2"), T, "`above` should be a share from 0 to 1.*'0.2'"),
            ("above NaN", lambda: Watch("R", above=NAN), V, "`above` should be a share from 0 to 1.*nan"),
            ("below boolean", lambda: Watch("R", below=True), T, "`below` should be a share from 0 to 1.*True"),
            ("bounds crossed", lambda: Watch("R", above=0.2, below=0.5), V, "`above` should not be less than `below`"),
            ("stop text", lambda: Watch("R", above=0.2, stop="yes"), T, "`stop` should be True or False"),
            ("pixels of floats", lambda: Watch(pixels=torch.ones(2, 2)), V, "`pixels` should hold integers"),
            ("mask array", lambda: Features(np.zeros((1, 3)), ("a",), "C"), T, "`mask` should be .*torch.as_tensor"),
            ("mask list", lambda: Features.from_mask([[0, 1]]), T, "`mask` should be an integer tensor. Found a list"),
            ("mask without batch", lambda: Features.from_mask(LABELS[0]), V, "`mask` should have a batch axis"),
            (
                "mask too high",
                lambda: Features(LABELS + 2**33, ("a",), "C"),
                V,
                "`mask` should hold labels.*8589934592",
            ),
            ("names text", lambda: Features(LABELS, "a", "C"), T, "`names` should be a sequence.*Found `names = 'a'`"),
            ("names number", lambda: Features(LABELS, 3, "C"), T, "`names` should be a sequence of names.*3"),
            ("features without layout", lambda: Features(LABELS, ("a",), None), V, "`layout` should name the axes"),
            ("layout number", lambda: Layout(3), V, "`layout` should name the axes.*Found `layout = 3`"),
            ("layout of ones", lambda: Layout("11"), V, "`layout` should name the axes of one sample"),
        ]
    ],
)
def test_parts_refuse(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def images(batch=3):
    return torch.rand(batch, *SHAPE, generator=torch.Generator().manual_seed(1))


def score(x):
    return x.flatten(1)[:, :3]


def found(view=SPATIAL, **settings):
    x = images()
    settings = {"n_perturbations": 16, "baseline": 0.0, "output": lambda y: y * y.sum(1, keepdim=True)} | settings
    return explain(lambda x: x.mean((2, 3)), x, view.features(x), **settings)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        case("forward text", T, "`forward` should be a function that takes.*Found 'model'", forward="model"),
        case("forward class", T, "`forward` should be .*the class Linear; make an obj", forward=torch.nn.Linear),
        case("forward of texts", T, "`forward` should return a tensor.*Found a str", forward=lambda x: "cat"),
        case(
            "forward of fewer rows",
            V,
            r"`forward` should return \[m\].*m = 3.*\(2, 3\)",
            forward=lambda x: x[:2, :, 0, 0][:, :3],
        ),
        case("forward of nothing", V, r"`forward` should return \[m\].*\(3, 0\)", forward=lambda x: x[:, :0, 0, 0]),
        case("forward complex", V, "`forward` should return real numbers.*complex64", forward=lambda x: score(x) + 1j),
        case("forward infinite", V, "`forward` should return finite numbers", forward=lambda x: score(x) / 0),
        case("output of nothing", T, "`output` should return a tensor.*a NoneType", output=lambda y: None),
        case("output of one number", V, r"`output` should return \[m\] or \[m, K\].*\(\)", output=torch.mean),
        case("inputs number", T, "`inputs` should be a tensor.*Found a int", inputs=3),
        case("inputs None", T, "`inputs` should be a tensor.*Found a NoneType", inputs=None),
        case("inputs array", T, "`inputs` should be a tensor.*Found a ndarray", inputs=np.zeros((3, 6, 12, 12))),
        case("inputs of integers", T, "`inputs` should be floating point.*uint8", inputs=images().to(torch.uint8)),
        case("inputs of one axis", V, r"`inputs` should have shape \[B, \*dims\].*\(3,\)", inputs=torch.rand(3)),
        case("inputs infinite", V, r"`inputs` should be finite.*\[0, 1, 2\]", inputs=images() / 0),
        case("mask array of floats", V, "`mask` should be an integer|`features` should", features=np.zeros((12, 12))),
        case(
            "mask of another size",
            V,
            r"`features` should have a mask.*\[H, W\] = \(12, 12\)",
            features=torch.ones(1, 5, 12).int(),
        ),
        case("mask of another batch", V, "`features` should have a mask", features=torch.ones(2, 1, 12, 12).int()),
        case("view as features", T, "`features` should be `Features` of a view.*a Superpixels", features=SPATIAL),
        case("target float", T, "`target` should be an integer.*Found `target = 1.5`", target=1.5),
        case("target boolean", T, "`target` should be an integer.*Found `target = True`", target=True),
        case("target negative", V, r"`target` should be an index from 0 to 2.*Found \[-1\]", target=-1),
        case("target empty", T, r"`target` should be an integer.*Found `target = \[\]`", target=[]),
        case("target of no columns", V, r"`target` should have shape.*\(3, 0\)", target=torch.zeros(3, 0).long()),
        case("target complex", T, "`target` should hold integers.*complex64", target=torch.zeros(3) + 0j),
        case("batch_size float", T, "`batch_size` should be a whole number of at least 1.*2.5", batch_size=2.5),
        case("batch_size boolean", T, "`batch_size` should be a whole number of at least 1.*True", batch_size=True),
        case("seed float", T, "`seed` should be a whole number, or a list.*Found `seed = 1.5`", seed=1.5),
        case("seed boolean", T, "`seed` should be a whole number, or a list.*True", seed=True),
        case("seed text", T, "`seed` should be a whole number, or a list.*'abc'", seed="abc"),
        case("seeds of floats", T, "`seed` should be a whole number, or a list", seed=[1.0, 2.0, 3.0]),
        case("seed too large", V, r"`seed` should be from 0 to 2\*\*63 - 1", seed=2**70),
        case("seed too many", V, "`seed` should be a number, or one for each of the 3 inputs. Found 4", seed=range(4)),
        case("baseline of a wrong shape", V, r"`baseline` should broadcast.*\(5,\)", baseline=lambda x: x.new_zeros(5)),
        case("baseline of an array", T, "`baseline` should return a tensor.*ndarray", baseline=lambda x: x.numpy()),
        case("baseline of NaN", V, "`baseline` should be finite", baseline=lambda x: x / 0 * 0),
    ],
)
def test_explain_refuses(settings, kind, message):
    x = images()
    arguments = {"forward": score, "inputs": x, "features": SPATIAL.features(x), "n_perturbations": 16} | settings
    with pytest.raises(kind, match=message):
        explain(**arguments)


def rewritten(path, **arrays):
    with np.load(path) as file:
        parts = {name: file[name] for name in file.files}
    np.savez(path, **{name: value for name, value in (parts | arrays).items() if value is not None})


def torn(path):
    path.write_bytes(path.read_bytes()[:-200])


def other_format(path):
    rewritten(path, about=np.array(json.dumps({"format": "lime_callback explanation 0"})))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(torn, "not a zip", id="torn"),
        pytest.param(other_format, "its format is 'lime_callback explanation 0'", id="another format"),
        pytest.param(lambda path: rewritten(path, mask=None), "'mask'", id="without a mask"),
        pytest.param(lambda path: rewritten(path, score=None), "'score'", id="without a part"),
        pytest.param(lambda path: rewritten(path, about=None), "about", id="without a description"),
        pytest.param(
            lambda path: rewritten(path, score=np.zeros(2)), r"`score` should have shape \(3, 6\)", id="shape"
        ),
        pytest.param(lambda path: rewritten(path, samples_outputs=np.zeros((3, 5, 6))), "`outputs` should", id="rows"),
        pytest.param(lambda path: rewritten(path, mask=np.zeros((1, 1, 5, 5), int)), "inputs' shape", id="mask"),
        pytest.param(lambda path: np.savez(path, weights=np.zeros(3)), "about", id="other arrays"),
    ],
)
def test_files_that_are_not_whole(tmp_path, spoil, message):
    path = tmp_path / "explanation.npz"
    found().save(path)
    Explanation.load(path)
    spoil(path)
    with pytest.raises(
        V, match=rf"(?s)`path` should be a file that `Explanation.save` wrote.*explanation.npz.*{message}"
    ):
        Explanation.load(path)


def test_a_path_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Explanation.load(tmp_path / "nowhere.npz")
    with pytest.raises(V, match=r"(?s)`path` should be a file that `Explanation.save` wrote"):
        Explanation.load(tmp_path)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        pytest.param(lambda: compare(found(), "x.npz"), T, "`after` should be an Explanation. Found a str", id="path"),
        pytest.param(lambda: compare(None, found()), T, "`before` should be an Explanation.*NoneType", id="None"),
        pytest.param(lambda: compare(found(), found(), gate=NAN), V, "`gate` should be a bound", id="gate NaN"),
        pytest.param(lambda: compare(found(), found(), gate="0"), V, "`gate` should be a bound", id="gate text"),
        pytest.param(lambda: compare(found(), found(SPECTRAL)), V, "Found different features", id="features"),
        pytest.param(lambda: compare(found(), found(target=1)), V, "different numbers of inputs and targets", id="T"),
        pytest.param(lambda: found().top(2.5), T, "`k` should be a whole number.*Found `k = 2.5`", id="top float"),
        pytest.param(lambda: found().top(True), T, "`k` should be a whole number.*Found `k = True`", id="top boolean"),
    ],
)
def test_what_cannot_be_compared(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


# ---------------------------------------------------------------------------------------------------------------------
# What needs data: it raises in the sanity check, before the first training step, whatever `on_error` says.


class Recorded(Classifier):
    steps = 0

    def training_step(self, batch, number):
        self.steps += 1
        return super().training_step(batch, number)


class Needy(Recorded):
    """Needs more than an image."""

    def forward(self, x, offset):
        return self.net(x) + offset

    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self(batch[0], 1.0), batch[1])


def raises_before_training(folder, settings, kind, message, model, data):
    views = settings.pop("views", [SPATIAL, SPECTRAL])
    lime = LimeCallback(views, **{"wavelengths": WAVELENGTHS, "probes": 3, "n_perturbations": 16} | settings)
    with pytest.raises(kind, match=message):
        fit(folder, lime, model=lambda: model, data=data, epochs=1, limit_train_batches=1)
    assert model.steps == 0


def broken(module, batch):
    raise RuntimeError("no such sensor")


def item(**parts):
    return lambda x, y, i: {name: part(x, y, i) for name, part in parts.items()}


TENSORS = {"pack": lambda x, y, i: x}
NO_LABELS = {"unpack": lambda b: (b, torch.zeros(len(b)).long())}
TO_FLOAT = {"unpack": lambda b: (b[0].float(), b[1])}
NAMED = {"pack": item(image=lambda x, y, i: x, label=lambda x, y, i: y, place=lambda x, y, i: (y % 2).expand(12, 12))}
BY_NAME = {"unpack": lambda b: (b["image"], b["label"])}
FLOATS = {"pack": lambda x, y, i: (x, y, float(i))}
TWO = {"unpack": lambda b: b[:2]}
MASK = torch.zeros(5, 5).int()


def data_case(name, kind, message, /, *, model=None, data=None, **settings):
    return pytest.param(settings, kind, message, model or {}, data or {}, id=name)


@pytest.mark.parametrize(
    ("settings", "kind", "message", "model", "data"),
    [
        data_case("layout of fewer axes", V, "`layout = 'HW'` describes samples with 2 axes", layout="HW"),
        data_case("layout of more axes", V, r"`layout = '1CHW'`.*\(6, 12, 12\).*Pass layout='CHW'", layout="1CHW"),
        data_case("layout of other axes", V, "`wavelengths` should hold one value for each of the 12", layout="HWC"),
        data_case("wavelengths too few", V, "`wavelengths`.*6 channels. Found 2 wave", wavelengths=[450.0, 550.0]),
        data_case("wavelengths too many", V, "`wavelengths`.*6 channels. Found 7", wavelengths=[*WAVELENGTHS, 800.0]),
        data_case("own wavelengths", V, "`wavelengths`.*6 channels", views=Superbands(2, wavelengths=[450, 550])),
        data_case("no wavelengths", V, "`bands` names 'R' by wave", views=Superbands(["R"]), wavelengths=None),
        data_case("bands beyond", V, "`bands` should name at least one channel", views=Superbands([(2e3, 2.1e3)])),
        data_case("channels beyond", V, "`bands` should name channels from 0 to 5.*6", views=Superbands([[6]])),
        data_case("mask of another size", V, r"`mask` should have shape.*\(5, 5\)", views=Superpixels(mask=MASK)),
        data_case(
            "wavelengths of no entry", V, "`wavelengths = '500'` should be the key of a batch", wavelengths="500"
        ),
        data_case(
            "mask without a batch",
            V,
            "`mask = 'place'`.*name the place of an entry, from 0 to 1",
            views=Superpixels(mask="place"),
        ),
        data_case("mask of no axis", V, r"`mask` should have shape.*\(\)", views=Superpixels(mask=torch.tensor(1))),
        data_case("mask that fails", T, "`mask` should be a tensor", views=Superpixels(mask=lambda x: None)),
        data_case("nothing valid", V, "`valid` should leave", views=Superpixels(valid=torch.zeros(12, 12).int())),
        data_case(
            "mask of another name",
            V,
            r"`mask = 'spot'` should be the key.*'image', 'label', 'place'",
            views=Superpixels(mask="spot"),
            model=BY_NAME,
            data=NAMED,
        ),
        data_case("cubes", V, r"`mask` should have shape", views=Cubes(Superpixels(mask=MASK), SPECTRAL)),
        data_case("target too high", V, r"`target` should be an index from 0 to 2.*Found \[3\]", target=3),
        data_case("targets too high", V, r"`target` should be an index from 0 to 2.*Found \[5\]", target=[0, 5]),
        data_case(
            "no labels", V, "`target = 'label'` needs one integer label", target="label", model=NO_LABELS, data=TENSORS
        ),
        data_case(
            "labels of floats", V, "`target = 'label'` needs one", target="label", label_key=2, model=TWO, data=FLOATS
        ),
        data_case(
            "labels too high",
            V,
            r"`target` should be an index from 0 to 2.*Found \[",
            target="label",
            model={"unpack": lambda b: (b[0], b[1] % 3)},
            data={"pack": lambda x, y, i: (x, y + 3)},
        ),
        data_case(
            "input_key of no name",
            V,
            "`input_key` should name.*'scene'.*'image': tensor",
            input_key="scene",
            model=BY_NAME,
            data=NAMED,
        ),
        data_case("input_key too high", V, "`input_key` should name the batch's entry.*9", input_key=9),
        data_case(
            "input_key of a tensor",
            V,
            "`input_key` should name.*a tensor of shape",
            input_key=0,
            model=NO_LABELS,
            data=TENSORS,
        ),
        data_case("input_key of the labels", V, "`layout = 'CHW'` describes samples with 3 axes.*shape", input_key=1),
        data_case(
            "label_key of no name",
            V,
            "`label_key` should name.*'truth'.*Pass for example `label_key='label'` or `label_key='place'`. See",
            label_key="truth",
            model=BY_NAME,
            data=NAMED,
        ),
        data_case(
            "label_key of a tensor", V, "`label_key` should name an entry", label_key=1, model=NO_LABELS, data=TENSORS
        ),
        data_case(
            "output_key of no name",
            V,
            "`output_key` should name.*'main'.*'o': tensor",
            output_key="main",
            model={"pack": lambda y: {"o": y}, "pick": lambda y: y["o"]},
        ),
        data_case("output_key of a tensor", V, "`output_key` should name.*Leave `output_key` out", output_key="main"),
        data_case(
            "images of booleans",
            V,
            "`input_key` should name images of real numbers.*bool",
            model=TO_FLOAT,
            data={"pack": lambda x, y, i: (x > 0, y)},
        ),
        data_case(
            "forward raises",
            RuntimeError,
            r"no such sensor\s+LimeCallback calls `forward` with the module and a batch",
            forward=broken,
        ),
        data_case(
            "forward of one argument",
            T,
            r"positional argument.*\s+LimeCallback calls `forward` with the module and",
            forward=lambda batch: batch,
        ),
        data_case("forward of text", V, "`output_key` should name.*an output of a str", forward=lambda m, b: "cat"),
        data_case(
            "forward of images",
            V,
            r"`forward` should return \[m\] or \[m, K\]",
            forward=lambda m, b: b[0],
            output="raw",
        ),
        data_case("forward of NaN", V, "`forward` should return finite numbers", forward=lambda m, b: m(b[0]) / 0 * 0),
        data_case("output of text", T, "`output` should return a tensor.*Found a str", output=lambda y: "cat"),
        data_case(
            "softmax of one",
            V,
            "`output = 'softmax'` of a single output",
            output="softmax",
            forward=lambda m, b: m(b[0])[:, 0],
        ),
        data_case("baseline of another shape", V, "`baseline` should broadcast", baseline=lambda x: x[..., :5]),
        data_case("baseline of other channels", V, r"`baseline` should broadcast.*\(5,\)", baseline=torch.zeros(5)),
        data_case(
            "watch beyond the bands",
            V,
            r"`watch` should name.*`bands = \(2000.0, 2100.0\)`; the channels lie at 450 to 760 nm",
            watch={"water": (2000.0, 2100.0)},
        ),
        data_case("watch beyond the channels", V, "`bands` should name channels from 0 to 5.*7", watch={"water": [7]}),
        data_case("watch of another size", V, r"`pixels` should have shape.*\(5, 5\)", watch={"edge": MASK}),
        data_case("watch of no pixels", V, "`watch` should name.*`pixels`", watch={"edge": torch.zeros(12, 12).bool()}),
        data_case(
            "watch in nm without wavelengths",
            V,
            r"`watch\['water'\]` names channels by wavelength. Found no wavelengths; pass `wavelengths=`",
            views=[SPATIAL],
            watch={"water": [(500.0, 530.0)]},
            wavelengths=None,
        ),
        data_case(
            "bands on superpixels",
            V,
            r"`watch\['water'\]` should name channels that a view tells apart.*'spatial'.*`Superbands\(\)`",
            views=SPATIAL,
            watch={"water": [1]},
        ),
        data_case(
            "pixels on superbands",
            V,
            r"`watch\['edge'\]` should name pixels that a view tells apart.*'spectral'",
            views=SPECTRAL,
            watch={"edge": torch.ones(12, 12).bool()},
        ),
        data_case(
            "class_names too few",
            V,
            "`class_names` should hold one name for each of the model's 3 outputs. Found 2",
            class_names=["rye", "oat"],
        ),
    ],
)
def test_what_does_not_fit_raises_before_the_first_step(tmp_path, settings, kind, message, model, data):
    raises_before_training(tmp_path, dict(settings), kind, message, Recorded(**model), Samples(**data))


def test_a_model_that_needs_more_than_an_image_is_told_of_forward(tmp_path):
    message = r"'offset'[\s\S]*calls the model with the images alone. Pass `forward=lambda"
    raises_before_training(tmp_path, {}, T, message, Needy(), Samples())


REFERENCES = {
    "torn": (lambda path: path.write_bytes(b"PK"), "loads with `weights_only=True`"),
    "another architecture": (lambda path: torch.save(Classifier(outputs=4).state_dict(), path), "has in another shape"),
    "another model": (lambda path: torch.save(torch.nn.Linear(2, 2).state_dict(), path), "lacks: net.0.bias"),
    "no weights": (lambda path: torch.save([1, 2], path), "lacks: net.0.bias"),
    "weights in a list": (lambda path: torch.save({"state_dict": [1]}, path), "whose weights are tensors by name"),
    "numbers": (lambda path: torch.save(dict.fromkeys(Classifier().state_dict(), 1.0), path), "whose weights are tens"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_checkpoints_that_do_not_fit_raise_before_the_first_step(tmp_path, name):
    write, message = REFERENCES[name]
    write(tmp_path / "last.ckpt")
    settings = {"reference": str(tmp_path / "last.ckpt")}
    raises_before_training(
        tmp_path, settings, V, f"`reference` should be a checkpoint.*{message}", Recorded(), Samples()
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: found(Superbands(2), target=0), "Found different features", id="another view"),
        pytest.param(
            lambda: found(SPECTRAL, target=[0, 1]), "Found different numbers of targets: 2 and 1", id="targets"
        ),
    ],
)
def test_explanations_that_do_not_fit_raise_before_the_first_step(tmp_path, make, message):
    make().save(tmp_path / "before.npz")
    settings = {"reference": {"spectral": tmp_path / "before.npz"}, "wavelengths": None, "target": 0}
    message = f"`reference` should be an explanation of the same inputs, by the same view 'spectral'.*{message}"
    raises_before_training(tmp_path, settings, V, message, Recorded(), Samples())


def test_a_reference_that_is_no_explanation_is_known_at_once(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(V, match=r"`reference` should be a saved explanation for view 'spatial'.*other.npz"):
        LimeCallback(SPATIAL, reference=tmp_path / "other.npz")
