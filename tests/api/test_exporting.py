"""Arguments of an export in Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hybridx
from hybridx.errors import OptionError
from tests.sample_models import make


@pytest.mark.parametrize("dtype", [torch.float64, np.float64, np.dtype("float64"), "float64"])
def test_a_dtype_is_a_name_or_an_object_of_torch_or_numpy(dtype):
    model, example = make("sandwich")
    assert hybridx.lower(model, (example,), dtype=dtype)(example.double()).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.int8, np.float16, complex, "double"])
def test_a_dtype_that_no_file_has_is_refused(dtype, tmp_path):
    model, example = make("sandwich")
    with pytest.raises(OptionError, match="float32, float64"):
        hybridx.export(model, (example,), tmp_path / "model.onnx", dtype=dtype)
