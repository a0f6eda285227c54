"""The example of the docs runs bundles where there is no hybridx, no PennyLane and no torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybridx.api import convert
from hybridx.artifact import Metadata, SelfTest
from hybridx.runtime import start_session
from tests.runtime.models import GRAPHS, MIX, build

pytest.importorskip("qiskit_qasm3_import")

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "bundle_with_qiskit.py"

# The example in a process that can import nothing of the last argument.
BARE = """
import runpy, sys
absent = sys.argv.pop().split(",")
sys.modules.update(dict.fromkeys(absent))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
assert not [name for name in absent if sys.modules[name]]
"""

# Both ends of the wire order: not one of these results is the same when the wires are turned round.
ORDER = (
    "RX 0 p[0]; RY 1 (2.0*p[1] + 0.5); RZ 2 0.3; CNOT 0 2; ctrl[!1] RY 2 p[0]; adj S 1; "
    "IsingXY 0 1 p[1]; expval Z0; expval 0.5*X0@Y2 + -1.5*Z1 + 0.25*X1; probs 0 2; probs 1"
)
GRAPHS_HERE = {
    "side by side": GRAPHS["side by side, unlike depths"],
    "without data": GRAPHS["without data"],
    "wire order": lambda **options: build(
        [("Tanh", ["x"], "a"), (ORDER, ["a"], "y")], [("y", ["batch", 8])], **options
    ),
    "a column that no gate takes": lambda **options: build(
        [(f"{MIX}; probs 1 0".replace("p[0]", "0.3"), ["x"], "y")], [("y", ["batch", 6])], **options
    ),
}


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "float64") for name in GRAPHS_HERE), ("side by side", "float32")]
)
def test_it_gives_the_recorded_outputs(name, dtype, tmp_path):
    make = GRAPHS_HERE[name]
    inputs = {"x": np.random.default_rng(4).uniform(-3, 3, (2, 2)).astype(dtype)}
    outputs = start_session(make(dtype=dtype)).run(inputs)
    metadata = Metadata("0", self_test=SelfTest(inputs, outputs, 1e-5))
    (tmp_path / "model.onnx").write_bytes(make(dtype=dtype, metadata=metadata).content)
    convert(tmp_path / "model.onnx", tmp_path / "bundle")
    finished = subprocess.run(
        [sys.executable, "-c", BARE, EXAMPLE, "bundle", "hybridx,pennylane,torch,onnx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    (error,) = map(float, re.findall(r"off by (\S+)", finished.stdout))
    # What a body of a few operations loses in its dtype; Qiskit computes in complex128.
    assert error < {"float32": 2e-6, "float64": 1e-12}[dtype]


def test_it_is_short_enough_to_be_read():
    assert len(EXAMPLE.read_text().splitlines()) <= 85
