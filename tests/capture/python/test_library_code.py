"""Branches and numbers in a library of models are followed as in the user's own code."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.python.source_location import is_of_models, is_users
from hybridx.errors import DataBranchError

LIBRARY = """
import math
from typing import Optional, Union
import torch

Number = Union[int, float]

def mean_by_group(x, group, count: Optional[int] = None):
    count = int(group.max()) + 1 if count is None else count
    if count > 9:
        raise ValueError("too many groups")
    sums = x.new_zeros(count, x.shape[1]).index_add(0, group, x)
    return sums / x.new_zeros(count, 1).index_add(0, group, torch.ones_like(x[:, :1]))

def halved(x):
    limit = math.sqrt(float(x.abs().max()))
    while limit > 0.5:
        limit = limit / 2
    return x * limit
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return a module that stands where pip puts the packages that it installs."""
    place = tmp_path / "site-packages"
    (place / "grouping").mkdir(parents=True)
    (place / "grouping" / "__init__.py").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(place))
    yield importlib.import_module("grouping")
    del sys.modules["grouping"]


@qml.qnode(qml.device("default.qubit", wires=1))
def circuit(x):
    qml.RX(x[..., 0], 0)
    return qml.expval(qml.Z(0))


class Model(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, *args):
        return circuit(self.way(*args))


def test_a_number_that_a_library_reads_is_a_length(library, tmp_path):
    x, group = torch.linspace(-0.9, 0.8, 10).reshape(5, 2), torch.tensor([0, 1, 1, 2, 0])
    model = Model(library.mean_by_group).eval()
    before = dict(vars(library))
    exported = hybridx.export(
        model,
        (x, group),
        tmp_path / "model.onnx",
        dynamic={"args_0": {0: "rows"}, "args_1": {0: "rows"}},
    )
    assert vars(library) == before
    assert any("too many groups" in note and "__init__.py" in note for note in exported.notes)
    others = torch.linspace(-0.5, 0.9, 14).reshape(7, 2), torch.tensor([3, 1, 0, 2, 0, 1, 3])
    session = hybridx.load(tmp_path / "model.onnx")
    for given in ((x, group), others):
        found = session.run({f"args_{number}": one.numpy() for number, one in enumerate(given)})
        np.testing.assert_allclose(found["output"], model(*given), atol=1e-6)


def test_a_refusal_names_the_line_of_the_library(library, tmp_path):
    with pytest.raises(DataBranchError, match=r"grouping/__init__\.py:17, in 'the model itself'"):
        hybridx.export(
            Model(library.halved).eval(), (torch.rand(3, 2) + 1,), tmp_path / "model.onnx"
        )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/env/lib/python3.11/site-packages/torch_geometric/utils/scatter.py", True),
        ("/env/lib/python3.11/site-packages/einops.py", True),
        ("/env/lib/python3.11/site-packages/torch/functional.py", False),
        ("/env/lib/python3.11/site-packages/pennylane/qnn/torch.py", False),
        (np.__file__, False),
        (importlib.__file__, False),
        (__file__, True),
    ],
)
def test_which_code_models_consist_of(path, expected):
    assert is_of_models(path) is expected
    assert is_users(path) is (path == __file__)
