"""Run the eager model: an export starts from its values and is compared with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pennylane as qml
import torch

from hybridx.capture.python.patches import TORCH_THREADS, intercepting, switched


def exact(qnode: Any) -> Any:
    """Return a QNode that gives exact values, whatever shots it was made with.

    A circuit on many wires is run light cone by light cone.
    """
    if qnode.shots.total_shots:
        qnode = qml.set_shots(qnode, shots=None)
    wires = qnode.device.wires
    return _in_cones(qnode) if wires is None or len(wires) > WHOLE else qnode


def copies_of(qnode: Any) -> int | None:
    """Return the number of entries of a QNode's shot vector, or None if it has none."""
    shots = qnode.shots
    return int(shots.num_copies) if shots.has_partitioned_shots else None


def run_exactly(original: Any, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the exact results of a QNode: for a shot vector, those of each entry, all equal.

    Args:
        original: `QNode.__call__`.
        qnode: that is called.
        args: by position.
        kwargs: by name.
    """
    results = original(exact(qnode), *args, **kwargs)
    copies = copies_of(qnode)
    return results if copies is None else (results,) * copies


WHOLE = 16
"""A circuit on more wires than this is simulated light cone by light cone, if it can be."""


def cone_tapes(tape: Any) -> list[tuple[tuple[int, ...], Any]]:
    """Return tapes for the measurements, each with only the operators in their light cones.

    With each tape come the indices of its measurements, whose cones have the same wires. A tape on
    few wires, or one that cannot be cut, is returned whole with all its measurements.
    """
    whole = [(tuple(range(len(tape.measurements))), tape)]
    if len(tape.wires) <= WHOLE or any(not one.wires for one in tape.measurements):
        return whole
    operators = [part for operator in tape.operations for part in _parts(operator)]
    if any(isinstance(operator, qml.ops.MidMeasure) for operator in operators):
        return whole
    numbers: dict[frozenset[Any], list[int]] = defaultdict(list)
    kept: dict[frozenset[Any], set[int]] = defaultdict(set)
    for number, measured in enumerate(tape.measurements):
        wires, places = _cone(operators, measured.wires)
        numbers[wires].append(number)
        kept[wires] |= places
    return [
        (
            tuple(some),
            qml.tape.QuantumScript(
                [operators[place] for place in sorted(kept[wires])],
                [tape.measurements[number] for number in some],
                shots=tape.shots,
            ),
        )
        for wires, some in numbers.items()
    ]


def _parts(operator: Any) -> Iterator[Any]:
    """Yield the operators that a template on many wires decomposes to, or the operator itself."""
    if len(operator.wires) > WHOLE and operator.has_decomposition:
        for part in operator.decomposition():
            yield from _parts(part)
    else:
        yield operator


def _cone(operators: Sequence[Any], measured: Iterable[Any]) -> tuple[frozenset[Any], set[int]]:
    """Return the wires of a light cone, and the indices of the operators in it."""
    wires, places = set(measured), set()
    for place, operator in reversed(list(enumerate(operators))):
        if not wires.isdisjoint(operator.wires):
            wires.update(operator.wires)
            places.add(place)
    return frozenset(wires), places


# PennyLane has no type annotations.
@qml.transform  # type: ignore[untyped-decorator]
def _in_cones(tape: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """Run a wide tape cone by cone: PennyLane itself simulates all wires at once."""
    groups = cone_tapes(tape)

    def join(results: Sequence[Any]) -> Any:
        found: dict[int, Any] = {}
        for (numbers, _), result in zip(groups, results, strict=True):
            found |= zip(numbers, result if len(numbers) > 1 else [result], strict=True)
        in_order = tuple(found[number] for number in sorted(found))
        return in_order if len(in_order) > 1 else in_order[0]

    return [one for _, one in groups], join


@contextmanager
def eagerly() -> Iterator[None]:
    """While active, there are no gradients, every QNode is exact, and torch uses one thread."""

    def call(original: Any, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return run_exactly(original, qnode, args, kwargs)

    with switched(TORCH_THREADS), intercepting(qnode_call=call), torch.no_grad():
        yield
