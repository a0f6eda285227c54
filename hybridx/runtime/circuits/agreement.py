"""Whether the compiled bodies of a file compute its circuits, whatever the file says of itself.

Who changes a file can make every digest in it right again, so this module compares numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    TorchArtifact,
    body_hash,
    circuit_function,
)
from hybridx.bounds import CHECKED_AMPLITUDES, PLANNED_GATES
from hybridx.circuit import (
    Circuit,
    column_count,
    evaluations,
    has_channel,
    restrict,
    simulate,
)
from hybridx.errors import (
    BodyMismatchError,
    BrokenArtifactError,
    DeviceFailedError,
    LoweringError,
    OptionError,
    StoppedRunError,
    UncheckedBodyError,
    first_line,
)
from hybridx.runtime.circuits.alone import CompiledCircuit, compiled_circuits
from hybridx.storage import Array
from hybridx.version import __version__

if TYPE_CHECKING:
    from hybridx.lowering import Choice

BodyRunner: TypeAlias = Callable[[CompiledCircuit, Array], Array]
"""Returns what a compiled circuit gives for parameters of shape `(rows, P)`."""

MOST_ROWS: Final = 4
"""Rows of random parameters on which a body and its circuit are compared, at most; at least two.

A file could know a fixed number.
"""

_EXPORT_AGAIN: Final = "export the model again with this hybridx"
_WRITER: Final = "use the hybridx that wrote the file ({}), which compiles the circuit again"

# The tolerance of an export. Results larger than one are compared relative to the largest.
# float16 is what other tools make of a file of hybridx.
_TOLERANCE: Final = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-9}


@dataclass(frozen=True)
class Agreement:
    """What shows that the compiled body of a circuit computes the circuit.

    Attributes:
        circuit: its name in the file.
        shown: `compiled again` to the same bytes; `simulated` on random parameters; or
            `not checked`, which the caller accepts.
    """

    circuit: str
    shown: Literal["compiled again", "simulated", "not checked"]


def check_agreement(
    artifact: Artifact, run: BodyRunner, *, accept_unchecked: bool = False
) -> tuple[Agreement, ...]:
    """Compare each compiled body of a file with its circuit.

    If this version of hybridx wrote an ONNX file, the circuit is compiled again: the same bytes
    show that they agree. Otherwise both are run on random parameters, which the file cannot know;
    the circuit on the exact simulator, one light cone at a time if it is wide. A circuit of an
    archive of torch that is too wide for that is compiled again and run as well. Circuits without a
    body are left out.

    Args:
        artifact: the file.
        run: runs a compiled circuit of the file.
        accept_unchecked: go on where a circuit is too wide for both.

    Raises:
        BodyMismatchError: a body computes something else; the tolerance is not the file's.
        UncheckedBodyError: a circuit is too wide, or the file does not say where its body is.
    """
    found = [
        Agreement(one.circuit, _shown(artifact, one, run, accept_unchecked))
        for one in compiled_circuits(artifact)
    ]
    if isinstance(artifact, TorchArtifact):
        unknown = artifact.circuits.keys() - artifact.bodies.keys()
        reason = "files of its format do not say which part of the program it is"
    else:
        bodies = {function.name for function in artifact.model.functions}
        unknown = (artifact.circuits.keys() & bodies) - {one.circuit for one in found}
        reason = "it stands in a graph inside a node only, such as a branch of If"
    for name in sorted(unknown):
        if not accept_unchecked:
            raise UncheckedBodyError(artifact.path, name, reason, _EXPORT_AGAIN)
        found.append(Agreement(name, "not checked"))
    return tuple(found)


def check_same(
    artifact: Artifact,
    compiled: CompiledCircuit,
    run: BodyRunner,
    expected: Callable[[Array], Array],
) -> None:
    """Compare a new body of a circuit with what it should compute, on random parameters.

    Args:
        artifact: the file.
        compiled: the circuit, as it is in the file.
        run: runs the new body.
        expected: returns what it should give for parameters of shape `(rows, P)`.

    Raises:
        BodyMismatchError: it computes something else.
    """
    _compare(artifact, compiled, run, expected, MOST_ROWS)


def _shown(
    artifact: Artifact, compiled: CompiledCircuit, run: BodyRunner, accept_unchecked: bool
) -> Literal["compiled again", "simulated", "not checked"]:
    """Return what shows that one compiled body computes its circuit."""
    if isinstance(artifact, OnnxArtifact) and _is_compiled_again(artifact, compiled):
        return "compiled again"
    circuit = artifact.circuits[compiled.circuit]
    rows = int(np.random.default_rng().integers(2, MOST_ROWS, endpoint=True))
    cones = _cones(circuit, rows)
    amplitudes = sum(_amplitudes(cone, rows) for cone in cones)
    if amplitudes <= CHECKED_AMPLITUDES.limit:

        def simulated(parameters: Array) -> Array:
            return np.concatenate([simulate(cone, parameters) for cone in cones], axis=1)

        _compare(artifact, compiled, run, simulated, rows)
        return "simulated"
    again = _program_again(artifact, compiled) if isinstance(artifact, TorchArtifact) else None
    if again is not None:
        _compare(artifact, compiled, run, again, rows)
        return "compiled again"
    if not accept_unchecked:
        reason = (
            f"a simulation would visit 2^{math.log2(amplitudes):.0f} amplitudes, the limit "
            f"checked_amplitudes is "
            f"2^{math.log2(CHECKED_AMPLITUDES.limit):.0f}"
        )
        instead = _WRITER.format(artifact.metadata.version)
        raise UncheckedBodyError(artifact.path, compiled.circuit, reason, instead)
    return "not checked"


def _is_compiled_again(artifact: OnnxArtifact, compiled: CompiledCircuit) -> bool:
    """Return whether this hybridx wrote the file, and makes the same body of the circuit."""
    if artifact.metadata.version != __version__:
        return False
    choice = _choice(artifact, compiled)
    if choice is None:
        return False
    # A run of a file that nobody has changed needs no compiler.
    from hybridx.runtime.circuits.compiling import compiled_circuit

    (body,) = (one for one in artifact.model.functions if one.name == compiled.circuit)
    opset = next((one.version for one in body.opset_import if not one.domain), 0)
    circuit, program = artifact.circuits[compiled.circuit], choice.plan.build()
    # A body that was inlined once has no loop over rows.
    for loops in (True, False):
        again = compiled_circuit(circuit, choice, compiled.dtype, program, loops=loops)
        made = circuit_function(again, opset)
        if made is not None and body_hash(made) == body_hash(body):
            return True
    return False


def _program_again(
    artifact: TorchArtifact, compiled: CompiledCircuit
) -> Callable[[Array], Array] | None:
    """Return what this hybridx compiles a circuit to, or None if it does not."""
    choice = _choice(artifact, compiled)
    if choice is None:
        return None
    import torch

    from hybridx.program.to_torch import emit_module

    module = emit_module(choice.plan.build(), dtype=compiled.dtype)

    def run(parameters: Array) -> Array:
        with torch.inference_mode():
            results: Array = module(torch.from_numpy(parameters)).numpy()
        return results

    return run


def _choice(artifact: Artifact, compiled: CompiledCircuit) -> Choice | None:
    """Return how this hybridx computes a circuit, or None if it cannot."""
    from hybridx.lowering import choose, machine_of
    from hybridx.passes import run_passes

    circuit, name = artifact.circuits[compiled.circuit], compiled.circuit
    if len(circuit.operations) > PLANNED_GATES.limit:
        return None
    try:
        machine = machine_of(artifact.metadata.machine)
        return choose(run_passes(circuit), artifact.strategies.get(name) or None, machine)
    except (LoweringError, OptionError):
        return None


def _cones(circuit: Circuit, rows: int) -> tuple[Circuit, ...]:
    """Return the circuit, or if it is too wide one circuit for each of its measurements.

    A derivative is not cut: it adds up those of all measurements.
    """
    if circuit.derivative or _amplitudes(circuit, rows) <= CHECKED_AMPLITUDES.limit:
        return (circuit,)
    return tuple(restrict(circuit, [measurement]) for measurement in circuit.measurements)


def _amplitudes(circuit: Circuit, rows: int) -> int:
    """Return how many amplitudes are visited when a circuit is simulated on all rows."""
    axes = circuit.wires * (2 if has_channel(circuit) else 1)
    terms = sum(len(getattr(one, "terms", ())) or 1 for one in circuit.measurements)
    return rows * evaluations(circuit) * (len(circuit.operations) + terms) * (1 << axes)


def _compare(
    artifact: Artifact,
    compiled: CompiledCircuit,
    run: BodyRunner,
    expected: Callable[[Array], Array],
    rows: int,
) -> None:
    """Compare a body with what it should compute, on so many rows of random parameters."""
    columns = column_count(artifact.circuits[compiled.circuit])
    drawn = np.random.default_rng().uniform(-np.pi, np.pi, (rows, columns))
    parameters = drawn.astype(compiled.dtype)
    tolerance = _TOLERANCE[compiled.dtype.name]
    try:
        actual, wanted = run(compiled, parameters), expected(parameters)
    except (DeviceFailedError, StoppedRunError, BrokenArtifactError) as error:
        # Of an archive the last one says where it is broken; a body of an ONNX file gives another
        # dtype.
        if isinstance(artifact, TorchArtifact) and isinstance(error, BrokenArtifactError):
            raise
        problem = f"it does not run: {first_line(error)}"
        raise BodyMismatchError(artifact.path, compiled.circuit, problem) from error
    if actual.shape != wanted.shape:
        problem = f"it gives results of shape {actual.shape} instead of {wanted.shape}"
        raise BodyMismatchError(artifact.path, compiled.circuit, problem)
    worst = _largest_difference(actual, wanted)
    if not worst <= tolerance:
        problem = (
            f"on random parameters the results differ by {worst:.3g}, tolerance {tolerance:.0e}"
        )
        raise BodyMismatchError(artifact.path, compiled.circuit, problem)


def _largest_difference(actual: Array, expected: Array) -> float:
    """Return the largest difference, of numbers larger than one relative to the largest."""
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    return float(np.abs(actual - expected).max(initial=0)) / scale
