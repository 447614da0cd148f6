"""Pictures that are worth a look: which samples become probes, alone, in a run, in two processes and after a resume."""

import math
import warnings

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from logged_names import metrics_of_one_epoch
from torch import nn
from toys import WAVELENGTHS, Classifier, Samples, fit, loader, trainer

from lime_callback import LimeCallback, Superbands, Superpixels
from lime_callback.outputs.probabilities_and_losses import losses, probabilities, true_classes
from lime_callback.probes.label_choices import HasClass
from lime_callback.probes.probe_choices import (
    CHOICES,
    ChoiceName,
    Evenly,
    HighestLoss,
    Misclassified,
    Numbered,
    OnePerClass,
    Unsure,
    resolve_choice,
)
from lime_callback.probes.probe_samples import probes_of
from lime_callback.probes.ranked_samples import RankedSamples
from lime_callback.publishing.sinks import read_history

V, T = ValueError, TypeError
N = 60


def logits(seed=0, size=N, classes=3):
    return 2 * torch.randn(size, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.arange(N) % 3


def run(choice, y=None, labels=LABELS, batch=16, shares=1, lengths=None, sizes=None):
    """The numbers of the samples that a choice takes, of a data set whose sample i has outputs ``y[i]``."""
    y = logits() if y is None else y
    sizes = sizes or [batch] * (len(y) // batch) + [len(y) % batch] * bool(len(y) % batch)
    lists = [
        RankedSamples(
            choice, lengths or [len(sizes)], lambda picked: y[picked["x"].long().flatten()], share=s, shares=shares
        )
        for s in range(shares)
    ]
    start = 0
    for i, size in enumerate(sizes):
        rows = torch.arange(start, start + size)
        for s, one in enumerate(lists):
            own = rows[s::shares]
            one.offer({"x": own.double().unsqueeze(1), "y": None if labels is None else labels[own]}, i)
        start += size
    chosen = choice.leading(one for part in lists for one in part.standing())
    if not chosen:
        return []
    probes = probes_of([one.captured(chosen) for one in lists], numbers=tuple(n for _, n in chosen))
    assert probes.inputs.flatten().tolist() == [n for _, n in chosen]  # the samples are those of the numbers
    assert max(len(one.standing()) for one in lists) <= choice.count
    return list(probes.numbers)


def every(**settings):
    return {"count": 5, "candidates": None} | settings


def test_the_highest_loss_is_that_of_cross_entropy():
    loss = nn.functional.cross_entropy(logits(), LABELS, reduction="none")
    assert run(HighestLoss(**every())) == loss.argsort(descending=True)[:5].tolist()


def test_misclassified_samples_are_taken_for_another_class():
    wrong = (logits().argmax(1) != LABELS).nonzero().flatten().tolist()
    found = run(Misclassified(**every()))
    assert len(set(found)) == 5
    assert set(found) <= set(wrong)
    assert set(run(Misclassified(**every(count=100)))) == set(wrong)
    worst = run(HighestLoss(**every()))
    assert found != worst  # an even sample of them
    assert run(Misclassified(**every()), y=nn.functional.one_hot(LABELS, 3).double()) == []


def test_unsure_samples_have_a_small_margin_and_the_truth_among_the_first_two():
    p = logits().softmax(1)
    two = p.topk(2, 1)
    margin = two.values[:, 0] - two.values[:, 1]
    among = (two.indices == LABELS.unsqueeze(1)).any(1)
    for bound in (0.5, 0.1):
        fits = [i for i in margin.argsort().tolist() if among[i] and margin[i] < bound]
        assert run(Unsure(**every(margin=bound))) == fits[:5]
    assert len(run(Unsure(**every(margin=1e-9)))) == 0


def test_one_of_each_class_is_the_first_of_it():
    labels = torch.tensor([7, 7, 2, 2, 0, 2, 7, 5])
    y = torch.zeros(8, 8)
    assert run(OnePerClass(), y, labels, batch=3) == [4, 2, 7, 0]
    assert run(OnePerClass(count=2), y, labels, batch=3) == [4, 2]
    assert run(OnePerClass(), y, labels.double().unsqueeze(1), batch=3) == [4, 2, 7, 0]


MASKS = torch.zeros(N, 6, 6, dtype=torch.long)
MASKS[::3, 0] = 1  # a sixth of the pixels
MASKS[1::4, 1, :2] = 2  # an eighteenth
MASKS[50, 2, 0] = 3  # one pixel
MASKS[:, 5, 5] = 255  # no class


@pytest.mark.parametrize(("batch", "shares"), [(1, 1), (7, 1), (60, 1), (10, 2)])
def test_samples_that_have_a_class_are_the_same_in_any_batches_and_processes(batch, shares):
    for label, share in ((1, 0.1), (2, 0.02), (2, 0.05)):
        found = run(HasClass(label, 4, share), labels=MASKS, batch=batch, shares=shares)
        assert len(set(found)) == 4
        assert all((MASKS[number] == label).double().mean() >= share for number in found)
        assert found == run(HasClass(label, 4, share), labels=MASKS)
    assert run(HasClass(2, 4, 0.1), labels=MASKS, batch=batch, shares=shares) == []
    assert run(HasClass(3, 4, 0.02), labels=MASKS, batch=batch, shares=shares) == [50]
    assert set(LABELS[run(HasClass(2, 4), batch=batch, shares=shares)].tolist()) == {2}  # of one label a sample


@pytest.mark.parametrize(("batch", "shares"), [(1, 1), (7, 1), (60, 1), (10, 2)])
def test_one_of_each_class_of_masks_has_all_classes_that_can_be_had(batch, shares):
    found = run(OnePerClass(), labels=MASKS, batch=batch, shares=shares)
    assert len(found) == 4
    assert 50 in found
    assert set(MASKS[found].flatten().tolist()) == {0, 1, 2, 3, 255}
    assert found == run(OnePerClass(), labels=MASKS)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"label": -1}, V, "`label` should be"),
        ({"label": 1, "count": 0}, V, "`count` should be"),
        ({"label": 1, "share": 0.0}, V, "`share` should be"),
        ({"label": 1, "share": 1.5}, V, "`share` should be above 0, and at most 1. Found `share = 1.5`"),
    ],
)
def test_what_has_no_class_or_no_share_is_told(given, error, text):
    with pytest.raises(error, match=text):
        HasClass(**given)


def test_samples_by_number_come_in_the_order_of_the_numbers():
    assert run(Numbered([40, 3, 17])) == [40, 3, 17]
    assert run(Numbered([59, 60])) == [59]  # as many as there are
    assert run(Numbered(range(5))) == [0, 1, 2, 3, 4]


ALL = [HighestLoss(**every()), Misclassified(**every()), Unsure(**every()), OnePerClass(), Numbered([40, 3, 17])]
IDS = [type(one).__name__ for one in ALL]


@pytest.mark.parametrize("choice", ALL, ids=IDS)
def test_the_size_of_batches_and_the_number_of_processes_do_not_matter(choice):
    expected = run(choice)
    for batch, shares in ((1, 1), (7, 1), (60, 1), (20, 2), (15, 3), (12, 4)):
        assert run(choice, batch=batch, shares=shares) == expected
    assert run(choice, lengths=[math.inf]) == expected


@pytest.mark.parametrize("choice", ALL, ids=IDS)
def test_no_more_samples_are_kept_than_are_wanted(choice):
    """Whatever the order in which they come: here each sample is better than all before it."""
    y = torch.zeros(N, 3, dtype=torch.float64)
    y[:, 0] = torch.arange(N) / 10
    run(choice, y, torch.ones(N).long(), batch=4)  # asserts it


def test_candidates_bound_the_forwards_and_are_spread_evenly():
    asked = []

    class Recorded(HighestLoss):
        def rank(self, seen):
            asked.extend(seen.numbers)
            return super().rank(seen)

    run(Recorded(count=2, candidates=12))
    assert len(asked) == 12
    assert {number // 15 for number in asked} == {0, 1, 2, 3}
    asked.clear()
    run(Recorded(count=2, candidates=2), batch=4)
    assert len(asked) == 2
    assert asked[0] < 30 <= asked[1]
    asked.clear()
    run(Recorded(count=2, candidates=20), lengths=[math.inf])  # of unknown length: the first ones
    assert sorted(asked)[:16] == list(range(16))
    assert [16 <= number < 32 for number in sorted(asked)[16:]] == [True] * 4


def test_in_lockstep_all_processes_ask_equally_often():
    asked = [0, 0]
    for share in range(2):

        def outputs(picked, share=share):
            asked[share] += 1
            return torch.zeros(len(picked["x"]), 3)

        one = RankedSamples(HighestLoss(1, candidates=3), [3], outputs, share=share, shares=2, lockstep=True)
        for i in range(3):
            one.offer({"x": torch.zeros(8, 1), "y": torch.zeros(8).long()}, i)
    assert asked == [3, 3]


def test_samples_of_another_shape_do_not_fit_the_first():
    one = RankedSamples(OnePerClass(), [2], lambda _: None)
    one.offer({"x": torch.zeros(2, 4), "y": torch.tensor([0, 1])}, 0)
    one.offer({"x": torch.zeros(2, 5), "y": torch.tensor([2, 3])}, 1)
    assert [number for _, number in one.standing()] == [0, 1]


# ---------------------------------------------------------------------------------------------------------------------
# What outputs and labels say.


def test_probabilities_of_logits_of_probabilities_and_of_a_single_logit():
    y = logits()
    torch.testing.assert_close(probabilities(y), y.softmax(1))
    torch.testing.assert_close(probabilities(y.softmax(1)), y.softmax(1))
    half = y.softmax(1).to(torch.bfloat16)
    torch.testing.assert_close(probabilities(half), half.double())
    torch.testing.assert_close(probabilities(y.log_softmax(1)), y.softmax(1))
    single = y[:, 0]
    two = torch.stack([1 - single.sigmoid(), single.sigmoid()], 1)
    torch.testing.assert_close(probabilities(single), two)
    torch.testing.assert_close(probabilities(single.unsqueeze(1)), two)


def test_losses_of_classes_numbers_and_pixels():
    y, maps = logits(), torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cross = nn.functional.cross_entropy
    torch.testing.assert_close(losses(y, LABELS), cross(y, LABELS, reduction="none"))
    binary = (LABELS > 0).double()
    expected = nn.functional.binary_cross_entropy_with_logits(y[:, 0], binary, reduction="none")
    torch.testing.assert_close(losses(y[:, 0], binary.long()), expected)
    target = logits(seed=3)
    torch.testing.assert_close(losses(y, target), (y - target).square().mean(1))
    torch.testing.assert_close(losses(y[:, :1], target[:, 0]), (y - target).square()[:, 0])
    labels = torch.arange(4 * 30).view(4, 5, 6) % 3
    torch.testing.assert_close(losses(maps, labels), cross(maps, labels, reduction="none").mean((1, 2)))
    ignored = labels.clone()
    ignored[:, 0] = 255
    expected = cross(maps, labels, reduction="none")[:, 1:].mean((1, 2))
    torch.testing.assert_close(losses(maps, ignored), expected)
    own = losses(y, target, lambda a, b: (a - b).abs().sum(1, keepdim=True))
    torch.testing.assert_close(own, (y - target).abs().sum(1))


def test_a_loss_that_is_not_finite_is_not_wanted():
    y = torch.zeros(4, 2)
    y[1] = math.nan
    y[2, 0] = math.inf
    assert set(run(HighestLoss(4, None), y, torch.ones(4).long())) == {0, 3}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: probabilities(torch.zeros(2, 3, 4)), r"`probes` by class need outputs \[m\] or \[m, K\].*\(2, 3, 4\)"),
        (lambda: true_classes(None, 3), r"need one whole number for each sample. Found no label in the batch; pass"),
        (lambda: true_classes(torch.zeros(2, 3), 3), r"need one whole number.*\(2, 3\)"),
        (lambda: true_classes(torch.tensor([0.5]), 3), r"need one whole number.*float32"),
        (lambda: true_classes(torch.tensor([0, 3]), 3), r"need labels from 0 to 2, one for each output. Found the.* 3"),
        (lambda: true_classes(torch.tensor([-1])), r"need labels from 0 on. Found the label -1"),
        (lambda: losses(torch.zeros(2, 3), None), r"`probes` of the highest loss need.*no label in the batch"),
        (lambda: losses(torch.zeros(2, 3, 4), torch.zeros(2).long()), r"labels that fit the outputs, or a function"),
        (lambda: losses(torch.zeros(2, 3), LABELS[:2], lambda y, t: 0.0), r"`loss` should return one number for each"),
        (lambda: losses(torch.zeros(2, 1), torch.tensor([0, 5])), r"need labels from 0 to 1.*label 5"),
    ],
)
def test_outputs_and_labels_that_do_not_fit(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------------------------------------------------------------
# Spellings.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4, Evenly(4)),
        ([3, 1], Numbered((3, 1))),
        ((3, 1), Numbered((3, 1))),
        (range(2), Numbered((0, 1))),
        (torch.tensor([3, 1]), Numbered((3, 1))),
        ("one_per_class", OnePerClass()),
        ("misclassified", Misclassified()),
        (Unsure(2, anew=True), Unsure(2, anew=True)),
    ],
)
def test_spellings(value, expected):
    assert resolve_choice(value) == expected
    assert LimeCallback(probes=value).config.choice == expected
    assert LimeCallback(probes=value).config.probes == expected.count


def test_names_of_the_annotation_are_those_that_are_known():
    assert ChoiceName.__args__ == tuple(CHOICES)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: LimeCallback(probes="worst"), V, "`probes` should be a whole number.*'misclassified'.*'worst'"),
        (lambda: LimeCallback(probes=None), T, "`probes` should be a whole number.*Found `probes = None`"),
        (lambda: LimeCallback(probes=0), V, "`probes` should be a whole number of at least 1. Found `probes = 0`"),
        (lambda: LimeCallback(probes=[]), V, "`probes` by number should hold different numbers"),
        (lambda: LimeCallback(probes=[1, 1]), V, r"`probes` by number should hold different.*\[1, 1\]"),
        (lambda: LimeCallback(probes=[-1]), V, r"`probes` by number should hold.*from 0 on.*\[-1\]"),
        (lambda: LimeCallback(probes=[1.5]), T, r"`probes` by number should be a sequence of whole numbers.*\[1.5\]"),
        (lambda: LimeCallback(probes=[True]), T, "`probes` by number should be a sequence of whole numbers"),
        (lambda: Numbered("12"), T, "`probes` by number should be a sequence of whole numbers. Found '12'"),
        (lambda: OnePerClass(0), V, "`count` should be a whole number of at least 1"),
        (lambda: Misclassified(count=2.0), T, "`count` should be a whole number of at least 1"),
        (lambda: HighestLoss(count=9, candidates=8), V, "`candidates` should be no fewer.*= 8` and `count = 9`"),
        (lambda: HighestLoss(candidates=0), V, "`candidates` should be a whole number of at least 1"),
        (lambda: HighestLoss(anew="yes"), T, "`anew` should be True or False"),
        (lambda: HighestLoss(loss="mse"), T, "`loss` should be a function that takes outputs and labels"),
        (lambda: Unsure(margin=0), V, "`margin` should be above 0"),
        (lambda: Unsure(margin="small"), T, "`margin` should be a number"),
    ],
)
def test_what_cannot_be_chosen_is_named_at_once(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


# ---------------------------------------------------------------------------------------------------------------------
# In a run.

VIEWS = [Superpixels("grid", n_segments=4), Superbands(bands=3)]


def callback(probes, **settings):
    usual = {"wavelengths": WAVELENGTHS, "n_perturbations": 24, "on_error": "raise", "pictures": False}
    return LimeCallback(VIEWS, probes=probes, **usual | settings)


class Slow(Classifier):
    """Still makes mistakes after some epochs."""

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 5e-4)


class Outputs(pl.Callback):
    """The model's outputs for the whole validation set, as they are when it is validated."""

    def __init__(self):
        self.found = []

    def on_validation_epoch_end(self, one, module):
        if not one.sanity_checking:
            with torch.random.fork_rng():
                self.found.append(module(Samples().x).detach())


def expected(choice, y):
    return run(choice, y.double(), Samples().y, batch=16)


@pytest.mark.parametrize("choice", [HighestLoss(4), Misclassified(4), Unsure(4), OnePerClass(), Numbered([5, 40])])
def test_pinned_probes_are_those_of_the_first_validation(tmp_path, choice):
    lime, seen = callback(choice), Outputs()
    one, _ = fit(tmp_path, lime, seen, model=Slow, epochs=3)
    probes = lime._validation.probes
    assert list(probes.numbers) == expected(choice, seen.found[0])
    torch.testing.assert_close(probes.inputs, Samples().x[list(probes.numbers)])
    assert probes.labels.tolist() == Samples().y[list(probes.numbers)].tolist()
    rows = read_history(tmp_path / "lime" / "history.csv")
    assert {(row.epoch, row.probe) for row in rows} == {(e, n) for e in (1, 2, 3) for n in probes.numbers}
    assert one.callback_metrics["lime/spectral/drift"] < 2


@pytest.mark.parametrize("choice", [HighestLoss(4, anew=True), Misclassified(4, anew=True), Unsure(4, anew=True)])
def test_probes_that_are_chosen_anew_are_those_of_each_validation_and_have_no_drift(tmp_path, choice):
    lime, seen = callback(choice), Outputs()
    one, _ = fit(tmp_path, lime, seen, model=Slow, epochs=3)
    rows = read_history(tmp_path / "lime" / "history.csv")
    found = [{row.probe for row in rows if row.epoch == epoch} for epoch in (1, 2, 3)]
    assert found == [set(expected(choice, y)) for y in seen.found]
    assert len({frozenset(one) for one in found}) > 1
    names = {name.rsplit("/", 1)[1] for name in one.callback_metrics if name.startswith("lime/spectral/")}
    assert names == metrics_of_one_epoch()
    assert one.callback_metrics["lime/spectral/score"] > 0
    assert lime._latest.loop.view("spectral").series.epochs == [3.0]


def test_probes_that_are_chosen_anew_are_chosen_only_when_it_is_time(tmp_path):
    class Counted(Classifier):
        asked = 0

        def forward(self, x):
            from lime_callback import is_explaining

            self.rows.append((self.trainer.current_epoch, len(x), is_explaining()))
            return super().forward(x)

    Counted.rows = rows = []
    lime = callback(HighestLoss(2, anew=True), every_n_epochs=2, stem="off", max_batch_size=5)
    fit(tmp_path, lime, model=Counted, epochs=4)
    by_epoch = [sum(size for epoch, size, own in rows if own and epoch == e) for e in range(4)]
    # All candidates, then for each view its targets, the probes, these with nothing shown, and all on/off rows.
    assert by_epoch[2] == 48 + 2 * (1 + 1 + 1 + 2**4) + 2 * (1 + 1 + 1 + 2**3)
    assert by_epoch[1] == by_epoch[3] == 0
    assert sorted({row.epoch for row in read_history(tmp_path / "lime" / "history.csv")}) == [1, 3]


def test_choosing_costs_are_told(tmp_path):
    one, _ = fit(tmp_path, callback(HighestLoss(2, candidates=12)), epochs=1)
    # Beside perturbations: probes before targets are chosen, themselves, all hidden; for each view a proof of the stem.
    assert one.callback_metrics["lime/forwards"] == 12 + 2 * (3 + 2**4) + 3 + 2 * (3 + 2**3) + 3


def test_a_choice_that_finds_nothing_explains_nothing_and_tries_again(tmp_path, caplog):
    class Right(Classifier):
        """Makes no mistake before the second epoch."""

        def forward(self, x):
            truth = x.mean((2, 3))[:, :3].argmax(1)
            wrong = (truth + 1) % 3 if self.trainer.current_epoch else truth
            return super().forward(x) * 0.01 + 5 * nn.functional.one_hot(wrong, 3)

    lime = callback("misclassified")
    data = Samples()
    data.x = data.x * 0.01
    data.x[torch.arange(48), data.y] += 1.0
    with caplog.at_level("INFO"):
        one, _ = fit(tmp_path, lime, model=Right, data=data, epochs=2)
    said = [record.message for record in caplog.records if "LimeCallback" in record.message]
    assert "LimeCallback 'lime': there are no validation samples that are misclassified, so none is explained." in said
    assert {row.epoch for row in read_history(tmp_path / "lime" / "history.csv")} == {2}
    assert len(lime._validation.probes) == 8
    assert one.callback_metrics["lime/spectral/score"] != 0


def test_fewer_samples_than_are_asked_for_are_told(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit(tmp_path, callback(OnePerClass(), every_n_epochs=1), epochs=1)
    said = [record.message for record in caplog.records if "LimeCallback" in record.message]
    assert said[0].startswith(
        "LimeCallback 'lime': explains at most 16 validation samples, one of each class, by 'spatial' and 'spectral': "
        "batch entry 0, [6, 12, 12] as CHW"
    )
    assert said[1] == (
        "LimeCallback 'lime': took 3 validation samples: numbers 0, 1, 2; class 0: 1, class 1: 1, class 2: 1. They "
        "cost about 868 forward passes."
    )


@pytest.mark.parametrize(
    ("probes", "settings", "message"),
    [
        ([3, 48], {}, r"`probes` by number should be samples of the validation set, from 0 to 47. Found \[48\]"),
        ("one_per_class", {"labels": False}, "`probes` that are chosen by their labels need one whole number"),
        ("misclassified", {"labels": False}, "`probes` that are chosen by their labels need one whole number"),
        ("highest_loss", {"labels": False}, "`probes` of the highest loss need.*no label in the batch"),
        (HighestLoss(loss=lambda y, t: nn.functional.mse_loss(y, y)), {}, "`loss` should return one number for each"),
        (
            "unsure",
            {"maps": True},
            r"`forward` should return \[m\] or \[m, K\].*of anything else, an `output=` function",
        ),
    ],
)
def test_what_does_not_fit_the_data_raises_before_training(tmp_path, probes, settings, message):
    class Odd(Classifier):
        steps = 0

        def forward(self, x):
            y = super().forward(x)
            return y[:, :, None].expand(-1, -1, 4) if settings.get("maps") else y

        def loss(self, batch):
            x = batch[0] if settings.get("labels", True) else batch
            return self(x).square().mean()

        def training_step(self, batch, number):
            self.steps += 1
            return super().training_step(batch, number)

    data = Samples() if settings.get("labels", True) else Samples(pack=lambda x, y, i: x)
    model = Odd()
    output = {"output": lambda y: y} if settings.get("maps") else {}
    with pytest.raises(ValueError, match=message):
        fit(tmp_path, callback(probes, on_error="warn", **output), model=lambda: model, data=data, epochs=1)
    assert model.steps == 0


def test_saved_explanations_cannot_be_a_reference_for_probes_that_are_chosen_anew(tmp_path):
    fit(tmp_path, callback(2), epochs=1)
    saved = {"spectral": tmp_path / "lime" / "spectral.npz"}
    with pytest.raises(
        ValueError, match=r"`reference` should be a checkpoint where probes are chosen anew.*'spectral'"
    ):
        callback(HighestLoss(2, anew=True), reference=saved)


def test_a_checkpoint_is_a_reference_for_probes_that_are_chosen_anew(tmp_path):
    saving = ModelCheckpoint(tmp_path, filename="last")
    fit(tmp_path, saving, epochs=1, enable_checkpointing=True)
    lime = callback(HighestLoss(2, anew=True), reference=tmp_path / "last.ckpt")
    one, _ = fit(tmp_path, lime, seed=5, epochs=2)
    assert 0 < one.callback_metrics["lime/spectral/drift_from_reference"] < 2


def test_without_validation_samples_of_the_training_set_are_chosen(tmp_path):
    for choice, epochs in ((HighestLoss(3), {1, 2}), (HighestLoss(3, anew=True), {1, 2}), (OnePerClass(), {1, 2})):
        lime = callback(choice)
        fit(tmp_path / type(choice).__name__ / str(choice.anew), lime, limit_val_batches=0)
        (path,) = (tmp_path / type(choice).__name__ / str(choice.anew)).rglob("history.csv")
        assert {row.epoch for row in read_history(path)} == epochs
        assert len(lime._validation.probes) == 3


def test_a_test_set_has_a_choice_of_its_own(tmp_path):
    lime = callback(HighestLoss(2))
    one = trainer(tmp_path, lime)
    pl.seed_everything(0, verbose=False)
    model = Classifier()
    other = Samples()
    other.x = other.x.flip(0)
    other.y = other.y.flip(0)
    one.test(model, loader(other), verbose=False)
    y = model.eval()(Samples().x).detach()
    assert {row.probe for row in read_history(tmp_path / "lime" / "test" / "history.csv")} == {
        47 - n for n in expected(HighestLoss(2), y)
    }


def test_several_loaders_are_numbered_one_behind_the_other(tmp_path):
    class Two(Classifier):
        def validation_step(self, batch, _, dataloader_idx=0):
            self.log("val_loss", self.loss(batch), batch_size=4)

    lime = callback([2, 21, 25])
    pl.seed_everything(0, verbose=False)
    one = trainer(tmp_path, lime, epochs=1)
    one.fit(Two(), loader(), [loader(Samples(20)), loader(Samples(30), batch_size=7)])
    torch.testing.assert_close(
        lime._validation.probes.inputs, torch.stack([Samples(20).x[2], Samples(30).x[1], Samples(30).x[5]])
    )


def resumed(folder, probes, epochs, ckpt=None):
    pl.seed_everything(0, verbose=False)
    lime = callback(probes)
    saving = ModelCheckpoint(folder / "kept", filename="{epoch}", save_top_k=-1)
    one = trainer(folder, lime, saving, epochs=epochs, enable_checkpointing=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one.fit(Slow(), loader(), loader(), ckpt_path=ckpt)
    said = [str(w.message) for w in caught if "LimeCallback" in str(w.message)]
    return lime, said, (folder / "lime" / "history.csv")


@pytest.mark.parametrize("choice", [HighestLoss(4), Misclassified(4), Unsure(4), OnePerClass()])
def test_a_resumed_run_keeps_its_probes(tmp_path, monkeypatch, choice):
    # Dropout draws from the global generator, whose state no checkpoint holds.
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: x)
    whole, _, history = resumed(tmp_path / "whole", choice, 3)
    resumed(tmp_path / "parts", choice, 2)
    again, said, other = resumed(tmp_path / "parts", choice, 3, tmp_path / "parts" / "kept" / "epoch=1.ckpt")
    assert not said
    assert again._validation.probes.numbers == whole._validation.probes.numbers
    assert again._validation.pinned.choice == Numbered(whole._validation.probes.numbers)
    assert other.read_bytes() == history.read_bytes()


def test_a_resumed_run_with_another_choice_chooses(tmp_path):
    resumed(tmp_path, HighestLoss(4), 2)
    lime, said, _ = resumed(tmp_path, Unsure(4), 3, tmp_path / "kept" / "epoch=1.ckpt")
    assert said == [
        "LimeCallback 'lime': the run is resumed with other arguments: `probes` (from HighestLoss(count=4) to "
        "Unsure(count=4)). The new ones hold, and drift begins anew for view 'spatial' and view 'spectral'."
    ]
    assert len(lime._validation.probes) > 0


def test_a_resumed_run_that_chooses_anew_says_nothing_of_other_samples(tmp_path):
    choice = HighestLoss(4, anew=True)
    resumed(tmp_path, choice, 2)
    _, said, history = resumed(tmp_path, choice, 4, tmp_path / "kept" / "epoch=1.ckpt")
    assert not said
    assert {row.epoch for row in read_history(history)} == {1, 2, 3, 4}


def test_the_checkpoint_loads_weights_only(tmp_path):
    resumed(tmp_path, HighestLoss(4), 1)
    content = torch.load(tmp_path / "kept" / "epoch=0.ckpt", weights_only=True)
    (state,) = [value for name, value in content["callbacks"].items() if "LimeCallback" in name]
    assert state["choice"] == "HighestLoss(4)"
    assert len(state["numbers"]) == 4


@pytest.mark.usefixtures("blank_pictures")
def test_pictures_say_which_sample_it_is_and_what_it_should_have_been(tmp_path):
    from lime_callback.pictures.view_pictures import _ViewPictures

    lime = callback(Misclassified(3, anew=True), pictures=True, class_names=["rye", "oat", "hop"])
    fit(tmp_path, lime, model=Slow, epochs=2)
    probes, track = lime._validation.probes, lime._latest.loop.view("spatial")
    panel = next(_ViewPictures(track, probes, None, lime.config.class_names).spatial_panels(track.last))
    names = lime.config.class_names
    truth, wrong = names[int(probes.labels[0])], names[int(track.now.classes[0])]
    assert wrong != truth
    said = f"which is true, ≠ predicted {wrong} "
    assert panel.title.startswith(f"sample {probes.numbers[0]} · explains {truth} · {said}")
    assert panel.title.endswith(" %")
    assert panel.subtitle.startswith("R² ")
    made = {path.parent.name for path in (tmp_path / "lime" / "spectral").rglob("*.png")}
    assert made == {"attributions", "superbands"}


class Forwards(Classifier):
    """Needs more than the image."""

    def forward(self, x, offset):
        return self.net(x) + offset.unsqueeze(1)

    def loss(self, batch):
        return nn.functional.cross_entropy(self(batch["image"], batch["offset"]), batch["label"])


def test_models_of_several_inputs_are_judged_by_their_own_forward(tmp_path):
    def pack(x, y, i):
        return {"image": x, "label": y, "offset": 0.1 * i, "name": f"field {i}"}

    def forward(module, batch):
        assert len(batch["name"]) == len(batch["image"])
        return module(batch["image"], batch["offset"])

    lime = callback(HighestLoss(3), forward=forward)
    fit(tmp_path, lime, model=Forwards, data=Samples(pack=pack), epochs=1)
    assert len(lime._validation.probes) == 3
    assert lime._validation.probes.batch["name"] == [f"field {n}" for n in lime._validation.probes.numbers]
