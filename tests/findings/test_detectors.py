"""Detectors on facts that are made: what they say is known exactly, and how often they are wrong by chance."""

import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lime_callback import Features
from lime_callback.findings import EpochFacts, HiddenSets, InputFacts, Suspicion, ViewFacts, WeightFacts
from lime_callback.findings.answer_findings import Blind
from lime_callback.findings.band_findings import Absorption, ShortcutBands
from lime_callback.findings.hidden.hidden_sets_plan import (
    ABSORPTION,
    BESIDE,
    CANDIDATE,
    DEVIATION,
    FRAME,
    MANY,
    OTHER_BANDS,
    PADDING,
    HiddenSetsPlan,
    plan_sets,
)
from lime_callback.findings.hidden.padding import padded_pixels, told_by_padding
from lime_callback.findings.hidden.picture_places import PLACE
from lime_callback.findings.hidden.probe_places import place_shares
from lime_callback.findings.input_findings import Scale
from lime_callback.findings.investigation import Investigation, _pixels
from lime_callback.findings.ledger import Ledger, level, together
from lime_callback.findings.place_findings import Outside
from lime_callback.findings.reason_findings import WrongReasons
from lime_callback.findings.run_course import RunCourse
from lime_callback.findings.spectral_order import foreign_share, is_reversed, is_shuffled, turned_part
from lime_callback.findings.suspicion import strongest
from lime_callback.findings.training_findings import Forgetting, Frozen, Unstable, shares_of, swing
from lime_callback.sampling.band_deviations import BandDeviations
from lime_callback.sampling.value_swaps import SwappedInputs, Swaps
from lime_callback.views.layout import Layout

M = 24  # samples
WAVES = [400 + 20 * i for i in range(100)]


def hidden_sets(changed, *, classes=True, everything=1.0, references=None):
    tensors = {name: torch.tensor(values, dtype=torch.float64) for name, values in changed.items()}
    whole = torch.full((M,), everything, dtype=torch.float64)
    shares = dict.fromkeys(changed, 0.1)
    return HiddenSets(shares, tensors, tensors, {}, references or {}, whole, whole, None, classes)


def rate(share, m=M):
    """Samples of which a share changes."""
    return [1.0] * round(share * m) + [0.0] * (m - round(share * m))


# The ledger.


def tell(p_values, *, fresh, independent=3):
    ledger, told = Ledger("lime"), []
    for epoch, p_value in enumerate(p_values):
        one = Suspicion("here", "It is odd.", "Look.", 0.5, p_value, fresh=fresh)
        told += [epoch for _ in ledger.take(epoch, {"place": [one]}, {"place": 2}, independent)]
    return told


def test_fresh_evidence_of_looks_in_a_row_adds_up():
    weak = [0.04, 0.04, 0.04]  # each above its look's level
    assert tell(weak, fresh=True) == [2]
    assert tell(weak, fresh=False) == []
    assert tell(weak, fresh=True, independent=1) == []
    assert together(weak) < level(3, 1) < together(weak[:2])


def test_looks_together_keep_their_level():
    random = np.random.default_rng(0).random((20000, 3))
    found = np.array([together(row) for row in random])
    for alpha in (0.05, 0.01):
        assert abs((found <= alpha).mean() - alpha) < 4 * np.sqrt(alpha / 20000)


def test_what_is_no_matter_of_chance_is_told_late_in_a_run_too():
    ledger = Ledger("lime", looks=500)
    assert not ledger.take(0, {"place": [Suspicion("x", "", "", 0.5, 0.0)]}, {"place": 2})
    assert ledger.take(1, {"place": [Suspicion("x", "", "", 0.5, 0.0)]}, {"place": 2})


# What is hidden.


def plan_of(*names):
    plan, mask = HiddenSetsPlan(), torch.ones(1, 1, 1, 1, dtype=torch.bool)
    for name in names:
        plan.compare(name, mask, 0.2, [mask, mask])
    return plan


def test_sets_that_change_little_are_compared_with_nothing():
    plan = plan_of(CANDIDATE, FRAME)
    assert plan.to_compare({CANDIDATE: 0.1, FRAME: 0.3}, 1000, 10) == [f"{FRAME} ~1", f"{FRAME} ~2"]
    assert plan.to_compare({CANDIDATE: 0.1, FRAME: 0.1}, 1000, 10) == []


def shortcut_sets(part, deviation, *, random_deviation=0.05, width=0.1):
    """A spectrum of many bands, whose strongest are hidden, and only what other bands do not show."""
    own = {f"{DEVIATION} ~{i}": rate(random_deviation) for i in range(4)}
    hidden = hidden_sets({CANDIDATE: rate(part), DEVIATION: rate(deviation), **own}, references={DEVIATION: tuple(own)})
    return replace(hidden, shares=dict.fromkeys(hidden.shares, width))


@pytest.mark.parametrize(
    ("sets", "found"),
    [
        (shortcut_sets(0.5, 0.46), True),
        (shortcut_sets(0.9, 0.9), True),
        (shortcut_sets(0.9, 0.3), False),  # other bands show most of it
        (shortcut_sets(0.3, 0.3), False),  # they carry little
        (shortcut_sets(0.6, 0.5, random_deviation=0.3), False),  # so it is elsewhere
        (shortcut_sets(0.9, 0.9, width=0.3), False),  # they are many
    ],
)
def test_a_shortcut_is_what_other_bands_do_not_show(sets, found):
    facts = EpochFacts(3, 3, hidden=sets, subjects={CANDIDATE: "900 to 950 nm"})
    suspected = list(ShortcutBands().look(facts))
    assert len(suspected) == found
    if found:
        one = suspected[0]
        assert "hang on 900 to 950 nm: hiding what other bands do not show changes" in one.sentence
        assert one.p_value < 1e-4
        assert one.figures["deviations"].value == pytest.approx(sets.part(DEVIATION))
        assert one.figures["deviations elsewhere"].value == pytest.approx(1 / M)
        assert one.figures["changed"].value == pytest.approx(sets.part(CANDIDATE))
        assert "expected" not in one.figures  # of random sets as a whole nothing is known


@pytest.mark.parametrize(("of_each", "found"), [((0.9, 0.5), True), ((0.9, 0.2), False)])
def test_of_several_values_each_has_to_hang_on_a_shortcut(of_each, found):
    together = replace(shortcut_sets(0.6, 0.55), classes=False)
    each = tuple(replace(shortcut_sets(part, part), classes=False) for part in of_each)
    facts = EpochFacts(3, 3, hidden=together, by_output=each, subjects={CANDIDATE: "900 to 950 nm"})
    assert len(list(ShortcutBands().look(facts))) == found


def gas_sets(gas, part, deviation, *, random_deviation=0.05):
    """A spectrum of many bands, in which a gas's are hidden, and only what other bands do not show."""
    name = f"{ABSORPTION}{gas}"
    own = {f"{name}{BESIDE} ~{i}": rate(random_deviation) for i in range(2)}
    changed = {name: rate(part), f"{name}{BESIDE}": rate(deviation), **own}
    return hidden_sets(changed, references={f"{name}{BESIDE}": tuple(own)})


@pytest.mark.parametrize(
    ("gas", "sets", "found"),
    [
        ("water vapour", (0.7, 0.6), True),
        ("water vapour", (0.7, 0.2), False),  # other bands show most of it
        ("water vapour", (0.3, 0.3), False),  # they carry little
        ("water vapour", (0.7, 0.6, 0.5), False),  # so it is elsewhere
        ("oxygen", (0.7, 0.6), True),
        ("oxygen", (0.7, 0.5), False),  # a single range has to show nearly all of it alone
    ],
)
def test_a_model_rests_on_a_gas_by_what_other_bands_do_not_show(gas, sets, found):
    *sets, random_deviation = sets if len(sets) == 3 else (*sets, 0.05)
    hidden = gas_sets(gas, *sets, random_deviation=random_deviation)
    name = f"{ABSORPTION}{gas}"
    facts = EpochFacts(3, 3, hidden=hidden, by_output=(hidden,), subjects={name: f"absorption bands of {gas} (760 nm)"})
    suspected = list(Absorption().look(facts))
    assert len(suspected) == found
    if found:
        one = suspected[0]
        assert f"rests on absorption bands of {gas} (760 nm): hiding what other bands do not show" in one.sentence
        assert one.severity == pytest.approx(hidden.part(name))
        assert one.figures["deviations"].value == pytest.approx(hidden.part(f"{name}{BESIDE}"))


def test_of_many_bands_gases_are_held_against_other_bands_and_edges_against_their_shoulders():
    plan = plan_sets((100, 1, 1), WAVES, torch.randn(64, 100), [], [], None, {}, None, None, 0)
    vapour, edges = f"{ABSORPTION}water vapour", f"{ABSORPTION}edges"
    assert vapour in plan.beside
    assert f"{vapour}{BESIDE}" in plan.references
    assert set(plan.beside[vapour]) <= set(plan.deviations)
    assert plan.references[edges]
    assert not set(plan.beside[edges]) & set(plan.deviations)


def spectra_of(kind, seed, count=64, channels=120):
    """Smooth spectra without plants, or mixtures of soil and plants, ``[count, channels]``, and their wavelengths."""
    generator = torch.Generator().manual_seed(seed)
    nm = torch.linspace(420, 1000 + 1400 * float(torch.rand((), generator=generator)), channels, dtype=torch.float64)
    if kind == "plants":
        share = torch.rand(count, 1, generator=generator, dtype=torch.float64)
        leaf = 0.05 + 0.4 * torch.sigmoid((nm - 715) / 12) + 0.05 * (-(((nm - 550) / 30) ** 2)).exp()
        found = share * leaf + (1 - share) * (0.1 + 0.0002 * (nm - 400))
    else:
        centres = nm[0] + (nm[-1] - nm[0]) * torch.rand(6, generator=generator, dtype=torch.float64)
        widths = (nm[-1] - nm[0]) * (0.02 + 0.15 * torch.rand(6, generator=generator, dtype=torch.float64))
        sizes = torch.randn(4, 6, generator=generator, dtype=torch.float64)
        sizes = sizes[torch.randint(4, (count,), generator=generator)]
        found = sizes @ (-(((nm - centres[:, None]) / widths[:, None]) ** 2)).exp()
    noise = torch.randn(count, channels, generator=generator, dtype=torch.float64)
    return found + 0.01 * found.std() * noise, nm.tolist()


def test_bands_of_plants_are_seen_to_run_the_other_way_and_those_of_other_surfaces_hardly_ever():
    for seed in range(20):
        spectra, nm = spectra_of("plants", seed)
        assert not is_reversed(spectra, nm)
        assert is_reversed(spectra.flip(1), nm)
    assert sum(is_reversed(*spectra_of("others", seed)) for seed in range(400)) <= 12


@pytest.mark.parametrize("channels", [MANY - 1, MANY])
def test_many_bands_are_asked_what_others_do_not_show(channels):
    nm = [400.0 + 10 * i for i in range(channels)]
    plan = plan_sets((channels, 1, 1), nm, torch.randn(64, channels), [7, 8], [], None, {}, None, None, 0)
    many = channels == MANY
    assert (DEVIATION in plan.references) == many
    assert (OTHER_BANDS in plan.beside[CANDIDATE]) != many
    assert all((f"{DEVIATION} ~{i}" in plan.deviations) == many for i in range(1, 5))


def test_what_is_written_into_bands_deviates_and_what_a_surface_shows_does_not():
    """Two models that read the same bands: of spectra with a written step there, and of surfaces alone."""
    generator = torch.Generator().manual_seed(0)
    nm = torch.arange(400.0, 2400, 20)
    slopes = torch.randn(M, 2, generator=generator)
    smooth = slopes[:, :1] + slopes[:, 1:] * (nm - 1400) / 1000
    written = smooth.clone()
    written[:, 29:36] += 3 * torch.randn(M, 1, generator=generator)  # one more than are named
    mask = ((nm >= 1000) & (nm < 1120)).view(1, -1, 1, 1)
    samples = torch.arange(M)

    def moved(spectra):
        found = BandDeviations.of(mask.flatten(), spectra, nm.tolist())
        swaps = Swaps(("whole", "deviation"), (mask, mask), ((), ()), samples, samples.roll(1), deviations={1: found})
        inputs = SwappedInputs(spectra, Layout("C"), swaps, torch.device("cpu"))
        read = inputs.evaluate(lambda x, _: x[:, 30:36].mean(1), 0, 2 * M).view(2, M)
        return ((read - spectra[:, 30:36].mean(1)).abs().mean(1) / read[0].std()).tolist()

    whole, deviation = moved(smooth)
    assert whole > 0.5
    assert deviation < 0.05
    whole, deviation = moved(written)
    assert whole > 0.5
    assert deviation > 0.5 * whole


def test_those_that_change_most_are_compared_where_the_budget_ends():
    plan = plan_of(CANDIDATE, FRAME)
    assert plan.to_compare({CANDIDATE: 0.3, FRAME: 0.6}, 39, 10) == [f"{FRAME} ~1", f"{FRAME} ~2"]
    assert plan.to_compare({CANDIDATE: 0.3, FRAME: 0.6}, 29, 10) == []


@pytest.mark.parametrize(("side", "has"), [(7, False), (8, False), (9, True), (224, True)])
def test_a_border_that_is_half_of_the_picture_is_no_place(side, has):
    plan = plan_sets((4, side, side), None, torch.randn(64, 4), [], [], None, {}, None, None, 0)
    assert (FRAME in plan.masks) == has
    assert f"{PLACE}top left" in plan.masks


def test_spectra_are_compared_within_pictures_or_classes_and_stay_as_they_are():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    planes = torch.randn(60, 50, 1, 1, generator=generator) + 4 * labels.view(-1, 1, 1, 1)
    before = planes.clone()
    within = _pixels(planes, labels)
    assert planes.equal(before)
    for label in range(3):
        assert within[labels == label].mean(0).abs().max() < 1e-5
    assert _pixels(planes, None).equal(planes.flatten(1))
    assert _pixels(planes, labels.double()).equal(planes.flatten(1))  # a regression's numbers are no classes
    pictures = torch.randn(6, 50, 4, 4, generator=generator) + 4 * torch.arange(6).view(-1, 1, 1, 1)
    assert _pixels(pictures, None).equal(_pixels(pictures, torch.arange(6)))
    assert _pixels(pictures, None).view(6, 16, 50).mean(1).abs().max() < 1e-5


def test_looks_in_a_row_hide_sets_in_samples_of_their_own():
    investigation, rows = Investigation(SimpleNamespace(seed=3)), torch.arange(10, 66)
    looks = [investigation._samples(rows, 18, look) for look in (1, 2, 3, 4)]
    assert [independent for _, independent in looks] == [3] * 4
    seen = torch.cat([samples for samples, _ in looks[:3]])
    assert len(seen.unique()) == len(seen) == 54
    assert set(seen.tolist()) <= set(rows.tolist())
    assert torch.equal(looks[3][0], looks[0][0])
    assert investigation._samples(rows, 40, 2)[1] == 1


# Padding.


def padded(sizes, side=12):
    axis = torch.arange(side)
    inside = (axis[:, None] < sizes[:, :1, None]) & (axis < sizes[:, 1:, None])
    return ~inside.unsqueeze(1)


def test_padding_that_tells_the_class_is_told_apart_from_padding_at_random():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (64,), generator=generator)
    outputs = torch.nn.functional.one_hot(labels, 4).double()
    sizes = torch.tensor([[5, 5], [5, 11], [8, 8], [11, 5]])
    told, p_value = told_by_padding(padded(sizes[labels]), outputs, classes=True)
    assert told == 1
    assert p_value < 1e-12
    told, p_value = told_by_padding(padded(torch.randint(4, 12, (64, 2), generator=generator)), outputs, classes=True)
    assert told < 0.5


@pytest.mark.parametrize("classes", [True, False])
def test_padding_at_random_is_rarely_said_to_tell_anything(classes):
    wrong, runs = 0, 300
    for seed in range(runs):
        generator = torch.Generator().manual_seed(seed)
        sizes, outputs = torch.randint(4, 12, (40, 2), generator=generator), torch.randn(40, 3, generator=generator)
        _, p_value = told_by_padding(padded(sizes), outputs, classes=classes)
        wrong += p_value <= 0.05
    assert wrong <= 0.05 * runs + 3 * (runs * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("tells", [True, False])
def test_padding_is_a_finding_where_it_changes_the_answers_and_tells_them(tells):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (64,), generator=generator)
    sizes = torch.tensor([[5, 5], [5, 11], [8, 8], [11, 5]])[labels if tells else labels[torch.randperm(64)]]
    planes = torch.randn(64, 3, 12, 12, generator=generator).masked_fill(padded(sizes), 0.0)
    inputs = InputFacts(1.0, torch.zeros(2, 3), torch.zeros(64, 3), padding=padded_pixels(planes))
    hidden = hidden_sets({PADDING: rate(0.4)})
    outputs = torch.nn.functional.one_hot(labels, 4).double()
    facts = EpochFacts(2, 1, hidden=hidden, by_output=(hidden,), outputs=outputs, inputs=inputs)
    assert [one.subject for one in Outside().look(facts)] == (["padding"] if tells else [])


# Reasons.


def explanation(shares):
    """Of pictures of nine tiles, each a feature, with these shares of the attribution, ``[P, 9]``."""
    grid = torch.arange(12) // 4
    features = Features.from_mask((grid[:, None] * 3 + grid).view(1, 1, 12, 12))
    return SimpleNamespace(features=features, effects=torch.tensor(shares, dtype=torch.float64).unsqueeze(1))


def test_a_places_share_of_the_attribution_is_what_its_features_have():
    shares = place_shares(explanation([[0.5, 0, 0.3, 0, 0.1, 0, 0, 0, -0.1], [0.0] * 9]))
    assert shares is not None
    assert len(shares) == 8
    assert shares[f"{PLACE}top left"][:, 0].tolist() == pytest.approx([0.5, 0])
    assert shares[f"{PLACE}top right"][0].item() == pytest.approx(0.3)
    assert shares[f"{PLACE}bottom right"][0].item() == pytest.approx(0.1)


def test_a_feature_over_several_places_is_spread_evenly():
    mask = torch.zeros(1, 1, 12, 12, dtype=torch.long)
    mask[..., 6:] = 1
    halves = SimpleNamespace(
        features=Features.from_mask(mask), effects=torch.tensor([[[0.9, 0.1]]], dtype=torch.float64)
    )
    shares = place_shares(halves)
    assert shares is not None
    assert shares[f"{PLACE}top left"].item() == pytest.approx(0.9 * 16 / 72)
    assert shares[f"{PLACE}top middle"].item() == pytest.approx(0.9 * 8 / 72 + 0.1 * 8 / 72)


def view(one):
    ok = torch.ones(len(one.effects), 1, dtype=torch.bool)
    return ViewFacts(one, ok, None, {}, (), None)


TAGGED = [[0.8, *[0.025] * 8]] * 3 + [[0.04, *[0.12] * 8]] * 5
EVEN = [[1 / 9] * 9] * 8
ALL = [[0.8, *[0.025] * 8]] * 8


@pytest.mark.parametrize(
    ("shares", "changes", "found"),
    [
        (TAGGED, 0.4, ["their top left part"]),
        (TAGGED, 0.08, []),  # other samples do not rest on it
        (EVEN, 0.4, []),  # no probe does
        (ALL, 0.4, []),  # all probes do: that is a matter of places
        (TAGGED, 0.9, []),
    ],
)
def test_a_place_on_which_some_predictions_rest(shares, changes, found):
    names = [PLACE + name for name in ("top left", "top middle", "top right", "middle left", "middle right",
                                       "bottom left", "bottom middle", "bottom right")]  # fmt: skip
    hidden = hidden_sets({name: rate(changes if name == names[0] else 0.08) for name in names})
    facts = EpochFacts(2, 1, views={"spatial": view(explanation(shares))}, hidden=hidden, by_output=(hidden,))
    said = list(WrongReasons().look(facts))
    assert [one.subject for one in said] == found
    assert all(one.fresh and one.p_value < 0.01 for one in said)


# Names.


@pytest.mark.parametrize(("names", "said"), [(["corn", "rye"], "rye: "), (None, "output 1: ")])
def test_outputs_are_called_by_the_names_of_their_classes(names, said):
    weak, strong = (hidden_sets({"a": rate(share)}, classes=False) for share in (0.0, 1.0))

    def look(facts, hidden):
        p_value = 1.0 if hidden is weak else 1e-6
        yield Suspicion("here", "it is odd.", "Look.", 0.5, p_value)

    (found,) = strongest(EpochFacts(1, 1, hidden=strong, by_output=(weak, strong), class_names=names), look)
    assert found.sentence == f"{said}it is odd."


def test_a_class_that_is_lost_is_called_by_its_name():
    recalls = tuple({0: (right, 10), 1: (8, 10)} for right in (8, 9, 0))
    facts = EpochFacts(3, 2, recalls=recalls, class_names=["corn", "rye"])
    assert [one.subject for one in Unstable().look(facts) if one.p_value < 1e-4] == ["corn"]


# Training.


def lost(*rights, count=10):
    recalls = tuple({0: (right, count), 1: (8, 10)} for right in rights)
    facts = EpochFacts(len(rights), len(rights) - 1, recalls=recalls)
    return [one.subject for one in Unstable().look(facts) if one.p_value < 1e-4]


def test_a_class_is_lost_that_was_known_before_and_not_one_that_came_and_went():
    assert lost(8, 9, 0) == ["class 0"]
    assert lost(0, 7, 0) == []
    assert lost(7, 5, 6, 2, 0) == []
    assert lost(9, 9, 1) == []


@pytest.mark.parametrize(("loss", "found"), [(0.6, ["spectral"]), (0.4, [])])
def test_what_the_reference_relied_on_is_gone_only_where_the_run_is_no_better_than_it(loss, found):
    """Early epochs that are worse than both do not make it better."""
    one = explanation(EVEN)
    facts = ViewFacts(one, torch.ones(8, 1, dtype=torch.bool), None, {"moved_from_reference": 0.5}, (), None)
    losses = (2.0, 1.0, loss)
    epoch = EpochFacts(3, 2, views={"spectral": facts}, losses=losses, reference_loss=0.5)
    assert [said.subject for said in Forgetting().look(epoch)] == found


@pytest.mark.parametrize(("part", "found"), [(0.05, 1), (0.3, 0), (0.9, 0)])
def test_values_that_hardly_vary_beside_their_labels(part, found):
    outputs = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    outputs = 5 + part * outputs / outputs.std(0)
    hidden = hidden_sets({}, classes=False)
    facts = EpochFacts(3, 2, hidden=hidden, outputs=outputs, label_spreads=(1.0, 1.0))
    assert len(list(Blind().look(facts))) == found


@pytest.mark.parametrize(("labels", "found"), [((1.0, 1.0, 1.0), ["output 0"]), ((), [])])
def test_an_output_is_lost_only_where_its_labels_vary(labels, found):
    """The mean over the region of a class that is always right varies little, and is not lost."""
    spreads = ([1.0, 1.0, 1.0], [0.05, 0.9, 1.0])
    facts = EpochFacts(2, 1, spreads=spreads, label_spreads=labels)
    assert [one.subject for one in Unstable().look(facts)] == found


# The order of bands.


def spectra(count=96, channels=100, parts=6, noise=0.003, seed=0):
    """Mixtures of smooth spectra."""
    random = np.random.default_rng(seed)
    axis = np.linspace(0, 1, channels)
    places, widths = random.random((parts, 1)), 0.05 + 0.1 * random.random((parts, 1))
    shapes = np.exp(-(((axis - places) / widths) ** 2)) + axis * random.standard_normal((parts, 1))
    mixed = random.dirichlet(np.ones(parts), count) @ shapes
    return torch.from_numpy(mixed + noise * random.standard_normal(mixed.shape))


def in_another_order(x, share, seed=1):
    channels = x.shape[1]
    moved = torch.randperm(channels, generator=torch.Generator().manual_seed(seed))[: round(share * channels)]
    order = torch.arange(channels)
    order[moved] = moved.roll(1)
    return x[:, order]


@pytest.mark.parametrize("seed", range(5))
def test_bands_that_are_shuffled_in_part_are_told_from_sound_ones(seed):
    x = spectra(seed=seed)
    normalised = (x - x.mean(0)) / x.std(0)
    for one in (x, normalised):  # levels do not matter
        assert foreign_share(one) <= 0.05
        assert not is_shuffled(x, WAVES)
        assert foreign_share(in_another_order(one, 0.5)) > 0.1
        assert is_shuffled(in_another_order(one, 0.5), WAVES)


def test_noisy_bands_are_no_strangers():
    x = spectra()
    x[:, 20:50] = torch.randn(len(x), 30, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    assert foreign_share(x) <= 0.05


def test_few_samples_bands_or_equal_samples_tell_no_order():
    x = in_another_order(spectra(), 0.5)
    assert foreign_share(x[:20]) == foreign_share(x[:, :20]) == foreign_share(x[:1].expand(96, -1)) == 0.0


def turned(x, first, end):
    x = x.clone()
    x[:, first:end] = x[:, first:end].flip(1)
    return x


def test_a_part_that_runs_the_other_way_is_told_and_sound_spectra_have_none():
    found = dict.fromkeys(((50, 100), (0, 50), (30, 70)), 0)
    for seed in range(100):
        x = spectra(64, noise=0.002, seed=seed)
        assert turned_part(x) is None
        for part in found:
            told = turned_part(turned(x, *part))
            assert told is None or max(abs(told[0] - part[0]), abs(told[1] - part[1])) <= 2
            found[part] += told is not None
    assert min(found.values()) >= 60, found


def test_ranges_that_are_like_each_other_around_another_one_are_no_turned_part():
    random = torch.Generator().manual_seed(0)
    soil, leaf = torch.randn(2, 96, 1, generator=random, dtype=torch.float64)
    x = torch.cat([soil.expand(-1, 40), leaf.expand(-1, 30), soil.expand(-1, 30)], 1)
    x = x + 0.02 * torch.randn(x.shape, generator=random, dtype=x.dtype)
    assert turned_part(x) is None
    assert turned_part(x[:20]) is None
    x[:, 40:] = x[:, 70:71]  # nothing left of the leaf, and constant bands
    x[:, 60:70] = 1.0
    assert turned_part(x) is None


@pytest.mark.parametrize("first", [1, 2, 3, 6])
@pytest.mark.parametrize("second", [1, 2, 3, 6])
def test_two_narrow_ranges_that_are_like_each_other_are_no_turned_part(first, second):
    """As ranges in which the air absorbs are, or two that give the label away."""
    random = torch.Generator().manual_seed(0)
    for seed in range(10):
        x, code = spectra(64, seed=seed), torch.randn(64, 1, generator=random, dtype=torch.float64)
        noise = 0.01 * torch.randn(64, first + second, generator=random, dtype=torch.float64)
        x[:, [*range(30, 30 + first), *range(70, 70 + second)]] = code + noise
        assert turned_part(x) is None


def test_bands_of_a_detector_that_runs_the_other_way_are_named_by_their_wavelengths():
    x = turned(spectra(64, seed=3), 50, 100)
    facts = EpochFacts(1, 0, wavelengths=WAVES, inputs=InputFacts(1.0, torch.ones(2, 100), x))
    (said,) = [one for one in Scale().look(facts) if one.subject.startswith("bands")]
    assert said.subject == "bands' part"
    assert "the bands from 1400 to 2380 nm seem to run the other way" in said.sentence


# Steps.


def steps(moves, *, trained=True):
    return EpochFacts(len(moves) + 1, len(moves), weights=WeightFacts(trained, (), 4), moves=moves)


def test_outputs_that_have_hardly_moved_since_the_first_look_are_told():
    (one,) = Frozen().look(steps([0.004, 0.01]))
    assert one.subject == "steps"
    assert "by 1.00% of their spread" in one.sentence
    assert not list(Frozen().look(steps([0.3, 0.001])))  # settled, as at the end of a schedule
    assert not list(Frozen().look(steps([])))


def test_how_far_outputs_move_is_in_their_own_spread_and_outlives_a_checkpoint():
    outputs = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    answers = SimpleNamespace(kind="classes", loss=lambda _: None, right=lambda _: None)
    course = RunCourse()
    course.take(outputs, answers, None)
    moved = outputs.clone()
    moved[:, 1] += 0.5 * outputs[:, 1].std()
    assert course.take(moved, answers, None) is outputs
    assert course.moves == pytest.approx([0.5])
    resumed = RunCourse()
    resumed.restore(course.state())
    resumed.take(100 * moved, answers, None)
    assert resumed.moves[0] == course.moves[0]
    assert len(resumed.moves) == 2
    earlier = RunCourse()
    earlier.restore({name: value for name, value in course.state().items() if name != "moves"})
    assert earlier.moves == []  # versions before did not keep them


# Which ranges of a set are named.


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ({1360: 0.5, 1800: 0.4, 720: 0.02}, "mostly 1340 to 1460 and 1800 to 1960 nm"),
        ({1360: 0.9}, "mostly 1340 to 1460 nm"),
        ({}, "720, 820, 940 to 960, 1120 to 1160, 1340 to 1460 and 1800 to 1960 nm"),
    ],
)
@pytest.mark.parametrize("order", ["ascending", "shuffled"])
def test_of_the_airs_ranges_those_are_named_that_have_the_attribution(held, text, order):
    waves = WAVES if order == "ascending" else torch.randperm(100, generator=torch.Generator().manual_seed(0)).tolist()
    waves = waves if order == "ascending" else [WAVES[i] for i in waves]
    strengths = torch.tensor([held.get(nm, 0.0) for nm in waves])
    pixels = torch.randn(50, 100, generator=torch.Generator().manual_seed(0)).cumsum(1)
    plan = plan_sets((100, 1, 1), waves, pixels, [], [], strengths, {}, None, None, 0)
    assert plan.subjects["absorption/water vapour"] == f"absorption bands of water vapour ({text})"


# Swings.


def shares_over(epochs, amplitude, noise, seed=0, d=20, trend=0.0):
    """Sizes of 20 features, of which the fourth and the eighth take turns."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.full((d,), 1 / d) + 0.01 * torch.rand(d, generator=generator)
    found = []
    for epoch in range(epochs):
        own = base + noise * torch.randn(d, generator=generator)
        own[3] += amplitude * (-1) ** epoch + trend * epoch
        own[7] += amplitude - amplitude * (-1) ** epoch
        found.append(own.clamp(min=0).unsqueeze(0))
    return tuple(found)


def test_a_swing_is_half_of_what_goes_up_and_down_and_a_trend_is_none():
    even = tuple(torch.tensor([[0.2, 0.8]]) if i % 2 else torch.tensor([[0.4, 0.6]]) for i in range(5))
    assert swing(shares_of(even)).tolist() == pytest.approx([0.2, 0.2])
    trend = tuple(torch.tensor([[0.1 + 0.1 * i, 0.9 - 0.1 * i]]) for i in range(5))
    assert (swing(shares_of(trend)) < 1e-6).all()
    once = tuple(torch.tensor([[share, 1 - share]]) for share in (0.1, 0.4, 0.38, 0.4, 0.39))
    assert (swing(shares_of(once)) < 0.02).all()


def swings(sizes, readable=True, swaps=()):
    one = explanation(EVEN)
    counts = torch.full((8, 1), readable, dtype=torch.bool)
    names = [f"band {i}" for i in range(sizes[-1].shape[1])]
    one.features = SimpleNamespace(names=names)
    facts = ViewFacts(one, counts, sizes[-1], {}, (), None, sizes=sizes, swaps=swaps)
    return [said.sentence for said in Unstable().look(EpochFacts(5, 4, {"spectral": facts}))]


def test_reasons_that_swing_are_told_with_the_feature_and_its_shares():
    (sentence,) = swings(shares_over(5, 0.06, 0.003))
    assert "band 3 has" in sentence or "band 7 has" in sentence
    assert swings(shares_over(3, 0.06, 0.003)) == []  # two steps are no swing
    assert swings(shares_over(5, 0.06, 0.003), readable=False) == []
    assert swings(shares_over(5, 0.06, 0.003, d=20)[:0] + shares_over(5, 0.0, 0.003, trend=0.06)) == []
    settling = shares_over(5, 0.0, 0.003)
    settling[0][0, 3] += 0.3  # the first look is of a model that has learnt nothing
    assert swings(settling) == []
    assert swings(tuple(one[:, :5] for one in shares_over(5, 0.06, 0.003))) == []


def test_what_swaps_change_counts_beside_the_attribution():
    little = shares_over(5, 0.012, 0.006)
    assert swings(little) == []
    assert len(swings(little, swaps=tuple(one[0] for one in shares_over(5, 0.1, 0.006, seed=1)))) == 1
    assert swings(little, swaps=tuple(one[0] for one in shares_over(5, 0.0, 0.006, seed=1))) == []
    # What was measured at other epochs cannot stand beside it.
    assert swings(little, swaps=tuple(one[0] for one in shares_over(4, 0.1, 0.006, seed=1))) == []


def test_swaps_are_kept_of_epochs_in_a_row_and_over_a_resume():
    course, shares = RunCourse(), torch.full((20,), 0.05, dtype=torch.float64)
    for count in (1, 2, 3, 4, 5, 5):
        assert len(course.take_swaps("spectral", shares, anew=False)) == count
    resumed = RunCourse()
    resumed.restore(course.state())
    assert len(resumed.take_swaps("spectral", shares, anew=False)) == 5
    assert len(course.take_swaps("spectral", shares, anew=True)) == 1  # other bands
    assert course.take_swaps("spectral", torch.zeros(20), anew=False) == ()  # not measured
    assert len(course.take_swaps("spectral", shares, anew=False)) == 1


def test_a_target_without_effects_at_a_look_swings_by_nothing():
    two = tuple(one.repeat(2, 1) for one in shares_over(5, 0.06, 0.003))
    two[1][1] = math.nan  # its output did not vary then
    assert swings(two) == swings(tuple(one[:1] for one in two))
    two[2][0] = math.nan
    assert swings(two) == []


@pytest.mark.parametrize("of_swaps", [None, 0.003, 0.018])
@pytest.mark.parametrize("noise", [0.003, 0.01, 0.018])  # at the last a fifth of the attribution moves at each epoch
def test_what_moves_at_random_swings_at_two_looks_in_a_row_in_fewer_than_one_run_of_a_hundred(noise, of_swaps):
    wrong = 0
    for seed in range(300):
        sizes = shares_over(8, 0.0, noise, seed)
        swaps = () if of_swaps is None else tuple(one[0] for one in shares_over(8, 0.0, of_swaps, 1000 + seed))
        looks = [bool(swings(sizes[max(0, end - 5) : end], swaps=swaps[max(0, end - 5) : end])) for end in range(4, 9)]
        wrong += any(a and b for a, b in pairwise(looks))
    assert wrong <= 3


def test_intervals_of_shares_end_where_shares_do_and_those_of_values_do_not():
    most, none, half = (hidden_sets({"a": rate(share)}).mean("a") for share in (1 - 1 / M, 0.0, 0.5))
    assert (most.high, none.low) == (1.0, 0.0)
    assert 0 < most.low < most.value < 1
    assert 0 < none.high < 0.2
    assert 0 < half.low < half.value < half.high < 1
    large = hidden_sets({"a": [1.0, 3.0] * (M // 2)}, classes=False).mean("a")  # in standard deviations
    assert large.high > 2 > large.low > 1
