"""Probes are spread over the validation set, whatever its batches look like."""

import math
from collections import namedtuple

import pytest
import torch

from lime_callback.probes.batch_entries import with_entry
from lime_callback.probes.batch_keys import BatchKeys
from lime_callback.probes.batch_rows import batch_rows, joined_batches
from lime_callback.probes.even_collector import EvenCollector, samples_per_batch, spread_evenly
from lime_callback.probes.probe_samples import probes_of


def collect(sizes, count, known=True, shares=1, **settings):
    """The probes that are taken from batches of these sizes, dealt out to ``shares`` processes."""
    batches, start = [len(sizes)] if known else [math.inf], 0
    collectors = [EvenCollector(count, batches, share=share, shares=shares, **settings) for share in range(shares)]
    for i, size in enumerate(sizes):
        for share, collector in enumerate(collectors):
            numbers = torch.arange(start, start + size)[share::shares]
            collector.offer({"image": numbers.float().view(-1, 1), "label": numbers}, i)
        start += size
    return probes_of([collector.captured for collector in collectors])


@pytest.mark.parametrize(
    ("sizes", "count", "expected", "before"),
    [
        ([16, 16, 16], 3, [8, 17, 43], [8, 24, 40]),
        ([16, 16, 16], 4, [8, 16, 29, 37], [8, 20, 28, 40]),
        ([16], 4, [2, 4, 10, 13], [2, 6, 10, 14]),
        ([4], 8, [0, 1, 2, 3], [0, 1, 2, 3]),
        ([1] * 10, 5, [1, 2, 5, 6, 9], [1, 3, 5, 7, 9]),
        ([2, 2, 30], 6, [0, 1, 2, 3, 18, 27], [0, 1, 2, 3, 11, 26]),
    ],
)
def test_samples_are_spread_evenly(sizes, count, expected, before):
    probes = collect(sizes, count)
    assert probes.labels.tolist() == expected
    assert probes.inputs.flatten().tolist() == expected
    assert collect(sizes, count, middles=True).labels.tolist() == before  # as in runs that are resumed


@pytest.mark.parametrize("count", [1, 2, 7, 8, 30, 64])
@pytest.mark.parametrize("size", [64, 65, 100, 1000])
def test_each_equal_stretch_gives_a_sample_and_none_is_taken_twice(count, size):
    numbers = spread_evenly(count, size, first=3)
    assert numbers == sorted(set(numbers))
    assert all(i * size // count <= number <= -(-(i + 1) * size // count) for i, number in enumerate(numbers))
    assert numbers[0] >= 0
    assert numbers[-1] < size


@pytest.mark.parametrize("count", [8, 16, 64])
@pytest.mark.parametrize("batch", [1, 16, 32, 64, 192])
@pytest.mark.parametrize("classes", [2, 3, 4, 8, 10])
def test_labels_that_come_in_turns_do_not_give_one_class(count, batch, classes):
    """Samples at equal distances would: of 192, every 24th is of the same one of two classes."""
    found = collect([batch] * (192 // batch), count).labels % classes
    assert len(found.unique()) >= 0.6 * min(classes, 5)


@pytest.mark.parametrize("shares", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_several_processes_take_what_one_takes(shares, count):
    """Of batches as large as theirs together, in the same order."""
    sizes = [12, 12, 12, 24]
    assert collect(sizes, count, shares=shares).labels.tolist() == collect(sizes, count).labels.tolist()


def test_ragged_shares_still_give_probes():
    """The last batch of one process is smaller, or is not there at all."""
    probes = collect([8, 8, 3], 6, shares=4)
    assert 4 <= len(probes) <= 6
    assert len(set(probes.labels.tolist())) == len(probes)


def test_what_a_small_batch_lacks_comes_from_the_next():
    assert len(collect([1, 1, 20], 9)) == 9


def test_loaders_of_unknown_length_give_their_first_samples():
    assert collect([4, 4, 4, 4], 3, known=False).labels.tolist() == [2, 4, 10]


def test_several_loaders():
    assert samples_per_batch(4, [2, 0, 6]) == {(0, 1): 1, (2, 0): 1, (2, 3): 1, (2, 4): 1}
    assert samples_per_batch(4, [2, 0, 6], middles=True) == {(0, 1): 1, (2, 1): 1, (2, 3): 1, (2, 5): 1}
    assert samples_per_batch(3, [0, 0]) == {}


def test_nothing_to_take_from():
    with pytest.raises(ValueError, match=r"`probes` are taken from validation batches. Found no batch"):
        probes_of([EvenCollector(3, [0]).captured])


def test_probes_are_copies():
    collector = EvenCollector(2, [1])
    batch = torch.zeros(4, 3)
    collector.offer(batch, 0)
    batch += 1
    assert probes_of([collector.captured]).inputs.sum() == 0


def test_images_of_another_shape_are_passed_over():
    collector = EvenCollector(3, [3])
    for i, size in enumerate((4, 5, 4)):
        collector.offer(torch.rand(6, 1, size, size), i)
    assert probes_of([collector.captured]).inputs.shape == (3, 1, 4, 4)


Pair = namedtuple("Pair", "image label")


@pytest.mark.parametrize(
    ("batch", "image", "label"),
    [
        (torch.rand(4, 3), None, None),
        ((torch.rand(4, 3), torch.arange(4)), 0, 1),
        ([torch.rand(4, 3)], 0, None),
        (Pair(torch.rand(4, 3), torch.arange(4)), 0, 1),
        ({"Image": torch.rand(4, 3), "Target": torch.arange(4), "id": ["a"] * 4}, "Image", "Target"),
    ],
)
def test_keys_are_found_and_structures_kept(batch, image, label):
    assert BatchKeys().input_of(batch) == image
    assert BatchKeys().label_of(batch) == label
    rows = torch.tensor([3, 1])
    picked = batch_rows(batch, rows, 4)
    assert type(picked) is type(batch)
    again = joined_batches([picked, picked], [2, 2])
    entry = again if image is None else again[image]
    original = batch if image is None else batch[image]
    assert torch.equal(entry, original[[3, 1, 3, 1]])
    new = with_entry(batch, image, torch.zeros(4, 3))
    assert type(new) is type(batch)
    assert ((new if image is None else new[image]) == 0).all()
    assert (original != 0).any()
    if isinstance(batch, dict):
        assert again["id"] == ["a"] * 4
