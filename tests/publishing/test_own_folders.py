"""Each run has a folder to itself, and notices when another one writes into it."""

import threading

import pytest
import torch
from toys import WAVELENGTHS, fit, loader, trainer

from lime_callback import Explanation, LimeCallback, Superbands
from lime_callback.publishing.run_place import Interrupted, claimed, goes_on_in
from lime_callback.publishing.sinks import HistoryFile, HistoryRow, read_history
from lime_callback.publishing.sinks.csv_tables import ForeignRowsError

ROW = HistoryRow(1, 10, "spectral", 0, "Corn", "B1", 0.5, 0.1, 0.8)


def callback(**settings):
    usual = {"wavelengths": WAVELENGTHS, "probes": 2, "n_perturbations": 24, "pictures": False, "on_error": "raise"}
    return LimeCallback(Superbands(3), **usual | settings)


def rows(path):
    return [row[:6] for row in read_history(path / "history.csv")]


def test_a_taken_folder_is_not_given_again(tmp_path):
    place = tmp_path / "root" / "lime"
    assert [claimed(place).name for _ in range(3)] == ["lime", "lime_1", "lime_2"]
    (tmp_path / "old" / "lime").mkdir(parents=True)
    (tmp_path / "old" / "lime" / "history.csv").write_text("of an earlier version")
    assert claimed(tmp_path / "old" / "lime").name == "lime_1"
    (tmp_path / "new" / "lime" / "validate").mkdir(parents=True)  # as a validation before the training leaves it
    assert claimed(tmp_path / "new" / "lime").name == "lime"


def test_runs_that_begin_together_get_folders_of_their_own(tmp_path):
    found, ready = [], threading.Barrier(8)

    def begin():
        ready.wait()
        found.append(claimed(tmp_path / "lime"))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 8


def test_a_run_goes_on_only_where_its_folder_may_be(tmp_path):
    for folder in ("lime", "lime_3", "other", "deep/lime"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "history.csv").touch()
    found = [
        goes_on_in(tmp_path / "lime", Interrupted(tmp_path / folder / "history.csv", 1))
        for folder in ("lime", "lime_3", "lime_4", "other", "deep/lime")
    ]
    assert found == [True, True, False, False, False]


def test_two_runs_in_one_root_have_two_folders_with_all_that_is_theirs(tmp_path, blank_pictures, caplog):
    caplog.set_level("INFO")
    for epochs in (2, 1):
        fit(tmp_path, callback(pictures=True), epochs=epochs)
    assert {row[0] for row in rows(tmp_path / "lime")} == {1, 2}
    assert {row[0] for row in rows(tmp_path / "lime_1")} == {1}
    for folder, pictures in (("lime", 2), ("lime_1", 1)):
        assert len([*(tmp_path / folder / "spectral" / "superbands").glob("*.png")]) == pictures
        assert Explanation.load(tmp_path / folder / "spectral.npz") is not None
    (said,) = [one.message for one in caplog.records if "another run" in one.message]
    assert said.endswith(f"`python -m lime_callback report {tmp_path / 'lime_1'}` (lime holds another run).")


def test_a_test_and_a_validation_lie_in_their_run_s_folder(tmp_path):
    fit(tmp_path, callback(), epochs=1)
    lime = callback()
    one, model = fit(tmp_path, lime, epochs=1)
    one.test(model, loader(), verbose=False)
    one.validate(model, loader(), verbose=False)
    assert sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("history.csv")) == [
        "lime", "lime_1", "lime_1/test", "lime_1/validate",
    ]  # fmt: skip


def test_a_resumed_run_keeps_its_folder(tmp_path):
    fit(tmp_path, callback(), epochs=1)
    one, model = fit(tmp_path, callback(), epochs=1)
    one.save_checkpoint(tmp_path / "last.ckpt")
    before = rows(tmp_path / "lime")
    again = trainer(tmp_path, callback(), epochs=2)
    again.fit(model, loader(), loader(), ckpt_path=tmp_path / "last.ckpt")
    assert rows(tmp_path / "lime") == before
    assert {row[0] for row in rows(tmp_path / "lime_1")} == {1, 2}
    assert sorted(path.name for path in tmp_path.glob("lime*")) == ["lime", "lime_1"]


def test_an_append_checks_that_the_file_is_still_its_own(tmp_path):
    path = tmp_path / "history.csv"
    first, second = HistoryFile(path), HistoryFile(path)
    first.start()
    first.append([ROW])
    second.rewind(10)
    second.append([ROW._replace(epoch=2)])
    with pytest.raises(ForeignRowsError, match=r"another run has written into .*history.csv"):
        first.append([ROW._replace(epoch=3)])
    assert [row.epoch for row in read_history(path)] == [1, 2]
    path.unlink()  # who removes it gets a new one
    second.append([ROW._replace(epoch=4)])
    assert [row.epoch for row in read_history(path)] == [4]


def test_a_run_whose_file_another_one_goes_on_with_moves_out(tmp_path):
    class Intruder(LimeCallback):
        """Another run goes on from the same checkpoint, in the same folder, after the first epoch."""

        def on_train_epoch_start(self, one, module):
            if one.current_epoch == 1:
                other = HistoryFile(tmp_path / "lime" / "history.csv")
                other.rewind()
                other.append([ROW._replace(epoch=7)])

    lime = Intruder(Superbands(3), wavelengths=WAVELENGTHS, probes=2, n_perturbations=24, pictures=False)
    with pytest.warns(UserWarning, match=r"another run has written into .*this run goes on in .*lime_1"):
        fit(tmp_path, lime, epochs=3)
    assert {row[0] for row in rows(tmp_path / "lime")} == {1, 7}
    assert {row[0] for row in rows(tmp_path / "lime_1")} == {2, 3}
    saved = Explanation.load(tmp_path / "lime_1" / "spectral.npz")
    assert torch.equal(saved.coefficients, lime.explanation("spectral").coefficients)


@pytest.mark.parametrize("root", ["memory://bucket/runs", "s3://bucket/runs"])
def test_a_remote_root_makes_no_folder_of_its_name_and_says_where_files_are(tmp_path, monkeypatch, caplog, root):
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    fit(root, callback(), epochs=2)
    scheme = root.partition(":")[0]
    folder = tmp_path / "lime_files" / scheme / "bucket" / "runs" / "lime"
    assert {row[0] for row in rows(folder)} == {1, 2}
    assert [path.name for path in tmp_path.iterdir()] == ["lime_files"]
    (said,) = [one.message for one in caplog.records if "not on this machine" in one.message]
    assert str(folder) in said


def test_a_file_s_address_is_its_path(tmp_path):
    fit(f"file://{tmp_path}", callback(), epochs=1)
    assert {row[0] for row in rows(tmp_path / "lime")} == {1}
