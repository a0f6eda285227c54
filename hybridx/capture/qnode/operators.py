"""Translate PennyLane's operators to the circuit language, with their angles as slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

from hybridx.capture.python.refusals import refuse
from hybridx.capture.qnode.observables import MAX_MATRIX_WIRES
from hybridx.capture.qnode.state_preparation import prepare_state
from hybridx.circuit import (
    GATES,
    MAX_CHANNEL_WIRES,
    MAX_KRAUS,
    Angle,
    Apply,
    Channel,
    Operation,
    Prepare,
    Unitary,
)
from hybridx.errors import UnsupportedOperatorError

_MAX_DEPTH = 40  # decompositions nest a few levels; a deeper one is a cycle


@dataclass(frozen=True)
class Translator:
    """Translates the operators of a PennyLane tape to the circuit language.

    Attributes:
        wires: PennyLane's wire labels, numbered.
        slot: takes a real angle as PennyLane holds it, and returns its number or parameter.
        slots: takes real numbers on a last axis, and returns the number or parameter of each.
        layer: where the tape comes from, for messages.
    """

    wires: dict[Any, int]
    slot: Callable[[Any], Angle]
    slots: Callable[[Any], tuple[Angle, ...]]
    layer: str

    def operations(self, operators: Sequence[Any]) -> tuple[Operation, ...]:
        """Return the operators of a tape, decomposed by PennyLane's rules where needed.

        Raises:
            UnsupportedOperatorError: an operator has neither a rule nor a decomposition.
        """
        done: list[Operation] = []
        touched: set[Any] = set()
        for operator in operators:
            try:
                done += self._translate(operator, touched, depth=0)
            except UnsupportedOperatorError as error:
                refuse(error)  # where all refusals are collected, the circuit goes on without it
            touched.update(operator.wires)
        return tuple(done)

    def _translate(self, operator: Any, touched: set[Any], depth: int) -> Iterator[Operation]:
        if isinstance(operator, qml.Barrier | qml.Snapshot | qml.WireCut):
            return
        gate = self._gate(operator)
        if gate is not None:
            yield gate
        elif isinstance(operator, qml.QubitUnitary):
            yield Unitary(self._numbers(operator.wires), *self._entries(operator.data[0], 2))
        elif isinstance(operator, qml.ControlledQubitUnitary) and _is_computed(operator):
            yield self._controlled_matrix(operator)
        elif isinstance(operator, qml.operation.Channel):
            yield self._channel(operator)
        elif _is_preparation(operator) and not touched & set(operator.wires):
            yield Prepare(self._numbers(operator.wires), *self._entries(operator.data[0], 1))
        elif depth < _MAX_DEPTH and (parts := _parts(operator)) is not None:
            inside = set(touched)
            for part in parts:
                yield from self._translate(part, inside, depth + 1)
                inside.update(part.wires)
        elif operator.has_matrix and len(operator.wires) <= MAX_MATRIX_WIRES:
            yield Unitary(self._numbers(operator.wires), *self._entries(operator.matrix(), 2))
        else:
            raise UnsupportedOperatorError(self.layer, operator.name)

    def _controlled_matrix(self, operator: Any) -> Unitary:
        """Return the matrix with its controls: the identity except for one block."""
        size = 2 ** len(operator.wires)
        block = 2 ** len(operator.base.wires)
        first = block * sum(
            value << place for place, value in enumerate(reversed(operator.control_values))
        )
        entries = self._entries(operator.data[0], 2)
        real: list[Angle] = [*np.eye(size).ravel().tolist()]
        imaginary: list[Angle] = [0.0] * size**2
        for place in range(block * block):
            row, column = divmod(place, block)
            for part, whole in zip(entries, (real, imaginary), strict=True):
                if part:
                    whole[(first + row) * size + first + column] = part[place]
        wires = self._numbers(operator.control_wires + operator.base.wires)
        return Unitary(wires, tuple(real), tuple(imaginary) if entries[1] else ())

    def _channel(self, operator: Any) -> Channel:
        """Return noise by its Kraus operators; where they are numbers they need no slots."""
        try:
            kraus = _kraus(operator)
        except (RuntimeError, TypeError) as error:
            # For example, the times of ThermalRelaxationError decide which operators it has.
            strengths = f"{operator.name} with strengths that are computed"
            raise UnsupportedOperatorError(self.layer, strengths) from error
        if len(operator.wires) > MAX_CHANNEL_WIRES or len(kraus) > MAX_KRAUS:
            size = f"{len(kraus)} Kraus operators on {len(operator.wires)} wires"
            raise UnsupportedOperatorError(self.layer, f"{operator.name} of {size}")
        wires = self._numbers(operator.wires)
        if not any(isinstance(matrix, Tensor) for matrix in kraus):
            return Channel(wires, *self._entries(np.asarray(kraus), 3))
        tensors = [torch.as_tensor(matrix) for matrix in kraus]
        # Matrices of one channel differ in their dtypes (PennyLane 0.45).
        if any(tensor.is_complex() for tensor in tensors):
            tensors = [tensor.to(torch.complex128) for tensor in tensors]
        return Channel(wires, *self._entries(torch.stack(tensors), 3))

    def _gate(self, operator: Any) -> Apply | None:
        """Return the operator as one row of the table, adjoint and controlled, or None."""
        base, adjoint = operator, False
        controls: list[Any] = []
        values: list[bool] = []
        while base.name not in GATES:
            if isinstance(base, qml.ops.op_math.Adjoint):
                adjoint = not adjoint
            elif isinstance(base, qml.ops.op_math.Controlled):
                controls += base.control_wires
                values += map(bool, base.control_values)
            else:
                return None
            base = base.base
        wires = self._numbers(base.wires)
        if base.name == "GlobalPhase":
            # It acts equally on every wire; its row needs one wire that is not a control.
            wires = tuple(n for label, n in self.wires.items() if label not in controls)[:1]
        if len(wires) != GATES[base.name].wires:
            return None  # for example an Identity on several wires
        return Apply(
            gate=base.name,
            wires=wires,
            angle=self.slot(base.data[0]) if GATES[base.name].takes_angle else None,
            adjoint=adjoint,
            controls=self._numbers(controls),
            control_values=tuple(values),
        )

    def _numbers(self, labels: Sequence[Any]) -> tuple[int, ...]:
        return tuple(self.wires[label] for label in labels)

    def _entries(self, values: Any, dimensions: int) -> tuple[tuple[Angle, ...], tuple[Angle, ...]]:
        """Return slots for all entries of a vector or matrices: real parts, imaginary parts."""
        array = values if isinstance(values, Tensor) else np.asarray(values)
        flat = array.reshape(*array.shape[: array.ndim - dimensions], -1)
        is_complex = flat.is_complex() if isinstance(flat, Tensor) else flat.imag.any()
        if not is_complex:
            return self.slots(flat), ()
        return self.slots(flat.real), self.slots(flat.imag)


def _is_preparation(operator: Any) -> bool:
    return isinstance(operator, qml.StatePrep | qml.MottonenStatePreparation)


def _is_computed(operator: Any) -> bool:
    """Return whether the numbers of an operator are those of a tensor."""
    return isinstance(operator.data[0], Tensor)


def _parts(operator: Any) -> Sequence[Any] | None:
    """Return the operators that an operator decomposes to, or None to take its matrix.

    They are those of PennyLane, except where PennyLane 0.45 would read the numbers of a tensor: the
    amplitudes of a state, and the determinant of a controlled gate, which it compares with 1.
    """
    if _is_preparation(operator) and _is_computed(operator):
        return prepare_state(operator.data[0], operator.wires)
    if isinstance(operator, qml.ops.op_math.Adjoint) and not operator.base.has_adjoint:
        parts = _parts(operator.base)
        return None if parts is None else [qml.adjoint(part) for part in reversed(parts)]
    if type(operator) in (qml.ops.op_math.Controlled, qml.ops.op_math.ControlledOp):
        parts = _parts(operator.base)
        control, values = operator.control_wires, operator.control_values
        return None if parts is None else [qml.ctrl(part, control, values) for part in parts]
    return list(operator.decomposition()) if operator.has_decomposition else None


def _kraus(channel: Any) -> Sequence[Any]:
    """Return the Kraus operators of a channel: arrays, or tensors if a strength is a tensor."""
    strength = channel.data[0]
    if not (isinstance(channel, qml.PauliError) and isinstance(strength, Tensor)):
        return list(channel.kraus_matrices())
    # PennyLane 0.45 takes the root of a complex number here, for which ONNX has no operator.
    _, word = channel.compute_kraus_matrices(1.0, **channel.hyperparameters)
    kept, flipped = torch.sqrt(1 - strength), torch.sqrt(strength)
    return [kept * torch.eye(len(word), dtype=kept.dtype), flipped * torch.as_tensor(word)]
