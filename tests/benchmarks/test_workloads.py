"""The two descriptions of each workload agree, and so do the models around them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reference import evaluate, run_cones, run_templates
from benchmarks.workloads import TRAINED, WORKLOADS, make

BY_GATES = ["W1", "W2", "W4", "W5"]  # W3 starts in data and has no observables


@pytest.mark.parametrize("name", BY_GATES)
@pytest.mark.parametrize(("wires", "rows"), [(2, 2), (4, 1), (5, 3)])
def test_gates_say_what_the_template_says(name, wires, rows):
    workload = make(name, wires)
    columns = workload.inputs(rows).astype(np.float64)
    expected = run_templates(workload, columns)
    found = run_cones(workload.circuit, columns)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-12


@pytest.mark.parametrize("name", WORKLOADS | TRAINED)
def test_a_workload_is_seeded(name):
    wires = (WORKLOADS | TRAINED)[name].wires[0]
    one, other = make(name, wires), make(name, wires)
    assert one.circuit == other.circuit
    assert np.array_equal(one.inputs(2), other.inputs(2))


@pytest.mark.parametrize("name", ["classifier", "quanvolution"])
def test_whole_models_are_what_torch_computes(name):
    torch = pytest.importorskip("torch")
    from benchmarks.modules import torch_model

    workload = make(name, WORKLOADS[name].wires[0])
    model = torch_model(workload, "default.qubit").double()
    rows = workload.inputs(2)
    with torch.no_grad():
        expected = model(torch.from_numpy(rows).double()).numpy()
    assert np.abs(evaluate(workload, rows) - expected).max() < 1e-9


def test_the_cones_of_brickwork_stay_small():
    workload = make("W5", 32)
    assert np.isfinite(evaluate(workload, workload.inputs(1))).all()
