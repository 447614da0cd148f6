"""The example on handwritten digits, from end to end in its fast mode."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits.py"


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_digits(digits, tmp_path, capsys):
    """Both models are good, every surrogate has a score, and the picture is there."""
    digits.main(["--fast", "--output", str(tmp_path)])
    text = capsys.readouterr().out
    accuracies = [float(number) for number in re.findall(r"accuracy ([\d.]+)", text)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.93
    rows = re.findall(r"^(?:forest|SVM), \w+ +([\d.]+)  ([\d.]+)  ([\d.]+)", text, re.MULTILINE)
    assert len(rows) == 6
    assert all(0.5 < float(score) <= 1 for row in rows for score in row)
    true, predicted = re.search(r"takes the (\d) for a (\d)", text).groups()
    assert true != predicted
    assert f"output {true}: pixel" in text
    assert f"output {predicted}: pixel" in text
    assert imread(tmp_path / "digits.png").std() > 0.05


def test_a_hidden_pixel_is_of_another_quarter(digits):
    train = np.random.default_rng(0).normal(size=(400, 64))
    train[:, 0] = 3.0
    inputs = torch.from_numpy(train[:3].copy())
    hidden = digits.other_quarters(inputs, train)
    assert torch.equal(hidden[:, 0], inputs[:, 0])  # there is none
    lowest = np.argmin(train[:, 5])
    found = digits.other_quarters(torch.from_numpy(train[[lowest]]), train)[0, 5]
    assert float(found) == pytest.approx(np.sort(train[:, 5])[100:].mean())
