"""Every strategy: NaN and infinity stay in their row, and a batch may have one row or none."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from hybridx.artifact import IR_VERSION, OPSET
from hybridx.circuit import simulate
from hybridx.program import run
from hybridx.program.to_onnx import emit_body
from hybridx.runtime import onnx as onnx_runtime
from tests.circuits import inputs
from tests.lowering.agreement import plans_of
from tests.lowering.test_goldens import GOLDENS, read
from tests.tolerances import FLOAT32

torch = pytest.importorskip("torch")


def in_numpy(program):
    return lambda parameters: run(program, parameters)


def in_onnx_runtime(program):
    nodes = emit_body(program, dtype=np.dtype("float32"), parameters="p", results="r")
    ends = [helper.make_tensor_value_info(name, 1, [None, None]) for name in ("p", "r")]
    graph = helper.make_graph(nodes, "body", ends[:1], ends[1:])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    session = onnx_runtime.start(model.SerializeToString(), "body", threads=1)
    return lambda parameters: onnx_runtime.run(session, ["r"], {"p": parameters})["r"]


def in_torch(program):
    from hybridx.program.to_torch import emit_module

    module = emit_module(program, dtype=np.dtype("float32"))
    return lambda parameters: module(torch.from_numpy(parameters)).detach().numpy()


@pytest.mark.parametrize("interpreter", [in_numpy, in_onnx_runtime, in_torch])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_numbers_that_are_none_stay_in_their_row(path, interpreter):
    circuit, title = read(path.read_text())
    program = plans_of(circuit)[title.removeprefix("chosen ")].build()
    compute = interpreter(program)
    clean = inputs(circuit, batch=3).astype(np.float32)
    expected = compute(clean)
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(compute(clean[1:2]), expected[1:2], atol=FLOAT32 * scale)
    for column in range(circuit.parameters):
        # A result depends on a column if another number there changes it.
        other = clean.copy()
        other[:, column] += 0.37
        depends = np.abs(simulate(circuit, clean) - simulate(circuit, other))[1] > 1e-4
        for special in (np.nan, np.inf, -np.inf):
            given = clean.copy()
            given[1, column] = special
            with np.errstate(invalid="ignore"):
                found = compute(given)
            rest = np.delete(found, 1, axis=0)
            np.testing.assert_allclose(
                rest, np.delete(expected, 1, axis=0), atol=FLOAT32 * scale, err_msg=str(special)
            )
            assert not np.isfinite(found[1][depends]).any(), (column, special)


@pytest.mark.parametrize("interpreter", [in_numpy, in_torch])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_no_rows_give_no_rows(path, interpreter):
    """ONNX Runtime itself cannot multiply an empty batch; a session gives it one row instead."""
    circuit, title = read(path.read_text())
    compute = interpreter(plans_of(circuit)[title.removeprefix("chosen ")].build())
    one = compute(inputs(circuit, batch=1).astype(np.float32))
    none = compute(np.zeros((0, circuit.parameters), np.float32))
    assert none.shape == (0, one.shape[1])
