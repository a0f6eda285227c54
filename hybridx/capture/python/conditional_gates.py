"""`qml.cond` on data: the gates of every side, with angles that are zero where it is not taken.

PennyLane asks the condition for its value and records one side. Two ways through the model then
follow (`branches.py`), each with a circuit of its own. Where each gate of the sides is the identity
at zero angles, one circuit holds all sides, however many conditions there are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pennylane as qml
from torch import Tensor

from hybridx.capture.torch_internals import is_fake

_MOST_WIRES = 8  # of an operator whose matrix at zero angles is looked at


def conditional(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what `qml.cond` does, also for conditions that are traced."""

    @functools.wraps(original)
    def cond(
        condition: Any,
        true_fn: Callable[..., Any] | None = None,
        false_fn: Callable[..., Any] | None = None,
        elifs: Any = (),
    ) -> Any:
        by_pennylane = original(condition, true_fn, false_fn, elifs)
        sides = [(condition, true_fn), *_pairs(elifs), (True, false_fn)]
        if true_fn is None or not any(is_fake(asked) for asked, _ in sides):
            return by_pennylane

        def call(*args: Any, **kwargs: Any) -> Any:
            recorded = [_gates_of(fn, args, kwargs) for _, fn in sides]
            if not all(_can_be_off(gate) for gates in recorded for gate in gates):
                return by_pennylane(*args, **kwargs)
            _record(sides, recorded)
            return None

        return call

    return cond


def _pairs(elifs: Any) -> Sequence[tuple[Any, Any]]:
    """Return the further conditions with their functions; PennyLane takes one pair by itself."""
    is_one = len(elifs) == 2 and not isinstance(elifs[0], list | tuple)
    return [tuple(elifs)] if is_one else [tuple(pair) for pair in elifs]


def _gates_of(
    function: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    """Return what a function records, which may be an operator itself."""
    if function is None:
        return []
    with qml.queuing.AnnotatedQueue() as queue:
        function(*args, **kwargs)
    tape = qml.tape.QuantumScript.from_queue(queue)
    return [*tape.operations, *tape.measurements]


def _can_be_off(gate: Any) -> bool:
    """Return whether an operator is the identity where all its parameters are zero."""
    if not isinstance(gate, qml.operation.Operator) or len(gate.wires) > _MOST_WIRES:
        return False
    if not gate.data or not gate.has_matrix:
        return False
    shapes = [tuple(map(int, qml.math.shape(number))) for number in gate.data]
    with qml.QueuingManager.stop_recording():
        off = qml.ops.functions.bind_new_parameters(gate, [np.zeros(shape) for shape in shapes])
        matrix = qml.matrix(off)
    return bool(np.allclose(matrix, np.eye(len(matrix)), rtol=0, atol=1e-12))


def _record(sides: Sequence[tuple[Any, Any]], recorded: Sequence[list[Any]]) -> None:
    """Record the gates of every side, each with parameters that are zero unless it is taken."""
    before: Tensor | None = None  # whether an earlier side is taken
    for (asked, _), gates in zip(sides, recorded, strict=True):
        here = asked if isinstance(asked, Tensor) else None
        if here is None and not asked:
            continue
        taken = here if before is None else ~before if here is None else here.bool() & ~before
        for gate in gates:
            on = [number if taken is None else number * taken for number in gate.data]
            with qml.QueuingManager.stop_recording():
                bound = qml.ops.functions.bind_new_parameters(gate, on)
            qml.apply(bound)
        if here is None:
            return
        before = here.bool() if before is None else before | here.bool()
