"""Each checker gets a wrong result and must refuse it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

import hybridx
from hybridx.api import self_test
from hybridx.circuit import encode, parse, simulate
from hybridx.errors import BodyMismatchError, MismatchError
from hybridx.lowering import choose
from hybridx.parity import TOLERANCE, compare
from hybridx.program import run
from tests import pennylane_oracle, sample_models
from tests.tolerances import EXACT

CIRCUIT = parse(
    "RX 0 p[0]; RY 1 (0.5*p[1] + 0.3); Hadamard 2; CRZ 2 0 p[2]; CNOT 0 1; CRY 1 2 0.7; RZ 0 p[0];"
    "RX 2 p[1]; expval Z0; expval X1@Y2; expval 0.5*Z2 + -1.5*X0"
)
PARAMETERS = np.random.default_rng(3).uniform(-2, 2, (4, 3))


def changed_operation(index, **changes):
    operations = list(CIRCUIT.operations)
    operations[index] = msgspec.structs.replace(operations[index], **changes)
    return msgspec.structs.replace(CIRCUIT, operations=tuple(operations))


WRONG = {
    "sign of an angle": changed_operation(5, angle=-0.7),
    "wires swapped": changed_operation(4, wires=(1, 0)),
    "adjoint forgotten": changed_operation(3, adjoint=True),
    "another column": changed_operation(0, angle=CIRCUIT.operations[7].angle),
    "stale weight": changed_operation(5, angle=0.71),
    "gate dropped": msgspec.structs.replace(CIRCUIT, operations=CIRCUIT.operations[:-1]),
    "order of results": msgspec.structs.replace(CIRCUIT, measurements=CIRCUIT.measurements[::-1]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_the_references_tell_circuits_apart(wrong):
    right = simulate(CIRCUIT, PARAMETERS)

    def lowered(circuit, parameters):
        return run(choose(circuit, "statevector").plan.build(), parameters)

    for source in (simulate, pennylane_oracle.simulate, lowered):
        assert np.abs(source(CIRCUIT, PARAMETERS) - right).max() < EXACT
        assert np.abs(source(wrong, PARAMETERS) - right).max() > 10 * TOLERANCE["float32"]


RIGHT = {"output": np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)}


def refused(actual):
    with pytest.raises(MismatchError) as caught:
        compare(actual, RIGHT, tolerance=1e-5, left="a", right="b", batch=4)
    return caught.value


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a + np.float32(2e-5),
        lambda a: a[:, ::-1],
        lambda a: a[::-1],
        lambda a: a[:-1],
        lambda a: a.reshape(3, 4),
        lambda a: a[:, :, None],
        lambda a: np.where(a > 0.9, np.nan, a),
        lambda a: np.where(a > 0.9, np.inf, a),
        lambda a: np.round(a).astype(np.int64),
    ],
    ids=["offset", "columns", "rows", "dropped row", "shape", "rank", "nan", "inf", "integers"],
)
def test_comparison_refuses(spoil):
    error = refused({"output": spoil(RIGHT["output"])})
    assert error.output == "output"
    assert error.worst > error.tolerance


def test_comparison_refuses_missing_and_extra_outputs():
    assert refused({}).output == "output"
    assert refused(RIGHT | {"extra": np.zeros(1)}).output == "extra"


def test_comparison_passes_what_is_equal():
    found = compare(RIGHT, RIGHT, tolerance=0.0, left="a", right="b", batch=4)
    assert (found.worst, found.elements) == (0.0, RIGHT["output"].size)
    same = {"x": np.array([np.nan, np.inf, 1.0])}
    found = compare(same, same, tolerance=0.0, left="a", right="b", batch=3)
    assert (found.worst, found.elements) == (0.0, 1)


def test_large_outputs_are_compared_relatively():
    expected, actual = {"x": np.array([1e6])}, {"x": np.array([1e6 + 5])}
    found = compare(actual, expected, tolerance=1e-5, left="a", right="b", batch=1)
    assert found.worst > 1e-6


def changed_signs(circuit):
    operations = tuple(
        msgspec.structs.replace(op, adjoint=not op.adjoint) if op.gate == "RZ" else op
        for op in circuit.operations
    )
    return msgspec.structs.replace(circuit, operations=operations)


def test_export_refuses_a_wrong_compiler_and_writes_nothing(tmp_path, monkeypatch):
    # A compiler that gets the sign of some angles wrong.
    monkeypatch.setattr("hybridx.api.work.building.run_passes", changed_signs)
    model, example = sample_models.make("sandwich")
    with pytest.raises(MismatchError):
        hybridx.export(model, (example,), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_export_refuses_a_wrong_circuit_in_the_node(tmp_path, monkeypatch):
    model, example = sample_models.make("sandwich")
    path = tmp_path / "model.onnx"
    # The body is correct, so export passes; only a device would run the circuit.
    with monkeypatch.context() as patched:
        patched.setattr(
            "hybridx.runtime.circuits.compiling.encode", lambda one: encode(changed_signs(one))
        )
        hybridx.export(model, (example,), path)
    assert self_test(path).worst < TOLERANCE["float32"]
    for device in ("onnx", "default.qubit"):
        with pytest.raises(BodyMismatchError):
            hybridx.verify(path, device=device)


def test_convert_refuses_a_wrong_compiler_and_writes_nothing(tmp_path, monkeypatch):
    model, example = sample_models.make("sandwich")
    path, new = tmp_path / "model.onnx", tmp_path / "new.onnx"
    hybridx.export(model, (example,), path)
    with monkeypatch.context() as patched:
        patched.setattr("hybridx.runtime.circuits.compiling.run_passes", changed_signs)
        with pytest.raises(BodyMismatchError):
            hybridx.convert(path, new, machine="cuda")
        # Not even if only the self-test of the file is looked at.
        patched.setattr("hybridx.runtime.circuits.compiling.check_same", lambda *_: None)
        with pytest.raises(MismatchError):
            hybridx.convert(path, new, machine="cuda")
    assert not new.exists()


def test_verify_refuses_other_weights(tmp_path):
    model, example = sample_models.make("sandwich")
    path = tmp_path / "model.onnx"
    hybridx.export(model, (example,), path)
    with torch.no_grad():
        model[1].weights += 0.01
    with pytest.raises(MismatchError):
        hybridx.verify(path, against=model)
