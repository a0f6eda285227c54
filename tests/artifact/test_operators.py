"""The list of operators that a file for torch may hold, against torch's own tables."""

import functools

import torch
from torch._decomp import decomposition_table

from hybridx.artifact import OPERATORS
from hybridx.artifact.guard.operators import _COMPOSITE, _CORE, _KEPT, MAKERS, NUMBERS, words
from hybridx.program.to_torch import _BINARY, _UNARY

# Some of those that write, read files, draw numbers or trust their arguments.
FORBIDDEN = words(
    "save load from_file set set_data resize resize_as copy_ backward manual_seed rand randn "
    "bernoulli dropout segment_reduce _unsafe_index _unsafe_index_put _unsafe_masked_index put "
    "take_ ctc_loss sparse_coo_tensor sparse_csr_tensor to_sparse to_dense to_mkldnn "
    "quantize_per_tensor fbgemm_linear_fp16_weight fbgemm_linear_int8_weight max_unpool2d "
    "max_unpool3d warn _embedding_bag _fft_c2r _weight_norm_interface _fused_rms_norm "
    "linalg_eig linalg_eigvals data requires_grad_ record_stream _cudnn_rnn mkldnn_rnn_layer "
)


@functools.cache
def overloads(name):
    packet = getattr(torch.ops.aten, name)
    return [getattr(packet, one) for one in packet.overloads()]


def functional(name):
    """The overloads of an operator that write into nothing and make a tensor."""
    return [one for one in overloads(name) if not one._schema.is_mutable]


# Operators that draw numbers only for dropout, which is 0 in eval mode.
WITH_DROPOUT = words(
    "gru lstm rnn_relu rnn_tanh scaled_dot_product_attention _scaled_dot_product_attention_math "
    "_scaled_dot_product_flash_attention_for_cpu"
)


def test_an_operator_computes_a_value_and_nothing_else():
    for name in sorted(OPERATORS):
        assert functional(name), name
        assert not name.endswith("_") or name.startswith("__"), name
        tags = {tag for one in functional(name) for tag in one.tags}
        assert torch.Tag.nondeterministic_seeded not in tags or name in WITH_DROPOUT, name
        assert "backward" not in name


def test_the_core_is_torchs():
    """Each is tagged as a core operator, or torch decomposes it towards them."""
    decomposed = {
        one._schema.name.partition("::")[2]
        for one in decomposition_table
        if hasattr(one, "_schema")
    }
    for name in sorted(_CORE):
        is_core = any(torch.Tag.core in one.tags for one in functional(name))
        assert is_core or name in decomposed, name


def test_the_composite_ones_are_made_of_others_by_torch_itself():
    for name in sorted(_COMPOSITE):
        assert any(
            torch._C._dispatch_has_kernel_for_dispatch_key(one.name(), "CompositeImplicitAutograd")
            for one in functional(name)
        ), name


def test_nothing_is_listed_twice_and_nothing_that_is_forbidden():
    assert len(OPERATORS) == len(_CORE) + len(_COMPOSITE) + len(_KEPT)
    assert not OPERATORS & {*FORBIDDEN}
    assert MAKERS <= OPERATORS
    assert not OPERATORS & NUMBERS


def test_our_own_lowering_needs_no_other():
    written = {one._schema.name.partition("::")[2] for one in (*_UNARY.values(), *_BINARY.values())}
    written |= {"slice", "index_select", "reshape", "permute", "cat", "sum", "sym_size"}
    assert written <= OPERATORS
