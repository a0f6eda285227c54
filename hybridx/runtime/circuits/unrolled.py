"""Bodies of a file compiled again without their loops over rows."""

from __future__ import annotations

from dataclasses import replace

import onnx

from hybridx.artifact import (
    PARAMETERS,
    RESULTS,
    Compiled,
    OnnxArtifact,
    circuit_function,
    is_circuit_node,
    opset_of,
    walk_nodes,
)
from hybridx.circuit import encode
from hybridx.runtime.circuits.agreement import check_same
from hybridx.runtime.circuits.alone import (
    CompiledCircuit,
    body_model,
    compiled_circuits,
    run_body_model,
    run_onnx_body,
)
from hybridx.storage import Array


def unroll_rows(artifact: OnnxArtifact) -> None:
    """Compile each circuit whose body has a loop again, without one, in place.

    The new body is compared with the one of the file on random parameters.

    Args:
        artifact: the file; all of its circuits have bodies.

    Raises:
        LoweringError: this hybridx does not compile the circuit.
        BodyMismatchError: it compiles it to something else.
    """
    for one in compiled_circuits(artifact):
        (function,) = (each for each in artifact.model.functions if each.name == one.circuit)
        if any(node.op_type == "Loop" for node in function.node):
            _unroll(artifact, one, function)


def _unroll(
    artifact: OnnxArtifact, compiled: CompiledCircuit, function: onnx.FunctionProto
) -> None:
    from hybridx.lowering import choose
    from hybridx.passes import run_passes
    from hybridx.program.to_onnx import emit_body

    model, circuit = artifact.model, artifact.circuits[compiled.circuit]
    choice = choose(run_passes(circuit), artifact.strategies[compiled.circuit] or None)
    program = replace(choice.plan.build(), rows=None)
    nodes = emit_body(program, dtype=compiled.dtype, parameters=PARAMETERS, results=RESULTS)
    made = circuit_function(Compiled(encode(circuit), nodes, choice.strategy), opset_of(model))
    assert made is not None
    old, new = body_model(model, compiled.circuit, compiled.dtype), made.name
    function.CopyFrom(made)
    for node in filter(is_circuit_node, walk_nodes(model.graph)):
        if node.op_type == compiled.circuit:
            node.op_type = new

    def run(_: CompiledCircuit, parameters: Array) -> Array:
        return run_onnx_body(artifact, replace(compiled, circuit=new), parameters)

    check_same(artifact, compiled, run, lambda rows: run_body_model(old, artifact.path, rows))
