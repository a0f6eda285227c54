"""What a page is told of a file, what it holds, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import onnx
import pytest

import hybridx
from hybridx.artifact import Metadata, SelfTest, Signature, decode_artifact, read_artifact, stamped
from hybridx.errors import (
    ChangedFileError,
    NoBodyError,
    OptionError,
    OutputExistsError,
    PageDataError,
    PageDtypeError,
    PageFormatError,
    PageOperatorError,
    TooLargeError,
)
from hybridx.web_page import facts_of
from hybridx.web_page.ranges import round_out
from tests.cli.shell import command
from tests.fresh_machine import ROOT
from tests.runtime.models import TURN, build

GOLDEN = ROOT / "exported" / "golden"
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "\"'`&amp;",
    "\u202ertl\u202c",
    "x" * 10_000,
)


class Parsed(HTMLParser):
    """The elements of a page as a parser of HTML finds them."""

    def __init__(self, page):
        super().__init__()
        self.scripts, self.title, self.tags = {}, "", []
        self._in = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._in = (tag, dict(attributes).get("id", "the script"))
        if tag == "script":
            self.scripts[self._in[1]] = ""

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        match self._in:
            case ("script", name):
                self.scripts[name] += data
            case ("title", _):
                self.title += data

    @property
    def facts(self):
        return json.loads(self.scripts["hybridx-facts"])

    @property
    def model(self):
        return base64.b64decode(self.scripts["hybridx-model"], validate=True)


@pytest.fixture
def made(tmp_path):
    def make(path, **options):
        report = hybridx.page(path, tmp_path / "page.html", overwrite=True, **options)
        return report, Parsed((tmp_path / "page.html").read_text(encoding="utf-8"))

    return make


def facts(artifact, **options):
    given = {"title": None, "runtime": "none", "layers": {}, "notes": {}} | options
    return facts_of(artifact, **given)


def test_a_page_holds_the_file_and_what_is_said_of_it(made):
    path = GOLDEN / "onnx-2" / "classifier.onnx"
    report, page = made(path)
    assert page.model == path.read_bytes()
    found = page.facts
    assert found["title"] == page.title == report.title == "classifier"
    assert found["file"]["sha256"] == report.model_sha256 == hashlib.sha256(page.model).hexdigest()
    assert found["digest"] == {
        "sha256": hybridx.inspect(path).digest.sha256,
        "intact": True,
        "difference": "",
    }
    (table,) = found["inputs"]
    assert (table["kind"], table["columns"]) == ("table", ["a", "b", "c"])
    (output,) = found["outputs"]
    assert (output["meaning"], output["classes"]) == ("logits", ["yes", "no"])
    assert found["metadata"] == {"owner": "Ada"}
    assert report.circuits == tuple(hybridx.inspect(path).circuits[0].layers)
    assert report.runtime == found["runtime"]
    assert list(page.scripts) == [
        "hybridx-facts",
        "hybridx-runtime",
        "hybridx-notices",
        "hybridx-model",
        "the script",
    ]


def test_equal_files_give_equal_pages(made, tmp_path):
    path = GOLDEN / "onnx-2" / "small.onnx"
    first, _ = made(path)
    content = (tmp_path / "page.html").read_bytes()
    assert made(path)[0] == first
    assert (tmp_path / "page.html").read_bytes() == content
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    assert first.size == len(content)


def test_a_bundle_is_the_same_model(made):
    _, page = made(GOLDEN / "bundle-2" / "classifier.bundle")
    assert page.facts["digest"]["intact"] is True
    assert page.facts["title"] == "classifier"
    joined = decode_artifact(page.model, "joined.onnx")
    whole = read_artifact(GOLDEN / "onnx-2" / "classifier.onnx")
    assert joined.circuits == whole.circuits
    assert joined.digest.parts["weights"] == whole.digest.parts["weights"]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_no_name_of_a_file_is_read_as_html(text, made, tmp_path):
    node = onnx.helper.make_node("Identity", ["b"], ["y"], name=text)
    metadata = Metadata("0", columns=(text, "b"), classes=(text, "no"), own={"title": text})
    built = build([(TURN, ["x"], "b"), node], [("y", ["batch", 2])], metadata=metadata)
    model = onnx.ModelProto.FromString(built.content)
    model.graph.node[0].name = text
    path = tmp_path / "hostile.onnx"
    path.write_bytes(stamped(model))
    report, page = made(path)
    plain = made(GOLDEN / "onnx-2" / "small.onnx")[1]
    assert page.tags == plain.tags
    assert page.facts["inputs"][0]["columns"] == [text, "b"]
    assert page.facts["outputs"][0]["classes"] == [text, "no"]
    assert page.facts["circuits"][0]["layers"] == [text]
    assert page.title == report.title == page.facts["title"]
    assert page.model == path.read_bytes()


@pytest.mark.parametrize(
    ("dtype", "shape", "kind"),
    [
        ("float32", ("batch", 4), "table"),
        ("float64", ("batch",), "table"),
        ("float32", (64,), "table"),
        ("float32", ("batch", 65), "array"),
        ("float32", ("batch", 0), "array"),
        ("bool", ("batch", 3), "table"),
        ("int64", ("batch",), "table"),
        ("int64", ("batch", 9), "tokens"),
        ("int32", ("batch", "length"), "tokens"),
        ("float32", ("batch", "length"), "array"),
        ("float32", ("batch", 3, 28, 28), "image"),
        ("uint8", ("batch", 8, 8, 1), "image"),
        ("float32", ("batch", 24, 4), "array"),
        ("float32", ("batch", 2, 8, 8), "array"),
        ("float32", (5, 4), "array"),
        ("float32", ("n", 4), "array"),
    ],
)
def test_how_an_input_is_shown(dtype, shape, kind):
    artifact = read_artifact(GOLDEN / "onnx-2" / "small.onnx")
    one = replace(artifact, inputs=(Signature("x", np.dtype(dtype), shape),))
    (found,) = facts(one).inputs
    assert found.kind == kind
    assert (
        len(found.columns)
        == len(found.ranges)
        == (found.kind == "table")
        * max(np.prod([n for n in shape if isinstance(n, int)], dtype=int), 1)
    )


def test_whole_numbers_with_names_are_a_table():
    artifact = read_artifact(GOLDEN / "onnx-2" / "small.onnx")
    metadata = replace(artifact.metadata, columns=("a", "b"), self_test=None)
    inputs = (Signature("x", np.dtype("int64"), ("batch", 2)),)
    (found,) = facts(replace(artifact, inputs=inputs, metadata=metadata)).inputs
    assert (found.kind, found.columns) == ("table", ("a", "b"))


def test_named_columns_are_a_table_however_many():
    artifact = read_artifact(GOLDEN / "onnx-2" / "small.onnx")
    names = tuple(f"column {place}" for place in range(200))
    metadata = replace(artifact.metadata, columns=names, self_test=None)
    inputs = (Signature("x", np.dtype("float32"), ("batch", 200)),)
    (found,) = facts(replace(artifact, inputs=inputs, metadata=metadata)).inputs
    assert (found.kind, found.columns) == ("table", names)


def test_the_nodes_of_a_graph_are_one_array():
    artifact = read_artifact(GOLDEN / "onnx-2" / "small.onnx")
    nodes = Signature("x", np.dtype("float32"), ("batch", 3))
    edges = Signature("edges", np.dtype("int64"), (2, "edges"))
    found = facts(replace(artifact, inputs=(nodes, edges)))
    assert [(one.kind, one.shape) for one in found.inputs] == [
        ("array", ("rows", 3)),
        ("array", (2, "edges")),
    ]
    assert found.outputs[0].shape[0] == "rows"


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (1700123456.0, 1700123999.0),
        (1700000000.001, 1700000000.002),
        (1.0, 1.0 + 2**-52),
        (0.0, 5e-324),
        (-1.7e308, 1.7e308),
    ],
)
def test_a_slider_has_a_length_and_begins_on_it(least, most):
    found = round_out(least, most, least / 2 + most / 2, is_whole=False)
    assert found.least < found.most
    assert found.least <= found.start <= found.most


def test_sliders_run_over_the_numbers_of_the_self_test():
    rows = np.array([[0.25, -1.9], [0.5, 2.25]], np.float32)
    test = SelfTest({"x": rows}, {"y": rows}, 1e-5)
    artifact = build(
        [(TURN, ["x"], "y")], [("y", ["batch", 2])], metadata=Metadata("0", None, test)
    )
    found = facts(artifact)
    assert found.ranges_from == "self-test"
    assert [(one.least, one.most, one.start) for one in found.inputs[0].ranges] == [
        (-2.0, 2.5, 0.25),
        (-2.0, 2.5, -1.9),
    ]
    assert facts(build([(TURN, ["x"], "y")], [("y", ["batch", 2])])).ranges_from == "nothing"


def test_sliders_run_over_data(made, tmp_path):
    data = tmp_path / "rows.csv"
    data.write_text("c,a,b\n10,0.12,5\n30,0.98,5\n20,nan,5\n")
    report, page = made(GOLDEN / "onnx-2" / "classifier.onnx", data=data)
    assert report.ranges_from == page.facts["ranges_from"] == "data"
    assert page.facts["inputs"][0]["ranges"] == [
        {"least": 0.1, "most": 1.0, "start": 0.55},
        {"least": 4.0, "most": 6.0, "start": 5.0},
        {"least": 10.0, "most": 30.0, "start": 20.0},
    ]
    rows = np.array([[0.12, 5, 10], [0.98, 5, 30]], np.float32)
    _, again = made(GOLDEN / "onnx-2" / "classifier.onnx", data=rows)
    assert again.facts["inputs"][0]["ranges"] == page.facts["inputs"][0]["ranges"]


def test_outputs_of_a_softmax_are_probabilities():
    outputs = [("y", ["batch", 2])]
    nodes = [(TURN, ["x"], "a"), ("Softmax", ["a"], "b"), ("Identity", ["b"], "y")]
    metadata = Metadata("0", classes=("yes", "no"))
    (found,) = facts(build(nodes, outputs, metadata=metadata)).outputs
    assert (found.meaning, found.classes) == ("probabilities", ("yes", "no"))
    nodes = [(TURN, ["x"], "a"), ("Softmax", ["a"], "b"), ("Tanh", ["b"], "y")]
    assert facts(build(nodes, outputs)).outputs[0].meaning == "numbers"


def float16(tmp_path):
    model = onnx.ModelProto.FromString((GOLDEN / "onnx-2" / "small.onnx").read_bytes())
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    cast = onnx.helper.make_node("Cast", [model.graph.input[0].name], ["cast"], to=1)
    for node in model.graph.node:
        node.input[:] = ["cast" if one == cast.input[0] else one for one in node.input]
    model.graph.node.insert(0, cast)
    (tmp_path / "float16.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "float16.onnx"


def foreign_operator(tmp_path):
    model = onnx.ModelProto.FromString((GOLDEN / "onnx-2" / "small.onnx").read_bytes())
    last = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["inner" if one == last else one for one in node.output]
    model.graph.node.append(
        onnx.helper.make_node("Gelu", ["inner"], [last], domain="com.microsoft")
    )
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    (tmp_path / "foreign.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "foreign.onnx"


def changed_bundle(tmp_path):
    import shutil

    path = tmp_path / "changed.bundle"
    shutil.copytree(GOLDEN / "bundle-2" / "classifier.bundle", path)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["metadata"]["owner"] = "Eve"
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (lambda _: GOLDEN / "pt2-4" / "classifier.pt2", PageFormatError),
        (lambda _: GOLDEN / "torchscript-4" / "classifier.pt", PageFormatError),
        (lambda _: GOLDEN / "onnx-2" / "no_body.onnx", NoBodyError),
        (lambda _: GOLDEN / "bundle-2" / "no_body.bundle", NoBodyError),
        (float16, PageDtypeError),
        (foreign_operator, PageOperatorError),
        (changed_bundle, ChangedFileError),
    ],
)
def test_what_a_page_cannot_run_is_refused_and_nothing_is_written(path, error, tmp_path):
    with pytest.raises(error):
        hybridx.page(path(tmp_path), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_bounds_and_options(tmp_path, made):
    path = GOLDEN / "onnx-2" / "small.onnx"
    with pytest.raises(TooLargeError), hybridx.limits(page_bytes=100):
        made(path)
    with pytest.raises(OptionError):
        hybridx.page(path, tmp_path / "page.pdf")
    made(path)
    with pytest.raises(OutputExistsError):
        hybridx.page(path, tmp_path / "page.html")
    with pytest.raises(PageDataError):
        made(GOLDEN / "onnx-2" / "open_axes.onnx", data=np.zeros((2, 3), np.float32))


def test_a_changed_file_says_so_in_its_page(made, tmp_path):
    model = onnx.ModelProto.FromString((GOLDEN / "onnx-2" / "small.onnx").read_bytes())
    model.graph.node[0].name = "renamed"
    (tmp_path / "changed.onnx").write_bytes(model.SerializeToString())
    _, page = made(tmp_path / "changed.onnx")
    assert page.facts["digest"]["intact"] is False
    assert page.facts["digest"]["difference"]


def test_the_command(tmp_path):
    path = GOLDEN / "onnx-2" / "classifier.onnx"
    words = ["page", path, "-o", tmp_path / "page.html", "--title", "Yes or no"]
    done = command(*words, folder=tmp_path)
    assert done.code == 0, done.talk
    assert "one file that makes no requests" in done.out
    report = command(*words, "--overwrite", "--json", folder=tmp_path).json()
    assert report["title"] == "Yes or no"
    assert report["size"] == (tmp_path / "page.html").stat().st_size
    assert report["inputs"] == {"input": "table"}
