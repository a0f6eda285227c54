"""What a user finds in `hybridx`, and that what its documentation names is there."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing

import pytest
import torch

import hybridx
from hybridx import api
from hybridx.api.options import read_open_axes
from hybridx.capture import OpenAxes
from hybridx.errors import OptionError

PUBLIC = {
    *("BATCH_SIZE", "FORMATS", "OPSET", "OPSETS", "SIGNIFICANCE", "STRATEGIES", "TOLERANCE"),
    *(
        "VERIFIED_BATCHES",
        "CheckReport",
        "CircuitSummary",
        "Conversion",
        "Evaluation",
        "Execution",
        "ExportReport",
    ),
    *("HybridxError", "InputSummary", "Inspection", "Prediction", "Session", "VerifyReport"),
    *(
        "__version__",
        "check",
        "convert",
        "evaluate",
        "export",
        "inspect",
        "load",
        "lower",
        "predict",
    ),
    *("BenchReport", "Signed", "bench", "limits", "sign", "to_torch", "verify"),
    *("AccelerationReport", "accelerate", "restore"),
    *("Card", "ServerFiles", "WebPage", "card", "page", "serve_config"),
}

NAMED = re.compile(r"`([A-Z][A-Za-z_]{2,}|hybridx(?:\.\w+)+)`")
ELSEWHERE = {"TorchLayer", "QNode"}  # of PennyLane


def test_the_public_names_are_these():
    assert set(hybridx.__all__) == PUBLIC
    assert all(getattr(hybridx, name) is not None for name in PUBLIC)
    assert issubclass(hybridx.Lowered, torch.nn.Module)
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = hybridx.nothing_of_that_name


def documented():
    """Yield each public function and class of `hybridx` and `hybridx.api` with its docstring."""
    for module in (hybridx, api):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield pytest.param(module, value, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize(("module", "value"), list(documented()))
def test_what_a_docstring_names_is_found_beside_it(module, value):
    texts = [inspect.getdoc(value) or ""]
    if inspect.isclass(value):
        texts += [inspect.getdoc(one) or "" for name, one in vars(value).items() if name[0] != "_"]
    for name in NAMED.findall("\n".join(texts)):
        found = hybridx if name.startswith("hybridx.") else module
        for part in name.removeprefix("hybridx.").split("."):
            assert part in ELSEWHERE or hasattr(found, part), name
            found = getattr(found, part, None)


@pytest.mark.parametrize(
    "function", [getattr(hybridx, name) for name in ("convert", "evaluate", "export", "inspect",
                                                    "predict", "verify")]
)  # fmt: skip
def test_what_a_function_returns_can_be_named(function):
    returned = inspect.signature(function).return_annotation
    assert hasattr(hybridx, returned), returned


def test_lower_is_typed_as_what_it_returns():
    assert inspect.signature(hybridx.lower).return_annotation == "Lowered"


def test_the_names_cost_no_torch():
    code = "import sys, hybridx; hybridx.ExportReport; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


AXES = {"x": {0: "batch", 1: "length"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, OpenAxes(None, "dynamic")),
        ({"dynamic": "batch"}, OpenAxes(None, "dynamic")),
        ({"dynamic": "none"}, OpenAxes(None, "none")),
        ({"dynamic": 3}, OpenAxes(None, 3)),
        ({"dynamic": AXES}, OpenAxes(AXES, "dynamic")),
        ({"batch": "dynamic"}, OpenAxes(None, "dynamic")),
        ({"batch": "none"}, OpenAxes(None, "none")),
        ({"batch": 3}, OpenAxes(None, 3)),
        ({"batch": 3, "dynamic": AXES}, OpenAxes(AXES, 3)),
        ({"batch": "dynamic", "dynamic": "batch"}, OpenAxes(None, "dynamic")),
    ],
)
def test_both_spellings_are_one_value(given, expected):
    assert read_open_axes(given.get("dynamic"), given.get("batch")) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"dynamic": "dynamic"}, {"dynamic": 0}, {"dynamic": True}, {"batch": "batch"},
        {"batch": -1}, {"batch": 3, "dynamic": 4}, {"batch": "none", "dynamic": "batch"},
    ],
)  # fmt: skip
def test_what_is_neither_is_refused(given):
    with pytest.raises(OptionError):
        read_open_axes(given.get("dynamic"), given.get("batch"))


def test_the_parameters_of_export_and_lower_are_the_same():
    of_export, of_lower = map(inspect.signature, (hybridx.export, hybridx.lower))
    for name in ("batch", "dynamic"):
        assert of_export.parameters[name] == of_lower.parameters[name]
    assert typing.get_args(api.options.Dynamic)
