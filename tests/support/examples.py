"""A short example of everything in PennyLane's lists that a file can hold.

An example uses `x`, a batch of three angles, on wires numbered from 0. It may return a measurement;
otherwise the probabilities of all wires are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pennylane as qml

from hybridx.circuit import GATES


@dataclass(frozen=True)
class Example:
    """One use of an operator or a measurement.

    Attributes:
        wires: how many the circuit has.
        apply: does it, and returns the measurement if the circuit should end with it.
        probed: how many wires, from 0 on, start in an entangled state that depends on the data; the
            others start in |0>, as preparations and work wires need.
        device: PennyLane's device that knows it.
    """

    wires: int
    apply: Callable[[Any], Any]
    probed: int
    device: str = "default.qubit"


def on(wires: int, apply: Callable[[Any], Any], probed: int | None = None) -> Example:
    """Return an example; all wires are probed unless a number is given."""
    return Example(wires, apply, wires if probed is None else probed)


def noisy(apply: Callable[[Any], Any]) -> Example:
    """Return an example of noise on the first of two wires."""
    return Example(2, apply, 2, "default.mixed")


def _native(name: str) -> Example:
    gate, make = GATES[name], getattr(qml, name)
    wires = range(gate.wires)
    if gate.takes_angle:
        return on(gate.wires, lambda x: make(x[:, 0], wires=wires))
    return on(gate.wires, lambda x: make(wires=wires))


def _block(weights: Any, wires: Any) -> None:
    qml.RY(weights[0], wires[0])
    qml.CRX(weights[1], wires)


def _acquaintance(index: Any, wires: Any, param: Any) -> Any:
    return qml.CRY(param, index)


def _trotter_step(time: Any, theta: float, wires: Any) -> None:
    qml.RX(time * theta, wires[0])
    qml.CRZ(time * theta, wires)


def _noted(x: Any) -> None:
    outcome = qml.measure(0)
    qml.cond(outcome, qml.RX)(x[:, 1], wires=1)


@qml.templates.Subroutine
def _subroutine(angle, wires):  # type: ignore[no-untyped-def]
    qml.RX(angle, wires[0])
    qml.CNOT(wires)


X, Y, Z = qml.PauliX, qml.PauliY, qml.PauliZ
ROTATION = np.array([[0.6, 0.8], [-0.8, 0.6]])
WEIGHTS = np.linspace(0.1, 2.9, 64)
STATE = np.array([0.5, 0.1, -0.7, 0.5])
COMPLEX_STATE = np.array([0.5, 0.1j, -0.7, 0.5])
HERMITIAN = np.array([[1, 2j, 0, 0], [-2j, 0, 0, 1], [0, 0, 3, 0], [0, 1, 0, -1]])
BITS = [[0, 1], [1, 1], [1, 0], [0, 0]]
MPS = [
    np.array([[0.0, 0.107], [0.994, 0.0]]),
    np.array([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]),
    np.array([[-1.0, -0.0], [-0.0, -1.0]]),
]


def _ising() -> Any:
    return 0.5 * (X(0) @ X(1)) + 0.25 * Z(0)


def _lcu() -> Any:
    return qml.dot([0.3, -0.2], [X(1), Z(1) @ Y(2)])


def _unitary_block(wires: Any) -> Any:
    return qml.prod(qml.RY(0.4, wires[0]), qml.CNOT(wires))


_OPERATORS = {name: _native(name) for name in GATES} | {
    # A global phase is visible only under a control.
    "GlobalPhase": on(2, lambda x: qml.ctrl(qml.GlobalPhase(x[:, 0]), 1)),
    # Gates and matrices.
    "BlockEncode": on(2, lambda x: qml.BlockEncode([[0.1, 0.2], [0.3, 0.4]], wires=[0, 1])),
    "CRot": on(2, lambda x: qml.CRot(x[:, 0], 0.2, x[:, 1], wires=[0, 1])),
    "ControlledQubitUnitary": on(2, lambda x: qml.ControlledQubitUnitary(ROTATION, [0, 1])),
    "DiagonalQubitUnitary": on(2, lambda x: qml.DiagonalQubitUnitary([1, 1j, -1, 1], [0, 1])),
    "ECR": on(2, lambda x: qml.ECR([0, 1])),
    "IntegerComparator": on(3, lambda x: qml.IntegerComparator(2, wires=[0, 1, 2])),
    "MultiControlledX": on(3, lambda x: qml.MultiControlledX([0, 1, 2], [1, 0])),
    "MultiRZ": on(3, lambda x: qml.MultiRZ(x[:, 0], [0, 1, 2])),
    "OrbitalRotation": on(4, lambda x: qml.OrbitalRotation(x[:, 0], range(4))),
    "PCPhase": on(2, lambda x: qml.PCPhase(x[:, 0], dim=3, wires=[0, 1])),
    "PauliRot": on(3, lambda x: qml.PauliRot(x[:, 0], "XYZ", [0, 1, 2])),
    "QubitCarry": on(4, lambda x: qml.QubitCarry(range(4))),
    "QubitSum": on(3, lambda x: qml.QubitSum(range(3))),
    "QubitUnitary": on(2, lambda x: qml.QubitUnitary(ROTATION, 1)),
    "Rot": on(1, lambda x: qml.Rot(x[:, 0], x[:, 1], 0.3, 0)),
    "SISWAP": on(2, lambda x: qml.SISWAP([0, 1])),
    "SpecialUnitary": on(1, lambda x: qml.SpecialUnitary([0.1, 0.2, 0.3], 0)),
    "TmpPauliRot": on(2, lambda x: qml.ops.qubit.special_unitary.TmpPauliRot(0.4, "XY", [0, 1])),
    "U2": on(1, lambda x: qml.U2(x[:, 0], x[:, 1], 0)),
    "U3": on(1, lambda x: qml.U3(x[:, 0], x[:, 1], 0.3, 0)),
    # Operators made of operators.
    "Adjoint": on(1, lambda x: qml.adjoint(qml.U3(x[:, 0], 0.2, 0.3, 0))),
    "ChangeOpBasis": on(
        2, lambda x: qml.change_op_basis(qml.Hadamard(0), qml.CRX(x[:, 0], [0, 1]))
    ),
    "Conditional": on(2, _noted),
    "Controlled": on(2, lambda x: qml.ctrl(qml.SX(1), 0, control_values=[0])),
    "ControlledOp": on(3, lambda x: qml.ctrl(qml.PauliRot(x[:, 0], "XY", [1, 2]), 0)),
    "Evolution": on(2, lambda x: qml.evolve(X(0) @ Y(1), 0.7)),
    "Exp": on(2, lambda x: qml.exp(X(0) @ Y(1), -0.7j)),
    "MidMeasure": on(2, _noted),
    "Pow": on(1, lambda x: qml.pow(qml.RX(x[:, 0], 0), 3)),
    "Prod": on(2, lambda x: qml.prod(qml.RX(x[:, 0], 0), qml.CNOT([0, 1]))),
    "SubroutineOp": on(2, lambda x: _subroutine(x[:, 0], [0, 1])),
    # Operations without an effect.
    "Barrier": on(2, lambda x: qml.Barrier([0, 1])),
    "Snapshot": on(2, lambda x: qml.Snapshot()),
    "WireCut": on(2, lambda x: qml.WireCut(0)),
    # Observables.
    "BasisStateProjector": on(2, lambda x: qml.expval(qml.Projector([1, 0], [0, 1]))),
    "Hermitian": on(2, lambda x: qml.expval(qml.Hermitian(HERMITIAN, [0, 1]))),
    "LinearCombination": on(
        2, lambda x: qml.expval(qml.Hamiltonian([0.5, 2], [X(0) @ Y(1), Z(1)]))
    ),
    "Projector": on(2, lambda x: qml.expval(qml.Projector(STATE, [0, 1]))),
    "SProd": on(1, lambda x: qml.expval(0.7 * Y(0))),
    "SparseHamiltonian": on(
        2, lambda x: qml.expval(qml.SparseHamiltonian(_ising().sparse_matrix(), [0, 1]))
    ),
    "StateVectorProjector": on(2, lambda x: qml.expval(qml.Projector(COMPLEX_STATE, [0, 1]))),
    "Sum": on(2, lambda x: qml.var(qml.sum(X(0), Y(1) @ Z(0)))),
    # Preparations.
    # PennyLane 0.45 rounds the padding to float32.
    "AmplitudeEmbedding": on(
        2, lambda x: qml.AmplitudeEmbedding(x, [0, 1], pad_with=0.25, normalize=True), 0
    ),
    "ArbitraryStatePreparation": on(
        2, lambda x: qml.ArbitraryStatePreparation(WEIGHTS[:6], [0, 1]), 0
    ),
    "BasisEmbedding": on(2, lambda x: qml.BasisEmbedding([1, 0], [0, 1]), 0),
    "BasisState": on(2, lambda x: qml.BasisState([0, 1], [0, 1]), 0),
    "CosineWindow": on(2, lambda x: qml.CosineWindow(wires=[0, 1]), 0),
    "MPSPrep": on(4, lambda x: qml.MPSPrep(MPS, wires=[1, 2, 3], work_wires=[0]), 0),
    "MottonenStatePreparation": on(
        2, lambda x: qml.MottonenStatePreparation(COMPLEX_STATE, [0, 1]), 0
    ),
    "MultiplexerStatePreparation": on(
        2, lambda x: qml.MultiplexerStatePreparation(COMPLEX_STATE, [0, 1]), 0
    ),
    "QROMStatePreparation": on(
        6, lambda x: qml.QROMStatePreparation(abs(STATE), [4, 5], [1, 2, 3], [0]), 0
    ),
    "QubitDensityMatrix": Example(
        2,
        lambda x: qml.QubitDensityMatrix(np.diag([0.1, 0.2, 0.3, 0.4]), [0, 1]),
        0,
        "default.mixed",
    ),
    "StatePrep": on(2, lambda x: qml.StatePrep(COMPLEX_STATE, [0, 1]), 0),
    "Superposition": on(
        3, lambda x: qml.Superposition([0.6, 0.8], [[0, 1], [1, 1]], [0, 1], work_wire=2), 0
    ),
    # Embeddings and layers.
    "AngleEmbedding": on(3, lambda x: qml.AngleEmbedding(x, range(3), rotation="Y")),
    "BasicEntanglerLayers": on(
        3, lambda x: qml.BasicEntanglerLayers(WEIGHTS[:6].reshape(2, 3), range(3))
    ),
    "GateFabric": on(
        4, lambda x: qml.GateFabric(WEIGHTS[:2].reshape(1, 1, 2), range(4), [1, 1, 0, 0]), 0
    ),
    "IQPEmbedding": on(3, lambda x: qml.IQPEmbedding(x, range(3), n_repeats=2)),
    "ParticleConservingU1": on(
        2, lambda x: qml.ParticleConservingU1(WEIGHTS[:2].reshape(1, 1, 2), range(2), [1, 0]), 0
    ),
    "ParticleConservingU2": on(
        2, lambda x: qml.ParticleConservingU2(WEIGHTS[:3].reshape(1, 3), range(2), [1, 0]), 0
    ),
    "QAOAEmbedding": on(2, lambda x: qml.QAOAEmbedding(x[:, :2], WEIGHTS[None, :3], range(2))),
    "RandomLayers": on(2, lambda x: qml.RandomLayers(WEIGHTS[None, :4], range(2), seed=3)),
    "SimplifiedTwoDesign": on(
        2, lambda x: qml.SimplifiedTwoDesign([0.1, 0.2], [[[0.3, 0.4]]], range(2))
    ),
    "StronglyEntanglingLayers": on(
        3, lambda x: qml.StronglyEntanglingLayers(WEIGHTS[:9].reshape(1, 3, 3), range(3))
    ),
    # Tensor networks and swap networks.
    "MERA": on(4, lambda x: qml.MERA(range(4), 2, _block, 2, WEIGHTS[:10].reshape(5, 2))),
    "MPS": on(3, lambda x: qml.MPS(range(3), 2, _block, 2, WEIGHTS[:4].reshape(2, 2))),
    "TTN": on(4, lambda x: qml.TTN(range(4), 2, _block, 2, WEIGHTS[:6].reshape(3, 2))),
    "TwoLocalSwapNetwork": on(
        3, lambda x: qml.TwoLocalSwapNetwork(range(3), _acquaintance, WEIGHTS[:3])
    ),
    # Quantum chemistry.
    "AllSinglesDoubles": on(
        4,
        lambda x: qml.AllSinglesDoubles(
            [0.3, 0.4], range(4), np.array([1, 1, 0, 0]), [[0, 2]], [[0, 1, 2, 3]]
        ),
        0,
    ),
    "BasisRotation": on(2, lambda x: qml.BasisRotation([0, 1], ROTATION)),
    "FermionicDoubleExcitation": on(
        4, lambda x: qml.FermionicDoubleExcitation(0.4, [0, 1], [2, 3])
    ),
    "FermionicSingleExcitation": on(3, lambda x: qml.FermionicSingleExcitation(0.4, range(3))),
    "UCCSD": on(
        4,
        lambda x: qml.UCCSD(
            [0.3, 0.4, 0.5], range(4), [[0, 1, 2], [1, 2, 3]], [[[0, 1], [2, 3]]], [1, 1, 0, 0]
        ),
        0,
    ),
    "kUpCCGSD": on(
        4, lambda x: qml.kUpCCGSD(WEIGHTS[None, :6], range(4), init_state=[1, 1, 0, 0]), 0
    ),
    # Evolution in time.
    "ApproxTimeEvolution": on(2, lambda x: qml.ApproxTimeEvolution(_ising(), x[:, 0], 2)),
    "CommutingEvolution": on(
        2, lambda x: qml.CommutingEvolution(0.5 * (X(0) @ X(1)) + 0.2 * X(1), x[:, 0])
    ),
    "IQP": on(2, lambda x: qml.IQP([0.4, 0.7], 2, [[[0]], [[0, 1]]])),
    "QDrift": on(2, lambda x: qml.QDrift(_ising(), 0.7, n=3, seed=5)),
    "TrotterProduct": on(2, lambda x: qml.TrotterProduct(_ising(), 0.7, n=2, order=2)),
    "TrotterizedQfunc": on(
        2, lambda x: qml.TrotterizedQfunc(0.7, 0.3, qfunc=_trotter_step, n=2, wires=[0, 1])
    ),
    # Arithmetic; work wires have to be in |0>.
    "Adder": on(3, lambda x: qml.Adder(3, range(3))),
    "ModExp": on(6, lambda x: qml.ModExp([0, 1], [2, 3], 3, work_wires=[4, 5]), 4),
    "Multiplier": on(6, lambda x: qml.Multiplier(3, range(3), work_wires=range(3, 6)), 3),
    "OutAdder": on(5, lambda x: qml.OutAdder([0, 1], [2], [3, 4])),
    "OutMultiplier": on(5, lambda x: qml.OutMultiplier([0, 1], [2], [3, 4])),
    "OutPoly": on(5, lambda x: qml.OutPoly(lambda a, b: a**2 + b, [[0, 1], [2]], [3, 4])),
    "PhaseAdder": on(3, lambda x: qml.PhaseAdder(3, range(3))),
    "SemiAdder": on(5, lambda x: qml.SemiAdder([0, 1], [2, 3], [4]), 4),
    "TemporaryAND": on(3, lambda x: qml.TemporaryAND([0, 1, 2], [1, 0]), 2),
    # Algorithms and their parts.
    "AQFT": on(3, lambda x: qml.AQFT(1, range(3))),
    "AmplitudeAmplification": on(
        2, lambda x: qml.AmplitudeAmplification(_unitary_block([0, 1]), qml.FlipSign(2, [0, 1]))
    ),
    "ArbitraryUnitary": on(2, lambda x: qml.ArbitraryUnitary(WEIGHTS[:15], [0, 1])),
    "BBQRAM": on(7, lambda x: qml.BBQRAM(BITS[:2], [0], [1, 2], range(3, 7)), 1),
    "ControlledSequence": on(3, lambda x: qml.ControlledSequence(qml.RX(x[:, 0], 2), [0, 1])),
    "FABLE": on(3, lambda x: qml.FABLE(np.array([[0.1, 0.2], [0.3, -0.2]]), range(3))),
    "FlipSign": on(2, lambda x: qml.FlipSign([1, 0], [0, 1])),
    "GQSP": on(2, lambda x: qml.GQSP(qml.RX(0.3, 1), WEIGHTS[:9].reshape(3, 3), control=0)),
    "GroverOperator": on(3, lambda x: qml.GroverOperator(range(3))),
    "HilbertSchmidt": on(2, lambda x: qml.HilbertSchmidt(qml.RZ(0.4, 1), qml.Hadamard(0))),
    "HybridQRAM": on(9, lambda x: qml.HybridQRAM(BITS, [0, 1], [2, 3], range(4, 9), k=1), 2),
    "LocalHilbertSchmidt": on(
        4,
        lambda x: qml.LocalHilbertSchmidt(
            [qml.RZ(0.4, 2), qml.CNOT([2, 3])], [qml.Hadamard(0), qml.CZ([0, 1])]
        ),
    ),
    "Permute": on(3, lambda x: qml.Permute([2, 0, 1], range(3))),
    "PrepSelPrep": on(3, lambda x: qml.PrepSelPrep(_lcu(), control=[0])),
    "QFT": on(3, lambda x: qml.QFT(range(3))),
    "QROM": on(4, lambda x: qml.QROM(BITS, [0, 1], [2, 3], [])),
    "QSVT": on(
        2,
        lambda x: qml.QSVT(
            qml.BlockEncode([[0.1, 0.2], [0.3, 0.4]], wires=[0, 1]),
            [qml.PCPhase(angle, 2, wires=[0, 1]) for angle in (0.3, 0.5, -0.2)],
        ),
    ),
    "QuantumMonteCarlo": on(
        4,
        lambda x: qml.QuantumMonteCarlo(
            np.array([0.3, 0.7]), lambda i: 0.2 + 0.3 * i, [0, 1], [2, 3]
        ),
    ),
    "QuantumPhaseEstimation": on(
        3, lambda x: qml.QuantumPhaseEstimation(qml.RZ(0.7, 0), estimation_wires=[1, 2])
    ),
    "Qubitization": on(3, lambda x: qml.Qubitization(_lcu(), control=[0])),
    "Reflection": on(2, lambda x: qml.Reflection(_unitary_block([0, 1]), 0.7)),
    "Select": on(3, lambda x: qml.Select([X(2), qml.RY(x[:, 0], 2), Z(2)], [0, 1])),
    "SelectOnlyQRAM": on(5, lambda x: qml.SelectOnlyQRAM(BITS, [0], [2, 3], [1], 1)),
    "SelectPauliRot": on(3, lambda x: qml.SelectPauliRot(WEIGHTS[:4], [0, 1], 2, "Y")),
    # Noise.
    "AmplitudeDamping": noisy(lambda x: qml.AmplitudeDamping(0.2, 0)),
    "BitFlip": noisy(lambda x: qml.BitFlip(0.2, 0)),
    "DepolarizingChannel": noisy(lambda x: qml.DepolarizingChannel(0.2, 0)),
    "GeneralizedAmplitudeDamping": noisy(lambda x: qml.GeneralizedAmplitudeDamping(0.2, 0.3, 0)),
    "PauliError": noisy(lambda x: qml.PauliError("XY", 0.2, [0, 1])),
    "PhaseDamping": noisy(lambda x: qml.PhaseDamping(0.2, 0)),
    "PhaseFlip": noisy(lambda x: qml.PhaseFlip(0.2, 0)),
    "QubitChannel": noisy(
        lambda x: qml.QubitChannel([0.6 * np.eye(2), 0.8 * X.compute_matrix()], 0)
    ),
    "ResetError": noisy(lambda x: qml.ResetError(0.2, 0.3, 0)),
    "ThermalRelaxationError": noisy(lambda x: qml.ThermalRelaxationError(0.1, 1.2, 1.3, 0.1, 0)),
}

_MEASUREMENTS = {
    "DensityMatrixMP": on(3, lambda x: qml.density_matrix([2, 0])),
    "ExpectationMP": on(2, lambda x: qml.expval(X(0) @ Y(1))),
    "MutualInfoMP": on(3, lambda x: qml.mutual_info([0], [2])),
    "ProbabilityMP": on(3, lambda x: qml.probs([2, 0])),
    "PurityMP": on(2, lambda x: qml.purity([0])),
    "StateMP": on(2, lambda x: qml.state()),
    "VarianceMP": on(2, lambda x: qml.var(X(0) @ Y(1))),
    "VnEntropyMP": on(2, lambda x: qml.vn_entropy([0])),
}

EXAMPLES: Mapping[str, Example] = MappingProxyType(_OPERATORS | _MEASUREMENTS)


def nothing(x: Any) -> None:
    """Do nothing, for comparison."""


UNSEEN = frozenset({"Barrier", "Identity", "Snapshot", "WireCut"})
"""Operations without an effect. The probe shows the effect of every other operator."""
