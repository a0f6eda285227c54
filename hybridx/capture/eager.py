"""The eager model, run for its values: what an export starts from and is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pennylane as qml
import torch


def exact(qnode: Any) -> Any:
    """Return a QNode that gives exact values, whatever shots it was made with.

    What is wide and shallow is run light cone by light cone.
    """
    if qnode.shots.total_shots:
        qnode = qml.set_shots(qnode, shots=None)
    wires = qnode.device.wires
    return _in_cones(qnode) if wires is None or len(wires) > WHOLE else qnode


WHOLE = 16
"""The most wires that are simulated together where the results do not need it."""


def cone_tapes(tape: Any) -> list[Any]:
    """Return a tape for each measurement, with the operators in its light cone alone.

    A tape of few wires, or one that cannot be cut, is returned as it is.
    """
    if len(tape.wires) <= WHOLE or any(not one.wires for one in tape.measurements):
        return [tape]
    operators = [part for operator in tape.operations for part in _parts(operator)]
    if any(isinstance(operator, qml.ops.MidMeasure) for operator in operators):
        return [tape]
    return [
        qml.tape.QuantumScript(_cone(operators, set(one.wires)), [one], shots=tape.shots)
        for one in tape.measurements
    ]


def _parts(operator: Any) -> Iterator[Any]:
    """Yield what a template on many wires is made of, anything else as it is."""
    if len(operator.wires) > WHOLE and operator.has_decomposition:
        for part in operator.decomposition():
            yield from _parts(part)
    else:
        yield operator


def _cone(operators: Sequence[Any], wires: set[Any]) -> list[Any]:
    kept = []
    for operator in reversed(operators):
        if not wires.isdisjoint(operator.wires):
            wires.update(operator.wires)
            kept.append(operator)
    return kept[::-1]


# PennyLane has no types.
@qml.transform  # type: ignore[untyped-decorator]
def _in_cones(tape: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """Run a wide tape measurement by measurement: PennyLane itself simulates all wires at once."""
    tapes = cone_tapes(tape)
    if len(tapes) == 1:
        return tapes, lambda results: results[0]
    return tapes, tuple


@contextmanager
def eagerly() -> Iterator[None]:
    """While active, there are no gradients, every QNode is exact, and torch uses one thread.

    The tensors of small circuits are too short to share: two threads took ten times as long as one
    (4 wires, batch 16, two cores).
    """
    original, threads = qml.QNode.__call__, torch.get_num_threads()

    def call(qnode: Any, *args: Any, **kwargs: Any) -> Any:
        return original(exact(qnode), *args, **kwargs)

    qml.QNode.__call__ = call
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        qml.QNode.__call__ = original
        torch.set_num_threads(threads)
