"""Canaries: what torch does behind names that it does not document, where files run.

A failure says which behaviour is gone; then `hybridx/runtime/torch/torch_internals.py` is the one
file to change.
"""

import torch

from hybridx.runtime.torch.torch_internals import (
    intercepting,
    program_operators,
    script_operators,
)


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.cat([x, x.exp().add_(1)], 1)


X = torch.ones(2, 3)


def test_operators_of_a_script_are_named_with_their_overloads():
    """`node.schema()` of `inlined_graph`"""
    found = dict(script_operators(torch.jit.script(Model())))
    assert found == {"aten::exp": False, "aten::add_.Scalar": True, "aten::cat": False}


def test_operators_of_a_program_are_named_likewise():
    """`torch._ops.OpOverload`, `_schema`"""
    program = torch.export.export(Model(), (X,))
    found = dict(program_operators(program.graph))
    assert found == {"aten::exp": False, "aten::add_.Tensor": True, "aten::cat": False}


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
