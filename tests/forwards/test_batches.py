"""Rows in batches: each once, in smaller batches where memory runs out, and what a batch took is given back before."""

import gc
import weakref

import pytest
import torch

from lime_callback.forwards.batched_forwards import Batches, perturbed_outputs, unperturbed_outputs


class Rows:
    """Numbers, which need memory for more than three of them."""

    per_input = 10

    def __init__(self):
        self.taken, self.released = None, []

    def evaluate(self, forward, start, stop):
        taken = torch.arange(start, stop).double()
        if self.taken is not None:
            assert self.taken() is None  # of the batch before
        self.taken = weakref.ref(taken)
        if len(taken) > 3:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return forward(taken, None)

    def release(self):
        self.released.append(self.taken() is None)


@pytest.fixture
def without_collector():
    """What is freed is freed because nothing refers to it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_what_a_failed_batch_took_is_free_before_memory_is_given_back():
    rows = Rows()
    targets = torch.tensor([[1], [0], [1]])
    outputs, size = perturbed_outputs(lambda x, _: torch.stack([x, -x], 1), rows, targets, 13)
    assert rows.released == [True, True]  # for 13 and 6
    assert size == 3
    signs = torch.tensor([-1.0, 1.0, -1.0]).repeat_interleave(10).double()
    assert torch.equal(outputs[:, 0], signs * torch.arange(30))


@pytest.mark.usefixtures("without_collector")
def test_what_a_model_returned_is_free_before_its_next_forward():
    returned = []

    def forward(x, _):
        assert all(one() is None for one in returned)
        raw = x * 2
        returned.append(weakref.ref(raw))
        return raw

    x = torch.rand(7, 3, dtype=torch.float64)
    outputs, *_ = unperturbed_outputs(forward, x, lambda raw: raw.sum(1), 2)
    assert torch.equal(outputs[:, 0], (2 * x).sum(1))
    assert len(returned) == 4


def fails(batches, error):
    with batches.next() as rows:
        assert rows == (0, batches.size)
        raise error


def test_every_other_failure_goes_on_as_it_was():
    batches, error = Batches(0, 4, 2), ValueError("wrong")
    with pytest.raises(ValueError, match="wrong") as raised:
        fails(batches, error)
    assert raised.value is error
    assert batches.left


def test_one_row_for_which_memory_does_not_suffice_fails():
    batches, error = Batches(0, 2, 2), torch.cuda.OutOfMemoryError("CUDA out of memory")
    fails(batches, error)
    assert batches.size == 1
    with pytest.raises(torch.cuda.OutOfMemoryError, match="CUDA out of memory"):
        fails(batches, error)
