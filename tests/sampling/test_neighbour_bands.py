"""What bands show that the bands beside them do not: exact answers on spectra that are known."""

import pytest
import torch

from lime_callback.sampling.neighbour_bands import NeighbourBands
from lime_callback.sampling.value_swaps import SwappedInputs, Swaps
from lime_callback.views.layout import Layout

NM = torch.tensor([400.0, 410, 430, 440, 480, 500, 510, 600], dtype=torch.float64)  # a line is one in float64 alone


def bands(*numbers):
    chosen = torch.zeros(len(NM), dtype=torch.bool)
    chosen[list(numbers)] = True
    return chosen


def spectra(*values):
    return torch.stack([torch.as_tensor(one, dtype=torch.float64) for one in values])[:, :, None, None]


@pytest.mark.parametrize("chosen", [bands(2), bands(2, 3), bands(1, 4, 5), bands(1, 2, 3, 4, 5, 6)])
def test_a_straight_line_deviates_nowhere(chosen):
    line = spectra(3 + 0.02 * NM)
    assert NeighbourBands.of(chosen, NM.tolist()).line(line).allclose(line[:, chosen])


def test_at_the_ends_the_one_neighbour_counts():
    line = NeighbourBands.of(bands(0, 1, 7), NM.tolist()).line(spectra(NM))
    assert line.flatten().tolist() == [430, 430, 510]


def test_the_bands_next_to_them_are_passed_over():
    nm = [400.0 + 10 * i for i in range(100)]
    values = torch.arange(100.0)
    values[48:53] += 7  # what is written reaches beyond the bands that are named
    named = torch.zeros(100, dtype=torch.bool)
    named[50:53] = True
    neighbours = NeighbourBands.of(named, nm)
    assert neighbours.line(spectra(values)).flatten().tolist() == pytest.approx([50, 51, 52])
    assert neighbours.below[0] == 46
    assert neighbours.above[0] == 56
    every_other = torch.arange(100) % 2 == 0  # nothing is left that is not next to one
    assert NeighbourBands.of(every_other, nm).line(spectra(torch.arange(100.0))).flatten()[1:].tolist() == list(
        range(2, 100, 2)
    )


def test_bands_take_the_deviation_of_others_and_keep_their_neighbours():
    x, y = torch.randn(2, len(NM), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    chosen = bands(2, 3, 6)
    bump = torch.where(chosen, 5.0, 0.0)
    neighbours = NeighbourBands.of(chosen, NM.tolist())
    assert neighbours.deviate(spectra(x), spectra(x + 2 - 0.01 * NM)).allclose(spectra(x))  # no deviation of its own
    assert neighbours.deviate(spectra(x), spectra(x + bump)).allclose(spectra(x + bump))
    both = neighbours.deviate(spectra(x), spectra(y))
    assert both[:, ~chosen].equal(spectra(x)[:, ~chosen])
    assert neighbours.deviation(both).allclose(neighbours.deviation(spectra(y)))


def test_the_order_of_the_channels_does_not_matter():
    order = torch.randperm(len(NM), generator=torch.Generator().manual_seed(0))
    x, y = torch.randn(2, len(NM), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    chosen = bands(1, 2, 5)
    sorted_ones = NeighbourBands.of(chosen, NM.tolist()).deviate(spectra(x), spectra(y))
    mixed = NeighbourBands.of(chosen[order], NM[order].tolist()).deviate(spectra(x[order]), spectra(y[order]))
    assert mixed.allclose(sorted_ones[:, order])


@pytest.mark.parametrize("axes", ["CHW", "HWC"])
def test_swaps_hide_deviations_alone_where_they_are_asked_to(axes):
    generator, layout = torch.Generator().manual_seed(1), Layout(axes)
    planes = torch.randn(3, len(NM), 2, 2, generator=generator)
    chosen = bands(2, 3)
    mask = chosen.view(1, -1, 1, 1)
    neighbours = NeighbourBands.of(chosen, NM.tolist())
    samples = torch.tensor([2, 0])
    swaps = Swaps(("a", "b"), (mask, mask), ((), ()), samples, samples.roll(1), neighbours={1: neighbours})
    inputs = SwappedInputs(layout.restore(planes).contiguous(), layout, swaps, torch.device("cpu"))
    rows = layout.canonical(inputs.evaluate(lambda x, _: x, 0, 4))
    x, y = planes[samples], planes[samples.roll(1)]
    assert rows[:2].equal(torch.where(mask, y, x))
    assert rows[2:].allclose(neighbours.deviate(x, y))
    assert rows[2:, ~chosen].equal(x[:, ~chosen])
