"""PennyLane devices by name: which are installed, what they need, how one is opened."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from hybridx.device_table import EXTRAS, FAMILIES, Family, family_of, family_to_install
from hybridx.errors import (
    DeviceError,
    DeviceFailedError,
    ForkedDeviceError,
    MissingCredentialsError,
    MissingExtraError,
    MissingOptionError,
    MissingPluginError,
    OptionError,
    OptionNeedsError,
    SecretOptionError,
    UnknownDeviceError,
)
from hybridx.runtime.execution import ONNX
from hybridx.runtime.secrets import describe, is_secret, shown
from hybridx.runtime.sharing.turns import turn_in_pennylane
from hybridx.runtime.submission.vendor_errors import CREDENTIALS

# Devices that do not run circuits of qubit gates.
_NO_GATES = ("braket.aws.ahs", "braket.local.ahs", "default.gaussian", "default.qutrit")


# The processes in which a device with threads was opened: this one, and those it was forked from.
_WITH_THREADS: set[int] = set()


def takes_seed(name: str) -> bool:
    """Return whether a device is known to sample the same with the same seed."""
    family = family_of(name)
    return family is not None and family.seed is not None


def device_names() -> tuple[str, ...]:
    """Return the names of all installed PennyLane devices, without importing any."""
    return tuple(sorted({entry.name for entry in entry_points(group="pennylane.plugins")}))


def is_installed(module: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False  # an import hook forbids it


def check_custom_op() -> None:
    """Refuse to run circuits as a custom operator without the package for it.

    Raises:
        MissingExtraError: onnxruntime-extensions is not installed.
    """
    if not is_installed("onnxruntime_extensions"):
        purpose = "engine 'custom-op' (on Python 3.13 or earlier)"
        raise MissingExtraError(purpose, "onnxruntime-extensions", "custom-op")


def check_device_name(name: str) -> None:
    """Refuse a device that is not installed or does not exist, before anything is loaded.

    Raises:
        MissingExtraError: PennyLane is not installed.
        MissingPluginError: the name belongs to a plug-in that is not installed.
        UnknownDeviceError: no device has that name.
    """
    if name == ONNX:
        return
    family = family_of(name)
    if not is_installed("pennylane"):
        if family is None or family.module or EXTRAS.get(family.package) == "devices":
            raise MissingExtraError(f"device {name!r}", "pennylane", "devices")
        raise _missing(name, family)  # PennyLane is installed along with a plug-in
    known = device_names()
    if name in known:
        if family and family.module and not is_installed(family.module):
            raise _missing(name, family)
        return
    missing = family_to_install(name, known)
    if missing is not None:
        raise _missing(name, missing)
    nearest = difflib.get_close_matches(name, [ONNX, *known], n=3, cutoff=0.4)
    raise UnknownDeviceError(name, ", ".join(nearest or [ONNX, *known]))


@dataclass(frozen=True)
class DeviceStatus:
    """Whether circuits can run on a device here.

    Attributes:
        name: of the device; if its plug-in is missing, how the names of its devices begin.
        is_ready: whether it is installed and, if it is a service, whether credentials are there.
        needs: what is missing: a command to install it, or where credentials are looked for.
        note: which option the device needs.
    """

    name: str
    is_ready: bool
    needs: str | None = None
    note: str | None = None


def device_statuses() -> tuple[DeviceStatus, ...]:
    """Return the state of every installed device and of every plug-in that hybridx knows."""
    is_there = is_installed("pennylane")
    names = device_names() if is_there else ()
    names = tuple(name for name in names if not name.startswith(_NO_GATES))
    found = [_status(name) for name in names]
    for family in FAMILIES:
        if not any(name.startswith(family.prefix) for name in names):
            needs = f"pip install {family.install}"
            if family.login and not family.login.is_there():
                needs = f"{needs}; set {family.login}"
            star = "*" if family.prefix.endswith(".") else ""
            found.append(DeviceStatus(family.prefix + star, False, needs))
    return tuple(found)


def _status(name: str) -> DeviceStatus:
    family = family_of(name)
    if family is None:
        return DeviceStatus(name, True)
    note = "wants --option {}={}".format(*family.required) if family.required else None
    if family.module and not is_installed(family.module):
        return DeviceStatus(name, False, f"pip install {family.install}", note)
    if family.login and not family.login.is_there():
        return DeviceStatus(name, False, f"set {family.login}", note)
    return DeviceStatus(name, True, None, note)


def _missing(name: str, family: Family) -> MissingPluginError:
    return MissingPluginError(name, family.package, family.install)


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Refuse options that must not be passed to a device.

    Raises:
        SecretOptionError: an option is a credential.
        OptionError: hybridx itself sets that option.
    """
    family = family_of(name)
    for option in options:
        if is_secret(option):
            login = family.login if family else None
            raise SecretOptionError(option, name, str(login or "it as the plug-in documents"))
        if option in ("wires", "shots", "name"):
            raise OptionError("--option", option, "the device's own; it has --shots of hybridx")


def check_required(name: str, options: Mapping[str, object], shots: int | None) -> None:
    """Refuse to open a device without an option that it needs.

    Raises:
        MissingOptionError: the device needs one of its own options.
        OptionNeedsError: the device needs a number of shots.
    """
    family = family_of(name)
    if family and family.login and not family.is_exact and shots is None:
        raise OptionNeedsError(f"--device {name}", "--shots")
    if family and family.required and family.required[0] not in options:
        raise MissingOptionError(name, *family.required)


def check_device(device: Any, options: Mapping[str, object], shots: int | None) -> None:
    """Refuse a device by its name, or because it lacks an option that it needs.

    Raises as `check_device_name` and `check_required`. A device object is never refused.
    """
    if isinstance(device, str):
        check_device_name(device)
        check_required(device, options, shots)


def device_name(device: Any) -> str:
    """Return the name of a device that is given by name or as an object."""
    if isinstance(device, str):
        return device
    from hybridx.runtime.pennylane import name_of

    return name_of(device)


@turn_in_pennylane()
def make_device(
    name: str, wires: int, seed: int | None = None, options: Mapping[str, object] | None = None
) -> Any:
    """Return a PennyLane device.

    Args:
        name: a name that `check_device_name` accepts.
        wires: number of wires.
        seed: is passed on if the device is known to take one.
        options: further keyword arguments of the device.

    Raises:
        MissingCredentialsError: a service has no credentials, or accepts none of them.
        DeviceFailedError: the device does not open; the reason is in the plug-in's own words.
    """
    import pennylane as qml

    family = family_of(name)
    if family and family.has_threads:
        if _WITH_THREADS - {os.getpid()}:
            raise ForkedDeviceError(name)
        _WITH_THREADS.add(os.getpid())
    keywords = dict(options or {})
    if family and family.seed and seed is not None:
        keywords.setdefault(family.seed, seed)
    try:
        for option, value in keywords.items():
            adapt = ADAPTERS.get((name, option))
            if adapt is not None and isinstance(value, str):
                keywords[option] = adapt(value)
        return qml.device(name, wires=wires, **keywords)
    except Exception as error:
        # A plug-in raises whatever its vendor's client raises.
        raise device_failure(name, error) from shown(error)


def device_failure(name: str, error: BaseException) -> DeviceError:
    """Return the typed error for what a device raised.

    Credentials are blamed only if the device belongs to a service and its error is about them.
    """
    family = family_of(name)
    if family and family.login and CREDENTIALS.fit(error):
        return MissingCredentialsError(name, describe(error), str(family.login))
    return DeviceFailedError(name, describe(error))


def _noise_of_backend(text: str) -> Any:
    """Return Qiskit Aer's noise model of a backend, fake or real."""
    from qiskit_aer.noise import NoiseModel

    return NoiseModel.from_backend(_ibm_backend(text))


def _ibm_backend(text: str) -> Any:
    if text.startswith("Fake"):
        from qiskit_ibm_runtime import fake_provider

        backend = getattr(fake_provider, text, None)
        if backend is None:
            known = [name for name in dir(fake_provider) if name.startswith("Fake")]
            nearest = difflib.get_close_matches(text, known, n=3, cutoff=0.3)
            raise ValueError(f"there is no fake backend {text}; nearest: {', '.join(nearest)}")
        return backend()
    from qiskit_ibm_runtime import QiskitRuntimeService

    # The service reads the account where Qiskit keeps it; hybridx does not see it.
    return QiskitRuntimeService().backend(text)


# Options whose value is an object in Python and a name on the command line.
ADAPTERS: Mapping[tuple[str, str], Callable[[str], Any]] = {
    ("qiskit.aer", "noise_model"): _noise_of_backend,
    ("qiskit.remote", "backend"): _ibm_backend,
}
