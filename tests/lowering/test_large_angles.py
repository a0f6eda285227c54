"""No strategy loses large angles: sums of them are made after whole turns are taken away."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridx.circuit import Apply, Parameter, parse, simulate
from hybridx.lowering import STRATEGIES
from hybridx.program import Wrap, run
from hybridx.program.to_torch import emit_module
from tests.circuits import circuits, noisy
from tests.lowering.agreement import plans_of
from tests.lowering.encoded import encoded, uploaded
from tests.program.test_to_torch import onnx_session

FIRST = "RX 0 p[0]; RY 1 (-1.0*p[1] + 0.4); RX 2 (0.5*p[2] + 1.2); RY 3 (3.14*p[0] + -0.7)"
RING = "RY 0 0.3; RX 1 0.4; CNOT 0 1; CNOT 1 2; CNOT 2 3; RX 2 1.1"
MEANS = "expval Z0; expval X1@Y2; expval 0.5*Z3 + X0"
NOISE = "channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]"

CIRCUITS = {
    "columns first": f"{FIRST}; {RING}; {MEANS}",
    "columns again": f"{FIRST}; {RING}; RZ 0 p[1]; RX 1 p[2]; RZ 2 (2.5*p[0]); {RING}; {MEANS}",
    "phases of parities": (
        "RX 0 p[0]; Hadamard 1; Hadamard 2; CRX 0 1 p[1]; ctrl[0, 1] PhaseShift 2 p[2]; RX 1 0.9; "
        "IsingXX 0 2 (0.3*p[0]); RY 2 1.0; SingleExcitation 0 1 p[2]; IsingZZ 1 2 (p[1] + 2.0); "
        "ctrl[0, 2] PhaseShift 1 (0.7*p[1]); RX 2 0.2; expval Z0; expval X1@Y2; state"
    ),
    "an offset of many turns": (
        "RX 0 (p[0] + 12345.6); Hadamard 1; CRY 0 1 (p[0] + -1e6); "
        "expval Z0; expval X1; expval Y0@Z1"
    ),
    "noise": f"{FIRST}; CNOT 0 1; {NOISE}; CRX 1 2 p[2]; PhaseShift 0 p[1]; RX 0 0.4; {MEANS}",
    "cones": "RX 0 p[0]; RY 1 p[1]; CNOT 0 1; RX 2 p[2]; CNOT 2 3; RY 3 (1.5*p[0] + 0.3); "
    "expval Z1; expval Z3",
}
SIZES = range(8)  # powers of ten


def rows_of(circuit, dtype, sizes=SIZES):
    """Parameters of each size, shape `(rows, P)`, as numbers of the dtype."""
    draw = np.random.default_rng(0).uniform
    rows = [draw(-1, 1, (6, circuit.parameters)) * 10.0**size for size in sizes]
    return np.concatenate(rows).astype(dtype)


def largest_angles(circuit, rows):
    """The largest angle of a gate in each row and its offset, in radians and without signs."""
    angles = [
        abs(operation.angle.scale * rows[:, operation.angle.column].astype(np.float64))
        + abs(operation.angle.offset)
        for operation in circuit.operations
        if isinstance(operation, Apply) and isinstance(operation.angle, Parameter)
    ]
    return np.max(angles, axis=0, initial=0.0)


def assert_exact(results, expected, angles):
    """Compare results with those of the exact simulator, row by row.

    `docs/how-it-works.md` promises 1e-5, and 1e-8 times the sum of the angles in one cosine. Here
    less is allowed: what is lost of the largest angle, as `program/wrapping.py` has it.
    """
    if results.dtype == np.float32:
        allowed = 2e-6 + 4e-10 * angles
    else:
        # The simulator itself rounds the angle.
        allowed = 1e-13 + 2.0**-51 * angles
    scale = np.abs(expected).max(initial=1.0)
    assert np.isfinite(results).all()
    assert (np.abs(results - expected).max(axis=1) <= allowed * scale).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_large_angles_are_exact_in_every_strategy_and_target(name, dtype):
    circuit = parse(CIRCUITS[name])
    rows = rows_of(circuit, dtype)
    angles, expected = largest_angles(circuit, rows), simulate(circuit, rows)
    for plan in plans_of(circuit).values():
        program = plan.build()
        assert_exact(run(program, rows), expected, angles)
        (results,) = onnx_session(program, dtype).run(None, {"x": rows})
        assert_exact(results, expected, angles)
        module = emit_module(program, dtype=np.dtype(dtype))
        assert_exact(module(torch.from_numpy(rows)).numpy(), expected, angles)


def test_every_strategy_is_among_them():
    found = {name for text in CIRCUITS.values() for name in plans_of(parse(text))}
    assert found == {strategy.name for strategy in STRATEGIES}


def test_the_comparison_sees_angles_that_are_not_wrapped():
    circuit = parse(CIRCUITS["columns first"])
    rows = rows_of(circuit, "float32", [3])
    angles, expected = largest_angles(circuit, rows), simulate(circuit, rows)
    program = plans_of(circuit)["multilinear"].build()
    steps = [
        dataclasses.replace(step, columns=tuple((column, 0.0) for column, _ in step.columns))
        if isinstance(step, Wrap)
        else step
        for step in program.steps
    ]
    assert steps != list(program.steps)
    broken = dataclasses.replace(program, steps=tuple(steps))
    with pytest.raises(AssertionError):
        assert_exact(run(broken, rows), expected, angles)


@settings(max_examples=50, deadline=None)
@given(circuits() | encoded() | uploaded() | noisy(), st.integers(2, 6))
def test_large_angles_of_any_gate_are_exact(circuit, size):
    rows = rows_of(circuit, "float32", [size])
    angles, expected = largest_angles(circuit, rows), simulate(circuit, rows)
    for plan in plans_of(circuit).values():
        assert_exact(run(plan.build(), rows), expected, angles)
