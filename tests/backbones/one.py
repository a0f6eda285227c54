"""Export one backbone and try its file.

`python -m tests.backbones.one NUMBER` prints how it went.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import hybridx
from tests.backbones.models import BACKBONES, Backbone
from tests.backbones.torchvision_operators import declare

TOLERANCE = 1e-4
"""Of values around 1 in float32, after some twenty layers with their own order of sums."""


def judge(backbone: Backbone) -> str:
    """Return `exported`, or in one line why there is no file or what it does wrong."""
    torch.manual_seed(0)
    model = backbone.make().eval()
    example, *others = (backbone.args(length) for length in backbone.lengths)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            hybridx.export(model, example, path, **backbone.options)
        except hybridx.HybridxError as error:
            return " ".join(f"refused: {error}".split())
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_inputs()]
        for args in (example, *others):
            feeds = {name: arg.numpy() for name, arg in zip(names, args, strict=True)}
            try:
                found = session.run(None, feeds)[0]
            except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
                return f"fixed: the file rejects shapes {[tuple(arg.shape) for arg in args]}"
            with torch.no_grad():
                returned = model(*args)
            wanted = getattr(returned, "logits", returned).numpy()
            error = np.abs(found - wanted).max() if found.shape == wanted.shape else np.inf
            if not error <= TOLERANCE:
                return f"wrong: off by {error:.2g} at shapes {[tuple(arg.shape) for arg in args]}"
    return "exported"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    declare()
    print("\n" + judge(BACKBONES[int(sys.argv[1])]))
