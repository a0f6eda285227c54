"""A file of torch returns what its model returns."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import Tensor, nn

import hybridx
from tests.targets.archives import members


@qml.qnode(qml.device("default.qubit", wires=2))
def circuit(x):
    qml.AngleEmbedding(x, wires=range(2))
    qml.CNOT(wires=[0, 1])
    return qml.expval(qml.PauliZ(0)), qml.expval(qml.PauliZ(1))


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


@dataclasses.dataclass
class Record:
    left: Tensor
    name: str
    right: Tensor


class Returns(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        return self.form(torch.stack(circuit(x), -1).float())


FORMS = {
    "a tensor": (lambda y: y, lambda y: y),
    "a tuple of one": (lambda y: (y,), lambda y: (y,)),
    "a list": (lambda y: [y, 2 * y], lambda y: [y, 2 * y]),
    "a dict": (lambda y: {"p": y, "q": 2 * y}, lambda y: {"p": y, "q": 2 * y}),
    "a tuple with a list": (lambda y: (y, [2 * y]), lambda y: (y, [2 * y])),
    "a named tuple": (lambda y: Pair(y, 2 * y), lambda y: (y, 2 * y)),
    "a dataclass": (
        lambda y: Record(y, "name", 2 * y),
        lambda y: {"left": y, "right": 2 * y},
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("ending", ["pt", "pt2"])
@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_torch_returns_what_the_model_returns(form, ending, tmp_path):
    returned, expected = FORMS[form]
    path, x = tmp_path / f"model.{ending}", torch.linspace(-1, 1, 10).reshape(5, 2)
    hybridx.export(Returns(returned), (x,), path)
    loaded = torch.jit.load(path) if ending == "pt" else torch.export.load(path).module()
    found, value = loaded(x), expected(torch.stack(circuit(x), -1).float())
    assert type(found) is type(value)
    # float32; a structure that differs is an error of assert_close.
    torch.testing.assert_close(found, value, atol=1e-6, rtol=0)
    assert members(path.read_bytes())["extra/hybridx.json"].count(b'"hybridx.format":"4"') == 1
    session = hybridx.load(path)
    flat = dict(zip(session.output_names, torch.utils._pytree.tree_leaves(value), strict=True))
    for name, array in session.run({"x": x}).items():
        np.testing.assert_allclose(array, flat[name], atol=1e-6)
