"""TorchScript files: weights that move, and Pythons without TorchScript."""

import io
import sys

import pytest
import torch

from hybridx.errors import NoTorchScriptError
from hybridx.targets import to_torchscript
from tests.targets.spliced import content, sample


def test_weights_move_with_a_scripted_module():
    loaded = torch.jit.load(io.BytesIO(content("sandwich", "torchscript")))
    moved = loaded.to(torch.float64)  # in place of a device, which a test machine may lack
    (found,) = moved(torch.zeros(5, 4, dtype=torch.float64))
    assert found.dtype == torch.float64


def test_a_python_without_torchscript_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(NoTorchScriptError, match="pt2"):
        to_torchscript(sample("sandwich").module, dtype="float32")
