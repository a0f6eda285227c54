"""The circuits of a file drawn into pictures, and printed as OpenQASM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hybridx import api
from hybridx.errors import OptionError, OutputExistsError
from tests.drawing.test_svg import texts
from tests.runtime.models import MIX, TURN, build


@pytest.fixture
def model(tmp_path):
    """A file with two circuits."""
    nodes = [(TURN, ("x",), "turned"), (MIX, ("turned",), "y")]
    path = tmp_path / "model.onnx"
    path.write_bytes(build(nodes, [("y", ["batch", 2])]).content)
    return path


def test_several_circuits_are_several_pictures(model):
    written = api.draw(model, model.with_name("c.svg"))
    assert [name.rpartition("/")[2] for name in written] == ["c_0.svg", "c_1.svg"]
    assert all(model.with_name(f"c_{index}.svg").read_bytes() for index in (0, 1))


def test_a_picture_says_where_its_circuit_stands_and_what_its_parameters_are(tmp_path):
    weight = [("net.0.weight", np.eye(2, dtype=np.float32))]
    nodes = [
        ("MatMul", ["x", "net.0.weight"], "a"), ("Tanh", ["a"], "b"),
        (TURN, ["b"], "c"), (TURN, ["c"], "d"), (MIX, ["x"], "y"),
    ]  # fmt: skip
    artifact = build(nodes, [("y", ["batch", 2]), ("d", ["batch", 2])], weight)
    names = iter(["/turn", "/turn_1", "/<mix>"])
    for node in artifact.model.graph.node:
        if node.domain:
            node.name = next(names)
    model = tmp_path / "model.onnx"
    model.write_bytes(artifact.model.SerializeToString())
    shown = [texts(Path(name).read_bytes()) for name in api.draw(model, tmp_path / "c.svg")]
    assert shown[0][0] == "/turn … /turn_1 (2 places)"
    assert shown[0][-1] == "p0 … p1 = Tanh of MatMul net.0; /turn"
    assert shown[1][0] == "/<mix>"
    assert shown[1][-1] == "p0 … p1 = input x"


def test_pictures_are_not_overwritten(model):
    model.with_name("c_1.svg").write_text("precious")
    with pytest.raises(OutputExistsError):
        api.draw(model, model.with_name("c.svg"))
    assert model.with_name("c_1.svg").read_text() == "precious"
    assert not model.with_name("c_0.svg").exists()
    assert len(api.draw(model, model.with_name("c.svg"), overwrite=True)) == 2


def test_a_picture_is_what_its_ending_says(model):
    pytest.importorskip("matplotlib")
    first, _ = api.draw(model, model.with_name("c.PNG"))
    assert Path(first).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match=r"c\.jpg"):
        api.draw(model, model.with_name("c.jpg"))


def test_circuits_are_printed_as_qasm(model):
    programs = api.qasm(model)
    assert len(programs) == 2
    assert all(text.startswith("OPENQASM 3.0;") for text in programs.values())
