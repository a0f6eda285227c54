"""PennyLane devices found by name, with a useful answer when there is none."""

from __future__ import annotations

import difflib
import importlib.util
from importlib.metadata import entry_points
from typing import Any

from hybridx.errors import (
    DeviceFailedError,
    MissingExtraError,
    MissingPluginError,
    UnknownDeviceError,
)

ONNX = "onnx"
"""The device that is no device: circuits run as their compiled bodies in ONNX Runtime."""

# Names that belong to plug-ins one may not have, by their beginning.
PLUGINS = {
    "qiskit.": "pennylane-qiskit",
    "braket.": "amazon-braket-pennylane-plugin",
    "cirq.": "pennylane-cirq",
    "ionq.": "pennylane-ionq",
    "rigetti.": "pennylane-rigetti",
    "aqt.": "pennylane-aqt",
    "honeywell.": "pennylane-honeywell",
    "quantuminspire.": "pennylane-quantuminspire",
    "qulacs.": "pennylane-qulacs",
    "lightning.": "pennylane-lightning",
}


def device_names() -> tuple[str, ...]:
    """Return the names of all installed PennyLane devices, without importing any."""
    return tuple(sorted({entry.name for entry in entry_points(group="pennylane.plugins")}))


def check_device_name(name: str) -> None:
    """Refuse a device that cannot be had, before anything is loaded.

    Raises:
        MissingExtraError: PennyLane is not installed.
        MissingPluginError: the name belongs to a plug-in that is not installed.
        UnknownDeviceError: no device has that name.
    """
    if name == ONNX:
        return
    if importlib.util.find_spec("pennylane") is None:
        raise MissingExtraError(f"device {name!r}", "pennylane", "devices")
    known = device_names()
    if name in known:
        return
    for prefix, plugin in PLUGINS.items():
        if name.startswith(prefix) and not any(other.startswith(prefix) for other in known):
            raise MissingPluginError(name, plugin)
    nearest = difflib.get_close_matches(name, [ONNX, *known], n=3, cutoff=0.4)
    raise UnknownDeviceError(name, ", ".join(nearest or [ONNX, *known]))


def make_device(name: str, wires: int, seed: int | None) -> Any:
    """Return a PennyLane device.

    Args:
        name: as `check_device_name` accepts it.
        wires: how many it must have.
        seed: for devices that sample, where they take one.

    Raises:
        DeviceFailedError: the device does not open; the reason is the plug-in's own.
    """
    import pennylane as qml

    # Only PennyLane's own simulators are known to take a seed by this name.
    takes_seed = name.startswith(("default.", "lightning."))
    options = {"seed": seed} if takes_seed and seed is not None else {}
    try:
        return qml.device(name, wires=wires, **options)
    except Exception as error:
        # Plug-ins raise whatever their vendor's client raises.
        raise DeviceFailedError(name, f"{type(error).__name__}: {error}") from error
