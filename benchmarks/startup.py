"""Measure what a short command costs, beside the imports that nobody can avoid.

`python -m benchmarks.startup` prints the CPU seconds of processes, user and system, the lowest of
several runs: of importing onnx, ONNX Runtime and typer; of `hybridx run` on a small file and its
ratio to that; of `hybridx --help`; and of calls that are refused. A ratio over 1.5 and a call that
is refused in over 0.5 s end it with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HIGHEST_RATIO = 1.5
MOST_SECONDS = 0.5
IMPORTS = ("-c", "import onnx, onnxruntime, typer")
HYBRIDX = ("-m", "hybridx")
REFUSED = {
    "help": ("--help",),
    "a source without colon": ("export", "model.py"),
    "a bad option": ("export", "model.py:model", "--nosuch"),
    "an existing output": ("export", "model.py:model", "--shape", "N,4", "-o", "x.npy"),
    "no such model": ("run", "nosuch.onnx"),
}


def cpu_seconds(words: Sequence[str], folder: Path, runs: int) -> float:
    """Return the least CPU time of a Python process with these arguments."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    least = float("inf")
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        least = min(least, used)
    return least


def make_model(folder: Path) -> None:
    """Write a small model and data for it."""
    import numpy as np

    import hybridx
    from hybridx.models import load_classifier

    config = Path(__file__).parents[1] / "exported" / "iris.toml"
    model = load_classifier(config)
    import torch

    hybridx.export(model, (torch.zeros(3, 4),), folder / "model.onnx")
    np.save(folder / "x.npy", np.zeros((10, 4), np.float32))
    (folder / "model.py").write_text("")


def main() -> int:
    """Print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder)
        imports = cpu_seconds(IMPORTS, folder, runs)
        print(f"{'import onnx, onnxruntime, typer':34}{imports:6.2f} s")
        ratios = []
        for words in (("run", "model.onnx", "-i", "x.npy"), ("run", "model.onnx")):
            seconds = cpu_seconds((*HYBRIDX, *words), folder, runs)
            ratios.append(seconds / imports)
            print(f"{'hybridx ' + ' '.join(words):34}{seconds:6.2f} s  ratio {ratios[-1]:.2f}")
        refused = {}
        for called, words in REFUSED.items():
            refused[called] = cpu_seconds((*HYBRIDX, *words), folder, runs)
            print(f"{called:34}{refused[called]:6.2f} s")
    return int(max(ratios) > HIGHEST_RATIO or max(refused.values()) > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
