"""Does the callback say by itself what is wrong with a training? A catalogue of planted faults, and of sound runs.

    python benchmarks/faults.py                      (all runs of both halves; takes an hour or more on one core)
    python benchmarks/faults.py --quick              (a handful; keeps the code alive)
    python benchmarks/faults.py --half tune --doses large --jsonl tune.jsonl
    python benchmarks/faults.py --sound only --seeds 0 1 2 3 4
    python benchmarks/faults.py --list               (what the faults are, and what their doses mean)

Each fault is one that happens to people who train vision models. It is planted into a training on patches of the Indian
Pines scene or on made-up fields in the HYPERVIEW form, of a small transformer or a small CNN, in three doses and with
five seeds. The callback is told what any user would tell it: wavelengths, a mask where there is one, the entries of
several inputs, a checkpoint to fine-tune from; of the fields all four parameters are explained.

Whether the fault took is tested directly on the model at the end of each epoch, without an explanation: swapping the
planted bands between validation samples changes the predictions, for example. A run in which it did not take counts
neither as found nor as missed. The table shows for each fault and dose in how many runs it took; in how many of these
the right finding was told by the third explained epoch in which the fault was there, and ever; and what else was told
that is false. A finding that is told before its fault can be there is false, too. Sound runs may have none at all.

The runs are split into two halves by a fixed rule, see `half_of`: one is for use while findings are written, the other
for a single look at the end.

The faults were written without a look at the code that finds them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import faults_bands
import faults_inputs
import faults_places
import faults_training
from faults_data import DATA
from faults_models import MODELS
from faults_runs import DOSES, Fault, Result, follow, half_of
from faults_sound import SEEDS, SOUND
from faults_table import faults_table, run_line, sound_table

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = (*faults_bands.FAULTS, *faults_places.FAULTS, *faults_inputs.FAULTS, *faults_training.FAULTS)
QUICK = (
    ("shortcut_bands/calibration", "pines", "vit"), ("place/watermark", "fields", "cnn"),
    ("outside/surroundings", "fields", "vit"), ("one_modality/gated", "pines", "cnn"),
    ("forgetting/misjoined", "pines", "vit"), ("sound/plain", "pines", "cnn"), ("sound/plain", "fields", "vit"),
)  # fmt: skip


class Ordered(NamedTuple):
    """A run to be made, in names that go to another process.

    Attributes:
        fault: its name.
        data: name of the data set.
        model: ``"vit"`` or ``"cnn"``.
        dose: empty for a sound run.
        seed: of all.
        explain: whether the callback is there.
    """

    fault: str
    data: str
    model: str
    dose: str
    seed: int
    explain: bool

    def go(self) -> Result:
        """Make it."""
        torch.set_num_threads(1)
        number, fault = numbered()[self.fault]
        return follow(fault, number, self.data, self.model, self.dose, self.seed, explain=self.explain)


def numbered() -> dict[str, tuple[int, Fault]]:
    """Each fault and sound run with its number, by name."""
    return {fault.name: (i, fault) for part in (FAULTS, SOUND) for i, fault in enumerate(part)}


def ordered(args: argparse.Namespace) -> list[Ordered]:
    """The runs that were asked for; those that differ in the dose alone come one after the other."""
    explain = not args.no_callback
    if args.quick:
        return [
            Ordered(name, data, model, "large" if "sound" not in name else "", 0, explain)
            for name, data, model in QUICK
        ]
    found = []
    for name, (number, fault) in numbered().items():
        sound = not fault.finding
        if (sound and args.sound == "without") or (not sound and args.sound == "only"):
            continue
        if not sound and args.faults and not {name, fault.finding} & set(args.faults):
            continue
        seeds = args.seeds or ([SEEDS[number]] if sound else range(5))
        for data in args.data:
            for model in args.models:
                for seed in seeds:
                    if args.half in ("all", half_of(number, data, model, seed)):
                        doses = [""] if sound else args.doses
                        found += [Ordered(name, data, model, dose, seed, explain) for dose in doses]
    return found


def results(runs: list[Ordered], jobs: int) -> Iterator[Result]:
    """Make the runs, in as many processes."""
    if jobs == 1:
        yield from map(Ordered.go, runs)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(Ordered.go, runs, chunksize=1)


def main() -> None:
    """Make the runs, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a handful of runs")
    parser.add_argument("--list", action="store_true", help="print what there is, and make no run")
    parser.add_argument("--half", choices=("tune", "last", "all"), default="all")
    parser.add_argument("--doses", nargs="+", choices=DOSES, default=list(DOSES))
    parser.add_argument("--faults", nargs="+", help="names of findings, or of faults: place, or place/border")
    parser.add_argument("--sound", choices=("with", "only", "without"), default="with", help="sound runs")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: 0 to 4, and one for each kind of sound run")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--jsonl", type=Path, help="a file that gets a line for each run as it ends")
    parser.add_argument("--no-callback", action="store_true", help="only test directly which faults take")
    args = parser.parse_args()
    unknown = set(args.faults or ()) - {name for fault in FAULTS for name in (fault.name, fault.finding)}
    if unknown:
        parser.error(f"--faults should be names of findings or of faults, see --list. Found {sorted(unknown)}.")
    if args.list:
        print(catalogue())
        return
    runs, began, made = ordered(args), time.perf_counter(), []
    for result in results(runs, args.jobs):
        made.append(result)
        print(run_line(result), flush=True)
        if args.jsonl:
            with args.jsonl.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result.row()) + "\n")
    print(f"\n{faults_table(made)}\n\n{sound_table(made)}\n\n{len(made)} runs in {time.perf_counter() - began:.0f} s")


def catalogue() -> str:
    """Each fault: its name, what other names are right as well, what happens, and what the doses mean."""
    lines = []
    for fault in (*FAULTS, *SOUND):
        also = f" (also {', '.join(fault.also)})" if fault.also else ""
        lines.append(f"{fault.name}{also}\n    {(fault.make.__doc__ or '').strip()}")
        lines += [f"    Doses: {fault.doses}."] if fault.doses else []
    return "\n".join(lines)


if __name__ == "__main__":
    main()
