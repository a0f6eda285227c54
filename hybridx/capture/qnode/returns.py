"""What a recorded call returns: the results of its circuit, nested as in the quantum function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pennylane as qml
import torch
from torch import Tensor

from hybridx.capture.python.tracers import array_of
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
    """

    index: int
    circuit: Circuit
    readings: tuple[Reading, ...]
    structure: Any
    batch: tuple[Any, ...]
    dtype: torch.dtype
    is_numpy: bool
    is_list: bool


def returned(call: RecordedCall, results: Tensor, layer_axes: int | None) -> Any:
    """Return the results in the form that the caller expects.

    Args:
        call: which circuit was recorded for it.
        results: shape `(batch, M)` or `(M,)`.
        layer_axes: the number of batch axes where a TorchLayer called, else None.
    """
    if call.is_list and layer_axes == results.dim() - 1:
        return results  # a TorchLayer would stack the list to this tensor
    return _nested(call, results)


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
