"""The circuits of a QNode call: tapes of operators and measurements after all transforms."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeAlias

import pennylane as qml
from pennylane.transforms.core import BoundTransform

from hybridx.capture.qnode.mid_measurements import in_circuit_order
from hybridx.errors import UnsupportedMeasurementError, UnsupportedOperatorError

# Transforms that change how a device computes and not its results.
_NEUTRAL = frozenset({
    "batch_input", "batch_params", "broadcast_expand", "cancel_inverses", "combine_global_phases",
    "commute_controlled", "compile", "decompose", "defer_measurements", "diagonalize_measurements",
    "merge_amplitude_embedding", "merge_rotations", "remove_barrier", "single_qubit_fusion",
    "split_non_commuting", "split_to_single_terms", "undo_swaps", "unitary_to_rot",
})  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One circuit of a QNode call.

    Attributes:
        tape: without mid-circuit measurements: further wires hold their outcomes.
        kept: the wires whose outcome is postselected, each with the outcome.
    """

    tape: Any
    kept: tuple[tuple[Any, int], ...]


@dataclass(frozen=True)
class Parts:
    """What the circuit of a QNode call is after all transforms.

    Attributes:
        returned: what the quantum function returns.
        parts: one, unless a transform makes several circuits of one.
        joined: PennyLane's own function from the results of all parts to that of the quantum
            function; None if the only part has these results.
    """

    returned: Any
    parts: tuple[Part, ...]
    joined: Callable[[Sequence[Any]], Any] | None


def parts_of(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Parts:
    """Return the circuits of a QNode call after the transforms of the QNode and of its device.

    Raises:
        UnsupportedOperatorError: a transform differentiates the QNode.
    """
    with qml.queuing.AnnotatedQueue() as queue:
        returned = qnode.func(*args, **kwargs)
    tapes = [qml.tape.QuantumScript.from_queue(queue)]
    joins: list[_Join] = []
    for transform in [*qnode.compile_pipeline, *_of_device(qnode.device)]:
        name = transform.tape_transform.__name__
        if name in _NEUTRAL:
            continue
        if transform.classical_cotransform is not None or transform.is_informative:
            raise UnsupportedOperatorError(layer, f"the transform {name}")
        tapes, join = _applied(transform, tapes)
        joins += [] if join is None else [join]
    parts = tuple(_part(tape, layer) for tape in tapes)
    return Parts(returned, parts, functools.partial(_joined, joins[::-1]) if joins else None)


_Join: TypeAlias = Callable[[Sequence[Any]], list[Any]]


def _applied(transform: Any, tapes: Sequence[Any]) -> tuple[list[Any], _Join | None]:
    """Return the tapes that a transform makes of some, and how their results are joined again."""
    made = [transform(tape) for tape in tapes]
    found = [tape for some, _ in made for tape in some]
    if all(len(some) == 1 and _is_first(post) for some, post in made):
        return found, None

    def join(results: Sequence[Any]) -> list[Any]:
        rest = iter(results)
        return [post(tuple(islice(rest, len(some)))) for some, post in made]

    return found, join


def _is_first(post: Callable[[Sequence[Any]], Any]) -> bool:
    """Return whether a function returns the first of the results that it is given, as they are."""
    mark = object()
    try:
        return post((mark,)) is mark
    except Exception:  # it computes with results, and may raise anything on a mark
        return False


def _joined(joins: Sequence[_Join], results: Sequence[Any]) -> Any:
    for join in joins:
        results = join(results)
    return results[0]


def _of_device(device: Any) -> list[Any]:
    """Return the transforms that were applied to a device, after the device's own decomposition.

    A noise model finds the gates that the device runs, not the templates that were written.
    """
    found = []
    while hasattr(device, "original_device"):
        found.append(BoundTransform(device.transform, args=device.targs, kwargs=device.tkwargs))
        device = device.original_device
    if not found:
        return []
    own = [
        one for one in device.preprocess_transforms() if one.tape_transform.__name__ == "decompose"
    ]
    return [*own, *reversed(found)]


def _part(tape: Any, layer: str) -> Part:
    kept: tuple[tuple[Any, int], ...] = ()
    if any(isinstance(o, qml.measurements.MidMeasureMP | qml.ops.Conditional) for o in tape):
        tape, kept = _unselected(in_circuit_order(tape))
        (tape,), _ = qml.defer_measurements(tape)
    if any(isinstance(mp, qml.measurements.ProbabilityMP) and mp.obs for mp in tape.measurements):
        tape = _diagonalized(tape, layer)
    return Part(tape, kept)


def _unselected(tape: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Return the tape without postselection, and new wires with the outcomes to select."""
    operations: list[Any] = []
    kept: list[tuple[Any, int]] = []
    for operation in tape.operations:
        value = getattr(operation, "postselect", None)
        if value is not None:
            label = f"postselected {len(kept)}"
            kept.append((label, int(value)))
            operations.append(qml.CNOT([*operation.wires, label]))
            operation = type(operation)(
                operation.wires, reset=operation.reset, meas_uid=operation.meas_uid
            )
        operations.append(operation)
    return qml.tape.QuantumScript(operations, tape.measurements), tuple(kept)


def _diagonalized(tape: Any, layer: str) -> Any:
    """Return the tape with the probabilities of an observable as those of its wires."""
    if len(tape.measurements) != 1:
        raise UnsupportedMeasurementError(
            layer, str(tape.measurements), "probabilities of an observable have to stand alone"
        )
    (measured,) = tape.measurements
    return qml.tape.QuantumScript(
        [*tape.operations, *measured.diagonalizing_gates()], [qml.probs(wires=measured.wires)]
    )


def number_wires(qnode: Any, tape: Any) -> dict[Any, int]:
    """Number the wires in the device's order; without one, in the order of first use.

    Unused wires of the device are included only if all wires are measured.
    """
    used = list(tape.wires)
    known = [] if qnode.device.wires is None else list(qnode.device.wires)
    measures_all = any(not mp.wires and mp.obs is None for mp in tape.measurements)
    kept = [label for label in known if measures_all or label in used]
    labels = kept + [label for label in used if label not in known]
    return {label: number for number, label in enumerate(labels or [0])}


def is_mixed(qnode: Any, layer: str) -> bool:
    """Return whether the device's states are density matrices.

    Raises:
        UnsupportedOperatorError: the device adds readout errors to what is measured.
    """
    if getattr(qnode.device, "readout_err", None):
        raise UnsupportedOperatorError(layer, "a device with readout errors")
    return bool(qnode.device.name == "default.mixed")


class Layer(str):
    """Where a QNode stands in a model, in the user's words.

    Attributes:
        node: the same as the name of a node of a graph: `/net/1/circuit`.
    """

    __slots__ = ("node",)
    node: str

    def __new__(cls, words: str, node: str) -> Self:
        """Return the words, with the name of the node."""
        layer = super().__new__(cls, words)
        layer.node = node
        return layer


def describe_qnode(qnode: Any, path: str) -> Layer:
    """Return where a QNode stands: its module's path in the model, its function, file and line."""
    function = inspect.unwrap(qnode.func)
    code = getattr(function, "__code__", None)
    where = f" at {Path(code.co_filename).name}:{code.co_firstlineno}" if code else ""
    name = getattr(function, "__name__", type(function).__name__)
    words = f"{path or 'the model itself'!r} (circuit {name!r}{where})"
    # Names that protobuf cannot hold become question marks.
    node = "/".join(["", *filter(None, path.split(".")), name])
    return Layer(words, node.encode(errors="replace").decode())
