"""Where other processes have trained, the caller's callback knows nothing, and says where their results are."""

import pickle

import pytest
from toys import Classifier, fit, loader, trainer

from lime_callback import Explanation, LimeCallback, Superpixels


def lime():
    return LimeCallback(
        Superpixels("grid", 4), probes=2, n_perturbations=16, reliance=False, background=8, pictures=False
    )


@pytest.mark.parametrize("ask", ["explanation", "predictions", "reliance"])
def test_a_callback_that_no_trainer_called_says_where_the_results_are(ask):
    here = lime()
    with pytest.warns(UserWarning, match=r"nothing was explained in this process.*lime/spatial\.npz.*validate"):
        assert getattr(here, ask)("spatial") is None


@pytest.mark.trouble
def test_after_ddp_spawn_both_ways_out_work(tmp_path):
    here = lime()
    fit(tmp_path, pickle.loads(pickle.dumps(here)), epochs=1)  # as a launcher does, in another process
    assert here.explanation("spatial") is None
    assert Explanation.load(tmp_path / "lime" / "spatial.npz").score.shape == (2, 1)
    trainer(tmp_path, here, devices=1).validate(Classifier(), loader(), verbose=False)
    assert here.explanation("spatial") is not None
