"""The two opaque torch operators that stand for a circuit in a traced graph.

    hybridx::qnode(angles, index, width, dtype)  while tracing: one tensor per gate angle
    hybridx::circuit(parameters, index, width)   afterwards: `(batch, P)` to `(batch, width)`

`index` counts the circuits of one capture, `width` is the number of results M. Neither has an
implementation: a traced graph is translated, never run.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LIBRARY = torch.library.Library("hybridx", "DEF")
_LIBRARY.define("qnode(Tensor[] angles, int index, int width, ScalarType dtype) -> Tensor")
_LIBRARY.define("circuit(Tensor parameters, int index, int width) -> Tensor")

QNODE_OP = torch.ops.hybridx.qnode.default
CIRCUIT_OP = torch.ops.hybridx.circuit.default


@torch.library.register_fake("hybridx::qnode", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _qnode_shape(angles: list[Tensor], index: int, width: int, dtype: torch.dtype) -> Tensor:
    """`(batch, width)`, or `(width,)` where no angle has a batch."""
    batch = [angle.shape[0] for angle in angles if angle.dim() == 1][:1]
    device = angles[0].device if angles else torch.device("cpu")
    return torch.empty((*batch, width), dtype=dtype, device=device)


@torch.library.register_fake("hybridx::circuit", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _circuit_shape(parameters: Tensor, index: int, width: int) -> Tensor:
    return parameters.new_empty((parameters.shape[0], width))
