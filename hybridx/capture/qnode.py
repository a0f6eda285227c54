"""A QNode call while tracing: its tape becomes a circuit, the call one opaque operator.

Nothing is simulated, so neither the device nor the differentiation method matters. Arithmetic
that the quantum function does on its arguments becomes ordinary nodes of the traced graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.capture.opaque import QNODE_OP
from hybridx.capture.operators import to_measurement, to_operations
from hybridx.circuit import Circuit, Parameter, result_count, result_layout


@dataclass
class Recording:
    """The circuits met while tracing; parameter column i is the i-th angle of the call.

    Attributes:
        circuits: one for each call, in order.
        layers: where each call stands, in the user's words.
        dtypes: what each call returns in the eager model.
    """

    dtypes: Sequence[torch.dtype]
    circuits: list[Circuit] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)


@contextmanager
def rehearsed(model: nn.Module) -> Iterator[list[torch.dtype]]:
    """While active, QNodes run as always, and the dtype of what each call returns is noted.

    PennyLane's Torch interface gives float64 from default.qubit, float32 from lightning.qubit:
    what follows a call in the model depends on it, and only running it tells. Measurements
    without a rule are refused here, before the model stumbles over what they return.
    """
    dtypes: list[torch.dtype] = []

    def call(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Any:
        _, tape, numbers = _queue(qnode, args, kwargs)
        for measured in tape.measurements:
            to_measurement(measured, numbers, layer)
        returned = _ORIGINAL(qnode, *args, **kwargs)
        leaves, _ = qml.pytrees.flatten(returned)
        found = [leaf.dtype for leaf in leaves if isinstance(leaf, Tensor)]
        dtypes.append(found[0] if found else torch.float64)
        return returned

    with _every_call(model, call):
        yield dtypes


@contextmanager
def recorded(model: nn.Module, dtypes: Sequence[torch.dtype]) -> Iterator[Recording]:
    """While active, every QNode call in `model` is recorded instead of run.

    Args:
        model: whose submodules are named in messages.
        dtypes: what each call returns, in order, as `rehearsed` noted it.
    """
    recording = Recording(dtypes=dtypes)

    def call(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Any:
        return _record(qnode, args, kwargs, recording, layer)

    with _every_call(model, call):
        yield recording


_ORIGINAL = qml.QNode.__call__


@contextmanager
def _every_call(model: nn.Module, handle: Callable[..., Any]) -> Iterator[None]:
    """Let `handle(qnode, args, kwargs, layer)` answer every QNode call, then undo it."""
    path: list[str] = []
    hooks = []
    for name, module in model.named_modules():

        def enter(*_: Any, name: str = name) -> None:
            path.append(name)

        def leave(*_: Any) -> None:
            path.pop()

        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(leave, always_call=True))

    def call(qnode: Any, *args: Any, **kwargs: Any) -> Any:
        return handle(qnode, args, kwargs, _describe(qnode, path[-1] if path else ""))

    qml.QNode.__call__ = call
    try:
        yield
    finally:
        qml.QNode.__call__ = _ORIGINAL
        for hook in hooks:
            hook.remove()


def _queue(
    qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any, dict[Any, int]]:
    """Return what the quantum function returns, its tape, and its wires numbered."""
    with qml.queuing.AnnotatedQueue() as queue:
        returned = qnode.func(*args, **kwargs)
    tape = qml.tape.QuantumScript.from_queue(queue)
    return returned, tape, {label: i for i, label in enumerate(_wire_labels(qnode, tape))}


def _record(
    qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], recording: Recording, layer: str
) -> Any:
    returned, tape, numbers = _queue(qnode, args, kwargs)
    angles: list[Tensor] = []

    def slot(angle: Any) -> Parameter:
        angles.append(torch.as_tensor(angle))
        return Parameter(len(angles) - 1)

    circuit = Circuit(
        wires=len(numbers),
        operations=tuple(to_operations(tape.operations, numbers, slot, layer)),
        parameters=len(angles),
        measurements=tuple(to_measurement(mp, numbers, layer) for mp in tape.measurements),
        shots=qnode.shots.total_shots,
    )
    index = len(recording.circuits)
    recording.circuits.append(circuit)
    recording.layers.append(layer)
    dtype = recording.dtypes[index] if index < len(recording.dtypes) else torch.float64
    results = QNODE_OP(angles, index, result_count(circuit), dtype)
    return _in_the_shape_of(returned, circuit, results)


def _in_the_shape_of(returned: Any, circuit: Circuit, results: Tensor) -> Any:
    """Return the results nested as the quantum function returned its measurements."""
    batch = results.shape[:-1]
    values = [
        results[..., offset : offset + torch.Size(shape).numel()].reshape(batch + shape)
        for offset, shape in result_layout(circuit)
    ]
    _, structure = qml.pytrees.flatten(
        returned, is_leaf=lambda item: isinstance(item, qml.measurements.MeasurementProcess)
    )
    return qml.pytrees.unflatten(values, structure)


def _wire_labels(qnode: Any, tape: Any) -> list[Any]:
    """Return the labels in the device's order; without one, in the order of first use."""
    used = list(tape.wires)
    known = [] if qnode.device.wires is None else list(qnode.device.wires)
    return [label for label in known if label in used] + [w for w in used if w not in known]


def _describe(qnode: Any, path: str) -> str:
    function = inspect.unwrap(qnode.func)
    code = getattr(function, "__code__", None)
    where = f" at {Path(code.co_filename).name}:{code.co_firstlineno}" if code else ""
    name = getattr(function, "__name__", type(function).__name__)
    return f"{path or 'the model itself'!r} (circuit {name!r}{where})"
