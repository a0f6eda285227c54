"""Measure what a session costs beside ONNX Runtime alone, and a run of many rows.

`python -m benchmarks.rows [--rows N]` exports the iris model and prints two tables. The first has
the median time of a call of `hybridx.load(...).run` and of two bare sessions of ONNX Runtime on the
same file, in turns, by the number of rows in a call; the two show how much the machine varies. The
second has, for each pair of forms
of the input and the output, the seconds and the peak memory of one process that runs N rows (ten
million by default) from file to file. It needs some gigabytes of disk for the tables.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

import hybridx
from hybridx.storage import InMemory, write_data

ROOT = Path(__file__).resolve().parent.parent
CALLS = {1: 5000, 16: 5000, 256: 3000, 4096: 600, 65536: 30}  # rows in a call: number of calls
FORMS = (("npy", "npy"), ("npz", "npz"), ("csv", "csv"), ("csv.gz", "npy"), ("parquet", "parquet"))
MEGABYTE = 1024  # of the kilobytes in which Linux counts


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare_calls(model: Path) -> None:
    """Print the time of calls beside those of a bare session."""
    ours = hybridx.load(model)
    bare, again = onnxruntime.InferenceSession(model), onnxruntime.InferenceSession(model)
    (name,) = ours.input_names
    print("| rows in a call | hybridx | ONNX Runtime | the same again | difference |")
    print("|---|---|---|---|---|")
    for rows, calls in CALLS.items():
        feed = {name: np.random.default_rng(0).random((rows, 4), np.float32)}
        run = [
            partial(ours.run, feed),
            partial(bare.run, None, feed),
            partial(again.run, None, feed),
        ]
        times: list[list[float]] = [[], [], []]
        for turn in range(calls):
            # A later call finds the rows in the cache: they take turns at that too.
            for one in ((turn + place) % 3 for place in range(3)):
                times[one].append(seconds(run[one]))
        mine, theirs, second = (1e6 * statistics.median(taken) for taken in times)
        print(
            f"| {rows:,} | {mine:,.1f} µs | {theirs:,.1f} µs | {second:,.1f} µs | "
            f"{mine - theirs:+,.1f} µs, {mine / theirs - 1:+.1%} |"
        )


# What the system calls the largest resident set also counts that of the process that forked.
RUN = (
    "import sys, hybridx\n"
    "with hybridx.limits(data_rows=2**40, table_bytes=2**40): hybridx.predict(*sys.argv[1:])\n"
    "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
)


def run_rows(model: Path, folder: Path, rows: int) -> None:
    """Print the time and the memory of runs from file to file."""
    table = np.loadtxt(ROOT / "exported" / "iris.csv", delimiter=",", skiprows=1, usecols=range(4))
    x = table.astype(np.float32)[np.random.default_rng(0).integers(0, len(table), rows)]
    columns = hybridx.load(model).metadata.columns
    print("\n| input | output | seconds | rows a second | peak memory |\n|---|---|---|---|---|")
    for given, written in FORMS:
        if "parquet" in (given, written) and find_spec("pyarrow") is None:
            continue
        data, out = folder / f"x.{given}", folder / f"y.{written}"
        arrays = dict(zip(columns, x.T, strict=True)) if given[:3] in ("csv", "par") else {"x": x}
        write_data(data, InMemory(arrays), overwrite=True)
        words = [sys.executable, "-c", RUN, model, data, out]
        started = time.perf_counter()
        done = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True)
        took = time.perf_counter() - started
        memory = int(done.stdout) / MEGABYTE
        print(f"| {given} | {written} | {took:.1f} | {rows / took:,.0f} | {memory:,.0f} MB |")
        data.unlink()
        out.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "iris.onnx"
        words = [sys.executable, "-m", "hybridx", "export", ROOT / "exported" / "iris.toml"]
        subprocess.run([*map(str, words), "-o", str(model)], check=True, capture_output=True)
        compare_calls(model)
        run_rows(model, folder, asked.rows)


if __name__ == "__main__":
    main()
