"""Outputs written by `hybridx.predict`, whatever a model calls them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import hybridx
from hybridx.api.work.running import _averaged
from tests import sample_models


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, x):
        y = self.q(x)
        return {"file": y, "allow_pickle": 2 * y, "../up": y + 1, "": y - 1}


def test_outputs_of_any_name_are_written(tmp_path):
    path, data, out = tmp_path / "model.onnx", tmp_path / "x.npy", tmp_path / "out.npz"
    hybridx.export(Named(), (torch.rand(3, 3),), path)
    np.save(data, np.random.default_rng(0).random((4, 3), np.float32))
    predicted = hybridx.predict(path, data, out)
    assert len(predicted.outputs) == 4
    assert {"file", "allow_pickle", "../up"} < predicted.outputs.keys()
    with np.load(out) as loaded:
        assert set(loaded.files) == set(predicted.outputs)
        for name, array in predicted.outputs.items():
            np.testing.assert_array_equal(loaded[name], array)
    assert not (tmp_path.parent / "up.npy").exists()


def test_no_standard_error_hides_an_output():
    runs = [{"y": np.full(2, n), "y_standard_error": np.zeros(2)} for n in (0.0, 1.0)]
    averaged = _averaged(runs)
    assert list(averaged["y_standard_error"]) == [0.0, 0.0]
    assert list(averaged["y_standard_error_"]) == [0.5, 0.5]
    assert len(averaged) == 4
