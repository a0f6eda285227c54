"""What export, lower and verify compare: a model with integer inputs, few lengths, odd values."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hybridx
from hybridx.errors import (
    MismatchError,
    NoFiniteInputError,
    NothingComparedError,
    UnwrittenMemoryError,
)
from tests import sample_models

NODES = 20


class Graph(nn.Module):
    """Messages along the edges of a graph of 20 nodes or more; tracing does not see that."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Linear(2, 3)
        self.q = sample_models.strongly_entangling()

    def forward(self, nodes, edges):
        if not torch.compiler.is_exporting() and len(nodes) < NODES:
            raise ValueError(f"{len(nodes)} nodes")
        y = self.q(self.embed(nodes))
        return torch.zeros_like(y).index_add(0, edges[1], y[edges[0]])


class Whole(nn.Module):
    """A graph of exactly 20 nodes; tracing does not see that."""

    def __init__(self, seed=0):
        super().__init__()
        self.inner = Graph(seed)

    def forward(self, nodes, edges):
        if not torch.compiler.is_exporting() and len(nodes) != NODES:
            raise ValueError(f"{len(nodes)} nodes")
        return self.inner(nodes, edges)


def graph():
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(NODES, (2, 30), generator=generator)
    edges[0, 0] = NODES - 1
    return torch.randn(NODES, 2, generator=generator), edges


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    report = hybridx.export(Graph(), graph(), path)
    assert report.is_dynamic
    assert report.verification.batches == (NODES, NODES + 1)
    assert 0 < report.verification.worst <= report.verification.tolerance
    return path


def test_a_graph_that_refuses_the_usual_sizes_is_compared_at_its_own(path):
    report = hybridx.verify(path, against=Graph())
    assert report.batches == (NODES, NODES + 1)
    assert report.worst > 0


def test_other_weights_are_told_apart(path):
    with pytest.raises(MismatchError):
        hybridx.verify(path, against=Graph(seed=1))


def test_another_model_is_compared_with_nothing(path):
    class Narrow(nn.Linear):
        def forward(self, nodes, edges):
            return super().forward(nodes)

    with pytest.raises(NothingComparedError, match="mat1 and mat2"):
        hybridx.verify(path, against=Narrow(5, 2))


def test_an_axis_at_one_length_only_is_fixed_with_a_note(tmp_path):
    report = hybridx.export(
        Whole(), graph(), tmp_path / "model.onnx", dynamic={"nodes": {0: "batch"}}
    )
    assert not report.is_dynamic
    assert report.verification.batches == (NODES,)
    assert report.verification.worst > 0
    (note,) = [one for one in report.notes if "fixed" in one]
    assert note == (
        "the batch is fixed at 20: no other length could be compared: ValueError: 1 nodes"
    )
    session = hybridx.load(tmp_path / "model.onnx")
    assert [one.shape for one in session.inputs] == [(NODES, 2), (2, 30)]
    verified = hybridx.verify(tmp_path / "model.onnx", against=Whole())
    assert verified.batches == (NODES,)
    with pytest.raises(MismatchError):
        hybridx.verify(tmp_path / "model.onnx", against=Whole(seed=1))


def test_lower_fixes_it_too():
    lowered = hybridx.lower(Whole(), graph(), dynamic={"nodes": {0: "batch"}})
    assert any("the batch is fixed at 20" in note for note in lowered.notes)


def test_what_is_not_verified_stays_as_it_was_traced(tmp_path):
    report = hybridx.export(
        Whole(), graph(), tmp_path / "m.onnx", dynamic={"nodes": {0: "batch"}}, verify=False
    )
    assert report.is_dynamic
    assert report.verification is None


class Empty(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.q(x))[:, 3:]


@pytest.mark.parametrize(
    "job",
    [hybridx.export, lambda model, args, _: hybridx.lower(model, args)],
    ids=["export", "lower"],
)
def test_outputs_without_numbers_are_refused(job, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(NothingComparedError):
        job(Empty(), (torch.randn(3, 3),), path)
    assert not path.exists()


def test_a_self_test_without_numbers_reproduces_nothing(tmp_path):
    path = tmp_path / "model.onnx"
    hybridx.export(Empty(), (torch.randn(3, 3),), path, verify=False)
    with pytest.raises(NothingComparedError, match="self-test"):
        hybridx.verify(path)


class Far(nn.Module):
    """Finite for large inputs only, which no distribution has."""

    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, x):
        return self.q(torch.sqrt(x - 100.0))


def test_an_example_without_numbers_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(NoFiniteInputError):
        hybridx.export(Far(), (torch.rand(4, 3),), path)
    assert not path.exists()


def test_inputs_that_nobody_can_draw_are_those_of_the_example(tmp_path):
    path = tmp_path / "model.onnx"
    report = hybridx.export(Far(), (101.0 + torch.rand(4, 3),), path)
    assert report.verification.batches == (1, 2, 5, 16)
    assert hybridx.load(path).metadata.self_test is None
    (note,) = report.notes
    assert "embed_example" in note


def test_the_users_own_rows_are_a_self_test_if_the_user_says_so(tmp_path):
    path = tmp_path / "model.onnx"
    x = 101.0 + torch.rand(4, 3)
    torch.manual_seed(3)
    model = Far()
    report = hybridx.export(model, (x,), path, embed_example=True)
    assert report.is_dynamic
    assert report.verification.batches == (1, 2, 5, 16)
    assert hybridx.verify(path).worst < report.verification.tolerance
    assert hybridx.verify(path, against=model).batches == (1, 2, 5, 16)
    np.testing.assert_array_equal(hybridx.load(path).metadata.self_test.inputs["x"], x.numpy())


class Unwritten(nn.Module):
    """Reads memory as it is."""

    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, x):
        return self.q(x) + torch.empty_like(x)  # here


def test_memory_that_nothing_has_written_is_named(tmp_path, monkeypatch):
    # What is in memory by chance, in eager only: a traced tensor is of another class.
    chance, original = count(), torch.empty_like

    def filled(*args, **kwargs):
        made = original(*args, **kwargs)
        return made.fill_(next(chance) / 7) if type(made) is Tensor else made

    monkeypatch.setattr(torch, "empty_like", filled)
    with pytest.raises(UnwrittenMemoryError) as caught:
        hybridx.export(Unwritten(), (torch.rand(4, 3),), tmp_path / "model.onnx")
    assert caught.value.operator == "torch.empty_like"
    line = int(caught.value.place.rpartition(":")[2])
    assert "# here" in Path(__file__).read_text(encoding="utf-8").splitlines()[line - 1]
