"""The command line, ``python -m lime_callback``: ``demo``, ``report RUN``, ``check MODEL``, ``compare RUN RUN``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lime_callback.checks.help_pages import pages_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_MB = 1e6
_LARGE = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Args:
        arguments: the command line's; ``None``: those of this process.

    Returns:
        0; 2 if ``check`` found something wrong, or a watch has an alarm; 1 after an error that was told.
    """
    args = _parser().parse_args(arguments)
    try:
        if args.command == "check":
            return check(args)
        if args.command == "demo":
            from lime_callback import LimeCallback
            from lime_callback.training.demo import demo

            return demo(LimeCallback, args.output, opens=args.open)
        if args.command == "compare":
            return compare(args.first, args.second, args.output)
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


def check(args: argparse.Namespace) -> int:
    """Look once at a finished model; print what is wrong, one line a finding, and whether it uses what is watched.

    Raises:
        OSError: if a file is missing or cannot be written.
        ValueError: if an argument does not fit.
    """
    from lime_callback import LimeCallback
    from lime_callback.training.checked_model import callback_arguments, check_model

    arguments = callback_arguments(args.config, args.settings)
    checked = check_model(
        args.model, args.data, args.output, LimeCallback, checkpoint=args.checkpoint, arguments=arguments
    )
    for finding in checked.wrong:
        print(f"{finding.name}: {finding.sentence} {finding.advice}")
    for line in checked.watches:
        print(line)
    if checked.answer:
        print(checked.answer)
    print(checked.page)
    return 2 if checked.wrong or checked.alarmed else 0


def compare(first: Path, second: Path, output: Path) -> int:
    """Print two runs side by side, and write a page of them.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if there are several in a folder, or one cannot be read.
    """
    from lime_callback.report import compare_runs, comparison_text, read, write_comparison

    comparison = compare_runs(read(first), read(second))
    print(comparison_text(comparison))
    print(f"\n{write_comparison(comparison, output)}")
    return 0


class _Parser(argparse.ArgumentParser):
    """A wrong command line ends with 1, since 2 says that something was found."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m lime_callback",
        description="Show what a run has explained, or check a model.",
        epilog=f"The documentation is in {pages_folder()}",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    shown = commands.add_parser(
        "demo",
        help="train a small network on made data, and see what is found",
        description="Train a small network on made data with a planted shortcut, say what the callback finds, and "
        "write its page. Takes less than a minute, and downloads nothing.",
    )
    shown.add_argument("--open", action="store_true", help="open the page in a browser")
    shown.add_argument(
        "--output", "-o", metavar="FOLDER", type=Path, help="of the run; default: a new one among the temporary files"
    )
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
    compared = commands.add_parser(
        "compare",
        help="put two runs side by side",
        description="Print two runs' findings, metrics and mean effects side by side, and write them as one HTML page.",
    )
    for name in ("first", "second"):
        compared.add_argument(name, metavar="RUN_DIR", type=Path, help="the folder of a run, or its `history.csv`")
    compared.add_argument(
        "--output", "-o", metavar="FILE", type=Path, default=Path("lime_comparison.html"),
        help="default: lime_comparison.html",
    )  # fmt: skip
    checked = commands.add_parser(
        "check",
        help="look whether anything is wrong with a finished model",
        description="Validate a model once with the callback, print what is wrong with it and whether it uses what is "
        "watched, one line each, and write a page that shows it. Exit status: 0 if nothing was found, 2 if something "
        "was or a watch has an alarm, 1 after an error.",
    )
    checked.add_argument(
        "model",
        metavar="MODEL",
        help="`package.module:name` or `path/to/file.py:name` of a LightningModule, or of a class or function that "
        "returns one",
    )
    checked.add_argument(
        "--data", required=True, metavar="DATA", help="the same of a DataLoader or a LightningDataModule"
    )
    checked.add_argument("--checkpoint", metavar="FILE", type=Path, help="weights for the model")
    checked.add_argument("--config", metavar="FILE", type=Path, help="a YAML file with arguments of LimeCallback")
    checked.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="an argument of LimeCallback, such as `probes=16` or `wavelengths=[450, 550, 650]`; several times",
    )
    checked.add_argument(
        "--output", "-o", metavar="FOLDER", type=Path, default=Path("lime_check"), help="default: lime_check"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
