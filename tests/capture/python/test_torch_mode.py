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


def exported(way, folder, x=None):
    x = torch.linspace(-0.9, 0.8, 6).reshape(3, 2) if x is None else x
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


def test_half_of_the_rows_may_be_the_largest_ones(tmp_path):
    def best(x):
        kept, places = torch.topk(x[:, 0], int(0.5 * x.size(0)) + 1)
        return circuit((x[places] * kept[:, None]).mean(0, keepdim=True))

    assert exported(best, tmp_path, torch.rand(5, 2)).is_dynamic
    session = hybridx.load(tmp_path / "model.onnx")
    for rows in (1, 4, 9):
        x = torch.rand(rows, 2)
        found = torch.as_tensor(session.run({"x": x.numpy()})["output"])
        assert (found - best(x)).abs().max() < 1e-5


@pytest.mark.parametrize("ending", ["onnx", pytest.param("pt2", marks=pytest.mark.slow)])
def test_equal_elements_stay_in_order(tmp_path, ending):
    class Sorted(nn.Module):
        def forward(self, x, keys):
            places = [torch.sort(keys, stable=True, descending=down)[1] for down in (False, True)]
            return circuit(x), *places

    keys = torch.randint(4, (3000,), generator=torch.Generator().manual_seed(3))
    path = tmp_path / f"model.{ending}"
    hybridx.export(Sorted(), (torch.rand(3, 2), keys), path)
    found = hybridx.load(path).run({"x": torch.rand(3, 2).numpy(), "keys": keys.numpy()})
    for one, other in zip([*found.values()][1:], Sorted()(torch.rand(3, 2), keys)[1:], strict=True):
        assert torch.equal(torch.as_tensor(one), other)


def test_nodes_of_each_graph_are_counted(tmp_path):
    class Counted(nn.Module):
        def forward(self, x, batch, weights):
            graphs = int(batch.max()) + 1
            counts = torch.bincount(batch, minlength=graphs)
            return circuit(x / counts[batch][:, None]), batch.bincount(weights, graphs)

    def args(*sizes):
        belongs = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        return torch.rand(len(belongs), 2), belongs, torch.rand(len(belongs))

    path = tmp_path / "model.onnx"
    hybridx.export(Counted(), args(2, 3), path)
    for given in (args(4), args(1, 2, 3)):
        arrays = dict(zip(("x", "batch", "weights"), (one.numpy() for one in given), strict=True))
        found = hybridx.load(path).run(arrays)
        for one, other in zip(found.values(), Counted()(*given), strict=True):
            torch.testing.assert_close(torch.as_tensor(one), other, atol=1e-5, rtol=1e-5)


def test_exponentials_of_chosen_rows_are_summed(tmp_path):
    def sums(x):
        return circuit(x), torch.logsumexp(x[x[:, 0] > 0.5], 0), x[x[:, 0] < 0.2].logsumexp((0, 1))

    exported(sums, tmp_path, torch.tensor([[0.6, 1.0], [0.1, 2.0], [0.9, 0.3]]))
    session = hybridx.load(tmp_path / "model.onnx")
    for rows in (torch.full((2, 2), 0.3), torch.rand(9, 2)):
        found = session.run({"x": rows.numpy()}).values()
        for one, other in zip(found, sums(rows), strict=True):
            torch.testing.assert_close(torch.as_tensor(one), other, atol=1e-5, rtol=1e-5)


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
