"""PennyLane devices: their names, what to install, how they log in, which options they need.

A family is all devices whose names begin alike. Everything that hybridx knows of a plug-in stands
in `FAMILIES`; nothing is imported to read it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

DeviceName: TypeAlias = Literal[
    "default.qubit",
    "default.mixed",
    "default.clifford",
    "default.tensor",
    "lightning.qubit",
    "lightning.gpu",
    "lightning.kokkos",
    "lightning.tensor",
    "reference.qubit",
    "null.qubit",
    "qiskit.aer",
    "qiskit.basicsim",
    "qiskit.remote",
    "braket.local.qubit",
    "braket.aws.qubit",
    "cirq.simulator",
    "cirq.mixedsimulator",
    "cirq.qsim",
    "cirq.qsimh",
    "cirq.pasqal",
    "ionq.simulator",
    "ionq.qpu",
    "rigetti.numpy_wavefunction",
    "rigetti.wavefunction",
    "rigetti.qvm",
    "rigetti.qpu",
    "aqt.sim",
    "aqt.noisy_sim",
    "quantuminspire.qi",
    "qulacs.simulator",
]
"""The devices of qubits that a family below is known to have, for editors to complete."""


@dataclass(frozen=True)
class Login:
    """Where the plug-in of a service looks for credentials; hybridx itself reads none of them.

    Attributes:
        variables: environment variables; one of them is enough.
        files: files below the home directory; one of them is enough.
        also: what the service needs beside the credentials.
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
        prefix: how their names begin; of several families that fit, the longest prefix counts.
        package: the package to install, by its name in the package index.
        module: a module of that package, for families whose device names are registered by another
            package, so that their presence says nothing.
        is_local: whether they run on this machine and cost nothing.
        holds_state: whether they hold the state of all wires in the memory of this machine.
        seed: the option that takes a seed.
        has_threads: whether they compute with threads, for which a forked process waits for ever.
        required: an option without which they do not open, and an example of its value.
        login: where a service looks for credentials.
        is_exact: whether a service also gives exact values. Other services choose a number of shots
            themselves when they are told none, so the cost would be unknown.
    """

    prefix: str
    package: str
    module: str | None = None
    is_local: bool = False
    holds_state: bool = False
    seed: str | None = None
    has_threads: bool = False
    required: tuple[str, str] | None = None
    login: Login | None = None
    is_exact: bool = False

    @property
    def install(self) -> str:
        """What to give to `pip install`, quoted for a shell."""
        extra = EXTRAS.get(self.package)
        return self.package if extra is None else f"'hybridx[{extra}]'"


_IBM = Login(("QISKIT_IBM_TOKEN",), (".qiskit/qiskit-ibm.json",))
_AWS = Login(("AWS_ACCESS_KEY_ID", "AWS_PROFILE"), (".aws/credentials",), "AWS_DEFAULT_REGION")
_ARN = ("device_arn", "arn:aws:braket:::device/quantum-simulator/amazon/sv1")
_QCS = Login(("QCS_SECRETS_FILE_PATH",), (".qcs/secrets.toml",))

FAMILIES: Final = (
    Family("default.", "pennylane", is_local=True, holds_state=True, seed="seed"),
    Family("default.clifford", "stim", "stim", is_local=True, seed="seed"),
    Family("default.tensor", "quimb", "quimb", is_local=True),
    Family("reference.", "pennylane", is_local=True, holds_state=True, seed="seed"),
    Family("null.", "pennylane", is_local=True),
    Family(
        "lightning.",
        "pennylane-lightning",
        is_local=True,
        holds_state=True,
        seed="seed",
        has_threads=True,
    ),
    Family(
        "lightning.gpu",
        "pennylane-lightning-gpu",
        is_local=True,
        holds_state=True,
        seed="seed",
        has_threads=True,
    ),
    Family(
        "lightning.kokkos",
        "pennylane-lightning-kokkos",
        is_local=True,
        holds_state=True,
        seed="seed",
        has_threads=True,
    ),
    Family(
        "lightning.tensor",
        "pennylane-lightning-tensor",
        is_local=True,
        has_threads=True,
    ),
    Family("qiskit.", "pennylane-qiskit", is_local=True),
    Family(
        "qiskit.aer", "pennylane-qiskit", is_local=True, seed="seed_simulator", has_threads=True
    ),
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
    Family("qulacs.", "pennylane-qulacs", is_local=True, has_threads=True),
)

# The extras of hybridx that install a package, in versions that were tested.
EXTRAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pennylane": "devices",
        "pennylane-lightning": "devices",
        "pennylane-qiskit": "qiskit",
        "amazon-braket-pennylane-plugin": "braket",
    }
)


def family_of(name: str) -> Family | None:
    """Return what is known of a device by its name.

    Example:
        >>> family_of("qiskit.aer").seed
        'seed_simulator'
        >>> family_of("some.other") is None
        True
    """
    fitting = [family for family in FAMILIES if name.startswith(family.prefix)]
    return max(fitting, key=lambda family: len(family.prefix), default=None)


def family_to_install(name: str, installed: Iterable[str]) -> Family | None:
    """Return the family whose package would bring a device that is not installed.

    Args:
        name: of the device, which is not among `installed`.
        installed: the names of all installed devices. If one of them is of the same family, its
            package is there and has no device of that name.

    Returns:
        None if no package is known to bring the device.

    Example:
        >>> family_to_install("lightning.gpu", ["lightning.qubit"]).package
        'pennylane-lightning-gpu'
        >>> family_to_install("lightning.qbit", ["lightning.qubit"]) is None
        True
    """
    family = family_of(name)
    if family is None:
        return None
    is_there = any(other.startswith(family.prefix) for other in installed)
    return None if is_there and name != family.prefix else family
