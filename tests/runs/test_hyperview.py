"""The HYPERVIEW example: what it reads and refuses, and that a trained model's superbands are the true ones."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toys import labels

from lime_callback.pictures import draw_aggregate_spectra

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
try:
    import hyperview as files
    import hyperview_data as data
    import hyperview_made as made
    import hyperview_model as model
    import hyperview_regression as example
    import hyperview_report as report
finally:
    sys.path.pop(0)

INSIDE = np.zeros((6, 9), dtype=bool)  # a mask that is false everywhere: no pixel is outside


def write(path, **arrays):
    np.savez(path, **({"data": np.full((150, 6, 9), 5419, np.uint16), "mask": INSIDE} | arrays))
    return path


@pytest.fixture
def folder(tmp_path):
    made.write_fields(tmp_path / "fields", 6)
    return tmp_path / "fields"


def test_wavelengths_are_those_of_the_challenge():
    nm = files.wavelengths()
    assert (len(nm), nm[0], nm[1], nm[-1]) == (150, 462.08, 465.28, 938.37)


@pytest.mark.parametrize("bands_in_mask", [True, False])
def test_field_is_what_the_masked_array_is(tmp_path, bands_in_mask):
    outside = np.arange(54).reshape(6, 9) % 3 == 0
    mask = np.broadcast_to(outside, (150, 6, 9)) if bands_in_mask else outside
    values = np.arange(150 * 54, dtype=np.uint16).reshape(150, 6, 9)
    field = files.read_field(write(tmp_path / "0.npz", data=values, mask=mask))
    assert np.array_equal(field.outside, outside)
    assert np.array_equal(field.data, values)
    assert field.data.dtype == np.float32


def test_pixels_outside_may_be_anything_and_become_finite(tmp_path):
    values, outside = np.ones((150, 6, 9)), INSIDE.copy()
    values[:, 0, 0], outside[0, 0] = np.nan, True
    assert np.isfinite(files.read_field(write(tmp_path / "0.npz", data=values, mask=outside)).data).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"data": np.ones((149, 6, 9))}, r"numbers \[150, H, W\].*\(149, 6, 9\)"),
        ({"data": np.ones((6, 9, 150))}, r"bands first.*\(6, 9, 150\)"),
        ({"data": np.full((150, 6, 9), "a")}, "dtype <U1"),
        ({"data": np.full((150, 6, 9), np.nan)}, "Found NaN"),
        ({"mask": np.zeros((9, 6), bool)}, r"`mask` as booleans.*\(6, 9\)\. Found shape \(9, 6\)"),
        ({"mask": np.zeros((149, 6, 9), bool)}, r"Found shape \(149, 6, 9\)"),
        ({"mask": np.zeros((6, 9))}, "dtype float64"),
        ({"mask": ~INSIDE}, "`mask` that is true everywhere"),
        ({"mask": np.array([[None]])}, "cannot be read"),  # an object, which only pickle reads
    ],
)
def test_wrong_arrays_name_the_file(tmp_path, arrays, message):
    path = write(tmp_path / "17.npz", **arrays)
    with pytest.raises(ValueError, match=rf"(?s)17\.npz.*{message}"):
        files.read_field(path)


def test_file_without_mask_names_it(tmp_path):
    np.savez(tmp_path / "17.npz", data=np.ones((150, 6, 9)))
    with pytest.raises(ValueError, match=r"17\.npz' should hold `data` and `mask`. Found no `mask`"):
        files.read_field(tmp_path / "17.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_file_is_named(tmp_path, share):
    path = write(tmp_path / "17.npz")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"17\.npz' .* cannot be read .*copy it again"):
        files.read_field(path)


def test_file_that_is_damaged_inside_is_named(tmp_path):
    path = write(tmp_path / "17.npz")
    content = bytearray(path.read_bytes())
    content[5000] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"17\.npz' .* cannot be read"):
        files.read_field(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_index,P,K,Mg\n0,1,2,3\n", "Found no `pH`"),
        ("", "Found no `sample_index`"),
        ("sample_index,P,K,Mg,pH\n0,1,2,3,acid\n", r"should hold a number.*'acid'.*line 2"),
        ("sample_index,P,K,Mg,pH\n0,1,2,3\n", r"a number in each column.*line 2"),
        ("sample_index,P,K,Mg,pH\n0,1,2,3,nan\n", "not finite for sample 0"),
        ("sample_index,P,K,Mg,pH\n0,1,2,3,4\n0,1,2,3,4\n", "second row of sample 0 in line 3"),
    ],
)
def test_wrong_table_is_named(tmp_path, text, message):
    path = tmp_path / "gt.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"gt\.csv.*{message}"):
        files.read_table(path)


def test_row_without_a_file_names_the_file(folder):
    (folder / "3.npz").unlink()
    with pytest.raises(ValueError, match=r"3\.npz' should exist, since '.*train_gt\.csv' has a row for it"):
        data.Hyperview(folder)


def test_file_without_a_row_is_named(folder):
    write(folder / "6.npz")
    with pytest.raises(ValueError, match=r"train_gt\.csv' should have a row for each file.*6\.npz'\."):
        data.Hyperview(folder)


def test_folder_without_a_table_says_where_it_was_looked_for(folder):
    table = (folder / "train_gt.csv").rename(folder.parent / "gt.csv")
    assert files.find_table(folder) == table
    table.rename(folder.parent / "soil.csv")
    with pytest.raises(FileNotFoundError, match=r"train_gt\.csv or gt\.csv. Found none; name it with --gt"):
        data.Hyperview(folder)
    assert len(data.Hyperview(folder, folder.parent / "soil.csv").train_paths) == 4


def test_folder_that_is_missing_or_empty_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere' should be a folder"):
        data.Hyperview(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="at least four"):
        data.Hyperview(tmp_path)


def test_a_wrong_file_ends_the_example_before_it_trains(folder, monkeypatch):
    write(folder / "3.npz", data=np.ones((149, 6, 9)))
    monkeypatch.setattr(sys, "argv", ["hyperview_regression.py", "--folder", str(folder), "--logger", "csv"])
    with pytest.raises(SystemExit, match=r"error: '.*3\.npz' should hold `data`"):
        example.main()


@pytest.mark.parametrize(("height", "width"), [(10, 20), (20, 10)])
def test_image_is_divided_by_5419_padded_to_a_square_and_resized(height, width):
    field = files.Field(np.full((150, height, width), 5419, np.float32), np.zeros((height, width), bool))
    image, inside = data.to_image(field, data.Scale.challenge(), 40)
    if height > width:
        image, inside = image.mT, inside.mT
    assert image.shape == (150, 40, 40)
    assert torch.allclose(image[:, :18], torch.ones(()))
    assert torch.allclose(image[:, 22:], torch.zeros(()))
    assert inside[:20].all()
    assert not inside[20:].any()


def test_a_single_pixel_of_a_field_is_kept():
    outside = np.ones((64, 64), bool)
    outside[13, 40] = False
    inside = data.to_image(files.Field(np.ones((150, 64, 64), np.float32), outside), data.Scale.challenge(), 16)[1]
    assert inside[3, 10]
    assert inside.sum() <= 4


def test_bands_and_parameters_are_standardised_by_the_training_fields(folder):
    fields = data.Hyperview(folder, size=16)
    pixels = [files.read_field(path) for path in fields.train_paths]
    seen = torch.from_numpy(np.concatenate([one.data[:, ~one.outside] for one in pixels], axis=1)) / 5419
    seen = (seen - fields.scale.band_mean[:, None]) / fields.scale.band_std[:, None]
    assert seen.mean(1).abs().max() < 1e-4
    assert (seen.std(1, correction=0) - 1).abs().max() < 1e-4
    targets = torch.stack([one["target"] for one in fields.train_dataloader().dataset])
    assert targets.mean(0).abs().max() < 1e-4
    assert (targets.std(0, correction=0) - 1).abs().max() < 1e-4
    assert torch.tensor(fields.baseline()).abs().max() == 0
    fields.scale = data.Scale.challenge()
    assert torch.allclose(torch.tensor(fields.baseline()), fields.average)


@pytest.mark.parametrize("parameter", range(4))
def test_a_made_up_parameter_changes_its_own_bands_and_no_other(parameter):
    low, high = np.full(4, 0.5), np.full(4, 0.5)
    low[parameter], high[parameter] = 0.0, 1.0
    one, outside = made.make_field(low, np.random.default_rng(3))
    other, _ = made.make_field(high, np.random.default_rng(3))
    changed = (one != other)[:, ~outside].mean(1) > 0.5
    nm = np.array(files.wavelengths())
    first, last = made.DRIVERS[files.PARAMETERS[parameter]]
    assert np.array_equal(one[:, outside], other[:, outside])
    assert not (one != other)[(nm < first) | (nm > last)].any()
    assert changed[(nm > first + 10) & (nm < last - 10)].all()


def test_augmentation_turns_and_hides_and_changes_nothing_else():
    torch.manual_seed(0)
    image = torch.arange(1.0, 151).reshape(1, 150, 1, 1).expand(8, 150, 48, 48)
    seen = model.augment(image)
    assert torch.equal(seen[seen != 0], image[seen != 0])
    assert 0.3 < (seen != 0).float().mean() < 0.9


def test_a_checkpoint_of_any_spelling_is_matched_by_name_and_shape(tmp_path):
    torch.manual_seed(0)
    first, second = model.SoilCLIP(), model.SoilCLIP()
    first.scale = data.Scale(torch.rand(150), torch.rand(150), torch.rand(4), torch.rand(4))
    image = torch.randn(2, 150, 48, 48)
    torch.save(
        {"state_dict": {f"net.{k}": v for k, v in first.state_dict().items() if "_" not in k}, "epoch": 3},
        tmp_path / "part.ckpt",
    )
    with pytest.raises(ValueError, match=r"part\.ckpt' should hold weights.*Found no `vision"):
        model.load_checkpoint(second, tmp_path / "part.ckpt")
    torch.save(first.state_dict(), tmp_path / "all.pt")
    found = model.load_checkpoint(second, tmp_path / "all.pt")
    assert str(found).startswith(f"{len(first.state_dict())} weights matched\n0 missing")
    assert found.scaled
    assert torch.equal(second.scale.band_std, first.scale.band_std)
    assert torch.equal(second.eval()(image), first.eval()(image))


def test_a_checkpoint_without_a_head_is_reported(tmp_path):
    torch.manual_seed(0)
    own = model.SoilCLIP()
    weights = {f"clip.{k}": v for k, v in own.vision.state_dict().items()} | {"text_model.encoder.x": torch.ones(1)}
    torch.save(weights, tmp_path / "clip.pt")
    other = model.SoilCLIP()
    kept = other.head.weight.clone()
    found = model.load_checkpoint(other, tmp_path / "clip.pt")
    assert len(found.matched) == len(weights) - 1
    assert (found.missing, found.unexpected) == (["head.weight", "head.bias"], ["text_model.encoder.x"])
    assert "no scale in it" in str(found)
    assert torch.equal(other.head.weight, kept)
    assert all(torch.equal(a, b) for a, b in zip(own.vision.parameters(), other.vision.parameters(), strict=True))


def test_what_transformers_saves_is_matched(tmp_path):
    torch.manual_seed(0)
    own, other = model.SoilCLIP(), model.SoilCLIP()
    own.vision.save_pretrained(tmp_path)
    found = model.load_checkpoint(other, tmp_path / "model.safetensors")
    assert (found.missing, found.unexpected) == (["head.weight", "head.bias"], [])
    assert all(torch.equal(a, b) for a, b in zip(own.vision.parameters(), other.vision.parameters(), strict=True))


def test_the_clip_size_is_vit_b_32_with_150_channels():
    with torch.device("meta"):
        clip = model.SoilCLIP("clip")
        assert clip(torch.empty(2, 150, 224, 224)).shape == (2, 4)
    assert clip.vision.get_parameter("embeddings.patch_embedding.weight").shape == (768, 150, 32, 32)


def test_a_checkpoint_of_another_architecture_is_named(tmp_path, monkeypatch):
    wide = model.SIZES["small"] | {"hidden_size": 32, "num_attention_heads": 2}
    monkeypatch.setitem(model.SIZES, "clip", wide)
    torch.save(model.SoilCLIP("clip").state_dict(), tmp_path / "wide.pt")
    own = model.SoilCLIP()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    message = r"wide\.pt' should hold weights of the architecture of `--size small`. Found `vision.*have another shape"
    with pytest.raises(ValueError, match=message):
        model.load_checkpoint(own, tmp_path / "wide.pt")
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())


def test_a_checkpoint_that_is_not_only_weights_is_refused(tmp_path):
    torch.save({"state_dict": {}, "thing": Path("x")}, tmp_path / "object.pt")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    torch.save([1], tmp_path / "list.pt")
    (tmp_path / "bad.safetensors").write_bytes(b"12")
    torch.save(model.SoilCLIP().state_dict(), tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:5000])
    for name in ("object.pt", "empty.ckpt", "cut.pt", "bad.safetensors"):
        with pytest.raises(ValueError, match=rf"{name}' should be a checkpoint that loads weights-only"):
            model.load_checkpoint(model.SoilCLIP(), tmp_path / name)
    with pytest.raises(ValueError, match=r"list\.pt' should hold a state dict.*a list"):
        model.load_checkpoint(model.SoilCLIP(), tmp_path / "list.pt")
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        model.load_checkpoint(model.SoilCLIP(), tmp_path / "none.pt")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run in the fast mode, its folder, and the checkpoint."""
    folder = tmp_path_factory.mktemp("hyperview")
    run = example.start(example.parse_arguments(["--fast", "--logger", "csv", "--output", str(folder)]))
    run.go()
    run.trainer.save_checkpoint(folder / "soil.ckpt", weights_only=True)
    return run, folder


@pytest.mark.parametrize("parameter", range(4), ids=files.PARAMETERS)
def test_the_bands_that_drive_a_parameter_are_its_highest_ranked_superbands(trained, parameter):
    spectral = trained[0].lime.explanation("spectral")
    true = report.driving(spectral, parameter)
    assert len(true) == 2
    assert set(report.strongest(spectral, parameter, len(true))) == set(true)


def test_all_four_parameters_are_explained_in_one_pass(trained):
    for view, features in (("spectral", 20), ("field", 2)):
        explanation = trained[0].lime.explanation(view)
        assert explanation.coefficients.shape == (8, 4, features)
        assert torch.equal(explanation.targets, torch.arange(4).expand(8, 4))


def test_all_fields_together_rest_on_the_same_bands(trained):
    found, drawn = [], []

    def kept(aggregate, **settings):
        found.append(aggregate)
        drawn.append(draw_aggregate_spectra(aggregate, **settings))
        return drawn[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example, "draw_aggregate_spectra", kept)
        trained[0].all_fields()
    assert found[0].inputs == len(trained[0].data.val_paths)
    spectral = trained[0].lime.explanation("spectral")
    for parameter in range(4):
        strongest = {found[0].names[i] for i in found[0].magnitude[parameter].topk(2).indices}
        assert strongest == set(report.driving(spectral, parameter))
    assert f"mean of {found[0].inputs} inputs" in " ".join(labels(drawn[0]))


def test_the_field_counts_and_what_surrounds_it_hardly_does(trained):
    field = trained[0].lime.explanation("field")
    assert field.features.names == example.FIELD
    inside, outside = field.coefficients.abs().mean((0, 1)).tolist()
    assert outside < inside / 3


def test_a_checkpoint_is_explained_again_with_the_pixels_outside_left_alone(trained, capsys):
    run, folder = trained
    fields = next(folder.glob("hyperview_*_fields_*"))
    arguments = [
        "--fast",
        "--logger",
        "csv",
        "--output",
        str(folder / "again"),
        "--folder",
        str(fields),
        "--epochs",
        "0",
    ]
    again = example.start(
        example.parse_arguments([*arguments, "--checkpoint", str(folder / "soil.ckpt"), "--mask", "alone"])
    )
    again.go()
    assert "0 missing, left as they were\n  0 unexpected" in capsys.readouterr().out
    known, found = run.lime.explanation("spectral"), again.lime.explanation("spectral")
    assert torch.allclose(found.prediction, known.prediction, atol=0.2)
    for parameter in range(4):
        assert report.strongest(found, parameter, 2) == report.strongest(known, parameter, 2)
    mask = again.lime.explanation("spatial").features.canonical[:, 0]
    inside = torch.stack([one["inside"] for one in again.data.val_dataloader().dataset])
    left_alone = (mask == -1).flatten(1)
    assert all(any(torch.equal(one, ~other) for other in inside.flatten(1)) for one in left_alone)


def test_the_picture_has_a_chart_for_each_parameter_and_is_small(trained, tmp_path):
    run = trained[0]
    figure = report.charts(run.trainer.callback_metrics, run.lime.explanation("spectral"), made_up=True)
    assert sum("R² in validation" in text for text in labels(figure)) == 4
    assert "drives the parameter" in labels(figure)
    report.save(figure, tmp_path / "a" / "picture.png")
    assert (tmp_path / "a" / "picture.png").stat().st_size < 200_000
    with Image.open(tmp_path / "a" / "picture.png") as picture:
        assert picture.size[0] > 900


def test_no_epoch_without_a_checkpoint_is_refused(capsys):
    for arguments, message in ((["--epochs", "0"], "needs --checkpoint"), (["--epochs", "-1"], "0 or more. Found -1")):
        with pytest.raises(SystemExit, match="2"):
            example.parse_arguments(arguments)
        assert message in capsys.readouterr().err
