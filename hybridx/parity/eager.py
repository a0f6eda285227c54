"""The eager PyTorch model, run without shots: the reference of every export."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from hybridx.capture import Flat, eagerly
from hybridx.storage import Array


def run_eager(flat: Flat, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a model in its present mode on named arrays; QNodes with shots give exact values.

    Args:
        flat: the model, and how it is called.
        inputs: arrays by input name.

    Returns:
        The outputs by name.
    """
    args = [torch.from_numpy(np.array(inputs[name])).to(flat.device) for name in flat.call.names]
    with eagerly():
        outputs = flat(*args)
    # ONNX has no complex tensors, so they become real ones with a last axis of 2.
    real = [torch.view_as_real(o.resolve_conj()) if o.is_complex() else o for o in outputs]
    arrays = [output.detach().cpu().numpy() for output in real]
    return dict(zip(flat.output_names, arrays, strict=True))
