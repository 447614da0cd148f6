"""Designs, kernels and baselines: each does what its name says, in every layout."""

import pytest
import torch

from lime_callback import Features, Superbands, Superpixels, explain
from lime_callback.sampling.baselines import Blur, resolve_baseline
from lime_callback.sampling.designs import Bernoulli, Orthogonal, Paired, draw_designs
from lime_callback.sampling.locality_kernels import Cosine, Euclidean, Uniform
from lime_callback.sampling.seeds import seed_for

ALL = torch.ones(1, 9, dtype=torch.bool)


@pytest.mark.parametrize("design", [Bernoulli(), Paired()], ids=repr)
def test_designs_are_balanced_and_belong_to_their_seed(design):
    rows = draw_designs(design, 4000, ALL, [1])[0]
    assert (rows.double().mean(0) - 0.5).abs().max() < 0.03
    correlation = torch.corrcoef(rows.double().T) - torch.eye(9)
    assert correlation.abs().max() < 0.06
    assert torch.equal(rows, draw_designs(design, 4000, ALL, [1])[0])
    assert not torch.equal(rows, draw_designs(design, 4000, ALL, [2])[0])


@pytest.mark.parametrize("design", [Bernoulli(), Paired()], ids=repr)
@pytest.mark.parametrize("n", [2, 7, 64, 101])
def test_a_smaller_design_is_the_beginning_of_a_larger_one(design, n):
    assert torch.equal(draw_designs(design, n, ALL, [5])[0], draw_designs(design, 200, ALL, [5])[0, :n])


def test_pairs_are_complements():
    rows = draw_designs(Paired(), 65, ALL, [0])[0]
    assert torch.equal(rows[0:64:2], ~rows[1:64:2])


def test_designs_of_inputs_with_other_features():
    present = torch.tensor([[True, True, False, True], [True, True, True, False]])
    rows = draw_designs(Bernoulli(), 50, present, [3, 3])
    assert not rows[0, :, 2].any()
    assert not rows[1, :, 3].any()
    assert torch.equal(rows[0][:, [0, 1, 3]], rows[1][:, [0, 1, 2]])  # the same seed and number of features


def test_keys_depend_on_every_part():
    keys = {seed_for(seed, probe, view) for seed in range(5) for probe in range(5) for view in ("spatial", "spectral")}
    assert len(keys) == 50
    assert seed_for(0, 1, "spatial") == 678375338839768  # the same on every machine


def test_drawing_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    draw_designs(Paired(), 10, ALL, [0])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kernel", [Cosine(), Euclidean(), Uniform()], ids=repr)
def test_kernels_are_one_for_the_unperturbed_input_and_fall_with_distance(kernel):
    rows = (torch.arange(9).unsqueeze(0) < torch.arange(9, -1, -1).unsqueeze(1)).unsqueeze(0)
    weights = kernel(rows, ALL)[0]
    assert weights[0] == 1
    assert (weights.diff() <= 0).all()
    assert (weights > 0).all()


def test_kernels_count_present_features_alone():
    rows = torch.tensor([[[True, False, True, False]]])
    present = torch.tensor([[True, True, True, False]])
    assert Cosine()(rows, present) == Cosine()(rows[..., :3], present[..., :3])


def test_euclidean_kernel_is_that_of_limes_tabular_explainer():
    rows = draw_designs(Bernoulli(), 30, ALL, [0])
    distance = (~rows[0]).double().sum(1).sqrt()
    width = 0.75 * 9**0.5
    torch.testing.assert_close(Euclidean()(rows, ALL)[0], (torch.exp(-(distance**2) / width**2)).sqrt())


@pytest.mark.parametrize("make", [Cosine, Euclidean])
def test_kernel_widths_are_positive(make):
    with pytest.raises(ValueError, match=r"`width` should be above 0. Found `width = 0`"):
        make(0)


def images():
    return torch.rand(2, 5, 8, 6, generator=torch.Generator().manual_seed(0))


def test_mean_and_constant_baselines():
    x, features = images(), Superbands(bands=5).features(images())
    assert torch.equal(resolve_baseline("zero")(x, features).expand_as(x), torch.zeros_like(x))
    assert torch.equal(resolve_baseline(0.25)(x, features).expand_as(x), torch.full_like(x, 0.25))
    torch.testing.assert_close(resolve_baseline("mean")(x, features).expand_as(x), x.mean((2, 3), True).expand_as(x))
    spectra = x[:, :, 0, 0]
    features = Superbands(bands=5).features(spectra, layout="C")
    values = resolve_baseline("mean")(spectra, features).expand_as(spectra)
    torch.testing.assert_close(values, spectra.mean(1, True).expand_as(spectra))


def test_segment_mean_is_each_channels_mean_over_the_segment():
    x = images()
    features = Superpixels("grid", n_segments=6).features(x)
    values = resolve_baseline("segment_mean")(x, features)
    mask = features.mask.expand(2, 1, 8, 6)
    for b in range(2):
        for label in range(len(features)):
            inside = mask[b, 0] == label
            means = x[b][:, inside].mean(1, True)
            torch.testing.assert_close(values[b][:, inside], means.expand(-1, int(inside.sum())))


def test_segment_mean_leaves_what_is_never_hidden_and_works_on_spectra():
    x = images()
    mask = torch.full((1, 1, 8, 6), -1)
    mask[..., 0, 0] = 0
    values = resolve_baseline("segment_mean")(x, Features.from_mask(mask))
    torch.testing.assert_close(values, x)
    spectra = torch.arange(10.0).view(2, 5)
    values = resolve_baseline("segment_mean")(spectra, Superbands([[0, 1], [2, 3, 4]]).features(spectra, layout="C"))
    assert values.tolist() == [[0.5, 0.5, 3, 3, 3], [5.5, 5.5, 8, 8, 8]]


def test_blur_keeps_constants_and_the_mean_and_takes_detail_away():
    x = images()
    features = Superbands(bands=5).features(x)
    blurred = Blur(0.2)(x, features)
    assert blurred.shape == x.shape
    assert (blurred.flatten(2).std(-1) < 0.7 * x.flatten(2).std(-1)).all()
    torch.testing.assert_close(Blur(0.2)(torch.full_like(x, 3.0), features), torch.full_like(x, 3.0))
    from skimage.filters import gaussian

    expected = gaussian(x[0, 0].numpy(), sigma=0.2 * 8, mode="nearest", truncate=3.0)
    torch.testing.assert_close(blurred[0, 0], torch.from_numpy(expected).float(), atol=0.01, rtol=0)
    with pytest.raises(ValueError, match=r"`sigma` should be above 0"):
        Blur(0.0)


@pytest.mark.parametrize("name", ["zero", "mean", "segment_mean", "blur"])
@pytest.mark.parametrize(("layout", "axes"), [("HWC", (0, 2, 3, 1)), ("CWH", (0, 1, 3, 2))])
@pytest.mark.parametrize("view", [Superpixels("grid", n_segments=6), Superbands(bands=3)], ids=["spatial", "spectral"])
def test_baselines_agree_over_layouts(name, layout, axes, view):
    x = images()
    features = view.features(x)
    moved = Features(features.mask.permute(axes), features.names, layout)
    here = resolve_baseline(name)(x, features).expand_as(x).permute(axes)
    there = resolve_baseline(name)(x.permute(axes), moved).expand_as(here)
    torch.testing.assert_close(there, here)


def test_baselines_of_the_user():
    x, features = images(), Superbands(bands=5).features(images())
    per_channel = torch.arange(5.0)
    torch.testing.assert_close(resolve_baseline(per_channel)(x, features)[0, :, 0, 0], per_channel)
    torch.testing.assert_close(resolve_baseline(x[0])(x, features).expand_as(x)[1], x[0])
    torch.testing.assert_close(resolve_baseline(lambda x: x.flip(1))(x, features), x.flip(1))
    resolve_baseline(lambda x: x.zero_())(x, features)
    torch.testing.assert_close(x, images())
    with pytest.raises(TypeError, match=r"`baseline` should be one of .*Found a NoneType"):
        resolve_baseline(None)


@pytest.mark.parametrize(
    ("mask", "names", "layout", "message"),
    [
        (torch.zeros(1, 2, 2), ("a",), "HW", "`mask` should be an integer tensor"),
        (torch.zeros(2, 2).long(), ("a",), "HW", r"`mask` should have a batch axis.*\(2, 2\)"),
        (torch.full((1, 2, 2), -1), ("a",), "HW", "`mask` should hold at least one feature"),
        (
            torch.full((1, 2, 2), 3),
            ("a", "b"),
            "HW",
            "`mask` should hold labels from -1 .* to 1.*Found labels from 3 to 3",
        ),
        (torch.tensor([[[0, -5]]]), ("a",), "HW", "from -5 to 0"),
        (torch.zeros(1, 2, 2).long(), ("a", "a"), "HW", r"`names` should be different from each other. Found \['a'\]"),
    ],
)
def test_features_that_cannot_be(mask, names, layout, message):
    with pytest.raises(ValueError, match=message):
        Features(mask, names, layout)


def test_features_of_a_mask_keep_its_labels_as_names():
    features = Features.from_mask(torch.tensor([[[7, 7, -3], [2, 40, 2]]]))
    assert features.names == ("2", "7", "40")
    assert features.mask.tolist() == [[[1, 1, -1], [0, 2, 0]]]
    assert features.present.tolist() == [[True, True, True]]
    with pytest.raises(ValueError, match=r"no usual layout for samples of 5 axes"):
        Features.from_mask(torch.zeros(1, 1, 1, 1, 1, 1).long())


@pytest.mark.parametrize(("n", "d"), [(256, 20), (256, 100), (280, 30), (400, 150)])
def test_orthogonal_pairs_are_of_strength_three(n, d):
    """In whole arrays of pairs every three features are in all eight states alike."""
    rows = Orthogonal().sample(n, d, torch.Generator().manual_seed(3)).double() * 2 - 1
    assert (rows.sum(0) == 0).all()
    assert torch.equal(rows.T @ rows, n * torch.eye(d, dtype=torch.float64))
    triples = torch.einsum("ni,nj,nk->ijk", *[rows[:, :9]] * 3)
    apart = torch.tensor([[[len({i, j, k}) == 3 for k in range(9)] for j in range(9)] for i in range(9)])
    assert (triples[apart] == 0).all()


@pytest.mark.parametrize("n", [256, 257, 300, 511])
def test_many_orthogonal_rows_come_with_their_complements(n):
    rows = Orthogonal().sample(n, 20, torch.Generator().manual_seed(0))
    assert rows.shape == (n, 20)
    assert Orthogonal().group(n, 20) == 2
    pairs = rows[: n // 2 * 2].unflatten(0, (-1, 2))
    assert torch.equal(pairs[:, 0], ~pairs[:, 1])


@pytest.mark.parametrize(
    ("n", "d"), [(2, 20), (3, 20), (30, 20), (62, 20), (68, 20), (108, 107), (128, 20), (200, 196), (256, 196)]
)
def test_where_pairs_are_too_few_orthogonal_rows_have_no_complements(n, d):
    """Each feature is on as often as off, and every two together as often as apart, where the array is whole."""
    rows = Orthogonal().sample(n, d, torch.Generator().manual_seed(0))
    assert rows.shape == (n, d)
    assert Orthogonal().group(n, d) == 1
    assert len(torch.unique(rows, dim=0)) == n
    x = rows.double() * 2 - 1
    if n in (68, 108, 128, 200):
        assert (x.sum(0) == 0).all()
        assert torch.equal(x.T @ x, n * torch.eye(d, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore:The explanation of input .* is uncertain")
@pytest.mark.parametrize(("n", "d"), [(64, 20), (256, 150)])
def test_few_orthogonal_rows_tell_more_than_independent_ones(n, d):
    x = torch.randn(1, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def model(z):
        return z.sum(1) + (z[:, : d // 2] * z[:, d // 2 :]).sum(1) / 4

    features = Features.from_mask(torch.arange(d).view(1, d))
    settings = {"n_perturbations": n, "baseline": "zero", "seed": range(40)}
    found = {
        design: explain(model, x.expand(40, -1), features, design=design, **settings).coefficients
        for design in ("bernoulli", "orthogonal")
    }
    truth = explain(model, x, features, n_perturbations=20_000, baseline="zero", batch_size=4096).coefficients
    far = {design: float((one - truth).square().mean().sqrt()) for design, one in found.items()}
    assert far["orthogonal"] < 0.75 * far["bernoulli"]


def test_orthogonal_rows_are_on_and_off_independently():
    """Each row by itself is any of all rows with the same probability, so the fit estimates what it does of others."""
    first = torch.stack([Orthogonal().sample(6, 3, torch.Generator().manual_seed(seed))[2] for seed in range(4000)])
    counts = torch.bincount((first.long() * torch.tensor([1, 2, 4])).sum(1), minlength=8)
    assert (counts - 500).abs().max() < 5 * 21  # five standard deviations


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8])
def test_all_rows_are_taken_where_there_are_few(d):
    """Once each, and no others; the fit is that of independent rows without end."""
    assert Orthogonal().enough(256, d) == 2**d
    x = torch.randn(1, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    rows = []

    def model(z):
        rows.append(len(z))
        return (z * x).sum(1).tanh() + (z.square().sum(1) / 3).cos()

    features = Features.from_mask(torch.arange(d).view(1, d))
    whole = explain(model, x, features, n_perturbations=256, design="orthogonal", baseline="zero")
    assert sum(rows) == 2 + 2**d  # as it is, with everything hidden, and the rows
    assert whole.n_perturbations == 2**d == len(torch.unique(whole.samples.design[0], dim=0))
    many = explain(model, x, features, n_perturbations=40_000, design="bernoulli", baseline="zero", batch_size=40_000)
    torch.testing.assert_close(whole.coefficients, many.coefficients, atol=0.02, rtol=0)


def test_the_error_of_an_orthogonal_fit_is_the_stated_one():
    """Over 200 designs the coefficients scatter as their standard errors say, and less than with pairs alone."""
    x = torch.randn(1, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def model(z):
        return (z[:, :10] * z[:, 10:]).sum(1) + z.sum(1).sin() + z[:, :7].prod(1)

    features = Features.from_mask(torch.arange(20).view(1, 20))
    spread, stated = {}, {}
    for design in ("paired", "orthogonal"):
        seeds = range(200)
        found = explain(
            model, x.expand(200, -1), features, n_perturbations=256, design=design, baseline="zero", seed=seeds
        )
        spread[design] = float(found.coefficients.var(0).mean().sqrt())
        stated[design] = float(found.standard_error.square().mean().sqrt())
    assert stated["orthogonal"] == pytest.approx(spread["orthogonal"], rel=0.15)
    # Interactions of three reach both alike; that features are orthogonal saves 20 of 128 degrees of freedom.
    assert spread["orthogonal"] < 0.95 * spread["paired"]
