"""ONNX's tests of its operators: what plain ONNX Runtime makes of them, and what hybridx does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase as Case

import hybridx
from hybridx.artifact import (
    Metadata,
    OnnxArtifact,
    decode_artifact,
    opset_of,
    to_bundle,
    write_metadata,
)
from hybridx.bounds import RUN_SECONDS
from hybridx.errors import HybridxError, UnboundedWorkError
from hybridx.runtime import start_session

Values = list[Any]
"""What a model takes or gives: arrays, and lists of them or nothing in the tests of those."""

Run = Callable[[Values], Values]


@dataclass(frozen=True)
class Outcome:
    """What an engine makes of a test.

    Attributes:
        given: the outputs for each set of inputs, or None where the engine refuses the model or a
            set of inputs.
        error: the one that it raised.
        is_unbounded: hybridx cannot bound what it computes, and ran it when it was told to.
    """

    given: tuple[Values, ...] | None
    error: Exception | None = None
    is_unbounded: bool = False

    def is_right(self, case: Case) -> bool:
        """Return whether the outputs are those that ONNX asks for, within its own tolerance."""
        return self.given is not None and all(
            _is_near(found, expected, case)
            for given, (_, outputs) in zip(self.given, case.data_sets or (), strict=True)
            for found, expected in zip(given, outputs, strict=True)
        )


@cache
def cases() -> tuple[Case, ...]:
    """Return all tests of single operators; ONNX makes their models and data by code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its data overflow on purpose
        return tuple(collect_testcases(None))


def plain(case: Case) -> Outcome:
    """Return what ONNX Runtime makes of a test by itself."""

    def start() -> Run:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        content = case.model.SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return lambda values: session.run(None, _by_name(case, values))

    return _outcome(case, start, Exception)


def ours(case: Case) -> Outcome:
    """Return what hybridx makes of the model, as a file of its own."""
    return _bounded(case, lambda: _session_run(case, artifact(case)))


def bundled(case: Case) -> Outcome:
    """Return what hybridx makes of the model as a bundle."""

    def start() -> Run:
        files = to_bundle(artifact(case).model, case.name)
        return _session_run(case, decode_artifact(files, case.name))

    return _bounded(case, start)


def _bounded(case: Case, start: Callable[[], Run]) -> Outcome:
    """Return what hybridx makes of a test, without an estimate where there is none."""
    found = _outcome(case, start, HybridxError)
    if not isinstance(found.error, UnboundedWorkError):
        return found
    with hybridx.limits(run_seconds=RUN_SECONDS.most):
        return replace(_outcome(case, start, HybridxError), is_unbounded=True)


def artifact(case: Case) -> OnnxArtifact:
    """Return the model with the metadata of a file of hybridx, written and read."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    found = decode_artifact(write_metadata(model, Metadata("0")), case.name)
    assert isinstance(found, OnnxArtifact)
    assert found.changed == ()
    return found


def reason(case: Case) -> str | None:
    """Return why a file of hybridx cannot be such a model, or None."""
    graph = case.model.graph
    if any(one.type.WhichOneof("value") != "tensor_type" for one in (*graph.input, *graph.output)):
        return "takes or gives a sequence or an optional value"
    if not opset_of(case.model):
        return "has no standard operators"
    kinds = {one.type.tensor_type.elem_type for one in graph.input}
    if onnx.TensorProto.STRING in kinds:
        return "takes text"
    return None


def no_bundle(case: Case) -> str | None:
    """Return why a bundle cannot be such a model, or None."""
    if not {one.domain for one in case.model.graph.node} <= {"", "ai.onnx"}:
        return "has operators beside the standard ones"
    graph = case.model.graph
    unsigned = {onnx.TensorProto.UINT16, onnx.TensorProto.UINT32, onnx.TensorProto.UINT64}
    text = {onnx.TensorProto.STRING}
    if {one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)} & (
        unsigned | text
    ):
        return "takes or gives text, or unsigned integers of more than 8 bits"
    return None


def same_bits(one: Any, other: Any) -> bool:
    """Return whether two values are the same numbers in the same dtype."""
    if isinstance(other, list):
        return len(one) == len(other) and all(map(same_bits, one, other))
    if other is None or one is None:
        return one is other
    one, other = np.asarray(one), np.asarray(other)
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return (one == other).all() if other.dtype == object else one.tobytes() == other.tobytes()


def _session_run(case: Case, read: Any) -> Run:
    session = start_session(read)
    return lambda values: [*session.run(_by_name(case, values)).values()]


def _outcome(case: Case, start: Callable[[], Run], errors: type[Exception]) -> Outcome:
    try:
        run = start()
        return Outcome(tuple(run([*inputs]) for inputs, _ in case.data_sets or ()))
    except errors as error:
        return Outcome(None, error)


def _by_name(case: Case, values: Sequence[Any]) -> dict[str, Any]:
    # Some data of ONNX are numbers of NumPy, which ONNX Runtime does not take.
    names = [one.name for one in case.model.graph.input]
    return {
        name: np.asarray(value) if isinstance(value, np.generic) else value
        for name, value in zip(names, values, strict=False)
    }


def _is_near(found: Any, expected: Any, case: Case) -> bool:
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(
            _is_near(one, other, case) for one, other in zip(found, expected, strict=True)
        )
    if expected is None or found is None:
        return found is expected
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return False
    if expected.dtype.kind in "OUS":
        return bool((found.astype(str) == expected.astype(str)).all())
    if found.dtype != expected.dtype:
        return False
    if expected.dtype.kind not in "fiubc":  # a type of less than 8 bits
        found, expected = found.astype(np.float64), expected.astype(np.float64)
    return bool(np.allclose(found, expected, case.rtol, case.atol, equal_nan=True))
