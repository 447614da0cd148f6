"""A finding names a picture that the run has, whatever its views are called; or none."""

from types import SimpleNamespace

import pytest
import torch

from lime_callback import Features
from lime_callback.findings.shown_where import picture_of_run

PIXELS = Features(torch.arange(16).view(1, 1, 4, 4) // 8, ("upper", "lower"), "CHW")
CUBES = Features(torch.arange(32).view(1, 2, 4, 4) // 16, ("first", "second"), "CHW")
BANDS = Features(torch.arange(2).view(1, 2, 1, 1), ("first", "second"), "CHW")


def view(name, features, anew=False):
    return SimpleNamespace(view=SimpleNamespace(name=name), last=SimpleNamespace(features=features), anew=anew)


@pytest.mark.parametrize(("asked", "views", "expected"), [
    ("spatial/attributions", [view("spatial", PIXELS)], "spatial/attributions"),
    ("spatial/attributions", [view("lines", BANDS), view("cells", CUBES), view("rings", PIXELS)], "cells/attributions"),
    ("spatial/superpixels", [view("quadrants", CUBES), view("rings", PIXELS)], "rings/superpixels"),
    ("spatial/attributions", [view("spatial", BANDS), view("rings", PIXELS)], "rings/attributions"),
    ("spatial/attributions", [view("lines", BANDS)], ""),
    ("spectral/superbands", [view("rings", PIXELS), view("lines", BANDS)], "lines/superbands"),
    ("spectral/superbands", [view("rings", PIXELS), view("quadrants", CUBES)], ""),
    ("spectral/waterfall", [view("lines", BANDS, anew=True)], ""),
    ("spatial/drift_chart", [view("lines", BANDS)], "lines/drift_chart"),
    ("spatial/drift_chart", [view("rings", PIXELS, anew=True)], ""),
    ("rings/attributions", [view("quadrants", CUBES), view("rings", PIXELS)], "rings/attributions"),
    ("radar/attributions", [view("rings", PIXELS)], ""),
    ("mine/histogram", [view("rings", PIXELS)], "mine/histogram"),
    ("", [view("rings", PIXELS)], ""),
])  # fmt: skip
def test_a_picture_of_the_run_is_named_or_none(asked, views, expected):
    assert picture_of_run(asked, views) == expected
