"""Branches on data: checks are assumed, sides are selected, and anything else is refused."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture.python.branches import MOST_WAYS
from hybridx.errors import DataBranchError, ModelRaisesError, TraceError


@qml.qnode(qml.device("default.qubit", wires=1))
def circuit(x):
    qml.RX(x[..., 0], 0)
    return qml.expval(qml.Z(0))


class Model(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        return self.way(x)


def export(way, tmp_path, x=None):
    x = torch.linspace(-0.9, 0.8, 6).reshape(3, 2) if x is None else x
    return hybridx.export(Model(way).eval(), (x,), tmp_path / "model.onnx")


def refuses(x):
    if torch.isnan(x).any():
        raise ValueError("not a number")
    return circuit(x)


def test_a_check_is_assumed_and_the_file_says_so(tmp_path):
    notes = export(refuses, tmp_path).notes
    (assumed,) = hybridx.inspect(tmp_path / "model.onnx").assumed
    assert assumed in notes
    assert "torch.isnan(x).any()" in assumed
    assert "test_branches.py" in assumed
    assert "ValueError: not a number" in assumed


@pytest.mark.parametrize(
    "check",
    [
        lambda x: torch._check_tensor_all(x < 9, lambda: "too large"),
        lambda x: torch._check(bool(x.max() < 9), lambda: "too large"),
        lambda x: torch._check_value(bool((x < 9).all())),
        lambda x: torch._check(int((x > 9).sum()) < 3),
    ],
)
def test_checks_of_torch_are_assumed(check, tmp_path):
    def checks(x):
        check(x)
        return circuit(x)

    notes = export(checks, tmp_path).notes
    assert hybridx.inspect(tmp_path / "model.onnx").assumed == notes
    assert notes[0].startswith("the check ")
    assert all("is left out" in note for note in notes)


def test_a_check_that_no_drawn_input_passes_is_compared_on_the_example(tmp_path):
    def bits(x):
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("only bits")
        return circuit(torch.pi * x)

    report = export(bits, tmp_path, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert report.verification.worst > 0
    assert report.is_dynamic


@pytest.mark.parametrize("count", [1, 3])
def test_a_branch_behind_checks_is_followed(tmp_path, count):
    def checks_and_shifts(x):
        for power in range(count):
            if x.max() > 10**power * 50:
                raise ValueError("too large")
        if x.sum() > 1:
            x = x + 0.5
        return circuit(x)

    report = export(checks_and_shifts, tmp_path)
    assert len(report.notes) == 2  # one is on the branch
    session = hybridx.load(tmp_path / "model.onnx")
    for x in (torch.full((3, 2), -0.4), torch.full((3, 2), 0.4)):
        found = session.run({"x": x.numpy()})["output"]
        assert np.allclose(found, checks_and_shifts(x).numpy(), atol=1e-5)


def test_each_of_several_checks_is_assumed(tmp_path):
    def checks_twice(x):
        if torch.isnan(x).any():
            raise ValueError("not a number")
        if x.abs().max() > 50:
            raise ValueError("too large")
        return circuit(x)

    notes = " ".join(export(checks_twice, tmp_path).notes)
    assert "not a number" in notes
    assert "too large" in notes


def test_what_only_prints_is_not_run(tmp_path, capsys):
    def prints(x):
        if x.max() > 100:
            print("large")
        return circuit(x)

    (note,) = export(prints, tmp_path).notes
    assert "only prints" in note
    assert not capsys.readouterr().out


def test_a_circuit_behind_a_branch_is_computed_once(tmp_path):
    def mends(x):
        if torch.isnan(x).any():
            x = torch.nan_to_num(x)
        return circuit(x)

    export(mends, tmp_path)
    nodes = hybridx.inspect(tmp_path / "model.onnx").nodes
    assert sum(count for name, count in nodes.items() if name.startswith("Circuit")) == 1
    x = torch.tensor([[torch.nan, 0.0], [0.3, 0.1]])
    found = hybridx.load(tmp_path / "model.onnx").run({"x": x.numpy()})["output"]
    assert np.allclose(found, circuit(torch.nan_to_num(x)).numpy(), atol=1e-5)


def test_the_side_that_a_trace_cannot_follow_is_no_check(tmp_path):
    def reshapes(x):
        if x.sum() > 100:
            x = x.reshape(7, 11)
        return circuit(x)

    with pytest.raises(TraceError):
        export(reshapes, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_always_raises_is_named(tmp_path):
    def raises(x):
        if type(x) is not torch.Tensor:
            raise ValueError("no tensor")
        return circuit(x)

    with pytest.raises(ModelRaisesError, match="no tensor"):
        export(raises, tmp_path)


def test_too_many_ways_are_refused(tmp_path):
    def many(x):
        for power in range(6):
            if x.sum() > power:
                x = x + power
        return circuit(x)

    with pytest.raises(DataBranchError, match=f"more than {MOST_WAYS} ways"):
        export(many, tmp_path)


def test_rows_that_a_branch_ties_together_are_not_traced_alone(tmp_path):
    def ties(x):
        if x.max() > 2:
            x = x / x.max()
        return torch.stack([circuit(row) for row in x])

    report = export(ties, tmp_path)
    assert not report.is_dynamic


def uses_a_flag_twice(x):
    is_large = (x > 0.7).any()
    if is_large:
        shift = x.sum()
    y = circuit(x)
    if is_large:
        y = y + shift
    return y


def computes_a_condition_twice(x):
    if x.max() > 0.7:
        shift = x.sum()
    y = circuit(x)
    return y + shift if x.max() > 0.7 else y


@pytest.mark.parametrize("way", [uses_a_flag_twice, computes_a_condition_twice])
def test_a_condition_has_one_answer_on_a_way(way, tmp_path):
    (note,) = export(way, tmp_path).notes
    assert "selects" in note
    x = torch.linspace(-0.9, 0.8, 6).reshape(3, 2)
    session = hybridx.load(tmp_path / "model.onnx")
    for given in (x, x / 2):
        found = session.run({"x": given.numpy()})["output"]
        np.testing.assert_allclose(found, way(given), atol=1e-6)


def test_a_condition_on_what_was_written_into_is_asked_anew(tmp_path):
    def writes(x):
        x = x.clone()
        first = x[:, 0]
        y = circuit(x)
        if first.max() > 0.3:
            y = y + 1
        x.mul_(0.5)
        if first.max() > 0.3:
            y = y + 2
        return y

    export(writes, tmp_path)
    x = torch.linspace(-0.9, 0.8, 6).reshape(3, 2)
    session = hybridx.load(tmp_path / "model.onnx")
    for given in (x / 2, x, 2 * x):
        found = session.run({"x": given.numpy()})["output"]
        np.testing.assert_allclose(found, writes(given), atol=1e-6)


DIVISIONS = {
    "//": lambda k: (k + 7) // k,
    "%": lambda k: (k + 7) % k,
    "trunc": lambda k: torch.div(k + 7, k, rounding_mode="trunc"),
    "fmod": lambda k: torch.fmod(k + 7, k),
}


@pytest.mark.parametrize("name", DIVISIONS)
def test_a_division_behind_a_condition_does_not_stop_the_file(name, tmp_path):
    class Divides(nn.Module):
        def forward(self, x, k):
            y = circuit(x)
            if (k > 0).all():
                y = y + DIVISIONS[name](k).to(y.dtype).reshape(-1, *[1] * (y.dim() - 1))
            return y

    x, model = torch.linspace(-0.9, 0.8, 6).reshape(3, 2), Divides()
    hybridx.export(model, (x, torch.tensor([1, 2, 3])), tmp_path / "model.onnx")
    session = hybridx.load(tmp_path / "model.onnx")
    for k in (torch.tensor([2, 5, 1]), torch.tensor([2, 0, 1])):
        np.testing.assert_allclose(session(x, k), model(x, k), atol=1e-6)  # float32
