"""A graph decomposed operation by operation is what torch makes of it as a whole."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridx.capture import quiet
from hybridx.capture.graph import local_decompositions
from hybridx.capture.graph.local_decompositions import NotLocal, decomposed
from hybridx.capture.torch_export import TABLE, core_table


@pytest.fixture(autouse=True)
def without_warnings_of_torch():
    with quiet():
        yield


class Steps(nn.Module):
    """The same composite operations again and again."""

    def __init__(self, steps):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.steps = steps

    def forward(self, x):
        for _ in range(self.steps):
            x = torch.hstack([x, torch.sin(x).to(x.dtype)]).reshape(-1, 2, 4).sum(1)
            x = nn.functional.gelu(self.linear(x)).flatten(1)
        return (nn.functional.dropout(x, training=False),)


def export(module, dtype=torch.float32):
    shapes = ({0: torch.export.Dim("batch")},)
    return torch.export.export(
        module.to(dtype), (torch.rand(3, 4, dtype=dtype),), dynamic_shapes=shapes, strict=False
    )


def operations(graph):
    return [
        str(n.target) for n in graph.nodes if n.op == "call_function" and "assert" not in n.name
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("table", [TABLE, core_table()], ids=["ours", "core"])
def test_it_finds_what_a_trace_of_the_whole_graph_finds(table, dtype):
    program = export(Steps(2), dtype)
    module = program.module(check_guards=False)
    whole = program.run_decompositions(table).module(check_guards=False)
    module.graph = decomposed(module, table)
    assert operations(module.graph) == operations(whole.graph)
    assert all("val" in n.meta for n in module.graph.nodes if n.op == "call_function")
    x = torch.rand(5, 4, dtype=dtype)
    assert torch.equal(module(x)[0], whole(x)[0])


def test_equal_operations_are_traced_once(monkeypatch):
    traced = []
    original = local_decompositions.traced_operation
    monkeypatch.setattr(
        local_decompositions,
        "traced_operation",
        lambda *args: traced.append(str(args[0].target)) or original(*args),
    )
    decomposed(export(Steps(1)).module(check_guards=False), core_table())
    once = list(traced)
    traced.clear()
    decomposed(export(Steps(4)).module(check_guards=False), core_table())
    assert sorted(traced) == sorted(once)


class Counter(nn.Module):
    """A model that writes into its buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count.add_(1)
        return (x * self.count,)


def test_a_write_needs_the_whole_graph():
    with pytest.raises(NotLocal):
        decomposed(export(Counter()).module(check_guards=False), TABLE)


class Spectrum(nn.Module):
    """`stft` transposes its result in place."""

    def forward(self, x):
        return (torch.stft(x, 4, return_complex=True).abs(),)


def test_an_operation_that_writes_into_its_own_results_is_local():
    module = export(Spectrum()).module(check_guards=False)
    module.graph = decomposed(module, core_table())
    assert "aten.transpose.int" in operations(module.graph)
    x = torch.rand(5, 4)
    assert torch.equal(module(x)[0], Spectrum()(x)[0])


def test_results_that_are_inputs_keep_their_order():
    class Meets(torch.nn.Module):
        def forward(self, x):
            # Of one shape, so that what is broadcast is the inputs themselves.
            first, second = torch.broadcast_tensors(x + 1, 2 * x)
            return first - second

    x = torch.linspace(-1, 1, 6).reshape(3, 2)
    program = torch.export.export(Meets(), (x,), strict=False)
    module = program.module(check_guards=False)
    values = [node for node in module.graph.nodes if node.target is torch.ops.aten.mul.Tensor]
    (added,) = (n for n in module.graph.nodes if n.target is torch.ops.aten.add.Tensor)
    # Equal nodes may share what is known of their values.
    values[0].meta["val"] = added.meta["val"]
    graph = decomposed(module, core_table())
    (found,) = torch.fx.GraphModule(module, graph)(x)
    torch.testing.assert_close(found, x + 1 - 2 * x)
