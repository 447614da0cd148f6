"""What bands show that other bands do not: exact answers on spectra that are known."""

import pytest
import torch

from lime_callback.sampling.band_deviations import BandDeviations
from lime_callback.sampling.value_swaps import SwappedInputs, Swaps
from lime_callback.views.layout import Layout

C = 60
NM = torch.linspace(400, 2400, C, dtype=torch.float64)


def bands(*numbers):
    chosen = torch.zeros(C, dtype=torch.bool)
    chosen[list(numbers)] = True
    return chosen


def surfaces(count, seed=0):
    """Mixtures of four curved spectra with a steep step, and noise, ``[count, C]``."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.stack([torch.sigmoid((NM - 720) / 15), (NM / 500).sin(), (NM / 300).cos(), torch.ones_like(NM)])
    shares = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    return shares @ ends + 0.01 * torch.randn(count, C, generator=generator, dtype=torch.float64)


def planes(values):
    return values[:, :, None, None]


def left(found, values):
    """The part of the bands' variance that other bands do not show."""
    return float(found.deviation(planes(values)).var(0).mean() / values[:, found.bands].var(0).mean())


@pytest.mark.parametrize("chosen", [bands(9), bands(*range(6, 14)), bands(0, 1, 2), bands(5, 30, 31, 59)])
def test_of_a_surface_other_bands_show_nine_tenths_also_where_it_is_steep_and_at_the_ends(chosen):
    found = BandDeviations.of(chosen, surfaces(500), NM.tolist())
    assert left(found, surfaces(200, seed=1)) < 0.1


def test_what_is_written_into_bands_is_left():
    chosen, generator = bands(*range(30, 36)), torch.Generator().manual_seed(2)

    def written(count, seed):
        reaching = (torch.arange(C) >= 29) & (torch.arange(C) < 37)  # one beyond the bands that are named, too
        word = torch.randn(count, 1, generator=generator, dtype=torch.float64)
        return surfaces(count, seed) + torch.where(reaching, 3 * word, 0.0)

    found = BandDeviations.of(chosen, written(500, 0), NM.tolist())
    assert left(found, written(200, 1)) > 0.6
    assert left(BandDeviations.of(chosen, surfaces(500), NM.tolist()), surfaces(200, seed=1)) < 0.05


def test_the_bands_next_to_them_do_not_count_if_there_are_others():
    found = BandDeviations.of(bands(30, 31), surfaces(100), NM.tolist())
    used = found.weights.abs().sum(0) > 0
    assert used.nonzero().flatten().tolist() == [*range(29), *range(33, 60)]
    every_other = torch.arange(C) % 2 == 0  # nothing is left that is not next to one
    used = BandDeviations.of(every_other, surfaces(100), NM.tolist()).weights.abs().sum(0) > 0
    assert used.equal(~every_other)


def test_spectra_that_say_nothing_leave_bands_as_they_are():
    for spectra in (torch.zeros(50, C), torch.full((50, C), torch.nan), torch.zeros(0, C)):
        assert not BandDeviations.of(bands(3), spectra, NM.tolist()).weights.any()
    holed = surfaces(100)
    holed[7, 3] = torch.nan
    kept = torch.arange(100) != 7
    expected = BandDeviations.of(bands(9), holed[kept], NM.tolist()).weights
    assert BandDeviations.of(bands(9), holed, NM.tolist()).weights.equal(expected)


def test_bands_take_the_deviation_of_others_and_other_bands_stay():
    chosen = bands(20, 21, 40)
    found, (x, y) = BandDeviations.of(chosen, surfaces(100), NM.tolist()), surfaces(2, seed=1)[:, None]
    bump = torch.where(chosen, 5.0, 0.0)
    assert found.deviate(planes(x), planes(x + bump)).allclose(planes(x + bump))
    both = found.deviate(planes(x), planes(y))
    assert both[:, ~chosen].equal(planes(x)[:, ~chosen])
    assert found.deviation(both).allclose(found.deviation(planes(y)))


def test_the_order_of_the_channels_does_not_matter():
    order = torch.randperm(C, generator=torch.Generator().manual_seed(0))
    spectra, (x, y), chosen = surfaces(100), surfaces(2, seed=1)[:, None], bands(1, 2, 25)
    of_sorted = BandDeviations.of(chosen, spectra, NM.tolist()).deviate(planes(x), planes(y))
    mixed = BandDeviations.of(chosen[order], spectra[:, order], NM[order].tolist())
    assert mixed.deviate(planes(x[:, order]), planes(y[:, order])).allclose(of_sorted[:, order])


@pytest.mark.parametrize("axes", ["CHW", "HWC"])
def test_swaps_hide_deviations_alone_where_they_are_asked_to(axes):
    generator, layout = torch.Generator().manual_seed(1), Layout(axes)
    images = torch.randn(3, C, 2, 2, generator=generator)
    chosen = bands(2, 3)
    mask = chosen.view(1, -1, 1, 1)
    found = BandDeviations.of(chosen, surfaces(100), NM.tolist())
    samples = torch.tensor([2, 0])
    swaps = Swaps(("a", "b"), (mask, mask), ((), ()), samples, samples.roll(1), deviations={1: found})
    inputs = SwappedInputs(layout.restore(images).contiguous(), layout, swaps, torch.device("cpu"))
    rows = layout.canonical(inputs.evaluate(lambda x, _: x, 0, 4))
    x, y = images[samples], images[samples.roll(1)]
    assert rows[:2].equal(torch.where(mask, y, x))
    assert rows[2:].allclose(found.deviate(x, y))
    assert rows[2:, ~chosen].equal(x[:, ~chosen])
