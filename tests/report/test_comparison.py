"""Two runs side by side: what one has and the other has not, as tables and as a page."""

import json
import re
from dataclasses import replace

import pytest
import torch
from report_pages import history
from toys import WAVELENGTHS, fit

from lime_callback import Explanation, LimeCallback, Superbands, Superpixels
from lime_callback.__main__ import main
from lime_callback.findings import Finding
from lime_callback.publishing.findings_file import write_findings
from lime_callback.publishing.run_metadata import FORMAT
from lime_callback.publishing.sinks.measures_csv import MeasureRow, MeasuresFile
from lime_callback.report import compare_runs, comparison_text, read, write_comparison

BANDS = ("400-498 nm", "498-587 nm", "587-675 nm", "675-763 nm")
NASTY = "<script>window.broken = 1</script>"
FOUND = Finding("shortcut_bands", "a", "the predictions hang on a.", "Swap.", 0.9, 0.0, epoch=1, last=2)


def made(folder, epochs=3, features=BANDS, found=(), measures=(), settings=None, **more):
    folder.mkdir(parents=True, exist_ok=True)
    history(folder, epochs=epochs, features=features, **more)
    if found is not None:
        write_findings(folder, found)
    if measures:
        MeasuresFile(folder / "measures.csv").append(MeasureRow(e, 10 * e, "spectral", *rest) for e, *rest in measures)
    (folder / "run.json").write_text(json.dumps({"format": FORMAT, "settings": settings or {}}))
    return read(folder)


def test_findings_stand_beside_each_other_the_worst_first(tmp_path):
    blind = replace(FOUND, name="blind", severity=0.5, closed=2)
    first = made(tmp_path / "one", found=[blind, FOUND])
    second = made(tmp_path / "two", found=[replace(FOUND, epoch=0, severity=0.4)])
    rows = compare_runs(first, second).findings
    assert [row[:3] for row in rows] == [
        ("shortcut bands: a", "since epoch 2, severity 90%", "since epoch 1, severity 40%"),
        ("blind: a", "over, from epoch 2 to 3, severity 50%", "not found"),
    ]
    silent = made(tmp_path / "three", found=None)
    comparison = compare_runs(first, silent)
    assert {row.second for row in comparison.findings} == {"nobody looked"}
    assert "three: nobody looked for findings, or their file is missing." in comparison.notes


def test_metrics_are_those_of_the_last_common_epoch(tmp_path):
    first = made(
        tmp_path / "one", epochs=4,
        measures=[(2, "drift", 0.9), (3, "drift", 0.125), (3, "reliance/b", 0.5), (3, "reliance/b_expected", 0.25),
                  (4, "drift", 0.7), (3, "epochs", 3.0)],
    )  # fmt: skip
    second = made(
        tmp_path / "two", epochs=3,
        measures=[(3, "drift", -1.5), (3, "reliance/b", 0.0), (3, "reliance/b_expected", 0.5), (3, "epochs", 3.0)],
    )  # fmt: skip
    comparison = compare_runs(first, second)
    assert comparison.epoch == 3
    assert comparison.metrics == [
        ("spectral score", "0.9", "0.9"),
        ("spectral drift", "0.125", "\N{MINUS SIGN}1.5"),
        ("spectral reliance/b", "0.5 (0.25 of random sets)", "0 (0.5 of random sets)"),
    ]


def test_runs_without_a_common_epoch_say_so(tmp_path):
    first, second = made(tmp_path / "one"), made(tmp_path / "two")
    second.history[:] = [row._replace(epoch=row.epoch + 10) for row in second.history]
    comparison = compare_runs(first, second)
    assert (comparison.epoch, comparison.metrics, comparison.effects) == (None, [], {})
    assert any("No epoch was explained in both runs" in note for note in comparison.notes)
    assert "No epoch was explained in both" in comparison_text(comparison)
    write_comparison(comparison, tmp_path / "page.html")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folders = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp(f"run{seed}")
        views = [Superpixels(n_segments=6), Superpixels("grid", 9, name="grid"), Superbands(3 - seed)]
        lime = LimeCallback(
            views, wavelengths=WAVELENGTHS, n_perturbations=64, probes=3, pictures=False, every_n_epochs=1, gate=None,
            class_names=["one", "two", "three"],
        )  # fmt: skip
        fit(folder, lime, epochs=2, seed=seed)
        folders.append(folder)
    return folders


def test_effects_are_the_explanations_means_of_what_both_have(trained):
    comparison = compare_runs(*map(read, trained))
    assert set(comparison.effects) == {"grid"}
    assert any("'spatial': each probe has features of its own" in note for note in comparison.notes)
    assert any("'spectral': the runs have no feature in common" in note for note in comparison.notes)
    last = [Explanation.load(folder / "lime" / "grid.npz") for folder in trained]
    rows = comparison.effects["grid"]
    assert len(rows) == 9
    for row in rows:
        place = last[0].features.names.index(row.feature)
        for size, mean, one in zip(row.size, row.mean, last, strict=True):
            assert size == pytest.approx(float(one.effects[:, 0, place].abs().mean()), abs=1e-5)
            assert mean == pytest.approx(float(one.effects[:, 0, place].mean()), abs=1e-5)
    sizes = [max(row.size) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert torch.tensor([row.half for row in rows]).isfinite().all()


def test_views_that_are_set_otherwise_are_settings_that_differ(trained):
    comparison = compare_runs(*map(read, trained))
    assert [row for row in comparison.settings if row.about.startswith("view")] == [
        ("view 'spectral'", "Superbands(bands=3)", "Superbands(bands=2)")
    ]
    old = read(trained[1])
    for view in old.about["views"]:  # of a version that did not say it
        del view["cut"]
    assert ("view 'spectral'", "Superbands(bands=3)", "not known") in compare_runs(read(trained[0]), old).settings


def test_what_may_explain_a_difference_is_said(tmp_path):
    first = made(tmp_path / "one", settings={"design": "paired", "seed": 0})
    second = made(tmp_path / "two", settings={"design": "orthogonal", "seed": 0}, targets=("Woods",))
    comparison = compare_runs(first, second)
    assert comparison.settings == [("design", "paired", "orthogonal")]
    assert any("other probes or classes" in note for note in comparison.notes)
    assert not any("View" in note for note in compare_runs(first, first).notes)
    other = made(tmp_path / "three", features=(*BANDS[:3], "675-850 nm"))
    comparison = compare_runs(first, other)
    assert len(comparison.effects["spectral"]) == 3
    (note,) = [note for note in comparison.notes if "cut the inputs into other features" in note]
    assert note.endswith("Not shown: one alone has 675-763 nm; three alone has 675-850 nm.")


def test_the_command_prints_tables_and_writes_a_page(tmp_path, capsys):
    made(tmp_path / "one", found=[FOUND])
    made(tmp_path / "two")
    page = tmp_path / "page.html"
    assert main(["compare", str(tmp_path / "one"), str(tmp_path / "two"), "--output", str(page)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"shortcut bands: a +since epoch 2, severity 90% +not found\n", out)
    assert re.search(r"400-498 nm +[+\N{MINUS SIGN}]0\.\d{3}", out)
    assert out.endswith(f"{page}\n")
    assert main(["compare", str(tmp_path), str(tmp_path / "two")]) == 1
    assert "should lead to one run. Found 2" in capsys.readouterr().err


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_shows_names_as_they_are_and_fits(tmp_path, browser, width):
    long = "x" * 300
    folder = tmp_path / f"{{{{main}}}} {NASTY.replace('/', '')}"
    first = made(folder, found=[replace(FOUND, subject=NASTY, sentence=f"{NASTY} {long}")], settings={NASTY: long},
                 features=(*BANDS, "763-850 nm"))  # fmt: skip
    second = made(tmp_path / long[:200], settings={NASTY: NASTY})
    path = write_comparison(compare_runs(first, second), tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    browser.set_viewport_size({"width": width, "height": 900})
    browser.goto(path.as_uri())
    assert browser.evaluate("window.broken") is None
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert NASTY in browser.locator("td").first.inner_text()
    bars = browser.locator(".pairs li li svg")
    assert bars.count() == 2 * len(BANDS)
    drawn = [rect.bounding_box()["width"] for rect in browser.locator(".pairs rect").all()]
    assert max(drawn) == pytest.approx(bars.first.bounding_box()["width"], abs=2)


def test_damaged_folders_are_compared(trained, tmp_path):
    """As far as they can be read: the same damages as of the report."""
    import shutil
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    import report_fuzz

    shutil.copytree(trained[0] / "lime", tmp_path / "sound")
    report_fuzz.with_findings(tmp_path / "sound")
    sound = read(tmp_path / "sound")
    compared = 0
    for number in range(40):
        mutant = tmp_path / "work" / "lime"
        shutil.rmtree(mutant.parent, ignore_errors=True)
        shutil.copytree(tmp_path / "sound", mutant)
        report_fuzz.mutate(mutant, 3, number)
        try:
            comparison = compare_runs(read(mutant.parent), sound)
        except (OSError, ValueError):
            continue
        compared += 1
        assert "<script>alert" not in write_comparison(comparison, tmp_path / "page.html").read_text(encoding="utf-8")
        comparison_text(comparison)
    assert compared > 10
