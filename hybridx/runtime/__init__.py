"""Model files executed: on ONNX Runtime alone, or with the circuits on a PennyLane device."""

from hybridx.runtime.devices import (
    ONNX,
    DeviceStatus,
    check_device_name,
    device_names,
    device_statuses,
)
from hybridx.runtime.execution import Execution, Options, Tell
from hybridx.runtime.executor import Cost, digest
from hybridx.runtime.journal import Journal, check_no_partial, partial_path
from hybridx.runtime.onnx import PROVIDERS, available_providers
from hybridx.runtime.secrets import scrub
from hybridx.runtime.session import Array, Session, Usage, load, start_session

__all__ = [
    "ONNX",
    "PROVIDERS",
    "Array",
    "Cost",
    "DeviceStatus",
    "Execution",
    "Journal",
    "Options",
    "Session",
    "Tell",
    "Usage",
    "available_providers",
    "check_device_name",
    "check_no_partial",
    "device_names",
    "device_statuses",
    "digest",
    "load",
    "partial_path",
    "scrub",
    "start_session",
]
