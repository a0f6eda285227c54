"""A lowered graph, run as files are, to compare it with its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hybridx.api.work.building import describe_inputs
from hybridx.storage import Array

if TYPE_CHECKING:
    from torch import fx

    from hybridx.capture import Capture, Example


class LoweredGraph:
    """A graph in the form that a comparison runs."""

    device = "torch"

    def __init__(self, graph: fx.GraphModule, captured: Capture, example: Example) -> None:
        self.inputs = describe_inputs(captured, example)
        self._graph = graph
        self._outputs = captured.output_names

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name."""
        import torch

        args = [torch.from_numpy(np.array(inputs[one.name])) for one in self.inputs]
        with torch.no_grad():
            outputs = self._graph(*args)
        arrays = [output.numpy() for output in outputs]
        return dict(zip(self._outputs, arrays, strict=True))
