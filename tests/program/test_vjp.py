"""The gradient program of a program: by differences, against torch, and in every target."""

import importlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from hybridx.circuit import parse as parse_circuit
from hybridx.circuit import simulate
from hybridx.lowering import MACHINES, STRATEGIES, choose, rows_at_once
from hybridx.program import Gather, check, parse, run, vjp
from hybridx.program.to_torch import emit_module
from tests import pennylane_oracle
from tests.circuits import circuits, entropies, inputs, noisy
from tests.lowering.agreement import plans_of
from tests.lowering.encoded import (
    brickwork,
    encoded,
    fitting,
    repeated,
    reuploading,
    strongly_entangling,
    uploaded,
)
from tests.program.programs import programs
from tests.program.test_to_torch import onnx_session

VJP = importlib.import_module("hybridx.program.vjp")
LAWS = importlib.import_module("hybridx.program.check")

INPUT = "v0: (batch, 4) = parameters; "
CASES = {
    "cos": "v1: (batch, 2) = wrap v0 [[2, 0.5], [0, 1.0]]; v2: (batch, 2) = cos v1",
    "sin": "v1: (batch, 2) = wrap v0 [[2, 0.5], [0, 1.0]]; v2: (batch, 2) = sin v1",
    "sqrt": "v1: (batch, 4) = sqrt v0",
    "log": "v1: (batch, 4) = log v0",
    "add": "v1: (1, 1) = constant [[0.5]]; v2: (batch, 4) = sqrt v0; v3: (batch, 4) = add v0 v2;"
    "v4: (batch, 4) = add v1 v3; v5: (batch, 4) = multiply v4 v4",
    "multiply": "v1: (batch, 4) = log v0; v2: (batch, 4) = multiply v0 v1",
    "divide": "v1: (batch, 4) = log v0; v2: (batch, 4) = divide v1 v0",
    "maximum": "v1: (1, 4) = constant [[0.9, 1.0, 1.1, 1.2]]; v2: (batch, 4) = maximum v0 v1;"
    "v3: (batch, 4) = log v0; v4: (batch, 4) = maximum v3 v2; v5: (batch, 4) = multiply v4 v2",
    "matmul": "v1: (batch, 2, 2) = reshape v0; v2: (batch, 2, 2) = log v1;"
    "v3: (batch, 2, 2) = matmul v1 v2; v4: (2, 3) = constant [[1, 2, 3], [4, 5, 6]];"
    "v5: (batch, 2, 3) = matmul v3 v4; v6: (batch, 6) = reshape v5",
    "gather": "v1: (batch, 5) = gather v0 axis 1 [3, 1, 1, 0, 1]; v2: (batch, 5) = log v1",
    "reshape": "v1: (batch, 2, 2) = reshape v0; v2: (batch, 2) = sum v1 axis 1;"
    "v3: (batch, 2) = log v2",
    "transpose": "v1: (batch, 2, 2) = reshape v0; v2: (batch, 2, 2) = transpose v1 [0, 2, 1];"
    "v3: (batch, 4) = reshape v2; v4: (batch, 4) = log v3",
    "concatenate": "v1: (batch, 4) = multiply v0 v0; v2: (batch, 8) = concatenate v0 v1 axis 1;"
    "v3: (batch, 8) = log v2",
    "sum": "v1: (batch, 2, 2) = reshape v0; v2: (batch, 2) = sum v1 axis 2;v3: (batch, 2) = log v2",
    "wrap": "v1: (batch, 3) = wrap v0 [[3, 0.5], [3, 0.0], [1, 2.0]];"
    "v2: (batch, 3) = multiply v1 v1",
}


def numbers(program, batch=3, seed=0):
    """Parameters at which every case is smooth, and no column is near half a period."""
    return np.random.default_rng(seed).uniform(1.05, 1.45, (batch, program.shapes[0][1]))


def slopes(function, columns, cotangents):
    """The gradient of each row by central differences of fourth order, `(batch, P)`."""
    # The error is step^4/30 times the fifth derivative, which is 3e5 for a variance of four turns.
    step = 3e-4
    found = np.empty_like(columns)
    for column in range(columns.shape[1]):
        shift = np.zeros(columns.shape[1])
        shift[column] = step
        near = function(columns + shift) - function(columns - shift)
        far = function(columns + 2 * shift) - function(columns - 2 * shift)
        found[:, column] = (cotangents * (8 * near - far)).sum(1) / (12 * step)
    return found


def assert_gradients(program, columns, function=None, atol=1e-9):
    """Compare with differences, first order and second."""
    for order in (1, 2):
        cotangents = np.random.default_rng(order).uniform(-1, 1, (len(columns), results(program)))
        expected = slopes(function or (lambda x, one=program: run(one, x)), columns, cotangents)
        program = check(vjp(program))
        columns = np.concatenate([columns, cotangents], 1)
        np.testing.assert_allclose(run(program, columns), expected, rtol=1e-9, atol=atol)
        function = None


def results(program):
    return program.shapes[-1][1]


def case(rule):
    return check(parse(INPUT + CASES[rule]))


@pytest.mark.parametrize("rule", CASES)
def test_every_rule_agrees_with_differences(rule):
    program = case(rule)
    assert_gradients(program, numbers(program))


def test_every_primitive_has_a_case():
    kinds = {
        kind
        for kinds in importlib.import_module("hybridx.program.check")._KINDS.values()
        for kind in kinds
    } - {"sign", "hold"}
    others = {"gather", "reshape", "transpose", "concatenate", "sum", "wrap"}
    assert set(CASES) == kinds | others


def named(step):
    return getattr(step, "kind", None) or type(step).__name__.lower()


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (rule, place)
        for rule in CASES
        for place in range(2 if rule in ("add", "multiply", "divide", "maximum", "matmul") else 1)
    ],
)
def test_a_planted_sign_is_found(monkeypatch, rule, place):
    honest = VJP.pull

    def planted(builder, program, values, index, g):
        is_wrong = named(program.steps[index]) == rule
        for operand, (x, make) in enumerate(honest(builder, program, values, index, g)):
            yield x, partial(negated, make) if is_wrong and operand == place else make

    program = case(rule)
    monkeypatch.setattr(VJP, "pull", planted)
    with pytest.raises(AssertionError):
        assert_gradients(program, numbers(program))


def negated(make):
    term = make()
    return replace(term, times=-term.times)


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES])
def test_every_strategy_in_every_target(name):
    plan = choose(fitting(name), name).plan
    gradient = check(plan.build_vjp())
    columns = np.random.default_rng(0).uniform(-3, 3, (3, gradient.shapes[0][1]))
    expected = run(gradient, columns)
    for dtype, atol in (("float64", 1e-12), ("float32", 1e-5)):
        given = columns.astype(dtype)
        module = emit_module(gradient, dtype=np.dtype(dtype))
        np.testing.assert_allclose(module(torch.from_numpy(given)).numpy(), expected, atol=atol)
        (found,) = onnx_session(gradient, dtype).run(None, {"x": given})
        np.testing.assert_allclose(found, expected, atol=atol)


@settings(max_examples=15, deadline=None)
@given(circuits() | encoded() | noisy())
def test_every_strategy_has_the_slopes_of_the_simulator(circuit):
    assert_slopes_of_the_simulator(circuit)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(circuits() | encoded() | uploaded() | repeated() | noisy() | circuits(measured=entropies))
def test_every_strategy_has_the_slopes_of_the_simulator_in_many_circuits(circuit):
    assert_slopes_of_the_simulator(circuit)


def assert_slopes_of_the_simulator(circuit):
    if not circuit.parameters:
        return
    parameters = inputs(circuit, 2)
    for plan in plans_of(circuit).values():
        assert_gradients(plan.build(), parameters, lambda x: simulate(circuit, x))


@pytest.mark.parametrize(
    "circuit",
    [
        strongly_entangling(3),
        reuploading(3, 2),
        brickwork(4),
        parse_circuit("RY 0 p[0]; CRX 0 1 p[1]; RX 2 p[0]; ctrl[!2] RZ 1 (2.0*p[2] + 0.3); "
                      "var X0@Z1"),
        parse_circuit("RX 0 p[0]; IsingXY 0 1 p[1]; CNOT 1 2; RY 2 p[1]; probs 1 2; purity 0"),
        parse_circuit("RX 0 p[0]; CNOT 0 1; RY 1 p[1]; channel 0 [1, 0, 0, 0.8, 0, 0.6, 0, 0]; "
                      "RX 0 p[1]; expval 0.5*Z0@X1; expval Y0"),
        parse_circuit("RY 0 p[0]; RY 1 p[1]; CNOT 0 2; CRX 1 2 p[0]; mutual 0 | 1 base 2.0"),
    ],
)  # fmt: skip
def test_gradients_are_those_of_pennylane(circuit):
    parameters = inputs(circuit, 2)
    for name, plan in plans_of(circuit).items():
        gradient = plan.build_vjp()
        cotangents = np.random.default_rng(1).uniform(-1, 1, (2, results(plan.build())))
        expected = pennylane_oracle.gradients(circuit, parameters, cotangents)
        found = run(gradient, np.concatenate([parameters, cotangents], 1))
        np.testing.assert_allclose(found, expected, atol=1e-9, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_a_random_program_has_the_gradient_of_torch(program):
    columns = np.random.default_rng(0).uniform(-2, 2, (3, program.shapes[0][1]))
    cotangents = np.random.default_rng(1).uniform(-2, 2, (3, results(program)))
    given = torch.from_numpy(columns).requires_grad_()
    made = emit_module(program, dtype=np.dtype("float64"))(given)
    if not made.requires_grad:
        return
    (expected,) = torch.autograd.grad(made, given, torch.from_numpy(cotangents))
    with np.errstate(all="ignore"):
        found = run(check(vjp(program)), np.concatenate([columns, cotangents], 1))
    # Numbers of 1e300 are among the constants; what is infinite depends on the order of products.
    bounded = expected.numpy()
    usual = np.abs(bounded) < 1e30
    np.testing.assert_allclose(found[usual], bounded[usual], rtol=1e-9, atol=1e-12)


def test_no_parameters_have_no_gradient():
    with pytest.raises(ValueError, match="no gradient"):
        vjp(parse("v0: (batch, 0) = parameters; v1: (1, 1) = constant [[1]]"))


@pytest.mark.parametrize(
    "steps",
    [
        "v1: (batch, 4) = sign v0",
        "v1: (1, 1) = constant [[-1]]; v2: (batch, 4) = multiply v0 v1; v3: (batch, 4) = add v0 v2",
    ],
)
def test_what_does_not_change_has_the_gradient_zero(steps):
    program = check(vjp(parse(INPUT + steps)))
    np.testing.assert_array_equal(run(program, numbers(program)), np.zeros((3, 4)))


@pytest.mark.parametrize("steps", ["maximum v0 v1", "sqrt v0", "sign v0", "maximum v0 v0"])
def test_where_there_is_no_derivative_it_is_that_of_torch(steps):
    other = "v1: (batch, 4) = gather v0 axis 1 [1, 1, 3, 3]; "
    program = parse(
        INPUT + (other if "v1" in steps else "") + f"v{1 + ('v1' in steps)}: (batch, 4) = {steps}"
    )
    columns = np.array([[0.0, 0.0, 1.0, -1.0], [2.0, 3.0, 3.0, 3.0]])
    if "sqrt" in steps:
        columns = np.abs(columns)
    given = torch.from_numpy(columns).requires_grad_()
    made = emit_module(program, dtype=np.dtype("float64"))(given)
    (expected,) = torch.autograd.grad(made, given, torch.ones_like(made) * 0.7)
    with np.errstate(divide="ignore"):
        found = run(vjp(program), np.concatenate([columns, np.full_like(columns, 0.7)], 1))
    np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.parametrize(
    "indices", [[0] * 3000 + list(range(2000)) + [5] * 40 + [7, 7, 7], [0] * 3000]
)
def test_slices_that_are_taken_unequally_often_are_not_padded_to_the_most(indices):
    text = f"v1: (batch, {len(indices)}) = gather v0 axis 1 {indices}"
    square = f"v2: (batch, {len(indices)}) = multiply v1 v1"
    program = parse(f"v0: (batch, 2500) = parameters; {text}; {square}")
    gradient = check(vjp(program))
    taken = [len(step.indices) for step in gradient.steps if isinstance(step, Gather)]
    assert sum(taken) < 40_000
    x = numbers(program)
    cotangents = np.random.default_rng(0).uniform(-1, 1, (3, len(indices)))
    expected = np.zeros_like(x)
    np.add.at(expected, (slice(None), indices), 2 * cotangents * x[:, indices])
    found = run(gradient, np.concatenate([x, cotangents], 1))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_gradient_has_the_state_of_its_program():
    assert vjp(replace(case("cos"), state=7)).state == 7
    assert vjp(case("cos")).state is None


def test_a_long_program_takes_few_rows_at_once():
    wide = parse(
        INPUT + "v1: (batch, 200000) = gather v0 axis 1 [0:4" + ", 0" * 199996 + "];"
        "v2: (batch, 200000) = log v1; v3: (batch, 200000) = multiply v2 v1"
    )
    cpu = MACHINES["cpu"]
    assert 1 <= rows_at_once(vjp(wide), cpu) < 300
    assert rows_at_once(vjp(replace(wide, state=2**13)), cpu) == 8
    assert rows_at_once(vjp(case("cos")), cpu) is None
    assert rows_at_once(vjp(replace(case("cos"), state=2**13)), cpu) == 8
