"""The files that engines run, and the numbers that they should give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch

import hybridx
from tests.engines.engine import Attempt
from tests.engines.models import MODELS

Dtype = Literal["float32", "float64"]
Form = Literal["default", "inlined"]
DTYPES: tuple[Dtype, ...] = ("float32", "float64")
FORMS: tuple[Form, ...] = ("default", "inlined")
FEW = 3  # rows, beside those of a model, for an open batch


@dataclass(frozen=True)
class Case:
    """Inputs of a model, and what PennyLane's simulator gives for them in complex128.

    Attributes:
        inputs: `(rows, features)` each, of different numbers of rows.
        expected: `(rows, results)` each, float64.
    """

    inputs: tuple[np.ndarray, ...]
    expected: tuple[np.ndarray, ...]


@cache
def _model(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(7)
    model = MODELS[name].make()
    return model, torch.randn(MODELS[name].rows, MODELS[name].features)


@cache
def case(name: str, dtype: Dtype) -> Case:
    """Return inputs of a model in a dtype, and what it gives for them, computed in float64."""
    rows = _model(name)[1].double()
    # The weights and inputs of the model are float32, and float64 holds them exactly.
    model = MODELS[name].make()
    model.load_state_dict(_model(name)[0].state_dict())
    with torch.no_grad():
        expected = model.double()(rows).numpy()
    whole = rows.numpy().astype(dtype)
    return Case((whole, whole[:FEW]), (expected, expected[:FEW]))


@cache
def file(folder: Path, name: str, dtype: Dtype, form: Form, attempt: Attempt) -> Path:
    """Return a file of a model, exported if it is not there.

    Args:
        folder: of files.
        name: of the model.
        dtype: of its numbers.
        form: with functions, or inlined.
        attempt: what an engine is tried with.
    """
    if attempt == "alone":
        return file(folder, name, dtype, form, "web")
    model, rows = _model(name)
    path = folder / f"{name}-{dtype}-{form}-{attempt.replace(' ', '-')}.onnx"
    options = dict(MODELS[name].options)
    if attempt == "fixed":
        options["dynamic"] = len(rows)
    if attempt == "web":
        options["machine"] = "web"
    if attempt == "opset 18":
        options["opset"] = 18
    if form == "inlined":
        options["inline"] = True
    hybridx.export(model, (rows[:2],), path, dtype=dtype, overwrite=True, **options)
    return path
