"""Canaries: what torch does behind names that it does not document, for the file formats.

A failure says which behaviour is gone; then `hybridx/targets/torch_internals.py` is the one file to
change. `compile_program` needs a C++ compiler and a minute; its test is in `test_archives.py`.
"""

from __future__ import annotations

import inspect

import pytest
import torch

from hybridx.capture import quiet
from hybridx.targets.torch_internals import (
    is_operator,
    node_of_translation,
    to_fake,
    untranslated_node,
)


def test_inductor_compiles_ahead_of_time_into_a_folder_of_its_own():
    """`torch._inductor.aoti_compile_and_package`, `aoti_load_package`, `fresh_cache`"""
    from torch._inductor.utils import fresh_cache

    compiling = inspect.signature(torch._inductor.aoti_compile_and_package).parameters
    assert {"package_path", "inductor_configs"} <= compiling.keys()
    assert callable(torch._inductor.aoti_load_package)
    assert "dir" in inspect.signature(fresh_cache).parameters


@pytest.mark.parametrize(
    "option", ["aot_inductor.enable_line_tables", "cpp_cache_precompile_headers"]
)
def test_inductor_has_the_options_that_are_set(option):
    from torch._inductor import config

    assert option in config.get_config_copy()


def test_fake_tensors_of_one_trace_share_a_mode():
    """`FakeTensor.fake_mode` and `FakeTensorMode.from_tensor`, in `to_fake`"""
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(3, 2),))
    values = [node.meta.get("val") for node in program.graph.nodes]
    fake = to_fake(values)(torch.ones(4, dtype=torch.float64))
    assert fake.fake_mode is values[0].fake_mode
    assert (fake.shape, fake.dtype) == ((4,), torch.float64)
    assert to_fake(values)(values[0]) is values[0]
    assert to_fake([])(torch.ones(2)).shape == (2,)


def test_an_operator_is_an_overload():
    """`torch._ops.OpOverload`, in `is_operator`"""
    assert is_operator(torch.ops.aten.add.Tensor)
    assert not is_operator(torch.add)


@pytest.mark.filterwarnings("ignore")
def test_the_exporter_holds_the_node_that_it_cannot_translate():
    """The frames of `torch.onnx` below an error."""

    class Airy(torch.nn.Module):
        def forward(self, x):
            return torch.special.airy_ai(x.sin())

    node = None
    try:
        torch.onnx.export(Airy().eval(), (torch.ones(2),), dynamo=True, verbose=False)
    except torch.onnx.OnnxExporterError as error:  # `pytest.raises` would clear the frames
        node = untranslated_node(error)
    assert node is not None
    assert node.target is torch.ops.aten.special_airy_ai.default
    assert untranslated_node(ValueError()) is None


def test_a_node_of_onnx_says_what_it_translates():
    """Metadata `pkg.torch.onnx.fx_node`, in `node_of_translation`"""
    with quiet():
        translated = torch.onnx.export(
            torch.nn.Tanh(), (torch.rand(2),), dynamo=True, verbose=False
        )
    (made,) = translated.model.graph
    nodes = {node.name for node in translated.exported_program.graph.nodes}
    assert node_of_translation(made) in nodes
