"""What a traced model looks like: circuits found, numbers folded, glue gone."""

from __future__ import annotations

import gc
from collections import Counter

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture import (
    CIRCUIT_OP,
    Flat,
    capture,
    describe_call,
    prepare_example,
    uncollected,
)
from hybridx.circuit import Parameter, show
from hybridx.errors import (
    DataBranchError,
    ExampleRejectedError,
    NonFiniteWeightsError,
    RandomnessError,
    UnsupportedMeasurementError,
    UnsupportedOperatorError,
)
from tests import sample_models


def captured(model, *args):
    call, tensors = describe_call(model.eval(), args, {})
    flat = Flat(model, call)
    return capture(flat, prepare_example(flat, tensors, dtype="float32"), dtype="float32")


def operators(found):
    """Count the operators of a traced graph by name."""
    targets = [n.target for n in found.module.graph.nodes if n.op == "call_function"]
    return Counter(getattr(target, "_opname", target.__name__) for target in targets)


def quantum(function, weights=None, wires=2):
    """A TorchLayer of a quantum function on default.qubit."""
    node = qml.QNode(function, qml.device("default.qubit", wires=wires))
    return qml.qnn.TorchLayer(node, weights or {})


class TestGlue:
    def test_linear_layers_around_a_circuit_are_all_that_is_left(self):
        model, example = sample_models.make("sandwich")
        assert operators(captured(model, example)) == {"linear": 2, "circuit": 1}

    def test_amplitudes_are_no_nodes_of_their_own(self):
        def state(inputs):
            qml.AmplitudeEmbedding(inputs, wires=range(5), normalize=True)
            return qml.probs(wires=range(5))

        found = captured(quantum(state, wires=5), torch.rand(3, 32))
        assert operators(found)["circuit"] == 1
        # What is left are the norm, the division by it and PennyLane's check that it is one.
        assert sum(operators(found).values()) < 10

    def test_products_of_inputs_are_one_product(self):
        def embedded(inputs):
            qml.IQPEmbedding(inputs, wires=range(5))
            return qml.expval(qml.PauliZ(0))

        counts = operators(captured(quantum(embedded, wires=5), torch.rand(3, 5)))
        assert counts["mul"] == 1
        assert counts["index_select"] == 2
        assert counts["select"] == 0

    def test_what_is_computed_alike_is_computed_once(self, tmp_path):
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.node = qml.QNode(self.play, qml.device("default.qubit", wires=3))

            def play(self, x):
                angles = [torch.atan(2 * column + 1) for column in x.T]
                for wire, angle in enumerate(angles):
                    qml.RY(angle, wire)
                for wire in range(3):
                    first, second = angles[wire], x[:, (wire + 1) % 3]
                    qml.CRX((torch.pi - first) * torch.sin(second), [wire, (wire + 1) % 3])
                return qml.probs(wires=range(3))

            def forward(self, x):
                return self.node(x)

        model, example = Model(), torch.rand(4, 3)
        counts = operators(captured(model, example))
        assert (counts["atan"], counts["sin"], counts["circuit"]) == (1, 1, 1)
        report = hybridx.export(model, (example,), tmp_path / "model.onnx")
        assert report.verification.worst <= report.verification.tolerance

    def test_the_file_is_gemm_circuit_gemm(self, tmp_path):
        model, example = sample_models.make("sandwich")
        hybridx.export(model, (example,), tmp_path / "model.onnx")
        nodes = hybridx.inspect(tmp_path / "model.onnx").nodes
        (name,) = [name for name in nodes if name.startswith("Circuit_")]
        assert nodes == {"Gemm": 2, name: 1}

    def test_leading_dimensions_cost_two_reshapes(self):
        layer = sample_models.strongly_entangling()
        assert operators(captured(layer, torch.randn(4, 5, 3))) == {
            "reshape": 2,
            "circuit": 1,
        }

    def test_chained_layers_touch(self):
        model, example = sample_models.make("stacked")
        assert operators(captured(model, example)) == {"circuit": 2}

    def test_some_columns_of_the_results_are_one_selection(self):
        layer = sample_models.strongly_entangling()

        class Picked(nn.Module):
            def forward(self, x):
                return layer(x)[:, 1]

        assert operators(captured(Picked(), torch.randn(4, 3))) == {
            "circuit": 1, "slice": 1, "squeeze": 1
        }  # fmt: skip

    def test_scaling_goes_into_the_angles(self):
        layer = sample_models.strongly_entangling()

        class Scaled(nn.Module):
            def forward(self, x):
                return layer(torch.pi * x / 2 + 0.25)

        found = captured(Scaled(), torch.randn(4, 3))
        assert operators(found) == {"circuit": 1}
        (circuit,) = found.circuits
        angles = [op.angle for op in circuit.operations if isinstance(op.angle, Parameter)]
        assert [angle.column for angle in angles] == [0, 1, 2]
        for angle in angles:
            np.testing.assert_allclose([angle.scale, angle.offset], [np.pi / 2, 0.25], rtol=1e-12)

    def test_only_used_columns_are_taken(self):
        def function(inputs):
            qml.RX(inputs[:, 6], wires=0)
            qml.RY(inputs[:, 6], wires=1)
            return qml.expval(qml.PauliZ(0))

        found = captured(quantum(function), torch.randn(4, 8))
        assert found.circuits[0].parameters == 1
        assert show(found.circuits[0]) == "RX 0 p[0]; RY 1 p[0]; expval Z0"

    def test_real_arithmetic_stays_in_the_graph(self):
        def function(inputs):
            qml.RX(torch.arctan(inputs[:, 0]), wires=0)
            return qml.expval(qml.PauliZ(0))

        found = captured(quantum(function), torch.randn(4, 2))
        assert operators(found)["arctan"] == 1
        assert found.circuits[0].parameters == 1


class TestFolding:
    def test_weights_are_numbers(self):
        model, example = sample_models.make("own_rotations")
        (circuit,) = captured(model, example).circuits
        free = [op for op in circuit.operations if isinstance(op.angle, Parameter)]
        assert len(free) == 3
        numbers = [op.angle for op in circuit.operations if isinstance(op.angle, float)]
        assert numbers[:3] == pytest.approx(model.first.tolist(), abs=0)

    def test_weights_that_were_loaded_are_the_ones_folded(self):
        model, example = sample_models.make("layer")
        state = {name: torch.full_like(value, 0.5) for name, value in model.state_dict().items()}
        model.load_state_dict(state)
        numbers = {
            op.angle
            for op in captured(model, example).circuits[0].operations
            if isinstance(op.angle, float)
        }
        assert numbers == {0.5}

    def test_the_model_is_left_as_it_was(self, tmp_path):
        model, example = sample_models.make("sandwich")
        model.train()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        hybridx.export(model, (example,), tmp_path / "model.onnx", dtype="float64")
        assert model.training
        assert all(module.training for module in model.modules())
        for name, value in model.state_dict().items():
            assert value.dtype == before[name].dtype
            assert torch.equal(value, before[name])
        assert qml.QNode.__call__.__qualname__ == "QNode.__call__"

    def test_shots_are_remembered_and_said(self):
        model, example = sample_models.make("shots")
        found = captured(model, example)
        assert found.circuits[0].shots == 500
        assert any("500 shots" in note for note in found.notes)


class TestBatch:
    def test_a_fixed_batch_is_fixed(self, tmp_path):
        model, example = sample_models.make("sandwich")
        report = hybridx.export(model, (example,), tmp_path / "model.onnx", batch=4)
        assert not report.is_dynamic
        (signature,) = hybridx.inspect(tmp_path / "model.onnx").inputs
        assert signature.shape == (4, 4)

    def test_a_loop_over_the_batch_stays_open(self):
        layer = sample_models.strongly_entangling()

        class Looping(nn.Module):
            def forward(self, x):
                return torch.stack([layer(row) for row in x])

        found = captured(Looping(), torch.randn(3, 3))
        assert found.is_dynamic
        assert len(found.circuits) == 1

    @pytest.mark.parametrize("example", [torch.randn(3, 3), torch.ones(1, 3)])
    def test_rows_that_depend_on_each_other_fix_the_batch_with_a_note(self, example):
        layer = sample_models.strongly_entangling()

        class Centred(nn.Module):
            def forward(self, x):
                return torch.stack([layer(row) for row in x - x.mean(0)])

        found = captured(Centred(), example)
        assert not found.is_dynamic
        (note,) = found.notes
        assert (
            f"batch is fixed at {len(example)}: the rows of the batch depend on each other" in note
        )

    def test_equal_rows_of_what_cannot_be_drawn_stay_as_they_are(self):
        layer = sample_models.strongly_entangling()

        class Positive(nn.Module):
            def forward(self, x):
                if not torch.compiler.is_exporting() and (x < 1).any():
                    raise ValueError("too small")
                return torch.stack([layer(row) for row in x])

        assert captured(Positive(), torch.ones(1, 3)).is_dynamic

    def test_calls_that_are_alike_are_one_node_at_a_fixed_batch_too(self):
        layer = sample_models.strongly_entangling()

        class Centred(nn.Module):
            def forward(self, x):
                return torch.stack([layer(row) for row in x - x.mean(0)])

        found = captured(Centred(), torch.randn(3, 3))
        calls = [n for n in found.module.graph.nodes if n.target is CIRCUIT_OP]
        assert len(found.circuits) == len(found.layers) == len(calls) == 1


class TestRefusals:
    def test_a_shape_that_does_not_fit_names_both(self):
        model, _ = sample_models.make("sandwich")
        with pytest.raises(ExampleRejectedError, match="5x7 and 4x3"):
            captured(model, torch.randn(5, 7))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_no_numbers(self, value):
        model, example = sample_models.make("sandwich")
        with torch.no_grad():
            model[1].weights[0, 0, 0] = value
        with pytest.raises(NonFiniteWeightsError) as caught:
            captured(model, example)
        assert (caught.value.name, caught.value.count) == ("1.weights", 1)

    @pytest.mark.parametrize("measure", [qml.sample, qml.counts])
    def test_a_measurement_without_a_rule_is_named_with_its_layer(self, measure):
        def function(inputs):
            qml.AngleEmbedding(inputs, wires=range(2))
            return measure()

        node = qml.QNode(function, qml.device("default.qubit", wires=2))

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Inner()

            def forward(self, x):
                return self.inner(x)

        class Inner(nn.Module):
            def forward(self, x):
                return qml.set_shots(node, 10)(x)

        with pytest.raises(UnsupportedMeasurementError) as caught:
            captured(Model(), torch.randn(3, 2))
        assert "'inner'" in caught.value.layer
        assert "test_module.py" in caught.value.layer

    def test_a_gate_without_a_rule_is_named(self):
        class Strange(qml.operation.Operation):
            num_wires = 1

        def function(inputs):
            qml.AngleEmbedding(inputs, wires=range(2))
            Strange(wires=0)
            return qml.expval(qml.PauliZ(0))

        # null.qubit runs anything, so that the refusal is ours.
        node = qml.QNode(function, qml.device("null.qubit", wires=2))
        with pytest.raises(UnsupportedOperatorError, match="Strange"):
            captured(qml.qnn.TorchLayer(node, {}), torch.randn(3, 2))

    def test_randomness_in_the_circuit_is_refused(self):
        def function(inputs):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.RX(torch.rand(()), wires=0)
            return qml.expval(qml.PauliZ(0))

        with pytest.raises(RandomnessError, match="torch's global generator"):
            captured(quantum(function), torch.randn(3, 2))

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("side", [lambda x: x[:, :1], lambda x: x.double()])
    def test_a_branch_on_data_with_unlike_sides_is_refused(self, side, seed):
        class Branching(nn.Module):
            def forward(self, x):
                return x if x.sum().item() > 0 else side(x)

        torch.manual_seed(seed)
        with pytest.raises(DataBranchError):
            captured(Branching(), torch.randn(3, 2))


@pytest.mark.parametrize("is_enabled", [True, False])
def test_python_collects_garbage_afterwards_if_it_did_before(is_enabled: bool) -> None:
    was_enabled = gc.isenabled()

    def switch(on: bool) -> None:
        (gc.enable if on else gc.disable)()

    switch(is_enabled)
    try:
        with uncollected():
            assert not gc.isenabled()
        assert gc.isenabled() == is_enabled
    finally:
        switch(was_enabled)
