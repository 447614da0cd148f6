"""Classifiers and regressors of scikit-learn: their outputs, class by class, and what they are explained by."""

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from lime_callback import Features, Ridge, Superpixels, explain
from lime_callback.outputs.sklearn_forward import SklearnForward


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:300], y[:300]


@pytest.fixture(scope="module")
def images(digits):
    return torch.from_numpy(digits[0][:5]).float().view(5, 1, 8, 8)


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (RandomForestClassifier(5, random_state=0), "predict_proba"),
        (SVC(), "decision_function"),
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)), "predict_proba"),
    ],
    ids=["forest", "svm", "pipeline"],
)
def test_outputs_are_those_of_the_model(digits, images, model, method):
    """Images are rows to it; of its methods the first that it has is taken."""
    model.fit(*digits)
    found = SklearnForward(model)(images)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found, getattr(model, method)(digits[0][:5]))


def test_a_class_by_its_name_is_the_output_of_that_number(digits, images):
    """Two classes have two decision values; a model that only predicts has ones and zeros."""
    x, y = digits
    names = np.where(y < 5, "low", "high")
    svm = LinearSVC(random_state=0, max_iter=20_000).fit(x, names)
    values = SklearnForward(svm)(images)
    assert (svm.classes_[values.argmax(1)] == svm.predict(x[:5])).all()
    assert torch.equal(values[:, 0], -values[:, 1])
    votes = VotingClassifier([("forest", RandomForestClassifier(5, random_state=0))]).fit(x, names)
    ones = SklearnForward(votes)(images)
    assert ones.tolist() == [[float(name == one) for one in ("high", "low")] for name in votes.predict(x[:5])]


@pytest.mark.parametrize("targets", [1, 3])
def test_a_linear_regressor_is_found_out_exactly(targets):
    """A feature's coefficient is the model's, times what hiding it takes away."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 6))
    truth = generator.normal(size=(6, targets))
    model = LinearRegression().fit(x, (x @ truth).squeeze())
    inputs = torch.from_numpy(x[:2])
    features = Features.from_mask(torch.arange(6)[None], layout="C")
    found = explain(SklearnForward(model), inputs, features, baseline="zero", surrogate=Ridge(0.0))
    expected = torch.from_numpy(x[:2, None] * truth.T)
    torch.testing.assert_close(found.coefficients, expected, atol=1e-6, rtol=0)


def test_an_image_of_digits_is_explained(digits, images):
    forest = RandomForestClassifier(20, random_state=0).fit(*digits)
    found = explain(SklearnForward(forest), images, Superpixels("grid", 16).features(images), n_perturbations=64)
    assert found.coefficients.shape == (5, 10, 16)
    torch.testing.assert_close(found.coefficients.sum(1), torch.zeros(5, 16).double(), atol=1e-6, rtol=0)  # sum to 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomForestClassifier(50, random_state=0),
        lambda: CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC()), ensemble=False, cv=3),
    ],
    ids=["forest", "svm"],
)
@pytest.mark.parametrize("form", ["tabular", "image"])
def test_a_forest_or_an_svm_through_predict_proba_tabular_and_image(make, form):
    """What tells two classes apart ranks first: a column, or a patch of the image in which the class is drawn."""
    random = np.random.default_rng(0)
    y = np.arange(300) % 2
    x = random.normal(size=(300, 16))
    telling = [5] if form == "tabular" else [0, 1, 4, 5]  # of an image 4 x 4, its first quarter
    x[:, telling] += 3 * y[:, None]
    forward = SklearnForward(make().fit(x, y))
    assert forward.method == "predict_proba"
    inputs = torch.from_numpy(x[y == 1][:6])
    inputs[:, telling] = 3.0  # of what is explained, the class is plain to see
    if form == "tabular":
        features = Features(torch.arange(16)[None], tuple(f"column {k}" for k in range(16)), "C")
        hidden, first = torch.from_numpy(x.mean(0)), "column 5"
    else:
        inputs = inputs.view(-1, 1, 4, 4)
        features = Superpixels("grid", 4).features(inputs)
        hidden, first = torch.from_numpy(x.mean(0)).view(1, 4, 4), features.names[int(features.mask[0, 0, 0, 0])]
    found = explain(forward, inputs, features, 1, baseline=hidden, n_perturbations=512, batch_size=512)
    assert [top[0][0][0] for top in found.top(1)] == [first] * 6
    assert found.prediction.min() > 0.5
    assert found.score.mean() > 0.5


def test_inputs_of_another_size_are_refused(digits, images):
    forward = SklearnForward(RandomForestClassifier(3).fit(*digits))
    with pytest.raises(
        ValueError, match=r"`inputs` should have the 64 elements.*Forest.*Found shape \(5, 1, 8, 7\), 56"
    ):
        forward(images[..., :7])


def test_pairs_of_classes_are_no_classes(digits, images):
    forward = SklearnForward(SVC(decision_function_shape="ovo").fit(*digits))
    with pytest.raises(ValueError, match=r"one output for each of its 10 classes. Found 45 of a SVC; .*'ovr'"):
        forward(images)


def test_several_labels_are_refused(digits, images):
    x, y = digits
    forward = SklearnForward(RandomForestClassifier(3).fit(x, np.stack([y, y > 4], 1)))
    with pytest.raises(ValueError, match=r"classes of one label. Found a RandomForestClassifier of 2 labels; fit one"):
        forward(images)


@pytest.mark.parametrize(
    ("model", "method", "kind", "message"),
    [
        (SVC, None, TypeError, "`estimator` should be a fitted model. Found the class SVC; make an object of it"),
        (SVC(), None, ValueError, "`estimator` should be fitted. Found a SVC that is not; call its `fit"),
        (KMeans(), None, TypeError, "`estimator` should be a classifier or a regressor.*Found a KMeans"),
        (None, None, TypeError, "`estimator` should be a classifier or a regressor.*Found a NoneType"),
        ("fitted", "predict_proba", ValueError, "`method` should be one that the model has: 'decision_function', 'pre"),
        ("fitted", "proba", ValueError, "`method` should be one of 'predict_proba'.*Found `method = 'proba'"),
    ],
)
def test_what_is_no_model_is_refused(digits, model, method, kind, message):
    model = SVC().fit(*digits) if model == "fitted" else model
    with pytest.raises(kind, match=message):
        SklearnForward(model, method)
