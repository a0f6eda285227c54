"""The eager PyTorch model, run exactly: what every export is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils import _pytree as pytree

Array: TypeAlias = NDArray[Any]


def run_eager(
    model: nn.Module, inputs: Mapping[str, Array], output_names: Sequence[str]
) -> dict[str, Array]:
    """Run a model in its present mode on named arrays, QNodes with shots exactly.

    Args:
        model: the module; it is called with the arrays in order.
        inputs: arrays by input name, in the order of the forward's arguments.
        output_names: names for its outputs, flattened.

    Returns:
        The outputs by name.
    """
    args = [torch.from_numpy(np.array(array)) for array in inputs.values()]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with torch.no_grad(), exact_qnodes():
        returned = model(*(arg.to(device) for arg in args))
    outputs = [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, Tensor)]
    # ONNX has no complex tensors: they leave as real ones with a last axis of 2.
    real = [torch.view_as_real(o.resolve_conj()) if o.is_complex() else o for o in outputs]
    arrays = [output.detach().cpu().numpy() for output in real]
    return dict(zip(output_names, arrays, strict=True))


@contextmanager
def exact_qnodes() -> Iterator[None]:
    """While active, every QNode gives its exact values, whatever shots it was made with."""
    original = qml.QNode.__call__

    def call(qnode: Any, *args: Any, **kwargs: Any) -> Any:
        exact = qml.set_shots(qnode, shots=None) if qnode.shots.total_shots else qnode
        return original(exact, *args, **kwargs)

    qml.QNode.__call__ = call
    try:
        yield
    finally:
        qml.QNode.__call__ = original
