"""Find out what this machine can run and what is missing, without importing the packages."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from hybridx.report import Shown

if TYPE_CHECKING:
    from hybridx.runtime import DeviceStatus

# The purpose of each optional package, by the extra that installs it.
_PARTS: Mapping[str, tuple[str, str]] = {
    "numpy": ("everything", "hybridx"),
    "onnx": ("everything", "hybridx"),
    "onnxruntime": ("running files", "hybridx"),
    "torch": ("export, verify against a model, train; TorchScript and PT2 files", "export"),
    "onnxscript": ("export to ONNX", "export"),
    "safetensors": ("checkpoints", "export"),
    "pennylane": ("export, and circuits on devices", "devices"),
    "pennylane-lightning": ("lightning.qubit", "devices"),
    "pennylane-qiskit": ("qiskit.* devices", "qiskit"),
    "amazon-braket-pennylane-plugin": ("braket.* devices", "braket"),
    "numba": ("training on compiled circuits", "train"),
    "matplotlib": ("circuits as PNG and PDF", "draw"),
    "pyarrow": ("data in Parquet files", "parquet"),
    "model-signing": ("signatures", "sign"),
    "cyclonedx-python-lib": ("bills of materials", "bom"),
    "onnxruntime-extensions": ("--engine custom-op", "custom-op"),
}


@dataclass(frozen=True)
class Package:
    """A package that a part of hybridx needs.

    Attributes:
        package: its name for pip.
        version: the installed version, or None.
        purpose: what hybridx needs it for.
        install: the command that installs it if it is missing.
    """

    package: str
    version: str | None
    purpose: str
    install: str | None


@dataclass(frozen=True)
class Diagnosis(Shown):
    """What this machine can run and what is missing.

    Attributes:
        version: of hybridx.
        python: its version.
        platform: operating system and processor.
        parts: the packages, installed or missing.
        providers: the providers of ONNX Runtime on this machine; `--provider auto` takes the first.
        devices: the devices for circuits, ready or not.
    """

    version: str
    python: str
    platform: str
    parts: tuple[Package, ...]
    providers: tuple[str, ...]
    devices: tuple[DeviceStatus, ...]


def doctor() -> Diagnosis:
    """Return what this machine can run, and what is missing for the rest."""
    from hybridx.runtime import ONNX, DeviceStatus, available_providers, device_statuses
    from hybridx.version import __version__

    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        parts=tuple(_part(package) for package in _PARTS),
        providers=available_providers(),
        devices=(DeviceStatus(ONNX, is_ready=True), *device_statuses()),
    )


def _part(package: str) -> Package:
    purpose, extra = _PARTS[package]
    try:
        return Package(package, version(package), purpose, None)
    except PackageNotFoundError:
        name = extra if extra == "hybridx" else f"'hybridx[{extra}]'"
        return Package(package, None, purpose, f"pip install {name}")
