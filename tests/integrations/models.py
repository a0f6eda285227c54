"""Small files with a self-test, which servers load."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hybridx.artifact import Metadata, SelfTest
from hybridx.circuit import parse, simulate
from tests.runtime.models import TURN, build
from tests.runtime.remote import rows


def write_model(path: Path, dtype: str = "float32", *, spoilt: float = 0.0) -> Path:
    """Write a file whose one circuit has the input `x` (batch, 2) and the output `y` (batch, 2).

    Args:
        path: of the file.
        dtype: of both.
        spoilt: what its self-test is wrong by.
    """
    inputs = rows(5).astype(dtype)
    outputs = {"y": (simulate(parse(TURN), inputs) + spoilt).astype(dtype)}
    tolerance = 1e-5 if dtype == "float32" else 1e-10  # rounding alone: one circuit of two wires
    metadata = Metadata("0", self_test=SelfTest({"x": inputs}, outputs, tolerance))
    model = build([(TURN, ["x"], "y")], [("y", ["batch", 2])], dtype=dtype, metadata=metadata)
    path.write_bytes(model.content)
    return path


def expected(inputs: np.ndarray) -> np.ndarray:
    """Return what the file gives, by the reference simulator."""
    return simulate(parse(TURN), inputs.astype(np.float64))
