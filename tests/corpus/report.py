"""Export the corpus and say what came of it.

`python -m tests.corpus.report [NAME…]` exports each case in a worker of its own and compares the
file with the eager model, on ONNX Runtime alone. With `--eager` it only runs the eager models: at
three batch sizes, and each row alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.corpus import CASES
from tests.corpus.case import Case

BARE = Path(__file__).with_name("bare.py")
BATCHES = (1, 2, 5)
TIMEOUT = 120.0
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
REASONS = {
    "randomness": "RandomnessError",
    "branch": "DataBranchError",
    "data dependent loop": "DataBranchError",
    "list by data": "ListIndexError",
    "module in forward": "FreshModuleError",
    "sample": "UnsupportedMeasurementError",
    "counts": "UnsupportedMeasurementError",
    "continuous variable": "NoQubitsError",
    "qutrit": "NoQubitsError",
    "earlier calls": "EarlierCallsError",
    "loop over data": "LengthFromDataError",
}
"""The error that each reason of `Case.refused` ends in."""


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    name: str
    bundle: str
    result: str
    seconds: float = 0.0
    worst: float | None = None

    @property
    def kind(self) -> str:
        """The result without its details."""
        return self.result.split(":")[0]


def flatten(value: Any) -> list[np.ndarray]:
    """Return the tensors of any output in order; complex ones as real with a last axis of 2."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        real = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
        return [real.detach().numpy()]
    if isinstance(value, dict):
        value = value.values()
    elif hasattr(value, "__dataclass_fields__"):
        value = [getattr(value, name) for name in value.__dataclass_fields__]
    elif not isinstance(value, tuple | list):
        return []
    return [array for item in value for array in flatten(item)]


def run_eager(case: Case, count: int) -> list[np.ndarray]:
    """Return the outputs of a fresh eager model, without shots unless shots are the output."""
    from hybridx.capture import eagerly

    args, kwargs = case.rows(count)
    # As their users run them: with gradients, if forward takes derivatives.
    takes = case.bundle == "derivatives"
    exact = nullcontext() if case.refused else eagerly()
    with torch.no_grad(), exact, torch.set_grad_enabled(takes):
        given = [arg.clone().requires_grad_(takes and arg.is_floating_point()) for arg in args]
        return flatten(case.build()(*given, **kwargs))


def _as_file_takes(tensor: torch.Tensor) -> np.ndarray:
    """Return an input of a file: complex numbers are real and imaginary part on a last axis."""
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).numpy()


def run_file(path: Path, case: Case, counts: Sequence[int]) -> list[list[np.ndarray]]:
    """Return the outputs at several batch sizes, from a process that has only ONNX Runtime."""
    for index, count in enumerate(counts):
        args, kwargs = case.rows(count)
        named = {f"kw.{name}": _as_file_takes(tensor) for name, tensor in kwargs.items()}
        positional = {f"arg.{place}": _as_file_takes(tensor) for place, tensor in enumerate(args)}
        np.savez(path.parent / f"in_{index}.npz", **positional, **named)
    command = [sys.executable, str(BARE), str(path), str(len(counts))]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(finished.stderr.strip().splitlines()[-1])
    outputs = []
    for index in range(len(counts)):
        with np.load(path.parent / f"out_{index}.npz") as arrays:
            outputs.append([arrays[name] for name in arrays.files])
    return outputs


def difference(left: list[np.ndarray], right: list[np.ndarray]) -> float:
    """Return the largest difference; infinite if the shapes or types are not the same."""
    if [a.shape for a in left] != [a.shape for a in right]:
        return float("inf")
    if [a.dtype for a in left] != [a.dtype for a in right]:
        return float("inf")
    return max(
        float(np.max(np.abs(a.astype(float) - b.astype(float)), initial=0.0))
        for a, b in zip(left, right, strict=True)
    )


def sizes(case: Case, *, is_dynamic: bool = True) -> tuple[int, ...]:
    """Return the batch sizes that a case, or its file, can be run at."""
    if case.batch == "dynamic":
        return BATCHES if is_dynamic else (len(next(iter((*case.args, *case.kwargs.values())))),)
    return (0,)


def tolerance(case: Case) -> float:
    """Return what may differ: that of float64 only if nothing in the model is float32."""
    tensors = [*case.args, *case.kwargs.values(), *case.build().state_dict().values()]
    is_single = any(tensor.dtype == torch.float32 for tensor in tensors)
    return TOLERANCE["float32" if is_single else "float64"]


def export(case: Case) -> Outcome:
    """Export one case and compare."""
    import hybridx
    from hybridx.errors import HybridxError

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            report = hybridx.export(case.build(), case.args, path, kwargs=case.kwargs)
        except HybridxError as error:
            is_right = type(error).__name__ == REASONS.get(case.refused or "")
            kind = "refused" if is_right else "FAILED"
            text = f"{kind}: {_first_line(error)}"
            return Outcome(case.name, case.bundle, text, time.perf_counter() - started)
        seconds = time.perf_counter() - started
        result = "dynamic" if report.is_dynamic else "fixed"
        if case.refused:
            result = f"FAILED: exported ({result}), should be refused for: {case.refused}"
            return Outcome(case.name, case.bundle, result, seconds)
        counts = sizes(case, is_dynamic=report.is_dynamic)
        outputs = run_file(path, case, counts)
    worst = max(
        difference(output, run_eager(case, count))
        for count, output in zip(counts, outputs, strict=True)
    )
    if not worst <= tolerance(case):
        result = f"FAILED: the {result} file differs from eager"
    elif case.batch == "dynamic" and not report.is_dynamic:
        result = "fixed: although the model takes any batch"
    return Outcome(case.name, case.bundle, result, seconds, worst)


def check_eager(case: Case) -> Outcome:
    """Run the eager model at each batch size, and its rows one by one."""
    started = time.perf_counter()
    outputs = {count: run_eager(case, count) for count in sizes(case)}
    seconds = time.perf_counter() - started
    shapes = " ".join(str(a.shape) for a in next(reversed(outputs.values())))
    if case.refused:
        return Outcome(case.name, case.bundle, f"runs: {shapes}", seconds)
    if difference(outputs[sizes(case)[0]], run_eager(case, sizes(case)[0])):
        return Outcome(case.name, case.bundle, f"FAILED: not repeatable {shapes}", seconds)
    if not all(np.isfinite(a).all() for arrays in outputs.values() for a in arrays):
        return Outcome(case.name, case.bundle, f"FAILED: not finite {shapes}", seconds)
    if case.batch != "dynamic":
        return Outcome(case.name, case.bundle, f"runs: {shapes}", seconds)
    pairs = [
        (whole if whole.shape == part.shape else whole[:count], part)
        for count in BATCHES
        for whole, part in zip(outputs[5], outputs[count], strict=True)
    ]
    worst = difference([whole for whole, _ in pairs], [part for _, part in pairs])
    result = "runs:" if worst < 1e-5 else "runs: rows depend on the batch"
    return Outcome(case.name, case.bundle, f"{result} {shapes}", seconds, worst)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    cause = error.__cause__
    text = lines[0] if hasattr(error, "code") else f"{type(error).__name__} {lines[0]}"
    return f"{text} <- {_first_line(cause)}" if cause is not None else text


def _work(name: str, job: Any, answers: Any) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    case = next(case for case in CASES if case.name == name)
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            answers.put(job(case))
    except Exception as error:
        text = f"FAILED: {_first_line(error)}"
        answers.put(Outcome(case.name, case.bundle, text))


def run(case: Case, job: Any, timeout: float) -> Outcome:
    """Do one job in a worker process."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    worker = context.Process(target=_work, args=(case.name, job, answers))
    worker.start()
    started = time.perf_counter()
    try:
        while True:
            try:
                return answers.get(timeout=0.2)
            except queue.Empty:
                spent = time.perf_counter() - started
                if not worker.is_alive():
                    return Outcome(case.name, case.bundle, "FAILED: the worker died", spent)
                if spent > timeout:
                    text = f"FAILED: not done after {timeout:.0f} s"
                    return Outcome(case.name, case.bundle, text, spent)
    finally:
        if worker.is_alive():
            worker.join(1.0)
        worker.kill()
        worker.join()


def show(outcome: Outcome) -> str:
    """Return one line of the table."""
    worst = "" if outcome.worst is None else f"{outcome.worst:.0e}"
    return (
        f"{outcome.name:28} {outcome.bundle:10} {outcome.seconds:6.1f} {worst:>6}  {outcome.result}"
    )


def summary(outcomes: list[Outcome]) -> str:
    """Return the counts of each kind of result, bundle by bundle."""
    kinds = sorted({outcome.kind for outcome in outcomes})
    counts = Counter((outcome.bundle, outcome.kind) for outcome in outcomes)
    lines = [" ".join([f"{'bundle':12}", *(f"{kind:>8}" for kind in kinds), "   cases"])]
    for bundle in [*dict.fromkeys(outcome.bundle for outcome in outcomes)]:
        row = [counts[bundle, kind] for kind in kinds]
        lines.append(" ".join([f"{bundle:12}", *(f"{n:8}" for n in [*row, sum(row)])]))
    row = [sum(counts[key] for key in counts if key[1] == kind) for kind in kinds]
    lines.append(" ".join([f"{'all':12}", *(f"{n:8}" for n in [*row, sum(row)])]))
    return "\n".join(lines)


def main() -> None:
    """Print the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="names of cases or bundles; all by default")
    parser.add_argument("--eager", action="store_true", help="only run the eager models")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for one case")
    options = parser.parse_args()
    chosen = [c for c in CASES if not options.names or {c.name, c.bundle} & {*options.names}]
    import hybridx.parity.eager  # before the fork, so that workers start quickly

    if not options.eager:
        import hybridx.capture
        import hybridx.targets  # noqa: F401
    outcomes = []
    for case in chosen:
        outcomes.append(run(case, check_eager if options.eager else export, options.timeout))
        print(show(outcomes[-1]), flush=True)
    print()
    print(summary(outcomes))


if __name__ == "__main__":
    main()
