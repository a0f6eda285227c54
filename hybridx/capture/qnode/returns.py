"""What a recorded call returns: the results of its circuit, nested as in the quantum function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pennylane as qml
import torch
from torch import Tensor

from hybridx.capture.python.tracers import array_of, is_traced
from hybridx.capture.qnode.measurements import Reading
from hybridx.circuit import Circuit, Result, result_layout


@dataclass(frozen=True)
class RecordedCall:
    """A QNode call whose quantum function was traced.

    Attributes:
        index: the index of its circuit.
        circuit: parameter column i is the i-th angle of the call.
        readings: what the quantum function returns, each from measurements of the circuit.
        structure: how the quantum function nests its measurements.
        batch: `(batch,)`, or `()` where no angle has one.
        dtype: of what the call returns in the eager model.
        is_numpy: it returns NumPy's own arrays and numbers, not tensors.
        is_list: it returns a list of real tensors, the columns of its results.
        copies: the number of entries of its shot vector; each has these results. None without one.
    """

    index: int
    circuit: Circuit
    readings: tuple[Reading, ...]
    structure: Any
    batch: tuple[Any, ...]
    dtype: torch.dtype
    is_numpy: bool
    is_list: bool
    copies: int | None = None


def returned(call: RecordedCall, results: Tensor, layer_axes: int | None) -> Any:
    """Return the results in the form that the caller expects.

    Args:
        call: which circuit was recorded for it.
        results: shape `(batch, M)` or `(M,)`.
        layer_axes: the number of batch axes where a TorchLayer called, else None.
    """
    if call.is_list and layer_axes == results.dim() - 1:
        return results  # a TorchLayer would stack the list to this tensor
    value = _nested(call, results)
    return value if call.copies is None else (value,) * call.copies


def structure_of(measured: Any, count: int) -> Any:
    """Return how the results of a circuit are nested.

    Args:
        measured: the measurements, nested as the quantum function returns them.
        count: of the results; if a transform has changed it, they are a tuple, or alone.
    """
    leaves, structure = qml.pytrees.flatten(measured, is_leaf=_is_measurement)
    if len(leaves) == count:
        return structure
    _, structure = qml.pytrees.flatten((0,) * count if count > 1 else 0)
    return structure


def in_form(result: Any, measured: Any, copies: int | None, *, is_numpy: bool) -> Any:
    """Return what PennyLane has joined from several circuits in the form that the caller expects.

    Args:
        result: as a transform's own function returns it.
        measured: what the quantum function returns.
        copies: the number of entries of a shot vector.
        is_numpy: the caller gets NumPy's own arrays and numbers.
    """
    written, structure = qml.pytrees.flatten(measured, is_leaf=_is_measurement)
    found, own = qml.pytrees.flatten(result)
    if is_numpy:
        found = [array_of(leaf) if is_traced(leaf) else leaf for leaf in found]
    value = qml.pytrees.unflatten(found, structure if len(found) == len(written) else own)
    return value if copies is None else (value,) * copies


def _is_measurement(item: Any) -> bool:
    return isinstance(item, qml.measurements.MeasurementProcess)


def _nested(call: RecordedCall, results: Tensor) -> Any:
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
    value = results[..., place.offset : place.offset + size].reshape((*batch, *place.shape))
    if not place.is_complex:
        return value
    start = place.offset + size
    imaginary = results[..., start : start + size].reshape((*batch, *place.shape))
    return torch.complex(value, imaginary)
