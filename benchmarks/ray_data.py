"""Measure a run on Ray Data beside bare sessions of ONNX Runtime, and what each piece costs.

`make bench-ray` exports the models and calls `python -m benchmarks.ray_data FOLDER` with the Python
of `.ray`. FOLDER has `w1.onnx` and `iris.onnx`. Three things are measured and written to
`docs/deploy/ray-data.md`, between its marks:

* W1 on 12 wires and the iris model, from Parquet to Parquet: two actors beside two processes with a
  bare session each, in turns, after both have started;
* the peak memory of an actor and of the driver meanwhile;
* what a piece costs the driver, an actor and the rest of Ray, with 1, 2 and 4 nodes here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
import psutil
import pyarrow
import ray
from pyarrow import parquet
from ray.cluster_utils import Cluster

from hybridx.integrations.ray import run
from hybridx.storage import Passing, open_data, write_data

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "deploy" / "ray-data.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FILES = 16
ROUNDS = 3
BATCH = 4096
MEGABYTE = 2**20
NODES = (1, 2, 4)
PIECES = 400
OBJECT_STORE = 150_000_000


# --- data ----------------------------------------------------------------------------------------


def write_rows(folder: Path, columns: int, rows: int, draw: Any) -> None:
    """Write rows of float32 in columns `x_0`, `x_1`, … of some files."""
    folder.mkdir(parents=True)
    for index in range(FILES):
        count = rows // FILES + (index < rows % FILES)
        values = draw(index, count).astype(np.float32)
        table = pyarrow.table({f"x_{i}": values[:, i] for i in range(columns)})
        parquet.write_table(table, folder / f"rows-{index}.parquet", row_group_size=2**17)


def angles(index: int, count: int) -> np.ndarray:
    return np.random.default_rng(index).standard_normal((count, 12), dtype=np.float32)


def flowers(index: int, count: int) -> np.ndarray:
    """Rows within the range of the iris data."""
    return 0.1 + 7.8 * np.random.default_rng(index).random((count, 4), dtype=np.float32)


# --- two bare sessions ---------------------------------------------------------------------------


def bare(model: str, output: str, files: list[str]) -> None:
    """What somebody would write without hybridx: one thread, slices, Parquet to Parquet."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    (given,), (wanted,) = session.get_inputs(), session.get_outputs()

    def convert(name: str, target: Path, most: int) -> None:
        file, writer = parquet.ParquetFile(name), None
        for batch in itertools.islice(file.iter_batches(BATCH), most):
            rows = np.stack([column.to_numpy() for column in batch.columns], axis=-1)
            (values,) = session.run(None, {given.name: rows})
            found = {f"{wanted.name}_{i}": column for i, column in enumerate(values.T)}
            table = pyarrow.table({key: np.ascontiguousarray(one) for key, one in found.items()})
            writer = writer or parquet.ParquetWriter(target, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()

    # What is imported and started once is no part of what is measured; pyarrow imports pandas.
    convert(files[0], Path(output) / Path(files[0]).name, 1)
    print("ready", flush=True)
    sys.stdin.readline()
    used = time.process_time()
    for name in files:
        convert(name, Path(output) / Path(name).name, sys.maxsize)
    print(time.process_time() - used, flush=True)


def two_bare(model: Path, data: Path, output: Path) -> dict[str, float]:
    """Return the seconds that two processes take for all files, once both are ready."""
    output.mkdir()
    files = sorted(map(str, data.iterdir()))
    command = [sys.executable, "-m", "benchmarks.ray_data", "--bare", str(model), str(output)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen([*command, *files[turn::2]], **pipes) for turn in range(2)]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    started = time.perf_counter()
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    used = sum(float(one.stdout.readline()) for one in both)
    seconds = time.perf_counter() - started
    for one in both:
        one.communicate()
    return {"seconds": seconds, "cpu": used}


# --- Ray -----------------------------------------------------------------------------------------


class Watch(threading.Thread):
    """Looks at the memory of this process and of its actors while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.actor = self.driver = 0
        self._own = psutil.Process()
        self._over = threading.Event()

    def run(self) -> None:
        """Look every half second."""
        while not self._over.wait(0.5):
            self.driver = max(self.driver, self._own.memory_info().rss)
            for one in psutil.process_iter(["name", "cmdline"]):
                try:
                    if "ray::" in " ".join(one.info["cmdline"] or ()):
                        self.actor = max(self.actor, one.memory_info().rss)
                except psutil.Error:
                    continue

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


@contextmanager
def nodes(count: int, cpus: int) -> Iterator[None]:
    """Let Ray run meanwhile, with some nodes on this machine."""
    small = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        for _ in range(count - 1):
            cluster.add_node(**small)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def on_ray(model: Path, data: Path, output: Path) -> dict[str, Any]:
    """Run all files, and return the seconds from the first row to the last, and what `run` took."""
    began = time.perf_counter()
    report = run(model, data, output, batch_size=BATCH)
    whole = time.perf_counter() - began
    parts = json.loads((output / "_hybridx.json").read_text())["parts"]
    first = min(one["begun"] for one in parts)
    last = max(one["begun"] + one["seconds"] for one in parts)
    used = sum(one["cpu_seconds"] for one in parts)
    found = {"seconds": last - first, "cpu": used, "whole": whole}
    return {**found, "rows": report.rows, "pieces": len(parts)}


def same(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same rows in the same order, to the last bit."""
    ours, theirs = parquet.read_table(one), parquet.read_table(other)
    return bool(ours.equals(theirs.rename_columns(ours.column_names)))


def compare(title: str, model: Path, data: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Measure Ray and two bare sessions in turns."""
    ours, theirs, is_same, driver = [], [], True, 0.0
    with nodes(1, 2), Watch() as watch:
        for turn in range(rounds):
            for kind in ("ray", "bare") if turn % 2 else ("bare", "ray"):
                output = folder / kind
                shutil.rmtree(output, ignore_errors=True)
                if kind == "ray":
                    before = time.process_time()
                    ours.append(on_ray(model, data, output))
                    driver += time.process_time() - before
                else:
                    theirs.append(two_bare(model, data, output))
                print(f"{title} {kind}: {ours[-1:] if kind == 'ray' else theirs[-1:]}", flush=True)
            is_same = is_same and same(folder / "ray", folder / "bare")
        rows = ours[0]["rows"]
    return {
        "title": title,
        "rows": rows,
        "pieces": ours[0]["pieces"],
        "ray": [one["seconds"] for one in ours],
        "whole": [one["whole"] for one in ours],
        "bare": [one["seconds"] for one in theirs],
        "ray_cpu": [one["cpu"] for one in ours],
        "bare_cpu": [one["cpu"] for one in theirs],
        "driver_cpu": driver / rounds,
        "actor": watch.actor,
        "driver": watch.driver,
        "reading": reading(data),
        "writing": writing(folder / "ray", folder / "again.parquet"),
        "same": is_same,
    }


def reading(data: Path) -> float:
    """Return the seconds that a row takes to be read, as an actor reads it."""
    path = min(data.iterdir())
    started = time.process_time()
    with open_data(path) as table:
        rows = 0
        for block in table.slices([(name, float) for name in table.columns], BATCH):
            rows += len(np.stack(block, axis=-1).astype(np.float32))
    return (time.process_time() - started) / rows


def writing(output: Path, again: Path) -> float:
    """Return the seconds that a row takes to be written, as an actor writes it."""
    table = parquet.read_table(min(output.glob("part-*")))
    values = np.stack([column.to_numpy() for column in table.columns], axis=-1)
    slices = [{"y": values[start : start + BATCH]} for start in range(0, len(values), BATCH)]
    started = time.process_time()
    write_data(again, Passing(slices), overwrite=True)
    return (time.process_time() - started) / len(values)


def busy(pids: set[int]) -> dict[str, float]:
    """Return the seconds of CPU that the driver, actors and the rest of Ray have taken so far."""
    found = {"driver": 0.0, "actors": 0.0, "rest": 0.0}
    for one in psutil.process_iter(["pid", "cmdline"]):
        try:
            command, taken = " ".join(one.info["cmdline"] or ()), one.cpu_times()
        except psutil.Error:
            continue
        spent = taken.user + taken.system
        if one.info["pid"] == os.getpid():
            found["driver"] += spent
        elif "ray::" in command:
            found["actors"] += spent
        elif "/ray/" in command and one.info["pid"] in pids:
            found["rest"] += spent
    return found


def overhead(model: Path, folder: Path, count: int) -> dict[str, Any]:
    """Measure what one piece costs beside its rows: some hundred files of one row."""
    data, output = folder / "single", folder / "out"
    if not data.exists():
        data.mkdir()
        table = pyarrow.table({f"x_{i}": np.ones(1, np.float32) for i in range(4)})
        for index in range(PIECES):
            parquet.write_table(table, data / f"row-{index:04}.parquet")
    shutil.rmtree(output, ignore_errors=True)
    with nodes(count, 1):
        children = {one.pid for one in psutil.Process().children(recursive=True)}
        on_ray(model, next(data.iterdir()), folder / "first")  # starts what is started once
        shutil.rmtree(folder / "first")
        before, began = busy(children), time.perf_counter()
        found = on_ray(model, data, output)
        seconds, after = time.perf_counter() - began, busy(children)
    parts = json.loads((output / "_hybridx.json").read_text())["parts"]
    return {
        "nodes": count,
        "pieces": PIECES,
        "seconds": found["seconds"],
        "whole": seconds,
        "piece": statistics.median(one["seconds"] for one in parts),
        **{name: (after[name] - before[name]) / PIECES for name in before},
    }


# --- the page ------------------------------------------------------------------------------------

TITLES = {
    "w1": "W1 on 12 wires, 3 layers: 12 columns to 12",
    "iris": "the iris model: 4 columns to 3",
}
MACHINES, CORES = 1000, 16
# Of the disk or the network between the machines of a cluster and its data; it is no measurement.
BYTES_A_SECOND = 10e9


def spread(values: list[float]) -> str:
    """Return the median, and the fastest and the slowest of several."""
    between = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.1f}{between}"


def share(one: dict[str, Any], kind: str) -> float:
    """Return the rate of two actors as a share of that of two bare sessions."""
    return statistics.median(one[f"bare{kind}"]) / statistics.median(one[f"ray{kind}"])


def compared(results: dict[str, Any]) -> Iterator[str]:
    """Yield the table of runs beside bare sessions."""
    yield "| model | rows | pieces | two actors, s | two bare sessions, s | share | share of CPU |"
    yield "|---|---|---|---|---|---|---|"
    for name in ("w1", "iris"):
        if one := results.get(name):
            yield (
                f"| {TITLES[name]} | {one['rows']:,} | {one['pieces']} | {spread(one['ray'])} | "
                f"{spread(one['bare'])} | {share(one, ''):.2f} | {share(one, '_cpu'):.2f} |"
            )
    yield ""
    found = [results[name] for name in ("w1", "iris") if name in results]
    most = max(one["actor"] for one in found) / MEGABYTE
    driver = max(one["driver"] for one in found) / MEGABYTE
    start = statistics.median(
        [whole - own for one in found for whole, own in zip(one["whole"], one["ray"], strict=True)]
    )
    bits = "equal to the last bit" if all(one["same"] for one in found) else "NOT equal"
    rounds = len(found[0]["ray"])
    runs = f"Medians of {rounds} runs each, in turns" if rounds > 1 else "One run each"
    yield (
        f"{runs}. From Parquet "
        f"to Parquet in slices of {BATCH:,} rows, one thread each, from the first row read to "
        f"the last one that is written. A bare session is a script with pyarrow and ONNX Runtime. "
        f"The share is that of the rate of two bare sessions, by the clock and by the seconds of "
        f"CPU of actors and scripts, which others on the machine change less. Both wrote the same "
        f"rows, {bits}. "
        f"Planning and starting actors took {start:.1f} s more. An actor held {most:,.0f} MB at "
        f"most, the driver {driver:,.0f} MB, and the driver took "
        f"{max(one['driver_cpu'] for one in found):.1f} s of CPU at most, its planning included."
    )


def costs(results: dict[str, Any]) -> Iterator[str]:
    """Yield what a piece costs, and what that says of a thousand machines."""
    measured = results["nodes"]
    yield "| nodes | seconds for all | driver, ms | actor, ms | rest of Ray, ms |"
    yield "|---|---|---|---|---|"
    for one in measured:
        yield (
            f"| {one['nodes']} | {one['seconds']:.1f} | {1e3 * one['driver']:.1f} | "
            f"{1e3 * one['actors']:.1f} | {1e3 * one['rest']:.1f} |"
        )
    last = measured[-1]
    driver, piece = last["driver"], statistics.median(one["piece"] for one in measured)
    yield ""
    yield (
        f"CPU time for each of {last['pieces']} pieces of one row, each a file of its own, on "
        f"nodes of one CPU that share the {results['machine']['cpus']} cores of this machine; the "
        f"rest are the processes that Ray itself starts. In an actor such a piece took "
        f"{1e3 * piece:.1f} ms from opening its file to the end of writing. With N nodes the cores "
        f"are shared, so the seconds for all say little of N machines, and the CPU times do."
    )
    yield ""
    yield "What follows for A actors that each run r rows a second, in pieces of R rows:"
    yield ""
    each = f"R / r + {piece:.4f}"
    yield f"* an actor takes {each} s for a piece, so they finish A / ({each}) pieces a second;"
    yield f"* the driver handles at most 1 / {driver:.4f} = {1 / driver:,.0f} pieces a second;"
    yield "* reading and writing take A × r × (bytes of a row in and out) a second of the disk."
    yield ""
    for name in ("w1", "iris"):
        if name in results:
            one = results[name]
            whole = statistics.median(one["ray_cpu"]) / one["rows"]
            reading, writing = one["reading"] / whole, one["writing"] / whole
            yield (
                f"* {TITLES[name]}: reading takes {reading:.0%} of an actor's time and writing "
                f"{writing:.0%}, each measured alone; the rest is the model."
            )
    actors = MACHINES * CORES
    for name, width in (("w1", 4 * (12 + 12)), ("iris", 4 * (4 + 3))):
        if name not in results:
            continue
        rate = results[name]["rows"] / statistics.median(results[name]["ray_cpu"])
        rows = 2**18
        seconds = rows / rate + piece
        bytes_a_second = actors * rate * width
        first = {
            "the driver": seconds / driver / actors,
            f"a disk of {BYTES_A_SECOND / 1e9:.0f} GB/s, if it is one": BYTES_A_SECOND
            / bytes_a_second,
            "the actors": 1.0,
        }
        part = min(first, key=first.__getitem__)
        yield (
            f"* {TITLES[name]}: {MACHINES:,} machines of {CORES} cores finish "
            f"{actors / seconds:,.0f} pieces of {rows:,} rows a second and move "
            f"{bytes_a_second / 1e9:,.1f} GB a second. One driver keeps "
            f"{seconds / driver:,.0f} actors busy. First to saturate: **{part}**."
        )
    yield ""
    yield (
        "That is arithmetic on the figures above; a thousand machines were not tried. A larger "
        "piece moves the driver's bound in proportion."
    )


def page(results: dict[str, Any]) -> str:
    """Return the section of the page that follows from the results."""
    about = results["machine"]
    lines = [
        f"{about['date']}, {about['cpus']} cores ({about['processor']}), Python {about['python']}, "
        f"Ray {about['ray']}, ONNX Runtime {about['onnxruntime']}, pyarrow {about['pyarrow']}; by "
        f"`make bench-ray`{about['note']}.",
        "",
        *compared(results),
        "",
        *costs(results),
    ]
    return "\n".join(lines)


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    if sys.argv[1:2] == ["--bare"]:
        bare(sys.argv[2], sys.argv[3], sys.argv[4:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with w1.onnx and iris.onnx")
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--iris-rows", type=int, default=10**7)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=("w1", "iris", "nodes"), nargs="*")
    parser.add_argument("--note", default="", help="what the page says of the machine's state")
    parser.add_argument("--no-page", action="store_true", help="print, and write no page")
    asked = parser.parse_args()
    chosen = asked.only or ("w1", "iris", "nodes")
    folder = asked.folder.absolute()
    kept = folder / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name, columns, rows, draw in (
        ("w1", 12, asked.rows, angles),
        ("iris", 4, asked.iris_rows, flowers),
    ):
        if name in chosen:
            data = folder / f"{name}-data"
            shutil.rmtree(data, ignore_errors=True)
            write_rows(data, columns, rows, draw)
            results[name] = compare(name, folder / f"{name}.onnx", data, folder, asked.rounds)
    if "nodes" in chosen:
        shutil.rmtree(folder / "single", ignore_errors=True)
        results["nodes"] = [overhead(folder / "iris.onnx", folder, count) for count in NODES]
    results["machine"] = {
        "date": date.today().isoformat(),
        "cpus": os.cpu_count(),
        "processor": processor(),
        "python": platform.python_version(),
        "ray": ray.__version__,
        "onnxruntime": onnxruntime.__version__,
        "pyarrow": pyarrow.__version__,
        "note": f"; {asked.note}" if asked.note else "",
    }
    kept.write_text(json.dumps(results, indent=1))
    text = page(results)
    print(text)
    if not asked.no_page:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
