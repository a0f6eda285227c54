"""A program as a torch module computes what it computes in NumPy and in ONNX Runtime."""

import io

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from onnx import TensorProto, helper

from hybridx.circuit import parse, simulate
from hybridx.lowering import STRATEGIES, choose
from hybridx.program import Builder, run
from hybridx.program.to_onnx import emit_body
from hybridx.program.to_torch import emit_module
from tests.circuits import circuits, entropies, inputs, noisy
from tests.lowering.agreement import plans_of
from tests.lowering.encoded import brickwork, encoded, fitting, strongly_entangling
from tests.tolerances import EXACT, FLOAT32

ROUNDING = {"float32": FLOAT32, "float64": EXACT}


def programs(circuit):
    return [plan.build() for plan in plans_of(circuit).values()]


def assert_like_numpy(program, parameters, dtype):
    parameters = parameters.astype(dtype)
    expected = run(program, parameters)
    results = emit_module(program, dtype=np.dtype(dtype))(torch.from_numpy(parameters)).numpy()
    assert results.dtype == expected.dtype
    assert results.shape == expected.shape
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(results, expected, atol=ROUNDING[dtype] * scale)


@pytest.mark.parametrize("dtype", ROUNDING)
@settings(max_examples=40, deadline=None)
@given(circuits() | encoded() | noisy())
def test_every_program_is_the_one_of_numpy(dtype, circuit):
    for program in programs(circuit):
        for batch in (0, 1, 3):
            assert_like_numpy(program, inputs(circuit, batch), dtype)


@settings(max_examples=20, deadline=None)
@given(circuits(measured=entropies))
def test_entropies_are_those_of_numpy(circuit):
    assert_like_numpy(choose(circuit).plan.build(), inputs(circuit, 3), "float64")


BODIES = [strongly_entangling(6), brickwork(9), parse("RX 0 0.4; CNOT 0 1; expval Z1; expval Y0")]


@pytest.mark.parametrize("circuit", BODIES, ids=lambda circuit: f"{circuit.wires} wires")
@pytest.mark.parametrize("dtype", ROUNDING)
def test_agrees_with_onnx_runtime_and_the_reference(circuit, dtype):
    for program in programs(circuit):
        session = onnx_session(program, dtype)
        module = emit_module(program, dtype=np.dtype(dtype))
        for batch in (1, 5):
            parameters = inputs(circuit, batch).astype(dtype)
            results = module(torch.from_numpy(parameters)).numpy()
            (onnx,) = session.run(None, {"x": parameters})
            np.testing.assert_allclose(results, onnx, atol=ROUNDING[dtype])
            exact = simulate(circuit, parameters)
            np.testing.assert_allclose(results, exact, atol=ROUNDING[dtype])


def onnx_session(program, dtype, without=frozenset()):
    nodes = emit_body(program, dtype=np.dtype(dtype), parameters="x", results="y", without=without)
    kind = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[dtype]
    ends = [
        helper.make_tensor_value_info(name, kind, list(shape))
        for name, shape in (("x", program.shapes[0]), ("y", program.shapes[-1]))
    ]
    graph = helper.make_graph(nodes, "body", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES])
def test_the_batch_stays_open_in_torch_export(name):
    circuit = fitting(name)
    program = choose(circuit, name).plan.build()
    module = emit_module(program, dtype=np.dtype("float64"))
    traced = torch.export.export(
        module,
        (torch.from_numpy(inputs(circuit, 3)),),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    ).module()
    for batch in (0, 1, 7):
        parameters = inputs(circuit, batch)
        expected = run(program, parameters)
        results = traced(torch.from_numpy(parameters)).numpy()
        np.testing.assert_allclose(results, expected, atol=EXACT)


def test_constants_are_buffers_and_no_device_is_named():
    module = emit_module(choose(strongly_entangling(4)).plan.build(), dtype=np.dtype("float32"))
    assert not list(module.parameters())
    assert all(buffer.is_contiguous() for buffer in module.buffers())
    assert "device" not in module.code
    on_meta = module.to("meta")(torch.empty(5, 4, device="meta"))
    assert on_meta.device.type == "meta"
    assert on_meta.shape == (5, 4)


def test_gradients_pass():
    module = emit_module(choose(strongly_entangling(3)).plan.build(), dtype=np.dtype("float64"))
    parameters = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(module, (parameters + 0.3,))


def test_a_broadcast_constant_is_written_once():
    builder = Builder(2)
    wide = builder.constant(np.broadcast_to(np.eye(2), (1, 2, 2)))
    row = builder.matmul(builder.reshape(builder.parameters, (None, 1, 2)), wide)
    program = builder.build(builder.reshape(row, (None, 2)))
    kept = io.BytesIO()
    torch.save(emit_module(program, dtype=np.dtype("float32")).constant_0, kept)
    assert len(kept.getvalue()) < 2000
