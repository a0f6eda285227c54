"""The reference artifact, used without hybridx, torch and PennyLane."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hybridx import api
from hybridx.errors import UnequalAxesError
from hybridx.models import load_classifier

CONFIG = Path(__file__).resolve().parent.parent / "exported" / "iris.toml"

STRANGER = """
import sys
class Shut:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'pennylane', 'hybridx', 'onnx', 'msgspec'):
            raise ImportError(f'{name} is shut out')
sys.meta_path.insert(0, Shut())
import numpy
import onnxruntime
model, data, output = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
inputs = numpy.load(data)
numpy.savez(output, **{name: session.run(None, {'x': inputs[name]})[0] for name in inputs.files})
"""

# The tolerance of an exported file. The rows are drawn, so they are not those of the training.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_stranger_gets_the_eager_answers(dtype, tmp_path):
    api.export_source(api.SourceOptions(str(CONFIG)), tmp_path / "iris.onnx", dtype=dtype)
    rng = np.random.default_rng(8)
    data = {f"b{n}": rng.standard_normal((n, 4)).astype(dtype) for n in (1, 3, 1000)}
    np.savez(tmp_path / "data.npz", **data)
    finished = subprocess.run(
        [sys.executable, "-c", STRANGER, "iris.onnx", "data.npz", "out.npz"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    model = load_classifier(CONFIG).to(getattr(torch, dtype))
    with np.load(tmp_path / "out.npz") as outputs, torch.no_grad():
        for name, array in data.items():
            expected = model(torch.from_numpy(array)).numpy()
            assert outputs[name].dtype == dtype
            np.testing.assert_allclose(outputs[name], expected, rtol=0, atol=TOLERANCE[dtype])


def test_the_file_knows_its_columns_and_classes(tmp_path):
    path = tmp_path / "iris.onnx"
    api.export_source(api.SourceOptions(str(CONFIG)), path)
    data, rows = CONFIG.with_suffix(".csv"), CONFIG.with_suffix(".metrics.json")
    evaluation = api.evaluate(path, data, "species", rows=rows)
    assert evaluation.classes == ("setosa", "versicolor", "virginica")
    assert evaluation.rows == 30
    assert evaluation.metrics["accuracy"] >= 0.93
    assert sum(map(sum, evaluation.confusion)) == 30


def test_arrays_are_scored_as_the_rows_of_a_table(tmp_path):
    path = tmp_path / "iris.onnx"
    api.export_source(api.SourceOptions(str(CONFIG)), path)
    data = CONFIG.with_suffix(".csv")
    expected = api.evaluate(path, data, "species")
    cells = np.loadtxt(data, delimiter=",", skiprows=1, dtype=str)
    names, features = cells[:, -1], cells[:, :-1].astype(float)
    assert api.evaluate(path, features, names).confusion == expected.confusion
    numbers = [expected.classes.index(name) for name in names]
    assert api.evaluate(path, torch.tensor(features), numbers).confusion == expected.confusion
    with pytest.raises(UnequalAxesError, match="target has 149"):
        api.evaluate(path, features, names[1:])
