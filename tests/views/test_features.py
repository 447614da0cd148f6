"""Features merged, renamed and laid over each other; the validity mask as two features; both as views."""

import pytest
import torch
from toys import Classifier, Samples, fit

from lime_callback import Cubes, Features, LimeCallback, Merged, Superbands, Superpixels, Validity, explain
from lime_callback.publishing.sinks import read_history

WEIGHTS = torch.tensor([3.0, -2.0, 0.5, 4.0, -1.0, 0.25])


def linear(x):
    """One output, linear in the six channels' sums over 2 x 2 pixels."""
    return x.sum((2, 3)) @ WEIGHTS.to(x)


def ones(batch=2):
    return torch.ones(batch, 6, 2, 2, dtype=torch.float64)


def channels():
    return Superbands([[c] for c in range(6)]).features(ones()).renamed({f"channel {c}": "abcdef"[c] for c in range(6)})


def coefficients(features, **settings):
    found = explain(linear, ones(), features, baseline="zero", n_perturbations=64, **settings)
    return dict(zip(features.names, found.coefficients[0, 0].tolist(), strict=True))


def test_merged_features_of_a_linear_model_add_what_their_members_add():
    apart = coefficients(channels())
    merged = channels().merged({"first": ["a", "d"], "last": [4, "f"]})
    assert merged.names == ("first", "b", "c", "last")
    together = coefficients(merged)
    for name, members in {"first": "ad", "b": "b", "c": "c", "last": "ef"}.items():
        assert together[name] == pytest.approx(sum(apart[one] for one in members), abs=1e-5)
    assert apart["a"] == pytest.approx(12, abs=1e-5)  # four pixels of weight 3


def test_a_group_stands_where_its_first_member_stood_and_may_take_a_members_name():
    features = Features(torch.tensor([[0, 1, 2, 3, -1]]), ("a", "b", "c", "d"), "C")
    merged = features.merged({"b": ["d", "b"]})
    assert merged.names == ("a", "b", "c")
    assert merged.mask.tolist() == [[0, 1, 2, 1, -1]]
    assert features.merged({}).names == features.names
    assert features.merged({"z": "c"}).names == ("a", "b", "z", "d")
    assert features.names == ("a", "b", "c", "d")
    assert features.mask.tolist() == [[0, 1, 2, 3, -1]]


def test_features_that_an_input_lacks_are_merged_too():
    features = Features(torch.tensor([[0, 0, 1], [2, 2, 2]]), ("a", "b", "c"), "C")
    merged = features.merged({"ac": ["a", "c"]})
    assert merged.mask.tolist() == [[0, 0, 1], [0, 0, 0]]
    assert merged.present.tolist() == [[True, True], [True, False]]


def test_renamed_features_keep_their_coefficients():
    before = coefficients(channels())
    after = coefficients(channels().renamed({"a": "iron", 1: "clay"}))
    assert list(after) == ["iron", "clay", "c", "d", "e", "f"]
    assert list(after.values()) == list(before.values())


def test_names_can_be_exchanged():
    assert channels().renamed({"a": "b", "b": "a"}).names == ("b", "a", "c", "d", "e", "f")


def test_a_mask_over_superpixels_wins_where_it_has_a_label():
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    slic = Superpixels("grid", n_segments=4).features(x)
    mask = torch.full((4, 4), -1)
    mask[:2, :3] = 5  # all of the first patch, and half of the second
    own = Superpixels(mask=mask).features(x)
    over = own.over(slic)
    assert over.names == ("superpixel 5", "superpixel 1", "superpixel 2", "superpixel 3")
    assert over.mask[0, 0].tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 3, 3], [2, 2, 3, 3]]


def test_names_that_are_taken_get_a_number_and_each_input_keeps_its_own_segments():
    a = Features(torch.tensor([[0, -1, -1, -1]]), ("x",), "C")
    b = Features(torch.tensor([[0, 0, 1, -1], [0, 1, 1, 1]]), ("x", "y"), "C")
    over = a.over(b)
    assert over.names == ("x", "x (2)", "y")
    assert over.mask.tolist() == [[0, 1, 2, -1], [0, 2, 2, 2]]


def test_masks_in_space_and_in_wavelength_can_lie_over_each_other():
    x = torch.ones(1, 6, 2, 2)
    corner = Features.from_mask(torch.tensor([[[[0, -1], [-1, -1]]]]), prefix="corner ")
    over = corner.over(Superbands(2).features(x))
    assert over.mask.shape == (1, 6, 2, 2)
    assert over.names == ("corner 0", "channels 0-2", "channels 3-5")
    assert [int((over.mask == label).sum()) for label in range(3)] == [6, 9, 9]


BELOW = Features(torch.tensor([[0, 1]]), ("p", "q"), "W")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda f: f.merged({"x": ["a", "z"]}), ValueError, r"`groups\['x'\]` should hold features by.*'a', 'b'.*'z'"),
        (lambda f: f.merged({"x": [0, 6]}), ValueError, r"by their numbers in the mask, 0 to 5. Found 6"),
        (lambda f: f.merged({"x": []}), ValueError, r"`groups\['x'\]` should hold at least one feature"),
        (lambda f: f.merged({"x": ["a", "b"], "y": [1]}), ValueError, "each feature once. Found 'b' in 'x' and in 'y'"),
        (lambda f: f.merged({"c": ["a", "b"]}), ValueError, "like a feature outside of it. Found 'c'"),
        (lambda f: f.merged({"x": [0.5]}), TypeError, r"should hold names or numbers of features. Found 0.5"),
        (lambda f: f.merged({"x": [True]}), TypeError, r"should hold names or numbers of features. Found True"),
        (lambda f: f.merged(["a", "b"]), TypeError, r"`groups` should be a dictionary such as {'field': \['a', 'b'\]}"),
        (lambda f: f.renamed({"z": "a"}), ValueError, "`names` should hold features by their names"),
        (lambda f: f.renamed({"a": "x", 0: "y"}), ValueError, "`names` should name each feature once.*'a'"),
        (lambda f: f.renamed({"a": "b"}), ValueError, r"`names` should be different from each other. Found \['b'\]"),
        (lambda f: f.renamed(["x"]), TypeError, "`names` should be a dictionary such as {'a': 'field'}"),
        (lambda f: f.over("slic"), TypeError, "`below` should be Features. Found a str"),
        (lambda f: f.over(BELOW), ValueError, r"`below` should be features of the same inputs, in the layout 'CHW'"),
        (
            lambda f: f.over(Superbands(2).features(torch.ones(1, 5, 2, 2))),
            ValueError,
            r"a mask that broadcasts with \(1, 6, 1, 1\). Found 'CHW' and \(1, 5, 1, 1\)",
        ),
    ],
)
def test_what_cannot_be_merged_or_renamed_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make(channels())


# ---------------------------------------------------------------------------------------------------------------------
# Merged views, and the mask's importance.


def test_a_merged_view_is_what_its_features_are():
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.full((2, 4, 4), -1)
    mask[:, :2] = 0
    view = Merged(
        [Superpixels(mask="field"), Superpixels("grid", n_segments=4)],
        groups={"rest": ["superpixel 2", "superpixel 3"]},
        names={"superpixel 0": "field"},
        name="parts",
    )
    found = view.features(x, batch={"field": mask})
    assert found.names == ("field", "rest")
    assert found.mask[1, 0].tolist() == [[0] * 4, [0] * 4, [1] * 4, [1] * 4]
    one = Merged(Superpixels("grid", n_segments=4), {"top": [0, 1]}).features(x)
    assert one.names == ("top", "superpixel 2", "superpixel 3")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Merged([]), ValueError, "`views` should hold at least one view"),
        (lambda: Merged("slic"), TypeError, "`views` should be a view or several. Found `views = 'slic'`"),
        (lambda: Merged(Superpixels(), ["a"]), TypeError, r"`groups` should be a dictionary. Found"),
        (lambda: Merged(Superpixels(), names="a"), TypeError, r"`names` should be a dictionary. Found"),
        (lambda: Merged(Superpixels(), name="a/b"), ValueError, "`name` should be a name of letters"),
        (lambda: Validity([[1]]), TypeError, "`valid` should be an integer tensor or array, the key of a batch entry"),
        (lambda: Validity(torch.ones(2, 2)), ValueError, "`valid` should hold integers. Found dtype torch.float32"),
        (lambda: Validity("m", ["a"]), ValueError, r"`names` should be two different names.*\['a'\]"),
        (lambda: Validity("m", "ab"), ValueError, "`names` should be two different names.*'ab'"),
        (lambda: Validity("m", ("a", "a")), ValueError, "`names` should be two different names"),
        (lambda: Validity("m", name=""), ValueError, "`name` should be a name of letters"),
    ],
)
def test_wrong_settings_are_refused_at_construction(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def field(height=12, width=12):
    valid = torch.zeros(height, width, dtype=torch.bool)
    valid[2:7, 3:11] = True
    return valid


def test_the_importance_of_the_mask_is_that_of_its_two_sides():
    """A model that is linear in both sides: each coefficient is what its side adds, exactly."""
    valid, x = field(4, 12), torch.rand(3, 2, 4, 12, dtype=torch.float64)

    def model(x):
        return 2 * x[..., valid].sum((1, 2)) - 5 * x[..., ~valid].sum((1, 2))

    features = Validity(valid).features(x)
    assert features.names == ("inside", "outside")
    found = explain(model, x, features, baseline="zero", n_perturbations=16)
    expected = torch.stack([2 * x[..., valid].sum((1, 2)), -5 * x[..., ~valid].sum((1, 2))], 1)
    torch.testing.assert_close(found.coefficients[:, 0], expected, atol=0, rtol=1e-5)


def test_a_mask_that_is_true_outside_is_named_so():
    x = torch.rand(1, 2, 12, 12)
    found = Validity(~field(), names=("outside", "inside")).features(x)
    assert found.names == ("outside", "inside")
    assert torch.equal(found.mask[0, 0] == 1, field())


@pytest.mark.parametrize("layout", ["CHW", "HWC", "CWH", "1CHW"])
def test_validity_comes_in_every_layout_by_key_and_from_a_function(layout):
    from lime_callback.views.layout import Layout

    x = Layout(layout).restore(torch.rand(2, 3, 12, 12))
    valid = torch.stack([field(), torch.ones(12, 12, dtype=torch.bool)])
    given = valid.mT.contiguous() if layout == "CWH" else valid
    for one in (given, given.numpy(), "ok", lambda inputs: given):
        found = Validity(one).features(x, layout=layout, batch={"ok": given})
        assert torch.equal(found.canonical[:, 0] == 0, valid)
    assert found.present.tolist() == [[True, True], [True, False]]


def test_pixels_outside_are_a_feature_or_left_alone_as_the_user_asks():
    x = torch.rand(2, 3, 12, 12)
    alone, seen = Superpixels("grid", 4, valid=field()).features(x), Validity(field()).features(x)
    assert ((alone.mask < 0) == (seen.mask == 1)).all()
    assert (seen.mask >= 0).all()


def masked(x, y, i):
    return {"image": x, "label": y, "valid": field().to(torch.uint8), "part": torch.where(field(), 0, -1)}


@pytest.mark.usefixtures("blank_pictures")
def test_in_the_callback_by_a_batch_key(tmp_path):
    views = [
        Validity("valid"),
        Superpixels("grid", n_segments=4, valid="valid"),
        Merged([Superpixels(mask="part"), Superpixels("grid", n_segments=4)], names={0: "field"}),
    ]
    lime = LimeCallback(views, probes=3, n_perturbations=64, on_error="raise", target=0)
    fit(
        tmp_path, lime, model=lambda: Classifier(unpack=lambda b: (b["image"], b["label"])), data=Samples(pack=masked)
    )  # fmt: skip
    rows = read_history(tmp_path / "lime" / "history.csv")
    assert {row.feature for row in rows if row.view == "validity"} == {"inside", "outside"}
    assert {row.feature for row in rows if row.view == "merged"} == {"field", "superpixel 0 (2)"} | {
        f"superpixel {k}" for k in (1, 2, 3)
    }
    assert len(list((tmp_path / "lime" / "validity" / "attributions").glob("*.png"))) == 2
    assert lime.explanation("validity").coefficients.shape == (3, 1, 2)


def test_every_segmentation_can_be_merged():
    x = torch.rand(1, 6, 16, 16, generator=torch.Generator().manual_seed(0))
    for view in (Superpixels(n_segments=6), Superpixels("grid", 4), Superbands(4), Cubes(Superpixels(), Superbands(2))):
        features = view.features(x)
        whole = Merged(view, {"all": list(features.names)}).features(x)
        assert whole.names == ("all",)
        assert (whole.mask == 0).all()
