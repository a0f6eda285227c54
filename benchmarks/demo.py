"""The demo: train the iris classifier, export it, run it twice, compare, measure.

Run it with `make demo`. It uses only commands that a user types and calls of the public API. All
that it makes is written to build/demo.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import hybridx
from hybridx.models import load_classifier
from hybridx.storage import TableData, open_data, read_whole_columns

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = Path("exported")
FOLDER = Path("build/demo")
CONFIG, DATA, ROWS, MODEL = (
    FOLDER / f"iris.{ending}" for ending in ("toml", "csv", "metrics.json", "onnx")
)
DEVICE = "lightning.qubit"


def command(*words: object) -> str:
    """Run a hybridx command as a user does and return what it prints on stdout."""
    text = " ".join(map(str, words))
    print(f"\n$ hybridx {text}", flush=True)
    finished = subprocess.run(
        [sys.executable, "-m", "hybridx", *map(str, words)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return finished.stdout


def milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call, after a warm-up."""
    call()
    times = []
    deadline = time.perf_counter() + 0.5
    while len(times) < 3 or (time.perf_counter() < deadline and len(times) < 500):
        started = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def main() -> None:
    """Run the demo and print its table."""
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    for given in (CONFIG, DATA):
        shutil.copy(ROOT / EXAMPLE / given.name, ROOT / given)
    eager = ["--eager"] if "--eager" in sys.argv[1:] else []
    print(command("train", CONFIG, "--overwrite", *eager), end="")
    print(command("export", CONFIG, "-o", MODEL, "--overwrite"), end="")
    print(command("run", MODEL), end="")
    outputs = {"onnx": FOLDER / "onnx.npz", DEVICE: FOLDER / "lightning.npz"}
    for device, path in outputs.items():
        command("run", MODEL, "-i", DATA, "-o", path, "--device", device, "--overwrite")
    score = ["evaluate", MODEL, "--data", DATA, "--target", "species", "--rows", ROWS]
    evaluation = json.loads(command(*score, "--json"))

    on_onnx, on_device = (np.load(ROOT / path)["output"] for path in outputs.values())
    model = load_classifier(ROOT / CONFIG)
    sessions = {device: hybridx.load(ROOT / MODEL, device=device) for device in outputs}
    with open_data(ROOT / DATA) as table:
        assert isinstance(table, TableData)
        names = sessions["onnx"].metadata.columns
        features = read_whole_columns(table, [(name, float) for name in names])
    rows = np.stack(features, axis=-1).astype(np.float32)

    def eager(array: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(array)).numpy()

    def session(device: str) -> Callable[[np.ndarray], object]:
        loaded = sessions[device]
        (name,) = loaded.input_names
        return lambda array: loaded.run({name: array})

    runs = {
        "eager PyTorch": eager,
        "ONNX Runtime": session("onnx"),
        DEVICE: session(DEVICE),
    }
    expected = eager(rows)
    worst = {
        "eager PyTorch": 0.0,
        "ONNX Runtime": float(np.abs(on_onnx - expected).max()),
        DEVICE: float(np.abs(on_device - expected).max()),
    }
    table = Table(title=f"{MODEL}: {(ROOT / MODEL).stat().st_size / 1e3:.1f} kB")
    table.add_column("execution")
    for heading in ("batch 1", "batch 150", "worst difference from eager"):
        table.add_column(heading, justify="right")
    for name, run in runs.items():
        one, many = (milliseconds(lambda n=n, run=run: run(rows[:n])) for n in (1, 150))
        table.add_row(name, f"{one:.3f} ms", f"{many:.3f} ms", f"{worst[name]:.1e}")
    print()
    console = Console(highlight=False)
    console.print(table)
    accuracy, count = evaluation["metrics"]["accuracy"], evaluation["rows"]
    between = float(np.abs(on_onnx - on_device).max())
    console.print(f"accuracy on {count} held-out rows: {accuracy:.4f}")
    console.print(f"worst difference between ONNX Runtime and {DEVICE}: {between:.1e}")


if __name__ == "__main__":
    main()
