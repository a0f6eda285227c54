"""Measure what a short command costs, beside the imports that nobody can avoid.

`python -m benchmarks.startup` prints the CPU seconds of processes, user and system, the lowest of
several runs: of importing onnx, ONNX Runtime and typer; of `hybridx run` on a small file and its
ratio to that; of `hybridx --help`; and of calls that are refused. All packages are compiled to
bytecode before, as pip leaves them. A ratio over 1.5 and a call that is refused in over 0.5 s end
it with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HIGHEST_RATIO = 1.5
MOST_SECONDS = 0.5
IMPORTED = "import onnx, onnxruntime, typer"
IMPORTS = ("-c", IMPORTED)
HYBRIDX = ("-m", "hybridx")
RUNS = {
    "hybridx run model.onnx -i x.npy": ("run", "model.onnx", "-i", "x.npy"),
    "hybridx run model.onnx": ("run", "model.onnx"),
}
REFUSED = {
    "help": ("--help",),
    "a source without colon": ("export", "model.py"),
    "a bad option": ("export", "model.py:model", "--nosuch"),
    "an existing output": ("export", "model.py:model", "--shape", "N,4", "-o", "x.npy"),
    "no such model": ("run", "nosuch.onnx"),
}


def cpu_seconds(words: Sequence[str], folder: Path) -> float:
    """Return the CPU time of a Python process with these arguments.

    Args:
        words: the arguments.
        folder: in which it runs, and where the bytecode of modules is kept.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def least_seconds(calls: Mapping[str, Sequence[str]], folder: Path, runs: int) -> dict[str, float]:
    """Return the least CPU time of each call; they take turns, so that ratios hold."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs + 1):
        for name, words in calls.items():
            taken[name].append(cpu_seconds(words, folder))
    # The first turn compiles the modules.
    return {name: min(seconds[1:]) for name, seconds in taken.items()}


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
        calls = {IMPORTED: IMPORTS} | {
            called: (*HYBRIDX, *words) for called, words in (RUNS | REFUSED).items()
        }
        seconds = least_seconds(calls, folder, runs)
    imports = seconds.pop(IMPORTED)
    print(f"{IMPORTED:34}{imports:6.2f} s")
    for called, least in seconds.items():
        ratio = f"  ratio {least / imports:.2f}" if called in RUNS else ""
        print(f"{called:34}{least:6.2f} s{ratio}")
    ratios = [seconds[called] / imports for called in RUNS]
    refused = [seconds[called] for called in REFUSED]
    return int(max(ratios) > HIGHEST_RATIO or max(refused) > MOST_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
