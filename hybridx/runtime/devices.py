"""PennyLane devices found by name, with a useful answer when there is none."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from hybridx.errors import (
    DeviceError,
    DeviceFailedError,
    MissingCredentialsError,
    MissingExtraError,
    MissingOptionError,
    MissingPluginError,
    OptionError,
    OptionNeedsError,
    SecretOptionError,
    UnknownDeviceError,
)
from hybridx.runtime.secrets import describe, is_secret, shown

ONNX = "onnx"
"""The device that is no device: circuits run as their compiled bodies in ONNX Runtime."""


@dataclass(frozen=True)
class Login:
    """Where a service's plug-in itself looks for credentials; hybridx reads none of them.

    Attributes:
        variables: of the environment, any of which is enough.
        files: likewise, below the home directory.
        also: what the service wants to know beside them.
    """

    variables: tuple[str, ...]
    files: tuple[str, ...] = ()
    also: str = ""

    def is_there(self) -> bool:
        """Return whether a variable is set or a file exists."""
        return any(os.environ.get(name) for name in self.variables) or any(
            (Path.home() / name).is_file() for name in self.files
        )

    def __str__(self) -> str:
        places = " or ".join([*self.variables, *(f"~/{name}" for name in self.files)])
        return f"{places}, and {self.also}" if self.also else places


@dataclass(frozen=True)
class Family:
    """What is known of the devices whose names begin alike.

    Attributes:
        prefix: of their names; the longest that fits counts.
        packages: to install, as pip knows them.
        module: that is there if they are installed, where no entry point says so.
        is_local: they run on this machine and cost nothing.
        seed: the option that takes a seed.
        required: the option that they do not open without, and an example of it.
        login: for those that are a service.
        is_exact: a service that also gives exact values; others choose a number of shots themselves
            if they are told none, and nobody knows the cost.
    """

    prefix: str
    packages: str
    module: str | None = None
    is_local: bool = False
    seed: str | None = None
    required: tuple[str, str] | None = None
    login: Login | None = None
    is_exact: bool = False


_IBM = Login(("QISKIT_IBM_TOKEN",), (".qiskit/qiskit-ibm.json",))
_AWS = Login(("AWS_ACCESS_KEY_ID", "AWS_PROFILE"), (".aws/credentials",), "AWS_DEFAULT_REGION")
_ARN = ("device_arn", "arn:aws:braket:::device/quantum-simulator/amazon/sv1")
_QCS = Login(("QCS_SECRETS_FILE_PATH",), (".qcs/secrets.toml",))

FAMILIES = (
    Family("default.", "pennylane", is_local=True, seed="seed"),
    Family("default.clifford", "stim", "stim", is_local=True, seed="seed"),
    Family("default.tensor", "quimb", "quimb", is_local=True),
    Family("reference.", "pennylane", is_local=True, seed="seed"),
    Family("null.", "pennylane", is_local=True),
    Family("lightning.", "pennylane-lightning", is_local=True, seed="seed"),
    Family("lightning.gpu", "pennylane-lightning-gpu", is_local=True, seed="seed"),
    Family("lightning.kokkos", "pennylane-lightning-kokkos", is_local=True, seed="seed"),
    Family("lightning.tensor", "pennylane-lightning-tensor", is_local=True),
    Family("qiskit.", "pennylane-qiskit", is_local=True),
    Family("qiskit.aer", "pennylane-qiskit", is_local=True, seed="seed_simulator"),
    Family("qiskit.remote", "pennylane-qiskit", required=("backend", "ibm_fez"), login=_IBM),
    Family("braket.local.", "amazon-braket-pennylane-plugin", is_local=True),
    Family("braket.", "amazon-braket-pennylane-plugin", required=_ARN, login=_AWS, is_exact=True),
    Family("cirq.", "pennylane-cirq", is_local=True),
    Family("cirq.pasqal", "pennylane-cirq"),
    Family("ionq.", "pennylane-ionq", login=Login(("IONQ_API_KEY",))),
    Family("rigetti.", "pennylane-rigetti", required=("device", "Ankaa-3"), login=_QCS),
    Family("rigetti.numpy_wavefunction", "pennylane-rigetti", is_local=True),
    Family("aqt.", "pennylane-aqt", login=Login(("AQT_TOKEN",))),
    Family(
        "quantuminspire.",
        "pennylane-quantuminspire",
        login=Login(("QUANTUM_INSPIRE_TOKEN",), (".quantuminspire/config.json",)),
    ),
    Family("qulacs.", "pennylane-qulacs", is_local=True),
)
# What vendors' clients raise for want of credentials, by name: a file that is there may be empty.
_NO_LOGIN = frozenset(
    {"AccountNotFoundError", "NoCredentialsError", "NoRegionError", "PartialCredentialsError"}
)
_NO_GATES = ("braket.aws.ahs", "braket.local.ahs", "default.gaussian", "default.qutrit")
# Of these packages hybridx has extras, which name versions that were tried.
EXTRAS: Mapping[str, str] = {
    "pennylane": "devices",
    "pennylane-lightning": "devices",
    "pennylane-qiskit": "qiskit",
    "amazon-braket-pennylane-plugin": "braket",
}


def family_of(name: str) -> Family | None:
    """Return what is known of a device by its name."""
    fitting = [family for family in FAMILIES if name.startswith(family.prefix)]
    return max(fitting, key=lambda family: len(family.prefix), default=None)


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
        return False  # something shuts it out


def check_device_name(name: str) -> None:
    """Refuse a device that cannot be had, before anything is loaded.

    Raises:
        MissingExtraError: PennyLane is not installed.
        MissingPluginError: the name belongs to a plug-in that is not installed.
        UnknownDeviceError: no device has that name.
    """
    if name == ONNX:
        return
    family = family_of(name)
    if not is_installed("pennylane"):
        if family is None or family.module or EXTRAS.get(family.packages) == "devices":
            raise MissingExtraError(f"device {name!r}", "pennylane", "devices")
        raise _missing(name, family)  # a plug-in brings PennyLane along
    known = device_names()
    if name in known:
        if family and family.module and not is_installed(family.module):
            raise _missing(name, family)
        return
    # Of a plug-in that is there all names are known, and this one is none of them.
    kin = family.prefix if family else name
    if family and (name == kin or not any(other.startswith(kin) for other in known)):
        raise _missing(name, family)
    nearest = difflib.get_close_matches(name, [ONNX, *known], n=3, cutoff=0.4)
    raise UnknownDeviceError(name, ", ".join(nearest or [ONNX, *known]))


@dataclass(frozen=True)
class DeviceStatus:
    """Whether circuits can run on a device here.

    Attributes:
        name: of the device; of a plug-in that is missing, how its devices' names begin.
        is_ready: it is installed, and where it is a service, there is something to log in with.
        needs: what is missing, as a command or the place of credentials.
        note: what else it wants to be told.
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
            needs = f"pip install {_pip_name(family.packages)}"
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
        return DeviceStatus(name, False, f"pip install {_pip_name(family.packages)}", note)
    if family.login and not family.login.is_there():
        return DeviceStatus(name, False, f"set {family.login}", note)
    return DeviceStatus(name, True, None, note)


def _missing(name: str, family: Family) -> MissingPluginError:
    return MissingPluginError(name, family.packages, _pip_name(family.packages))


def _pip_name(package: str) -> str:
    """Return what pip is to be asked for, as a shell takes it."""
    return f"'hybridx[{EXTRAS[package]}]'" if package in EXTRAS else package


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Refuse options that a device must not be given.

    Raises:
        SecretOptionError: an option is a credential.
        OptionError: an option is one of hybridx itself.
    """
    family = family_of(name)
    for option in options:
        if is_secret(option):
            login = family.login if family else None
            raise SecretOptionError(option, name, str(login or "it as the plug-in documents"))
        if option in ("wires", "shots", "name"):
            raise OptionError("--option", option, "the device's own; it has --shots of hybridx")


def check_required(name: str, options: Mapping[str, object], shots: int | None) -> None:
    """Refuse to open a device without what it needs to be told.

    Raises:
        MissingOptionError: it needs one of its options.
        OptionNeedsError: it needs a number of shots.
    """
    family = family_of(name)
    if family and family.login and not family.is_exact and shots is None:
        raise OptionNeedsError(f"--device {name}", "--shots")
    if family and family.required and family.required[0] not in options:
        raise MissingOptionError(name, *family.required)


def make_device(
    name: str, wires: int, seed: int | None = None, options: Mapping[str, object] | None = None
) -> Any:
    """Return a PennyLane device.

    Args:
        name: as `check_device_name` accepts it.
        wires: how many it must have.
        seed: for devices that sample, where they are known to take one.
        options: further keyword arguments of the device.

    Raises:
        MissingCredentialsError: a service does not open, and there is nothing to log in with.
        DeviceFailedError: the device does not open; the reason is the plug-in's own.
    """
    import pennylane as qml

    family = family_of(name)
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
        # Plug-ins raise whatever their vendor's client raises.
        raise device_failure(name, error) from shown(error)


def device_failure(name: str, error: BaseException) -> DeviceError:
    """Return the typed error for what a device raised."""
    family = family_of(name)
    is_refused = any(kind.__name__ in _NO_LOGIN for kind in type(error).__mro__)
    if family and family.login and (is_refused or not family.login.is_there()):
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

    # It finds the account where Qiskit keeps it; nothing of that passes through here.
    return QiskitRuntimeService().backend(text)


# Options that a plug-in wants an object for, which a command line can only name.
ADAPTERS: Mapping[tuple[str, str], Callable[[str], Any]] = {
    ("qiskit.aer", "noise_model"): _noise_of_backend,
    ("qiskit.remote", "backend"): _ibm_backend,
}
