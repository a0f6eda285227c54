"""A circuit run backwards gives the same gradient, and keeps few values."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.circuit import Unitary
from hybridx.lowering import choose, consider
from hybridx.lowering.blocks import state
from hybridx.program import check, count_live, parse, run, vjp
from tests.circuits import circuits
from tests.lowering.agreement import plans_of
from tests.lowering.encoded import encoded, reuploading, uploaded
from tests.program.test_to_torch import onnx_session

WIDE = ("sweep", "statevector")


@pytest.fixture(autouse=True)
def _every_gradient_takes_much(monkeypatch):
    monkeypatch.setattr(state, "_MUCH", 0)


def columns_of(program, batch=3):
    return np.random.default_rng(0).uniform(-3, 3, (batch, program.shapes[0][1]))


@settings(max_examples=15, deadline=None)
@given(circuits() | encoded() | uploaded())
def test_the_gradient_is_the_same(circuit):
    if not circuit.parameters:
        return
    for name, plan in plans_of(circuit).items():
        if name in WIDE:
            kept, backwards = vjp(plan.build()), check(plan.build_vjp())
            columns = columns_of(kept)
            np.testing.assert_allclose(run(backwards, columns), run(kept, columns), atol=1e-10)


@pytest.mark.parametrize("name", WIDE)
def test_memory_does_not_grow_with_depth(name):
    def live(uploads):
        plan = choose(reuploading(6, uploads), name).plan
        return count_live(vjp(plan.build())), count_live(plan.build_vjp())

    (kept, backwards), (more_kept, deeper) = live(2), live(6)
    assert more_kept > 2 * kept
    # Only angles and what is as small as they are grows.
    assert deeper - backwards < 0.2 * (more_kept - kept)


def test_it_runs_in_onnx_runtime_and_again_as_a_derivative():
    plan = choose(reuploading(5), "sweep").plan
    backwards = plan.build_vjp()
    assert len(backwards.steps) > len(vjp(plan.build()).steps)
    columns = columns_of(backwards)
    (found,) = onnx_session(backwards, "float64").run(None, {"x": columns})
    np.testing.assert_allclose(found, run(backwards, columns), atol=1e-12)
    second, kept = check(vjp(backwards)), vjp(vjp(plan.build()))
    columns = columns_of(second)
    np.testing.assert_allclose(run(second, columns), run(kept, columns), atol=1e-10)


def test_a_derivative_in_a_file_runs_backwards():
    circuit = msgspec.structs.replace(reuploading(4), derivative=1)
    (plan,) = [one.plan for one in consider(circuit) if one.strategy == "sweep"]
    assert len(plan.build().steps) == len(plan.of.build_vjp().steps)
    assert len(plan.build().steps) > len(vjp(plan.of.build()).steps)


def test_a_matrix_that_is_not_unitary_is_not_reversed():
    circuit = reuploading(4)
    shrink = Unitary((0,), (0.5, 0.0, 0.0, 1.0))
    circuit = msgspec.structs.replace(circuit, operations=(*circuit.operations, shrink))
    for name, plan in plans_of(circuit).items():
        if name in WIDE:
            assert len(plan.build_vjp().steps) == len(vjp(plan.build()).steps)


INPUT = "v0: (batch, 2) = parameters; v1: (batch, 2) = wrap v0 [[0, 1.0], [1, 1.0]]; "


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("v2: (batch, 2) = multiply v1 v1; v3: (batch, 2) = add v2 v2", "not linear"),
        ("v2: (batch, 2) = sign v1; v3: (batch, 2) = add v2 v2", "not linear"),
        ("v2: (1, 2) = constant [[1, 2]]; v3: (batch, 2) = add v1 v2", "not linear"),
        ("v2: (batch, 2) = reshape v1; v3: (batch, 2) = add v2 v2; v4: (batch, 2) = add v3 v2",
         "between states"),
        ("v2: (1, 2) = constant [[1, 2]]; v3: (batch, 2) = multiply v0 v2", "is not made of"),
    ],
)  # fmt: skip
def test_what_is_no_orthogonal_map_is_refused(steps, problem):
    with pytest.raises(ValueError, match=problem):
        vjp(parse(INPUT + steps), [(1, 3)])
