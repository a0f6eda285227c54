"""Functions of torch that a model sees otherwise while it is traced."""

from __future__ import annotations

import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.python.tracers import NumberTracer


@qml.qnode(qml.device("default.qubit", wires=1))
def circuit(x):
    qml.RX(x[..., 0], 0)
    qml.RY(x[..., 1], 0)
    return qml.expval(qml.Z(0))


class Model(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        return self.way(x)


def exported(way, folder):
    x = torch.linspace(-0.9, 0.8, 6).reshape(3, 2)
    return hybridx.export(Model(way).eval(), (x,), folder / "model.onnx")


def test_a_text_may_hold_numbers_of_the_data(tmp_path, capsys):
    def tells(x):
        y = circuit(x)
        print(f"{y.mean().item():.3f} {y.max():8.2e} {y.sum().item()!r:>3}")
        if y.max().item() > 10:
            raise ValueError(f"at most 10, not {y.max().item():.1f}")
        if x.norm() > 99:
            raise ValueError(f"too long: {x.norm():.2f}")
        return y

    report = exported(tells, tmp_path)
    assert report.is_dynamic
    assert len(report.notes) == 2  # the checks
    assert "<" not in capsys.readouterr().out  # what eager printed


def test_a_number_is_not_read_back_from_a_text(tmp_path):
    def rounds(x):
        return circuit(x * float(f"{x.mean().item():.2f}"))

    with pytest.raises(hybridx.HybridxError, match=r"test_torch_mode\.py"):
        exported(rounds, tmp_path)


def test_a_traced_number_is_no_digits():
    number = NumberTracer(torch.tensor(0.25))
    assert f"{number:.3f}" == f"{number}" == repr(number)
    assert not any(character.isdigit() for character in repr(number))


@pytest.mark.parametrize("mode", [{}, {"compute_mode": "use_mm_for_euclid_dist"}, {"p": 1.0}])
def test_distances_between_all_rows_leave_the_batch_open(tmp_path, mode):
    def nearest(x):
        far = 100 * torch.eye(x.shape[0])
        return circuit(x) + (torch.cdist(x, x, **mode) + far).amin(1)

    assert exported(nearest, tmp_path).is_dynamic
    session = hybridx.load(tmp_path / "model.onnx")
    for rows in (1, 2, 30):
        x = torch.rand(rows, 2)
        found = torch.as_tensor(session.run({"x": x.numpy()})["output"])
        assert (found - nearest(x)).abs().max() < 1e-4
