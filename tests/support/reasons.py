"""What hybridx does not support, and why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_OF_NAMES = {
    "it acts on continuous variables (bosonic modes), not on qubits": """
        Beamsplitter CVNeuralNetLayers CVObservable CatState CoherentState ControlledAddition
        ControlledPhase CrossKerr CubicPhase DisplacedSqueezedState Displacement
        DisplacementEmbedding FockDensityMatrix FockState FockStateProjector FockStateVector
        GaussianState Interferometer InterferometerUnitary Kerr NumberOperator PolyXP QuadOperator
        QuadP QuadX QuadraticPhase Rotation SqueezedState Squeezing SqueezingEmbedding TensorN
        ThermalState TwoModeSqueezing""",
    "it acts on qutrits, not on qubits": """
        ControlledQutritUnitary GellMann QutritAmplitudeDamping QutritBasisState
        QutritBasisStatePreparation QutritChannel QutritDepolarizingChannel QutritUnitary TAdd
        TClock THadamard THermitian TRX TRY TRZ TSWAP TShift TritFlip""",
    "it is an abstract base class; the classes below it are listed": """
        CompositeOp MeasurementProcess MeasurementTransform Operation SampleMeasurement
        ScalarSymbolicOp StateMeasurement SymbolicOp""",
    "its results are random samples, and a file gives the same for the same input": """
        ClassicalShadowMP CountsMP SampleMP ShadowExpvalMP""",
    "it stands for a measurement that is left out": "NullMeasurement",
    "it wraps an object of another library (Qualtran)": "FromBloq",
    "PennyLane's default.qubit does not run it either": """
        PauliMeasure SumOfSlatersPrep""",
    "it is a pulse, solved as a differential equation with jax": "ParametrizedEvolution",
}

REASONS: Mapping[str, str] = MappingProxyType(
    {name: reason for reason, names in _OF_NAMES.items() for name in names.split()}
)

PENDING: frozenset[str] = frozenset({"QubitDensityMatrix"})
"""Names with an example that hybridx does not support yet."""
