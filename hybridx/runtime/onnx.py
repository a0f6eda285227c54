"""ONNX Runtime sessions, made in one place with one set of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from hybridx.errors import BrokenArtifactError, DeviceFailedError, NoKernelError, OptionError

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
PROVIDERS = ("auto", *_PROVIDERS)


def start(content: bytes, path: str, provider: str = "auto") -> onnxruntime.InferenceSession:
    """Return a session on the bytes of an ONNX model.

    Args:
        content: the model.
        path: for messages.
        provider: `auto` takes what is there, best first, or one of `PROVIDERS`.

    Raises:
        OptionError: the provider is not in this build of ONNX Runtime.
        NoKernelError: it has no implementation of an operator.
        BrokenArtifactError: it refuses the model for another reason.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=_providers(provider))
    except _state.NotImplemented as error:
        raise NoKernelError(path, str(error)) from error
    except (_state.Fail, _state.InvalidGraph, _state.InvalidProtobuf) as error:
        raise BrokenArtifactError(path, f"ONNX Runtime refuses it: {error}") from error


def _providers(provider: str) -> list[str]:
    available = onnxruntime.get_available_providers()
    cpu = _PROVIDERS["cpu"]
    if provider == "auto":
        return [name for name in _PROVIDERS.values() if name in available and name != cpu] + [cpu]
    name = _PROVIDERS.get(provider, "")
    if name not in available:
        there = [short for short, long in _PROVIDERS.items() if long in available]
        raise OptionError("--provider", provider, ", ".join(["auto", *there]))
    return [name, cpu] if name != cpu else [cpu]


def run(
    session: onnxruntime.InferenceSession, outputs: Sequence[str], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the named outputs of a session.

    Raises:
        DeviceFailedError: ONNX Runtime stopped; the reason is its own.
    """
    try:
        return dict(zip(outputs, session.run(list(outputs), dict(inputs)), strict=True))
    except (_state.Fail, _state.RuntimeException, _state.InvalidArgument) as error:
        raise DeviceFailedError("onnx", str(error)) from error
