"""Circuits compiled for a machine, to bodies of ONNX functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
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
from hybridx.bounds import BODY_BYTES
from hybridx.circuit import Circuit, encode
from hybridx.errors import LoopFreeTooLargeError
from hybridx.lowering import Choice, bytes_at_once, choose, machine_of, rows_at_once
from hybridx.passes import run_passes
from hybridx.program import Program
from hybridx.runtime.circuits.agreement import check_same
from hybridx.runtime.circuits.alone import (
    CompiledCircuit,
    body_model,
    circuit_calls,
    compiled_circuits,
    run_body_model,
)

_ROWS = 256  # whose values are within the bound, where there is no loop


def compiled_circuit(
    circuit: Circuit,
    choice: Choice,
    dtype: np.dtype[Any],
    program: Program,
    *,
    layer: str | None = None,
    loops: bool = True,
) -> Compiled:
    """Return a circuit with its body.

    Args:
        circuit: as the file holds it.
        choice: how it is computed, and for which machine.
        dtype: float32 or float64, of every tensor.
        program: what the plan of the choice builds.
        layer: the name of the circuit in the model, for the message; None for a body that is not
            to run, whose memory is not bounded.
        loops: False for a body without a loop over rows, whatever the machine, and without the
            nodes by which ONNX Runtime takes no rows: other engines need not have them.

    Raises:
        LoopFreeTooLargeError: there is no loop, and 256 rows need more than the bound `body_bytes`.
    """
    from hybridx.program.to_onnx import emit_body

    best = rows_at_once(program, choice.machine)
    rows = best if loops else None
    found = bytes_at_once(program, _ROWS, dtype.itemsize)
    if layer is not None and rows is None and found > BODY_BYTES.limit:
        instead = [] if loops else ["leave out --inline"]
        instead += ["give --machine cpu"] if best is None else []
        raise LoopFreeTooLargeError(
            layer, circuit.wires, found, _ROWS, BODY_BYTES.limit, " and ".join(instead)
        )
    body = emit_body(
        program,
        dtype=dtype,
        parameters=PARAMETERS,
        results=RESULTS,
        rows=rows,
        without=choice.machine.lacks,
        may_be_empty=loops,
    )
    return Compiled(encode(circuit), body, choice.strategy)


def compile_again(
    artifact: OnnxArtifact, machine: str | None, *, loops: bool = True
) -> dict[str, str]:
    """Compile circuits of a file again, in place, and compare them with what they were.

    The metadata of the file are left as they are.

    Args:
        artifact: whose model is changed; its circuits have bodies.
        machine: for which all circuits are compiled, each by the strategy that costs least there;
            None compiles only those with nodes that they are not to have, by their own strategy.
        loops: as in `compiled_circuit`.

    Returns:
        The names of the new circuits, by their names before.

    Raises:
        LoweringError: a circuit cannot be compiled, or needs too much memory.
        BodyMismatchError: a new body computes something else on random parameters.
    """
    model = artifact.model
    calls = {call.function: call.node or call.function for call in circuit_calls(artifact)}
    compiled = compiled_circuits(artifact)
    chosen = machine_of(machine or artifact.metadata.machine)
    before = {one.name: one for one in model.functions}
    names: dict[str, str] = {}
    for one in compiled:
        # A loop, and products that may be empty, begin with the number of rows.
        counts_rows = any(node.op_type == "Shape" for node in before[one.circuit].node)
        if machine is None and (loops or not counts_rows):
            continue
        circuit = artifact.circuits[one.circuit]
        strategy = artifact.strategies.get(one.circuit) or None if machine is None else None
        choice = choose(run_passes(circuit), strategy, chosen)
        again = compiled_circuit(
            circuit, choice, one.dtype, choice.plan.build(), layer=calls[one.circuit], loops=loops
        )
        function = circuit_function(again, opset_of(model))
        assert function is not None
        names[one.circuit] = function.name
        before.setdefault(function.name, function)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    _set_functions(whole, before)
    for one in compiled:
        if one.circuit in names:
            _compare(artifact, whole, one, names[one.circuit])
    for node in filter(is_circuit_node, walk_nodes(model.graph)):
        node.op_type = names.get(node.op_type, node.op_type)
    gone = names.keys() - {*names.values()}
    _set_functions(model, {name: one for name, one in before.items() if name not in gone})
    return names


def _set_functions(model: onnx.ModelProto, functions: Mapping[str, onnx.FunctionProto]) -> None:
    kept = [functions[name] for name in sorted(functions)]
    del model.functions[:]
    model.functions.extend(kept)


def _compare(
    artifact: OnnxArtifact, model: onnx.ModelProto, old: CompiledCircuit, new: str
) -> None:
    """Compare the old and the new body of a circuit, which are both in a model."""
    path = artifact.path
    olds, news = (body_model(model, name, old.dtype) for name in (old.circuit, new))
    check_same(
        artifact,
        old,
        lambda _, rows: run_body_model(news, path, rows),
        lambda rows: run_body_model(olds, path, rows),
    )
