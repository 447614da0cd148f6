"""The tables that the catalogue of planted faults prints."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from faults_runs import Result

_WIDTHS = (30, 8, 6, 6, 9, 8, 9)
_HEADS = ("fault", "dose", "runs", "took", "in time", "ever", "s a run")


def _line(cells: Sequence[str], last: str) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)) + last


def faults_table(results: Iterable[Result]) -> str:
    """A line for each fault and dose: in how many runs it took, was found in time and ever, and what else was told."""
    cells: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.finding:
            cells.setdefault((result.fault, result.dose), []).append(result)
    lines = [_line(_HEADS, "false")]
    for (fault, dose), runs in cells.items():
        took = [run for run in runs if run.planted]
        in_time, ever = sum(run.in_time for run in took), sum(run.found is not None for run in took)
        found = [f"{in_time}/{len(took)}", f"{ever}/{len(took)}"] if took else ["-", "-"]
        seconds = f"{sum(run.seconds for run in runs) / len(runs):.1f}"
        false = Counter(name for run in took for name in {one[0] for one in run.others})
        told = [f"{name} {count}" for name, count in false.most_common()]
        told += [f"ERRORS {errors}"] if (errors := sum(bool(run.error) for run in runs)) else []
        lines.append(_line([fault, dose, str(len(runs)), str(len(took)), *found, seconds], ", ".join(told) or "-"))
    return "\n".join(lines)


def sound_table(results: Iterable[Result]) -> str:
    """How many sound runs learnt, and each false finding with its sentence."""
    runs = [result for result in results if not result.finding]
    if not runs:
        return ""
    false = [(run, one) for run in runs for one in run.others]
    lines = [
        f"sound runs: {len(runs)}, {sum(run.planted for run in runs)} of them have learnt; "
        f"{len({id(run) for run, _ in false})} with a false finding, {len(false)} in all"
    ]
    for run, (name, epoch, sentence) in false:
        lines.append(f"  {run.fault} {run.data} {run.model} seed {run.seed}, epoch {epoch}, {name}: {sentence}")
    lines += [f"  {one.fault} {one.data} {one.model} seed {one.seed}: {one.error}" for one in runs if one.error]
    return "\n".join(lines)


def run_line(result: Result) -> str:
    """What is printed of a run as it ends."""
    what = f"{result.fault} {result.dose}".strip()
    state = f"planted: {'yes' if result.planted else 'no'}" if result.finding else f"learnt: {result.planted}"
    since = f" since epoch {result.since}" if result.finding and result.planted else ""
    figure = f" ({result.figures[-1]:.2f})" if result.figures else ""
    told = ", ".join(f"{name} at {epoch}" for name, epoch, _ in result.told) or "nothing"
    end = f"ERROR {result.error}" if result.error else f"told: {told}"
    run = f"{what:<38} {result.data:<7}{result.model:<4}{result.seed}"
    return f"{run}  {state}{since}{figure}; {end}; {result.seconds:.1f} s"
