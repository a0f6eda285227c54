"""Canaries: what torch does behind names that it does not document, where files run.

A failure says which behaviour is gone; then `hybridx/runtime/torch/torch_internals.py` is the one
file to change.
"""

import pytest
import torch

from hybridx.runtime.torch.torch_internals import (
    as_written,
    intercepting,
    program_operators,
    script_operators,
    shapes_only,
    watching,
)


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.cat([x, x.exp().add_(1)], 1)


X = torch.ones(2, 3)


def test_operators_of_a_script_are_named_with_their_overloads():
    """`node.schema()` of `inlined_graph`, `torch._C.parse_schema`"""
    found = dict(script_operators(torch.jit.script(Model())))
    writes = "writes into its arguments"
    assert found == {"aten::exp": "", "aten::add_.Scalar": writes, "aten::cat": ""}


def test_operators_of_a_program_are_named_likewise():
    """`torch._ops.OpOverload`, `_schema`"""
    program = torch.export.export(Model(), (X,))
    found = dict(program_operators(program.graph))
    writes = "writes into its arguments"
    assert found == {"aten::exp": "", "aten::add_.Tensor": writes, "aten::cat": ""}


@pytest.mark.parametrize(
    ("call", "is_known"),
    [
        ("torch.ops.aten.to(x, 6)", True),
        ("torch.ops.aten.to(x, 99)", False),
        ("torch.ops.aten.to(x, 8)", False),
        ("torch.ops.aten.to(x, x.size(0))", False),
        ("torch.ops.aten.to(x, x, False, False, -1)", False),
        ("torch.ops.aten.to(x, x, False, False, 1)", True),
        ("torch.ops.aten.zeros([3], dtype=x.dtype, layout=0)", True),
        ("torch.ops.aten.zeros([3], layout=1)", False),
        ("torch.ops.aten.clone(x, memory_format=7)", False),
    ],
)
def test_numbers_that_stand_for_dtypes_are_looked_at(call, is_known):
    """`real_type` of an argument, `toIValue`"""
    host = torch.jit.script(type("Host", (torch.nn.Module,), {"__module__": __name__})())
    host.define(f"def forward(self, x):\n    return {call}\n")
    assert any(problem for _, problem in script_operators(host)) != is_known


def test_an_operator_is_intercepted_whole_in_both():
    """`TorchDispatchMode`, in inference mode"""
    seen = []

    def called(name, given, call):
        seen.append((name, sorted(given)))
        return call()

    attention = torch.nn.functional.scaled_dot_product_attention
    script = torch.jit.trace(lambda x: attention(x, x, x), X)
    with torch.inference_mode(), intercepting({"aten::scaled_dot_product_attention"}, called):
        for program in (script, lambda x: attention(x, x, x)):
            torch.testing.assert_close(program(X), X)
    arguments = [
        "attn_mask",
        "dropout_p",
        "enable_gqa",
        "is_causal",
        "key",
        "query",
        "scale",
        "value",
    ]
    assert seen == [("aten::scaled_dot_product_attention", arguments)] * 2


def test_operators_are_watched_in_parts_and_have_shapes_without_numbers():
    """`OpOverload.decompose`, `_schema.returns`, the device `meta`"""
    seen = []

    def called(operator):
        seen.append((operator.name, operator.is_view))
        return operator.shapes()

    x, weight = shapes_only(X), torch.ones(4, 3)
    with torch.inference_mode(), watching(called, ()):
        found = torch.nn.functional.linear(x, weight)
    assert found.shape == (2, 4)
    assert found.device.type == "meta"
    assert seen == [("t", True), ("mm", False)]


def test_some_operators_are_left_whole():
    seen, other = [], torch.ones(3, 2)
    with torch.inference_mode(), watching(_noting(seen), {"aten::linear"}):
        torch.nn.functional.linear(X, X)
        torch.matmul(X, other)
    assert seen == ["linear", "mm"]


def test_torchscript_computes_nothing_in_advance():
    """`torch.jit.optimized_execution`, which acts in one thread"""
    host = torch.jit.script(type("Host", (torch.nn.Module,), {"__module__": __name__})())
    host.define("def forward(self, x):\n    return torch.add(torch.neg(torch.ones([3])), x)\n")
    counts = []
    for _ in range(3):
        seen = []
        with torch.inference_mode(), as_written(), watching(_noting(seen), ()):
            host(torch.ones(3))
        counts.append(seen)
    assert counts[0][-3:] == ["ones", "neg", "add"]
    assert counts[1] == counts[2] == counts[0]


def _noting(seen):
    def called(operator):
        seen.append(operator.name)
        return operator.call()

    return called
