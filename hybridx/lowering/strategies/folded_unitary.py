"""All constant gates as one matrix: the state is a linear map of the parameters' Fourier modes.

If every parameter enters before its wire meets another one, the state is

    psi(x) = V psi_0(x) ... psi_n(x) = W f(x),        exact,

with f the Fourier modes of the product state, cosines of sums of half angles, and W constant: 2^n
features by 2^(n+1) real numbers for n wires of one rotation each. Any measurement can follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from hybridx.circuit import Circuit, result_count
from hybridx.lowering.analysis.product_encoding import Encoding, contract, encoding_of, fold
from hybridx.lowering.analysis.trig_polynomial import Basis, is_constant
from hybridx.lowering.blocks import entropy
from hybridx.lowering.blocks.angles import features
from hybridx.lowering.blocks.measure_state import measure
from hybridx.lowering.blocks.real_form import real_columns
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes
from hybridx.lowering.cost import EASY, MOST_FOLDED, Cost
from hybridx.lowering.plan import Plan, Reason, exceeds
from hybridx.program import Builder, Program


@dataclass(frozen=True, eq=False)
class FoldedUnitaryPlan(Plan):
    """The state of an encoded circuit as W f.

    Attributes:
        encoding: the circuit as a product state and V.
    """

    encoding: Encoding

    def describe(self) -> str:
        """Return the encoding, and how many modes each wire has."""
        modes = " ".join(str(len(spectrum)) for spectrum in self.encoding.amplitudes)
        return f"{self.encoding.describe()}\nFourier modes of the wires' amplitudes: {modes}"

    def build(self) -> Program:
        """Return the program: exact but for rounding; float32 gives about 1e-6 at 10 wires."""
        encoding, wires = self.encoding, self.circuit.wires
        builder = Builder(self.circuit.parameters)
        basis = Basis.of(encoding.amplitudes, encoding.axes)
        maps = [
            np.concatenate(list(spectrum.values()), axis=1)
            for spectrum in encoding.amplitudes
            if not is_constant(spectrum)
        ]
        V = fold(encoding)
        modes = contract(V.T, maps).reshape(len(V), -1)
        W = basis.on_features(modes.T)
        modes_of_rows = features(builder, basis, encoding.axes)
        state = builder.matmul(modes_of_rows, builder.constant(real_columns(W)))
        amplitudes = Amplitudes(state, (COMPLEX, *range(wires)))
        return builder.build(measure(builder, amplitudes, self.circuit))


def plan(circuit: Circuit) -> FoldedUnitaryPlan | Reason:
    """Return the plan of a circuit, or why the strategy does not apply."""
    encoding = encoding_of(circuit)
    if isinstance(encoding, Reason):
        return encoding
    features = prod(map(len, encoding.amplitudes))
    weights = features * 2 ** (circuit.wires + 1)
    results = result_count(circuit)
    measuring = 2 ** (circuit.wires + 1) * results
    size = 4 * (weights + measuring)
    too_large = exceeds(size, MOST_FOLDED)
    if too_large:
        return too_large
    own = Cost(
        multiply_adds=weights + features * circuit.parameters + measuring,
        elements=features + EASY * 2 ** (circuit.wires + 1),
        steps=6,
        constant_bytes=size,
        numbers=3 * features + 2 * 2 ** (circuit.wires + 1) + results,
    )
    cost = sum(map(entropy.count, circuit.measurements), own)
    return FoldedUnitaryPlan(circuit, cost, encoding)
