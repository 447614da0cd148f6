"""The command line: ``python -m lime_callback report RUN_DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MB = 1e6
_LARGE = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Args:
        arguments: the command line's; ``None``: those of this process.

    Returns:
        0, or 1 after an error that was told.
    """
    args = _parser().parse_args(arguments)
    try:
        return report(args.run_dir, args.output)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def report(run_dir: Path, output: Path | None = None) -> int:
    """Write a page of all runs in a folder, and say where it is.

    Args:
        run_dir: see :func:`lime_callback.report.find_runs`.
        output: of the page; ``None``: ``lime_report.html`` in the folder.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if what there is cannot be read.
    """
    from lime_callback.report import find_runs, read, write_page

    runs = [read(path) for path in find_runs(run_dir)]
    folder = run_dir if run_dir.is_dir() else run_dir.parent
    path = write_page(runs, output or folder / "lime_report.html")
    size = path.stat().st_size / _MB
    print(f"{path}  ({size:.1f} MB, {len(runs)} run{'s' * (len(runs) != 1)})")
    for run in runs:
        for note in run.notes:
            print(f"  {run.name}: {note}")
    if size > _LARGE:
        print(f"  The page is larger than {_LARGE} MB and may open slowly; a report of fewer runs is smaller.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lime_callback", description="Show what a run has explained.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = commands.add_parser(
        "report",
        help="write a run as one HTML page",
        description="Write one HTML page that shows what runs have explained. It opens from the file, without a "
        "server or a network.",
    )
    made.add_argument(
        "run_dir",
        metavar="RUN_DIR",
        type=Path,
        help="the folder of a run, the `lime` folder in it, a `history.csv`, or a folder with several runs: all of "
        "them go onto the page",
    )
    made.add_argument("--output", "-o", metavar="FILE", type=Path, help="default: lime_report.html in RUN_DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
