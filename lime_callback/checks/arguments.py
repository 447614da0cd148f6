"""Checks of arguments: each returns the value in the form in which it is used, or says what is wrong with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from lime_callback.checks.numbers import check_indices, is_number, whole_number

if TYPE_CHECKING:
    from lime_callback.checks.entry_paths import Key


_LONGEST = 200  # bytes of a name; file systems allow 255, and endings come behind it


def check_flag(argument: str, value: Any) -> bool:
    """``True`` or ``False``.

    Raises:
        TypeError: if ``value`` is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"`{argument}` should be True or False. Found `{argument} = {value!r}`.")
    return value


def check_function(argument: str, value: Any, takes: str) -> Any:
    """Something that can be called; of a class an object is asked for.

    Args:
        argument: name of the user's argument, for the error.
        value: what the user gave.
        takes: what it is called with, for the error.

    Raises:
        TypeError: if ``value`` cannot be called.
    """
    if not callable(value) or isinstance(value, type):
        found = f"the class {value.__name__}; make an object of it" if isinstance(value, type) else f"{value!r}"
        raise TypeError(f"`{argument}` should be a function that takes {takes}. Found {found}.")
    return value


def check_key(argument: str, value: Any) -> Key | None:
    """The name or number of an entry, a path to it, or ``None``.

    Raises:
        TypeError: if ``value`` is none of these.
    """
    key = None if value is None else _as_key(value)
    if key is not None or value is None:
        return key
    raise TypeError(
        f"`{argument}` should be the name of an entry, its number, or a path such as 'head.logits' or ('head', "
        f"'logits'); or None to look for it. Found `{argument} = {value!r}`. Pass for example `{argument}='image'` or "
        f"`{argument}=0`."
    )


def _as_key(value: Any) -> Key | None:
    """Return a key or a path, whose steps may be tuples that are keys themselves; ``None`` for anything else."""
    if not isinstance(value, tuple):
        return value if isinstance(value, str) else whole_number(value)
    steps = tuple(_as_key(step) for step in value)
    return None if not steps or None in steps else steps


def check_batch_key(argument: str, value: Any) -> Any:
    """Where an entry of a batch is: its name or number, a path as a tuple, a function of the batch, or ``None``.

    Raises:
        TypeError: if ``value`` is none of these.
    """
    return check_function(argument, value, "a batch") if callable(value) else check_key(argument, value)


def check_keys(**keys: Any) -> tuple[Any, ...]:
    """Each key as :func:`check_key` takes it, in their order."""
    return tuple(check_key(argument, key) for argument, key in keys.items())


def check_forward(value: Any) -> Any:
    """The user's own forward, or ``None``.

    Raises:
        TypeError: if it is neither.
    """
    return None if value is None else check_function("forward", value, "the LightningModule and a batch")


def check_class_names(value: Any) -> list[str] | None:
    """Different names of the outputs, or ``None``.

    Raises:
        TypeError: if ``value`` is no sequence of names.
        ValueError: if there are none, or a name is empty or stands twice.
    """
    if value is None:
        return None
    names = value.tolist() if hasattr(value, "tolist") else value
    is_list = isinstance(names, Sequence) and not isinstance(names, (str, bytes))
    if not is_list or not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in names):
        hint = "list(names.values())" if isinstance(value, Mapping) else "['rye', 'oat']"
        raise TypeError(
            f"`class_names` should be a list of names, one for each output of the model. Found `class_names = "
            f"{value!r}`. Pass for example `class_names={hint}`."
        )
    names = [str(name) for name in names]
    wrong = "an empty list" if not names else "an empty name" if not all(name.strip() for name in names) else ""
    twice = [name for name, number in Counter(names).items() if number > 1]
    if wrong or twice:
        raise ValueError(
            f"`class_names` should hold a different name for each output of the model. Found "
            f"{wrong or f'{twice} more than once'}. Pass None to number them."
        )
    return names


def check_class_names_fit(names: Sequence[str] | None, outputs: int, *, binary: bool = False) -> None:
    """Raise a ``ValueError`` if there are names, but not one for each of the model's ``outputs``.

    With ``binary``, the single output is that of the second of two classes, and both may have a name.
    """
    if names is not None and len(names) != outputs and not (binary and len(names) == 2):
        raise ValueError(
            f"`class_names` should hold one name for each of the model's {outputs} output{'s' * (outputs != 1)}. Found "
            f"{len(names)} names."
        )


def check_seeds(value: Any, inputs: int) -> list[int]:
    """One number for each input; a single one is given to all.

    Raises:
        TypeError: if ``value`` is neither a whole number nor a sequence of these.
        ValueError: if a number is out of range, or there is not one for each input.
    """
    alike = whole_number(value)
    ordered = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, Set))
    given = [alike] * inputs if alike is not None else [whole_number(seed) for seed in value] if ordered else [None]
    seeds = [seed for seed in given if seed is not None]
    if len(seeds) < len(given):
        raise TypeError(
            f"`seed` should be a whole number, or a list of them, one for each input. Found `seed = {value!r}`."
        )
    if len(seeds) != inputs:
        raise ValueError(
            f"`seed` should be a number, or one for each of the {inputs} inputs. Found {len(seeds)} numbers."
        )
    wrong = [seed for seed in seeds if not 0 <= seed < 2**63]
    if wrong:
        raise ValueError(f"`seed` should be from 0 to 2**63 - 1. Found {wrong[0]}.")
    return seeds


def check_one_of(argument: str, value: Any, known: Sequence[str]) -> Any:
    """One of the known names.

    Raises:
        ValueError: if ``value`` is none of them.
    """
    if value not in known:
        names = ", ".join(map(repr, known))
        raise ValueError(f"`{argument}` should be one of {names}. Found `{argument} = {value!r}`.")
    return value


def check_name(argument: str, value: Any) -> str:
    """A name that can be a part of a metric's name and of a path.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is empty, too long for the name of a file, or holds anything but letters, digits, spaces,
            ``-``, ``_`` and ``.``.
    """
    is_text = isinstance(value, str)
    if not is_text or not value.strip(" .") or not all(c.isalnum() or c in " -_." for c in value):
        kind = ValueError if is_text else TypeError
        raise kind(
            f"`{argument}` should be a name of letters, digits, spaces, '-', '_' and '.'. Found `{argument} = "
            f"{value!r}`."
        )
    if (size := len(value.encode(errors="surrogatepass"))) > _LONGEST:
        raise ValueError(
            f"`{argument}` should be a name of at most {_LONGEST} bytes, since files are named after it. Found one of "
            f"{size}: {value[:40]!r}… ."
        )
    return str(value)


def check_gate(value: Any) -> float | None:
    """A bound of R², at most 1, or ``None``.

    Raises:
        ValueError: if it is neither.
    """
    if value is not None and not (is_number(value) and -math.inf < value <= 1):
        raise ValueError(
            f"`gate` should be a bound of R², at most 1, or None, which keeps all. Found `gate = {value!r}`."
        )
    return None if value is None else float(value)


def check_target(value: Any, *more: str, class_names: Sequence[str] | None = None) -> Any:
    """``"predicted"``, ``"label"``, ``"all"``, an index from 0 on, a list of different ones, or a function.

    Args:
        value: what the user gave.
        more: other names that are known.
        class_names: of the outputs, which may stand for their indices; ``None`` if they have none.

    Returns:
        The name or the function as it is; indices as ints, also those of classes by their names.

    Raises:
        TypeError: if it is of none of these kinds.
        ValueError: if it is an unknown name, there is no index, or one is below 0 or stands twice.
    """
    names = (*more, "predicted", "label", "all")
    by_name = " or its name" if class_names is not None else ""
    what = (
        f"{', '.join(map(repr, names))}, the index of an output, from 0 on{by_name}, a list of different indices, or a "
        f"function of the outputs"
    )
    if (isinstance(value, str) and value in names) or (callable(value) and not isinstance(value, type)):
        return value
    if isinstance(value, str):
        return class_number("target", value, class_names, what)
    if isinstance(value, (list, tuple)):
        value = type(value)(
            class_number("target", one, class_names, what) if isinstance(one, str) else one for one in value
        )
    indices = check_indices("target", value, what)
    if len(set(indices)) < len(indices):
        raise ValueError(f"`target` should be {what}. Found `target = {value!r}`.")
    return indices if isinstance(value, tuple) else list(indices) if isinstance(value, Sequence) else indices[0]


def class_number(argument: str, name: str, class_names: Sequence[str] | None, what: str) -> int:
    """The index of the class of this name.

    Args:
        argument: name of the user's argument, for the error.
        name: what the user gave.
        class_names: of the outputs; ``None`` if they have none.
        what: what the argument should be, for the error.

    Raises:
        ValueError: if there is no such name.
    """
    if class_names is not None and name in class_names:
        return list(class_names).index(name)
    way = "Pass `class_names=` to name a class." if class_names is None else f"The classes are {list(class_names)}."
    lower = {one.lower(): one for one in class_names or ()}
    close = get_close_matches(name.lower(), lower, n=1)
    meant = f"Did you mean {lower[close[0]]!r}? " if close else ""
    raise ValueError(f"`{argument}` should be {what}. Found `{argument} = {name!r}`. {meant}{way}")
