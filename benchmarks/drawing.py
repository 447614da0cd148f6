"""Processor time of an epoch's pictures, and their size: this version beside another one, in one run.

    python benchmarks/drawing.py --before COMMIT
    python benchmarks/drawing.py --before COMMIT --example planted_shortcut

Each version runs the main example by itself (`--fast`) and keeps what it asks its drawing process for. Then both draw
what they asked for, in turns, in a process each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[1]

# What a version runs in a process of its own; it has to work for both.
KEEP = """
import pickle, runpy, sys
from lime_callback.publishing.drawing_process import DrawingProcess

kept, draw = [], DrawingProcess.draw
DrawingProcess.draw = lambda self, requests, *scale: kept.append(dict(requests)) or draw(self, requests, *scale)
folder, example, output = sys.argv[1:4]
sys.argv = [example, "--fast", "--output", f"{output}.runs"]
sys.path.insert(0, f"{folder}/examples")
runpy.run_path(f"{folder}/examples/{example}.py", run_name="__main__")
with open(output, "wb") as file:
    pickle.dump(kept, file)
"""
DRAW = """
import io, json, pickle, sys, time
from PIL import Image
from lime_callback.figures.figure_requests import drawn

with open(sys.argv[1], "rb") as file:
    epochs = pickle.load(file)
drawn(epochs[0])  # fonts and modules are loaded once a run
while sys.stdin.readline():
    start, bytes_of_all = time.process_time(), 0
    pictures = [picture for requests in epochs for picture in drawn(requests).values()]
    seconds = time.process_time() - start
    for picture in pictures:
        Image.fromarray(picture).save(file := io.BytesIO(), "png")
        bytes_of_all += file.tell()
    print(json.dumps([seconds / len(epochs), bytes_of_all / len(epochs)]), flush=True)
"""


def main() -> None:
    """Print the ratio of the processor times and of the sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, help="the commit to compare with")
    parser.add_argument("--example", default="indian_pines_vit")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        git = ["git", "-C", str(HERE)]
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(before), args.before], check=True)
        try:
            compare({"before": before, "now": HERE}, args.example, args.rounds, Path(folder))
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(before)], check=True)


def compare(versions: dict[str, Path], example: str, rounds: int, folder: Path) -> None:
    """Draw what each version asked for, in turns."""
    drawing = {}
    for name, root in versions.items():
        kept = folder / f"{name}.pickle"
        run(root, KEEP, str(root), example, str(kept), quiet=True)
        drawing[name] = subprocess.Popen(
            [sys.executable, "-c", DRAW, str(kept)], env=environment(root), cwd=root, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
    measured: dict[str, list[list[float]]] = {name: [] for name in versions}
    for turn in range(rounds):
        for name in reversed(list(versions)) if turn % 2 else list(versions):
            process = drawing[name]
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            measured[name].append(json.loads(process.stdout.readline()))
    for process in drawing.values():
        process.communicate()
    before, now = (np.array(measured[name]) for name in ("before", "now"))
    ratios = now / before
    for what, column in (("processor time", ratios[:, 0]), ("bytes of the PNG files", ratios[:, 1])):
        low, middle, high = np.quantile(column, (0.25, 0.5, 0.75))
        print(f"{what} of an epoch's pictures, now / before: {middle:.2f} ({low:.2f} to {high:.2f})")


def run(root: Path, code: str, *arguments: str, quiet: bool) -> None:
    """Run code on a version of the package."""
    output = subprocess.DEVNULL if quiet else None
    subprocess.run([sys.executable, "-c", code, *arguments], env=environment(root), cwd=root, check=True, stdout=output)


def environment(root: Path) -> dict[str, str]:
    """Return the environment in which a version of the package is the one that is imported."""
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    main()
