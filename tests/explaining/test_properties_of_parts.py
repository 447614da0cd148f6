"""What holds of layouts, masks, views, names, histories and errors: over whatever hypothesis makes up."""

import re
import warnings
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lime_callback import Cubes, Features, Lasso, Ridge, Superbands, Superpixels, explain
from lime_callback.publishing.sinks.history_csv import HistoryFile, HistoryRow, read_history
from lime_callback.publishing.sinks.picture_files import safe_name
from lime_callback.sampling.baselines import BASELINES, Blur
from lime_callback.sampling.locality_kernels import Cosine, Euclidean
from lime_callback.views.layout import Layout

settings.register_profile("lime", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lime")
seeds = st.integers(0, 2**20)
anything = st.text(st.characters(codec=None), max_size=80)  # also halves of characters
numbers = st.floats(width=64)
layouts = st.permutations("CHW11").flatmap(
    lambda letters: st.integers(1, 5).map(lambda size: "".join(letters[:size])).filter(lambda axes: axes.strip("1"))
)


def rng(seed):
    return torch.Generator().manual_seed(seed)


def quietly(function, *args, **settings):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The explanation of input .* is degenerate: ")
        warnings.filterwarnings("ignore", message="spectral: `bands = ")
        return function(*args, **settings)


def made(layout, batch, seed, dtype=torch.float32):
    sizes = torch.randint(1, 8, (len(layout),), generator=rng(seed)).tolist()
    shape = [1 if axis == "1" else size for axis, size in zip(layout, sizes, strict=True)]
    return torch.randn(batch, *shape, generator=rng(seed), dtype=torch.float64).to(dtype)


@given(layouts, st.integers(1, 3), seeds)
def test_a_layout_goes_there_and_back(axes, batch, seed):
    x, layout = made(axes, batch, seed), Layout(axes)
    there = layout.canonical(x)
    sizes = dict(zip(axes, x.shape[1:], strict=True))
    assert there.shape == (batch, *(sizes.get(axis, 1) for axis in "CHW"))
    assert there.data_ptr() == x.data_ptr()
    back = layout.restore(there)
    assert back.shape == x.shape
    assert torch.equal(back, x)


@given(st.text(max_size=4) | st.integers() | st.none())
def test_any_other_layout_is_named(axes):
    letters = axes.replace("1", "") if isinstance(axes, str) else ""
    if letters and set(letters) <= set("CHW") and len(set(letters)) == len(letters):
        assert Layout(axes).axes == axes
    else:
        with pytest.raises(ValueError, match=r"`layout` should name the axes"):
            Layout(axes)


@given(layouts, st.integers(1, 3), seeds, st.lists(st.integers(-3, 2**40), min_size=1, max_size=5))
def test_any_mask_becomes_features(axes, batch, seed, labels):
    shape = made(axes, batch, seed).shape
    mask = torch.tensor(labels)[torch.randint(0, len(labels), shape, generator=rng(seed))]
    before, present = mask.clone(), sorted({label for label in mask.flatten().tolist() if label >= 0})
    if not present:
        with pytest.raises(ValueError, match="`mask` should hold at least one feature"):
            Features.from_mask(mask, layout=axes)
        return
    features = Features.from_mask(mask, layout=axes, prefix="f")
    assert features.names == tuple(f"f{label}" for label in present)
    named = [-1 if label < 0 else int(features.names[label][1:]) for label in features.mask.flatten().tolist()]
    assert named == [max(-1, label) for label in mask.flatten().tolist()]
    assert torch.equal(mask, before)
    for b, row in enumerate(features.present.tolist()):
        assert [label for label, has in zip(present, row, strict=True) if has] == sorted(
            {label for label in mask[b].flatten().tolist() if label >= 0}
        )


KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8]
views = st.sampled_from(["slic", "grid", "quickshift", "felzenszwalb", "bands", "cubes"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(views, layouts, st.integers(1, 2), seeds, st.integers(1, 12), st.sampled_from(KINDS), st.integers(-300, 300))
@example("slic", "CHW", 1, 0, 4, torch.float64, 308)
def test_a_view_cuts_everything_into_features(view, axes, batch, seed, count, dtype, power):
    x = made(axes, batch, seed, dtype)
    if seed % 5 == 0:
        x = torch.zeros_like(x) + x.flatten()[0]
    elif dtype == torch.float64:
        x = x / x.abs().max() * 10.0**power
    elif dtype == torch.float32:
        x = x * 10.0 ** (power // 10)
    before, spectral = x.clone(), Superbands(bands=count)
    space = Superpixels(view, n_segments=count) if view in ("slic", "grid", "quickshift", "felzenszwalb") else None
    chosen = space or (spectral if view == "bands" else Cubes(Superpixels("grid", n_segments=count), spectral))
    features = quietly(chosen.features, x, layout=axes)
    assert torch.equal(x, before)
    features.check(tuple(x.shape))
    assert bool((features.mask >= 0).all())
    assert bool(features.present.any(0).all())
    channels = Layout(axes).canonical(x).shape[1]
    if space is not None:
        assert len(features) <= count
        assert features.canonical.shape[1] == 1
    if view == "bands":
        sizes = Counter(features.mask.flatten().tolist()).values()
        assert len(features) == min(count, channels)
        assert max(sizes) - min(sizes) <= 1
    again = quietly(chosen.features, x, layout=axes)
    assert torch.equal(again.mask, features.mask)
    assert again.names == features.names


@given(views, st.sampled_from([(0, 3, 4, 4), (2, 0, 4, 4), (2, 3, 0, 4), (2, 3, 4, 0)]))
def test_empty_inputs_are_named(view, shape):
    chosen = {"bands": Superbands(bands=2), "cubes": Cubes()}.get(view) or Superpixels(view, n_segments=4)
    with pytest.raises(ValueError, match=r"`inputs` should have shape \[B, \*dims\] and not be empty"):
        chosen.features(torch.zeros(shape))
    with pytest.raises(TypeError, match="`inputs` should be a tensor"):
        chosen.features(torch.zeros(2, 3, 4, 4).numpy())


@given(
    st.sampled_from(list(BASELINES)),
    st.sampled_from(["CHW", "HWC", "C", "1C", "W"]),
    seeds,
    st.sampled_from([torch.float16, torch.bfloat16]),
)
@example("segment_mean", "HWC", 3, torch.float16)
def test_a_baseline_is_as_good_in_half_precision(name, axes, seed, dtype):
    x = 300 * made(axes, 2, seed, dtype).abs()  # the sum of many does not fit into float16
    x = x.repeat_interleave(100, -1) if x.shape[-1] > 1 else x  # more elements than half precision can count
    features = Features.from_mask((torch.arange(x[0].numel()) % 3).view(1, *x.shape[1:]), layout=axes)
    baseline = BASELINES[name]()
    half, full = (baseline.bound(features, one)(one, features) for one in (x, x.double()))
    assert half.dtype == dtype
    torch.testing.assert_close(
        half.double(), full, rtol=0, atol=(0.01 if name == "blur" else 0.004) * float(x.abs().max()) * 2
    )


SIZES = st.one_of(st.just(0), st.floats(allow_nan=True), st.sampled_from([5e-324, 1e-200, 1e-3, 1e200]))


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "target": st.one_of(
                st.integers(),
                numbers,
                st.booleans(),
                st.text(max_size=2),
                st.lists(st.integers(-1, 3), max_size=3),
                st.sampled_from([torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.cfloat), object()]),
            ),
            "baseline": st.one_of(numbers, st.integers(), st.text(max_size=3), st.booleans(), st.just(10**400)),
            "batch_size": st.integers(-1, 3),
            "n_perturbations": st.integers(-1, 8) | numbers,
            "design": st.sampled_from(["paired", "bernoulli", "", None, 3]),
            "seed": st.integers() | st.lists(st.integers() | numbers, min_size=2, max_size=2),
        },
    ),
    st.sampled_from(
        [(Cosine, "kernel"), (Euclidean, "kernel"), (Ridge, "surrogate"), (Lasso, "surrogate"), (Blur, "baseline")]
    ),
    SIZES,
    st.sampled_from([torch.float32, torch.float16]),
    st.integers(0, 2),
)
def test_wrong_values_are_named_and_others_explain(change, strategy, size, dtype, outputs):
    x = torch.randn(2, 5, generator=rng(1)).to(dtype)
    kind, argument = strategy
    try:
        change = {argument: kind(size)} | change
        found = quietly(explain, lambda x: x.double()[:, :outputs], x, torch.arange(5), **change)
    except (ValueError, TypeError) as error:
        assert re.match(r"`\w+(`| = )", str(error)), error  # noqa: PT017
        assert type(error) in (ValueError, TypeError)  # noqa: PT017
    else:
        for name in ("coefficients", "intercept", "score", "fit_score", "gap"):
            assert getattr(found, name).isfinite().all(), name
        assert not found.standard_error.isnan().any()


@settings(max_examples=300)
@given(st.lists(anything, min_size=1, max_size=6, unique=True))
@example(["a!"])
@example(["con", "CON", "nul.txt", "a/b", "..", "a.", ".a", "é", "a\n", "\ud800"])
def test_any_text_becomes_a_file_name_of_its_own(texts):
    texts = list(dict.fromkeys([*texts, *map(safe_name, texts)]))
    found = [safe_name(text) for text in texts]
    assert len(set(found)) == len(texts)
    for name in found:
        assert 0 < len(name.encode()) <= 255
        assert not set(name) & set('<>:"/\\|?* \0\r\n\t')
        assert name[0] != "."
        assert name[-1] != "."
        assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE)
        assert safe_name(name) != name or name in texts


rows = st.builds(
    HistoryRow, st.integers(0, 2**63), st.integers(0, 50), anything, st.integers(0, 9), anything, anything,
    numbers, numbers, numbers, anything, numbers, anything, numbers, st.integers(-1, 2**63), numbers, numbers,
)  # fmt: skip


@given(st.lists(st.lists(rows, max_size=4), max_size=3), st.integers(0, 50), st.binary(max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_a_history_reads_back_as_it_was(tmp_path, parts, step, torn):
    path = tmp_path / "history.csv"
    path.unlink(missing_ok=True)
    history, written = HistoryFile(path), [row for part in parts for row in part]
    for part in parts:
        history.append(part)
    if not written:
        assert not path.exists()
        return
    assert repr(read_history(path)) == repr(written)
    with path.open("ab") as file:
        file.write(b'7,"' + torn.replace(b'"', b"").replace(b"\n", b""))  # a crash cuts a row off
    assert repr(read_history(path)) == repr(written)
    history.rewind(step)
    kept = [row for row in written if row.step <= step]
    history.append(written[:1])
    assert repr(read_history(path)) == repr([*kept, written[0]])
