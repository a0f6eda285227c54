"""Export the model of one sample and say what came of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

import hybridx
from hybridx.errors import HybridxError, MismatchError
from tests.operators.models import OnOperator, classical, quantum
from tests.operators.samples import draw

STATUSES = ("right", "twin only", "refused", "wrong", "crash", "no sample")
"""What can come of a sample.

right: the file is written and agrees with the eager model.
twin only: hybridx refuses the model, and torch.onnx.export writes its classical twin, which ONNX
    Runtime runs right.
refused: hybridx refuses the model, and the twin has no right file either.
wrong: the file, if there is one, and the eager model differ.
crash: an exception that is not one of hybridx.errors, a process that died or took too long.
no sample: torch draws none, its own operator refuses it, or the results are what is in memory.
"""

TOLERANCE = 1e-4
"""Of the results, which lie in [-1, 1]: float32 operators on numbers up to 10 lose up to 1e-5."""


@dataclass(frozen=True)
class Outcome:
    """What came of one sample.

    Attributes:
        name: of the sample.
        status: one of `STATUSES`.
        code: of the refusal, or empty.
        detail: of the refusal or the failure, one line.
        seconds: duration.
    """

    name: str
    status: str
    code: str = ""
    detail: str = ""
    seconds: float = 0.0


def attempt(name: str) -> Outcome:
    """Export the model of a sample and compare the file with the eager model."""
    started = time.perf_counter()
    status, code, detail = _attempt(name)
    return Outcome(name, status, code, detail, round(time.perf_counter() - started, 2))


def _attempt(name: str) -> tuple[str, str, str]:
    try:
        sample = draw(name)
        if sample is None:
            return "no sample", "", "torch draws none, or its results are what is in memory"
        model = quantum(sample)
        expected = _run_eager(model)
    except Exception as error:
        return "no sample", "", _line(error)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        options: dict[str, Any] = {"batch": "none", "embed_example": True, "overwrite": True}
        try:
            # The comparison of an export is with drawn numbers, which some operators do not take.
            hybridx.export(model, _copies(model), path, verify=False, **options)
            try:
                distance = _distance(_run_file(path, model), expected)
            except Exception:
                # ONNX Runtime refuses the file: an export that compares says so.
                hybridx.export(model, _copies(model), path, **options)
                raise
            if not distance <= TOLERANCE:
                hybridx.export(model, _copies(model), path, **options)
        except MismatchError as error:
            return "wrong", error.code, _line(error)
        except HybridxError as error:
            twin = _twin(name, Path(folder) / "twin.onnx")
            return ("refused" if twin else "twin only"), error.code, _line(error)
        except Exception as error:
            return "crash", "", _line(error)
    if not distance <= TOLERANCE:
        return "wrong", "", f"differs by {distance:.1e}"
    return "right", "", ""


def _twin(name: str, path: Path) -> str:
    """Return why the classical twin has no right file, or nothing if it has one."""
    sample = draw(name)
    assert sample is not None
    model = classical(sample)
    try:
        expected = _run_eager(model)
        torch.onnx.export(model, _copies(model), path, dynamo=True, verbose=False)
        distance = _distance(_run_file(path, model), expected)
    except Exception as error:
        return _line(error)
    return "" if distance <= TOLERANCE else f"differs by {distance:.1e}"


def _copies(model: OnOperator) -> tuple[Tensor, ...]:
    return tuple(tensor.detach().clone() for tensor in model.example)


def _run_eager(model: OnOperator) -> np.ndarray:
    with torch.no_grad():
        return model(*_copies(model)).numpy()


def _run_file(path: Path, model: OnOperator) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = _arrays(model.example)
    names = [one.name for one in session.get_inputs()]
    if len(names) < len(given):  # what the model does not use may be missing from the file
        given = [given[int(name.rpartition("_")[2])] for name in names]
    (result, *_) = session.run(None, dict(zip(names, given, strict=True)))
    return np.asarray(result)


def _arrays(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Return tensors as a file takes them: complex numbers as pairs of real ones."""
    plain = (tensor.detach().resolve_conj().resolve_neg() for tensor in tensors)
    return [(torch.view_as_real(t) if t.is_complex() else t).numpy() for t in plain]


def _distance(actual: np.ndarray, expected: np.ndarray) -> float:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return float("inf")
    if not np.array_equal(np.isnan(actual), np.isnan(expected)):
        return float("inf")
    return float(np.nanmax(np.abs(actual - expected), initial=0.0))


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    own = isinstance(error, HybridxError)
    return (text if own else f"{type(error).__name__}: {text}")[:400]
