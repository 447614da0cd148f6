"""What designs, kernels, baselines and surrogates return, checked in one place: users write their own.

Each function names the user's class, what was expected and what was found. Shapes and types are known without waiting
for a device; values of weights and of coefficients are counted there, and judged when all else is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lime_callback.checks.numbers import whole_number

if TYPE_CHECKING:
    from torch import Tensor


def design_rows(design: Any, rows: Any, n: int, d: int) -> Tensor:
    """The rows of ``design.sample(n, d, generator)`` as bool ``[n, d]`` on the CPU.

    Raises:
        TypeError: if they are no tensor.
        ValueError: if there are more or fewer, or one holds anything but 0 and 1.
    """
    call = f"`{type(design).__name__}.sample({n}, {d}, generator)`"
    drawn = _tensor("design", call, rows)
    if tuple(drawn.shape) != (n, d):
        raise ValueError(
            f"`design` should draw {n} rows over {d} features. {call} returned shape {tuple(drawn.shape)}; return "
            f"[{n}, {d}], or override `enough(n, d)`, which says how many rows there are to ask for."
        )
    drawn = drawn.cpu()
    if not bool(((drawn == 0) | (drawn == 1)).all()):
        raise ValueError(
            f"`design` should draw rows of true and false, or of 1 and 0: a feature is on or off. {call} returned "
            f"other values, such as {drawn[(drawn != 0) & (drawn != 1)][0].item():g}; return for example `rows > 0.5`."
        )
    return drawn.bool()


def design_count(design: Any, what: str, count: Any, n: int, d: int) -> int:
    """What a design says of its rows, ``enough`` or ``group``: a whole number from 1 to ``n``.

    Raises:
        TypeError: if it is no whole number.
        ValueError: if it is out of range.
    """
    number = whole_number(count)
    if number is None or not 1 <= number <= n:
        kind = TypeError if number is None else ValueError
        means = {"group": "how many neighbouring rows are drawn together", "enough": "how many rows to draw"}[what]
        raise kind(
            f"`design` should say {means}, from 1 to {n}. `{type(design).__name__}.{what}({n}, {d})` returned "
            f"{count!r}; leave `{what}` out if it is {1 if what == 'group' else n}, and else return at most `n`."
        )
    return number


def kernel_weights(kernel: Any, weights: Any, design: Tensor, inputs: int) -> Tensor:
    """A kernel's weights ``[B or 1, n]``; their values are judged by :func:`check_values`.

    Args:
        kernel: the user's.
        weights: what it returned.
        design: bool ``[B or 1, n, d]``.
        inputs: B; a kernel that looks at the inputs has weights for each, also where they share a design.

    Raises:
        TypeError: if they are no tensor of floating-point numbers.
        ValueError: if their shape is another.
    """
    call = f"`{type(kernel).__name__}(...)(design, present)`"
    given = _tensor("kernel", call, weights)
    if not given.is_floating_point():
        raise TypeError(
            f"`kernel` should weigh by floating-point numbers. {call} returned {given.dtype}; add `.double()`."
        )
    batch, n = design.shape[:2]
    if given.ndim != 2 or len(given) not in (batch, inputs) or given.shape[1] != n:
        raise ValueError(
            f"`kernel` should weigh each of {n} rows, [{batch}, {n}] for a design [{batch}, {n}, d]. {call} returned "
            f"shape {tuple(given.shape)}."
        )
    return given


def hidden_values(baseline: Any, values: Any, inputs: Tensor) -> Any:
    """A baseline's values in a shape that broadcasts to the inputs', of their dtype and on their device.

    Samples of a background, of which each row takes another, are left as they are.

    Raises:
        TypeError: if they are no tensor.
        ValueError: if the shape does not fit, or the values of a user's own baseline are not finite.
    """
    if baseline.varies:
        return values
    call = f"`{type(baseline).__name__}(...)(inputs, features)`"
    given = _tensor("baseline", call, values)
    shape, wanted = tuple(given.shape), tuple(inputs.shape)
    if len(shape) != len(wanted) or any(own not in (1, size) for own, size in zip(shape, wanted, strict=True)):
        raise ValueError(
            f"`baseline` should broadcast to the inputs' shape {wanted}, with size 1 where values are the same. {call} "
            f"returned shape {shape}."
        )
    given = given.detach().to(inputs)
    # Those of this package are finite where inputs are; a look at them would make a device wait.
    if not type(baseline).__module__.startswith("lime_callback.") and not bool(given.isfinite().all()):
        raise ValueError(f"`baseline` should be finite. {call} returned NaN or infinite values.")
    return given


def coefficients(surrogate: Any, beta: Any, shape: tuple[int, ...], method: str = "solve") -> Tensor:
    """A surrogate's coefficients ``[B, d, T]``; their values are judged by :func:`check_values`.

    Raises:
        TypeError: if they are no tensor.
        ValueError: if their shape is another.
    """
    call = f"`{type(surrogate).__name__}.{method}(...)`"
    given = _tensor("surrogate", call, beta)
    fits = len(given.shape) == 3 and (
        tuple(given.shape) == shape
        or (method == "kept" and all(own in (1, size) for own, size in zip(given.shape, shape, strict=True)))
    )
    if not fits:
        raise ValueError(
            f"`surrogate` should return one number for each input, feature and target, [B, d, T] = {shape}. {call} "
            f"returned shape {tuple(given.shape)}."
        )
    return given


def flaws(weights: Tensor, *results: Tensor) -> list[Tensor]:
    """For each input how many weights are none, and how many numbers of each result are not finite, without a read.

    Args:
        weights: the kernel's, ``[B or 1, n]``.
        *results: what follows from them, each ``[B, ...]``: the coefficients, and the score.

    Returns:
        Counts, each ``[B or 1]``.
    """
    wrong = (~(weights.isfinite() & (weights >= 0))).sum(1)
    nothing = (weights.sum(1) == 0) * weights.shape[1]
    return [wrong + nothing, *((~result.isfinite()).flatten(1).sum(1) for result in results)]


def check_values(kernel: Any, surrogate: Any, counts: list[list[float]]) -> None:
    """Raise a ``ValueError`` if a kernel or a surrogate returned what is no weight or no coefficient.

    Args:
        kernel: the user's.
        surrogate: the user's.
        counts: for each input the numbers of :func:`flaws`, of the weights alone or of coefficients and score, too.
    """
    for b, row in enumerate(counts):
        weights, wrong, scores = [*row, 0, 0][:3]
        if weights:
            raise ValueError(
                f"`kernel` should give weights that are finite and at least 0, and not all 0. {type(kernel).__name__} "
                f"returned {weights:.0f} others for input {b}; a weight of 0 leaves a row out, and a large one stands "
                f"for infinity."
            )
        if wrong:
            raise ValueError(
                f"`surrogate` should return finite coefficients. `{type(surrogate).__name__}.solve` returned NaN or "
                f"infinite ones {wrong:.0f} times for input {b}; a feature that never varies has a row of zeros in "
                f"`problem.gram`, for which a small penalty on its diagonal helps."
            )
        if scores:
            raise ValueError(
                f"`surrogate` should say which share of its coefficients is kept, from 0 to 1. "
                f"`{type(surrogate).__name__}.kept` returned other values for input {b}; return None if it is not "
                f"known."
            )


def _tensor(argument: str, call: str, value: Any) -> Tensor:
    import torch

    if not isinstance(value, torch.Tensor):
        raise TypeError(f"`{argument}` should return a tensor. {call} returned a {type(value).__name__}.")
    return value
