"""On the same perturbations and weights, the coefficients are those of captum and of lime."""

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnLinearRegression
from captum.attr import LimeBase
from lime.lime_base import LimeBase as LimeReference
from lime.lime_image import LimeImageExplainer

from lime_callback import Ridge, Superbands, explain
from lime_callback.sampling.designs import Bernoulli, draw_designs


def model(x):
    y = x.flatten(1)
    return torch.stack([y.square().mean(1).exp(), (3 * y.mean(1)).sin() + y[:, 0] * y[:, -1]], 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_captum_lime_base():
    x = torch.rand(2, 12, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features = Superbands(bands=6).features(x)
    ours = explain(model, x, features, 1, baseline="zero", design="bernoulli", surrogate=Ridge(0.0), n_perturbations=80)
    for b in range(len(x)):
        rows = iter(ours.samples.design[0].double())
        weights = dict(zip(map(tuple, ours.samples.design[0].tolist()), ours.samples.weights[0].tolist(), strict=True))
        theirs = LimeBase(
            model,
            SkLearnLinearRegression(),
            similarity_func=lambda _original, _perturbed, row, weights=weights, **_: weights[
                tuple(row.bool()[0].tolist())
            ],
            perturb_func=lambda _original, rows=rows, **_: next(rows).unsqueeze(0),
            perturb_interpretable_space=True,
            from_interp_rep_transform=lambda row, original, **_: original * row[0][features.mask[0].long()],
            to_interp_rep_transform=None,
        ).attribute(x[b : b + 1], target=1, n_samples=80)
        torch.testing.assert_close(ours.coefficients[b, 0], theirs[0].double(), atol=1e-4, rtol=0)


def test_lime_image():
    """Lime draws its rows; the same rows give the same coefficients, intercept and score."""
    image = np.random.RandomState(0).rand(10, 10, 3)
    segments = np.arange(100).reshape(10, 10) // 20

    def classify(batch):
        return model(torch.from_numpy(np.asarray(batch)).movedim(-1, 1)).numpy()

    theirs = LimeImageExplainer(kernel_width=0.25, feature_selection="none", random_state=5)
    explanation = theirs.explain_instance(
        image,
        classify,
        labels=(1,),
        top_labels=None,
        num_samples=120,
        segmentation_fn=lambda _: segments,
        random_seed=5,
    )

    rows = torch.from_numpy(np.random.RandomState(5).randint(0, 2, 120 * 5).reshape(120, 5)).bool()
    rows[0] = True

    class Same(Bernoulli):
        def sample(self, n, d, generator):
            return rows

    x = torch.from_numpy(image).movedim(-1, 0).unsqueeze(0)
    mask = torch.from_numpy(segments).view(1, 1, 10, 10)
    ours = explain(
        model,
        x,
        mask,
        1,
        n_perturbations=120,
        design=Same(),
        baseline="segment_mean",
        surrogate=Ridge(1.0, absolute=True),
    )
    coefficients = dict(explanation.local_exp[1])
    expected = torch.tensor([coefficients[k] for k in range(5)]).double()
    torch.testing.assert_close(ours.coefficients[0, 0], expected, atol=1e-4, rtol=0)
    assert abs(explanation.intercept[1] - float(ours.intercept)) < 1e-4
    assert abs(explanation.score - float(ours.fit_score)) < 1e-4


def test_lime_base_kernel():
    """The weights of our cosine kernel are those of lime's image explainer."""
    from sklearn.metrics import pairwise_distances

    from lime_callback.sampling.locality_kernels import Cosine

    rows = draw_designs(Bernoulli(), 64, torch.ones(1, 9, dtype=torch.bool), [3])
    distances = pairwise_distances(rows[0].double().numpy(), np.ones((1, 9)), metric="cosine").ravel()
    theirs = LimeReference(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2))).kernel_fn(distances)
    np.testing.assert_allclose(Cosine(0.25)(rows, torch.ones(1, 9, dtype=torch.bool))[0], theirs, atol=1e-12)
