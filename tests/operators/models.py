"""A model of one operator: `layer(op(x))`, with a quantum layer or a classical one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, nn
from torch.utils import _pytree

from tests.operators.samples import Sample

COLUMNS = 4
"""So many numbers of the operator's results reach the layer."""


class OnOperator(nn.Module):
    """A layer behind an operator; the tensors among its arguments are the inputs.

    Args:
        sample: the operator and its arguments.
        layer: takes `(1, COLUMNS)` numbers between -pi / 2 and pi / 2.
    """

    def __init__(self, sample: Sample, layer: nn.Module) -> None:
        super().__init__()
        self.operator = sample.function
        self.layer = layer
        leaves, self._structure = _pytree.tree_flatten((sample.args, dict(sample.kwargs)))
        self._leaves = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self._places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        tensors = [leaves[place] for place in self._places]
        # An operator that takes no tensor gets an input behind it.
        self._takes = bool(tensors)
        self.example = tuple(tensors) if tensors else (torch.linspace(0.1, 0.4, COLUMNS),)

    def forward(self, *tensors: Tensor) -> Tensor:
        leaves = list(self._leaves)
        if self._takes:
            for place, tensor in zip(self._places, tensors, strict=True):
                leaves[place] = tensor
        args, kwargs = _pytree.tree_unflatten(leaves, self._structure)
        numbers = columns(self.operator(*args, **kwargs))
        # A file and eager may differ in the last digit: of a million, that would be an angle.
        angles = torch.atan(numbers if self._takes else numbers + tensors[0])
        result: Tensor = self.layer(angles[None])
        return result


def columns(results: Any) -> Tensor:
    """Return the first numbers of the results, as many of each, with zeros behind."""
    parts = list(_flat(results))
    each = -(-COLUMNS // max(1, len(parts)))
    parts = [part[:each] for part in parts if part.dim()]
    return torch.cat([*parts, torch.zeros(COLUMNS)])[:COLUMNS]


def _flat(results: Any) -> Iterator[Tensor]:
    for leaf in _pytree.tree_leaves(results):
        if isinstance(leaf, float | complex):
            leaf = torch.tensor(leaf)
        elif isinstance(leaf, bool | int | torch.SymInt | torch.SymBool):
            leaf = torch.scalar_tensor(leaf)
        if isinstance(leaf, Tensor):
            real = torch.view_as_real(leaf.resolve_conj()) if leaf.is_complex() else leaf
            yield real.reshape(-1).float()


class Circuit(nn.Module):
    """One wire that takes each column once."""

    def __init__(self) -> None:
        super().__init__()

        @qml.qnode(qml.device("default.qubit", wires=1))
        def circuit(angles: Tensor) -> Any:
            for column in range(COLUMNS):
                (qml.RY, qml.RX)[column % 2](angles[:, column], 0)
            return qml.expval(qml.PauliZ(0))

        self.circuit = circuit
        self.scale = nn.Parameter(torch.tensor(0.9))

    def forward(self, angles: Tensor) -> Tensor:
        result: Tensor = self.circuit(angles) * self.scale
        return result


def quantum(sample: Sample) -> OnOperator:
    """Return the model with a circuit, in eval mode."""
    return OnOperator(sample, Circuit()).eval()


def classical(sample: Sample) -> OnOperator:
    """Return its twin: the same with a linear layer, in eval mode."""
    layer = nn.Linear(COLUMNS, 1)
    nn.init.constant_(layer.weight, 0.3)
    return OnOperator(sample, layer).eval()
