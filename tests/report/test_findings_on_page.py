"""A run's first answer on its page: what was found wrong, with its evidence, or that nothing was."""

import json

import pytest
from report_pages import history, opened

from lime_callback.findings import Figure, Finding
from lime_callback.publishing.findings_file import write_findings
from lime_callback.publishing.run_metadata import FORMAT
from lime_callback.report import read, write_page
from lime_callback.report.notebook import history_html

CHANGED = {"changed": Figure(0.55, 0.42, 0.68), "expected": Figure(0.05), "odd": Figure(3.14159)}
BANDS = Finding(
    "shortcut_bands", "a", "the predictions hang on a.", "Swap them.", 0.6, 1e-9, CHANGED, "lime/spectral/superbands",
    epoch=1, last=2,
)  # fmt: skip
WORSE = Finding("frozen", "weights", "no weight has changed.", "Look there.", 0.9, 0.0, {}, "lime/spatial/drift_chart")
PLAIN = Finding("scale", "size", "values are large.", "Normalise.", 0.3, 0.0, epoch=2, last=2)
OVER = Finding("blind", "one class", "one class for all.", "Train.", 1.0, 0.0, epoch=0, last=1, closed=2)
NASTY = "<script>window.broken = 1</script></script><img src=x onerror='window.broken = 1'>"


def page_of(folder, findings, **settings):
    if not (folder / "history.csv").exists():
        history(folder, epochs=3, features=("400-498 nm", "498-587 nm", "587-675 nm", "675-763 nm"))
        (folder / "run.json").write_text(json.dumps({"format": FORMAT, "gate": 0.2, **settings}))
    if findings is not None:
        write_findings(folder, findings)
    return write_page([read(folder)], folder / "page.html")


def words(locator):
    return " ".join(locator.inner_text().replace("\N{NO-BREAK SPACE}", " ").split())


def test_nothing_is_said_where_nobody_looked(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, None)) == []
    assert browser.locator(".findings").count() == 0
    assert "found wrong" not in words(browser.locator("main")).lower()


def test_that_nothing_was_found_is_the_first_answer(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, [])) == []
    first = browser.locator("main section").first
    assert (
        words(first) == "Was something found wrong? Nothing was found wrong The callback looked by itself at 3 epochs."
    )


def test_the_worst_finding_comes_first_with_its_evidence_and_what_to_do(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, [PLAIN, BANDS, OVER, WORSE])) == []
    first = browser.locator("main section").first
    assert "3 findings, the worst first" in words(first)
    items = [words(item) for item in first.locator("> ol > li").all()]
    assert [item.split(".")[0] for item in items] == [
        "No weight has changed", "The predictions hang on a", "Values are large"
    ]  # fmt: skip
    assert "What to do: Swap them." in items[1]
    assert "shortcut bands · since epoch 2 · severity 60 %" in items[1]
    assert "hiding it changes 55 % 95 % interval 42 % to 68 %" in items[1]
    assert "random sets as large change 5 %" in items[1]
    assert "odd 3.14" in items[1]
    assert "since epoch 1, last seen at epoch 1" in items[0]
    over = first.locator("details")
    assert not over.get_by_text("One class for all.").is_visible()
    over.locator("summary").click()
    assert "told at epoch 1, over at epoch 3" in words(over)


def test_a_click_leads_to_the_picture_that_shows_it(tmp_path, browser):
    assert opened(browser, page_of(tmp_path, [BANDS, PLAIN]), width=360) == []
    jump = browser.get_by_role("button", name="See “Effects” of spectral")
    jump.click()
    figure = browser.locator("figure").filter(has=browser.get_by_role("heading", name="Effects", exact=True))
    assert figure.evaluate("element => element === document.activeElement")
    browser.wait_for_function(
        "() => { const { top, bottom } = document.activeElement.getBoundingClientRect();"
        " return bottom > 0 && top < innerHeight; }"
    )
    assert browser.locator(".jump").count() == 1, "what has no picture has no way to one"


def test_a_view_s_own_answer_says_it_at_the_epochs_at_which_it_was_there(tmp_path, browser):
    from dataclasses import replace

    assert opened(browser, page_of(tmp_path, [BANDS, replace(OVER, picture="lime/spectral/superbands")])) == []
    said = []
    for epoch in range(3):
        browser.evaluate(f"show({{ m: {epoch} }})")
        said.append(words(browser.locator(".answers > div").nth(3)))
    assert ["Shortcut bands: a" in one for one in said] == [False, True, True]
    assert ["Blind: one class" in one for one in said] == [True, True, False]


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_screen_whatever_the_texts_are(tmp_path, browser, width, scheme):
    long = Finding("x" * 300, "y" * 300, f"{NASTY} {'z' * 500}", NASTY, 1.0, 0.0, {NASTY: Figure(1e300)}, "a/b/c")
    assert opened(browser, page_of(tmp_path, [long, BANDS]), width=width, scheme=scheme) == []
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("window.broken") is None
    assert NASTY in words(browser.locator(".findings"))


def test_values_have_their_unit(tmp_path, browser):
    about = {"views": [{"name": "spectral", "kind": "values"}]}
    assert opened(browser, page_of(tmp_path, [BANDS], **about)) == []
    assert "hiding it changes 0.55 SD 95 % interval 0.42 SD to 0.68 SD" in words(browser.locator(".findings"))


def test_a_notebook_says_it_too(tmp_path):
    page_of(tmp_path, [OVER, BANDS])
    text = history_html(read(tmp_path))
    assert "Found wrong: the predictions hang on a." in text
    assert "one class" not in text
