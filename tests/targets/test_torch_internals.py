"""Canaries: what torch does behind names that it does not document, for the file formats.

A failure says which behaviour is gone; then `hybridx/targets/torch_internals.py` is the one file to
change. `compile_program` needs a C++ compiler and a minute; its test is in `test_archives.py`.
"""

from __future__ import annotations

import inspect

import pytest
import torch


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
