"""Builds reports of a run's folder whose files somebody has damaged, or made to do harm.

Each mutant is the folder of a small run in which one to three things are wrong: bytes turned over or cut off, JSON of
another shape, cells of tables replaced, headers of arrays altered, links, pipes and folders in place of files, numbers
of hundreds of digits. A child process builds the page of many mutants; what is counted is:

- tracebacks: any exception but the two that the command line tells, `OSError` and `ValueError`;
- hangs: a mutant that takes longer than ``--patience`` seconds;
- memory: the child's peak, in MB, which should stay below 500;
- outside: mutants whose page shows something that lies outside of the run's folder.

``python benchmarks/report_fuzz.py --minutes 10 --seed 1`` prints the table with the seed; a mutant that failed is built
again by ``--seed 1 --only NUMBER``. Returns 1 if anything was counted.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np

SECRET = "what lies outside of the run"
LONG = "9" * 400
ODD = [
    None, True, -1, 1e308, float("nan"), float("inf"), int(LONG), "", "<script>alert(1)</script>", "../../x",
    "x" * 5000, [], {}, [[]], {"": {}}, "\ud800", [None], {"name": None},
]  # fmt: skip
CELLS = [
    "", "-1", LONG, "1e400", "nan", "-inf", "<script>", "../../secret", "/etc/passwd", "x" * 70_000, '"', "\x00", "'",
    "9007199254740993", "0.5", "\ud800".encode("utf-8", "surrogatepass").decode("latin1"), "..", "con", "spatial/..",
]  # fmt: skip


def make_run(folder: Path) -> Path:
    """Train and explain a small model in a folder; return the callback's folder in it."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from toys import WAVELENGTHS, fit

    from lime_callback import LimeCallback, Superbands, Superpixels

    lime = LimeCallback(
        [Superpixels("grid", 9), Superbands(6)], wavelengths=WAVELENGTHS, n_perturbations=64, probes=3,
        every_n_epochs=1, class_names=["one", "two", "three"], watch={"green": (500.0, 600.0)}, pictures=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(folder, lime, epochs=2)
    return with_findings(folder / "lime")


def with_findings(folder: Path) -> Path:
    """Write findings into a run's folder, open ones and one that is over; return the folder."""
    from lime_callback.findings import Figure, Finding
    from lime_callback.publishing.findings_file import write_findings

    figures = {"changed": Figure(0.9, 0.8, 0.97), "expected": Figure(0.1)}
    made = [
        Finding("shortcut_bands", "450 to 520 nm", "bands decide.", "Swap them.", 0.9, 1e-6, figures,
                "lime/spectral/superbands", last=1),
        Finding("place", "top left", "a place decides.", "Look there.", 0.5, 1e-6, figures, "lime/spatial/attributions",
                closed=1),
        Finding("scale", "size", "values are large.", "Normalise.", 0.3, 0.0),
    ]  # fmt: skip
    write_findings(folder, made)
    return folder


# ---- mutations: each changes one thing in a folder


def flip(path: Path, dice: random.Random) -> None:
    """Turn over some bytes."""
    data = bytearray(path.read_bytes())
    for _ in range(dice.choice((1, 3, 30))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def cut(path: Path, dice: random.Random) -> None:
    """Cut the end off, or a part out."""
    data = path.read_bytes()
    start = dice.randrange(len(data))
    path.write_bytes(data[:start] + (data[start + dice.randrange(1, 2000) :] if dice.random() < 0.5 else b""))


def repeat(path: Path, dice: random.Random) -> None:
    """Write a part several times, or random bytes into it."""
    data = path.read_bytes()
    start = dice.randrange(len(data))
    part = data[start : start + 300] * dice.choice((2, 50)) if dice.random() < 0.5 else dice.randbytes(300)
    path.write_bytes(data[:start] + part + data[start:])


def change_json(path: Path, dice: random.Random) -> None:
    """Replace, remove or wrap a value anywhere in the JSON."""
    path.write_text(changed_json(path.read_text(), dice))


def change_line(path: Path, dice: random.Random) -> None:
    """Do so in a line of a file with JSON in each, or have a line there thousands of times."""
    lines = path.read_text().splitlines()
    i = dice.randrange(len(lines))
    if dice.random() < 0.2:
        lines *= dice.choice((100, 5000))
    else:
        lines[i] = changed_json(lines[i], dice)
    path.write_text("\n".join(lines))


def changed_json(text: str, dice: random.Random) -> str:
    """Return JSON in which a value is replaced, removed or wrapped."""
    value = json.loads(text)
    places = [(value, key) for key in value]
    for holder, key in places:
        inner = holder[key]
        if isinstance(inner, dict):
            places += [(inner, each) for each in inner]
        elif isinstance(inner, list):
            places += [(inner, i) for i in range(min(len(inner), 3))]
    holder, key = dice.choice([place for place in places if place[1] != "format"])
    how = dice.randrange(4)
    if how == 0:
        del holder[key]
    elif how == 1:
        deep = holder[key]
        for _ in range(dice.choice((1, 20, 900))):
            deep = [deep] if dice.random() < 0.5 else {"x": deep}
        holder[key] = deep
    else:
        holder[key] = dice.choice(ODD)
    return json.dumps(dice.choice([value] * 20 + [[value], holder[key] if how else 1]))


def change_cells(path: Path, dice: random.Random) -> None:
    """Replace some cells of a table, in one column or in many."""
    lines = path.read_bytes().split(b"\r\n")
    column = dice.randrange(lines[0].count(b",") + 1)
    everywhere = dice.random() < 0.3
    for i in range(1, len(lines) - 1) if everywhere else [dice.randrange(len(lines) - 1)]:
        cells = lines[i].split(b",")
        if column < len(cells):
            cells[column] = str(i).encode() if everywhere else dice.choice(CELLS).encode("utf-8", "replace")
        lines[i] = b",".join(cells)
    path.write_bytes(b"\r\n".join(lines))


def many_rows(path: Path, dice: random.Random) -> None:
    """Write a table whose rows are all of other epochs, probes and features."""
    header, first = path.read_bytes().split(b"\r\n")[:2]
    cells, names = first.decode().split(","), header.decode().split(",")
    chosen = [i for i, name in enumerate(names) if name not in ("view",) and dice.random() < 0.8]
    rows = []
    for k in range(dice.choice((300, 3000))):
        row = list(cells)
        for i in chosen:
            row[i] = str(k)
        if "view" in names and dice.random() < 0.1:
            row[names.index("view")] = f"view{k}"
        rows.append(",".join(row).encode())
    path.write_bytes(b"\r\n".join([header, *rows, b""]))


def change_array(path: Path, dice: random.Random) -> None:
    """Alter an array's header, values or name, or compress eight gigabytes of zeros."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = dice.choice(sorted(members))
    how = dice.randrange(5)
    packing = zipfile.ZIP_STORED
    if how == 0:
        shape = dice.choice([(1 << 31,), (1 << 40, 8), (), (0,), (-1,), (3, 0, 5), (1,) * 40, (int(LONG[:30]),)])
        members[name] = header(shape, dice.choice(["<f4", "<i8", "|O", "<U9", "|V8", "<c16", "bad"])) + b"\0" * 64
    elif how == 1:
        array = np.load(io.BytesIO(members[name]))
        odd = np.full(array.shape, dice.choice((np.nan, np.inf, -1, 1e30, 2**31, -(2**62))))
        with np.errstate(all="ignore"):
            members[name] = packed(odd.astype(array.dtype if array.dtype.kind in "fiub" else "<f4"))
    elif how == 2:
        array = np.load(io.BytesIO(members[name]))
        members[name] = packed(
            dice.choice(
                [array[None], array.reshape(-1), array.astype("<c8") if array.dtype.kind in "fi" else array, array.T]
            )
        )
    elif how == 3:
        members[dice.choice(["about.npy", "more.npy", "../x.npy", name.upper()])] = members.pop(name)
    else:
        packing = zipfile.ZIP_DEFLATED
        members[name] = header((1 << 22,), "<f8") + bytes(1 << 25)
    if dice.random() < 0.2 and "about.npy" in members and how != 0:
        about = json.loads(str(np.load(io.BytesIO(members["about.npy"]))))
        about[dice.choice(sorted(about))] = dice.choice(ODD)
        members["about.npy"] = packed(np.array(json.dumps(about)))
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in members.items():
            file.writestr(name, data)


def header(shape: tuple[int, ...], kind: str) -> bytes:
    """Return a header of numpy's, true or not."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def packed(array: np.ndarray) -> bytes:
    """Return an array as a file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def put_in_place(path: Path, dice: random.Random) -> None:
    """Put something else in the file's place: a pipe, a folder, a link, a device, nothing, an endless file."""
    data = path.read_bytes()
    path.unlink()
    how = dice.randrange(8)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.mkdir()
    elif how == 2:
        path.symlink_to(path.name)
    elif how == 3:
        path.symlink_to("/dev/zero")
    elif how == 4:
        path.symlink_to("nowhere")
    elif how == 5:
        with path.open("wb") as file:
            file.truncate(1 << 34)  # takes no place on the disk
    elif how == 6:
        with path.open("wb") as file:
            file.write(data[:200])
            file.truncate(1 << 33)


def swap(path: Path, dice: random.Random) -> None:
    """Give the file the contents of another one."""
    path.write_bytes(dice.choice(small_files(path.parent)).read_bytes())


def point_outside(path: Path, dice: random.Random) -> None:
    """Let a view's name lead out of the folder, where an explanation of that name lies."""
    history = path.parent / "history.csv"
    name = dice.choice(["../../secret", "../secret", str(path.parents[1] / "secret")])
    history.write_bytes(history.read_bytes().replace(b",spectral,", f",{name},".encode()))


ALL = (flip, cut, repeat, put_in_place, swap)
BY_SUFFIX = {
    ".json": (*ALL, change_json, change_json, change_json),
    ".jsonl": (*ALL, change_line, change_line, change_line),
    ".csv": (*ALL, change_cells, change_cells, many_rows, point_outside),
    ".npz": (*ALL, change_array, change_array, change_array),
}


def small_files(folder: Path) -> list[Path]:
    """Return the files that can be changed further: neither empty nor endless."""
    return sorted(one for one in folder.iterdir() if one.is_file() and 0 < one.stat().st_size < 1 << 24)


def mutate(folder: Path, seed: int, number: int) -> list[str]:
    """Change one to three things; return what was done."""
    dice = random.Random(f"{seed} {number}")
    done = []
    for _ in range(dice.choice((1, 1, 2, 3))):
        files = small_files(folder)
        if not files:
            break
        path = dice.choice(files)
        how = dice.choice(BY_SUFFIX[path.suffix])
        try:
            how(path, dice)
        except (ValueError, KeyError, TypeError, IndexError, OSError, zipfile.BadZipFile):
            continue  # an earlier change left nothing to change
        done.append(f"{how.__name__} {path.name}")
    return done


# ---- building


def build(run: Path, work: Path, seed: int, number: int) -> tuple[str, list[str]]:
    """Build the page of one mutant; return what went wrong, or an empty text, and what was done to it."""
    from lime_callback.report import find_runs, read, write_page
    from lime_callback.report.notebook import history_html

    mutant = work / "mutant"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(run, mutant / "lime")
    for place in (work, mutant):
        shutil.copy(run / "spectral.npz", place / "secret.npz")
    done = mutate(mutant / "lime", seed, number)
    try:
        runs = [read(path) for path in find_runs(mutant)]
        page = write_page(runs, work / "page.html").read_text(encoding="utf-8", errors="replace")
        history_html(runs[0])
        if "<script>alert" in page:
            return "a script of the file's on the page", done
        if any(not name.isalnum() for one in runs for name in one.explanations):
            return "outside", done
    except (OSError, ValueError):
        return "", done
    except Exception:
        return traceback.format_exc(limit=-4), done
    return "", done


def child(run: Path, seed: int, numbers: list[int], pipe) -> None:  # noqa: ANN001 (a connection's class is private)
    """Build mutants until none is left, and tell of each."""
    import torch

    torch.set_num_threads(1)
    sys.stderr = io.StringIO()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            pipe.send(("begins", number, "", []))
            wrong, done = build(run, Path(folder) / "work", seed, number)
            # Not `getrusage`, whose peak begins with that of the process that started this one.
            peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1.024e-3
            pipe.send(("built", peak, wrong, done))


def fuzz(run: Path, seed: int, *, count: int, minutes: float, patience: float, first: int = 0, each: int = 50) -> dict:
    """Build mutants, some in each child; return what was counted."""
    found = {
        "mutants": 0,
        "tracebacks": 0,
        "hangs": 0,
        "outside": 0,
        "died": 0,
        "peak": 0.0,
        "slowest": 0.0,
        "told": [],
    }
    until, number = time.monotonic() + 60 * minutes, first
    context = multiprocessing.get_context("spawn")
    while found["mutants"] < count and time.monotonic() < until:
        numbers = list(range(number, number + min(each, count - found["mutants"])))
        ours, theirs = context.Pipe()
        process = context.Process(target=child, args=(run, seed, numbers, theirs), daemon=True)
        process.start()
        theirs.close()
        at = number
        while number <= numbers[-1]:
            started = time.monotonic()
            wait = patience if at == number and found["mutants"] else patience + 60
            try:
                if not ours.poll(wait):
                    found["hangs"] += 1
                    found["told"].append((number, "hangs", mutant_of(run, seed, number)))
                    break
                what, value, wrong, done = ours.recv()
            except EOFError:
                found["died"] += 1
                found["told"].append((number, "the process died", mutant_of(run, seed, number)))
                break
            if what == "begins":
                continue
            found["slowest"] = max(found["slowest"], time.monotonic() - started)
            found["peak"] = max(found["peak"], value)
            found["mutants"] += 1
            if wrong:
                kind = "outside" if wrong == "outside" else "tracebacks"
                found[kind] += 1
                found["told"].append((number, wrong, done))
            number += 1
            at = number
        else:
            process.join()
            continue
        found["mutants"] += 1
        number += 1
        process.kill()
        process.join()
    return found


def mutant_of(run: Path, seed: int, number: int) -> list[str]:
    """Return what is done to a mutant."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(run, Path(folder) / "lime")
        return mutate(Path(folder) / "lime", seed, number)


def main() -> int:
    """Print the table; return 1 if anything was counted, or took 500 MB."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--count", type=int, default=1 << 60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=10, help="seconds a mutant may take; more on a busy machine")
    parser.add_argument("--only", type=int, help="the number of one mutant")
    parser.add_argument("--quick", action="store_true", help="40 mutants")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run")
        if args.only is not None:
            wrong, done = build(run, Path(folder) / "work", args.seed, args.only)
            print(done, wrong or "is well", sep="\n")
            return int(bool(wrong))
        count = 40 if args.quick else args.count
        found = fuzz(run, args.seed, count=count, minutes=args.minutes, patience=args.patience)
    for number, wrong, done in found["told"][:20]:
        print(f"mutant {number}: {', '.join(done)}\n{wrong}")
    print("| seed | mutants | tracebacks | hangs | died | outside | peak, MB | slowest, s |\n" + "|---" * 8 + "|")
    print(f"| {args.seed} | {found['mutants']} | {found['tracebacks']} | {found['hangs']} | {found['died']} | "
          f"{found['outside']} | {found['peak']:.0f} | {found['slowest']:.1f} |")  # fmt: skip
    return int(any(found[name] for name in ("tracebacks", "hangs", "died", "outside")) or found["peak"] >= 500)


if __name__ == "__main__":
    sys.exit(main())
