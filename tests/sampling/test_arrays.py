"""Paley's orthogonal arrays, and what becomes of interactions in them."""

import pytest
import torch

from lime_callback import explain
from lime_callback.sampling import orthogonal_arrays
from lime_callback.sampling.designs import Bernoulli, Orthogonal, Paired, draw_designs, is_exhaustive, used_rows
from lime_callback.sampling.seeds import seed_for


def whole(order):
    numbers = torch.arange(order)
    return orthogonal_arrays.array_rows(order, numbers, numbers).double() * 2 - 1


@pytest.mark.parametrize("rows", [3, 4, 5, 13, 32, 100, 256])
def test_every_two_columns_are_orthogonal(rows):
    order = orthogonal_arrays.least_order(rows)
    assert rows <= order < 2 * rows + 4
    array = whole(order)
    assert torch.equal(array.T @ array, order * torch.eye(order, dtype=torch.float64))
    assert (array[:, 0] == 1).all()


@pytest.mark.parametrize("order", [32, 84, 128])
def test_interactions_are_shared_out_over_all_columns_within_weils_bound(order):
    array, q = whole(order), order - 1
    generator = torch.Generator().manual_seed(order)
    for size in (2, 3):
        for _ in range(50):
            chosen = 1 + torch.randperm(q, generator=generator)[:size]
            others = torch.ones(order, dtype=torch.bool)
            others[chosen] = others[0] = False
            shares = array[:, others].T @ array[:, chosen].prod(1) / order
            # The character sum, and the row and the diagonal entries that are not of it.
            assert shares.abs().max() <= (size * q**0.5 + 2 * (size + 2)) / order


def phantom(design, n, d, model, seed):
    """The largest coefficient of a feature that the model does not use, as a share of the largest of those it uses."""
    generator = torch.Generator().manual_seed(seed)
    used = torch.randperm(d, generator=generator)[:3]
    x = torch.zeros(1, d, dtype=torch.float64)
    found = explain(
        lambda rows: model(rows[:, used]).double(), x + 1, torch.arange(d)[None], n_perturbations=n, design=design,
        baseline="zero", seed=seed,
    )  # fmt: skip
    size = found.coefficients[0, 0].abs()
    others = torch.ones(d, dtype=torch.bool)
    others[used] = False
    return float(size[others].max() / size[used].max())


MODELS = {
    "product of two": lambda z: z[:, :2].prod(1),
    "product of three": lambda z: z.prod(1),
    "threshold": lambda z: (z.sum(1) >= 2).double(),
    "maximum": lambda z: z.amax(1),
}


@pytest.mark.filterwarnings("ignore:The explanation of input")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("d", "n"), [(20, 256), (100, 128), (100, 256), (196, 256)])
def test_no_more_phantoms_than_with_independent_rows(model, d, n):
    rates = [
        sum(phantom(design, n, d, MODELS[model], seed) > 0.5 for seed in range(40)) / 40
        for design in (Orthogonal(), Bernoulli())
    ]
    assert rates[0] <= rates[1] + 0.05


@pytest.mark.filterwarnings("ignore:The explanation of input .* is uncertain")
def test_a_product_of_two_patches_has_no_third():
    """Of 196 patches the model reads two; no probe shows another at half of their height."""
    assert (
        max(phantom(Orthogonal(), 256, 196, MODELS["product of two"], seed_for(0, p, "spatial")) for p in range(8))
        < 0.5
    )


@pytest.mark.parametrize("n", [33, 40, 64, 100])
def test_features_can_be_told_apart_however_many_rows(n):
    for seed in range(20):
        rows = Orthogonal().sample(n, 16, torch.Generator().manual_seed(seed)).double()
        assert torch.linalg.matrix_rank(rows - rows.mean(0)) == 16


@pytest.mark.parametrize(("n", "d", "group"), [(256, 20, 2), (256, 100, 2), (256, 120, 1), (128, 20, 1), (512, 200, 2)])
def test_pairs_leave_rows_to_spare(n, d, group):
    assert Orthogonal().group(n, d) == group
    rows = draw_designs(Orthogonal(), n, torch.ones(1, d, dtype=torch.bool), [0])[0]
    assert torch.equal(rows[::2], ~rows[1::2]) == (group == 2)


def test_half_of_the_pairs_are_taken_as_single_rows_where_they_would_be_too_few():
    """A time budget halves the rows; what is left is still a design that tells all features apart."""
    rows, group = used_rows(Orthogonal(), 256, 50, 128)
    assert group == 1
    design = draw_designs(Orthogonal(), 256, torch.ones(1, 50, dtype=torch.bool), [0])[:, rows]
    assert design.shape[1] == 128
    centred = design[0].double() - design[0].double().mean(0)
    assert torch.linalg.matrix_rank(centred) == 50
    assert not any(torch.equal(design[0, i], ~design[0, i + 1]) for i in range(127))


@pytest.mark.parametrize("design", [Orthogonal(), Orthogonal(pairs=True), Orthogonal(pairs=False), Paired()], ids=repr)
def test_inputs_of_fewer_features_have_rows_of_the_same_kind(design):
    present = torch.ones(2, 120, dtype=torch.bool)
    present[1, 90:] = False
    rows = draw_designs(design, 256, present, [0, 1])
    paired = [torch.equal(one[::2, :90], ~one[1::2, :90]) for one in rows]
    assert paired[0] == paired[1] == (design.group(256, 120) == 2)


def test_all_rows_are_told_from_some():
    rows = draw_designs(Orthogonal(), 256, torch.ones(1, 6, dtype=torch.bool), [0])
    twice = torch.cat([rows, rows], 1)
    some = torch.cat([rows[:, :-1], rows[:, :1]], 1)
    found = [bool(is_exhaustive(one)) for one in (rows, twice, some, rows[:, :32])]
    assert found == [True, True, False, False]
    order = (twice[0] * 2 ** torch.arange(6)).sum(1).argsort()
    assert not bool(is_exhaustive(twice[:, order[:-1]]))  # all but one of the rows in which every feature is on
    padded = torch.cat([rows, torch.zeros_like(rows[..., :1])], -1)
    assert bool(is_exhaustive(padded))


def test_all_rows_leave_no_error():
    """What was asked of every row there is, is known."""
    x = torch.randn(1, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = explain(lambda z: z.prod(1) + z.sum(1).sin(), x, torch.arange(6).view(1, 6), baseline="zero")
    assert found.n_perturbations == 64
    assert (found.standard_error == 0).all()
    assert float(found.score) < 1
    assert torch.equal(found.score, found.fit_score)
    assert float(found.freedom) == float("inf")
