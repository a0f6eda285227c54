"""Compile the quantum layers of a model that is trained, in place, and put them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hybridx.api.options import need

if TYPE_CHECKING:
    from torch import nn

    from hybridx.acceleration import AccelerationReport


def accelerate(
    model: nn.Module | Callable[..., Any],
    args: Any,
    *,
    kwargs: Mapping[str, Any] = MappingProxyType({}),
) -> AccelerationReport:
    """Let compiled circuits compute the quantum layers of a model, forward and backward.

    The model, its parameters and its code stay the same objects: only what the QNodes do when they
    are called changes. Train it as before. A QNode that cannot be compiled goes on as it is, and
    the report says why. Values and gradients of each circuit are compared with PennyLane's before
    it is swapped, and again for each circuit of another structure that comes later.

    Other batch sizes than the example's just work. Circuits are computed in the dtype of their
    arguments, float32 or float64; results have the dtype that PennyLane gives them. `export` and
    `verify` still compare with PennyLane.

    Args:
        model: any module whose quantum parts are PennyLane QNodes or TorchLayers, or a QNode or
            function that calls one. Wrappers such as DistributedDataParallel come off.
        args: example arguments of `forward`.
        kwargs: example arguments by keyword.

    Returns:
        what became of each QNode.

    Raises:
        MissingExtraError: torch, PennyLane or Numba is not installed.
        NotAModelError: the model is neither a module nor a function.
        ArgumentError: the arguments do not fit the parameters of forward.
        ForwardRaisesError: the model does not run on the example.
        NoQuantumLayerError: the model calls no QNode.

    Example:
        >>> import hybridx, pennylane as qml, torch
        >>> @qml.qnode(qml.device("default.qubit", wires=2))
        ... def circuit(inputs, weights):
        ...     qml.AngleEmbedding(inputs, wires=range(2))
        ...     qml.BasicEntanglerLayers(weights, wires=range(2))
        ...     return [qml.expval(qml.PauliZ(wire)) for wire in range(2)]
        >>> layer = qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})
        >>> model = torch.nn.Sequential(layer, torch.nn.Linear(2, 1))
        >>> report = hybridx.accelerate(model, (torch.zeros(3, 2),))
        >>> report.layers[0].is_compiled
        True
        >>> hybridx.restore(model)
        1
    """
    need("training", "numba", extra="train")
    need("training", "torch", "pennylane", "threadpoolctl")
    from hybridx import acceleration, capture

    model, _ = capture.read_model(model)
    return acceleration.accelerate_model(model, tuple(capture.read_arguments(args)), dict(kwargs))


def restore(model: nn.Module | Callable[..., Any]) -> int:
    """Put back what `accelerate` has swapped in a model.

    A QNode that another accelerated model calls too stays compiled for both until that one is
    restored.

    Args:
        model: that was accelerated, or any other.

    Returns:
        the number of QNodes of the model that were compiled.

    Raises:
        NotAModelError: the model is neither a module nor a function.
    """
    need("training", "torch", "pennylane")
    from hybridx import acceleration, capture

    return acceleration.restore_model(capture.read_model(model)[0])
