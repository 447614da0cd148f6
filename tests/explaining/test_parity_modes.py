"""Parity modes: by ``like=`` and on the same rows, the coefficients are those of the other packages as they come.

Theirs are run as a user would run them, with their defaults; only their source of chance is replaced, so that they draw
the rows that we drew.
"""

import inspect
from itertools import count

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnLasso
from captum.attr import Lime
from lime.lime_image import LimeImageExplainer
from lime.lime_tabular import LimeTabularExplainer
from numpy.random import RandomState
from toys import Classifier, fit

from lime_callback import Features, Lasso, LimeCallback, Ridge, Superbands, explain
from lime_callback.explaining.package_presets import PRESETS
from lime_callback.explaining.strategies import Strategies
from lime_callback.sampling.designs import Bernoulli
from lime_callback.sampling.input_distance_kernel import InputCosine
from lime_callback.sampling.seeds import seed_for

CLOSE = {"atol": 1e-4, "rtol": 0.0}


def model(x):
    """Not linear, of several outputs that are as large as probabilities and logits are."""
    y = x.flatten(1)
    return torch.stack([y.square().mean(1).exp(), (3 * y.mean(1)).sin() + 4 * y[:, 0] * y[:, -1], y.tanh().sum(1)], 1)


class Given(RandomState):
    """Draws what it is given, whatever is asked."""

    def __init__(self, rows, normal=None):
        super().__init__(0)
        self.rows, self.columns = rows.numpy(), count()
        self.drawn = np.zeros(rows.shape) if normal is None else normal

    def randint(self, *_, **__):
        return self.rows.astype(int).ravel()

    def normal(self, *_, **__):
        return self.drawn.ravel()

    def choice(self, values, **_):
        return np.asarray(values)[self.rows[:, next(self.columns)].astype(int)]


def test_lime_image():
    """Its own loop over images, its fudged image, distance, kernel, selection, ridge and score."""
    image = RandomState(0).rand(10, 10, 3)
    segments = np.arange(100).reshape(10, 10) // 20
    x = torch.from_numpy(image).movedim(-1, 0).unsqueeze(0)
    mask = torch.from_numpy(segments).view(1, 1, 10, 10)
    ours = explain(model, x, mask, n_perturbations=150, like="lime_image")
    theirs = LimeImageExplainer(random_state=Given(ours.samples.design[0])).explain_instance(
        image,
        lambda batch: model(torch.from_numpy(batch).movedim(-1, 1)).numpy(),
        labels=(0, 1, 2),
        top_labels=None,
        num_samples=150,
        segmentation_fn=lambda _: segments,
        random_seed=0,
    )
    for t in range(3):
        expected = dict(theirs.local_exp[t])
        torch.testing.assert_close(
            ours.coefficients[0, t], torch.tensor([expected[k] for k in range(5)]).double(), **CLOSE
        )
        assert theirs.intercept[t] == pytest.approx(float(ours.intercept[0, t]), abs=1e-4)
    assert theirs.score == pytest.approx(float(ours.fit_score[0, 2]), abs=1e-4)  # it keeps the last label's


def tabular(ours, training_data, row, normal=None, **settings):
    """Coefficients ``[T, d]``, intercepts and the last label's score."""
    rows = ours.samples.design[0]
    explainer = LimeTabularExplainer(
        training_data, discretize_continuous=False, random_state=Given(rows, normal), **settings
    )
    found = explainer.explain_instance(
        row, lambda x: model(torch.from_numpy(x)).numpy(), labels=(0, 1, 2), num_samples=len(rows)
    )
    coefficients = [[dict(found.local_exp[t])[k] for k in range(len(row))] for t in range(3)]
    return torch.tensor(coefficients).double(), found.intercept, found.score


@pytest.mark.filterwarnings("ignore:[\\s\\S]*probabilities")
def test_lime_tabular_of_two_values_a_column():
    """A column is on where it has the row's own value, and off where it has the other one."""
    d = 8
    row, other = np.ones(d), np.zeros(d)
    x = torch.from_numpy(row)[None]
    features = Features.from_mask(torch.arange(d)[None], layout="C")
    ours = explain(model, x, features, n_perturbations=200, like="lime_tabular", baseline=torch.from_numpy(other))
    coefficients, intercept, score = tabular(
        ours, np.stack([row, other] * 4), row, categorical_features=list(range(d)), feature_names=None
    )
    torch.testing.assert_close(ours.coefficients[0], coefficients, **CLOSE)
    assert [intercept[t] for t in range(3)] == pytest.approx(ours.intercept[0].tolist(), abs=1e-4)
    assert score == pytest.approx(float(ours.fit_score[0, 2]), abs=1e-4)


@pytest.mark.filterwarnings("ignore:[\\s\\S]*probabilities")
def test_lime_tabular_of_numbers():
    """Columns that are scaled as it scales them; the row lies one deviation from the mean, the hidden value at it."""
    d = 8
    data = RandomState(1).rand(50, d)
    mean, deviation = data.mean(0), data.std(0)
    row = mean + deviation
    x, features = torch.from_numpy(row)[None], Features.from_mask(torch.arange(d)[None], layout="C")
    ours = explain(model, x, features, n_perturbations=200, like="lime_tabular", baseline=torch.from_numpy(mean))
    coefficients, intercept, score = tabular(ours, data, row, normal=ours.samples.design[0].double().numpy())
    torch.testing.assert_close(ours.coefficients[0], coefficients, **CLOSE)
    assert [intercept[t] for t in range(3)] == pytest.approx(ours.intercept[0].tolist(), abs=1e-4)
    assert score == pytest.approx(float(ours.fit_score[0, 2]), abs=1e-4)


@pytest.mark.parametrize(("like", "penalty"), [("captum", None), ("meteors", 0.08)])
def test_captum_and_meteors(like, penalty):
    """Meteors runs captum's code, with a penalty of its own; of inputs with values below 0, too."""

    def spectral(x):
        return model(2 * x.mean((2, 3)))

    x = torch.rand(2, 12, 6, 6, generator=torch.Generator().manual_seed(0)) + 0.1
    x[1, :6] -= 1.2
    features = Superbands(bands=6).features(x)
    ours = explain(spectral, x, features, n_perturbations=120, like=like)
    assert ours.coefficients.count_nonzero() > 10
    assert ours.samples.weights.amin(1).max() < 0.9
    for b in range(len(x)):
        for t in range(3):
            rows = iter(ours.samples.design[0].long())
            settings = {} if penalty is None else {"interpretable_model": SkLearnLasso(alpha=penalty)}
            theirs = Lime(spectral, perturb_func=lambda _, rows=rows, **__: next(rows)[None], **settings).attribute(
                x[b : b + 1],
                target=t,
                feature_mask=features.mask.long().expand(1, *x.shape[1:]),
                n_samples=120,
                return_input_shape=False,
            )
            torch.testing.assert_close(ours.coefficients[b, t], theirs[0], **CLOSE)


@pytest.mark.filterwarnings("ignore:.*is never hidden")
def test_distances_between_inputs_are_those_of_the_perturbed_inputs():
    """Of features that differ from input to input, with elements that are never hidden, and any baseline."""
    generator = torch.Generator().manual_seed(3)
    x, base = torch.randn(2, 2, 3, 5, 5, generator=generator, dtype=torch.float64)
    mask = torch.randint(-1, 4, (2, 1, 5, 5), generator=generator)
    features = Features.from_mask(mask)
    found = explain(
        lambda v: v.mean((1, 2, 3)), x, features, baseline=base, kernel=InputCosine(0.5), design=Bernoulli(whole=True)
    )
    for b in range(2):
        keep = torch.cat([torch.ones(256, 1).bool(), found.samples.design[b % len(found.samples.design)]], 1)
        perturbed = torch.where(keep[:, mask[b] + 1], x[b], base[b]).flatten(1)
        distance = 1 - torch.cosine_similarity(perturbed, x[b].flatten()[None])
        torch.testing.assert_close(found.samples.weights[b], (-(distance**2) / 0.5).exp(), atol=1e-10, rtol=0)
    torch.testing.assert_close(found.samples.weights[:, 0], torch.ones(2).double(), atol=1e-12, rtol=0)


def test_distance_to_an_input_of_zeros_is_one():
    x = torch.ones(1, 4)
    features = Features.from_mask(torch.arange(4)[None], layout="C")
    found = explain(lambda v: v.sum(1), x, features, like="captum", n_perturbations=64)
    off = ~found.samples.design[0].any(-1)
    assert off.any()
    assert (found.samples.weights[0, off] == torch.tensor(-0.5).double().exp()).all()


def test_a_kernel_on_inputs_is_not_one_on_rows():
    rows = torch.ones(1, 3, 2, dtype=torch.bool)
    with pytest.raises(
        TypeError, match=r"`InputCosine` measures the inputs, not the on/off rows\. Call what its `bound"
    ):
        InputCosine()(rows, rows[:, 0])


def test_what_the_packages_have_as_defaults():
    """Read from their signatures, so that a new version of theirs is noticed."""
    width = inspect.signature(LimeImageExplainer).parameters["kernel_width"].default
    assert PRESETS["lime_image"].kernel.width == width
    assert (
        SkLearnLasso(alpha=PRESETS["captum"].surrogate.alpha).construct_kwargs
        == Lime(model).interpretable_model.construct_kwargs
    )


@pytest.mark.parametrize("like", PRESETS)
@pytest.mark.parametrize("name", ["design", "kernel", "surrogate", "baseline"])
def test_what_a_mode_sets_cannot_be_set_as_well(like, name):
    value = {"design": "orthogonal", "kernel": "cosine", "surrogate": "ridge", "baseline": "mean"}[name]
    if name == "baseline" and like in ("lime_tabular", "kernel_shap"):
        assert Strategies(baseline=value, like=like).baseline == Strategies(baseline=value).baseline
        return
    with pytest.raises(
        ValueError, match=rf"`like = '{like}'` sets `{name}` to .*Found `{name} = '{value}'` as well; l"
    ):
        Strategies(like=like, **{name: value})


def test_without_a_mode_the_defaults_are_this_packages():
    assert Strategies() == Strategies(design="orthogonal", baseline="mean", kernel="cosine", surrogate=Ridge())


def test_the_callback_has_the_modes(tmp_path):
    lime = LimeCallback(Superbands(3), n_perturbations=64, like="lime_image", pictures=False)
    fit(tmp_path, lime, epochs=1)
    assert lime.config.settings.surrogate == Ridge(1.0, absolute=True)
    assert LimeCallback(Superbands(3), like="meteors").config.settings.surrogate == Lasso(0.08)


@pytest.mark.parametrize("like", PRESETS)
def test_an_unchanged_model_has_drift_zero_in_every_mode(tmp_path, like):
    """Weights that are measured on the inputs are the same at every epoch, too; and it finds what `explain` finds."""

    def still():
        model = Classifier()
        model.net[1].momentum = 0.0  # of the batch statistics
        model.net[-1].weight.data *= 30  # a logit of the size for which these penalties are made
        model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), 0.0)
        return model

    lime = LimeCallback(Superbands(3), like=like, probes=2, pictures=False, target=0, n_perturbations=64)
    trainer, module = fit(tmp_path, lime, model=still)
    found = lime.explanation("spectral")
    assert trainer.callback_metrics["lime/spectral/drift"] == 0
    x = lime._validation.probes.inputs
    again = explain(
        module.eval(), x, found.features, 0, like=like, n_perturbations=64,
        seed=[seed_for(0, probe, "spectral") for probe in range(2)],
        background=lime._validation.pinned.background.inputs,
    )  # fmt: skip
    torch.testing.assert_close(found.coefficients, again.coefficients, atol=1e-5, rtol=0)


def test_rows_are_on_with_the_probability_that_is_asked_for():
    generator = torch.Generator().manual_seed(0)
    rows = Bernoulli(0.25, whole=True).sample(4000, 10, generator)
    assert rows[0].all()
    assert float(rows[1:].double().mean()) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("p", [1, 1.5])
def test_a_probability_is_below_one(p):
    with pytest.raises(ValueError, match=rf"`p` should be below 1\. Found `p = {p}`; features would always be on"):
        Bernoulli(p)
