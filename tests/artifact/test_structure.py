"""Graphs that are none: refused when a file is read, and not only by ONNX Runtime."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from hybridx.artifact import decode_artifact
from hybridx.errors import BrokenArtifactError
from tests.runtime.models import GRAPHS


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, **attributes)


def first(model):
    return model.graph.node[0]


def swap_nodes(model):
    ahead, *others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*others, ahead])


def rename_an_input(model):
    first(model).input[0] = "nowhere"


def give_twice(model):
    model.graph.node.append(node("Neg", ["x"], [first(model).output[0]]))


def go_round(model):
    model.graph.node.append(node("Neg", ["second"], ["first"]))
    model.graph.node.append(node("Neg", ["first"], ["second"]))


def give_nothing(model):
    model.graph.node.append(node("Neg", ["x"], [""]))


def take_nothing(model):
    model.graph.node.append(node("Add", ["", ""], ["odd"]))


def name_an_input_twice(model):
    model.graph.input.append(model.graph.input[0])


def forget_an_output(model):
    model.graph.output[0].name = "nowhere"


def make_an_axis_negative(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1


def take_from_a_branch(model):
    inner = helper.make_graph([], "i", [], [onnx.ValueInfoProto(name="nowhere")])
    model.graph.node.append(node("If", ["x"], ["odd"], then_branch=inner, else_branch=inner))


def take_in_a_function(model):
    made = helper.make_function(
        "d", "F", ["x"], ["y"], [node("Neg", ["z"], ["y"])], [helper.make_opsetid("", 20)]
    )
    model.functions.append(made)


def another(domain, operator):
    def change(model):
        model.graph.node.append(node(operator, ["x"], ["odd"], domain=domain))

    return change


def of_opset(version):
    def change(model):
        next(one for one in model.opset_import if not one.domain).version = version

    return change


def of_no_opset(model):
    kept = [one for one in model.opset_import if one.domain]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def of_a_later_format(model):
    model.ir_version = 99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_an_input, "nothing gives 'nowhere'"),
        (give_twice, "is given twice"),
        (go_round, "waits for its own result"),
        (give_nothing, "takes or gives nothing"),
        (take_nothing, "takes or gives nothing"),
        (name_an_input_twice, "two of its inputs"),
        (forget_an_output, "nothing gives 'nowhere'"),
        (make_an_axis_negative, "negative length"),
        (take_from_a_branch, "nothing gives 'nowhere'"),
        (take_in_a_function, "nothing gives 'z'"),
        (another("evil", "Evil"), "Evil of evil"),
        (another("hybridx", "Run"), "Run of hybridx"),
        (another("com.microsoft", "EPContext"), "EPContext of com"),
        (of_opset(99), "version 99"),
        (of_opset(-1), "version -1"),
        (of_no_opset, "which version"),
        (of_a_later_format, "format 99"),
    ],
)
def test_what_is_no_graph_is_refused(change, message):
    model = onnx.ModelProto()
    model.CopyFrom(GRAPHS["one behind another"]().model)
    change(model)
    with pytest.raises(BrokenArtifactError, match=message):
        decode_artifact(model.SerializeToString(), "m.onnx")


def test_nodes_in_another_order_are_read():
    """Converters to half precision append the casts of inputs, and ONNX Runtime runs that."""
    model = onnx.ModelProto()
    model.CopyFrom(GRAPHS["one behind another"]().model)
    usual = [one.output[0] for one in model.graph.node]
    swap_nodes(model)
    artifact = decode_artifact(model.SerializeToString(), "m.onnx")
    assert [one.output[0] for one in artifact.model.graph.node] == usual


def test_a_branch_takes_what_is_around_it_and_may_use_its_names_again():
    model = onnx.ModelProto()
    model.CopyFrom(GRAPHS["one behind another"]().model)
    inner = helper.make_graph(
        [node("Neg", ["x"], ["z"])],
        "i",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    test = helper.make_tensor("t", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(test)
    branches = {"then_branch": inner, "else_branch": inner}
    model.graph.node.append(node("If", ["t"], ["odd"], **branches))
    model.graph.node.append(node("If", ["t"], ["even"], **branches))
    assert decode_artifact(model.SerializeToString(), "m.onnx").outputs
