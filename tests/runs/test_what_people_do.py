"""What people do with LIME, row by row of the table in docs/other_packages.md: each by the way that it names, in small.

Models have an answer known by hand, so that each test says whether the right thing was found; the tests of the parts
say the rest.
"""

import weakref

import numpy as np
import pytest
import skimage.data
import torch
from captum.attr import Lime
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import HuberRegressor, LinearRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import pairwise_distances, r2_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from torch import nn
from toys import Classifier, Samples, fit, labels
from transformers import CLIPVisionConfig, CLIPVisionModel

from lime_callback import (
    Contrast,
    Features,
    Lasso,
    LimeCallback,
    Merged,
    Ridge,
    Superbands,
    Superpixels,
    TopLabels,
    Validity,
    explain,
    explain_all,
    figures,
)
from lime_callback.outputs.segmentation_reducers import ClassRegion, PixelCount
from lime_callback.outputs.sklearn_forward import SklearnForward
from lime_callback.pictures import draw_aggregate, draw_aggregate_spectra, draw_ensemble, draw_features, draw_stability
from lime_callback.probes.probe_choices import Unsure
from lime_callback.publishing.sinks import read_history
from lime_callback.sampling import Coalitions, Kernel, ShapleyKernel
from lime_callback.sampling.designs import Bernoulli
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.locality_kernels import Cosine, Euclidean
from lime_callback.summaries.seed_stability import stability
from lime_callback.summaries.segmentation_ensemble import ensemble
from lime_callback.surrogates import Efficient

HYPERVIEW = np.linspace(462.08, 938.37, 150).tolist()  # nm
SMALL = {"n_perturbations": 64, "baseline": "zero"}


def pictures(batch=1, side=24, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.2 + torch.rand(batch, channels, side, side, generator=generator, dtype=torch.float64)


def cat(side=48):
    """scikit-image's cat, its middle, ``[1, 3, side, side]`` from 0 to 1."""
    photo = torch.from_numpy(skimage.data.chelsea()[:, 75:375].copy()).movedim(-1, 0)[None] / 255
    return nn.functional.interpolate(photo, (side, side), mode="area")


@pytest.mark.filterwarnings("ignore:.*is degenerate. its 8 perturbations")  # few, since forwards are counted here
def test_hyperspectral_regression_of_four_soil_parameters_with_a_clip_vit_in_one_pass():
    """150 bands of 224 x 224, by superpixels and superbands: all four in as many forwards as one."""
    torch.manual_seed(0)
    vit = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_channels=150,
            image_size=224, patch_size=56,
        )
    )  # fmt: skip
    head, rows = nn.Linear(16, 4), []

    def soil(x):
        rows.append(len(x))
        return head(vit.eval()(x).pooler_output)

    x = torch.rand(1, 150, 224, 224)
    for view in (Superpixels("grid", 4), Superbands(4)):
        settings = {"n_perturbations": 16, "batch_size": 4}
        features = view.features(x, wavelengths=HYPERVIEW)
        rows.clear()
        together = explain(soil, x, features, **settings)
        forwards = sum(rows)
        assert together.coefficients.shape == (1, 4, 4)
        rows.clear()
        last = explain(soil, x, features, 3, **settings)
        assert sum(rows) == forwards
        torch.testing.assert_close(last.coefficients[:, 0], together.coefficients[:, 3], atol=1e-5, rtol=1e-3)
    assert features.names[0].startswith("462")


@pytest.mark.parametrize("used", ["inside", "outside"])
def test_the_masks_importance_is_the_region_outside_the_field_used(used):
    """A view of two features tells; left alone, pixels outside are what they are in every perturbation."""
    x, field, seen = pictures(), torch.zeros(1, 24, 24, dtype=torch.int64), []
    field[0, 4:16, 4:20] = 1
    region = (field == (used == "inside")).unsqueeze(1)

    def forward(x):
        seen.append(x)
        return (x * region).sum((1, 2, 3))

    found = explain(forward, x, Validity(field).features(x), **SMALL)
    values = dict(zip(found.features.names, found.coefficients[0, 0].tolist(), strict=True))
    exact = {"inside": 0.0, "outside": 0.0} | {used: float((x * region).sum())}
    assert values == pytest.approx(exact, rel=1e-3, abs=1e-2)

    seen.clear()
    outside = (field == 0).unsqueeze(1)

    def bright(x):
        seen.append(x)
        return x.sum((1, 2, 3))

    alone = explain(bright, x, Superpixels("grid", 9, valid=field).features(x), **SMALL)
    assert len(torch.cat(seen)) > 64
    assert all(torch.equal(rows * outside, (x * outside).expand_as(rows)) for rows in seen)
    assert torch.equal(alone.heatmap()[0, 0, 0] == 0, outside[0, 0])


def test_slic_patches_own_masks_and_merged_masks():
    """However pixels are grouped and called, a group of a linear model adds what its pixels add."""
    x = pictures()
    own = torch.arange(24)[:, None] // 8 * 10 + torch.arange(24) // 12
    parts = own.view(1, 1, 24, 24)

    def bright(x):
        return x.sum((1, 2, 3))

    merged = Merged(
        Superpixels(mask=own), groups={"top": ["superpixel 0", "superpixel 1"]}, names={"superpixel 10": "mine"}
    )
    for view in (Superpixels(n_segments=6), Superpixels("grid", 9), Superpixels(mask=own), merged):
        features = view.features(x)
        found = explain(bright, x, features, **SMALL)
        exact = torch.stack([x[(features.canonical == i).expand_as(x)].sum() for i in range(len(features))])
        torch.testing.assert_close(found.coefficients[0, 0], exact, rtol=1e-3, atol=1e-3)
    assert features.names == ("top", "mine", "superpixel 11", "superpixel 20", "superpixel 21")
    over = (
        Superpixels(mask=(parts[0, 0] == 20).long() - 1)
        .features(x)
        .renamed({0: "field"})
        .over(Superpixels("grid", 4).features(x))
    )
    assert over.names[0] == "field"
    assert torch.equal(over.canonical == 0, parts == 20)
    assert Superpixels(n_segments=6).features(x).merged({"two": [0, 1]}).names[0] == "two"


@pytest.mark.filterwarnings("ignore:spectral. '")
@pytest.mark.parametrize(
    ("bands", "names"),
    [
        (["R", "G", "B"], ["R", "G", "B"]),
        (["R", ["G", "B"]], ["R", "G+B"]),
        ("BI", ["BI"]),
        ({"K": [462.08, 474.86, 599.53]}, ["K"]),
        ([[462.08, 474.86, 599.53]], ["462.08, 474.86, 599.53 nm"]),
    ],
    ids=str,
)
def test_red_green_blue_merged_an_index_expert_wavelengths_and_show_not_included(bands, names):
    """A model of the first group's bands alone: that group has all of it, the rest nothing, shown or not."""
    x = pictures(channels=150, side=4)
    labels = Superbands(bands).features(x, wavelengths=HYPERVIEW).canonical[0, :, 0, 0]

    def forward(x):
        return x[:, labels == 0].sum((1, 2, 3))

    for shown in (True, False):
        features = Superbands(bands, show_not_included=shown).features(x, wavelengths=HYPERVIEW)
        assert list(features.names) == names + ["not_included"] * shown
        found = explain(forward, x, features, **SMALL).coefficients[0, 0]
        assert float(found[0]) == pytest.approx(float(forward(x)), rel=1e-3)
        assert found[1:].abs().sum() < 1e-2


@pytest.mark.parametrize(
    ("surrogate", "sklearn"),
    [
        (Ridge(1.0, absolute=True), SklearnRidge(1.0)),
        (Ridge(0.0), LinearRegression()),
        (Lasso(0.001), None),
        (LinearRegression(), LinearRegression()),
        (HuberRegressor(), HuberRegressor()),
    ],
    ids=lambda one: repr(one),
)
def test_ridge_lasso_least_squares_any_linear_model_of_scikit_learn_and_r2(surrogate, sklearn):
    """Coefficients and the fit's R² are scikit-learn's on the same rows; the lasso's fulfil its optimality."""
    x = pictures()
    found = explain(lambda x: x.mean((1, 2, 3)).mul(4).sin() + x[:, 0, 3, 3], x, Superpixels("grid", 9).features(x),
                    surrogate=surrogate, **SMALL)  # fmt: skip
    z, w, y = (
        part[0].double().numpy() for part in (found.samples.design, found.samples.weights, found.samples.outputs)
    )
    coefficients, y = found.coefficients[0, 0].numpy(), y[:, 0]
    if sklearn is not None:
        fitted = sklearn.fit(z, y, w)
        np.testing.assert_allclose(coefficients, fitted.coef_, atol=1e-5)
    else:
        centred = z - np.average(z, axis=0, weights=w)
        slope = centred.T @ (w / w.sum() * (y - z @ coefficients - float(found.intercept)))
        assert np.abs(slope).max() <= 0.001 * (1 + 1e-4)
        active = np.abs(coefficients) > 1e-6
        assert active.sum() > 0
        np.testing.assert_allclose(slope[active], 0.001 * np.sign(coefficients[active]), rtol=1e-3)
    predicted = z @ coefficients + float(found.intercept)
    assert float(found.fit_score) == pytest.approx(r2_score(y, predicted, sample_weight=w), abs=1e-6)
    assert float(found.score) < float(found.fit_score)  # rows that were left out are predicted less well


def test_classification_regression_and_segmentation():
    """Probabilities, numbers, a class's mean over the region first predicted as it, its pixels counted, a function."""
    x = pictures(channels=2, side=8)
    x[:, 1, :, :4] = 0
    x[:, 0, :, 4:] = 0  # class 0 on the left, class 1 on the right
    features = Superbands(2).features(x)
    left, right = (float(half.mean()) for half in (x[:, 0, :, :4], x[:, 1, :, 4:]))

    def found(output, forward=lambda x: x):
        return explain(forward, x, features, output=output, **SMALL)

    region = found(ClassRegion("raw")).coefficients[0]
    torch.testing.assert_close(region, torch.tensor([[left, 0.0], [0.0, right]]).double(), atol=1e-4, rtol=0)
    counts = found(PixelCount())
    assert counts.prediction.tolist() == [[32, 32]]
    own = found(lambda y: y.mean((2, 3)))
    torch.testing.assert_close(
        own.coefficients[0], torch.tensor([[left, 0.0], [0.0, right]]).double() / 2, atol=1e-4, rtol=0
    )
    regression = found("raw", lambda x: x.sum((1, 2, 3)))
    torch.testing.assert_close(
        regression.coefficients[0, 0], torch.tensor([left, right]).double() * 32, atol=1e-2, rtol=0
    )
    classes = found("softmax", lambda x: 9 * x.mean((2, 3)))
    assert float(classes.prediction.sum()) == pytest.approx(1)
    torch.testing.assert_close(classes.coefficients[0, 0], -classes.coefficients[0, 1], atol=1e-6, rtol=0)


def test_global_attributions_several_images_together_and_a_whole_data_set_streamed():
    """Mean and spread for each superband and wavelength; a batch is gone when the next one comes."""
    batches, nm = pictures(12, side=4, channels=6).split(4), [400.0 + 100 * i for i in range(6)]
    weight = torch.tensor([[1.0, -2.0, 0.0, 3.0, 0.5, 0.5], [0.0, 1.0, 1.0, 0.0, 0.0, -1.0]], dtype=torch.float64)
    gone = []

    def stream():
        for batch in batches:
            batch = batch.clone()
            gone.append(weakref.ref(batch))
            yield batch
            del batch
            assert all(one() is None for one in gone[:-1])

    found = explain_all(lambda x: x.mean((2, 3)) @ weight.T, stream(), Superbands(3), wavelengths=nm, **SMALL)
    values = (torch.cat(batches).mean((2, 3)).unsqueeze(1) * weight).unflatten(-1, (3, 2)).sum(-1)
    torch.testing.assert_close(found.mean, values.mean(0), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.spread, values.std(0), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.on_channels(found.mean), values.mean(0).repeat_interleave(2, 1), atol=1e-3, rtol=0)
    assert len(gone) == 3
    for draw in (draw_aggregate, draw_aggregate_spectra):
        assert figures.render(draw(found, wavelengths=nm, class_names=["P", "K"])).std() > 5


def test_quickshift_4_200_02_with_150_perturbations_least_squares_and_the_top_4_with_the_rest_hidden():
    """On the rows that were drawn: cosine distance, width 0.25, scikit-learn's least squares."""
    x = cat(128)
    features = Superpixels("quickshift", options={"kernel_size": 4, "max_dist": 200, "ratio": 0.2}).features(x)
    assert len(features) > 6
    found = explain(
        lambda x: x[:, 0, 20:80, 20:80].mean((1, 2)).mul(5).sigmoid(), x, features, n_perturbations=150,
        design="bernoulli", baseline="zero", kernel=Cosine(0.25), surrogate=LinearRegression(),
    )  # fmt: skip
    rows, outputs = found.samples.design[0].double().numpy(), found.samples.outputs[0, :, 0].numpy()
    distance = pairwise_distances(rows, np.ones((1, rows.shape[1])), metric="cosine").ravel()
    weights = np.exp(-(distance**2) / (2 * 0.25**2))
    assert rows.shape[0] == 150
    # The field's own kernel is the root of exp(-d²/w²), which is this.
    np.testing.assert_allclose(found.samples.weights[0].numpy(), weights, rtol=1e-4)
    expected = LinearRegression().fit(rows, outputs, weights).coef_
    np.testing.assert_allclose(found.coefficients[0, 0].numpy(), expected, atol=1e-4)
    image, mask = found.image_and_mask(x, num_features=4, hide_rest=True)
    shown = features.mask[0, 0][mask[0, 0, 0] == 1].unique().tolist()
    assert sorted(shown) == sorted(np.argsort(-expected)[:4].tolist())
    assert not image[0, 0][:, mask[0, 0, 0] == 0].any()


def test_top_labels_num_features_positive_only_hide_rest_hide_color_and_label2rgb():
    x = pictures(side=12)
    weight = torch.tensor([3.0, -2.0, 1.0, -4.0], dtype=torch.float64)
    features = Superpixels("grid", 4).features(x)
    one = nn.functional.one_hot(features.canonical[0, 0].long(), 4).movedim(-1, 0).double()

    def forward(x):
        parts = (x.mean(1, keepdim=True) > 0).double() * one
        return torch.stack([parts.mean((2, 3)) @ weight + 5, parts.mean((2, 3)) @ -weight, 0.1 * x.mean((1, 2, 3))], 1)

    found = explain(forward, x, features, TopLabels(2), **SMALL)
    assert found.targets.tolist() == [[0, 1]]
    marks = {
        (2, True, False): [1, 0, 1, 0],
        (1, True, False): [1, 0, 0, 0],
        (1, False, False): [0, 0, 0, -1],
        (3, False, False): [1, -1, 0, -1],
        (4, False, True): [0, -1, 0, -1],
    }
    for (num_features, positive_only, negative_only), expected in marks.items():
        image, mask = found.image_and_mask(
            x, num_features=num_features, positive_only=positive_only, negative_only=negative_only, hide_rest=True,
            hide_color=[0.1, 0.2, 0.3],
        )  # fmt: skip
        wanted = torch.tensor(expected)[features.canonical[0, 0].long()]
        assert torch.equal(mask[0, 0, 0], wanted)
        rest = image[0, 0][:, wanted == 0]
        torch.testing.assert_close(rest, torch.tensor([0.1, 0.2, 0.3]).double()[:, None].expand_as(rest))
    picture = np.full((12, 12, 3), 128, np.uint8)
    tinted = figures.label2rgb(picture, wanted.numpy())
    lowers = tinted[(wanted == -1).numpy()].mean(0)
    assert lowers[2] > lowers[0]  # blue
    assert (tinted[(wanted == 0).numpy()] == 128).all()
    figure = draw_features(found, picture[None], positive_only=False, negative_only=True, num_features=4)
    assert "0 raise it, 2 lower it" in labels(figure)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return data.data / 16, data.target


@pytest.mark.parametrize("form", ["vector", "discretised", "image"])
@pytest.mark.parametrize("kind", ["forest", "svm"])
def test_a_random_forest_or_an_svm_tabular_and_image_on_digits(digits, kind, form):
    """Without what speaks most for its class a digit is less of it than without what speaks least."""
    x, y = digits
    forest = RandomForestClassifier(30, random_state=0)
    forward = SklearnForward(
        (forest if kind == "forest" else OneVsRestClassifier(SVC(gamma=0.25))).fit(x[:600], y[:600])
    )
    assert forward.method == ("predict_proba" if kind == "forest" else "decision_function")
    inputs, mean = torch.from_numpy(x[600:604]), torch.from_numpy(x[:600].mean(0))
    features = Features(torch.arange(64)[None], tuple(f"pixel {i}" for i in range(64)), "C")
    if form == "discretised":  # a pixel is on in its own half of the training data
        low, high = (torch.from_numpy(np.quantile(x[:600], q, axis=0)) for q in (0.25, 0.75))
        mean = torch.where(inputs > mean, low, high)
    if form == "image":
        inputs, mean = inputs.view(-1, 1, 8, 8), mean.view(1, 8, 8)
        features = Superpixels("grid", 16).features(inputs)
    labels = torch.from_numpy(y[600:604]).long()
    found = explain(forward, inputs, features, labels, n_perturbations=256, baseline=mean, batch_size=1024)
    hidden = mean.expand_as(inputs)
    heat = found.heatmap()[:, 0]
    few = len(features) // 4
    for most, least in zip(
        *(found.coefficients[:, 0].argsort(1, descending=down)[:, :few] for down in (True, False)), strict=True
    ):
        assert not set(most.tolist()) & set(least.tolist())
    edges = found.coefficients[:, 0].sort(1).values
    shape = (-1, *[1] * (heat.ndim - 1))
    without_most = torch.where(heat >= edges[:, -few].view(shape), hidden, inputs)
    without_least = torch.where(heat <= edges[:, few - 1].view(shape), hidden, inputs)
    most, least = (forward(v).gather(1, labels[:, None]) for v in (without_most, without_least))
    assert (most < least).all()


@pytest.mark.filterwarnings("ignore:.*is degenerate. its 24 perturbations")  # too few is what half of them are for
def test_five_seeds_side_by_side_how_stable_is_it():
    """Numbers and a picture: pairwise cosine, rank correlation and top-k overlap; more rows are more stable."""
    x = pictures()

    features = Superpixels("grid", 9).features(x)

    def forward(x):
        return (5 * x[:, 0, ::5].mean((1, 2))).sin() * x[:, 1, 3, 3]

    def seeds(n):
        return [explain(forward, x, features, n_perturbations=n, design="bernoulli", seed=seed) for seed in range(5)]

    few, many = seeds(24), seeds(600)
    first, second = stability(few, k=3), stability(many, k=3)
    assert first.cosine.shape == (5, 5, 1, 1)
    for name, value in second.mean().items():
        assert first.mean()[name] < value <= 1
    a, b = (few[i].coefficients[0, 0] for i in (1, 4))
    assert float(first.cosine[1, 4]) == pytest.approx(float(torch.cosine_similarity(a, b, 0)), abs=1e-6)
    figure = draw_stability({"24": few, "600": many}, np.zeros((1, 24, 24, 3), np.uint8), k=3)
    said = labels(figure)
    assert said.count("explanation 5") == 2
    assert said[said.index("24 · 0") + 1] == str(first)  # on a line of its own, as a whole


def test_several_segmentations_combined_three_slic_grids_of_5_7_and_11_first_class_against_second():
    """Two squares speak for the two classes; their places are found on pixels, finer than by any one segmentation."""
    x = cat(44).double()
    squares = [(slice(8, 16), slice(8, 16)), (slice(28, 36), slice(28, 36))]

    def forward(x):
        return torch.stack(
            [x[:, :, rows, columns].mean((1, 2, 3)) for rows, columns in squares] + [0 * x[:, 0, 0, 0]], 1
        )

    views = {f"SLIC {n}": Superpixels(n_segments=n) for n in (15, 30, 45)}
    views |= {f"grid {n}": Superpixels("grid", n**2) for n in (5, 7, 11)}
    contrast = Contrast(0, 1)
    members = {
        name: explain(forward, x, view.features(x), n_perturbations=256, baseline="zero", output=contrast)
        for name, view in views.items()
    }
    together = ensemble(members.values())
    heat = together.heatmap.expand(1, 1, 3, 44, 44)[0, 0, 0]
    maps = torch.stack([one.heatmap()[0, 0, 0] for one in members.values()])
    scaled = maps / maps.square().mean((1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(heat, scaled.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        together.spread.expand(1, 1, 3, 44, 44)[0, 0, 0], scaled.std(0, correction=0), atol=1e-5, rtol=0
    )
    rest = torch.ones(44, 44, dtype=torch.bool)
    for (rows, columns), sign in zip(squares, (1, -1), strict=True):
        assert (sign * heat[rows, columns] > 0).all()
        rest[rows, columns] = False
    assert heat[rest].abs().mean() < 0.2 * heat[~rest].abs().mean()
    figure = draw_ensemble(members, (255 * x.movedim(1, -1)).byte().numpy(), class_names=["first against second"])
    assert {"first against second · all of them together", *views} <= set(labels(figure))


class Taught(Classifier):
    """Knows the classes by the channels that they brighten, and is wrong and unsure about some samples."""

    def forward(self, x):
        return 3 * x.mean((2, 3))[:, :3] + 0 * super().forward(x)


@pytest.mark.parametrize(
    "probes", ["one_per_class", "misclassified", "unsure", "highest_loss", [3, 17], Unsure(count=2, anew=True)], ids=str
)
def test_pictures_that_are_worth_a_look(tmp_path, probes):
    """By index, one a class, misclassified, unsure, of the highest loss; pinned, or chosen anew and without drift."""
    data = Samples()
    data.x[::5, :3] = data.x[::5, :3].roll(1, dims=1)  # these look like another class
    data.x[1::7, :3] *= 0.05
    lime = LimeCallback(Superpixels("grid", 4), probes=probes, n_perturbations=16, on_error="raise", pictures=False)
    trainer, _ = fit(tmp_path, lime, model=Taught, data=data, epochs=2)
    rows = read_history(tmp_path / "lime" / "history.csv")
    found = sorted({row.probe for row in rows})
    y = Taught()(data.x).softmax(1)
    truth, margin = y.gather(1, data.y[:, None])[:, 0], y.topk(2).values.diff().abs()[:, 0]
    wrong = y.argmax(1) != data.y
    if probes == "one_per_class":
        assert sorted(data.y[found].tolist()) == [0, 1, 2]
    elif probes == "misclassified":
        assert wrong.sum() > len(found) > 0 or set(found) == set(wrong.nonzero().flatten().tolist())
        assert wrong[found].all()
    elif probes == "highest_loss":
        assert set(found) == set(truth.argsort()[: len(found)].tolist())
    elif probes == [3, 17]:
        assert found == probes
    else:
        assert found
        assert (margin[found] < 0.5).all()
        assert all(int(data.y[i]) in y[i].topk(2).indices.tolist() for i in found)
    assert ("lime/spatial/drift" in trainer.callback_metrics) == (not isinstance(probes, Unsure))


@pytest.mark.parametrize(
    ("like", "spelled"),
    [
        ("lime_image", {"baseline": "segment_mean", "kernel": Cosine(0.25), "surrogate": SklearnRidge(1.0)}),
        (
            "lime_tabular",
            {"design": Bernoulli(0.25, whole=True), "kernel": Euclidean(0.75), "surrogate": Ridge(1.0, absolute=True)},
        ),
        ("captum", {"design": "bernoulli", "baseline": "zero", "kernel": InputCosine(1.0), "surrogate": Lasso(0.01)}),
        ("meteors", {"design": "bernoulli", "baseline": "zero", "kernel": InputCosine(1.0), "surrogate": Lasso(0.08)}),
        (
            "kernel_shap",
            {"design": Coalitions(), "baseline": "zero", "kernel": ShapleyKernel(), "surrogate": Efficient()},
        ),
    ],
)
def test_the_same_as_with_another_package(like, spelled):
    """One argument sets what that package has by default; captum's own loop on the same rows finds the same."""
    x = pictures(channels=12, side=4).float()
    features = Superbands(6).features(x)

    def forward(x):
        return (9 * x[:, :6].square().mean((1, 2, 3))).sin() * x[:, 8:].square().mean((1, 2, 3)) * 4

    found = explain(forward, x, features, like=like, n_perturbations=90)
    own = explain(forward, x, features, n_perturbations=90, **{"design": Bernoulli(whole=True)} | spelled)
    torch.testing.assert_close(found.coefficients, own.coefficients, atol=1e-4, rtol=0)
    assert found.coefficients.abs().max() > 0.01
    if like == "captum":
        rows = iter(found.samples.design[0].long())
        theirs = Lime(forward, perturb_func=lambda *_, **__: next(rows)[None]).attribute(
            x, feature_mask=features.mask.long().expand(x.shape), n_samples=90, return_input_shape=False
        )
        torch.testing.assert_close(found.coefficients[0, 0], theirs[0], atol=1e-4, rtol=0)


def test_a_design_kernel_baseline_or_surrogate_of_ones_own():
    """A kernel that counts rows of many features alone; of a linear model each finds the same."""

    class Near(Kernel):
        def __call__(self, design, present):
            return (design.sum(-1) >= design.shape[-1] // 3).double()

    x = pictures(channels=12, side=4)
    features = Superbands(6).features(x)
    found = explain(lambda v: v.sum((1, 2, 3)), x, features, kernel=Near(), **SMALL)
    exact = torch.stack([x[(features.canonical == k).expand_as(x)].sum() for k in range(6)])
    torch.testing.assert_close(found.coefficients[0, 0], exact, rtol=1e-4, atol=1e-4)
