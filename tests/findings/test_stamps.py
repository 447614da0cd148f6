"""What is laid over some pictures is found at its place, and told where it decides."""

from dataclasses import replace

import pytest
import torch
from skimage.data import chelsea, coffee

from lime_callback.explaining.answer_changes import AnswerChanges
from lime_callback.findings import EpochFacts
from lime_callback.findings.epoch_facts import STAMP
from lime_callback.findings.hidden.set_changes import SetChanges
from lime_callback.findings.hidden.stamps import (
    changes_by,
    find_stamp,
    forwards_for,
    roughness,
)
from lime_callback.findings.ledger import level
from lime_callback.findings.reason_findings import WrongReasons


def pictures(size, count=60, seed=0):
    """Crops of photographs, ``[N, 3, size, size]``, standardised."""
    generator = torch.Generator().manual_seed(seed)
    whole = [torch.from_numpy(photo.copy()).permute(2, 0, 1).float() for photo in (chelsea(), coffee())]
    found = []
    for i in range(count):
        photo = whole[i % 2]
        top, left = (int(torch.randint(0, edge - size, (1,), generator=generator)) for edge in photo.shape[1:])
        found.append(photo[:, top : top + size, left : left + size])
    planes = torch.stack(found)
    return (planes - planes.mean()) / planes.std()


def scene(size, count=60, seed=0):
    """Smooth pictures of 40 channels that have their objects anywhere."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 40, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return smooth + 0.05 * torch.randn(count, 40, size, size, generator=generator)


def tagged(planes, share, rows, columns, seed=1):
    """A share of the pictures gets a chequered tag in greys of its own."""
    planes, generator = planes.clone(), torch.Generator().manual_seed(seed)
    there = torch.rand(len(planes), generator=generator) < share
    high, wide = planes[..., rows, columns].shape[2:]
    grey = 3.0 * torch.randint(0, 2, (len(planes), 1, high, wide), generator=generator).float() - 1.5
    planes[there, :, rows, columns] = grey[there].expand(-1, planes.shape[1], -1, -1)
    return planes, there


CORNERS = {"top left": (slice(1, 5), slice(1, 5)), "bottom right": (slice(-5, -1), slice(-5, -1)),
           "top middle": (slice(0, 4), slice(10, 15)), "middle left": (slice(11, 15), slice(0, 4))}  # fmt: skip


@pytest.mark.parametrize("made", [scene, pictures])
@pytest.mark.parametrize("name", CORNERS)
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_tag_is_found_at_its_place_in_its_pictures(made, name, share):
    planes, there = tagged(made(24), share, *CORNERS[name])
    stamp = find_stamp(planes)
    assert stamp is not None
    assert stamp.name == name
    assert float((stamp.pictures == there).double().mean()) > 0.9
    inside = torch.zeros(24, 24, dtype=torch.bool)
    inside[CORNERS[name]] = True
    beside = torch.nn.functional.max_pool2d(inside.float()[None, None], 3, 1, 1).bool()  # a tag's edge has two sides
    assert not bool((stamp.place & ~beside).any())
    assert float(stamp.place[0, 0, inside].double().mean()) > 0.8


@pytest.mark.parametrize("made", [scene, pictures])
@pytest.mark.parametrize("seed", range(4))
def test_a_tag_that_lies_a_pixel_further_in_some_pictures_is_counted_there_too(made, seed):
    """As logos of templates do: few have it at the very same pixels."""
    planes, there = made(32, 120, seed), torch.zeros(120, dtype=torch.bool)
    for down in (0, 1, 2):
        for right in (0, 1, 2):
            rows, columns = slice(1 + down, 8 + down), slice(1 + right, 8 + right)
            part = slice(13 * (3 * down + right), 13 * (3 * down + right + 1))
            planes[part], there[part] = tagged(planes[part], 0.45, rows, columns, seed=10 * seed + 3 * down + right)
    stamp = find_stamp(planes)
    assert stamp is not None
    assert float(stamp.pictures[there].double().mean()) > 0.85
    assert float(there[stamp.pictures].double().mean()) > 0.85
    assert float(there[stamp.lacking].double().mean()) < 0.1


def test_a_tag_of_large_pictures_is_found_on_a_grid():
    planes, there = tagged(pictures(120, 40), 0.4, slice(2, 20), slice(95, 118))
    stamp = find_stamp(planes)
    assert stamp is not None
    assert stamp.place.shape == (1, 1, 120, 120)
    assert stamp.name == "top right"
    assert float((stamp.pictures == there).double().mean()) > 0.9


@pytest.mark.parametrize("made", [scene, pictures])
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("size", [12, 24, 48])
def test_pictures_without_a_tag_have_none(made, seed, size):
    assert find_stamp(made(size, seed=seed)) is None


def test_objects_in_the_middle_are_no_stamp():
    planes, _ = tagged(scene(24), 0.4, slice(9, 15), slice(9, 15))
    assert find_stamp(planes) is None


@pytest.mark.parametrize("share", [0.0, 0.08, 0.9, 1.0])
def test_what_hardly_any_or_all_pictures_have_is_no_stamp(share):
    """What all have is a matter of places."""
    planes, _ = tagged(scene(24), share, *CORNERS["top left"])
    assert find_stamp(planes) is None


@pytest.mark.parametrize("shape", [(60, 40, 1, 1), (60, 3, 4, 4), (6, 3, 24, 24), (60, 3, 1, 200)])
def test_small_pictures_and_few_of_them_have_none(shape):
    assert find_stamp(torch.randn(shape)) is None


def test_roughness_is_how_far_neighbours_are():
    planes = torch.zeros(1, 2, 8, 8)
    planes[0, :, 3, 4] = 3.0
    found = roughness(planes)[0]
    assert found[3, 4] == 3.0
    assert found[3, 3] == found[2, 4] == 0.75
    assert found[0, 0] == 0


# What it decides.


def changes(stamp, planes, model):
    """What a model's classes become, as an investigation asks it."""
    outputs = model(planes)

    def hide(swaps):
        hidden = []
        for mask in swaps.masks:
            mixed = planes.clone()
            mixed[swaps.samples] = torch.where(mask, planes[swaps.donors], planes[swaps.samples])
            hidden.append(model(mixed)[swaps.samples])
        return SetChanges(
            outputs[swaps.samples], dict(zip(swaps.names, hidden, strict=True)), dict.fromkeys(swaps.names, 0.02),
            outputs[swaps.samples].roll(1, 0), AnswerChanges("classes", None),
        )  # fmt: skip

    return changes_by(stamp, hide)


def reads(planes, seed, by_tag):
    """A linear model of the smooth picture, which follows the tag where it sees one."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(4, 40, generator=generator)
    code = torch.randn(4, 4, 4, generator=generator)

    def model(x):
        own = x[:, :, 5:, 5:].mean((2, 3)) @ weights.T
        tag = x[:, :, 1:5, 1:5].mean(1)
        sharp = (tag.abs() > 1.4).all((1, 2)).float()[:, None]
        return (own + by_tag * sharp * torch.einsum("nhw,khw->nk", tag, code)).double()

    return model


def told(by_tag, seed, share=0.5):
    planes, _ = tagged(scene(24, seed=seed), share, *CORNERS["top left"], seed=seed + 1)
    stamp = find_stamp(planes)
    facts = EpochFacts(1, 0, stamped=changes(stamp, planes, reads(planes, seed, by_tag)))
    return list(WrongReasons().look(facts))


@pytest.mark.parametrize("seed", range(20))
def test_a_model_that_follows_the_tag_is_told_of_and_one_that_does_not_is_not(seed):
    (said,) = told(5.0, seed)
    assert said.subject == "their top left part"
    assert said.p_value < level(1, 13)
    assert "have something at their top left that decides" in said.sentence
    assert told(0.0, seed) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_tag_that_is_the_same_everywhere_is_told(seed):
    """Exchanging it changes nothing: that it is there decides."""
    planes, there = scene(24, seed=seed), torch.arange(60) % 3 == 0
    planes[there, :, 1:5, 1:5] = torch.tensor([[3.0, -3.0] * 2, [-3.0, 3.0] * 2] * 2)
    weights = torch.randn(4, 40, generator=torch.Generator().manual_seed(seed))

    def model(x):
        tagged = (x[:, :, 1:5, 1:5].abs() > 2.9).all((1, 2, 3)).double()
        return (x.mean((2, 3)) @ weights.T).double() + torch.tensor([50.0, 0, 0, 0]) * tagged[:, None]

    facts = EpochFacts(1, 0, stamped=changes(find_stamp(planes), planes, model))
    assert [said.subject for said in WrongReasons().look(facts)] == ["their top left part"]


def test_a_tag_is_told_where_pictures_without_it_are_all_of_one_class():
    """Exchanging anything among these changes nothing."""
    planes, there = scene(24), torch.arange(60) % 3 == 0
    planes[there, :, 1:5, 1:5] = torch.tensor([[3.0, -3.0] * 2, [-3.0, 3.0] * 2] * 2)

    def model(x):
        tagged = (x[:, :, 1:5, 1:5].abs() > 2.9).all((1, 2, 3)).double()
        return torch.stack([1 - tagged, tagged], 1)

    stamped = changes(find_stamp(planes), planes, model)
    assert stamped.lacking[0].whole == 0
    (said,) = WrongReasons().look(EpochFacts(1, 0, stamped=stamped))
    assert "laid over others it changes 100% of" in said.sentence
    assert said.severity == 1


def test_predictions_that_are_right_less_often_where_the_tag_is_are_told():
    planes, there = tagged(scene(24), 0.5, *CORNERS["top left"])
    model = reads(planes, 0, 5.0)
    labels = reads(planes, 0, 0.0)(planes).argmax(1)  # without the tag all would be right
    stamped = changes(find_stamp(planes), planes, model)
    facts = EpochFacts(1, 0, stamped=stamped, outputs=model(planes), labels=labels)
    (said,) = WrongReasons().look(facts)
    right = (model(planes).argmax(1) == labels).double()
    assert said.sentence.endswith(f"{float(right[there].mean()):.0%} are right there, and 100% elsewhere.")
    assert "right" not in next(iter(WrongReasons().look(replace(facts, labels=model(planes).argmax(1))))).sentence


@pytest.mark.parametrize("seed", range(3))
def test_forwards_are_as_many_as_planned(seed):
    planes, _ = tagged(scene(24, seed=seed), 0.5, *CORNERS["top middle"])
    stamp, count = find_stamp(planes), 0

    def hide(swaps):
        nonlocal count
        count += (1 + len(swaps.masks)) * len(swaps.samples)
        outputs = torch.zeros(len(swaps.samples), 2)
        return SetChanges(
            outputs, dict.fromkeys(swaps.names, outputs), dict.fromkeys(swaps.names, 0.02),
            outputs, AnswerChanges("classes", None),
        )  # fmt: skip

    asked = changes_by(stamp, hide)
    assert count == forwards_for(stamp)
    assert STAMP in asked.lacking[0]
    assert forwards_for(None) == 0
