"""Trouble with single samples ends no run, and leaves out no other sample."""

import warnings

import pytest
import torch
from toys import Classifier, Samples, fit

from lime_callback import LimeCallback, Superpixels


def callback(**settings):
    defaults = {"probes": 8, "n_perturbations": 16, "pictures": False}
    return LimeCallback(Superpixels("grid", n_segments=4), **defaults | settings)


def with_nan(*numbers):
    """The toy data, where the samples of these numbers hold a pixel without a value."""

    def pack(x, y, i):
        x = x.clone()
        if i in numbers or not numbers:
            x[:, 3, 4] = torch.nan
        return x, y

    return Samples(16, pack=pack)


class Replaces(Classifier):
    def forward(self, x):
        return super().forward(x.nan_to_num())


@pytest.mark.parametrize("sanity", [0, 2])
def test_samples_with_nan_are_left_out_and_named(tmp_path, sanity):
    lime = callback()
    with pytest.warns(UserWarning, match="explains 6 of 8 samples. Left out for NaN or infinite values: 0, 4, counted"):
        fit(tmp_path, lime, model=Replaces, data=with_nan(0, 1, 8, 9), epochs=1, num_sanity_val_steps=sanity)
    assert len(lime.explanation("spatial").coefficients) == 6


@pytest.mark.parametrize("sanity", [0, 2])
def test_a_set_of_nan_alone_ends_no_run_and_the_advice_works(tmp_path, sanity):
    lime = callback()
    advice = r"explains 0 of 8 samples.*`input_key=lambda batch: torch.nan_to_num\(batch\[0\]\)`"
    with pytest.warns(UserWarning, match=advice):
        fit(tmp_path, lime, model=Replaces, data=with_nan(), epochs=1, num_sanity_val_steps=sanity)
    assert lime.explanation("spatial") is None
    lime = callback(input_key=lambda batch: torch.nan_to_num(batch[0]), on_error="raise")
    fit(tmp_path, lime, model=Replaces, data=with_nan(), epochs=1, num_sanity_val_steps=sanity)
    assert len(lime.explanation("spatial").coefficients) == 8


@pytest.mark.parametrize("output", ["auto", "raw", "softmax"])
def test_classes_that_are_ruled_out_by_minus_infinity_are_no_trouble(tmp_path, output):
    class RulesOut(Classifier):
        def forward(self, x):
            y = super().forward(x)
            return torch.cat([y, torch.full_like(y[:, :1], -torch.inf)], 1)

    lime = callback(output=output, target="label")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "LimeCallback")
        fit(tmp_path, lime, model=RulesOut, data=Samples(16), epochs=1)
    explanation = lime.explanation("spatial")
    assert explanation.coefficients.isfinite().all()
    assert (explanation.coefficients.abs().sum(-1) > 0).all()


def test_probes_whose_outputs_are_not_finite_leave_the_others(tmp_path):
    class Breaks(Classifier):
        def forward(self, x):
            y = super().forward(x)
            return y if self.training or self.trainer.sanity_checking else y / (x[:, 5, 0, 0] != 77.0)[:, None]

    def pack(x, y, i):
        x = x.clone()
        x[5, 0, 0] = 77.0 if i in (0, 1) else 0.0
        return x, y

    lime = callback(baseline="mean")
    with pytest.warns(UserWarning, match="the explanations of probes 0 by view 'spatial' are degenerate.*NaN or inf"):
        fit(tmp_path, lime, model=Breaks, data=Samples(16, pack=pack), epochs=2)
    effects = lime.explanation("spatial").coefficients.abs().sum(-1)
    assert (effects[:, 0] > 0).tolist() == [False] + [True] * 7


def test_a_model_that_breaks_on_the_first_sample_alone_ends_no_run(tmp_path):
    class Breaks(Classifier):
        def forward(self, x):
            return super().forward(x) / (0.0 if self.trainer.sanity_checking else 1.0)

    lime = callback()
    with pytest.warns(UserWarning, match="in a first try, `forward` should return finite numbers"):
        fit(tmp_path, lime, model=Breaks, data=Samples(16), epochs=1)
    assert lime.explanation("spatial").coefficients.isfinite().all()
