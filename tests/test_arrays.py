"""Orthogonal arrays with few words, and how much of the noise they keep from the coefficients."""

from itertools import combinations

import pytest
import torch

from lime_callback import aliasing, arrays, explain
from lime_callback.designs import Orthogonal, Paired


def words(columns):
    """Words of length four, counted one by one."""
    return sum(a ^ b ^ c ^ d == 0 for a, b, c, d in combinations(columns.tolist(), 4))


@pytest.mark.parametrize(("d", "size"), [(12, 32), (20, 64), (20, 128), (9, 16)])
def test_columns_have_few_words(d, size):
    generator = torch.Generator().manual_seed(0)
    chance = [words(torch.randperm(size, generator=generator)[:d]) for _ in range(40)]
    found = arrays.few_words(d, size, halved=False)
    assert len(found.unique()) == d
    assert 0 <= found.min() <= found.max() < size
    assert words(found) <= min(chance)


@pytest.mark.parametrize(("d", "size"), [(12, 32), (20, 128), (100, 256)])
def test_the_first_half_of_an_array_can_be_one(d, size):
    columns = arrays.few_words(d, size, halved=True)
    half = arrays.rows_of(columns, torch.arange(size // 2)).double() * 2 - 1
    assert torch.equal(half.T @ half, size / 2 * torch.eye(d, dtype=torch.float64))


def test_an_entry_is_the_parity_of_common_ones():
    rows, columns = torch.tensor([0, 5, 2**40 + 1]), torch.tensor([1, 7, 2**40])
    found = arrays.rows_of(columns, rows).tolist()
    assert found == [[bin(int(r) & int(c)).count("1") % 2 == 1 for c in columns] for r in rows]


@pytest.mark.parametrize("n", [33, 40, 64, 100])
def test_features_can_be_told_apart_however_many_rows(n):
    """Rows that are a part of an array, too, must not alias two features."""
    for seed in range(20):
        rows = Orthogonal().sample(n, 16, torch.Generator().manual_seed(seed)).double()
        assert torch.linalg.matrix_rank(rows - rows.mean(0)) == 16


def by_hand(rows):
    """Variance of a fit's coefficients under random interactions of three features, and what residuals state of it."""
    x = rows[::2].double() * 2 - 1
    n, d = x.shape
    products = torch.stack([x[:, list(one)].prod(1) for one in combinations(range(d), 3)], 1)
    fit = torch.linalg.pinv(x)
    moved = (fit @ products).square().sum()
    residual = (products - x @ (fit @ products)).square().sum()
    return moved / (residual / (n - d) * torch.linalg.inv(x.T @ x).trace())


@pytest.mark.parametrize("design", [Orthogonal(), Paired()], ids=repr)
@pytest.mark.parametrize("n", [40, 64, 128])
def test_the_share_of_the_noise_is_that_of_all_interactions_of_three(design, n):
    rows = design.sample(n, 12, torch.Generator().manual_seed(1))
    share = float(aliasing.variance_share(rows.unsqueeze(0), 2))
    assert share == pytest.approx(0.2 + 0.8 * float(by_hand(rows)), rel=1e-4)


def test_features_that_an_input_lacks_change_nothing():
    rows = Orthogonal().sample(64, 12, torch.Generator().manual_seed(1))
    wider = torch.cat([rows[:, :5], torch.zeros(64, 3, dtype=torch.bool), rows[:, 5:]], 1)
    one, other = (aliasing.variance_share(some.unsqueeze(0), 2) for some in (rows, wider))
    torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


def test_random_pairs_have_the_noise_that_residuals_state():
    many = torch.stack([Paired().sample(128, 20, torch.Generator().manual_seed(seed)) for seed in range(30)])
    assert float(aliasing.variance_share(many, 2).mean()) == pytest.approx(1, abs=0.02)
    assert (aliasing.variance_share(many, 1) == 1).all()


def test_of_many_rows_some_say_the_same():
    rows = Orthogonal().sample(4096, 30, torch.Generator().manual_seed(0)).unsqueeze(0)
    few = aliasing.variance_share(rows, 2)
    most, aliasing._MOST_ROWS = aliasing._MOST_ROWS, 10_000
    try:
        torch.testing.assert_close(few, aliasing.variance_share(rows, 2), atol=1e-6, rtol=1e-3)
    finally:
        aliasing._MOST_ROWS = most


def test_all_rows_leave_no_error():
    """What was asked of every row there is, is known."""
    x = torch.randn(1, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = explain(lambda z: z.prod(1) + z.sum(1).sin(), x, torch.arange(6).view(1, 6), baseline="zero")
    assert found.n_perturbations == 64
    assert (found.standard_error == 0).all()
    assert float(found.score) < 1
