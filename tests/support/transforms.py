"""PennyLane's own list of transforms, each with an example or a reason, and its control flow.

An example makes a QNode of `gates` and returns what forward calls. `x` has three columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import pennylane as qml
import torch
from pennylane.transforms.core import Transform
from torch import Tensor, nn

ROOMS = (qml, qml.transforms, qml.noise, qml.gradients, qml.qcut, qml.fourier, qml.shadows)


def _listed() -> frozenset[str]:
    """Return the name of each transform that PennyLane's rooms for users show."""
    found = {id(member): name for room in ROOMS for name, member in _public(room)}
    return frozenset(found.values())


def _public(room: Any) -> list[tuple[str, Transform]]:
    names = [name for name in dir(room) if not name.startswith("_")]
    return [(name, one) for name in names if isinstance(one := getattr(room, name), Transform)]


TRANSFORMS = _listed()


@dataclass(frozen=True)
class Use:
    """One use of a transform or of control flow.

    Attributes:
        make: returns a function of `x`, of shape `(3,)` or, with `batched`, `(rows, 3)`.
        batched: it is called on the whole batch.
    """

    make: Callable[[], Callable[[Tensor], Any]]
    batched: bool = True


class Model(nn.Module):
    """A use as a model: results of shape `(rows, …)`."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        self.use, self.circuit = use, use.make()

    def forward(self, x: Tensor) -> Any:
        if self.use.batched:
            return self.circuit(x)
        rows = [self.circuit(row) for row in x]
        if isinstance(rows[0], list | tuple):
            return tuple(torch.stack([row[k] for row in rows]) for k in range(len(rows[0])))
        return torch.stack(rows)


def gates(x: Any) -> None:
    """Apply gates that every transform finds something in."""
    qml.AngleEmbedding(x, wires=range(3))
    for wire in range(3):
        qml.Hadamard(wire)
    qml.RZ(0.3, wires=0)
    qml.RZ(x[..., 1], wires=0)
    qml.CNOT([0, 1])
    qml.CNOT([1, 2])
    qml.RX(0.4, wires=1)
    qml.Barrier(wires=range(3))
    qml.SWAP([1, 2])
    qml.S(0)
    qml.adjoint(qml.S(0))
    qml.RY(x[..., 2], wires=2)


def _observed() -> Any:
    return qml.expval(qml.Hamiltonian([0.5, -1.2, 0.3], [qml.Z(0), qml.X(0) @ qml.X(1), qml.Y(2)]))


def _commuting() -> Any:
    return qml.expval(qml.Hamiltonian([0.5, -1.2], [qml.X(0), qml.X(0) @ qml.Y(1)]))


def _embedded(x: Tensor) -> None:
    qml.AngleEmbedding(x, wires=range(3))
    qml.CNOT([0, 1])
    qml.CNOT([0, 2])


def _of_data(x: Tensor) -> None:
    for wire in range(3):
        qml.RX(x[..., wire], wires=wire)
        qml.RZ(x[..., wire - 1], wires=wire)
    qml.CNOT([0, 2])


def _routed(x: Tensor) -> None:
    _of_data(x)
    qml.CNOT([0, 2])
    qml.CNOT([2, 1])


def _toffolis(x: Tensor) -> None:
    gates(x)
    qml.CCZ([0, 1, 3])
    qml.ctrl(qml.S(1), [0])
    qml.ctrl(qml.S(2), [0, 1])
    qml.MultiControlledX([0, 1, 2, 3])


def _on(
    transform: Any,
    measured: Callable[[], Any] = _observed,
    device: Any = None,
    circuit: Callable[[Tensor], None] = gates,
) -> Any:
    """Return a function that transforms a QNode of some gates."""

    def played(x: Tensor) -> Any:
        circuit(x)
        return measured()

    def make() -> Callable[[Tensor], Any]:
        transformed: Callable[[Tensor], Any] = transform(
            qml.QNode(played, device or qml.device("default.qubit"))
        )
        return transformed

    return make


def _several() -> Any:
    return qml.expval(qml.X(0)), qml.expval(qml.Z(0)), qml.probs(wires=[1, 2])


def _cut(x: Tensor) -> Any:
    qml.RX(x[..., 0], wires=0)
    qml.RY(x[..., 1], wires=1)
    qml.CNOT([0, 1])
    qml.WireCut(wires=1)
    qml.RX(x[..., 2], wires=2)
    qml.CNOT([1, 2])
    return qml.expval(qml.Z(0) @ qml.Z(2))


def _measured(x: Tensor) -> Any:
    gates(x)
    qml.cond(qml.measure(0), qml.RY)(x[..., 0], wires=1)
    return qml.expval(qml.Z(1))


def _qnode(circuit: Callable[[Tensor], Any]) -> Any:
    return qml.QNode(circuit, qml.device("default.qubit"))


def _noise_model() -> Any:
    noise = qml.noise.partial_wires(qml.BitFlip, 0.03)
    return qml.NoiseModel({qml.noise.op_in([qml.CNOT]): noise})


MIXED = qml.device("default.mixed", wires=3)

TRANSFORMED: Mapping[str, Use] = MappingProxyType({
    "add_noise": Use(_on(partial(qml.add_noise, noise_model=_noise_model()), device=MIXED)),
    "batch_input": Use(_on(partial(qml.batch_input, argnum=0), circuit=_embedded)),
    "broadcast_expand": Use(_on(qml.transforms.broadcast_expand)),
    "cancel_inverses": Use(_on(qml.transforms.cancel_inverses)),
    "combine_global_phases": Use(_on(qml.transforms.combine_global_phases)),
    "commute_controlled": Use(_on(qml.transforms.commute_controlled)),
    "compile": Use(_on(qml.compile)),
    "cut_circuit": Use(
        lambda: qml.cut_circuit(qml.QNode(_cut, qml.device("default.qubit", wires=3))),
        batched=False,
    ),
    "decompose": Use(_on(partial(qml.decompose, gate_set={"RX", "RY", "RZ", "CNOT"}))),
    "defer_measurements": Use(lambda: qml.defer_measurements(_qnode(_measured))),
    "diagonalize_measurements": Use(_on(qml.transforms.diagonalize_measurements, _commuting)),
    "fold_global": Use(_on(partial(qml.noise.fold_global, scale_factor=3))),
    "insert": Use(
        _on(partial(qml.noise.insert, op=qml.AmplitudeDamping, op_args=0.1), device=MIXED)
    ),
    "map_wires": Use(_on(partial(qml.map_wires, wire_map={0: 2, 1: 0, 2: 1}))),
    "match_controlled_iX_gate": Use(
        _on(partial(qml.transforms.match_controlled_iX_gate, num_controls=1))
    ),
    "match_relative_phase_toffoli": Use(
        _on(qml.transforms.match_relative_phase_toffoli, circuit=_toffolis)
    ),
    "merge_amplitude_embedding": Use(_on(qml.transforms.merge_amplitude_embedding)),
    "merge_rotations": Use(_on(qml.transforms.merge_rotations)),
    "mitigate_with_zne": Use(
        _on(
            partial(
                qml.noise.mitigate_with_zne,
                scale_factors=[1, 2, 3],
                folding=qml.noise.fold_global,
                extrapolate=qml.noise.richardson_extrapolate,
            ),
            lambda: qml.expval(qml.Z(0)),
            qml.add_noise(MIXED, _noise_model()),
        ),
        batched=False,
    ),
    "pattern_matching_optimization": Use(
        _on(
            partial(
                qml.transforms.pattern_matching_optimization,
                pattern_tapes=[qml.tape.QuantumScript([qml.S(0), qml.adjoint(qml.S(0))])],
            )
        ),
        batched=False,
    ),
    "remove_barrier": Use(_on(qml.transforms.remove_barrier)),
    "single_qubit_fusion": Use(
        _on(qml.transforms.single_qubit_fusion, circuit=_of_data), batched=False
    ),
    "split_non_commuting": Use(_on(qml.transforms.split_non_commuting, _several)),
    "split_to_single_terms": Use(_on(qml.transforms.split_to_single_terms), batched=False),
    "transpile": Use(
        _on(
            partial(qml.transforms.transpile, coupling_map=[(0, 1), (1, 2)]),
            lambda: qml.expval(qml.Z(0)),
            circuit=_routed,
        )
    ),
    "undo_swaps": Use(_on(qml.transforms.undo_swaps)),
    "unitary_to_rot": Use(_on(qml.transforms.unitary_to_rot)),
})  # fmt: skip
"""A use of each transform that a file can hold."""


def _for_loop(x: Tensor) -> Any:
    @qml.for_loop(0, 3, 1)
    def encode(wire: int) -> None:
        qml.RX(x[..., wire], wires=wire)

    encode()
    return _observed()


def _carried(x: Tensor) -> Any:
    @qml.for_loop(3)
    def encode(wire: int, angle: Any) -> Any:
        qml.RY(angle, wires=wire)
        return angle * 0.5

    encode(x[..., 0])
    return _observed()


def _while_loop(x: Tensor) -> Any:
    @qml.while_loop(lambda wire: wire < 3)
    def encode(wire: int) -> int:
        qml.RX(x[..., wire], wires=wire)
        return wire + 1

    encode(0)
    return _observed()


def _on_a_constant(x: Tensor) -> Any:
    qml.cond(True, qml.RX, qml.RY)(x[..., 0], wires=0)
    return _observed()


def _on_an_outcome(x: Tensor) -> Any:
    gates(x)
    qml.cond(qml.measure(0), qml.RX, qml.RY)(x[..., 0], wires=1)
    return qml.expval(qml.Z(1))


def _reset(x: Tensor) -> Any:
    gates(x)
    qml.measure(0, reset=True)
    return qml.expval(qml.X(0) @ qml.Z(1))


CONTROL_FLOW: Mapping[str, Use] = MappingProxyType({
    "`qml.for_loop`": Use(lambda: _qnode(_for_loop)),
    "`qml.for_loop` that carries a value": Use(lambda: _qnode(_carried)),
    "`qml.while_loop`": Use(lambda: _qnode(_while_loop)),
    "`qml.cond` on a constant": Use(lambda: _qnode(_on_a_constant)),
    "`qml.cond` on the outcome of a measurement": Use(lambda: _qnode(_on_an_outcome)),
    "`qml.measure` with `reset=True`": Use(lambda: _qnode(_reset)),
})  # fmt: skip
"""A use of each kind of control flow in a circuit."""

_OF_NAMES = {
    "it returns derivatives, a file the values of forward": """
        adjoint_metric_tensor finite_diff hadamard_grad metric_tensor param_shift param_shift_cv
        param_shift_hessian pulse_odegen quantum_fisher spsa_grad stoch_pulse_grad""",
    "it returns a description of the circuit, no results": """
        circuit_spectrum commutation_dag decomp_inspector parity_matrix phase_polynomial snapshots
        to_zx""",
    "its results are random samples": "cut_circuit_mc dynamic_one_shot shadow_state",
    "it approximates angles by Clifford and T gates, and reads their values": """
        clifford_t_decomposition gridsynth rz_phase_gradient""",
    "it turns tensors into NumPy's numbers": "convert_to_numpy_parameters sign_expand",
    "it is for functions of gates, not for QNodes, or for PennyLane's own use": """
        apply_controlled_Q quantum_monte_carlo resolve_dynamic_wires rowcol""",
    "it makes a batch of trainable parameters, which a file keeps constant": "batch_params",
}

REASONS: Mapping[str, str] = MappingProxyType(
    {name: reason for reason, names in _OF_NAMES.items() for name in names.split()}
)
