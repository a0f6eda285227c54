"""Record QNode calls while a model is traced: a tape becomes a circuit, a call one operator.

Nothing is simulated, so neither the device nor the differentiation method matters. Arithmetic
that the quantum function does on its arguments becomes ordinary nodes of the traced graph.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import current_thread
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.capture.graph.ops import AGAIN_OP, QNODE_OP, batch_of
from hybridx.capture.model.eager import cone_tapes, copies_of, run_exactly
from hybridx.capture.python.branches import Branches
from hybridx.capture.python.concrete_values import ConcreteValues
from hybridx.capture.python.patches import current, intercepting
from hybridx.capture.python.refusals import refuse, refuse_device, refuse_unseeded
from hybridx.capture.python.tracers import as_tensors
from hybridx.capture.python.user_names import names_replaced
from hybridx.capture.qnode.call_key import call_key, tensors_of
from hybridx.capture.qnode.dependence import CallOrder
from hybridx.capture.qnode.differentiable import TracedCall
from hybridx.capture.qnode.measurements import Reader
from hybridx.capture.qnode.operators import Translator
from hybridx.capture.qnode.returns import RecordedCall, in_form, returned, structure_of
from hybridx.capture.qnode.tape import Layer, Part, describe_qnode, is_mixed, number_wires, parts_of
from hybridx.capture.torch_internals import is_fake, map_leaves, modules_of
from hybridx.circuit import Angle, Circuit, Parameter, result_count, result_layout
from hybridx.errors import CaptureError, CircuitTooLargeError


@dataclass
class Recording:
    """The circuits met while tracing.

    Attributes:
        dtypes: of what each call returns in the eager model, in the order of the calls; None for
            NumPy's own arrays and numbers.
        values: the weights, and all other values that are known while tracing.
        branches: the branches on data.
        joins: trace the quantum function only once for calls with equal keys.
        differentiates: the model takes derivatives, perhaps of circuits.
        circuits: one for each call whose quantum function was traced, in order.
        layers: where each of these stands, in the user's words.
        known: the calls whose quantum function was traced, by their keys.
        calls: how many calls there were.
        layer_axes: while a TorchLayer calls, the number of batch axes of its input.
    """

    dtypes: Sequence[torch.dtype | None]
    values: ConcreteValues
    branches: Branches
    joins: bool = False
    differentiates: bool = False
    circuits: list[Circuit] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    known: dict[Hashable, RecordedCall] = field(default_factory=dict)
    calls: int = 0
    layer_axes: int | None = None

    def restart(self) -> None:
        """Begin another way through the model: its first call is the first call again."""
        self.known.clear()
        self.calls = 0


@contextmanager
def rehearsed(
    model: nn.Module, order: CallOrder
) -> Iterator[tuple[list[torch.dtype | None], list[str]]]:
    """While active, QNodes run exactly; the dtype that each call returns, and its place, are noted.

    PennyLane's Torch interface returns float64 from default.qubit and float32 from lightning.qubit.
    The rest of the model depends on this dtype, which only a run shows. Measurements without a rule
    are refused here, before the model fails on their results.

    Args:
        model: whose submodules are named in messages.
        order: notes which calls depend on each other.
    """
    dtypes: list[torch.dtype | None] = []
    layers: list[str] = []

    def call(
        original: Any, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str
    ) -> Any:
        with order.calling(layer, (args, kwargs)) as made:
            try:
                _check_call(qnode, args, kwargs, layer)
            except CaptureError as error:
                refuse(error)
                results = original(qnode, *args, **kwargs)  # samples and counts need its shots
            else:
                results = run_exactly(original, qnode, args, kwargs)
            made.append(results)
        collector = current().collector
        if collector is not None:
            collector.answers.append(results)
        leaves, _ = qml.pytrees.flatten(results)
        found = [leaf.dtype for leaf in leaves if isinstance(leaf, Tensor)]
        dtypes.append(found[0].to_real() if found else None)
        layers.append(layer)
        return results

    with every_call(model, call):
        yield dtypes, layers


def _check_call(qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: str) -> None:
    """Refuse a call that can have no circuit, or whose simulation is too large.

    Raises:
        CaptureError: the device, a template or a measurement has no rule.
        CircuitTooLargeError: it needs more memory than `EAGER_BYTES`.
    """
    refuse_device(qnode.device, layer)
    mixes = is_mixed(qnode, layer)
    for part in parts_of(qnode, args, kwargs, layer).parts:
        refuse_unseeded(part.tape, layer)
        reader = Reader(number_wires(qnode, part.tape), layer, mixes, part.kept)
        for measured in part.tape.measurements:
            reader.reading(measured)
        widest = max(len(one.wires) for _, one in cone_tapes(part.tape))
        _check_size(widest, (4 if mixes else 2) ** widest * (part.tape.batch_size or 1))


@contextmanager
def recorded(
    model: nn.Module,
    dtypes: Sequence[torch.dtype | None],
    readers: Sequence[dict[str, Any]] = (),
    *,
    joins: bool,
    differentiates: bool = False,
) -> Iterator[Recording]:
    """While active, every QNode call in `model` is recorded instead of run.

    Args:
        model: whose submodules are named in messages.
        dtypes: what each call returns, in order, as `rehearsed` noted it.
        readers: the globals of the functions that read numbers of tensors, as `Rehearsal` has them.
        joins: a call with the key of an earlier one becomes `hybridx::again`, to be joined later.
        differentiates: the model takes derivatives; then no calls are joined.
    """
    branches = Branches(model, lambda: recording.restart(), refuse)
    recording = Recording(dtypes, ConcreteValues(), branches, joins, differentiates)

    def call(
        _: Any, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], layer: Layer
    ) -> Any:
        position = recording.calls
        try:
            return _record(qnode, args, kwargs, recording, layer)
        except CaptureError as error:
            refuse(error)
            answers = current().collector.answers  # type: ignore[union-attr] # it took the error
            if position >= len(answers):
                raise
            return answers[position]

    def evaluate(original: Any, layer: Any, x: Tensor) -> Any:
        recording.layer_axes = x.dim() - 1
        try:
            return original(layer, x)
        finally:
            recording.layer_axes = None

    with (
        names_replaced(model, readers),
        every_call(model, call),
        intercepting(layer_call=evaluate, values=recording.values, branches=branches),
    ):
        yield recording


EAGER_BYTES = 4 * 2**30
"""The most that the eager model's own simulation may take for the example."""


def _check_size(wires: int, amplitudes: int) -> None:
    """Refuse a simulation before PennyLane allocates anything for it."""
    needed = 16 * amplitudes  # complex128
    if needed > EAGER_BYTES:
        raise CircuitTooLargeError(wires, f"{needed / 2**30:.0f} GiB", f"{EAGER_BYTES >> 30} GiB")


@contextmanager
def every_call(model: nn.Module, handle: Callable[..., Any]) -> Iterator[None]:
    """While active, QNode calls of this thread are `handle(original, qnode, args, kwargs, layer)`.

    Args:
        model: whose submodules are named in `layer`.
        handle: answers a call; `original` is `QNode.__call__`.
    """
    path: list[str] = []
    traced = current_thread()

    def call(original: Any, qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return handle(
            original, qnode, args, kwargs, describe_qnode(qnode, path[-1] if path else "")
        )

    with ExitStack() as hooks:
        for name, module in modules_of(model):

            def enter(*_: Any, name: str = name) -> None:
                if current_thread() is traced:
                    path.append(name)

            def leave(*_: Any) -> None:
                if current_thread() is traced:
                    path.pop()

            hooks.callback(module.register_forward_pre_hook(enter).remove)
            hooks.callback(module.register_forward_hook(leave, always_call=True).remove)
        hooks.enter_context(intercepting(qnode_call=call))
        yield


def _record(
    qnode: Any, args: tuple[Any, ...], kwargs: dict[str, Any], recording: Recording, layer: Layer
) -> Any:
    args, kwargs = _traced(as_tensors((args, kwargs)))
    position = recording.calls
    recording.calls += 1
    leaves = tensors_of(args, kwargs)
    key = call_key(qnode, args, kwargs, layer) if recording.joins else position
    known = recording.known.get(key)
    if known is not None:
        width = result_count(known.circuit)
        results = AGAIN_OP(leaves, known.batch, known.index, width, known.dtype)
        return returned(known, results, recording.layer_axes)
    reads, asked = recording.values.reads, recording.branches.asked
    function_called = current().function_called
    if function_called is not None:
        function_called(qnode.func)
    found = parts_of(qnode, args, kwargs, layer)
    dtype = recording.dtypes[position] if position < len(recording.dtypes) else torch.float64
    copies = copies_of(qnode)
    if found.joined is not None:
        values = []
        for part in found.parts:
            measured = part.tape.measurements
            form = measured[0] if len(measured) == 1 else tuple(measured)
            call, results = _add(recording, qnode, part, layer, form, dtype or torch.float64)
            values.append(returned(call, results, None))
        return in_form(found.joined(values), found.returned, copies, is_numpy=dtype is None)
    call, results = _add(
        recording, qnode, found.parts[0], layer, found.returned, dtype, copies, leaves
    )
    is_own = any(reading.is_own for reading in call.readings)
    is_again = key == (call_key(qnode, args, kwargs, layer) if recording.joins else position)
    # If this call read known values, a later one may read others; if it asked whether a value is
    # true, a later one may be answered otherwise. If this call changed its own key, it changed
    # something that it reads, and each later call must change it too.
    is_apart = recording.values.reads == reads and recording.branches.asked == asked
    if is_apart and not is_own and is_again:
        recording.known[key] = call
    return returned(call, results, recording.layer_axes)


def _add(
    recording: Recording,
    qnode: Any,
    part: Part,
    layer: Layer,
    measured: Any,
    dtype: torch.dtype | None,
    copies: int | None = None,
    leaves: Sequence[Tensor] = (),
) -> tuple[RecordedCall, Tensor]:
    """Record one circuit, and return it with its results.

    Args:
        recording: to which the circuit is added.
        qnode: that is called.
        part: the circuit as a tape.
        layer: where the QNode stands, in the user's words.
        measured: the measurements of the tape, nested as their results are to be.
        dtype: of the results; None for NumPy's own arrays and numbers.
        copies: the number of entries of a shot vector.
        leaves: the tensors that the QNode was called with, if calls are joined.
    """
    angles = _Angles()
    tape = part.tape
    wires = number_wires(qnode, tape)
    operations = Translator(wires, angles.slot, angles.slots, layer).operations(tape.operations)
    reader = Reader(wires, layer, is_mixed(qnode, layer), part.kept)
    readings = tuple(map(reader.reading, tape.measurements))
    circuit = Circuit(
        wires=len(wires),
        parameters=angles.count,
        operations=operations,
        measurements=tuple(one for reading in readings for one in reading.measurements),
        shots=qnode.shots.total_shots,
    )
    call = RecordedCall(
        len(recording.circuits),
        circuit,
        readings,
        structure_of(measured, len(readings)),
        batch_of(angles.tensors, angles.lengths),
        dtype or torch.float64,
        is_numpy=dtype is None,
        is_list=isinstance(measured, list)
        and dtype is not None
        and copies is None
        and all(reading.value is None for reading in readings)
        and not any(place.is_complex for place in result_layout(circuit)),
        copies=copies,
    )
    recording.circuits.append(circuit)
    recording.layers.append(layer)
    inputs = list(leaves) if recording.joins else []
    width = result_count(circuit)
    if recording.differentiates:
        made = TracedCall(call.index, width, call.dtype, tuple(angles.lengths))
        return call, made.results(angles.tensors)
    results = QNODE_OP(angles.tensors, inputs, call.index, width, call.dtype, angles.lengths)
    return call, results


def _traced(tree: Any) -> Any:
    """Return nested values with each tensor that torch does not trace as one that it traces.

    A tensor that is no weight of the model, such as one in a dict, is a tensor with numbers. Each
    operation on it gets a constant of its own in the graph, so that nothing would say that an
    argument of the call and an angle of its circuit are the same.
    """
    traced: dict[int, Tensor] = {}

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or is_fake(leaf):
            return leaf
        return traced.setdefault(id(leaf), leaf.detach())

    return map_leaves(one, tree)


class _Angles:
    """The tensors whose elements are parameters of a circuit, in the order of first use.

    Attributes:
        tensors: in the order of their parameters.
        lengths: 0 for a tensor of one parameter; otherwise the length of the last axis, with one
            parameter for each element.
        count: of the parameters.
    """

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.lengths: list[int] = []
        self.count = 0

    def slot(self, angle: Any) -> Angle:
        """Return the number of a constant angle, or a parameter for any other."""
        if not isinstance(angle, Tensor):
            number = np.asarray(angle, dtype=np.float64)
            if not number.ndim:
                return float(number)
            angle = torch.from_numpy(number)
        return self._take(angle, 0, 1)[0]

    def slots(self, angles: Any) -> tuple[Angle, ...]:
        """Return the numbers on a last axis, or parameters for them.

        They stay one tensor: with a graph node for each of thousands of amplitudes tracing takes
        minutes.
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
