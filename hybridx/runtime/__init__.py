"""Model files executed: in ONNX Runtime or torch, or with the circuits on a PennyLane device."""

from hybridx.runtime.devices import (
    ONNX,
    DeviceStatus,
    check_device_name,
    device_names,
    device_statuses,
)
from hybridx.runtime.execution import Execution, Options
from hybridx.runtime.executor import Tally
from hybridx.runtime.journal import Journal, check_no_partial, digest, partial_path
from hybridx.runtime.onnx import PROVIDERS, available_providers
from hybridx.runtime.secrets import scrub
from hybridx.runtime.session import (
    Session,
    Usage,
    check_budget,
    counting_session,
    is_dry,
    keep_results,
    load,
    record_circuits,
    start_session,
    uses_device,
)

__all__ = [
    "ONNX",
    "PROVIDERS",
    "DeviceStatus",
    "Execution",
    "Journal",
    "Options",
    "Session",
    "Tally",
    "Usage",
    "available_providers",
    "check_budget",
    "check_device_name",
    "check_no_partial",
    "counting_session",
    "device_names",
    "device_statuses",
    "digest",
    "is_dry",
    "keep_results",
    "load",
    "partial_path",
    "record_circuits",
    "scrub",
    "start_session",
    "uses_device",
]
