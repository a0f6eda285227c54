"""A QNode call while tracing: its tape becomes a circuit, the call one opaque operator.

Nothing is simulated, so neither the device nor the differentiation method matters. Arithmetic
that the quantum function does on its arguments becomes ordinary nodes of the traced graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.capture.graph.ops import AGAIN_OP, QNODE_OP, batch_of
from hybridx.capture.model.eager import cone_tapes, exact
from hybridx.capture.python.concrete_values import Known
from hybridx.capture.python.patches import followed
from hybridx.capture.python.refusals import refuse_device, refuse_unseeded
from hybridx.capture.python.tracers import array_of, as_tensors, holds_traced, joined
from hybridx.capture.qnode.call_key import likeness, tensors_of
from hybridx.capture.qnode.measurements import Reader, Reading
from hybridx.capture.qnode.mid_measurements import in_circuit_order
from hybridx.capture.qnode.operators import Translator
from hybridx.circuit import Angle, Circuit, Parameter, Result, result_count, result_layout
from hybridx.errors import (
    CircuitTooLargeError,
    UnsupportedMeasurementError,
    UnsupportedOperatorError,
)


@dataclass(frozen=True)
class Call:
    """The inside of a QNode call, once traced.

    Attributes:
        index: of its circuit.
        circuit: parameter column i is the i-th angle of the call.
        readings: what the quantum function returns, each from measurements of the circuit.
        structure: how the quantum function nests its measurements.
        batch: `(batch,)`, or `()` where no angle has one.
        dtype: of what the call returns in the eager model.
        is_numpy: it returns NumPy's own arrays and numbers, not tensors.
        is_list: it returns a list of real tensors, the columns of its results.
    """

    index: int
    circuit: Circuit
    readings: tuple[Reading, ...]
    structure: Any
    batch: tuple[Any, ...]
    dtype: torch.dtype
    is_numpy: bool
    is_list: bool


@dataclass
class Recording:
    """The circuits met while tracing.

    Attributes:
        dtypes: what each call returns in the eager model, in the order of the calls; None for
            NumPy's own arrays and numbers.
        values: the weights, and what else has a value while tracing.
        joins: trace the inside of calls that are alike once only.
        circuits: one for each call whose inside was traced, in order.
        layers: where each of these stands, in the user's words.
        known: the calls whose inside was traced, by what makes others like them.
        calls: how many there were.
        layer_axes: while a TorchLayer calls, the number of batch axes of its input.
    """

    dtypes: Sequence[torch.dtype | None]
    values: Known
    joins: bool = False
    circuits: list[Circuit] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    known: dict[Hashable, Call] = field(default_factory=dict)
    calls: int = 0
    layer_axes: int | None = None


@contextmanager
def rehearsed(model: nn.Module) -> Iterator[tuple[list[torch.dtype | None], list[str]]]:
    """While active, QNodes run exactly; what dtype each call returns, and where, is noted.

    PennyLane's Torch interface gives float64 from default.qubit, float32 from lightning.qubit:
    what follows a call in the model depends on it, and only running it tells. Measurements
    without a rule are refused here, before the model stumbles over what they return.
    """
    dtypes: list[torch.dtype | None] = []
    layers: list[str] = []

    def call(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Any:
        refuse_device(qnode.device, layer)
        _, tape, kept = _queue(qnode, args, kwargs, layer)
        refuse_unseeded(tape, layer)
        is_mixed = _is_mixed(qnode, layer)
        reader = Reader(_wires(qnode, tape), layer, is_mixed, kept)
        for measured in tape.measurements:
            reader.reading(measured)
        widest = max(len(one.wires) for _, one in cone_tapes(tape))
        _check_size(widest, (4 if is_mixed else 2) ** widest * (tape.batch_size or 1))
        returned = _ORIGINAL(exact(qnode), *args, **kwargs)
        leaves, _ = qml.pytrees.flatten(returned)
        found = [leaf.dtype for leaf in leaves if isinstance(leaf, Tensor)]
        dtypes.append(found[0].to_real() if found else None)
        layers.append(layer)
        return returned

    with _every_call(model, call):
        yield dtypes, layers


@contextmanager
def recorded(
    model: nn.Module, dtypes: Sequence[torch.dtype | None], *, joins: bool
) -> Iterator[Recording]:
    """While active, every QNode call in `model` is recorded instead of run.

    Args:
        model: whose submodules are named in messages.
        dtypes: what each call returns, in order, as `rehearsed` noted it.
        joins: calls like an earlier one become `hybridx::again`, to be joined afterwards.
    """
    recording = Recording(dtypes, Known(model), joins)

    def call(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> Any:
        return _record(qnode, args, kwargs, recording, layer)

    following = followed(model, recording.values)
    with (
        _every_call(model, call),
        _layers_told(recording),
        _amplitudes_by_torch(),
        _lists_by_torch(),
        _numbers_unseen(),
        following,
    ):
        yield recording


EAGER_BYTES = 4 * 2**30
"""The most that the eager model's own simulation may take for the example."""


def _check_size(wires: int, amplitudes: int) -> None:
    """Refuse a simulation before PennyLane allocates anything for it."""
    needed = 16 * amplitudes  # complex128
    if needed > EAGER_BYTES:
        raise CircuitTooLargeError(wires, f"{needed / 2**30:.0f} GiB", f"{EAGER_BYTES >> 30} GiB")


_ORIGINAL = qml.QNode.__call__


@contextmanager
def _amplitudes_by_torch() -> Iterator[None]:
    """While active, amplitudes are padded and normalised by torch operations.

    PennyLane's own preparation looks at the numbers and fixes the batch size.
    """
    original = qml.StatePrep.__dict__["_preprocess"]

    def preprocess(
        state: Any, wires: Any, pad_with: Any, normalize: bool, validate_norm: bool
    ) -> Any:
        state = _one_tensor(state)
        if not isinstance(state, Tensor):
            return original.__func__(state, wires, pad_with, normalize, validate_norm)
        amplitudes = state
        if not (amplitudes.is_floating_point() or amplitudes.is_complex()):
            amplitudes = amplitudes.to(torch.get_default_dtype())
        if pad_with is not None:
            missing = 2 ** len(qml.wires.Wires(wires)) - amplitudes.shape[-1]
            amplitudes = torch.nn.functional.pad(amplitudes, (0, missing), value=pad_with)
        if normalize or pad_with is not None:
            amplitudes = amplitudes / torch.linalg.vector_norm(amplitudes, dim=-1, keepdim=True)
        return amplitudes

    qml.StatePrep._preprocess = staticmethod(preprocess)
    try:
        yield
    finally:
        qml.StatePrep._preprocess = original


@contextmanager
def _lists_by_torch() -> Iterator[None]:
    """While active, an operator takes a list of tensors, `AngleEmbedding([a, b])`, for one tensor.

    PennyLane's own makes an array of it, which needs the numbers.
    """
    original = qml.operation.Operator.__init__

    def init(operator: Any, *params: Any, **kwargs: Any) -> None:
        original(operator, *map(_one_tensor, params), **kwargs)

    qml.operation.Operator.__init__ = init
    try:
        yield
    finally:
        qml.operation.Operator.__init__ = original


def _one_tensor(parameter: Any) -> Any:
    """Return a tensor for a list that holds values of the trace, anything else as it is."""
    is_list = isinstance(parameter, list | tuple) and holds_traced(parameter)
    return joined(parameter, torch.float64) if is_list else parameter


@contextmanager
def _numbers_unseen() -> Iterator[None]:
    """While active, PennyLane's `math` takes tensors for abstract: they have no values.

    Otherwise it looks whether strengths of channels, norms of states and coefficients are right,
    and whether the angle of an exponential is real, which autoray cannot ask torch at all.
    """
    room = qml.math
    is_abstract, real_if_close = room.is_abstract, room.real_if_close
    room.is_abstract = lambda value, like=None: (
        isinstance(value, Tensor) or bool(is_abstract(value, like))
    )
    room.real_if_close = lambda value: (
        value.real if isinstance(value, Tensor) else real_if_close(value)
    )
    try:
        yield
    finally:
        room.is_abstract = is_abstract
        room.real_if_close = real_if_close


@contextmanager
def _layers_told(recording: Recording) -> Iterator[None]:
    """While active, a recording knows of each call of a TorchLayer how many batch axes it has."""
    original = qml.qnn.TorchLayer._evaluate_qnode

    def evaluate(layer: Any, x: Tensor) -> Any:
        recording.layer_axes = x.dim() - 1
        try:
            return original(layer, x)
        finally:
            recording.layer_axes = None

    qml.qnn.TorchLayer._evaluate_qnode = evaluate
    try:
        yield
    finally:
        qml.qnn.TorchLayer._evaluate_qnode = original


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

    original, qml.QNode.__call__ = qml.QNode.__call__, call
    try:
        yield
    finally:
        qml.QNode.__call__ = original
        for hook in hooks:
            hook.remove()


# Transforms that change how a device works, not what comes out.
_NEUTRAL = frozenset({
    "batch_input", "batch_params", "broadcast_expand", "cancel_inverses", "combine_global_phases",
    "commute_controlled", "compile", "decompose", "defer_measurements", "diagonalize_measurements",
    "merge_amplitude_embedding", "merge_rotations", "remove_barrier", "single_qubit_fusion",
    "split_non_commuting", "split_to_single_terms", "undo_swaps", "unitary_to_rot",
})  # fmt: skip


def _queue(
    qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str
) -> tuple[Any, Any, tuple[tuple[Any, int], ...]]:
    """Return what the quantum function returns, its tape after the QNode's transforms, and wires.

    Nothing is measured on the way in that tape: other wires keep the outcomes. The wires returned
    are those whose outcome is postselected, each with the outcome.
    """
    with qml.queuing.AnnotatedQueue() as queue:
        returned = qnode.func(*args, **kwargs)
    tape = qml.tape.QuantumScript.from_queue(queue)
    for transform in qnode.compile_pipeline:
        name = transform.tape_transform.__name__
        if name not in _NEUTRAL:
            tape = _only(transform(tape), f"the transform {name}", layer)
    kept: tuple[tuple[Any, int], ...] = ()
    if any(isinstance(o, qml.measurements.MidMeasureMP | qml.ops.Conditional) for o in tape):
        tape, kept = _unselected(in_circuit_order(tape))
        tape = _only(qml.defer_measurements(tape), "its mid-circuit measurements", layer)
    if any(isinstance(mp, qml.measurements.ProbabilityMP) and mp.obs for mp in tape.measurements):
        tape = _diagonalized(tape, layer)
    return returned, tape, kept


def _unselected(tape: Any) -> tuple[Any, tuple[tuple[Any, int], ...]]:
    """Return the tape without postselection, and new wires that keep what would be selected."""
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


def _only(transformed: Any, what: str, layer: str) -> Any:
    tapes, _ = transformed
    if len(tapes) != 1:
        raise UnsupportedOperatorError(layer, f"{what} (it makes {len(tapes)} circuits of one)")
    return tapes[0]


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


def _record(
    qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], recording: Recording, layer: str
) -> Any:
    args, kwargs = as_tensors((args, kwargs))
    position = recording.calls
    recording.calls += 1
    leaves = tensors_of(args, kwargs)
    key = likeness(qnode, args, kwargs, layer) if recording.joins else position
    known = recording.known.get(key)
    if known is not None:
        width = result_count(known.circuit)
        results = AGAIN_OP(leaves, known.batch, known.index, width, known.dtype)
        return _returned(known, results, recording)
    reads = recording.values.reads
    returned, tape, kept = _queue(qnode, args, kwargs, layer)
    angles = _Angles()
    wires = _wires(qnode, tape)
    operations = Translator(wires, angles.slot, angles.slots, layer).operations(tape.operations)
    reader = Reader(wires, layer, _is_mixed(qnode, layer), kept)
    readings = tuple(map(reader.reading, tape.measurements))
    circuit = Circuit(
        wires=len(wires),
        parameters=angles.count,
        operations=operations,
        measurements=tuple(one for reading in readings for one in reading.measurements),
        shots=qnode.shots.total_shots,
    )
    _, structure = qml.pytrees.flatten(
        returned, is_leaf=lambda item: isinstance(item, qml.measurements.MeasurementProcess)
    )
    dtype = recording.dtypes[position] if position < len(recording.dtypes) else torch.float64
    is_numpy = dtype is None
    call = Call(
        len(recording.circuits),
        circuit,
        readings,
        structure,
        batch_of(angles.tensors, angles.lengths),
        dtype or torch.float64,
        is_numpy,
        is_list=isinstance(returned, list)
        and not is_numpy
        and all(reading.value is None for reading in readings)
        and not any(place.is_complex for place in result_layout(circuit)),
    )
    recording.circuits.append(circuit)
    recording.layers.append(layer)
    is_own = any(reading.is_own for reading in readings)
    if recording.values.reads == reads and not is_own:  # else another call may see other values
        recording.known[key] = call
    inputs = leaves if recording.joins else []
    results = QNODE_OP(
        angles.tensors, inputs, call.index, result_count(circuit), call.dtype, angles.lengths
    )
    return _returned(call, results, recording)


class _Angles:
    """The tensors whose elements are parameters of a circuit, as they are met.

    Attributes:
        tensors: in the order of their parameters.
        lengths: 0 for a tensor of one parameter, else of the last axis, one parameter each.
        count: of the parameters.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.lengths: list[int] = []
        self.count = 0

    def slot(self, angle: Any) -> Angle:
        """Return the number that an angle is, or a parameter for it."""
        if not isinstance(angle, Tensor):
            number = np.asarray(angle, dtype=np.float64)
            if not number.ndim:
                return float(number)
            angle = torch.from_numpy(number)
        return self._take(angle, 0, 1)[0]

    def slots(self, angles: Any) -> tuple[Angle, ...]:
        """Return the numbers on a last axis, or parameters for them.

        They stay one tensor: a node of the graph for each of thousands of amplitudes takes minutes.
        """
        if not isinstance(angles, Tensor):
            numbers = np.asarray(angles, dtype=np.float64)
            if numbers.ndim == 1:
                return tuple(numbers.tolist())
            angles = torch.from_numpy(numbers)
        return self._take(angles, angles.shape[-1], angles.shape[-1])

    def _take(self, tensor: Tensor, length: int, count: int) -> tuple[Parameter, ...]:
        self.tensors.append(tensor)
        self.lengths.append(length)
        first, self.count = self.count, self.count + count
        return tuple(map(Parameter, range(first, self.count)))


def _returned(call: Call, results: Tensor, recording: Recording) -> Any:
    """Return the results in the form that the caller takes."""
    if call.is_list and recording.layer_axes == results.dim() - 1:
        return results  # a TorchLayer would stack the list to just that
    return _nested(call, results)


def _nested(call: Call, results: Tensor) -> Any:
    """Return the results nested as the quantum function returned its measurements."""
    batch = results.shape[:-1]
    layout = result_layout(call.circuit)
    if all(place.shape == () for place in layout):
        values = list(results.unbind(-1))
    else:
        values = [_result(results, place, batch) for place in layout]
    read: list[Any] = []
    for reading in call.readings:
        count = len(reading.measurements)
        read.append(reading.read(values[:count]))
        values = values[count:]
    if call.is_numpy:
        read = list(map(array_of, read))
    return qml.pytrees.unflatten(read, call.structure)


def _result(results: Tensor, place: Result, batch: Sequence[Any]) -> Tensor:
    """Return the result of one measurement of the circuit."""
    size = torch.Size(place.shape).numel()
    value = results[..., place.offset : place.offset + size].reshape(*batch, *place.shape)
    if not place.is_complex:
        return value
    start = place.offset + size
    imaginary = results[..., start : start + size].reshape(*batch, *place.shape)
    return torch.complex(value, imaginary)


def _wires(qnode: Any, tape: Any) -> dict[Any, int]:
    """Number the wires in the device's order; without one, in the order of first use.

    Wires of the device that nothing touches count only where everything is measured.
    """
    used = list(tape.wires)
    known = [] if qnode.device.wires is None else list(qnode.device.wires)
    measures_all = any(not mp.wires and mp.obs is None for mp in tape.measurements)
    kept = [label for label in known if measures_all or label in used]
    labels = kept + [label for label in used if label not in known]
    return {label: number for number, label in enumerate(labels or [0])}


def _is_mixed(qnode: Any, layer: str) -> bool:
    """Return whether the device's states are density matrices.

    Raises:
        UnsupportedOperatorError: it adds errors of its own to what is measured.
    """
    if getattr(qnode.device, "readout_err", None):
        raise UnsupportedOperatorError(layer, "a device with readout errors")
    return bool(qnode.device.name == "default.mixed")


def _describe(qnode: Any, path: str) -> str:
    function = inspect.unwrap(qnode.func)
    code = getattr(function, "__code__", None)
    where = f" at {Path(code.co_filename).name}:{code.co_firstlineno}" if code else ""
    name = getattr(function, "__name__", type(function).__name__)
    return f"{path or 'the model itself'!r} (circuit {name!r}{where})"
