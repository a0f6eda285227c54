"""Signatures as people write them: arguments, outputs, and which axes are the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hybridx
from hybridx.capture.model.outputs import named_tensors
from hybridx.errors import ArgumentError, NoOutputError, OptionError
from tests import sample_models


@dataclass
class Parts:
    left: Tensor
    right: object = None


class Pair(NamedTuple):
    mean: Tensor
    linear: Tensor


def export(tmp_path, model, *args, **options):
    """Export, see that the file agrees with the model once more, and return it with its report."""
    path = tmp_path / "model.onnx"
    report = hybridx.export(model.eval(), args, path, overwrite=True, **options)
    hybridx.verify(path, against=model)
    hybridx.verify(path)
    return hybridx.load(path), report


def shapes(session):
    return {signature.name: signature.shape for signature in session.inputs}


X = torch.linspace(-1, 1, 9).reshape(3, 3)
ONE = torch.ones(1)


class Keyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, x, mask=None, *, scale=1.0, both=False):
        y = self.q(x if mask is None else torch.where(mask, x, 0.0))
        return (y, y * scale) if both else y * scale


class TestArguments:
    def test_keywords_are_inputs_in_the_order_of_the_signature(self, tmp_path):
        kwargs = {"scale": X[:, :1] + 2, "mask": X > 0}
        session, report = export(tmp_path, Keyword(), X, kwargs=kwargs)
        assert shapes(session) == {"x": ("batch", 3), "mask": ("batch", 3), "scale": ("batch", 1)}
        assert report.is_dynamic
        arrays = {"x": X.numpy(), "scale": kwargs["scale"].numpy(), "mask": kwargs["mask"].numpy()}
        assert session.run(arrays)["output"].shape == (3, 3)

    def test_what_is_no_tensor_is_a_constant(self, tmp_path):
        kwargs = {"mask": None, "scale": 2.0, "both": True}
        session, _ = export(tmp_path, Keyword(), X, kwargs=kwargs)
        assert shapes(session) == {"x": ("batch", 3)}
        outputs = session.run({"x": X.numpy()})
        np.testing.assert_allclose(outputs["output_1"], 2 * outputs["output_0"], rtol=1e-6)

    def test_tensors_in_containers_are_inputs(self, tmp_path):
        class Nested(nn.Module):
            def __init__(self):
                super().__init__()
                self.q = sample_models.strongly_entangling()

            def forward(self, batch, *more):
                first, (second,) = batch["pair"]
                return self.q(first + second + more[0])

        args = ({"pair": [X, (X / 2,)]}, X / 4)
        session, _ = export(tmp_path, Nested(), *args)
        assert session.input_names == ("batch_pair_0", "batch_pair_1_0", "more_0")

    def test_other_objects_are_refused_by_name(self, tmp_path):
        with pytest.raises(ArgumentError, match="'scale' of the model is a object"):
            export(tmp_path, Keyword(), X, kwargs={"scale": object()})


class TestOutputNames:
    @pytest.mark.parametrize(
        ("returned", "names"),
        [
            (ONE, ["output"]),
            ((ONE,), ["output"]),
            ((ONE, [ONE, ONE]), ["output_0", "output_1", "output_2"]),
            ({"a": ONE, "b": (ONE, ONE)}, ["a", "b_0", "b_1"]),
            (Pair(ONE, ONE), ["mean", "linear"]),
            (Parts(ONE, {"deep": ONE}), ["left", "right_deep"]),
            ((ONE, Parts(ONE)), ["output_0", "output_1_left"]),
            ({"a": {"b": ONE}, "a_b": ONE}, ["a_b", "a_b_1"]),
            ({"x": ONE, 3: ONE}, ["x_1", "3"]),
        ],
    )
    def test_keys_and_fields_are_joined(self, returned, names):
        assert list(named_tensors(returned, taken=["x"])[0]) == names

    def test_the_rest_is_left_out_with_a_sentence(self):
        named, remarks = named_tensors({"a": ONE, "b": None, "c": [3]})
        assert list(named) == ["a"]
        assert remarks == (
            "output 'b' is left out: it is None, no tensor",
            "output 'c' is left out: it is a value of type int, no tensor",
        )

    def test_names_of_operations_inputs_and_weights_do_no_harm(self, tmp_path):
        class Names(nn.Module):
            def __init__(self):
                super().__init__()
                self.q = sample_models.strongly_entangling()
                self.weight = nn.Parameter(torch.ones(2))
                self.model = nn.Linear(3, 3)

            def forward(self, x, linear):
                y = self.model(self.q(x))
                return {
                    "x": x, "mul": 2 * y, "tanh": y.tanh() * linear, "same": y, "again": y,
                    "weight": self.weight, "none": None,
                }  # fmt: skip

        session, report = export(tmp_path, Names(), X, X[:, :1])
        assert session.output_names == ("x_1", "mul", "tanh", "same", "again", "weight")
        assert report.notes == ("output 'none' is left out: it is None, no tensor",)
        found = session.run({"x": X.numpy(), "linear": X[:, :1].numpy()})
        np.testing.assert_array_equal(found["x_1"], X.numpy())
        np.testing.assert_array_equal(found["same"], found["again"])

    def test_no_tensor_at_all_is_refused(self, tmp_path):
        class Nothing(nn.Module):
            def forward(self, x):
                return {"rows": len(x)}

        with pytest.raises(NoOutputError, match="'rows'"):
            export(tmp_path, Nothing(), X)


class Graph(nn.Module):
    """Messages along edges, and a table and a scalar that all rows share."""

    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, edges, nodes, table, scale):
        y = self.q(nodes) * scale
        return torch.zeros_like(y).index_add(0, edges[1], y[edges[0]]) @ table


class Lengths(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()
        self.positions = nn.Parameter(torch.randn(1, 9, 3))

    def forward(self, x):
        return self.q(x + self.positions[:, : x.shape[1]]).mean(1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = sample_models.strongly_entangling()

    def forward(self, x):
        state = torch.zeros(len(x), 3)
        for step in range(x.shape[1]):
            state = self.q(x[:, step] + state)
        return state


class TestAxes:
    def test_inputs_without_the_batch_keep_their_size_unless_they_are_seen_to_vary(self, tmp_path):
        edges = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 0]])
        args = (edges, torch.randn(4, 3), torch.randn(3, 2), torch.tensor(0.5))
        session, _ = export(tmp_path, Graph(), *args)
        assert shapes(session) == {
            "edges": (2, "edges_length"), "nodes": ("batch", 3), "table": (3, 2), "scale": ()
        }  # fmt: skip

    def test_the_user_can_say_which_axes_are_open(self, tmp_path):
        edges = torch.tensor([[0, 1, 1, 2, 3], [1, 0, 2, 1, 0]])
        args = (edges, torch.randn(4, 3), torch.randn(3, 2), torch.tensor(0.5))
        dynamic = {"edges": {-1: "edge"}, "nodes": {0: "batch"}}
        session, _ = export(tmp_path, Graph(), *args, dynamic=dynamic)
        assert shapes(session)["edges"] == (2, "edge")
        assert shapes(session)["nodes"] == ("batch", 3)

    def test_a_second_open_axis_is_followed_up_to_the_models_limit(self, tmp_path):
        dynamic = {"x": {0: "batch", 1: "length"}}
        model = Lengths()
        session, report = export(tmp_path, model, torch.randn(4, 4, 3), dynamic=dynamic)
        assert shapes(session) == {"x": ("batch", "length", 3)}
        assert report.notes == ()
        for rows, length in [(1, 9), (6, 2), (2, 1)]:
            x = torch.randn(rows, length, 3)
            with torch.no_grad():
                np.testing.assert_allclose(
                    session.run({"x": x.numpy()})["output"], model(x).numpy(), rtol=0, atol=1e-5
                )

    def test_an_axis_that_is_looped_over_is_fixed_with_a_note(self, tmp_path):
        dynamic = {"x": {0: "batch", 1: "length"}}
        session, report = export(tmp_path, Recurrent(), torch.randn(3, 4, 3), dynamic=dynamic)
        assert shapes(session) == {"x": ("batch", 4, 3)}
        assert report.notes == ("the length is fixed at 4: the model's code does not follow it",)

    @pytest.mark.parametrize("dynamic", [{"y": {0: "batch"}}, {"x": {3: "n"}}, {"x": {0: "a b"}}])
    def test_axes_that_are_not_there_are_refused(self, dynamic, tmp_path):
        with pytest.raises(OptionError):
            export(tmp_path, Lengths(), torch.randn(3, 4, 3), dynamic=dynamic)

    @pytest.mark.parametrize("options", [{}, {"batch": "none"}])
    def test_a_single_sample_has_no_batch(self, options, tmp_path):
        class Single(nn.Module):
            def __init__(self):
                super().__init__()
                self.q = sample_models.strongly_entangling()

            def forward(self, x):
                a, b, c = x
                return self.q(torch.stack([a, b, c]))

        session, report = export(tmp_path, Single(), X[0], **options)
        assert shapes(session) == {"x": (3,)}
        assert not report.is_dynamic
        assert report.verification.batches == ()
        assert len(report.notes) == (0 if options else 1)

    def test_an_output_without_the_batch_is_whole_when_there_are_no_rows(self, tmp_path):
        class Table(nn.Module):
            def __init__(self):
                super().__init__()
                self.q = sample_models.strongly_entangling()
                self.table = nn.Parameter(torch.randn(2, 3))

            def forward(self, x):
                return self.q(x), 2 * self.table

        session, _ = export(tmp_path, Table(), X)
        outputs = session.run({"x": np.zeros((0, 3))})
        assert [output.shape for output in outputs.values()] == [(0, 3), (2, 3)]

    def test_a_fixed_batch_concerns_only_what_has_the_batch(self, tmp_path):
        session, _ = export(tmp_path, Keyword(), X, kwargs={"scale": torch.ones(1, 3)}, batch=5)
        assert shapes(session) == {"x": (5, 3), "scale": (1, 3)}


class Picky(nn.Module):
    """Refuses batches that are shorter than `least`; tracing does not see it."""

    def __init__(self, least):
        super().__init__()
        self.least = least
        self.q = sample_models.strongly_entangling()

    def forward(self, x):
        if not torch.compiler.is_exporting() and len(x) < self.least:
            raise ValueError(f"at least {self.least} rows\nand more of that")
        return self.q(x)


class TestBatchesThatTheModelRefuses:
    def test_a_note_names_them_and_the_models_reason(self, tmp_path):
        _, report = export(tmp_path, Picky(3), X)
        assert report.verification.batches == (5, 16)
        assert report.notes == (
            "the eager model itself refuses batch sizes 1 and 2, these are not compared: "
            "ValueError: at least 3 rows",
        )

    def test_the_examples_own_size_is_left(self, tmp_path):
        x = torch.linspace(-1, 1, 60).reshape(20, 3)
        _, report = export(tmp_path, Picky(17), x)
        assert report.verification.batches == (20, 21)
        assert report.notes == (
            "the eager model itself refuses batch sizes 1, 2, 5 and 16, these are not compared: "
            "ValueError: at least 17 rows",
        )


class TestDtype:
    def test_a_model_in_float64_stays_so(self, tmp_path):
        session, report = export(tmp_path, Keyword().double(), X.double())
        assert report.dtype == "float64"
        assert any("float64" in note for note in report.notes)
        assert session.run({"x": X.numpy()})["output"].dtype == np.float64

    def test_one_part_in_float32_decides(self, tmp_path):
        _, report = export(tmp_path, Keyword(), X.double())
        assert report.dtype == "float32"
