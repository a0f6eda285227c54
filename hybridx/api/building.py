"""A captured model as the content of a file, in any format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hybridx.artifact import (
    PARAMETERS,
    RESULTS,
    Compiled,
    Content,
    Metadata,
    Signature,
    archive_entries,
    seal,
    to_bundle,
    with_entries,
)
from hybridx.circuit import Circuit, encode
from hybridx.lowering import Choice, choose
from hybridx.passes import run_passes
from hybridx.program.to_onnx import emit_body

if TYPE_CHECKING:
    from torch import Tensor, fx

    from hybridx.capture import Capture, Example

Draft: TypeAlias = Callable[[Metadata], Content]
"""Gives the content of a file with given metadata; the model in it is made once."""


def draft_onnx(
    captured: Capture,
    example: Example,
    *,
    dtype: str,
    strategy: str | None,
    opset: int,
    body: bool,
    bundled: bool,
) -> Draft:
    """Return a model as an ONNX file, or cut into a bundle.

    Args:
        captured: the traced graph.
        example: the inputs it was traced with.
        dtype: of the circuits.
        strategy: how they are computed; None for the cheapest way.
        opset: of the standard operators.
        body: compile the circuits.
        bundled: cut it at its circuits.
    """
    from hybridx import targets

    compiled = [
        _compiled(circuit, dtype, strategy) if body else Compiled(encode(circuit), None)
        for circuit in captured.circuits
    ]
    proto = targets.to_onnx(captured, list(example.tensors.values()), compiled, opset=opset)

    def written(metadata: Metadata) -> Content:
        content = seal(proto, metadata)
        return to_bundle(proto) if bundled else content

    return written


def _compiled(circuit: Circuit, dtype: str, strategy: str | None) -> Compiled:
    choice = _choice(circuit, strategy)
    body = emit_body(choice.program, dtype=np.dtype(dtype), parameters=PARAMETERS, results=RESULTS)
    return Compiled(encode(circuit), body, choice.strategy)


def _choice(circuit: Circuit, strategy: str | None) -> Choice:
    return choose(run_passes(circuit), strategy)


def compile_circuits(captured: Capture, strategy: str | None) -> list[Choice]:
    """Return how each circuit of a traced graph is computed."""
    return [_choice(circuit, strategy) for circuit in captured.circuits]


def splice_circuits(captured: Capture, choices: Sequence[Choice], dtype: str) -> fx.GraphModule:
    """Return a traced graph with its circuits as torch operators of a dtype."""
    from hybridx import targets
    from hybridx.program.to_torch import emit_module

    circuits = [emit_module(choice.program, dtype=np.dtype(dtype)) for choice in choices]
    return targets.splice(captured, circuits)


def describe_inputs(captured: Capture, example: Example) -> tuple[Signature, ...]:
    """Return names, dtypes and shapes of the inputs, open axes by their names."""
    return tuple(
        Signature(
            name,
            tensor.numpy().dtype,
            tuple(captured.axes[name].get(axis, n) for axis, n in enumerate(tensor.shape)),
        )
        for name, tensor in example.tensors.items()
    )


def draft_torchscript(
    captured: Capture, example: Example, *, dtype: str, strategy: str | None
) -> Draft:
    """Return a model as a TorchScript archive; arguments as `draft_onnx`."""
    from hybridx import targets

    choices = compile_circuits(captured, strategy)
    content = targets.to_torchscript(splice_circuits(captured, choices, dtype))
    return _archived(content, captured, example, choices)


def draft_pt2(
    captured: Capture, example: Example, *, dtype: str, strategy: str | None, aot: bool
) -> Draft:
    """Return a model as a PT2 archive; arguments as `draft_onnx`.

    Args:
        captured: the traced graph.
        example: the inputs it was traced with.
        dtype: of the circuits.
        strategy: how they are computed; None for the cheapest way.
        aot: put machine code into it too.
    """
    from hybridx import targets

    choices = compile_circuits(captured, strategy)
    args: Sequence[Tensor] = list(example.tensors.values())
    spliced = splice_circuits(captured, choices, dtype)
    content = targets.to_pt2(spliced, args, captured.shapes, aot=aot)
    return _archived(content, captured, example, choices)


def _archived(
    content: bytes, captured: Capture, example: Example, choices: Sequence[Choice]
) -> Draft:
    compiled = [
        Compiled(encode(circuit), None, choice.strategy)
        for circuit, choice in zip(captured.circuits, choices, strict=True)
    ]
    inputs = describe_inputs(captured, example)

    def written(metadata: Metadata) -> Content:
        entries = archive_entries(metadata, inputs, captured.output_names, compiled)
        return with_entries(content, entries)

    return written
