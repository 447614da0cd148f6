"""The example on handwritten digits, from end to end in its fast mode."""

import re

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from sklearn.datasets import load_digits
from toys import example


@pytest.fixture(scope="module")
def digits():
    return example("digits")


def test_digits(digits, tmp_path, capsys):
    """Both models are good, every surrogate has a score, and the picture is there."""
    digits.main(["--fast", "--output", str(tmp_path)])
    text = capsys.readouterr().out
    accuracies = [float(number) for number in re.findall(r"accuracy ([\d.]+)", text)]
    assert len(accuracies) == 3
    assert min(accuracies) > 0.93
    rows = re.findall(r"^(.*), \w+ +([\d.]+)  ([\d.]+)  ([\d.]+)", text, re.MULTILINE)
    assert [name for name, *_ in rows] == ["forest"] * 3 + ["SVM"] * 3 + ["calibrated SVM"] * 3
    scores = np.array([row[1:] for row in rows], dtype=float)
    assert ((scores[:6] > 0.5) & (scores[:6] <= 1)).all()
    assert scores[6:].mean() < scores[3:6].mean()  # probabilities saturate
    true, predicted = re.search(r"takes the (\d) for a (\d)", text).groups()
    assert true != predicted
    assert f"output {true}: pixel" in text
    assert f"output {predicted}: pixel" in text
    assert imread(tmp_path / "digits.png").std() > 0.05


def test_a_hidden_pixel_is_of_another_quarter(digits):
    """Of every digit, and one that there is in the training data."""
    train = load_digits().data[:400]
    hidden = digits.other_quarters(torch.from_numpy(train), train).numpy()
    edges = np.quantile(train, [0.25, 0.5, 0.75], axis=0)
    quarter, other = ((values[:, None] > edges).sum(1) for values in (train, hidden))
    several = (quarter != quarter[0]).any(0)
    assert several.sum() > 40
    assert (quarter != other)[:, several].all()
    assert all(np.isin(hidden[:, pixel], train[:, pixel]).all() for pixel in range(64))
    assert (hidden == train)[:, ~several].all()  # where there is no other
