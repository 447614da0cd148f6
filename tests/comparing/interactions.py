"""A model whose surrogate leaves something out, and its explanations, which are noisy therefore."""

import torch

from lime_callback import explain


def interacting(d, seed=0, *, times=1.0, strength=1.0, change=0.0):
    """``times`` the main effects and ``strength`` interactions of second and third order on inputs [m, d]."""
    generator = torch.Generator().manual_seed(seed)
    main = torch.randn(d, generator=generator, dtype=torch.float64)
    pairs = torch.randn(d, d, generator=generator, dtype=torch.float64) / d**0.5
    triples = torch.randn(d, 3, generator=generator, dtype=torch.float64)
    main[0] += change

    def forward(x):
        third = (x @ triples[:, :1] * (x @ triples[:, 1:2]) * (x @ triples[:, 2:])).squeeze(1) / d
        return times * (x @ main + strength * (((x @ pairs) * x).sum(1) + third))

    return forward


def explained(forward, d, n, seed=0, design="paired", **settings):
    """One explanation a seed, of an input of ones each."""
    x = torch.ones(1 if isinstance(seed, int) else len(seed), d, dtype=torch.float64)
    return explain(
        forward, x, torch.arange(d), baseline="zero", n_perturbations=n, design=design, seed=seed, **settings
    )
