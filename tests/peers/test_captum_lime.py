"""Cases of captum's tests of ``Lime`` (tests/attr/test_lime.py), by their values, within their tolerance.

Theirs draw 500 to 2,000 rows; here all on/off rows are asked. A lasso of 1.0 takes 4 off every coefficient.
"""

import pytest
import torch
from captum_models import (
    APART,
    BATCH,
    BATCH_MASK,
    EACH,
    ONE,
    PAIR,
    THREE,
    THREE_BASELINE,
    THREE_MASK,
    TWO,
    relu_sums,
    tensor,
)

from lime_callback import Lasso, explain
from lime_callback.sampling import InputCosine


@pytest.mark.parametrize(
    ("x", "mask", "baseline", "expected"),
    [
        (ONE, EACH, 0.0, [[73.3716, 193.3349, 113.3349]]),
        (ONE, PAIR, 0.0, [[271.0, 111.0]]),
        (ONE, PAIR, 4.0, [[244.0, 100.0]]),
        (TWO, EACH, 0.0, [[73.4450, 193.5979, 113.4363], [32.11, 48.00, 11.00]]),
        (TWO, [PAIR, EACH], 0.0, [[271.0, 111.0, 0.0], [32.11, 48.00, 11.00]]),
        (APART, list(range(9)), 0.0, [[87, 0, 0, 75, 0, 195, 0, 395, 35]]),
        (THREE, THREE_MASK, 0.0, [[251.0, 591.0, 0.0]]),
        (THREE, THREE_MASK, THREE_BASELINE, [[180, 576.0, -8.0]]),
        (BATCH, BATCH_MASK, 0.0, [[73.2166, 1086.2802, 152.6888], [250.8907, 590.9789, 0.0]]),
        (BATCH, BATCH_MASK, THREE_BASELINE, [[48.2441, 1036.4233, 128.3161], [180.3035, 575.8969, -8.3229]]),
    ],
)
def test_lime(x, mask, baseline, expected):
    found = explain(
        relu_sums, tensor(x), torch.tensor(mask), 0, baseline=baseline, kernel=InputCosine(10.0), surrogate=Lasso(1.0),
        n_perturbations=512,
    )  # fmt: skip
    torch.testing.assert_close(found.coefficients[:, 0], tensor(expected), atol=1.2, rtol=0)


@pytest.mark.parametrize("forward", [lambda x: relu_sums(x).sum(), lambda x: relu_sums(x).sum().item()])
def test_a_forward_that_returns_one_number_a_batch_is_refused(forward):
    """There it means the whole batch; here each input is explained, and a forward returns a row for each."""
    with pytest.raises((ValueError, TypeError), match=r"`forward` should return"):
        explain(forward, tensor(TWO), torch.tensor(EACH), n_perturbations=16)
