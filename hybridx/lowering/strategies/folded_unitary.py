"""One matrix for all constant gates: the state is a fixed combination of the parameters' waves.

If every parameter enters before its wire meets another one, the state is

    psi(x) = V psi_0(x) ... psi_n(x) = W f(x),        exact,

with f the waves of the product state, cosines of sums of half angles, and W constant: 2^n features
by 2^(n+1) real numbers for n wires of one rotation each. Any measurement can follow.
"""

from __future__ import annotations

from math import prod

import numpy as np

from hybridx.circuit import Circuit, result_count
from hybridx.lowering.analysis.product_encoding import (
    Encoding,
    contract,
    encoding_of,
    fold,
    is_still,
)
from hybridx.lowering.analysis.trig_polynomial import Basis
from hybridx.lowering.blocks import entropy
from hybridx.lowering.blocks.measure_state import measure
from hybridx.lowering.blocks.state import COMPLEX, Amplitudes
from hybridx.lowering.cost import EASY, Cost
from hybridx.program import Builder, Program

_MOST_BYTES = 48e6  # of W in float32


def count(circuit: Circuit) -> Cost | str:
    """Return the counted cost, or why the strategy does not apply."""
    encoding = encoding_of(circuit)
    if isinstance(encoding, str):
        return encoding
    features = prod(map(len, encoding.amplitudes))
    weights = features * 2 ** (circuit.wires + 1)
    results = result_count(circuit)
    measuring = 2 ** (circuit.wires + 1) * results
    size = 4 * (weights + measuring)
    if size > _MOST_BYTES:
        return f"its constants would take more than {_MOST_BYTES / 1e6:.0f} MB"
    own = Cost(
        multiply_adds=weights + features * circuit.parameters + measuring,
        elements=features + EASY * 2 ** (circuit.wires + 1),
        steps=6,
        constant_bytes=size,
    )
    return sum(map(entropy.count, circuit.measurements), own)


def lower(circuit: Circuit) -> Program:
    """Return the program of a circuit to which the strategy applies.

    Exact but for rounding; float32 gives about 1e-6 at 10 wires.
    """
    encoding = encoding_of(circuit)
    assert isinstance(encoding, Encoding), encoding
    builder = Builder(circuit.parameters)
    basis = Basis.of(encoding.amplitudes, encoding.axes)
    maps = [
        np.concatenate(list(spectrum.values()), axis=1)
        for spectrum in encoding.amplitudes
        if not is_still(spectrum)
    ]
    V = fold(encoding)
    waves = contract(V.T, maps).reshape(len(V), -1)
    W = basis.on_features(waves.T)
    features = basis.features(builder, encoding.axes)
    state = builder.matmul(features, builder.constant(np.concatenate([W.real, W.imag], 1)))
    amplitudes = Amplitudes(state, (COMPLEX, *range(circuit.wires)))
    return builder.build(measure(builder, amplitudes, circuit))
