"""Every bound on what is read, each broken by the smallest file that breaks it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import onnx
import pytest
from onnx import TensorProto, helper

import hybridx
from hybridx import bounds
from hybridx.artifact import (
    check_file_size,
    check_model,
    decode_artifact,
    expanded_size,
    read_artifact,
)
from hybridx.circuit import decode, encode, parse
from hybridx.circuit.limits import nesting
from hybridx.errors import (
    BeyondReadingError,
    BrokenArtifactError,
    ForeignFileError,
    IllFormedCircuitError,
    TooLargeError,
)
from tests import sample_models

BOUND = parse("RX 0 p[0]; CNOT 0 1; expval Z1")


def call(name, domain="d", **attributes):
    return helper.make_node(name, ["x"], ["y"], domain=domain, **attributes)


def function(name, *nodes, domain="d", overload=""):
    opsets = [helper.make_opsetid(each, 1) for each in ("d", "e", "hybridx")]
    made = helper.make_function(
        domain, name, ["x"], ["y"], nodes, [helper.make_opsetid("", 20), *opsets]
    )
    made.overload = overload
    return made


def graph(*nodes):
    return helper.make_graph(nodes, "g", [], [])


def model(nodes, functions=()):
    return helper.make_model(graph(*nodes), functions=list(functions))


IDENTITY = helper.make_node("Identity", ["x"], ["y"])


def chain(depth, wrap=lambda node: node, domains=("d",)):
    """Functions that each call the one before twice, innermost first; and a call of the last."""
    domain = [domains[level % len(domains)] for level in range(depth + 1)]
    functions = [function("F0", IDENTITY, domain=domain[0])]
    for level in range(1, depth + 1):
        inner = call(f"F{level - 1}", domain[level - 1])
        functions.append(function(f"F{level}", wrap(inner), wrap(inner), domain=domain[level]))
    return model([call(f"F{depth}", domain[depth])], functions)


def inside(operator, *names):
    """A node as it stands in inner graphs of another operator."""
    return lambda node: helper.make_node(
        operator, ["x"], ["y"], **{name: graph(node) for name in names}
    )


EXPLOSIONS = {
    "calls": chain(40),
    "calls across domains": chain(40, domains=("d", "e")),
    "If": chain(40, inside("If", "then_branch", "else_branch")),
    "Loop": chain(40, inside("Loop", "body")),
    "Scan": chain(40, inside("Scan", "body")),
    "If in Loop": chain(40, lambda node: inside("Loop", "body")(inside("If", "then_branch")(node))),
    "deeper than digits are printed": chain(9_000),
}


@pytest.mark.parametrize("model", EXPLOSIONS.values(), ids=EXPLOSIONS)
def test_an_exploding_model_is_refused(model):
    # If anything expanded it, this test would never end.
    content = model.SerializeToString()
    assert len(content) < 1_500_000
    with pytest.raises((TooLargeError, BeyondReadingError)) as caught:
        decode_artifact(content, "a.onnx")
    assert caught.value.what == "the model with its functions expanded"
    assert caught.value.limit == f"{bounds.EXPANDED_NODES.default} nodes"


def test_the_expanded_nodes_are_the_counted_ones():
    # Level n has two calls and twice what level n - 1 has: 3 * 2**n - 2, and one call on top.
    for depth in (0, 1, 5):
        assert expanded_size(chain(depth), "a.onnx")[0] == 3 * 2**depth - 2 + 1
    with pytest.raises(TooLargeError, match="is 100000000000000 nodes"):
        bounds.refuse_above(bounds.EXPANDED_NODES, 10**14, "it")
    with pytest.raises(BeyondReadingError, match="is over 1e30 nodes"):
        bounds.refuse_above(bounds.EXPANDED_NODES, 2**100, "it")


def test_calls_in_the_main_graph_and_its_inner_graphs_count():
    both = model([inside("If", "then_branch", "else_branch")(call("F"))], [function("F", IDENTITY)])
    assert expanded_size(both, "a.onnx")[0] == 1 + 2 * (1 + 1)


def test_bytes_of_constants_count_at_every_call():
    big = helper.make_node(
        "Constant",
        [],
        ["y"],
        value=helper.make_tensor("t", TensorProto.UINT8, [50_000], bytes(50_000), raw=True),
    )
    copied = model([call("F")] * 90_000, [function("F", big)])
    with pytest.raises(TooLargeError) as caught:
        check_model(copied, "a.onnx")
    assert caught.value.limit == f"{bounds.EXPANDED_BYTES.default} bytes"


def test_overloads_are_functions_of_their_own():
    inner, outer = call("F"), call("F")
    inner.overload, outer.overload = "one", "two"
    functions = [function("F", IDENTITY, overload="one"), function("F", inner, overload="two")]
    assert expanded_size(model([outer], functions), "a.onnx")[0] == 3


def takes_a_graph():
    node = helper.make_node("If", ["x"], ["y"])
    node.attribute.add(name="then_branch", ref_attr_name="body", type=onnx.AttributeProto.GRAPH)
    return node


def external(name="w"):
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    return tensor


def with_weight():
    made = model([IDENTITY])
    made.graph.initializer.append(external())
    return made


def with_weight_inside():
    inner = graph(IDENTITY)
    inner.initializer.append(external())
    return model([helper.make_node("Loop", ["x"], ["y"], body=inner)])


CONSTANT = helper.make_node("Constant", [], ["y"], value=external())
STANDARD = function("Relu", IDENTITY, domain="ai.onnx")

BROKEN = {
    "itself": (model([IDENTITY], [function("F", call("F"))]), "F calls F"),
    "each other": (
        model([IDENTITY], [function("F", call("G")), function("G", call("F"))]),
        "themselves",
    ),
    "itself in a loop": (
        model([IDENTITY], [function("F", inside("Loop", "body")(call("F")))]),
        "F calls",
    ),
    "by the other name of a domain": (
        model(
            [IDENTITY],
            [function("F", helper.make_node("F", [], ["y"], domain="ai.onnx"), domain="")],
        ),
        "F calls F",
    ),
    "one name twice": (
        model([IDENTITY], [function("F", IDENTITY)] * 2),
        "two functions are called F",
    ),
    "a graph by reference": (model([IDENTITY], [function("F", takes_a_graph())]), "takes a graph"),
    "body with a call": (
        model([IDENTITY], [function("G", IDENTITY), function("F", call("G"), domain="hybridx")]),
        "the body of F calls G",
    ),
    "body with an operator made local": (
        model(
            [IDENTITY],
            [STANDARD, function("F", helper.make_node("Relu", [], []), domain="hybridx")],
        ),
        "the body of F calls Relu",
    ),
    "weight elsewhere": (with_weight(), "'w' lies in another file"),
    "weight of an inner graph": (with_weight_inside(), "'w' lies in another file"),
    "constant": (model([CONSTANT]), "'w' lies in another file"),
    "constant of a function": (
        model([IDENTITY], [function("F", CONSTANT)]),
        "'w' lies in another file",
    ),
}


@pytest.mark.parametrize(("model", "fact"), BROKEN.values(), ids=BROKEN)
def test_a_broken_model_is_refused(model, fact):
    with pytest.raises(BrokenArtifactError) as caught:
        decode_artifact(model.SerializeToString(), "a.onnx")
    assert caught.value.path == "a.onnx"
    assert fact in caught.value.problem


def test_many_functions_are_refused():
    with (
        hybridx.limits(functions=2),
        pytest.raises(TooLargeError, match="number of functions is 3"),
    ):
        check_model(chain(2), "a.onnx")


def test_a_long_file_is_refused():
    check_file_size(bounds.FILE_BYTES.default)
    with pytest.raises(TooLargeError, match="the file is 1500000001 bytes"):
        check_file_size(bounds.FILE_BYTES.default + 1)


def test_a_short_chain_is_only_foreign():
    with pytest.raises(ForeignFileError, match=r"hybridx\.format"):
        decode_artifact(chain(3).SerializeToString(), "a.onnx")


@pytest.mark.parametrize("name", ["file_bytes", "expanded_nodes", "expanded_bytes", "functions"])
def test_reading_asks_for_every_bound(name):
    content = chain(3).SerializeToString()
    with hybridx.limits(**{name: 1}), pytest.raises(TooLargeError) as caught:
        decode_artifact(content, "a.onnx")
    assert caught.value.name == name


def test_a_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(bytes(100))
    monkeypatch.setattr(Path, "read_bytes", None)
    with (
        hybridx.limits(file_bytes=99),
        pytest.raises(TooLargeError, match="the file is 100 bytes"),
    ):
        read_artifact(path)


def test_an_exported_model_is_within_them(tmp_path):
    made, example = sample_models.make("sandwich")
    hybridx.export(made, (example,), tmp_path / "m.onnx")
    read = onnx.load(tmp_path / "m.onnx")
    check_model(read, "m.onnx")
    (body,) = (f.node for f in read.functions)
    assert expanded_size(read, "m.onnx")[0] == len(read.graph.node) + len(body)


LARGE = {
    "circuit_characters": (40, "the JSON of a circuit"),
    "circuit_depth": (6, "the nesting"),
    "wires": (1, "the number of wires of a circuit"),
    "gates": (1, "the number of gates"),
    "parameters": (0, "the number of parameters"),
    "terms": (0, "the number of terms"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_circuit_is_refused(name):
    limit, what = LARGE[name]
    text = encode(BOUND)
    with hybridx.limits(**{name: limit}), pytest.raises(TooLargeError) as caught:
        decode(text)
    assert caught.value.what.startswith(what)
    with hybridx.limits(**{name: int(caught.value.needed)}):
        assert decode(text) == BOUND


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("wires", 10**6, "wires"),
        ("parameters", 10**9, "parameters"),
        ("operations", [{"type": "apply", "gate": "S", "wires": [0]}] * 100_001, "gates"),
        (
            "measurements",
            [{"type": "expectation", "terms": [[1.0, "", []]] * 100_001}],
            "number of terms",
        ),
        (
            "measurements",
            [{"type": "probabilities", "wires": [0] * 1_001}],
            "number of wires of a measurement",
        ),
    ],
    ids=["wires", "parameters", "gates", "terms", "measured wires"],
)
def test_the_bounds_of_a_circuit_are_these(field, value, what):
    document = msgspec.json.decode(encode(BOUND))
    document["circuit"][field] = value
    with pytest.raises(TooLargeError, match=what):
        decode(msgspec.json.encode(document).decode())


def test_what_could_not_be_read_is_not_written():
    with hybridx.limits(gates=1), pytest.raises(TooLargeError, match="the number of gates"):
        encode(BOUND)


def test_a_matrix_of_a_million_wires_is_refused_before_its_size_is_worked_out():
    operation = {"type": "unitary", "wires": [0] * 1_000_000, "real": []}
    document = msgspec.json.decode(encode(BOUND))
    document["circuit"]["operations"] = [operation]
    with pytest.raises(TooLargeError, match="number of wires of an operation"):
        decode(msgspec.json.encode(document).decode())


@pytest.mark.parametrize(
    ("text", "depth"),
    [("[[]]", 2), ('["[[["]', 1), (r'["\"[[["]', 1), (r'["\\",[]]', 2), ('"[[', 0), ("]]]]", -1),
     ("[" * 1_000_000, 1_000_000), ('"' + r"\"" * 1_000_000, 0), ("", 0)],
    ids=range(9),
)  # fmt: skip
def test_nesting_is_counted_outside_of_strings(text, depth):
    assert nesting(text) == depth


def test_deep_json_is_refused():
    with pytest.raises(BeyondReadingError, match="nesting"):
        decode('{"format":' + "[" * 1_000_000)
    with pytest.raises(IllFormedCircuitError):
        decode('{"format":')


TERM = [1.0, "Z" * 999, [*range(999)]]
MANY = {
    "shots": ({"shots": 10**30}, "shots"),
    "measurements": ({"measurements": [{"type": "purity", "wires": [0]}] * 10_001}, "measurements"),
    "numbers": (
        {"operations": [{"type": "unitary", "wires": [0], "real": [0.0] * (2**21 + 1)}]},
        "numbers in the matrices",
    ),
    "letters": (
        {
            "measurements": [
                {"type": "expectation", "terms": [[1.0, "Z" * 999, [*range(999)]]] * 501}
            ]
        },
        "letters",
    ),
    "results": (
        {"wires": 40, "measurements": [{"type": "probabilities", "wires": [*range(40)]}]},
        "results",
    ),
    "a state": ({"wires": 1000, "measurements": [{"type": "state"}]}, "results"),
}


@pytest.mark.parametrize("name", MANY)
def test_what_a_circuit_costs_is_bounded(name):
    fields, what = MANY[name]
    document = msgspec.json.decode(encode(BOUND))
    document["circuit"].update(fields)
    with pytest.raises((TooLargeError, BeyondReadingError), match=what):
        decode(msgspec.json.encode(document).decode())


def test_what_is_no_number_of_a_tensor_is_bounded():
    nodes = [IDENTITY]
    made = model(nodes)
    made.doc_string = "x" * 10_000
    tensor = helper.make_tensor("w", TensorProto.UINT8, [20_000], bytes(20_000), raw=True)
    made.graph.initializer.append(tensor)
    with hybridx.limits(description_bytes=11_000):
        check_model(made, "a.onnx")
    with hybridx.limits(description_bytes=9_999), pytest.raises(TooLargeError, match="without"):
        check_model(made, "a.onnx")
