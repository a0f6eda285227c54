"""Every rule that carries an operation from one row to a batch: equal to a loop over the rows."""

from __future__ import annotations

import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from hybridx.capture import quiet
from hybridx.capture.batching import NoRowRule, RowInterpreter, Rows
from tests.sampling import some

# The same arithmetic in another order, in float32.
ROUNDED = 2e-5

ROWS = 4
MATRIX = torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
VECTOR = torch.rand(4, generator=torch.Generator().manual_seed(2))
INDEX = torch.tensor([2, 0])


def index(x, *indices):
    return torch.ops.aten.index.Tensor(x, list(indices))


def in_place(x):
    out = torch.zeros(2, 3)
    out[0] = x[0, :3]
    out[1, 1] = x[1, 2]
    out[:, 2] += x[:2, 0]
    return out


CASES = {
    "arithmetic with a constant": lambda x: torch.tanh(2 * x + VECTOR) - 1,
    "ranks that differ": lambda x: x * x[0] + x[0, 0],
    "a dtype that a number does not widen": lambda x: x * x[0, 0].double(),
    "comparison": lambda x: torch.where(x > x.mean(), x, -x),
    "clamp": lambda x: x.clamp(min=0.2).clamp_max(0.7),
    "reshape": lambda x: x.reshape(-1).view(4, 3).flatten(),
    "squeeze": lambda x: x[:1].squeeze(0).unsqueeze(-1).squeeze(),
    "transpose": lambda x: x.T @ x,
    "permute": lambda x: x.reshape(3, 2, 2).permute(2, 0, 1),
    "expand": lambda x: x[0].expand(5, 4) + x[0, 0].expand(4),
    "repeat": lambda x: x[0].repeat(2, 3),
    "select and slice": lambda x: x[-1, 1:3] + x[0, ::2],
    "flip and roll": lambda x: torch.flip(x, [1]) + torch.roll(x, 1, 0),
    "split": lambda x: torch.cat(list(x.split(2, dim=-1))[::-1], dim=-1),
    "unbind": lambda x: torch.stack(x.unbind(-1)[::-1]),
    "cat with a constant": lambda x: torch.cat([x, MATRIX[:1]]),
    "cat of dtypes": lambda x: torch.cat([x[0], x[1].double()]),
    "stack on the last axis": lambda x: torch.stack([x[0], VECTOR], dim=-1),
    "hstack": lambda x: torch.hstack([x[0], x[1, :2]]),
    "kron": lambda x: torch.kron(x[0], x[1]),
    "outer": lambda x: torch.outer(x[0], VECTOR),
    "sum": lambda x: x.sum() + x.sum(0) + x.sum(-1, keepdim=True),
    "mean": lambda x: x.mean(dim=(0, 1)) + x.mean(1, keepdim=True),
    "product": lambda x: x.prod(1) + x.prod(),
    "extremes": lambda x: x.amax(0) + x.amin() + x.max(1, keepdim=True).values,
    "positions": lambda x: x.argmax(1) + x.argmin(),
    "variance": lambda x: x.var(1) + x.std(),
    "norm": lambda x: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) + x.norm(),
    "normalize": lambda x: functional.normalize(x, dim=0),
    "softmax": lambda x: x.softmax(-1) + x.log_softmax(0),
    "softmax of a vector": lambda x: torch.softmax(x[0], dim=0),
    "cumulative sums": lambda x: x.cumsum(0) + x.cumprod(1),
    "sort and topk": lambda x: x.sort(1).values[:, :2] + x.topk(2).values,
    "matrix times matrix": lambda x: x @ x.T @ MATRIX,
    "constant times matrix": lambda x: MATRIX.T @ x,
    "matrix times vector": lambda x: x @ x[0] + MATRIX @ x[1],
    "dot": lambda x: torch.dot(x[0], x[1]) + torch.dot(x[0], VECTOR),
    "batch of matrices": lambda x: torch.bmm(x[None], MATRIX.T[None]),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, MATRIX),
    "linear": lambda x: functional.linear(x, MATRIX, VECTOR[:3]),
    "linear of a vector": lambda x: functional.linear(x[0], MATRIX),
    "two dimensions of convolution": lambda x: functional.conv2d(
        x[None, None], MATRIX[:2, :2][None, None]
    ),
    "convolution without a batch": lambda x: functional.conv1d(x, MATRIX.reshape(2, 3, 2)),
    "pooling": lambda x: (
        functional.max_pool2d(x[None, None], 2) + functional.avg_pool2d(x[None, None], 2)
    ),
    "adaptive pooling": lambda x: functional.adaptive_avg_pool2d(x[None], 1),
    "padding": lambda x: functional.pad(x, (1, 2), value=0.5),
    "layer norm": lambda x: functional.layer_norm(x, (4,), VECTOR, VECTOR),
    "activations": lambda x: (
        functional.gelu(x)
        + functional.softplus(x)
        + functional.leaky_relu(x - 0.5)
        + functional.elu(x - 0.5)
    ),
    "embedding": lambda x: functional.embedding((x[0] * 3).long(), MATRIX),
    "index by a constant": lambda x: x[INDEX] + x[:, INDEX].sum(),
    "index by data": lambda x: x[(x[:, 0] * 3).long()] + MATRIX[(x[:, 0] * 3).long()],
    "index by a number": lambda x: index(x, x[:, 0].argmax()) + index(MATRIX.T, x[0].argmin())[0],
    "index of a later axis by data": lambda x: (
        index(x, None, (x[:, 1] * 3).long()) + index(MATRIX, None, (x[0, :3] * 3).long())
    ),
    "index of two axes by data": lambda x: (
        index(x.reshape(3, 2, 2), (x[0, :2] * 2).long(), None, (x[1, :2] * 2).long())
        + index(x.reshape(2, 3, 2), None, (x[0, :2] * 3).long(), (x[1, 0] * 2).long())
    ),
    "write at a number of a later axis": lambda x: torch.ops.aten.index_put(
        x, [None, (x[0, 0] * 4).long()], x[:, 1] * 2
    ),
    "index select by data": lambda x: (
        x.index_select(1, (x[:2, 0] * 4).long()) + MATRIX.index_select(1, (x[:2, 1] * 4).long())
    ),
    "gather": lambda x: x.gather(1, (x[:, :2] * 3).long()),
    "index select": lambda x: torch.index_select(x, 1, INDEX),
    "write into a buffer": in_place,
    "one-hot": lambda x: functional.one_hot((x[0] * 3).long(), 3) + x[0, 0],
    "triangles": lambda x: x.triu() + x.tril(-1),
    "zeros like": lambda x: torch.zeros_like(x) + torch.ones_like(x) * x,
    "attention": lambda x: functional.scaled_dot_product_attention(x[None], x[None], MATRIX[None]),
    "constants alone": lambda x: MATRIX.sum() + 0 * x[0, 0],
}


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def traced(function, example) -> fx.GraphModule:
    with quiet():
        program = torch.export.export(Function(function), (example,), strict=False)
        module = program.run_decompositions().module(check_guards=False)
    for node in list(module.graph.nodes):
        if str(node.target).startswith("aten._assert"):
            module.graph.erase_node(node)
    return module


@pytest.mark.parametrize("name", some(CASES, every=3))
def test_a_batch_is_a_loop_over_its_rows(name):
    function = CASES[name]
    rows = torch.rand(ROWS, 3, 4, generator=torch.Generator().manual_seed(3))
    expected = torch.stack([function(row) for row in rows])
    module = traced(function, rows[0])
    found = RowInterpreter(module, ROWS).run(Rows(rows)).value
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=ROUNDED, atol=ROUNDED)


@pytest.mark.parametrize("name", some(CASES, every=4, first=1))
def test_the_batch_axis_of_the_trace_becomes_the_rows(name):
    function = CASES[name]
    rows = torch.rand(ROWS, 3, 4, generator=torch.Generator().manual_seed(5))

    def model(x):
        return torch.stack([function(row) for row in x * 0.9])

    module = traced(model, rows[:1])
    found = RowInterpreter(module, ROWS).run(Rows(rows, is_batch=True))
    torch.testing.assert_close(found.value.flatten(0, 1), model(rows), rtol=ROUNDED, atol=ROUNDED)


BATCHED = {
    "linear": lambda x: functional.linear(torch.tanh(x), MATRIX, VECTOR[:3]).softmax(-1),
    "batch norm": lambda x: functional.batch_norm(x, MATRIX[:, 0], MATRIX[:, 1]),
    "convolution": lambda x: functional.conv1d(x, MATRIX.reshape(2, 3, 2)).relu().mean(-1),
    "two dimensions": lambda x: functional.max_pool2d(
        functional.conv2d(x[:, None], MATRIX[:2, :2][None, None]), 2
    ),
    "layer norm": lambda x: functional.layer_norm(x, (3, 4)),
    "flattened": lambda x: x.flatten(1)[:, 2:5].unsqueeze(1).transpose(1, 2),
    "shared by all rows": lambda x: x + MATRIX[None, 0] - MATRIX,
    "more of the batch axis": lambda x: (x + torch.stack([MATRIX, -MATRIX])).sum(0)[None],
    "reduced": lambda x: x.sum((1, 2)) + x.amax(-1).mean(1),
}


@pytest.mark.parametrize("name", BATCHED)
def test_an_operation_on_a_batch_stays_one(name):
    function = BATCHED[name]
    rows = torch.rand(ROWS, 3, 4, generator=torch.Generator().manual_seed(6))
    expected = torch.cat([function(row[None]) for row in rows])
    module = traced(function, rows[:1])
    found = RowInterpreter(module, ROWS).run(Rows(rows, is_batch=True))
    torch.testing.assert_close(found.value.flatten(0, 1), expected, rtol=ROUNDED, atol=ROUNDED)


def test_an_operation_without_a_rule_is_named():
    rows = torch.rand(ROWS, 3, 4)
    module = traced(lambda x: functional.conv1d(MATRIX[None, :2], x[None, :2, :2]), rows[0])
    with pytest.raises(NoRowRule, match="convolution"):
        RowInterpreter(module, ROWS).run(Rows(rows))
