"""A circuit of a file as a layer: a QNode whose angles are trained, or its compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np
import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.circuit import (
    Angle,
    Apply,
    Channel,
    Circuit,
    Operation,
    Parameter,
    Prepare,
    Unitary,
    angles_of,
    has_channel,
    result_count,
    result_layout,
)
from hybridx.lowering import choose, machine_of
from hybridx.passes import run_passes
from hybridx.program.to_torch import emit_module
from hybridx.runtime import gate_operator, measurement_process


class QNodeLayer(nn.Module):
    """A circuit as a PennyLane QNode, from `parameters` `(batch, P)` to `(batch, M)`.

    Attributes:
        circuit: what it computes, as the file holds it.
        angles: the angles of its gates that are numbers in the file, in order, in radians.
        device: on which it runs; any PennyLane device with its wires may take the place.
    """

    def __init__(self, circuit: Circuit, dtype: torch.dtype) -> None:
        super().__init__()
        self.circuit = circuit
        kind = "default.mixed" if has_channel(circuit) else "default.qubit"
        self.device = qml.device(kind, wires=circuit.wires)
        numbers = [
            float(operation.angle)
            for operation in circuit.operations
            if isinstance(operation, Apply) and isinstance(operation.angle, float | int)
        ]
        self.angles = nn.Parameter(torch.tensor(numbers, dtype=dtype)) if numbers else None

    def forward(self, parameters: Tensor) -> Tensor:
        """Return the results of all rows, in the dtype of the parameters."""
        rows = parameters.shape[0]
        if isinstance(rows, int) and rows == 0:
            return parameters.new_zeros(0, result_count(self.circuit))
        qnode = qml.QNode(self._queue, self.device, interface="torch")
        if any(_is_noise_of_data(operation) for operation in self.circuit.operations):
            # PennyLane's channels take no rows side by side.
            parts = [self._columns(qnode(row, self.angles), None) for row in parameters.unbind()]
            return torch.stack(parts).to(parameters.dtype)
        return self._columns(qnode(parameters, self.angles), rows).to(parameters.dtype)

    def _queue(self, parameters: Tensor, angles: Tensor | None) -> Any:
        """Queue the operators and return the measurements, as the function of a QNode does."""
        # A device checks states and channels to more digits than float32 has.
        parameters = parameters.to(torch.float64)
        trained = iter(() if angles is None else angles.to(torch.float64).unbind())
        for operation in self.circuit.operations:
            match operation:
                case Apply(angle=angle):
                    value = next(trained) if _is_number(angle) else _value(angle, parameters)
                    gate_operator(operation, value)
                case Unitary(wires):
                    matrix = _entries(operation, parameters, (2 ** len(wires), 2 ** len(wires)))
                    qml.QubitUnitary(matrix, wires=wires, unitary_check=False)
                case Prepare(wires):
                    state = _entries(operation, parameters, (2 ** len(wires),))
                    norm = torch.linalg.vector_norm(state, dim=-1, keepdim=True)
                    qml.StatePrep(state / norm, wires=wires)
                case Channel(wires):
                    size = 2 ** len(wires)
                    qml.QubitChannel(
                        [*completed(_entries(operation, parameters, (-1, size, size)))],
                        wires=wires,
                    )
                case _:
                    assert_never(operation)
        return [measurement_process(measurement) for measurement in self.circuit.measurements]

    def _columns(self, results: Sequence[Tensor], rows: Any) -> Tensor:
        """Return results side by side; complex ones as real, then imaginary parts."""
        columns: list[Tensor] = []
        for result, place in zip(results, result_layout(self.circuit), strict=True):
            if rows is None:
                flat = result.reshape(-1)
            elif result.ndim == len(place.shape):  # nothing in the circuit differs between rows
                flat = result.reshape(1, -1).expand(rows, -1)
            else:
                flat = result.reshape(rows, -1)
            columns.append(flat.real if flat.is_complex() else flat)
            if place.is_complex:
                columns.append(flat.imag if flat.is_complex() else torch.zeros_like(flat))
        return torch.cat([one.to(torch.float64) for one in columns], -1)


def compiled_layer(circuit: Circuit, dtype: torch.dtype, machine: str) -> nn.Module:
    """Return the compiled program of a circuit for a machine, in which its numbers are folded.

    Raises:
        CircuitTooLargeError: no strategy can simulate it.
    """
    program = choose(run_passes(circuit), machine=machine_of(machine)).plan.build()
    return emit_module(program, dtype=np.dtype(str(dtype).removeprefix("torch.")))


def _is_number(angle: Angle | None) -> bool:
    return angle is not None and not isinstance(angle, Parameter)


def _is_noise_of_data(operation: Operation) -> bool:
    return isinstance(operation, Channel) and any(
        isinstance(entry, Parameter) for entry in angles_of(operation)
    )


def _value(angle: Angle | None, parameters: Tensor) -> Any:
    """Return an angle for all rows, or for the one row of parameters of one axis."""
    if not isinstance(angle, Parameter):
        return angle
    value = parameters[..., angle.column]
    value = value if angle.scale == 1.0 else angle.scale * value
    return value if angle.offset == 0.0 else value + angle.offset


def _entries(
    operation: Unitary | Prepare | Channel, parameters: Tensor, shape: tuple[int, ...]
) -> Tensor:
    """Return the entries of an operation, with a first axis of rows if they depend on them."""

    def part(entries: tuple[Angle, ...]) -> Tensor:
        if not any(isinstance(entry, Parameter) for entry in entries):
            return torch.tensor(entries, dtype=torch.float64, device=parameters.device)
        values = [
            found
            if isinstance(found := _value(entry, parameters), Tensor)
            else torch.full_like(parameters[..., 0], found)
            for entry in entries
        ]
        return torch.stack(values, -1)

    real = part(operation.real)
    imaginary = part(operation.imaginary) if operation.imaginary else torch.zeros_like(real)
    whole = torch.complex(*torch.broadcast_tensors(real, imaginary))
    return whole.reshape(*whole.shape[:-1], *shape)


def completed(kraus: Tensor) -> Tensor:
    """Return K S^(-1/2) with S the sum of K^dagger K.

    S is 1 to the precision of float32, and a device checks it to 1e-8. Two terms of the series of
    S^(-1/2) are exact to 1e-20 then, and have a gradient, which eigenvalues that agree have not.
    """
    total = torch.einsum("kij,kil->jl", kraus.conj(), kraus)
    one = torch.eye(total.shape[0], dtype=total.dtype, device=total.device)
    off = total - one
    return kraus @ (one - off / 2 + 3 / 8 * off @ off)
