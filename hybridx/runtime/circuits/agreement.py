"""Whether the compiled bodies of a file compute its circuits, whatever the file says of itself.

Who changes a file can make every digest in it right again, so this module compares numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import onnx as onnx_package
from numpy.typing import NDArray

from hybridx.artifact import (
    PARAMETERS,
    RESULTS,
    Compiled,
    OnnxArtifact,
    body_hash,
    circuit_function,
)
from hybridx.circuit import Circuit, encode, has_channel, restrict, simulate
from hybridx.errors import (
    BodyMismatchError,
    LoweringError,
    OptionError,
    UncheckedBodyError,
)
from hybridx.runtime import onnx
from hybridx.runtime.circuits.alone import body_model, circuit_calls
from hybridx.version import __version__

ROWS: Final = 3
"""Rows of random parameters on which a body and its circuit are compared."""

MOST_AMPLITUDES: Final = 2**30
"""Amplitudes that the simulation of a circuit may visit, which takes about half a minute."""

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
    artifact: OnnxArtifact, *, accept_unchecked: bool = False, may_run: bool = True
) -> tuple[Agreement, ...]:
    """Compare each compiled body of a file with its circuit.

    If this version of hybridx wrote the file, the circuit is compiled again: the same bytes show
    that they agree. Otherwise both are run on random parameters, which the file cannot know; the
    circuit on the exact simulator, one light cone at a time if it is wide. Circuits without a body
    are left out.

    Args:
        artifact: the file.
        accept_unchecked: go on where a circuit is too wide for both.
        may_run: run bodies in this process; without it, circuits are only compiled again.

    Raises:
        BodyMismatchError: a body computes something else; the tolerance is not the file's.
        UncheckedBodyError: a circuit is too wide, or would have to run.
    """
    bodies = {function.name: function for function in artifact.model.functions}
    dtypes = {call.function: call.dtype for call in circuit_calls(artifact)}
    found = []
    for name, circuit in artifact.circuits.items():
        if name not in bodies or name not in dtypes:
            continue
        if _is_compiled_again(artifact, name, bodies[name], dtypes[name]):
            found.append(Agreement(name, "compiled again"))
            continue
        reason = "--isolated keeps it from running here"
        if may_run:
            cones = _cones(circuit)
            amplitudes = sum(map(_amplitudes, cones))
            if amplitudes <= MOST_AMPLITUDES:
                _compare(artifact, name, cones, dtypes[name])
                found.append(Agreement(name, "simulated"))
                continue
            reason = (
                f"a simulation would visit 2^{math.log2(amplitudes):.0f} amplitudes, the limit is "
                f"2^{math.log2(MOST_AMPLITUDES):.0f}"
            )
        if not accept_unchecked:
            raise UncheckedBodyError(artifact.path, name, reason, artifact.metadata.version)
        found.append(Agreement(name, "not checked"))
    return tuple(found)


def _is_compiled_again(
    artifact: OnnxArtifact, name: str, body: onnx_package.FunctionProto, dtype: np.dtype
) -> bool:
    """Return whether this hybridx wrote the file, and makes the same body of the circuit."""
    if artifact.metadata.version != __version__:
        return False
    # A run of a file that nobody has changed needs no compiler.
    from hybridx.lowering import choose
    from hybridx.passes import run_passes
    from hybridx.program.to_onnx import emit_body

    circuit = artifact.circuits[name]
    try:
        choice = choose(run_passes(circuit), artifact.strategies.get(name) or None)
    except (LoweringError, OptionError):
        return False
    nodes = emit_body(choice.plan.build(), dtype=dtype, parameters=PARAMETERS, results=RESULTS)
    (opset,) = (one.version for one in body.opset_import if not one.domain)
    made = circuit_function(Compiled(encode(circuit), nodes, choice.strategy), opset)
    return made is not None and body_hash(made) == body_hash(body)


def _cones(circuit: Circuit) -> tuple[Circuit, ...]:
    """Return the circuit, or if it is too wide one circuit for each of its measurements."""
    if _amplitudes(circuit) <= MOST_AMPLITUDES:
        return (circuit,)
    return tuple(restrict(circuit, [measurement]) for measurement in circuit.measurements)


def _amplitudes(circuit: Circuit) -> int:
    """Return how many amplitudes are visited when a circuit is simulated on all rows."""
    axes = circuit.wires * (2 if has_channel(circuit) else 1)
    terms = sum(len(getattr(one, "terms", ())) or 1 for one in circuit.measurements)
    return ROWS * (len(circuit.operations) + terms) * (1 << axes)


def _compare(artifact: OnnxArtifact, name: str, cones: Sequence[Circuit], dtype: np.dtype) -> None:
    columns = artifact.circuits[name].parameters
    drawn = np.random.default_rng().uniform(-np.pi, np.pi, (ROWS, columns))
    parameters = drawn.astype(dtype)
    session = onnx.start(body_model(artifact.model, name, dtype), artifact.path)
    actual = onnx.run(session, [RESULTS], {PARAMETERS: parameters})[RESULTS]
    expected = np.concatenate([simulate(cone, parameters) for cone in cones], axis=1)
    tolerance = _TOLERANCE[dtype.name]
    worst = _largest_difference(actual, expected)
    if not worst <= tolerance:
        raise BodyMismatchError(artifact.path, name, worst, tolerance)


def _largest_difference(actual: NDArray[np.floating], expected: NDArray[np.float64]) -> float:
    """Return the largest difference, of numbers larger than one relative to the largest."""
    if actual.shape != expected.shape:
        return math.inf
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    return float(np.abs(actual - expected).max(initial=0)) / scale
