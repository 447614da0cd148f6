"""Classification, regression, and segmentation by output reducers: exact answers on models that are known."""

import pytest
import torch
from torch import nn
from toys import Classifier, fit, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels, TopLabels, explain
from lime_callback.outputs.segmentation_reducers import ClassRegion, PixelCount, Reducer
from lime_callback.outputs.targets import scaled_outputs
from lime_callback.publishing.sinks import read_history

K, H, W = 3, 4, 6
WEIGHTS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]], dtype=torch.float64)


def segmenter(x):
    """Logits ``[m, 3, H, W]``, in each pixel linear in its own two channels."""
    return torch.einsum("kc,mchw->mkhw", WEIGHTS.to(x), x)


def images(batch=2, seed=0):
    """Two channels, of which the left half of the pixels has only the first, and the right half only the second."""
    x = torch.rand(batch, 2, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5
    x[:, 1, :, : W // 2] = 0
    x[:, 0, :, W // 2 :] = 0
    return x


def test_the_mean_over_the_region_of_a_class_is_explained_exactly():
    """Class 0 is predicted on the left, class 1 on the right: each one's mean output is what its half makes of it."""
    x = images()
    settings = {"output": ClassRegion("raw"), "baseline": "zero", "n_perturbations": 16}
    found = explain(segmenter, x, Superbands(2).features(x), [0, 1], **settings)
    left, right = x[:, 0, :, : W // 2].mean((1, 2)), 2 * x[:, 1, :, W // 2 :].mean((1, 2))
    zero = torch.zeros(2, dtype=torch.float64)
    expected = torch.stack([torch.stack(pair, 1) for pair in ([left, zero], [zero, right])], 1)
    torch.testing.assert_close(found.coefficients, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.prediction, expected.sum(-1))


def test_the_top_labels_are_those_of_the_regions():
    """Class 1 on the right has about twice the mean of class 0 on the left, so it comes first."""
    x = images()
    settings = {"output": ClassRegion("raw"), "like": "captum", "n_perturbations": 64}
    found = explain(segmenter, x, Superbands(2).features(x), TopLabels(2), **settings)
    whole = ClassRegion("raw")(segmenter(x), ClassRegion("raw").pin(segmenter(x)))
    assert torch.equal(found.targets, torch.tensor([[1, 0], [1, 0]]))
    torch.testing.assert_close(found.prediction, whole.topk(2).values)


def by_hand(x, region):
    """The mean probability of each class over a region, pixel by pixel."""
    p = segmenter(x).softmax(1)
    out = torch.zeros(len(x), K, dtype=p.dtype)
    for i in range(len(x)):
        for k in range(K):
            inside = [p[i, k, h, w] for h in range(H) for w in range(W) if region[i, h, w] == k]
            out[i, k] = sum(inside) / len(inside) if inside else 0.0
    return out


def test_class_region_is_the_mean_probability_over_what_was_first_predicted():
    x, other = images(), images(seed=1)
    reducer = ClassRegion()
    region = reducer.pin(segmenter(x))
    assert region.dtype == torch.uint8
    assert torch.equal(region.view(2, H, W), 1 << segmenter(x).argmax(1))  # a bit for each class
    found = reducer(segmenter(other.flip(3)), region)
    torch.testing.assert_close(found, by_hand(other.flip(3), segmenter(x).argmax(1)))
    assert found[:, :2].min() > 0
    assert (found[:, 2] == 0).all()  # predicted nowhere


def test_each_row_has_the_region_of_its_own_input():
    """Two inputs with regions that differ, in batches that mix their rows: the same as each one alone."""
    x = images()
    x[1] = x[1].flip(2)
    x[1] = x[1].flip(1)
    settings = {"output": ClassRegion(), "n_perturbations": 64, "baseline": "zero"}
    grid = Superpixels("grid", n_segments=6)
    both = explain(segmenter, x, grid.features(x), [0, 1], batch_size=7, **settings)
    for i in range(2):
        one = x[i : i + 1]
        alone = explain(segmenter, one, grid.features(one), [0, 1], **settings)
        torch.testing.assert_close(both.coefficients[i : i + 1], alone.coefficients)
        torch.testing.assert_close(both.prediction[i : i + 1], by_hand(one, segmenter(one).argmax(1))[:, :2])


def test_the_region_stays_where_the_prediction_moves():
    """A perturbed image is predicted otherwise; its mean is taken over the first prediction all the same."""
    x = images(1)
    reducer, hidden = ClassRegion("raw"), torch.where(torch.arange(W) < W // 2, 0.0, x)
    moved = segmenter(hidden)
    kept = reducer(moved, reducer.pin(segmenter(x)))
    assert kept[0, 0] == 0  # the left half, where all outputs are 0 now
    assert reducer(moved, reducer.pin(moved))[0, 0] == 0
    assert kept[0, 1] == pytest.approx(2 * x[0, 1, :, W // 2 :].mean().item())


@pytest.mark.parametrize("share", [False, True])
def test_pixels_of_a_class_counted(share):
    x = images()
    hard = PixelCount(share=share)(segmenter(x), None)
    whole = 1 if share else H * W
    torch.testing.assert_close(hard, torch.tensor([[0.5, 0.5, 0.0]] * 2, dtype=torch.float64) * whole)
    soft = PixelCount(soft=True, share=share)(segmenter(x), None)
    torch.testing.assert_close(soft, segmenter(x).softmax(1).mean((2, 3)) * whole)
    torch.testing.assert_close(soft.sum(1), torch.full((2,), float(whole), dtype=torch.float64))


def test_the_count_of_pixels_is_explained_exactly():
    """Each patch that is hidden takes its pixels away from the class and gives them to the first one."""
    x = torch.ones(1, 1, 4, 4, dtype=torch.float64)
    x[..., :2, :2] = 2

    def model(x):  # class 1 where there is something, class 2 where there is much
        return torch.cat([0.5 - x, torch.where(x == 1, 5.0, 0.0), torch.where(x == 2, 5.0, 0.0)], 1)

    features = Superpixels("grid", n_segments=4).features(x)
    found = explain(model, x, features, output=PixelCount(), baseline="zero", n_perturbations=16)
    expected = torch.tensor([[[-4, -4, -4, -4], [0, 4, 4, 4], [4, 0, 0, 0]]], dtype=torch.float64)
    torch.testing.assert_close(found.coefficients, expected, atol=1e-5, rtol=0)


def test_a_callable_counts_too():
    x = images()
    settings = {"baseline": "zero", "n_perturbations": 64}
    features = Superpixels("grid", n_segments=6).features(x)
    own = explain(segmenter, x, features, output=lambda y: y.softmax(1).sum((2, 3)), **settings)
    ours = explain(segmenter, x, features, output=PixelCount(soft=True), **settings)
    torch.testing.assert_close(own.coefficients, ours.coefficients)


@pytest.mark.parametrize("reducer", [ClassRegion, PixelCount])
def test_classes_may_lie_on_any_axis_and_a_single_number_is_the_logit_of_the_second(reducer):
    y = segmenter(images())
    pinned = ClassRegion().pin(y) if reducer is ClassRegion else None
    expected = reducer()(y, pinned)
    torch.testing.assert_close(reducer(axis=-1)(y.movedim(1, -1), pinned), expected)
    torch.testing.assert_close(reducer()(y.flatten(2), pinned), expected)
    torch.testing.assert_close(reducer(axis=2)(y.flatten(2).mT, pinned), expected)
    single = y[:, 1] - 1
    two = torch.stack([torch.zeros_like(single), single], 1)
    pinned = ClassRegion().pin(two) if reducer is ClassRegion else None
    for given, axis in ((single, None), (single.unsqueeze(1), 1)):
        torch.testing.assert_close(reducer(axis=axis)(given, pinned), reducer()(two, pinned))


def test_half_precision_is_summed_in_full_width():
    y = torch.ones(1, 2, 300, 300, dtype=torch.bfloat16)
    assert PixelCount()(y, None).tolist() == [[90000.0, 0.0]]
    assert PixelCount(soft=True)(y, None).sum().item() == pytest.approx(90000)


def test_inputs_as_they_are_need_nothing_pinned():
    y = segmenter(images())
    torch.testing.assert_close(scaled_outputs(y, 2, ClassRegion()), ClassRegion()(y, ClassRegion().pin(y)))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: ClassRegion("probability"), ValueError, "`scale` should be one of 'softmax', 'raw', 'sigmoid'"),
        (lambda: ClassRegion(axis=0), ValueError, "`axis` should be that of the classes. Found `axis = 0`"),
        (
            lambda: ClassRegion(axis="K"),
            TypeError,
            "`axis` should be a whole number, None, or 'auto'.*'K'",
        ),
        (lambda: PixelCount(soft="yes"), TypeError, "`soft` should be True or False"),
        (lambda: PixelCount(share=1), TypeError, "`share` should be True or False"),
        (lambda: PixelCount(axis=True), TypeError, "`axis` should be a whole number, None, or"),
        (
            lambda: scaled_outputs(torch.ones(2, 3), 2, PixelCount()),
            ValueError,
            r"\[m, K, H, W\].*Found shape \(2, 3\)",
        ),
        (
            lambda: scaled_outputs(torch.ones(2, 3, 4), 2, PixelCount(axis=5)),
            ValueError,
            r"on `axis`. Found shape \(2, 3, 4\)",
        ),
        (
            lambda: scaled_outputs((1, 2), 2, ClassRegion()),
            TypeError,
            "`forward` should return a tensor .*Found a tuple",
        ),
        (lambda: explain(segmenter, images(), SPACE, output=ClassRegion), TypeError, "the class ClassRegion; make an"),
    ],
)
def test_wrong_reducers_are_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_a_model_of_another_number_of_pixels_for_each_batch_is_refused():
    sizes = iter([4, 5])

    def model(x):
        return x[..., : next(sizes)]

    x = torch.rand(1, 3, 4, 6)
    with pytest.raises(ValueError, match=r"`forward` should return as many pixels for each batch. Found 20, and 16"):
        explain(model, x, Superbands(3).features(x), output=ClassRegion(), n_perturbations=16)


SPACE = Superpixels("grid", n_segments=6).features(images())


# ---------------------------------------------------------------------------------------------------------------------
# In the callback: the region is pinned for the run.


class Segmenter(Classifier):
    """One output for each pixel; moves on at each epoch so that its segmentation changes."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))

    def loss(self, batch):
        x, y = batch
        return nn.functional.cross_entropy(self(x).mean((2, 3)), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.05)


class Watched(Reducer):
    """Keeps what it was asked with."""

    def __init__(self):
        self.inner, self.pins, self.seen = ClassRegion(), [], []

    def pin(self, output):
        self.pins.append(len(output))
        return self.inner.pin(output)

    def __call__(self, output, pinned):
        self.seen.append(pinned)
        return self.inner(output, pinned)


def callback(output, **settings):
    usual = {"probes": [8, 24, 40], "n_perturbations": 16, "on_error": "raise", "pictures": False, "target": "all"}
    return LimeCallback([Superpixels("grid", n_segments=4)], output=output, **usual | settings)


def test_in_the_callback_the_region_is_pinned_at_the_first_explained_epoch(tmp_path):
    reducer = Watched()
    lime = callback(reducer)
    _, model = fit(tmp_path, lime, model=Segmenter, epochs=3)
    assert reducer.pins == [1, 3]  # in the sanity check, and then once for the run
    track = lime._latest.loop.view("spatial")
    probes = lime._validation.probes.inputs
    regions = track.pinned
    moved = ClassRegion().pin(model(probes))
    assert (moved != regions).any()  # what is predicted now is not what was
    for seen in reducer.seen[-5:]:
        assert all(any(torch.equal(row, region) for region in regions) for row in seen)
    # The prediction of the last epoch is that of its weights, over the first epoch's regions.
    torch.testing.assert_close(track.last.prediction, ClassRegion()(model(probes), regions).detach())


@pytest.mark.parametrize(
    "output", [ClassRegion(), PixelCount(), PixelCount(soft=True, share=True), lambda y: y.sum((2, 3))]
)
def test_in_the_callback_it_is_what_explain_finds(tmp_path, output):
    from lime_callback.sampling.seeds import seed_for

    lime = callback(output)
    _, model = fit(tmp_path, lime, model=Segmenter, epochs=1)
    x = lime._validation.probes.inputs
    found = explain(
        model.eval(), x, Superpixels("grid", n_segments=4).features(x), output=output, n_perturbations=16,
        baseline="blur", seed=[seed_for(0, probe, "spatial") for probe in range(3)],
    )  # fmt: skip
    torch.testing.assert_close(lime.explanation("spatial").coefficients, found.coefficients, atol=1e-5, rtol=1e-4)
    assert {row.target for row in read_history(tmp_path / "lime" / "history.csv")} == {"0", "1", "2"}


def test_a_resumed_run_keeps_the_regions(tmp_path):
    first, again = callback(ClassRegion()), callback(ClassRegion())
    one, _ = fit(tmp_path, first, model=Segmenter, epochs=2)
    one.save_checkpoint(tmp_path / "last.ckpt")
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    (state,) = [value for name, value in content["callbacks"].items() if "LimeCallback" in name]
    assert state["tracks"]["spatial"]["pinned"]["content"].numel() < 3 * 12 * 12
    trainer(tmp_path, again, epochs=3).fit(Segmenter(), loader(), loader(), ckpt_path=tmp_path / "last.ckpt")
    before, after = (lime._latest.loop.view("spatial").pinned for lime in (first, again))
    assert torch.equal(before, after)
    assert len(again._latest.loop.view("spatial").series.epochs) == 3


def test_regression_of_several_outputs_needs_no_reducer():
    x = torch.rand(2, 4, 3, 3, dtype=torch.float64)
    weights = torch.tensor([[1.0, 0, 2, 0], [0, -3, 0, 1]], dtype=torch.float64)
    found = explain(lambda x: x.mean((2, 3)) @ weights.T, x, Superbands(4).features(x), baseline="zero")
    torch.testing.assert_close(found.coefficients, weights * x.mean((2, 3)).unsqueeze(1), atol=1e-5, rtol=0)
