"""A run on one page: its numbers, its names, what it does without some of its files, and what a person sees of it."""

import base64
import json
import math
import re
from io import BytesIO

import numpy as np
import pytest
import torch
from logged_names import further_classes, metrics_of_one_epoch, verdict_measures
from matplotlib.figure import Figure
from matplotlib.image import imread
from report_pages import history, named, opened, pixels, views
from toys import WAVELENGTHS, fit, loader, trainer

from lime_callback import LimeCallback, Watch, explain
from lime_callback.__main__ import main
from lime_callback.explaining.effects import magnitudes
from lime_callback.figures.labels import Label
from lime_callback.following.watch_alarms import level, questions
from lime_callback.publishing.run_metadata import FORMAT, data_uri
from lime_callback.publishing.sinks import HistoryFile, HistoryRow
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile, read_measures
from lime_callback.report import find_runs, read, write_page
from lime_callback.report.feature_places import named_places, spatial_places, spectral_places
from lime_callback.report.history_tables import moments_of, tables_of
from lime_callback.report.html_page import page_text as page_of
from lime_callback.report.page_alarms import alarm_reaches
from lime_callback.report.page_data import page_data
from lime_callback.surrogates.confidence_intervals import critical_value, mean_over_probes
from lime_callback.views.features import Features

MINUS = "\N{MINUS SIGN}"
NASTY = [
    "<script>window.broken = 1</script>",
    "</script><img src=x onerror='window.broken = 1'>",
    '{{style}} & "quotes"',
]


def unpacked(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(shape)


# ---- the numbers


def test_the_page_holds_the_history_to_the_last_digit(run, tmp_path):
    found = read(run)
    text = write_page([found], tmp_path / "page.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    (one,) = json.loads(data)["runs"]
    assert [view["name"] for view in one["views"]] == ["spatial", "spectral"]
    shown = {}
    for view in one["views"]:
        shape = (len(one["moments"]), view["slots"], len(view["features"]))
        values, errors = (unpacked(view[name], *shape) for name in ("coefficients", "errors"))
        scores = unpacked(view["scores"], *shape[:2])
        for m, (epoch, step, _) in enumerate(one["moments"]):
            for s, (probe, target) in enumerate(view["lists"][view["which"][m]]):
                for f, feature in enumerate(view["features"]):
                    numbers = values[m, s, f], errors[m, s, f], scores[m, s]
                    shown[epoch, step, view["name"], probe, target, feature] = numbers
    assert len(shown) == len(found.history) == 3 * 3 * (9 + 6)
    for row in found.history:  # explanations are computed in float32, so nothing at all is lost
        assert shown[row[:6]] == (row.coefficient, row.standard_error, row.score)


def test_measures_are_those_that_were_logged(run):
    rows = read_measures(run / "lime" / "measures.csv")
    assert {(row.epoch, row.view) for row in rows} == {(e, v) for e in (1, 2, 3) for v in ("spatial", "spectral")}
    first = {row.measure for row in rows if row.epoch == 1}
    # So few forwards as these views have suffice for the watch, and not for the superbands besides.
    of_run = {"epochs", "reliance_everything", "reliance_of_classes"}
    assert first - further_classes("green") == of_run | metrics_of_one_epoch("green") | verdict_measures("green")
    assert {"drift", "noise_floor", "changed", "drift_from_start"} <= {row.measure for row in rows if row.epoch == 2}
    assert [row.value for row in rows if (row.view, row.measure) == ("spectral", "epochs")] == [1, 2, 3]
    by_epoch = {row.epoch: row.value for row in rows if (row.view, row.measure) == ("spatial", "score")}
    for epoch, score in by_epoch.items():
        own = [row.score for row in read(run).history if (row.epoch, row.view) == (epoch, "spatial")]
        assert score == pytest.approx(np.mean(own), abs=1e-6)


def test_a_run_tells_how_it_was_explained(run):
    about = read(run).about
    assert about["wavelengths"] == WAVELENGTHS
    assert about["class_names"] == ["one", "two", "three"]
    assert about["settings"]["n_perturbations"] == 64
    place = {"extent": "2 of 6 bands, 520 to 580 nm", "elements": "bands"}
    assert about["watch"] == {"green": {"above": None, "below": 0.9, "reliance": 0.05, "changed": None} | place}
    assert [probe["number"] for probe in about["probes"]] == [0, 1, 2]
    for probe in about["probes"]:
        assert imread(BytesIO(base64.b64decode(probe["picture"].split(",")[1]))).shape == (12, 12, 3)
        assert len(probe["spectrum"]) == 6
        assert probe["label"] in about["class_names"]


def test_a_large_picture_is_reduced():
    picture = imread(BytesIO(base64.b64decode(data_uri(np.zeros((600, 300, 3), np.uint8)).split(",")[1])))
    assert picture.shape == (256, 128, 3)


def test_a_new_run_in_a_folder_leaves_what_is_there_and_a_resumed_one_goes_on(tmp_path):
    def lime():
        return LimeCallback(views(), wavelengths=WAVELENGTHS, n_perturbations=64, probes=2, pictures=False)

    fit(tmp_path, lime(), epochs=1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "lime").iterdir()}
    one, model = fit(tmp_path, lime(), epochs=2)
    folder = tmp_path / "lime_1"
    assert {path.name: path.read_bytes() for path in (tmp_path / "lime").iterdir()} == before
    assert {row.epoch for row in read_measures(folder / "measures.csv")} == {1, 2}
    one.save_checkpoint(tmp_path / "last.ckpt")
    again = trainer(tmp_path, lime(), epochs=4)
    again.fit(model, loader(shuffle=True), loader(), ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    keys = [(row.epoch, row.view, row.measure) for row in read_measures(folder / "measures.csv")]
    assert {key[0] for key in keys} == {1, 2, 3, 4}
    assert len(set(keys)) == len(keys)
    assert sorted(path.name for path in tmp_path.glob("lime*")) == ["lime", "lime_1"]


# ---- where features lie


def test_superbands_lie_where_their_channels_are():
    mask = torch.tensor([0, 0, 1, -1, 1, 1]).view(1, 6, 1, 1)
    explanation = explain(
        lambda x: x.mean((1, 2, 3)), torch.rand(1, 6, 2, 2), Features(mask, ("a", "b"), "CHW"), baseline="zero"
    )
    places = spectral_places(explanation, [400.0, 410.0, 420.0, 430.0, 440.0, 600.0])
    assert places["cells"] == [[395, 415, 0], [415, 425, 1], [435, 445, 1], [595, 605, 1]]
    assert places["gaps"] == [(445, 595)]
    assert spectral_places(explanation, None)["cells"] == [[-0.5, 1.5, 0], [1.5, 2.5, 1], [3.5, 5.5, 1]]


def test_regions_are_the_mask_and_cubes_have_their_shares():
    mask = torch.tensor([[[0, 0, -1], [0, 2, 2]], [[1, 1, -1], [1, 2, 2]]]).unsqueeze(0)
    explanation = explain(
        lambda x: x.mean((1, 2, 3)), torch.rand(1, 2, 2, 3), Features(mask, tuple("abc"), "CHW"), baseline="zero"
    )
    places = spatial_places(explanation)
    assert (places["width"], places["height"]) == (3, 2)
    runs = np.frombuffer(base64.b64decode(places["runs"][0]), "<u2").reshape(-1, 2)
    shares = [places["shares"][region] for region in np.repeat(runs[:, 1], runs[:, 0])]
    half = [[0, 0.5], [1, 0.5]]
    assert shares == [half, half, [], half, [[2, 1.0]], [[2, 1.0]]]


def test_names_tell_wavelengths_where_nothing_else_does():
    assert named_places(["400-488 nm", "498.5-587 nm"])["cells"] == [[400, 488, 0], [498.5, 587, 1]]
    assert named_places(["400-488 nm", "red edge"]) is None


# ---- folders


def test_a_run_is_found_from_each_of_its_folders(run):
    path = run / "lime" / "history.csv"
    assert find_runs(run) == find_runs(run / "lime") == find_runs(path) == find_runs(run.parent / run.name) == [path]


def test_a_folder_without_a_history_says_what_is_there(tmp_path, capsys):
    (tmp_path / "events.out").touch()
    with pytest.raises(FileNotFoundError, match=r"Looked for `history.csv` in .* Found a folder with events.out"):
        find_runs(tmp_path)
    assert main(["report", str(tmp_path / "nowhere")]) == 1
    assert "Found no such file or folder" in capsys.readouterr().err


def test_an_empty_history_and_several_runs_are_told(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        history(tmp_path / name)
    with pytest.raises(ValueError, match=r"`path` should lead to one run. Found 2"):
        read(tmp_path)
    (tmp_path / "a" / "history.csv").write_text(",".join(HistoryRow._fields) + "\n")
    with pytest.raises(ValueError, match="at least one row"):
        read(tmp_path / "a")
    with pytest.raises(ValueError, match="at least one run"):
        write_page([], tmp_path / "page.html")


def test_a_history_alone_is_enough_and_the_page_says_what_is_missing(tmp_path, browser, capsys):
    history(tmp_path, features=("400-488 nm", "498-587 nm"))
    history(tmp_path, view="spatial")
    assert main(["report", str(tmp_path)]) == 0
    assert "run.json is not there" in capsys.readouterr().out
    assert opened(browser, tmp_path / "lime_report.html") == []
    for name in ("measures.csv", "run.json", "spatial.npz"):
        assert browser.get_by_text(f"{name} is not there").is_visible()
    assert browser.get_by_role("img", name="spectral: effects over the spectrum").is_visible()
    assert browser.get_by_role("img", name="spatial: strongest features").is_visible()
    assert browser.locator("canvas[role=img]").count() == 0
    assert "noise is not known" in browser.locator("#glance").inner_text()


def test_files_that_cannot_be_read_are_told_and_left_out(tmp_path):
    history(tmp_path)
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "measures.csv").write_text("mine\n")
    (tmp_path / "spectral.npz").write_bytes(b"PK")
    found = read(tmp_path)
    assert [note.split(" could")[0] for note in found.notes] == ["measures.csv", "run.json", "spectral.npz"]
    assert page_data(found)["views"][0]["axis"] is None


def test_several_runs_go_onto_one_page(tmp_path, browser, capsys):
    for name in ("a", "b"):
        (tmp_path / name / "lime").mkdir(parents=True)
        history(tmp_path / name / "lime", epochs=2 if name == "a" else 5)
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "both.html")]) == 0
    assert "2 runs" in capsys.readouterr().out
    assert opened(browser, tmp_path / "both.html") == []
    assert "2 explained epochs" in browser.locator("#path").inner_text()
    browser.get_by_label("Run").select_option("b")
    assert "5 explained epochs" in browser.locator("#path").inner_text()


def test_numbers_that_are_not_finite_do_no_harm(tmp_path, browser):
    rows = history(tmp_path)
    odd = [math.nan, math.inf, -math.inf, 1e300]
    bad = [
        row._replace(epoch=5, step=99, coefficient=odd[i % 4], standard_error=odd[i % 3]) for i, row in enumerate(rows)
    ]
    HistoryFile(tmp_path / "history.csv").append(bad)
    MeasuresFile(tmp_path / "measures.csv").append([MeasureRow(5, 99, "spectral", "drift", math.nan)])
    assert opened(browser, write_page([read(tmp_path)], tmp_path / "page.html")) == []


# ---- names


def test_names_are_shown_as_they_are(tmp_path, browser):
    folder = tmp_path / "{{style}} & <b>"
    folder.mkdir()
    history(folder, features=(*NASTY, "x" * 300, "half \ud800"), targets=(NASTY[0],), view=NASTY[1][:30])
    text = page_of([read(folder)])
    assert "<script>window" not in text
    assert "<img src=x" not in text
    path = write_page([read(folder)], tmp_path / "page.html")
    assert opened(browser, path) == []
    assert browser.evaluate("window.broken") is None
    assert browser.title().startswith("{{style}} & <b>")
    assert NASTY[0] in browser.locator("svg title").all_text_contents()
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "…" in browser.get_by_role("img", name=re.compile("strongest features")).text_content()


# ---- what a person sees


SEEN = {
    "spectral: effects over the spectrum": (600, 200),
    "spectral: strongest features": (250, 150),
    "spectral: waterfall of effects": (600, 100),
    "spectral: score over the epochs": (250, 120),
    "spectral: drift over the epochs": (250, 120),
    "spectral: watched shares": (250, 120),
    "spatial: waterfall of effects": (600, 90),
    "spatial: strongest features": (250, 200),
    "spatial: drift over the epochs": (300, 120),
    "probe 2 · three: map of the effects after 3 epochs. Strongest": (80, 80),
    "probe 2 · three: picture of the input": (80, 80),
}


def test_each_picture_is_found_by_its_label_and_is_not_blank(path, browser):
    assert opened(browser, path) == []
    names = [
        name.replace("probe 2 · three", browser.locator(".probe button").nth(2).get_attribute("title")) for name in SEEN
    ]
    for name, (width, height) in zip(names, SEEN.values(), strict=True):
        picture = named(browser, name)
        box = picture.bounding_box()
        assert box["width"] >= width, name
        assert box["height"] >= height, name
        colours = len(np.unique(pixels(picture).reshape(-1, 3), axis=0))
        assert colours > 8, f"{name!r} is blank"


def test_the_slider_moves_by_keyboard_and_the_pictures_change(path, browser):
    assert opened(browser, path) == []
    names = [*list(SEEN)[:3], "spatial: strongest features"]
    slider = browser.get_by_role("slider", name="Epoch")
    slider.focus()
    assert slider.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    shown = {}
    for key in ("End", "ArrowLeft", "Home"):
        slider.press(key)
        browser.wait_for_timeout(50)
        said = slider.get_attribute("aria-valuetext")
        last = browser.locator("canvas[role=img]").nth(1)
        shown[said] = [pixels(named(browser, name)) for name in names] + [pixels(last)]
        assert said.split(",")[0] in named(browser, names[0]).get_attribute("aria-label")
    assert [said.split(",")[0] for said in shown] == ["after 3 epochs", "after 2 epochs", "after 1 epoch"]
    one, two, three = shown.values()
    for a, b, c in zip(one, two, three, strict=True):
        assert a.shape != b.shape or (a != b).any()
        assert b.shape != c.shape or (b != c).any()


OF_VIEW = "([name, what]) => { const view = runs[0].views.find((one) => one.name === name); return "


def test_effects_are_those_of_the_explanations(run, path, browser):
    """Worked out from the coefficients and their errors alone."""
    assert opened(browser, path) == []
    for name, last in read(run).explanations.items():
        every = f"{OF_VIEW} view.who(2).map((_, s) => view.features.map((_, f) => view.effect(2, s, f))); }}"
        np.testing.assert_allclose(browser.evaluate(every, [name, ""]), last.effects[:, 0].numpy(), atol=1e-5)


def test_intervals_are_those_of_the_explanations(run, path, browser):
    """Of a single probe by its freedom, the strongest for all features at once; of a mean by the spread over probes."""
    assert opened(browser, path) == []
    name = "spectral"
    last = read(run).explanations[name]
    one = f"{OF_VIEW} view.mean(2, {{ probe: 1, target: null }})[what]; }}"
    attribution = magnitudes(last.coefficients, last.standard_error).sum(-1)[1, 0]
    own = (last.half_widths()[1, 0] / attribution).numpy()
    np.testing.assert_allclose(browser.evaluate(one, [name, "halves"]), own, rtol=1e-3)
    rows = f"{OF_VIEW} strongest(view, 2, {{ probe: 1, target: null }}, 3).map((row) => [row.f, row.half]); }}"
    together = last.half_widths(simultaneous=True)[1, 0] / attribution
    for f, half in browser.evaluate(rows, [name, ""]):
        assert half == pytest.approx(float(together[f]), rel=1e-3)
    every = f"{OF_VIEW} view.mean(2, {{ probe: null, target: null }})[what]; }}"
    mean = mean_over_probes(last.effects[:, 0], last.effect_errors[:, 0])
    np.testing.assert_allclose(browser.evaluate(every, [name, "errors"]), mean.error.numpy(), rtol=1e-3)
    np.testing.assert_allclose(browser.evaluate(every, [name, "halves"]), mean.half_width().numpy(), rtol=1e-3)
    sizes = last.effects[:, 0].abs().mean(0).numpy()
    np.testing.assert_allclose(browser.evaluate(every, [name, "sizes"]), sizes, atol=1e-5)


def test_without_explanations_intervals_are_as_long_as_they_may_be(tmp_path):
    history(tmp_path)
    (view,) = page_data(read(tmp_path))["views"]
    assert view["quantiles"] == pytest.approx([2.086, 2.744], abs=1e-3)  # t of 20, at 0.975 and at 1 - 0.025 / 4


def test_unknown_errors_draw_no_interval_and_say_so(tmp_path, browser):
    rows = history(tmp_path, probes=1, epochs=1, features=("400-488 nm", "498-587 nm", "600-700 nm"))
    unknown = [row._replace(epoch=2, step=20, standard_error=math.inf, score=-0.1) for row in rows]
    HistoryFile(tmp_path / "history.csv").append(unknown)
    assert opened(browser, write_page([read(tmp_path)], tmp_path / "page.html")) == []
    bars = named(browser, "spectral: effects over the spectrum")
    assert bars.locator(".whisker").count() == 0
    bars.locator("..").focus()
    browser.keyboard.press("ArrowRight")
    assert "no interval known" in bars.locator("../../*[@aria-live]").inner_text()
    assert "±" not in named(browser, "spectral: strongest features").text_content()
    fills = bars.locator("rect.bar").evaluate_all("all => all.map((one) => one.getAttribute('fill'))")
    assert fills
    assert all("unsure" in fill for fill in fills)
    assert "No intervals" in browser.locator("#glance").inner_text()
    browser.locator("summary", has_text="All numbers").first.click()
    browser.locator("tbody tr").first.wait_for()
    assert browser.locator("td", has_text="not known").count() == 3


def test_a_watch_is_beyond_its_bound_where_the_run_says_so(tmp_path, browser):
    """By the level of the epoch among all epochs and questions."""
    history(tmp_path, epochs=3, probes=5)
    bounds = {"above": 0.5, "below": None, "reliance": None}
    about = {"format": FORMAT, "watch": {"a": bounds, "b": bounds | {"below": 0.1}}}
    (tmp_path / "run.json").write_text(json.dumps(about))
    MeasuresFile(tmp_path / "measures.csv").append(
        MeasureRow(e, 10 * e, "spectral", f"{what}/{name}", value)
        for e in (1, 2, 3) for name, error in (("a", 0.01), ("b", 0.1))
        for what, value in (("watch", 0.6), ("watch_error", error), ("reliance", 0.1))
    )  # fmt: skip
    watches = {name: Watch(bands=[0], above=0.5, below=0.1 if name == "b" else None) for name in "ab"}
    asked = questions([watches], watches, True)
    assert asked == 4
    there = read(tmp_path)
    (table,) = tables_of(there, moments_of(there))
    reaches = [float(critical_value(4, 1 - 2 * level(k, asked))) for k in (1, 2, 3)]
    assert alarm_reaches(there, table) == pytest.approx(reaches)
    (view,) = page_data(there)["views"]
    assert [[alarm["watch"] for alarm in alarms] for alarms in view["alarms"]] == [["a"]] * 3
    assert opened(browser, write_page([read(tmp_path)], tmp_path / "page.html")) == []
    looks = browser.locator("#glance .look > .big, #glance li.look").all_text_contents()
    assert looks[0].replace("\N{NO-BREAK SPACE}", " ") == "Watch “a”: 60 %"
    assert not any("Watch “b”" in text for text in looks)  # 0.6 lies within ten errors of 0.5


def test_a_probe_can_be_looked_at_alone(run, path, browser):
    assert opened(browser, path) == []
    label = named(browser, "spectral: effects over the spectrum").get_attribute("aria-label")
    assert "mean of 3 probes" in label
    button = browser.locator(".probe button").nth(1)
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    label = named(browser, "spectral: effects over the spectrum").get_attribute("aria-label")
    assert f"{button.get_attribute('title')}. Strongest" in label
    strongest = max(
        (row for row in read(run).history if (row.epoch, row.view, row.probe) == (3, "spectral", 1)),
        key=lambda row: abs(row.coefficient),
    )
    last = read(run).explanations["spectral"]
    effect = float(last.effects[1, 0, last.features.names.index(strongest.feature)])
    assert f"Strongest: {strongest.feature} {effect:+.2f}" in label.replace(MINUS, "-")


def test_an_alarm_is_seen_at_a_glance(path, browser):
    assert opened(browser, path) == []
    assert "Watch “green”: the model rests on it" in browser.locator("#glance .answers > .look").all_inner_texts()[-1]


def test_light_and_dark(path, browser):
    opened(browser, path, scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = browser.evaluate(paper)
    browser.get_by_role("button", name="Change to light colours").click()
    light = browser.evaluate(paper)
    assert dark != light
    browser.get_by_role("button", name="Change to dark colours").click()
    assert browser.evaluate(paper) == dark
    browser.evaluate("localStorage.clear()")


def test_on_a_phone_nothing_is_cut_off(path, browser):
    assert opened(browser, path, width=390, height=844) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    box = named(browser, "spectral: effects over the spectrum").bounding_box()
    assert 0 <= box["x"] < box["x"] + box["width"] <= 390


def test_a_long_run_is_small_and_opens_at_once(tmp_path, browser):
    """100 explained epochs, 8 probes of as many pixels as pictures keep, 2 views."""
    random = np.random.default_rng(0)
    inputs = torch.rand(8, 1, 256, 256)
    mask = torch.arange(64).view(1, 1, 8, 8).repeat_interleave(32, 2).repeat_interleave(32, 3).repeat(8, 1, 1, 1)
    mask = (mask + torch.arange(8).view(8, 1, 1, 1)) % 64  # each probe has parts of its own
    parts = Features(mask, tuple(f"feature {f}" for f in range(64)), "CHW")
    explain(lambda x: x.mean((1, 2, 3)), inputs, parts, baseline="zero").save(tmp_path / "spatial.npz")
    pictures = [data_uri(random.integers(0, 256, (256, 256, 3), np.uint8)) for _ in range(8)]  # of noise: the largest
    probes = [{"number": p, "chosen": False, "label": None, "picture": one, "spectrum": None}
              for p, one in enumerate(pictures)]  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps({"format": FORMAT, "probes": probes}))
    numbers = iter(random.normal(size=(100 * 8 * 2 * 64, 2)).tolist())
    HistoryFile(tmp_path / "history.csv").append(
        HistoryRow(e, 10 * e, view, p, f"class {p % 3}", f"feature {f}", *next(numbers), 0.8)
        for e in range(100) for view in ("spatial", "spectral") for p in range(8) for f in range(64)
    )  # fmt: skip
    path = write_page([read(tmp_path)], tmp_path / "page.html")
    assert path.stat().st_size < 5e6
    assert opened(browser, path) == []
    assert browser.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < 3000  # all is drawn then
    slider = browser.get_by_role("slider", name="Epoch")
    began = "() => { const began = performance.now(); show({ m: 50 }); return performance.now() - began; }"
    assert browser.evaluate(began) < 500
    assert slider.input_value() == "50"


# ---- in a notebook


def test_a_history_shows_itself(run, tmp_path):
    found = read(run)
    text = found._repr_html_()
    assert "3 explained epochs, the last after 3" in text
    assert "spectral" in text
    assert len(text) < 10_000
    last = found.explanations["spectral"]
    effects = last.effects[:, 0]
    strongest = int(effects.abs().mean(0).argmax())
    assert f"{last.features.names[strongest]} {float(effects[:, strongest].mean()):+.3g}" in text
    assert found.plot().findobj(Label)
    history(tmp_path, features=NASTY)
    alone = read(tmp_path)
    assert "<script>" not in alone._repr_html_()
    assert alone.plot().findobj(Label)


@pytest.mark.parametrize(
    ("shape", "mask", "layout"),
    [
        ((3, 4, 4), torch.arange(4).repeat_interleave(4).view(1, 1, 4, 4), "CHW"),
        ((4, 4, 3), torch.arange(3).view(1, 1, 1, 3), "HWC"),
        ((5,), torch.arange(5).view(1, 5), "C"),
        ((1, 6, 2, 2), torch.arange(6).view(1, 1, 6, 1, 1), "1CHW"),
        ((2, 2, 2), torch.arange(8).view(1, 2, 2, 2), "CHW"),
        ((6,), torch.arange(6).view(1, 6), "W"),
    ],
)
def test_an_explanation_shows_itself_in_any_layout(shape, mask, layout):
    names = (NASTY[0], *(f"part {i}" for i in range(1, int(mask.max()) + 1)))
    inputs = torch.rand(2, *shape)
    explanation = explain(
        lambda x: x.flatten(1)[:, :2], inputs, Features(mask, names, layout), n_perturbations=64, baseline="zero"
    )
    text = explanation._repr_html_()
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "http" not in text
    assert len(text) < 10_000
    figure = Figure()
    axes = figure.add_subplot()
    for drawn in (explanation.plot(), explanation.plot(inputs, class_names=["a", "b"])):
        assert any("R²" in label.get_text() for label in drawn.findobj(Label))
    assert explanation.plot(axes=axes) is figure
    assert len(axes.images) == 1


def test_images_that_do_not_fit_are_told():
    mask = torch.arange(4).view(1, 1, 2, 2)
    explanation = explain(
        lambda x: x.mean((1, 2, 3)), torch.rand(2, 3, 2, 2), Features(mask, tuple("abcd"), "CHW"), baseline="zero"
    )
    with pytest.raises(ValueError, match=r"`images` should be the inputs, of shape \(2, 3, 2, 2\)"):
        explanation.plot(torch.rand(1, 3, 2, 2))
