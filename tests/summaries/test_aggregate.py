"""Global attributions: many explanations in one, the same however they came, in memory that does not grow."""

import gc
import re
import statistics
import weakref

import pytest
import torch
from torch.utils.data import DataLoader

from lime_callback import (
    Aggregate,
    Contrast,
    Cubes,
    Explanation,
    Features,
    Superbands,
    Superpixels,
    TopLabels,
    Validity,
    explain,
    explain_all,
)
from lime_callback.figures.labels import Label
from lime_callback.pictures import draw_aggregate
from lime_callback.summaries.running_statistics import RunningStatistics
from lime_callback.surrogates.confidence_intervals import critical_value, skewed_interval

SHAPE = (6, 4, 4)
VIEW = Superbands([[0, 3], [1], [2, 4]])
FEW = {"n_perturbations": 24}


def curved(x):
    y = 2 * x.square().mean((2, 3))
    return torch.stack([(y[:, :3].sum(1) - y[:, 4] * y[:, 1]).exp(), 3 * y[:, 3].sin() + y[:, 5]], 1)


def images(size=11, seed=0):
    return torch.rand(size, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def at_once(x, target=None, **settings):
    return explain(curved, x, VIEW.features(x), target, seed=range(len(x)), **(FEW | settings))


def parts(aggregate):
    names = ("count", "mean", "magnitude", "spread", "standard_error", "surrogate_error", "score", "targets")
    return {name: getattr(aggregate, name) for name in names}


def assert_same(one, other):
    assert (one.names, one.inputs) == (other.names, other.inputs)
    torch.testing.assert_close(parts(one), parts(other), equal_nan=True, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# The numbers.


def test_the_aggregate_is_what_all_at_once_gives():
    x = images()
    found, whole = Aggregate().add(at_once(x)), at_once(x)
    values = whole.coefficients
    assert found.names == whole.features.names
    assert found.inputs == 11
    assert (found.count == 11).all()
    torch.testing.assert_close(found.mean, values.mean(0))
    torch.testing.assert_close(found.spread, values.std(0))
    torch.testing.assert_close(found.standard_error, values.std(0) / 11**0.5)
    torch.testing.assert_close(found.magnitude, values.abs().mean(0))
    torch.testing.assert_close(found.surrogate_error, whole.standard_error.square().sum(0).sqrt() / 11)
    torch.testing.assert_close(found.score, whole.score.mean(0))
    assert found.targets.tolist() == [0, 1]


@pytest.mark.parametrize("size", [1, 2, 5, 11])
def test_a_streamed_data_set_is_explained_as_all_at_once(size):
    x = images()
    found = explain_all(curved, DataLoader(x, batch_size=size), VIEW, **FEW)
    assert_same(found, Aggregate().add(at_once(x)))


@pytest.mark.parametrize(
    ("target", "output"),
    [(TopLabels(2), "raw"), (0, Contrast(0, 1)), (TopLabels(1), Contrast([0, 1], [1, 0]))],
)
def test_top_labels_and_contrasts_are_those_of_each_sample(target, output):
    x = images()
    found = explain_all(curved, DataLoader(x, 4), VIEW, target, output=output, **FEW)
    assert_same(found, Aggregate().add(at_once(x, target, output=output)))


def test_linear_models_have_the_mean_of_the_exact_answers():
    x = images()
    weight = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0, -1.0], dtype=torch.float64)
    found = explain_all(lambda x: x.sum((2, 3)) @ weight, DataLoader(x, batch_size=4), VIEW, baseline="zero", **FEW)
    per_channel = x.sum((2, 3)) * weight
    groups = [per_channel[:, group].sum(1) for group in ([0, 3], [1], [2, 4], [5])]
    exact = torch.stack(groups, 1)
    torch.testing.assert_close(found.mean[0], exact.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.spread[0], exact.std(0), atol=1e-4, rtol=1e-4)


def test_parts_merge_into_the_whole_in_any_order():
    whole = Aggregate().add(at_once(images()))
    singly = [explain(curved, x, VIEW.features(x), seed=i, **FEW) for i, x in enumerate(images().unsqueeze(1))]
    left, right = Aggregate(), Aggregate()
    for i, one in enumerate(singly):
        (left if i % 3 else right).add(one)
    assert_same(left.merge(right), whole)
    assert_same(Aggregate().merge(left).merge(Aggregate()), whole)
    backwards = Aggregate()
    for one in reversed(singly):
        backwards.add(one)
    assert_same(backwards, whole)


def test_a_small_spread_on_a_large_mean_is_not_lost():
    """Sums of squares would lose all of it: the mean is 1e9 times the spread."""
    generator = torch.Generator().manual_seed(0)
    values = 1e6 + 1e-3 * torch.randn(300, 1, 1, generator=generator, dtype=torch.float64)
    found = RunningStatistics.nothing(1, 1)
    for part in values.split(7):
        found = found.joined(
            RunningStatistics.of(part, torch.zeros_like(part), torch.ones_like(part, dtype=torch.bool))
        )
    assert float(found.spread) == pytest.approx(statistics.stdev(values.flatten().tolist()), rel=1e-5)
    assert float(found.mean) == pytest.approx(statistics.fmean(values.flatten().tolist()), rel=1e-14)


def test_skewness_is_that_of_all_values_in_parts_of_any_size():
    from scipy.stats import skew

    values = torch.randn(300, 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
    found = RunningStatistics.nothing(1, 1)
    for part in values.split([1, 2, 50, 7, 100, 140]):
        found = found.joined(
            RunningStatistics.of(part, torch.zeros_like(part), torch.ones_like(part, dtype=torch.bool))
        )
    expected = skew(values.flatten().numpy()) * (299 / 300) ** 1.5
    assert float(found.skewness) == pytest.approx(expected, rel=1e-9)
    same = torch.ones(4, 1, 1, dtype=torch.float64)
    assert float(RunningStatistics.of(same, 0 * same, same.bool()).skewness) == 0


@pytest.mark.parametrize("size", [8, 20])
def test_intervals_of_means_of_skewed_values_hold_them_more_often_than_students(size):
    """Absolute values lean to one side: exponential ones here, whose mean is 1."""
    values = torch.empty(size, 4000, 1, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(2))
    found = RunningStatistics.of(values, torch.zeros_like(values), torch.ones_like(values, dtype=torch.bool))
    low, high = skewed_interval(found.mean, found.spread, found.skewness, found.count)
    held = ((low <= 1) & (high >= 1)).double().mean()
    half = found.spread / size**0.5 * critical_value(found.count - 1)
    by_student = ((found.mean - 1).abs() <= half).double().mean()
    assert by_student < 0.93
    assert 0.925 < held < 0.97


def test_what_none_of_a_few_inputs_shows_may_still_matter_to_others():
    """Of eight inputs that all say the same, one in three others may say something else."""
    found = Aggregate()
    x = torch.ones(8, 4, 1, 1, dtype=torch.float64)
    found.add(
        explain(lambda z: 2.0 * z[:, 0, 0, 0], x, torch.arange(4).view(4, 1, 1), baseline=0.0, n_perturbations=16)
    )
    low, high = found.importance_interval()
    assert high[0].tolist() == pytest.approx([1.0] + [1 - 0.025 ** (1 / 8)] * 3, abs=1e-6)
    assert low[0].tolist() == pytest.approx([0.025 ** (1 / 8), 0, 0, 0], abs=1e-6)


def test_the_interval_of_the_importance_lies_around_it():
    found = Aggregate().add(at_once(images()))
    low, high = found.importance_interval()
    assert ((low <= found.importance) & (found.importance <= high) & (low >= 0) & (high <= 1)).all()
    wider_low, wider_high = found.importance_interval(0.99)
    assert ((wider_low <= low) & (high <= wider_high)).all()
    with pytest.raises(ValueError, match=r"`level` should lie between 0 and 1\. Found `level = 1`"):
        found.importance_interval(1)
    with pytest.raises(ValueError, match="Found none; `add` one first"):
        Aggregate().importance_interval()


def test_single_precision_is_summed_in_full_width():
    x = images().float()
    found = Aggregate()
    for i, one in enumerate(x.unsqueeze(1)):
        found.add(explain(curved, one, VIEW.features(one), seed=i, **FEW))
    whole = at_once(x).coefficients.double()
    assert found.mean.dtype == found.spread.dtype == torch.float64
    torch.testing.assert_close(found.mean, whole.mean(0), rtol=1e-5, atol=1e-6)


def test_one_input_has_a_mean_and_no_spread():
    x = images(1)
    found = Aggregate().add(at_once(x))
    torch.testing.assert_close(found.mean, at_once(x).coefficients[0])
    assert found.spread.isnan().all()
    assert found.standard_error.isnan().all()


# ---------------------------------------------------------------------------------------------------------------------
# What counts.


def test_features_count_by_their_names_where_an_input_has_them():
    """Of two images one lies wholly inside of the field; and another view calls the same by other numbers."""
    x = torch.ones(2, *SHAPE, dtype=torch.float64)
    valid = torch.ones(2, 4, 4, dtype=torch.int64)
    valid[1, :, :1] = 0
    features = Validity(valid).features(x)
    found = Aggregate().add(explain(lambda x: x.sum((1, 2, 3)), x, features, baseline="zero", **FEW))
    other = Features(1 - features.mask[1:], ("outside", "inside"), features.layout)
    found.add(explain(lambda x: x.sum((1, 2, 3)), x[1:], other, baseline="zero", **FEW))
    assert found.names == ("inside", "outside")
    assert found.count.tolist() == [[3, 2]]
    torch.testing.assert_close(found.mean, torch.tensor([[(96 + 72 + 72) / 3, 24.0]]).double(), rtol=1e-4, atol=0)
    found.add(explain(lambda x: x.sum((1, 2, 3)), x, Superbands(1).features(x), baseline="zero", **FEW))
    assert found.names[:2] == ("inside", "outside")
    assert found.count.tolist() == [[3, 2, 2]]


def test_fits_below_the_gate_do_not_count_and_the_score_tells_of_them():
    """One output is linear, the other is a product of all features, which nothing linear explains."""

    def model(x):
        y = x.mean((2, 3))
        return torch.stack([y.sum(1), (20 * y - 5).prod(1)], 1)

    x = images()
    explanation = explain(model, x, VIEW.features(x), baseline="zero", **FEW)
    gate = float(explanation.score[:, 1].median())
    found = Aggregate(gate).add(explanation)
    passed = explanation.score >= gate
    assert found.inputs == 11
    assert found.count[:, 0].tolist() == passed.sum(0).tolist() == [11, 6]
    torch.testing.assert_close(found.mean[1], explanation.coefficients[passed[:, 1], 1].mean(0))
    torch.testing.assert_close(found.score, explanation.score.mean(0))
    nothing = Aggregate(1.0).add(explanation)
    assert (nothing.count[1], bool(nothing.mean[1].isnan().all())) == (pytest.approx(0), True)
    assert nothing.top()[1] == []


def test_the_targets_are_told_where_they_are_the_same_for_all():
    x = images()
    same = explain_all(curved, DataLoader(x, 4), VIEW, [1, 0], **FEW)
    assert same.targets.tolist() == [1, 0]
    assert explain_all(curved, DataLoader(x, 4), VIEW, 1, **FEW).targets.tolist() == [1]
    labels = torch.arange(11) % 2
    batches = [(x[i : i + 4], labels[i : i + 4]) for i in (0, 4, 8)]
    found = explain_all(curved, batches, VIEW, "label", **FEW)
    assert found.targets.tolist() == [-1]
    assert_same(found, Aggregate().add(at_once(x, labels)))
    largest = explain_all(curved, batches, VIEW, "predicted", **FEW)
    assert_same(largest, Aggregate().add(at_once(x, curved(x).argmax(1))))


def test_the_strongest_come_first():
    found = Aggregate().add(at_once(images()))
    for t, row in enumerate(found.top(2)):
        order = found.mean[t].abs().argsort(descending=True)[:2].tolist()
        assert row == [(found.names[i], float(found.mean[t, i])) for i in order]


# ---------------------------------------------------------------------------------------------------------------------
# Names that mean the same in every input, and names that do not.

OWN = Superpixels(n_segments=4)


def scenes(size=3):
    """Each has another bright block, so SLIC cuts each of them differently."""
    x = 0.1 * torch.rand(size, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    for i in range(size):
        x[i, :, 2 * i : 2 * i + 4, 3 * i : 3 * i + 4] += 1
    return x


def bright(x):
    return x.sum((1, 2, 3))


@pytest.mark.parametrize(
    "view", [OWN, Superpixels("grid", 4, valid=lambda x: x[:, 0] > 0.02), Cubes(OWN, Superbands([[0], [1]]))]
)
@pytest.mark.parametrize("together", [True, False])
def test_superpixels_cut_for_each_input_have_no_common_names(view, together):
    """Whether the inputs come at once or one by one, alone or within cubes; nothing is added then."""
    x = scenes()
    calls = []
    with pytest.raises(ValueError, match=r"should mean the same in every input.*Superpixels\('grid'\).*heatmap"):
        explain_all(lambda x: calls.append(len(x)) or bright(x), DataLoader(x, 3 if together else 1), view, **FEW)
    assert not (together and calls)  # before anything is explained
    first = explain(bright, x[:1], OWN.features(x[:1]), **FEW)
    second = explain(bright, x[1:2], OWN.features(x[1:2]), **FEW)
    found = Aggregate().add(first)
    for refused in (lambda: found.add(second), lambda: found.merge(Aggregate().add(second))):
        with pytest.raises(ValueError, match="should mean the same in every input"):
            refused()
    assert found.inputs == 1
    with pytest.raises(ValueError, match="should mean the same in every input"):
        Aggregate().add(explain(bright, x, Superpixels("grid", 4).features(x), **FEW)).add(first)


def test_superpixels_of_one_input_may_be_aggregated_over_seeds(tmp_path):
    x = scenes(1)
    found = Aggregate()
    for seed in range(3):
        path = tmp_path / f"{seed}.npz"
        explain(bright, x, OWN.features(x), seed=seed, **FEW).save(path)
        found.add(Explanation.load(path))
    assert (found.count == 3).all()
    other = tmp_path / "other.npz"
    explain(bright, scenes()[2:], OWN.features(scenes()[2:]), **FEW).save(other)
    with pytest.raises(ValueError, match="should mean the same in every input"):
        found.add(Explanation.load(other))


@pytest.mark.parametrize("grid", [True, False])
def test_superpixels_that_all_inputs_share_are_aggregated(grid):
    mask = torch.arange(12)[:, None] // 6 * 2 + torch.arange(12) // 6
    view = Superpixels("grid", 4) if grid else Superpixels(mask=mask)
    x = scenes()
    found = explain_all(bright, DataLoader(x, 2), view, baseline="zero", **FEW)
    exact = torch.stack([(x * (mask == i)).sum((1, 2, 3)).mean() for i in range(4)]).double()
    torch.testing.assert_close(found.mean[0], exact, rtol=1e-3, atol=1e-3)


def test_superpixels_with_names_of_the_users_are_aggregated_by_them():
    """In each scene the brightest superpixel is the block, whatever its number."""
    x, found, blocks = scenes(), Aggregate(), []
    for one in x.split(1):
        features = OWN.features(one)
        assert features.per_input
        values = explain(bright, one, features, baseline="zero", **FEW).coefficients[0, 0]
        rest = [i for i in range(len(features)) if i != int(values.argmax())]
        named = features.merged({"block": int(values.argmax()), "rest": rest})
        assert not named.per_input
        blocks.append(float((one * (named.canonical == named.names.index("block"))).sum()))
        found.add(explain(bright, one, named, baseline="zero", **FEW))
        partly = features.renamed({0: "mine"})
        assert partly.per_input
        assert partly.over(named).per_input
    assert set(found.names) == {"block", "rest"}
    assert float(found.mean[0, found.names.index("block")]) == pytest.approx(sum(blocks) / 3, rel=1e-3)


@pytest.mark.parametrize("like", ["lime_image", "captum"])
def test_a_data_set_can_be_explained_like_another_package(like):
    x = images()
    enough = {"n_perturbations": 48}  # rows drawn independently: their errors need 20 degrees of freedom
    found = explain_all(curved, DataLoader(x, 4), VIEW, like=like, **enough)
    assert_same(found, Aggregate().add(at_once(x, like=like, **enough)))
    assert not torch.allclose(found.mean, Aggregate().add(at_once(x, **enough)).mean, rtol=1e-3)


# ---------------------------------------------------------------------------------------------------------------------
# Wavelengths.


@pytest.mark.parametrize("baseline", [None, "data", "background"])
def test_a_data_set_can_be_explained_against_a_background(baseline):
    x, enough = images(), {"n_perturbations": 128}
    settings = {"baseline": baseline, "background": images(16, seed=1), **enough}
    found = explain_all(curved, DataLoader(x, 4), VIEW, **settings)
    assert_same(found, Aggregate().add(at_once(x, **settings)))
    with pytest.raises(ValueError, match="`background`"):
        explain_all(curved, DataLoader(x, 4), VIEW, **settings | {"background": images(16)[:, :2]})


def test_superbands_are_laid_onto_their_wavelengths():
    x = images()
    nm = [400.0, 500.0, 600.0, 700.0, 800.0, 900.0]
    found = explain_all(
        curved,
        DataLoader(x, 4),
        Superbands({"b": (390.0, 510.0), "r": (590.0, 710.0)}),
        wavelengths=nm,
        baseline="mean",
        **FEW,
    )
    assert found.names == ("b", "r", "not_included")
    assert found.channels.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(found.on_channels(found.mean), found.mean[:, [0, 0, 1, 1, 2, 2]])
    alone = Superbands({"b": (390.0, 510.0), "r": (590.0, 710.0)}, show_not_included=False)
    part = explain_all(curved, [x], alone, wavelengths=nm, baseline="mean", **FEW)
    assert part.channels.tolist() == [0, 0, 1, 1, -1, -1]
    assert (part.on_channels(part.spread)[:, 4:] == 0).all()
    figure = draw_aggregate(found, wavelengths=nm)
    assert {"b", "r", "not_included"} <= {label.get_text() for label in figure.findobj(Label)}


@pytest.mark.parametrize("view", [Superpixels("grid", n_segments=4), Superbands(2)], ids=["in space", "two cuts"])
def test_other_features_are_on_no_channel(view):
    x = images()
    found = explain_all(curved, [x], view, **FEW).merge(explain_all(curved, [x], VIEW, **FEW))
    assert found.channels is None
    with pytest.raises(ValueError, match="Values on channels need features that are the same groups of channels"):
        found.on_channels(found.mean)


# ---------------------------------------------------------------------------------------------------------------------
# Memory, batches, errors.


def size_of(aggregate):
    """How many numbers it holds."""
    held = list(vars(aggregate).values())
    held += [part for one in held if isinstance(one, RunningStatistics) for part in vars(one).values()]
    return sum(one.numel() for one in held if isinstance(one, torch.Tensor))


def test_memory_does_not_grow_with_the_inputs():
    found = Aggregate()
    sizes, gone = [], []
    for i in range(12):
        explanation = explain(curved, images(2, i), VIEW.features(images(2)), **FEW)
        gone.append(weakref.ref(explanation.samples.outputs))
        gone.append(weakref.ref(explanation.features.mask))
        gone.append(weakref.ref(explanation))
        found.add(explanation)
        sizes.append(size_of(found))
    del explanation
    gc.collect()
    assert len(set(sizes)) == 1
    assert 0 < sizes[0] < 1000
    assert not any(one() is not None for one in gone)


def test_batches_may_be_mappings_and_views_use_their_entries():
    x = images(5)
    mask = torch.ones(5, 4, 4, dtype=torch.int64)
    mask[:, 0] = 0
    batches = [{"mask": mask[i : i + 2], "cube": x[i : i + 2]} for i in (0, 2, 4)]
    found = explain_all(curved, batches, Validity("mask"), device="cpu", **FEW)
    whole = explain(curved, x, Validity(mask).features(x), seed=range(5), **FEW)
    assert_same(found, Aggregate().add(whole))
    named = [{"mask": batch["mask"], "mine": batch["cube"]} for batch in batches]
    assert_same(explain_all(curved, named, Validity("mask"), input_key="mine", **FEW), found)


def test_degenerate_fits_are_counted_and_told_once():
    def model(x):
        return torch.where(x[:, 0, 0, 0] > 100, x.mean((1, 2, 3)), 1.0)

    with pytest.warns(
        UserWarning, match="The explanations of 5 of 5 samples are degenerate, the first because the out"
    ):
        explain_all(model, DataLoader(images(5), 2), VIEW, **FEW)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"loader": 3}, TypeError, "`loader` should give batches, as a DataLoader does. Found a int"),
        ({"loader": []}, ValueError, "`loader` should give at least one batch. Found none"),
        ({"view": "spectral"}, TypeError, "`view` should be a view, such as Superbands(). Found `view = 'spectral'`"),
        ({"forward": 3}, TypeError, "`forward` should"),
        ({"target": "largest"}, ValueError, "`target` should be 'predicted', 'label', 'all'"),
        ({"target": "label"}, ValueError, "`target = 'label'` needs one integer label for each sample"),
        ({"gate": 1.5}, ValueError, "`gate` should be a bound of R², at most 1"),
        ({"layout": "HW"}, ValueError, "`layout = 'HW'` describes samples with 2 axes"),
        ({"seed": -1}, ValueError, "`seed` should be"),
        ({"like": "shap"}, ValueError, "`like` should be one of 'lime_image'"),
        ({"like": "captum", "kernel": "cosine"}, ValueError, "`like = 'captum'` sets `kernel` to InputCosine"),
        ({"batch_size": 0}, ValueError, "`batch_size` should be"),
    ],
)
def test_wrong_arguments_are_refused(arguments, kind, message):
    arguments = {"forward": curved, "loader": [images(2)], "view": VIEW} | arguments
    with pytest.raises(kind, match=re.escape(message)):
        explain_all(**arguments)


def test_what_does_not_fit_an_aggregate_is_refused():
    found = Aggregate()
    with pytest.raises(ValueError, match=r"An aggregate should have at least one explanation. Found none"):
        found.mean  # noqa: B018
    with pytest.raises(ValueError, match=r"An aggregate should have at least one explanation. Found none"):
        found.score  # noqa: B018
    with pytest.raises(TypeError, match=r"`explanation` should be an Explanation. Found a Tensor"):
        found.add(torch.zeros(2))
    with pytest.raises(TypeError, match=r"`other` should be an Aggregate. Found a list"):
        found.merge([])
    found.add(at_once(images(2)))
    with pytest.raises(ValueError, match=r"the same number of targets. Found 2 and then 1"):
        found.add(at_once(images(2), 0))
    assert found.inputs == 2


def test_bands_that_are_hidden_by_the_images_own_mean_are_warned_of(recwarn):
    x, nm = images(4), [500.0 + 100 * band for band in range(images(4).shape[1])]
    with pytest.warns(UserWarning, match="Bands are hidden by each image's own mean.*Pass `background=` with"):
        explain_all(curved, [x[:2], x[2:]], VIEW, wavelengths=nm, **FEW)
    recwarn.clear()
    explain_all(curved, [x], VIEW, wavelengths=nm, background=x, **FEW)
    explain_all(curved, [x], VIEW, wavelengths=nm, baseline="mean", **FEW)
    assert not recwarn.list


def test_an_aggregate_is_read_where_it_is_printed():
    assert repr(Aggregate()) == "<Aggregate of nothing yet>"
    found = explain_all(curved, [images(4)], VIEW, **FEW)
    assert repr(found).startswith(f"<Aggregate of 4 inputs and {len(found.names)} features; strongest of target 0: ")
    assert found.top(1)[0][0][0] in repr(found)
