"""The interpreter of tapes against the exact simulator: values, and slopes by differences."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from hybridx.circuit import GATES, Apply, Circuit, Parameter, parse, simulate
from hybridx.kernels import Reason, Tape, gradients, run, tape_of, threads, values
from hybridx.kernels import tape as tapes
from hybridx.kernels.compiled import entries, jit, phases
from tests.circuits import circuits, inputs

# complex128 in another order of operations: some 100 of 1e-16 each.
EXACT = 1e-11
STEP = 1e-5
# A difference over two steps is off by STEP**2 and, as it is divided by STEP, by 1e-11.
SLOPE = 1e-8


def compare(circuit, data, batch=5, seed=0):
    """Compare a circuit with the simulator; return its tape, or None if it has none."""
    tape = tape_of(circuit, data)
    if isinstance(tape, Reason):
        return None
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=circuit.parameters - data)
    rows = rng.normal(size=(batch, data))
    whole = np.concatenate([rows, np.broadcast_to(shared, (batch, len(shared)))], axis=1)
    found, kept = values(tape, rows, shared)
    exact = simulate(circuit, whole)
    scale = max(1.0, np.abs(exact).max())
    assert np.abs(found - exact).max() < EXACT * scale
    cotangent = rng.normal(size=found.shape)
    of_rows, of_shared = gradients(tape, rows, shared, kept, cotangent)
    again = gradients(tape, rows, shared, kept[:0], cotangent)
    assert np.abs(of_rows - again[0]).max(initial=0) < EXACT * scale
    for column in range(circuit.parameters):
        step = np.zeros(circuit.parameters)
        step[column] = STEP
        change = simulate(circuit, whole + step) - simulate(circuit, whole - step)
        slope = (change * cotangent).sum(axis=1) / (2 * STEP)
        if column < data:
            assert np.abs(slope - of_rows[:, column]).max() < SLOPE * scale
        else:
            assert abs(slope.sum() - of_shared[column - data]) < SLOPE * scale * batch
    return tape


@settings(max_examples=60, deadline=None)
@given(circuits(), st.data())
def test_random_circuits(circuit, data):
    compare(circuit, data.draw(st.integers(0, circuit.parameters)))


@pytest.mark.parametrize("name", GATES)
def test_every_gate_has_a_tape(name):
    """From a data column, from a shared one and with a control, adjoint."""
    gate = GATES[name]
    wires = tuple(range(gate.wires))
    around = "; ".join(f"RY {wire} p[0]; RX {wire} {0.3 + wire}" for wire in range(gate.wires + 1))
    start = parse(f"{around}; expval Z0; expval {'@'.join(f'Y{w}' for w in wires)}; probs 0")
    for column in (0, 1):
        angle = Parameter(column, 0.7, 0.2) if gate.takes_angle else None
        plain = Apply(name, wires, angle)
        held = Apply(
            name, wires, angle, adjoint=True, controls=(gate.wires,), control_values=(False,)
        )
        circuit = Circuit(
            gate.wires + 1,
            2,
            (*start.operations, plain, held, *start.operations),
            start.measurements,
        )
        assert compare(circuit, data=1) is not None


def test_layers_become_few_steps():
    """Rotations that Python writes wire by wire stand side by side, with one step of phases."""
    layer = "; ".join(
        f"RZ {w} p[{3 * w}]; RY {w} p[{3 * w + 1}]; RZ {w} p[{3 * w + 2}]" for w in range(4)
    )
    ring = "; ".join(f"CNOT {a} {b}" for a, b in pairwise((0, 1, 2, 3, 0)))
    tape = compare(parse(f"{layer}; {ring}; {layer}; {ring}; expval Z0; expval X1"), data=0)
    kinds = [tapes.Kind(kind).name for kind in tape.steps[:, 0]]
    assert kinds == [
        *["PHASES"], *["REAL"] * 4, *["PHASES", "PERMUTE"], *["REAL"] * 4, "PHASES", "PERMUTE"
    ]  # fmt: skip


def test_moves_that_cancel_are_no_step():
    tape = compare(parse("RY 0 p[0]; CNOT 0 1; SWAP 0 1; SWAP 1 0; CNOT 0 1; expval Z0"), data=1)
    assert len(tape.steps) == 1


def test_a_batch_in_several_chunks(monkeypatch):
    """The last chunk has fewer rows than the others."""
    monkeypatch.setattr(run, "_CHUNK", 2**14)
    assert compare(parse("RY 0 p[0]; RX 1 p[1]; CNOT 0 1; RZ 1 p[0]; expval Z0@Y1"), 1, batch=2500)


def test_gradients_of_shared_columns_alone():
    circuit = parse("RY 0 p[0]; RY 1 p[0]; RX 0 p[1]; CNOT 0 1; RZ 1 p[2]; RX 1 0.4; expval Z0@Y1")
    tape = tape_of(circuit, 1)
    rows, shared = inputs(circuit, 3)[:, :1].copy(), np.array([0.3, -0.8])
    found, kept = values(tape, rows, shared)
    whole = gradients(tape, rows, shared, kept, np.ones_like(found))
    alone = gradients(tape, rows, shared, kept, np.ones_like(found), of_data=False)
    assert tape.first_shared > 0
    np.testing.assert_array_equal(whole[1], alone[1])


def test_float32():
    """Angles are summed in float64, so that large ones lose no more than their own rounding."""
    circuit = parse("RX 0 p[0]; RZ 0 p[1]; RY 0 p[1]; CNOT 0 1; expval Z0; expval X1")
    tape = tape_of(circuit, 1)
    rows, shared = np.float32([[0.3], [-2.0]]), np.float32([1e4])
    whole = np.concatenate([rows, np.broadcast_to(shared, (2, 1))], axis=1)
    found, _ = values(tape, rows, shared)
    assert found.dtype == np.float32
    assert np.abs(found - simulate(circuit, whole)).max() < 1e-6  # a dozen roundings of 6e-8


def test_a_wrong_generator_is_seen(monkeypatch):
    """The comparison above would notice a slope with the wrong sign."""
    right = tapes._generator
    monkeypatch.setattr(tapes, "_generator", lambda *given: -right(*given))
    with pytest.raises(AssertionError):
        compare(parse("RY 0 p[0]; expval Z0"), data=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("RY 0 p[0]; purity 0", "it measures purity"),
        ("RY 0 p[0]; var Z0", "it measures variance"),
    ],
)
def test_what_has_no_tape(text, reason):
    assert tape_of(parse(text), 1) == Reason(reason)


def test_what_is_kept_on_disk_belongs_to_all_sources():
    """Numba looks only at the file of a function, not at those of the loops that it calls."""
    for entry in (entries.forward, entries.backward):
        assert entry.py_func.__code__.co_freevars == ("stamp",)
        assert entry.py_func.__closure__[0].cell_contents == jit.STAMP


def test_the_stamp_changes_with_a_source(tmp_path, monkeypatch):
    for name in ("jit.py", "gates.py"):
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    before = jit._stamp()
    (tmp_path / "gates.py").write_text("a = 2\n")
    assert jit._stamp() != before


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("RY 0 p[0]; expval Z0", 1),
        ("RY 0 p[0]; RX 0 p[1]; expval Y0", 0),  # no columns of data
        ("RZ 0 p[0]; RX 0 p[1]; CRX 0 1 p[0]; expval X0; expval Z1", 2),  # no shared ones
        ("RY 0 0.3; CNOT 0 1; RX 1 0.7; expval Z1; probs 0", 0),  # only numbers
        ("CNOT 0 1; expval Z1; probs 0 1", 0),
        ("expval Z0; probs 1 0", 0),  # no gates
        ("RZ 0 p[0]; expval Z0@Z1; state", 1),
    ],
)
@pytest.mark.parametrize("batch", [0, 1, 2, 17])
def test_odd_shapes(text, data, batch):
    if batch:
        assert compare(parse(text), data, batch=batch) is not None
        return
    circuit = parse(text)
    tape = tape_of(circuit, data)
    rows, shared = np.zeros((0, data)), np.ones(circuit.parameters - data)
    found, kept = values(tape, rows, shared)
    of_rows, of_shared = gradients(tape, rows, shared, kept, found)
    assert found.shape == (0, tape.results)
    assert of_rows.shape == rows.shape
    np.testing.assert_array_equal(of_shared, np.zeros_like(shared))


def test_a_wide_circuit_row_by_row():
    """Of one row, and of states too wide for several at once; low wires are near each other."""
    wires = 6
    gates = "; ".join(
        f"RY {w} p[0]; RX {w} p[{1 + w % 3}]; RZ {w} p[0]; CRX {w} {(w + 1) % wires} p[2]; "
        f"RX {w} p[3]; RY {w} p[1]; IsingXX {w} {(w + 1) % wires} p[{w % 2}]"
        for w in range(wires)
    )
    circuit = parse(f"{gates}; expval Z0@Y5; expval X3; probs 1 4")
    compare(circuit, 1, batch=1)
    for count in (1, 5):
        rows = np.random.default_rng(0).normal(size=(count, 1))
        shared = np.array([0.3, -0.8, 1.9])
        tape = tape_of(circuit, 1)
        assert isinstance(tape, Tape)
        several = values(tape, rows, shared)[0]
        single = [values(tape, rows[r : r + 1], shared)[0] for r in range(count)]
        np.testing.assert_allclose(several, np.concatenate(single), atol=EXACT)


def test_two_threads_compute_the_same(monkeypatch):
    monkeypatch.setattr(run, "_SHARE", 1)
    circuit = parse("RY 0 p[0]; RX 1 p[1]; CNOT 0 1; RZ 1 p[0]; RY 1 p[2]; expval Z0@Y1; expval Z1")
    tape = tape_of(circuit, 1)
    shared = np.array([0.3, -0.8])
    for batch in (1, 3000):
        rows = np.random.default_rng(0).normal(size=(batch, 1))
        alone = values(tape, rows, shared)
        both = values(tape, rows, shared, threads=2)
        np.testing.assert_array_equal(alone[0], both[0])
        np.testing.assert_array_equal(alone[1], both[1])
        slopes = gradients(tape, rows, shared, alone[1], alone[0])
        again = gradients(tape, rows, shared, alone[1], alone[0], threads=3)
        np.testing.assert_array_equal(slopes[0], again[0])
        np.testing.assert_allclose(slopes[1], again[1], rtol=1e-12)


def test_rows_are_shared_out_whole():
    tape = tape_of(parse("RY 0 p[0]; expval Z0"), 1)
    assert isinstance(tape, Tape)
    for batch, rows, most in [(0, 1, 2), (1, 1, 4), (5, 1, 2), (48, 16, 2), (10**7, 2048, 3)]:
        shares = run._shares(tape, batch, rows, most)
        taken = [row for share in shares for row in range(batch)[share]] if batch < 100 else None
        assert taken is None or taken == list(range(batch))
        assert all(share.start % rows == 0 for share in shares)
        assert shares[-1].stop == batch
    assert len(run._shares(tape, 10**7, 2048, 3)) == 3
    assert len(run._shares(tape, 32, 16, 2)) == 1  # too little to do


def test_a_large_batch_is_taken_in_slices(monkeypatch):
    circuit = parse("RY 0 p[0]; RX 1 p[1]; CNOT 0 1; RZ 1 p[0]; expval Z0@Y1")
    tape = tape_of(circuit, 1)
    rows, shared = np.random.default_rng(0).normal(size=(100, 1)), np.array([0.3])
    found, kept = values(tape, rows, shared)
    whole = gradients(tape, rows, shared, kept, found)
    monkeypatch.setattr(run, "_KEPT", 256)  # 32 rows
    assert values(tape, rows, shared)[1].size == 0
    sliced = gradients(tape, rows, shared, kept[:0], found)
    np.testing.assert_allclose(whole[0], sliced[0], atol=EXACT)
    np.testing.assert_allclose(whole[1], sliced[1], atol=EXACT)


def test_angles_of_every_size():
    """The own cosine and sine against NumPy's, also where the own one hands over, and NaN."""
    angles = np.concatenate(
        [np.linspace(-50, 50, 1001), np.pi / 4 * np.arange(-40, 40), [9e5, -9.99e5, 1e-300]]
    )

    @njit
    def circle(given, cosines, sines):
        phases.circle(given, cosines, sines)

    for extra in ([], [1e9, np.nan]):
        given = np.array([*angles, *extra])
        cosines, sines = np.empty_like(given), np.empty_like(given)
        circle(given, cosines, sines)
        np.testing.assert_allclose(cosines, np.cos(given), atol=5e-16, rtol=0)
        np.testing.assert_allclose(sines, np.sin(given), atol=5e-16, rtol=0)


def test_a_child_process_makes_its_own_threads():
    assert threads.run_all([lambda: 1, lambda: 2]) == [1, 2]
    child = os.fork()
    if not child:
        os._exit(0 if threads.run_all([lambda: 1, lambda: 2]) == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_without_a_folder_for_it_compiled_code_is_not_kept():
    """Numba finds no folder for a function that has no file."""
    names = {}
    exec("def double(x):\n    return 2 * x", names)
    assert jit.entry(names["double"])(3) == 6
