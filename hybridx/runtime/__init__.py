"""Model files executed: on ONNX Runtime alone, or with the circuits on a PennyLane device."""

from hybridx.runtime.devices import ONNX, check_device_name, device_names
from hybridx.runtime.onnx import PROVIDERS
from hybridx.runtime.session import (
    Array,
    Session,
    Signature,
    load,
    signatures,
    start_session,
)

__all__ = [
    "ONNX",
    "PROVIDERS",
    "Array",
    "Session",
    "Signature",
    "check_device_name",
    "device_names",
    "load",
    "signatures",
    "start_session",
]
