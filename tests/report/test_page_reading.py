"""What a person reads from a page: whose class, what was checked and what was not; without a mouse, and on paper."""

import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from report_pages import named, opened

from lime_callback.publishing.findings_file import write_findings
from lime_callback.publishing.run_metadata import FORMAT, data_uri
from lime_callback.publishing.sinks import HistoryFile, HistoryRow
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile
from lime_callback.report import read, write_page
from lime_callback.report.feature_places import named_places, spectral_places
from lime_callback.report.page_data import page_data

MINUS = "\N{MINUS SIGN}"
BANDS = ("400-488 nm", "498-587 nm", "600-700 nm", "710-800 nm")
NAMES = ("Corn", "Woods", "Oats")
# Explained, predicted, probability, truth of each probe.
PROBES = [
    ("Corn", "Corn", 0.93, "Corn"),
    ("Corn", "Woods", 0.6, "Woods"),
    ("Woods", "Corn", 0.51, "Woods"),
    ("Oats", "Corn", 0.9, "Woods"),
]


def rows(coefficients, epoch=0, score=0.9):
    """A history's rows of one epoch: coefficients ``[probes][features]``, with small errors."""
    return [
        HistoryRow(epoch, 10 * (epoch + 1), "spectral", p, target, band, value, 0.01, score, *says)
        for p, (values, (target, *says)) in enumerate(zip(coefficients, PROBES, strict=False))
        for band, value in zip(BANDS, values, strict=True)
    ]


def page_of(folder, history, about=None, measures=()):
    HistoryFile(folder / "history.csv").append(history)
    if about is not None:
        (folder / "run.json").write_text(json.dumps({"format": FORMAT, "gate": 0.2, **about}))
    if measures:
        MeasuresFile(folder / "measures.csv").append(
            MeasureRow(e, 10 * (e + 1), "spectral", name, value) for e, name, value in measures
        )
    return write_page([read(folder)], folder / "page.html")


def text_of(locator):
    return " ".join(locator.inner_text().replace("\N{NO-BREAK SPACE}", " ").split())


def answer(page, number):
    """One of the four answers of the first view, in words."""
    return text_of(page.locator(".answers").first.locator(":scope > div").nth(number))


EQUAL = [[1, 1, 1, 1]] * 4

# ---- one unit


def test_what_leads_is_what_has_most_of_the_attribution_on_average(tmp_path, browser):
    """Not what has the largest coefficient on average: one probe of large outputs does not outweigh three others."""
    coefficients = [[100, 50, 50, 50], [0.1, 2, 0.1, 0.1], [0.1, -2, 0.1, 0.1], [0.1, 2, 0.1, 0.1]]
    assert opened(browser, page_of(tmp_path, rows(coefficients))) == []
    first = browser.locator(".uses li").first
    assert "498-587 nm" in text_of(first)
    assert "▲ in 3, ▼ in 1 probes" in text_of(first)
    row = browser.evaluate("runs[0].views[0].mean(0, ALL)")
    assert row["sizes"][1] == pytest.approx(np.mean([0.2, *[2 / 2.3] * 3]), abs=1e-3)
    assert row["raised"][1] - row["lowered"][1] == pytest.approx(row["sizes"][1])
    assert row["raised"][1] + row["lowered"][1] == pytest.approx(row["values"][1])


def test_no_dot_lies_on_another_and_none_is_moved_further_than_needed(path, browser):
    assert opened(browser, path) == []
    at = [0, 0, 0, 1, 30, 31]
    aside = browser.evaluate(f"swarm({at}, 20)")
    for i in range(6):
        for j in range(i):
            assert np.hypot(at[i] - at[j], aside[i] - aside[j]) >= 0.98 * 2 * 2.4
    assert aside[0] == aside[4] == 0
    assert browser.evaluate("swarm([0, 10, 20], 20)") == [0, 0, 0]
    assert max(map(abs, browser.evaluate("swarm(new Array(50).fill(0), 6)"))) <= 6


def test_scales_end_at_round_numbers_and_minus_is_a_minus(path, browser):
    assert opened(browser, path) == []
    for value, limit in [(0.034, 0.04), (0.04, 0.04), (0.11, 0.2), (0.63, 0.8), (0.81, 1), (7, 8), (-0.3, -0.3)]:
        assert browser.evaluate(f"roundUp({value})") == pytest.approx(limit)
    assert browser.evaluate("number(-1.5e-7)") == "-1.50e-7".replace("-", MINUS)
    for text in browser.locator("svg text").all_text_contents():
        assert not re.match(r"-\d", text)


def test_no_number_is_cut_in_its_middle(path, browser):
    assert opened(browser, path) == []
    name = "watch of 1062-1148 nm and 2301.5 nm"
    for most in range(6, 24):
        kept = browser.evaluate("([name, most]) => short(name, most)", [name, most])
        assert len(kept) <= most
        assert set(re.findall(r"[\d.,]+", kept)) <= set(re.findall(r"[\d.,]+", name))


# ---- whose class


def test_the_page_says_what_is_explained_predicted_and_true(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, rows(EQUAL), {"class_names": NAMES})) == []
    said = [browser.evaluate(f"says(runs[0].views[0], 0, {s})").replace("\N{NO-BREAK SPACE}", " ") for s in range(4)]
    assert said == [
        "predicted 93 %, true",
        "≠ predicted and true Woods 60 %",
        "≠ predicted Corn 51 %, true",
        "≠ predicted Corn 90 %, ≠ truth Woods",
    ]
    assert "Explained: Corn (2), Woods (1), Oats (1). ≠ For 3 of 4 another class is predicted now." in answer(
        browser, 0
    )
    grid = named(browser, "spectral: effects of each probe")
    assert grid.locator(".group").all_text_contents() == ["Corn", "Woods", "Oats"]
    assert grid.locator(".bound").all_text_contents() == ["≠ 1", "≠ 2", "≠ 3"]


def test_values_have_no_class_that_could_be_wrong(tmp_path):
    history = [row._replace(predicted="0.53121", probability=np.nan, truth="1") for row in rows(EQUAL)]
    HistoryFile(tmp_path / "history.csv").append(history)
    predictions = page_data(read(tmp_path))["views"][0]["predictions"]
    assert predictions["kind"] == "values"
    assert predictions["names"] == ["", "0.531", "1"]


# ---- what was checked


def test_what_was_not_checked_is_named_and_is_not_called_well(tmp_path, browser):
    """Two probes of right classes, no watch, no reliance, nothing settled."""
    about = {"watch": {}, "settings": {"relevant_change": 0.05}, "reference": False}
    measures = [(0, "score", 0.9), (1, "drift", 0.002), (1, "moved", 0.3), (1, "changed", 0.83)]
    history = [*rows(EQUAL[:1]), *rows(EQUAL[:1], 1)]
    assert opened(browser, page_of(tmp_path, history, about, measures)) == []
    wrong = answer(browser, 3)
    assert "Nothing in 4 checks; 4 left open" in wrong
    for words in ("No watch was set", "Not settled", "Reliance Was not measured", "Reference None was given"):
        assert words in wrong
    assert "✓" not in answer(browser, 3).split("Nothing")[0]
    # The share that moved leads, and other words on change do not gainsay it.
    changed = answer(browser, 2)
    assert changed.startswith("What changed? Much: 30 % of the attribution moved")
    assert "Not settled" in changed
    assert "drift" not in changed
    assert browser.get_by_text("No watch was set (watch=).").is_visible()
    assert browser.get_by_text("Reliance was not measured of this view at this epoch.").is_visible()


def test_probes_of_wrong_classes_and_below_the_gate_are_named(tmp_path, browser):
    history = [row._replace(score=0.1) if row.probe == 0 else row for row in rows(EQUAL)]
    assert opened(browser, page_of(tmp_path, history, {})) == []
    wrong = answer(browser, 3)
    assert "2 of 4 probes explained for a wrong class It is neither predicted now nor true: probe 1, probe 3" in wrong
    assert "1 probe below the gate R² is below 0.2 for probe 0" in wrong


def test_one_feature_that_decides_alone_is_seen(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, rows([[9, 0.1, 0.1, 0.1]]), {})) == []
    assert "One feature has 97 %" in answer(browser, 3)


def test_features_that_decide_alone_in_some_probes_each_are_not_taken_for_one(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, rows([[9, 0.1, 0.1, 0.1], [0.1, 9, 0.1, 0.1]]), {})) == []
    assert "One feature has" not in answer(browser, 3)


def test_a_watch_and_the_reference_are_told_by_name(tmp_path, browser):
    soil = {"above": 0.5, "below": None, "reliance": None}
    about = {"watch": {"soil": soil}, "reference": True}
    numbers = {"watch/soil": 0.22, "watch_error/soil": 0.01, "watch_reference/soil": 0.05, "reliance/soil": 0.51,
               "reliance/soil_expected": 0.07, "moved_from_reference": 0.34}  # fmt: skip
    measures = [(0, name, value) for name, value in numbers.items()]
    assert opened(browser, page_of(tmp_path, rows(EQUAL), about, measures)) == []
    wrong = answer(browser, 3)
    assert "Watch “soil”: the model may rest on it" in wrong
    assert "22 % of all probes" in wrong
    assert "attribution, in 5 % of the channels; hiding it changes 51 %, as much at random: 7 %." in wrong
    assert "34 % of the attribution lies elsewhere" in wrong
    place = "2 of 40 bands, 400 to 420 nm"  # runs of this version say what is hidden
    about["watch"] = {"soil": soil | {"extent": place}}
    (tmp_path / "new").mkdir()
    assert opened(browser, page_of(tmp_path / "new", rows(EQUAL), about, measures)) == []
    assert f"attribution, in {place}; hiding it" in answer(browser, 3)


def verdict(use, **more):
    numbers = {"reliance/water": 0.2, "reliance/water_expected": 0.3, "reliance_use/water": use, "reliance_low/water":
               0.17, "reliance_high/water": 0.24, "reliance_samples/water": 512, "watch/water": 0.1} | more  # fmt: skip
    return [(0, name, value) for name, value in numbers.items()]


def test_a_watch_that_is_used_in_part_has_no_green_tick(tmp_path, browser):
    about = {
        "watch": {"water": {"above": None, "below": None, "reliance": None}},
        "class_names": ["corn", "soy-mintill"],
    }
    worst = {"reliance_class/water": 1, "reliance_class_changed/water": 0.83, "reliance_class_samples/water": 6}
    write_findings(tmp_path, [])
    assert opened(browser, page_of(tmp_path, rows(EQUAL), about, verdict(1, **worst))) == []
    first = text_of(browser.locator("main section").first)
    assert "1 watch to look at" in first
    assert "Watch “water”: the model uses it in part" in first
    assert (
        "20 % of the predictions (17 to 24 %), no more than as much at random (30 %), in 512 samples; most in "
        "soy-mintill: 83 % of 6." in first
    )
    assert "Nothing was found wrong" not in first
    assert "Watch “water”: the model uses it in part" in answer(browser, 3)
    assert browser.locator("#glance li.ok", has_text="water").count() == 0


def test_the_first_answer_says_what_each_watch_came_to_and_an_idle_or_wanted_one_is_not_wrong(tmp_path, browser):
    for use, bounds, wrong, said in (
        (2, {}, True, "Watch “water”: the model rests on it"),
        (1, {"changed": 0.1}, True, "Watch “water”: hiding it changes more than 10 %"),
        (0, {}, False, "Watch “water”: the model is not seen to use it"),
        (1, {"below": 0.01}, False, "Watch “water”: the model uses it in part"),
        (2, {"below": 0.01}, False, "Watch “water”: the model rests on it"),
    ):
        folder = tmp_path / f"{use}{bounds}"
        folder.mkdir()
        write_findings(folder, [])
        about = {"watch": {"water": {"above": None, "below": None, "reliance": None} | bounds}}
        assert opened(browser, page_of(folder, rows(EQUAL), about, verdict(use))) == []
        first = text_of(browser.locator("main section").first)
        assert ("Nothing was found wrong" in first) != wrong
        assert said in first


def test_without_findings_the_first_answer_is_the_watchs(tmp_path, browser):
    about = {"watch": {"water": {"above": None, "below": None, "reliance": None}}}
    assert opened(browser, page_of(tmp_path, rows(EQUAL), about, verdict(0))) == []
    first = text_of(browser.locator("main section").first)
    assert "No watch has an alarm" in first
    assert "Watch “water”: the model is not seen to use it" in first
    assert "Nothing was found wrong" not in first
    assert "looked by itself" not in first


def test_what_hiding_everything_changes_decides_on_a_hint(tmp_path):
    """Half of what is left counts as much: 0.3 of 0.4, and not of all predictions."""
    about = {"watch": {"soil": {"above": None, "below": None, "reliance": None}}}
    numbers = {"reliance/soil": 0.45, "reliance/soil_expected": 0.25}
    (tmp_path / "old").mkdir()
    measures = [(0, name, value) for name, value in numbers.items()]
    page_of(tmp_path / "old", rows(EQUAL), about, measures)
    (view,) = page_data(read(tmp_path / "old"))["views"]
    assert view["alarms"] == [[]]
    (tmp_path / "new").mkdir()
    page_of(tmp_path / "new", rows(EQUAL), about, [*measures, (0, "reliance_everything", 0.55)])
    (view,) = page_data(read(tmp_path / "new"))["views"]
    assert [alarm["watch"] for alarm in view["alarms"][0]] == ["soil"]


def test_a_band_without_a_watch_that_is_relied_on_is_seen(tmp_path, browser):
    numbers = {f"reliance/{BANDS[0]}": 0.5, f"reliance/{BANDS[0]}_expected": 0.09, f"reliance/{BANDS[1]}": 0.1,
               f"reliance/{BANDS[1]}_expected": 0.09, "reliance_everything": 0.8}  # fmt: skip
    measures = [(0, name, value) for name, value in numbers.items()]
    assert opened(browser, page_of(tmp_path, rows(EQUAL), {}, measures)) == []
    said = f"The model may rest on {BANDS[0]} Hiding it alone changes 50 %, as many bands at random: 9 %."
    assert said in answer(browser, 3)
    assert f"rest on {BANDS[1]}" not in answer(browser, 3)


def test_with_one_probe_all_four_answers_are_of_it(tmp_path, browser):
    """Probe 0 changes nothing, the others much; probe 3 is explained for a wrong class."""
    history = [*rows(EQUAL), *rows([[1, 1, 1, 1], *[[8, 1, 1, 1]] * 3], 1)]
    assert opened(browser, page_of(tmp_path, history, {})) == []
    assert "wrong class" in answer(browser, 3)
    browser.locator("#whose").select_option(label="probe 0 · Corn")
    assert "Explained: Corn; predicted 93 %, true." in answer(browser, 0)
    assert "worst probe" not in answer(browser, 1)
    assert answer(browser, 2).startswith("What changed? Nothing")
    assert "wrong class" not in answer(browser, 3)
    browser.locator("#whose").select_option(label="probe 3 · Oats")
    assert "of the attribution moved" in answer(browser, 2)
    assert "Explained for a wrong class Oats is neither predicted now nor true" in answer(browser, 3)


# ---- where


def test_a_region_is_shown_and_named_by_where_it_lies(run, path, browser):
    assert opened(browser, path) == []
    # A grid of nine: the first is at the upper left, the middle one in the centre, the last at the lower right.
    where = [browser.evaluate(f"whereabouts(runs[0].views[0], 0, {f})") for f in (0, 1, 4, 8)]
    assert where == ["upper left", "upper middle", "centre", "lower right"]
    used = browser.locator(".answers").first.locator(".uses li")
    assert used.locator("svg.thumbnail").count() == used.count() == 3
    assert named(browser, "spatial: strongest features").locator("svg.thumbnail").count() == 9


def test_hatching_stands_for_no_channel_and_water_bands_alone():
    from types import SimpleNamespace

    import torch

    nm = [float(x) for x in [*range(1300, 1400, 10), *range(1500, 2000, 10)]]
    labels = torch.tensor([0] * 10 + [1] * 50).view(1, -1, 1, 1)
    places = spectral_places(SimpleNamespace(features=SimpleNamespace(canonical=labels)), nm)
    assert places["gaps"] == [(1395.0, 1495.0)]
    assert places["water"] == [(1350.0, 1395.0), (1800.0, 1950.0)]
    cut = named_places(["1300-1990 nm"], nm)
    assert cut["cells"] == [[1300, 1395, 0], [1495, 1990, 0]]  # no bar runs through wavelengths without a channel


# ---- by keyboard, for all eyes


def reading(page, place):
    """What is announced of a readable place."""
    return place.locator(
        "xpath=following-sibling::*[@aria-live] | ../following-sibling::*[@aria-live]"
    ).first.inner_text()


def test_cells_are_read_by_keyboard(path, browser):
    assert opened(browser, path) == []
    for name in ("effects at every epoch", "effects of each probe", "bars of effects"):
        place = browser.locator(f".readable[aria-label*='spectral: {name}']")
        place.focus()
        heard = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            browser.keyboard.press(key)
            heard.append(reading(browser, place))
            assert place.locator(".cursor").count() == 2
        assert heard[0] == heard[2] != heard[1]
        assert "effect" in heard[0]
        assert place.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    maps = browser.locator(".probe .readable").first
    maps.focus()
    heard = set()
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
        browser.keyboard.press(key)
        heard.add(reading(browser, maps))
    assert len(heard) >= 3
    assert all(text.startswith("superpixel") and "effect" in text for text in heard)


def test_epochs_and_probes_are_chosen_by_keyboard(path, browser):
    assert opened(browser, path) == []
    place = browser.locator(".readable[aria-label*='spectral: effects at every epoch']")
    place.focus()
    browser.keyboard.press("ArrowUp")
    browser.keyboard.press("Enter")
    assert browser.get_by_role("slider", name="Epoch").input_value() == "1"
    assert place.evaluate("element => element === document.activeElement")
    place = browser.locator(".readable[aria-label*='spectral: effects of each probe']")
    place.focus()
    browser.keyboard.press("Enter")
    assert browser.locator(".probe button[aria-pressed=true]").count() == 1


def test_every_readable_place_is_reached_by_tab(path, browser):
    assert opened(browser, path) == []
    reached = set()
    for _ in range(80):
        browser.keyboard.press("Tab")
        reached.add(browser.evaluate("document.activeElement.getAttribute('aria-label') || ''"))
    places = browser.locator(".readable").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    assert len(places) == 1 + 2 * 2 + 3  # bars, two grids of each view, the maps of three probes
    assert set(places) <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(path, browser, scheme):
    assert opened(browser, path, scheme=scheme) == []
    for summary in browser.locator("summary").all():
        summary.click()
    found = Axe().run(browser).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []


@pytest.mark.parametrize("width", [1240, 700, 340])
def test_text_is_large_enough_and_nothing_is_cut_at_any_width(path, browser, width):
    assert opened(browser, path, width=width) == []
    sizes = browser.evaluate("""() => {
        const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        const seen = (element) => hasText(element) && element.getClientRects().length > 0;
        const size = (element) => parseFloat(getComputedStyle(element).fontSize);
        return [...document.querySelectorAll("body *")].filter(seen).map(size);
    }""")
    assert min(sizes) >= 12
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert beyond(browser, width) == []


def beyond(page, width):
    """Which seen elements reach beyond the page, or beyond the card that they are in."""
    return page.evaluate(
        """(width) => [...document.querySelectorAll("body *")].filter((element) => {
            const box = element.getBoundingClientRect();
            if (!box.width || !box.height || element.closest(".spoken, .skip, .shapes, .scroll")) return false;
            const card = element.closest("figure, .answers")?.getBoundingClientRect() ?? { left: 0, right: width };
            return box.left < Math.max(card.left, 0) - 1 || box.right > Math.min(card.right, width) + 1;
        }).map((element) => `${element.tagName} ${element.textContent.slice(0, 40)}`)""",
        width,
    )


# ---- on paper


A4 = 794  # CSS pixels


def test_on_paper_nothing_lies_beyond_the_page_or_its_card(path, browser):
    assert opened(browser, path, scheme="dark") == []
    browser.locator("summary").first.click()  # the table of numbers is printed, too
    browser.set_viewport_size({"width": A4, "height": 1123})
    browser.emulate_media(media="print")
    try:
        browser.wait_for_selector("html.paper")
        assert beyond(browser, A4) == []
        assert browser.locator("html").get_attribute("data-theme") == "light"
        assert browser.locator("#printed").inner_text().startswith("after 3 epochs of 3, step")
        assert not browser.locator(".controls").is_visible()
    finally:
        browser.emulate_media(media="screen")
    browser.wait_for_selector("html[data-theme=dark]:not(.paper)")


def test_a_sheet_is_drawn_for_its_width(path, browser):
    """Browsers tell a page that they will print it, and lay it out without asking again."""
    assert opened(browser, path, width=1240) == []
    browser.evaluate("""window.addEventListener("beforeprint", () => {
        const pictures = [...document.querySelectorAll("main svg")];
        window.onSheet = pictures.map((picture) => picture.getBoundingClientRect().right);
    })""")
    pdf = browser.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    margins = 2 * 12 / 25.4 * 96
    assert max(browser.evaluate("onSheet")) <= A4 - margins
    assert browser.evaluate("document.documentElement.className") == ""


def test_a_picture_stands_once_in_the_page(tmp_path):
    """Thumbnails refer to it."""
    picture = data_uri(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    probes = [{"number": 0, "chosen": False, "label": None, "picture": picture, "spectrum": None}]
    path = page_of(tmp_path, rows(EQUAL[:1]), {"probes": probes})
    assert path.read_text(encoding="utf-8").count(picture) == 1


def test_of_one_look_there_is_no_epoch_to_choose(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, rows(EQUAL), {})) == []
    assert not browser.locator("#epoch").is_visible()
    assert not browser.locator("#play").is_visible()
    assert browser.locator("#whose").is_visible()
