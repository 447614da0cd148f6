"""Reliance: how far a model's answers change when a set of channels or pixels is hidden.

Other samples' values replace a set. Beside it, the same samples' values replace random sets of as many channels or
pixels: their changes are what any such set is expected to change.

Letters: ``S`` sets, ``m`` samples, ``K`` outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lime_callback.checks.arguments import check_function
from lime_callback.checks.numbers import check_count
from lime_callback.explaining.input_checks import check_inputs
from lime_callback.explaining.strategies import Strategies
from lime_callback.sampling.value_swaps import choose_swaps
from lime_callback.views.channels.group_doubts import group_doubts
from lime_callback.views.layout import Layout
from lime_callback.views.watch import check_watches, watched_elements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lime_callback.explaining.reliance_result import Reliance
    from lime_callback.outputs.targets import Output


def reliance(
    forward: Callable[[Tensor], Any],
    inputs: Tensor,
    sets: Mapping[str, Any],
    labels: Tensor | None = None,
    *,
    wavelengths: Sequence[float] | None = None,
    layout: str | Layout | None = None,
    output: Output | Callable[[Tensor], Tensor] = "raw",
    references: int = 19,
    batch_size: int = 64,
    seed: int = 0,
) -> Reliance:
    """Measure what hiding sets of channels or pixels changes in a model's answers.

    The model is called as it is, without gradients: put it into evaluation mode yourself. It is asked
    ``(1 + S (1 + references)) N`` times. Global random state is not touched.

    Args:
        forward: takes ``[m, *dims]``, returns ``[m]`` or ``[m, K]`` (or what a callable ``output`` makes that of).
        inputs: samples ``[N, *dims]``, at least four; better some dozens, such as the model meets.
        sets: for each name a bool mask that broadcasts to ``[N, *dims]``, or what a :class:`~lime_callback.Watch`
            takes: ``{"water": [(1350.0, 1430.0), (1800.0, 1950.0)]}``.
        labels: integers ``[N]`` of a classifier, or numbers ``[N]`` or ``[N, K]`` of a regression.
        wavelengths: the channels' wavelengths, in nm.
        layout: the axes of one sample; ``None``: the usual ones of its rank.
        output: the outputs' scale, see :func:`~lime_callback.explain`.
        references: random sets for each set, at least 3.
        batch_size: inputs a forward.
        seed: seed of the choice of other samples and random sets.

    Raises:
        ValueError: if an argument does not fit the inputs, or the outputs are not finite.
        TypeError: if an argument is of another kind.
    """
    from lime_callback.explaining.hidden_sets import hidden_outputs, reliance_of_outputs

    check_function("forward", forward, "inputs [m, *dims] and returns [m] or [m, K]")
    check_inputs(inputs)
    references, batch_size = check_count("references", references, 3), check_count("batch_size", batch_size)
    if len(inputs) < 4:
        raise ValueError(
            f"`inputs` should be at least four samples, which take each other's values. Found {len(inputs)}."
        )
    if labels is not None and len(labels) != len(inputs):
        raise ValueError(f"`labels` should be one for each of the {len(inputs)} inputs. Found {len(labels)}.")
    axes = Layout.of_rank(inputs.ndim - 1) if layout is None else Layout.of(layout)
    axes.check(tuple(inputs.shape))
    masks = _masks(sets, inputs, axes, wavelengths)
    order = None if wavelengths is None else sorted(range(len(wavelengths)), key=lambda i: wavelengths[i])
    budget = len(inputs) * (1 + len(masks) * (1 + references))
    swaps = choose_swaps(masks, {}, len(inputs), budget, seed, order, references)
    assert swaps is not None, "there are sets, and samples enough"
    settings = Strategies(output=output)
    found = hidden_outputs(lambda x, _: forward(x), inputs, axes, swaps, labels, settings, batch_size)
    return reliance_of_outputs(found, swaps, wavelengths)


def _masks(
    sets: Mapping[str, Any], inputs: Tensor, layout: Layout, wavelengths: Sequence[float] | None
) -> dict[str, Tensor]:
    """Each set as a bool mask ``[1 or N, C, H, W]``, on the CPU.

    Raises:
        TypeError: if ``sets`` is no dictionary.
        ValueError: if there is no set, or one fits the inputs in no way.
    """
    if not isinstance(sets, Mapping) or not sets:
        raise (ValueError if isinstance(sets, Mapping) else TypeError)(
            "`sets` should be a dictionary of names and sets, such as {'water': (1350.0, 1430.0)}. Found "
            f"{'an empty one' if isinstance(sets, Mapping) else f'a {type(sets).__name__}'}."
        )
    masks = {}
    for name, what in sets.items():
        if isinstance(what, Tensor) and what.dtype == torch.bool and what.ndim >= inputs.ndim - 1:
            mask = what if what.ndim == inputs.ndim else what.unsqueeze(0)
            fits = all(own in (1, size) for own, size in zip(mask.shape, inputs.shape, strict=True))
            if not fits or not bool(mask.any()):
                raise ValueError(
                    f"`sets[{name!r}]` should be a mask with at least one true element that broadcasts to the inputs' "
                    f"shape {tuple(inputs.shape)}. Found shape {tuple(what.shape)} with {int(what.sum())} of them."
                )
            masks[name] = layout.canonical(mask).cpu()
        else:
            watch = next(iter(check_watches({name: what}).values()))
            masks[name] = inside = watched_elements(watch, inputs, layout, wavelengths, None)
            if watch.bands is not None:
                for text in group_doubts(f"set '{name}'", watch.bands, wavelengths, inside.shape[1]):
                    warnings.warn(text, stacklevel=3)
    return masks
