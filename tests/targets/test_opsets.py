"""Every opset that is written: bodies of all strategies, and layers of torch around a circuit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import hybridx
from hybridx.artifact import IR_VERSION, OPSETS
from hybridx.circuit import simulate
from hybridx.program.to_onnx import emit_body
from hybridx.runtime import onnx as onnx_runtime
from tests.circuits import inputs
from tests.golden import models
from tests.golden.files import check_layout, newest
from tests.lowering.agreement import plans_of
from tests.lowering.test_goldens import GOLDENS, read
from tests.tolerances import EXACT, FLOAT32

TOLERANCE = {"float32": FLOAT32, "float64": EXACT}
each_opset = pytest.mark.parametrize("opset", OPSETS)


@each_opset
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_bodies_of_every_strategy(opset, dtype):
    seen = set()
    for path in GOLDENS:
        circuit, title = read(path.read_text())
        strategy = title.removeprefix("chosen ")
        if strategy in seen:
            continue
        seen.add(strategy)
        program = plans_of(circuit)[strategy].build()
        nodes = emit_body(program, dtype=np.dtype(dtype), parameters="p", results="r")
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        ends = [helper.make_tensor_value_info(name, kind, [None, None]) for name in ("p", "r")]
        graph = helper.make_graph(nodes, "body", ends[:1], ends[1:])
        made = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=made, ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        session = onnx_runtime.start(model.SerializeToString(), "body", threads=1)
        parameters = inputs(circuit, batch=3)
        found = onnx_runtime.run(session, ["r"], {"p": parameters.astype(dtype)})["r"]
        expected = simulate(circuit, parameters.astype(dtype))
        scale = np.abs(expected).max(initial=1.0)
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=f"{strategy} {opset}"
        )
    assert len(seen) == 9, seen


@pytest.mark.slow
@each_opset
def test_layers_of_torch_around_a_circuit(opset, tmp_path):
    """Export compares the file with the eager model; the golden files keep one of each opset."""
    case = models.make(getattr(models, f"opset_{opset}"))
    name = f"opset_{opset}"
    path = tmp_path / f"{name}.onnx"
    made = hybridx.export(case.model, case.args, path, **case.options)
    check_layout(name, path, newest()[f"onnx {name}"])
    assert made.verification.worst <= made.verification.tolerance == 1e-5
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    written = {(one.domain, one.version) for one in model.opset_import}
    assert written == {("", opset), ("hybridx", 1)}
    assert all(one.version == opset for each in model.functions for one in each.opset_import)
    assert len({node.op_type for node in model.graph.node}) > 25


def test_there_is_a_golden_file_of_every_opset():
    names = {of.__name__ for of in models.MODELS}
    assert {f"opset_{opset}" for opset in OPSETS} <= names
