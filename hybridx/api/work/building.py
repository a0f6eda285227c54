"""Build the content of a file from a captured model, in any format."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridx.artifact import (
    Body,
    Compiled,
    Content,
    Metadata,
    OnnxArtifact,
    Signature,
    archive_entries,
    compiled_for,
    inline,
    inlined_entries,
    set_entries,
    stamped,
    to_bundle,
    with_entries,
    write_metadata,
)
from hybridx.circuit import Circuit, encode
from hybridx.lowering import Choice, choose, machine_of
from hybridx.passes import run_passes
from hybridx.runtime import check_bodies, compile_again, compiled_circuit
from hybridx.version import __version__

if TYPE_CHECKING:
    from torch import Tensor, fx

    from hybridx.capture import Capture, Example

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Draft:
    """A new file without its metadata; the model in it is built only once.

    Attributes:
        written: returns the content of the file with the given metadata.
        origins: by the name of a node of an ONNX file, the operator that the user calls and the
            line of the call.
    """

    written: Callable[[Metadata], Content]
    origins: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def draft_onnx(
    captured: Capture,
    example: Example,
    choices: Mapping[Circuit, Choice],
    *,
    dtype: str,
    opset: int,
    bundled: bool,
    inlined: bool,
) -> Draft:
    """Return a model as an ONNX file, or cut into a bundle.

    Args:
        captured: the traced graph.
        example: the inputs it was traced with.
        choices: how circuits are computed; a circuit without a choice gets no body.
        dtype: of the circuits.
        opset: of the standard operators.
        bundled: cut it at its circuits.
        inlined: write the bodies of circuits in the place of their calls.
    """
    from hybridx import targets

    compiled = [
        _compiled(circuit, choices.get(circuit), dtype, layer.node, loops=not inlined)
        for circuit, layer in zip(captured.circuits, captured.layers, strict=True)
    ]
    proto, origins = targets.to_onnx(
        captured, list(example.tensors.values()), compiled, opset=opset
    )
    calls = inline(proto, "the new file") if inlined else None

    def written(metadata: Metadata) -> Content:
        if not bundled:
            return write_metadata(proto, metadata, calls)
        set_entries(proto, metadata.encode())  # the digest of a bundle is that of its parts
        return to_bundle(proto, "the new bundle")

    return Draft(written, origins)


def _compiled(
    circuit: Circuit, choice: Choice | None, dtype: str, layer: str, *, loops: bool
) -> Compiled:
    if choice is None:
        return Compiled(encode(circuit), None)
    program = choice.plan.build()
    return compiled_circuit(circuit, choice, np.dtype(dtype), program, layer=layer, loops=loops)


def compiled_again(artifact: OnnxArtifact, machine: str, *, loops: bool) -> dict[str, str]:
    """Compile the circuits of a file again, for a machine, in place; see `compile_again`.

    The file then says so, and no more that it was compared with the eager model.

    Raises:
        NoBodyError: it holds circuits without bodies.
    """
    check_bodies(artifact)
    names = compile_again(artifact, machine, loops=loops)
    if names:
        compiled_for(artifact.model, machine, __version__)
    return names


def inlined_again(artifact: OnnxArtifact, machine: str | None) -> tuple[bytes, dict[str, str]]:
    """Return a file with the body of each circuit in the place of its calls.

    Bodies with a loop over rows are compiled again without it, and compared with those of the file.

    Args:
        artifact: the file; its model is changed in place.
        machine: compile all bodies again, for this machine.

    Returns:
        The bytes of the new file, and the names of circuits that were compiled again, by their
        names before.

    Raises:
        NoBodyError: it holds circuits without bodies.
        BrokenArtifactError: it has functions of other tools.
        BodyMismatchError: this hybridx compiles a circuit to something else.
        LoopFreeTooLargeError: a body needs too much memory without its loop.
    """
    check_bodies(artifact)
    if machine is None:
        names = compile_again(artifact, None, loops=False)
    else:
        names = compiled_again(artifact, machine, loops=False)
    model = artifact.model
    calls = inline(model, artifact.path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    set_entries(model, entries | inlined_entries(calls))
    return stamped(model), names


def plan_circuits(
    captured: Capture,
    strategy: str | None,
    machine: str,
    choices: dict[Circuit, Choice],
) -> None:
    """Choose how each circuit of a traced graph is computed.

    Args:
        captured: the traced graph.
        strategy: the name of one; None for the cheapest.
        machine: the name of the machine that is to run them.
        choices: the choices are added to it. Circuits already in it are not planned again: a graph
            may hold the same circuit twice, and a model may be captured a second time.
    """
    for circuit in captured.circuits:
        if circuit not in choices:
            chosen = choices[circuit] = choose(run_passes(circuit), strategy, machine_of(machine))
            for one in chosen.candidates:
                is_taken = "taken" if one.strategy == chosen.strategy else "not taken"
                log.debug("strategy %s is %s: %s", one.strategy, is_taken, one.reason)


def splice_circuits(
    captured: Capture, choices: Mapping[Circuit, Choice], dtype: str
) -> fx.GraphModule:
    """Return a traced graph with its circuits as torch operators of a dtype."""
    from hybridx import targets
    from hybridx.program.to_torch import emit_module

    plans = [choices[circuit].plan for circuit in captured.circuits]
    circuits = [emit_module(plan.build(), dtype=np.dtype(dtype)) for plan in plans]
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


def describe_outputs(captured: Capture) -> tuple[Signature, ...]:
    """Return names, dtypes and shapes of the outputs; an axis of any length is called `?`."""
    (returned,) = captured.module.graph.output_node().args
    assert isinstance(returned, tuple | list)
    values = [node.meta["val"] for node in returned]  # type: ignore[union-attr]
    return tuple(
        Signature(
            name,
            np.dtype(str(value.dtype).removeprefix("torch.")),
            tuple(n if isinstance(n, int) else "?" for n in value.shape),
        )
        for name, value in zip(captured.output_names, values, strict=True)
    )


def draft_torchscript(
    captured: Capture,
    example: Example,
    choices: Mapping[Circuit, Choice],
    returned: Any,
    *,
    dtype: str,
) -> Draft:
    """Return a model as a TorchScript archive; arguments as `draft_pt2`."""
    from hybridx import targets

    spliced = splice_circuits(captured, choices, dtype)
    targets.return_in(targets.structure_of(returned), spliced)
    content, bodies = targets.to_torchscript(spliced, dtype=dtype)
    return _archived(content, bodies, captured, example, choices)


def draft_pt2(
    captured: Capture,
    example: Example,
    choices: Mapping[Circuit, Choice],
    returned: Any,
    *,
    dtype: str,
    aot: bool,
) -> Draft:
    """Return a model as a PT2 archive; arguments as `draft_onnx`.

    Args:
        captured: the traced graph.
        example: the inputs it was traced with.
        choices: how circuits are computed.
        returned: what the model returns, for the structure around its tensors.
        dtype: of the circuits.
        aot: put machine code into it too.
    """
    from hybridx import targets

    args: Sequence[Tensor] = list(example.tensors.values())
    spliced = splice_circuits(captured, choices, dtype)
    targets.return_in(targets.structure_of(returned), spliced)
    content, bodies = targets.to_pt2(spliced, args, captured.shapes, aot=aot)
    return _archived(content, bodies, captured, example, choices)


def _archived(
    content: bytes,
    bodies: Sequence[tuple[int, Body]],
    captured: Capture,
    example: Example,
    choices: Mapping[Circuit, Choice],
) -> Draft:
    compiled = [
        Compiled(encode(circuit), None, choices[circuit].strategy) for circuit in captured.circuits
    ]
    inputs = describe_inputs(captured, example)

    def written(metadata: Metadata) -> Content:
        names = captured.output_names
        entries = archive_entries(metadata, inputs, names, compiled, bodies)
        return with_entries(content, entries)

    return Draft(written)
