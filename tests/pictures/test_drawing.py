"""Figures of explanations: tiles, the strongest superpixels, seeds side by side, ensembles and aggregates."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from pages import page, texts
from toys import shown

from lime_callback import Aggregate, Superbands, Superpixels, explain, explain_all, figures
from lime_callback.figures import Panel, Tile, label2rgb, style, tiles
from lime_callback.pictures import draw_aggregate, draw_aggregate_spectra, draw_ensemble, draw_features, draw_stability
from lime_callback.pictures.input_panels import effect_limit, panels
from lime_callback.summaries.seed_stability import stability
from lime_callback.summaries.segmentation_ensemble import ensemble

SIDE = 24


def explained(batch=2, seed=0, view=None, n=64):
    x = torch.rand(batch, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    features = (view or Superpixels("grid", n_segments=9)).features(x)

    def forward(x):
        return torch.stack([x[:, :, :8].mean((1, 2, 3)) - x[:, :, 16:].mean((1, 2, 3)), x.mean((1, 2, 3)) ** 2], 1)

    return explain(forward, x, features, n_perturbations=n, seed=seed, design="bernoulli", baseline="zero")


def pictures(batch=2):
    return np.random.default_rng(0).integers(0, 255, (batch, SIDE, SIDE, 3), np.uint8)


def grey(value=200):
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def panel(heat=0.5):
    zeros = np.zeros((SIDE, SIDE), int)
    return Panel(grey(), np.full((SIDE, SIDE), heat), zeros, "a panel", "R² 0.9")


def test_tiles_and_panels_stand_in_rows_under_their_headings():
    segments = np.arange(SIDE)[:, None] // 12 + np.zeros((1, SIDE), int)
    rows = [("first row", [Tile(grey(), "one", "of two", segments), panel()]), ("", [Tile(grey(90), "two")])]
    figure = tiles(rows, limit=1.0, caption="all of it")
    assert {"first row", "one", "of two", "a panel", "R² 0.9", "two", "all of it"} <= set(texts(figure))
    assert len(shown(figure)) == 3
    picture = figures.render(figure)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    lines = [artist for artist in figure.artists if isinstance(artist, LineCollection)]
    assert SIDE in [len(artist.get_paths()) for artist in lines]  # between the halves, an edge for each pixel


def test_tiles_without_panels_need_no_scale():
    figure = tiles([("", [Tile(grey(), "one")] * 3)], caption="three")
    assert len(shown(figure)) == len(shown(figure, bars=True)) == 3
    assert "three" in texts(figure)
    assert len(shown(tiles([("", [panel()])], limit=1.0), bars=True)) == 2  # a map and its colour bar


def test_rows_of_fewer_tiles_are_larger():
    figure = tiles([("", [Tile(grey(), "one")] * 4), ("", [Tile(grey(), "two")] * 3)])
    places = [place for _, place in shown(figure)]
    assert places[4].width > 1.3 * places[0].width
    assert max(place.x1 for place in places) < 1


def test_more_than_four_tiles_of_a_row_go_on_in_a_second_line():
    figure = tiles([("first row", [Tile(grey(), f"tile {i}") for i in range(5)]), ("", [Tile(grey(), "other")])])
    places = [place for _, place in shown(figure)]
    lines = [round(place.y0, 3) for place in places]
    assert [lines.index(line) for line in lines] == [0, 0, 0, 3, 3, 5]
    assert len({round(place.width, 3) for place in places[:5]}) == 1
    assert texts(figure).count("first row") == 1


@pytest.mark.parametrize("count", [1, 3, 8])
def test_tiles_fill_the_page(count):
    figure = tiles([("", [Tile(grey(), "one")] * count)])
    width, _ = style.size(figure)
    right = max(place.x1 for _, place in shown(figure)) * width
    assert width <= 700
    assert right > 650 or count < 3


def test_label2rgb_tints_what_raises_orange_and_what_lowers_blue():
    mask = np.zeros((SIDE, SIDE), int)
    mask[:5], mask[-5:] = 1, -1
    image = pictures(1)[0]
    tinted = label2rgb(image, mask)
    assert tinted.dtype == np.uint8
    np.testing.assert_array_equal(tinted[5:-5], image[5:-5])
    for rows, colour in ((slice(0, 5), style.PLUS), (slice(-5, None), style.MINUS)):
        expected = 0.55 * image[rows] + 0.45 * 255 * np.array(to_rgb(colour))
        assert np.abs(tinted[rows] - expected).max() <= 1
    for alone in (np.minimum(mask, 0), np.maximum(mask, 0)):  # colours do not depend on what else is marked
        np.testing.assert_array_equal(label2rgb(image, alone)[alone != 0], tinted[alone != 0])


def test_draw_features_takes_the_options_of_the_field():
    explanation, images = explained(), pictures()
    figure = draw_features(explanation, images, num_features=2, hide_color=(9, 8, 7), class_names=["sky", "sum"])
    found = texts(figure)
    assert {"input 0 · sky", "input 0 · sum", "input 1 · sky", "input 1 · sum"} <= set(found)
    assert found.count("2 raise it, 0 lower it") == 4
    assert len(shown(figure)) == 12
    hidden, _ = shown(figure)[2]
    seen = explanation.image_and_mask(torch.from_numpy(images).movedim(-1, 1), num_features=2)[1][0, 0, 0].numpy()
    np.testing.assert_array_equal(hidden[seen == 0], np.broadcast_to([9, 8, 7], hidden[seen == 0].shape))
    np.testing.assert_array_equal(hidden[seen == 1], images[0][seen == 1])
    both = texts(draw_features(explanation, images, num_features=6, positive_only=False))
    assert "3 raise it, 3 lower it" in both
    lowering = texts(
        draw_features(explanation, images, num_features=6, positive_only=False, negative_only=True, min_weight=1e-3)
    )
    assert "0 raise it, 3 lower it" in lowering


def test_draw_stability_puts_five_seeds_side_by_side_with_the_numbers():
    seeds = [explained(seed=seed) for seed in range(5)]
    figure = draw_stability(seeds, pictures(), k=3, class_names=["sky", "sum"], caption="five seeds")
    found = texts(figure)
    assert found.count("explanation 5") == 4
    titles = ["input 0 · sky", "input 0 · sum", "input 1 · sky", "input 1 · sum"]
    assert [text for text in found if text.startswith("input")] == titles
    headings = [found[found.index(name) + 1] for name in titles]
    assert not any("…" in heading for heading in headings)
    assert all("top-3 overlap" in heading for heading in headings)
    numbers = stability(seeds, 3)
    for heading, (b, t) in zip(headings, np.ndindex(2, 2), strict=True):
        pairs = numbers.cosine[:, :, b, t][~torch.eye(5, dtype=torch.bool)]
        assert f"cosine {pairs.mean():.2f} (least {pairs.min():.2f}), rank correlation" in heading
    assert len(shown(figure)) == 4 * 5


def test_draw_stability_compares_groups():
    groups = {name: [explained(1, seed=seed) for seed in range(3)] for name in ("a few", "others")}
    found = texts(draw_stability(groups, pictures(1)))
    for name, target in itertools.product(("a few", "others"), "01"):
        assert found.count(f"{name} · {target}") == 1
        assert found[found.index(f"{name} · {target}") + 1].startswith("cosine ")


def test_panels_show_effects():
    explanation = explained()
    (one,) = panels(explanation, pictures(), [(1, 0)], lambda b, t: {"title": f"{b} {t}", "subtitle": ""})
    effects = explanation.effects[1, 0]
    np.testing.assert_allclose(one.heat, effects[explanation.features.mask[0, 0].long()])
    assert one.title == "1 0"
    assert effect_limit(1) == 1.0
    assert effect_limit(100) == 0.16
    # Round, and so is its half, where the colour bar has a tick.
    assert [effect_limit(d) for d in (2, 4, 16, 20, 30, 196)] == [1.0, 0.8, 0.4, 0.4, 0.3, 0.12]


def test_what_there_is_no_room_for_is_told():
    many = [explained(9, seed=seed) for seed in range(2)]
    for figure in (
        draw_features(many[0], pictures(9), caption="all"),
        draw_stability(many, pictures(9), caption="all"),
    ):
        assert "all · first 16 of 18 shown" in texts(figure)
    assert "first 8 of 18 shown" in texts(draw_ensemble({"grid": many[0]}, pictures(9)))


def sides():
    return {f"{n} x {n}": explained(view=Superpixels("grid", n_segments=n**2), n=128) for n in (3, 4, 6)}


def test_draw_ensemble_shows_the_members_their_mean_and_where_they_agree():
    members = sides()
    figure = draw_ensemble(members, pictures(), class_names=["sky", "sum"])
    found = texts(figure)
    assert {"3 x 3", "6 x 6", "mean", "where they agree", "of 3 maps"} <= set(found)
    assert sum(text.startswith("9 superpixels, R² ") for text in found) == 4
    rows = [found[i + 1] for i, text in enumerate(found) if text == "input 1 · sky"]
    assert rows == ["each segmentation by itself", "all of them together"]
    assert len(shown(figure)) == 4 * (3 + 3)
    # White where members do not agree: no colour, and only there.
    together = ensemble(members.values())
    drawn = shown(figure)[5][0].astype(int)
    white = np.ptp(drawn, axis=-1) <= 1
    mean, spread = together.heatmap[0, 0, 0], together.spread[0, 0, 0]
    np.testing.assert_array_equal(white, (mean.abs() <= spread).numpy())
    assert 0.05 < white.mean() < 0.95


@pytest.fixture(scope="module")
def spectral():
    """Two outputs that are linear in six bands, of eleven cubes."""
    x = torch.rand(11, 6, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.tensor([[1.0, -2.0, 0.5, 0.0, 3.0, -1.0], [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)

    def forward(x):
        return x.mean((2, 3)) @ weight.T

    def found(view, **settings):
        return explain_all(forward, [x[:4], x[4:]], view, baseline="zero", n_perturbations=32, **settings)

    return found


NM = [400.0, 500.0, 600.0, 700.0, 800.0, 900.0]


def test_an_aggregate_is_drawn_like_a_single_explanation_with_its_spread(spectral):
    found = spectral(Superbands(3), wavelengths=NM)
    figure, charts = page(draw_aggregate, found, wavelengths=NM, class_names=["wheat", "corn"], caption="validation")
    assert {"wheat", "corn", "validation · mean of 11 inputs", "mean ± spread over the inputs"} <= set(texts(figure))
    assert "mean with sign, 95 % interval over the inputs" in texts(figure)
    assert len(charts) == 2
    for t, chart in enumerate(charts):
        bars = np.concatenate([chart.rectangles(colour) for colour in (style.SIZE, style.SIZE_LEADING)])
        bars = bars[np.argsort(bars[:, 0])]
        np.testing.assert_allclose(bars[:, [0, 2]], [[350, 550], [550, 750], [750, 950]], atol=1e-6)
        np.testing.assert_allclose(bars[:, 3], found.magnitude[t], atol=1e-6)
        means = chart.marks("D")
        np.testing.assert_allclose(
            means[np.argsort(means[:, 0])], np.stack([[450, 650, 850], found.mean[t]], 1), atol=1e-6
        )
        spans = chart.rectangles(style.NEUTRAL)
        spans = spans[np.argsort(spans[:, 0])][:, [1, 3]]
        np.testing.assert_allclose(
            spans, torch.stack([found.mean[t] - found.spread[t], found.mean[t] + found.spread[t]], 1), atol=1e-6
        )
        low, high = chart.frame.upright
        assert low < spans.min()
        assert high > spans.max()


def test_an_aggregate_is_drawn_over_the_wavelength(spectral):
    found = spectral(Superbands({"red edge": (590.0, 710.0)}), wavelengths=NM)
    figure, charts = page(draw_aggregate_spectra, found, wavelengths=NM, caption="validation")
    assert {"0", "1", "mean R² 1.00", "validation · mean of 11 inputs"} <= set(texts(figure))
    assert len(charts) == 2
    assert texts(figure).count("wavelength (nm)") == 2
    mean, spread = (found.on_channels(values)[0].numpy() for values in (found.mean, found.spread))
    shape, _ = (
        artist for artist in figure.artists
        if isinstance(artist, PolyCollection) and artist.get_alpha() == figures.colour_scale.SPAN["alpha"]
    )  # fmt: skip
    reach = charts[0].values(shape.get_paths()[0].vertices)[:, 1]
    assert reach.max() == pytest.approx(float((mean + spread).max()))
    assert reach.min() == pytest.approx(float((mean - spread).min()))
    bars = np.concatenate([
        charts[0].rectangles(colour)
        for colour in (style.PLUS, style.MINUS, style.PLUS_UNSURE, style.MINUS_UNSURE)
    ])  # fmt: skip
    bars = bars[np.argsort(bars[:, 0])]
    np.testing.assert_allclose(bars[:, 1] + bars[:, 3], mean, atol=1e-6)
    assert not any("spectrum" in text for text in texts(figure))


def test_aggregates_of_other_features_of_one_input_and_with_a_gate_are_drawn_too(spectral):
    assert {f"superpixel {i}" for i in range(4)} <= set(texts(draw_aggregate(spectral(Superpixels("grid", 4)))))
    single = texts(draw_aggregate(Aggregate().add(explained(1))))
    assert "mean with sign, no interval is known" in single  # of one input there is no interval over the inputs
    assert "mean ± spread over the inputs" not in single
    x = torch.rand(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    curved = explain(lambda x: x.mean((1, 2, 3)).mul(9).sin(), x, Superpixels("grid", 9).features(x))
    gate = float(curved.score.median())
    assert "mean of 5 of 8 inputs" in texts(draw_aggregate(Aggregate(gate).add(curved)))


def test_drawing_leaves_pyplot_alone():
    code = (
        "import sys, numpy as np, torch; from lime_callback import Superpixels, explain_all, explain\n"
        "from lime_callback.pictures import draw_aggregate, draw_ensemble, draw_features, draw_stability\n"
        "assert 'matplotlib' not in sys.modules; from lime_callback import figures\n"
        "x = torch.rand(1, 3, 12, 12)\n"
        "f = lambda x: x[..., :4].mean((1, 2, 3)); view = Superpixels('grid', 4); one = lambda s: explain(f, x, "
        "view.features(x), seed=s, n_perturbations=8, design='bernoulli')\n"
        "p = np.zeros((1, 12, 12, 3), np.uint8)\n"
        "for drawn in (draw_stability([one(0), one(1)], p), draw_ensemble({'a': one(0)}, p), "
        "draw_features(one(0), p), draw_aggregate(explain_all(f, [x], view))): figures.render(drawn)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: tiles([]), "`rows` should be 1 to 16 rows of 1 to 8 tiles or panels. Found rows of []."),
        (lambda: tiles([("", [])]), "Found rows of [0]."),
        (lambda: tiles([("", [Tile(grey(), "one")] * 9)]), "Found rows of [9]."),
        (lambda: tiles([("", [panel()])]), "`limit` should be the coefficient at the ends of the colour scale"),
        (lambda: tiles([("", [panel()])], limit=-1.0), "Found `limit = -1.0`"),
        (lambda: Tile(grey().astype(float), "one"), "`image` should be uint8 of shape [H, W, 3]"),
        (lambda: Tile(grey(), "one", "", np.zeros((2, 2))), "`segments` should have one value for each pixel"),
        (lambda: label2rgb(grey(), np.zeros((2, 2))), "`mask` should have one value for each pixel of `image`"),
        (lambda: draw_features(explained(), pictures(1)), "`pictures` should be uint8 of shape (2, 24, 24, 3)"),
        (lambda: draw_features(explained(), pictures() / 255), "Found float64 of shape (2, 24, 24, 3)"),
        (
            lambda: draw_features(explained(view=Superbands(3)), pictures()),
            "`explanation` should be one of superpixels",
        ),
        (lambda: draw_features(explained(), pictures(), negative_only=True), "should not both be true"),
        (lambda: draw_stability([explained()], pictures()), "`explanations` should be at least two"),
        (lambda: draw_stability([explained()] * 9, pictures()), "Found rows of [9, 9, 9, 9]."),
        (lambda: draw_ensemble({}, pictures()), "`explanations` should be at least one"),
        (lambda: draw_ensemble({"a": explained(1), "b": explained(2)}, pictures(1)), "`pictures` should be uint8"),
        (lambda: draw_aggregate(Aggregate()), "An aggregate should have at least one explanation"),
        (lambda: draw_aggregate_spectra(Aggregate().add(explained(1))), "Values on channels need features"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        draw()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: draw_ensemble([explained()], pictures()), "`members` should be explanations by their names"),
        (lambda: draw_aggregate([explained()]), "`aggregate` should be an Aggregate. Found a list"),
        (lambda: draw_features([explained()], pictures()), "`explanation` should be an Explanation. Found a list"),
    ],
)
def test_what_is_of_another_kind_is_refused(draw, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        draw()
