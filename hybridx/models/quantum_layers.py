"""The circuit as a torch layer from angles to expectation values, differentiated by PennyLane."""

from __future__ import annotations

import difflib
import math
import warnings
from dataclasses import dataclass
from typing import Any

import pennylane as qml
import torch
from torch import Tensor, nn

from hybridx.device_table import family_of, family_to_install
from hybridx.errors import (
    DeviceError,
    DeviceFailedError,
    MissingPluginError,
    UnknownDeviceError,
)
from hybridx.models.checks import check_count, check_name
from hybridx.models.seeding import seeded

# From here on lightning.qubit takes a training step faster: default.qubit keeps the states of a
# whole batch for backpropagation, lightning.qubit goes row by row (measured: 16 rows, 2 cores).
LIGHTNING_FROM_WIRES = 15

WITHOUT_FLOAT64 = frozenset({"mps"})


class BackendFallbackWarning(UserWarning):
    """A named backend could not be opened; a local simulator runs in its place."""


@dataclass(frozen=True, slots=True)
class QuantumLayerConfig:
    """The circuit of a `QuantumLayer` and what runs it.

    Attributes:
        n_qubits: wires of the circuit; at least 1, no default.
        n_layers: entangling layers, each with a rotation of three angles per wire; at least 1,
            default 2.
        backend: name of a PennyLane device; None (default) chooses the best local simulator.
        shots: samples per circuit, at least 1; None (default) gives exact expectation values.

    Raises:
        ValueError: a value is outside its range.
    """

    n_qubits: int
    n_layers: int = 2
    backend: str | None = None
    shots: int | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        check_count("n_qubits", self.n_qubits)
        check_count("n_layers", self.n_layers)
        if self.backend is not None:
            check_name("backend", self.backend)
        if self.shots is not None:
            check_count("shots", self.shots)


class QuantumLayer(nn.Module):
    """Expectation values of Z on every wire of a trained circuit, one circuit per row of the input.

    The circuit: RY(x_i) on wire i, then `n_layers` times Rot(a, b, c) = RZ(c) RY(b) RZ(a) on
    every wire and a ring of CNOTs (PennyLane's StronglyEntanglingLayers). Angles in radians;
    `weights` has shape `(n_layers, n_qubits, 3)` and starts uniform in [0, 2π). The simulation
    runs in float64 whatever the dtype of the input. Gradients come from the best method that
    the device offers; with shots that is the parameter-shift rule, row by row. The last of the
    three angles in the last layer has a gradient of 0: it rotates about the measured axis.

    A backend that cannot be opened (no plug-in, no credentials) is replaced by a local simulator
    with a `BackendFallbackWarning`. What a device refuses later, while it runs, is an error.

    Args:
        config: wires, depth, backend, shots.
        strict: raise instead of replacing a backend.
        seed: repeats the initial weights, and the samples of a local simulator, and leaves
            torch's global random state alone; None draws from that state.

    Raises:
        DeviceError: `strict` and the backend cannot be opened.

    Example:
        >>> layer = QuantumLayer(QuantumLayerConfig(n_qubits=2), seed=0)
        >>> layer(torch.zeros(3, 5, 2)).shape
        torch.Size([3, 5, 2])
    """

    def __init__(
        self, config: QuantumLayerConfig, *, strict: bool = False, seed: int | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.strict = strict
        shape = qml.StronglyEntanglingLayers.shape(config.n_layers, config.n_qubits)
        with seeded(seed):
            self.weights = nn.Parameter(torch.rand(shape) * (2 * math.pi))
            self._sampling_seed = int(torch.randint(2**31, ()))
        self._circuit = _make_qnode(config, self._sampling_seed, strict=strict)

    @property
    def backend(self) -> str:
        """Name of the PennyLane device that really runs the circuit."""
        return str(self._circuit.device.name)

    def forward(self, x: Tensor) -> Tensor:
        """Return the expectation value of Z on every wire.

        Args:
            x: angles in radians, a float dtype, shape `(..., n_qubits)`.

        Returns:
            Values in [-1, 1], same shape, dtype and torch device.

        Raises:
            ValueError: the last axis is not `n_qubits` long.
            TypeError: the dtype is no float: expectation values would be cut to whole numbers.
        """
        _check_angles(x, self.config.n_qubits)
        if x.numel() == 0:
            return x.clone()  # no rows; PennyLane 0.45 cannot run an empty batch
        host = simulation_device(x.device)
        rows = x.reshape(-1, self.config.n_qubits)  # (rows, wires)
        angles = rows.to(host).to(torch.float64)
        weights = self.weights.to(host).to(torch.float64)  # (layers, wires, 3)
        measured = torch.stack(tuple(self._circuit(angles, weights)), dim=-1)  # (rows, wires)
        return measured.reshape(x.shape).to(x.dtype).to(x.device)  # (..., wires)

    def extra_repr(self) -> str:
        """Return the facts that `print(model)` shows."""
        return f"{self.config}, runs on {self.backend}"

    def __getstate__(self) -> dict[str, Any]:
        # A QNode cannot be pickled and a copy must not share a device: it is made anew.
        return {name: value for name, value in self.__dict__.items() if name != "_circuit"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._circuit = _make_qnode(self.config, self._sampling_seed, strict=self.strict)


def simulation_device(device: torch.device) -> torch.device:
    """Return where the tensors of a simulation live, for an input on `device`.

    >>> simulation_device(torch.device("cuda:1")), simulation_device(torch.device("mps"))
    (device(type='cuda', index=1), device(type='cpu'))
    """
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def local_simulator(config: QuantumLayerConfig) -> str:
    """Return the name of the best installed simulator for a circuit.

    >>> local_simulator(QuantumLayerConfig(n_qubits=4))
    'default.qubit'
    """
    is_large = config.n_qubits >= LIGHTNING_FROM_WIRES
    has_lightning = "lightning.qubit" in qml.plugin_devices
    return "lightning.qubit" if is_large and has_lightning else "default.qubit"


def embed_entangle_measure(angles: Tensor, weights: Tensor) -> list[Any]:
    """Queue the circuit of a `QuantumLayer`.

    Args:
        angles: radians, shape `(rows, wires)`.
        weights: radians, shape `(layers, wires, 3)`.

    Returns:
        The measurement of Z on each wire.
    """
    wires = range(weights.shape[1])
    qml.AngleEmbedding(angles, wires=wires, rotation="Y")
    qml.StronglyEntanglingLayers(weights, wires=wires)
    return [qml.expval(qml.PauliZ(wire)) for wire in wires]


def is_backend(name: str) -> bool:
    """Return whether a device of PennyLane, or one that hybridx knows, has that name.

    >>> is_backend("default.qubit"), is_backend("os.system")
    (True, False)
    """
    return name in qml.plugin_devices or family_of(name) is not None


def _make_qnode(config: QuantumLayerConfig, seed: int, *, strict: bool) -> Any:
    device = _open_device(config, seed, strict=strict)
    qnode = qml.QNode(embed_entangle_measure, device, interface="torch", shots=config.shots)
    shape = qml.StronglyEntanglingLayers.shape(config.n_layers, config.n_qubits)
    example = torch.zeros(2, config.n_qubits), torch.zeros(shape)
    if qml.workflow.get_best_diff_method(qnode)(*example) == "parameter-shift":
        # The rule cannot differentiate a batched circuit (pennylane#4462): one circuit per row.
        return qml.transforms.broadcast_expand(qnode)
    return qnode


def _open_device(config: QuantumLayerConfig, seed: int, *, strict: bool) -> Any:
    local = local_simulator(config)
    name = config.backend or local
    try:
        return _device(name, config, seed)
    except Exception as error:
        # Plug-ins raise whatever their vendor's client raises: no narrower class exists.
        refusal = _refusal(name, error)
        if strict or name == local:
            raise refusal from error
        warnings.warn(
            f"{refusal}\n  the circuit runs on {local!r} instead",
            BackendFallbackWarning,
            stacklevel=2,
        )
        return _device(local, config, seed)


def _device(name: str, config: QuantumLayerConfig, seed: int) -> Any:
    family = family_of(name)
    options = {family.seed: seed} if family and family.seed else {}
    return qml.device(name, wires=config.n_qubits, **options)


def _refusal(name: str, error: Exception) -> DeviceError:
    """Return what to tell the user about a device that `error` kept from opening."""
    if name in qml.plugin_devices:
        return DeviceFailedError(name, f"{type(error).__name__}: {error}")
    missing = family_to_install(name, qml.plugin_devices)
    if missing is not None:
        return MissingPluginError(name, missing.package, missing.install)
    nearest = difflib.get_close_matches(name, list(qml.plugin_devices))
    return UnknownDeviceError(name, ", ".join(nearest) or "none")


def _check_angles(x: Tensor, wires: int) -> None:
    width = x.shape[-1] if x.dim() else 0
    if width != wires:
        raise ValueError(f"the input has {width} angles per sample, the circuit has {wires} wires")
    if not x.is_floating_point():
        raise TypeError(f"the input has dtype {x.dtype}; angles need a float dtype")
