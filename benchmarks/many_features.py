"""Measures time and memory of explanations by thousands of features, far more than there are perturbations.

    python benchmarks/many_features.py          (a minute; --features 4900 or any other square number)
    python benchmarks/many_features.py --quick  (400 features; decides nothing)

Every pixel is a feature of 8 inputs. Two models are explained by 256 perturbations, and their explanations compared, as
a callback does at each epoch. Memory is the peak of the process, less its memory before. The exit code is 1 if this
takes 20 s or more, or 2 GB or more.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from pathlib import Path

import torch
from scaling import status
from torch import nn

from lime_callback import Superpixels, explain
from lime_callback.comparing import compare

MOST_SECONDS, MOST_GB = 20.0, 2.0
INPUTS, PERTURBATIONS = 8, 256


def main() -> int:
    """Explain, print time and memory, and decide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    explained(4)  # the libraries load what they need
    Path("/proc/self/clear_refs").write_text("5")
    before, began = status("VmRSS"), time.perf_counter()
    features = explained(20 if args.quick else math.isqrt(args.features))
    seconds, gigabytes = time.perf_counter() - began, (status("VmHWM") - before) / 1e6
    print(f"{features} features, {INPUTS} inputs, {PERTURBATIONS} perturbations, two explanations and their drift:")
    print(f"{seconds:.1f} s, {gigabytes:.2f} GB; less than {MOST_SECONDS:g} s and {MOST_GB:g} GB should be.")
    return 0 if args.quick else int(seconds >= MOST_SECONDS or gigabytes >= MOST_GB)


def explained(side: int) -> int:
    """Explain two models by every pixel of their inputs, and return the number of features."""
    torch.manual_seed(0)
    x = torch.randn(INPUTS, 3, side, side)
    features = Superpixels(mask=torch.arange(side**2).view(side, side)).features(x)
    models = [nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)).eval() for _ in range(2)]
    one, two = (explain(model, x, features, 0, n_perturbations=PERTURBATIONS) for model in models)
    compare(one, two)
    return len(features)


if __name__ == "__main__":
    sys.exit(main())
