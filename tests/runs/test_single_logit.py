"""A single logit of two classes in a run: its names, in the history and in `run.json`, for labels of either class."""

import json

import pytest
import torch
from toys import Classifier, Samples, fit

from lime_callback import LimeCallback, Superpixels
from lime_callback.publishing.sinks import read_history


class Binary(Classifier):
    def __init__(self):
        super().__init__(outputs=1)

    def loss(self, batch):
        x, y = batch
        return torch.nn.functional.binary_cross_entropy_with_logits(self(x)[:, 0], y.float())


@pytest.mark.parametrize(
    ("names", "target", "labels"),
    [(["sea", "ship"], "ship", ["sea", "ship"]), (["ship"], "ship", ["not ship", "ship"]), (None, "1", ["0", "1"])],
)
def test_names_and_target_are_right(tmp_path, names, target, labels):
    lime = LimeCallback(
        [Superpixels("grid", n_segments=4)], class_names=names, probes=4, n_perturbations=16, on_error="raise",
        background=0,
    )  # fmt: skip
    data = Samples(pack=lambda x, y, i: (x, (y > 1).long()))
    fit(tmp_path, lime, model=Binary, data=data, epochs=1)
    assert lime.explanation("spatial").targets.tolist() == [[0]] * 4
    rows = read_history(tmp_path / "lime" / "history.csv")
    assert {row.target for row in rows} == {target}
    assert {row.truth for row in rows} <= set(labels)
    told = json.loads((tmp_path / "lime" / "run.json").read_text())
    truth = [labels[int(label)] for label in lime._validation.probes.labels]
    assert [probe["label"] for probe in told["probes"]] == truth


def test_three_names_of_one_logit_are_refused(tmp_path):
    lime = LimeCallback([Superpixels("grid", n_segments=4)], class_names=["a", "b", "c"], probes=2, n_perturbations=16)
    with pytest.raises(ValueError, match=r"one name for each of the model's 1 output\. Found 3 names"):
        fit(tmp_path, lime, model=Binary, data=Samples(pack=lambda x, y, i: (x, (y > 1).long())), epochs=1)
