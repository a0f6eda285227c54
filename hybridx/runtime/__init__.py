"""Model files executed: on ONNX Runtime alone, or with the circuits on a PennyLane device."""

from hybridx.runtime.devices import ONNX, check_device_name, device_names
from hybridx.runtime.execution import Execution, Options
from hybridx.runtime.onnx import PROVIDERS
from hybridx.runtime.session import Array, Session, load, start_session

__all__ = [
    "ONNX",
    "PROVIDERS",
    "Array",
    "Execution",
    "Options",
    "Session",
    "check_device_name",
    "device_names",
    "load",
    "start_session",
]
