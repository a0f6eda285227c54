"""A SOURCE may be a file of any name, and leaves the process as it was."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import subprocess
import sys

import pytest
import torch

from hybridx.errors import FactoryArgumentError, SourceAttributeError, SourceRaisesError
from hybridx.sources import found_source
from hybridx.sources.importing import needed_names

FILE = """
import dataclasses
import queue
import random
import typing

import numpy
import torch

import layers


@dataclasses.dataclass
class Config:
    width: "int" = 4
    kind: typing.ClassVar[str] = "small"


class Model(torch.nn.Linear):
    def __init__(self):
        super().__init__(layers.WIDTH, 2)
        self.config = Config()
        self.modules_seen = queue.Queue, random.Random, numpy.ndarray

    def late(self):
        import late_layers

        return late_layers.WIDTH


def model():
    return Model()
"""

NAMES = (
    # of the standard library
    "queue", "types", "typing", "random", "json", "dataclasses", "abc", "site", "builtins",
    "test", "turtle", "this",
    # of what hybridx stands on, loaded already or not
    "torch", "numpy", "pennylane", "onnx", "onnxruntime", "onnxscript", "onnx_ir", "scipy",
    "networkx", "sympy", "rich", "typer", "msgspec", "safetensors", "jinja2", "functorch",
    "hybridx", "tests",
    # of nobody
    "model", "my-model v2", "a.b", "1st", "class", "größe", "__init__", "__main__", "x" * 200,
)  # fmt: skip


def write(folder, name):
    (folder / "layers.py").write_text("WIDTH = 4\n")
    (folder / "late_layers.py").write_text("WIDTH = 5\n")
    path = folder / f"{name}.py"
    path.write_text(FILE)
    return f"{path}:model"


def process():
    """What a source might change, by the identity of every module."""
    return dict(sys.modules), list(sys.path), list(sys.meta_path)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_a_file_of_any_name_works_and_is_forgotten(name, tmp_path):
    source = write(tmp_path, name)
    before = process()
    with found_source(source) as found:
        model = found.model
        kind = type(model)
        assert kind.__name__ == "Model"
        assert kind.__module__ in sys.modules
        assert model.late() == 5
        assert [one.__module__ for one in model.modules_seen] == ["queue", "random", "numpy"]
        assert pickle.loads(pickle.dumps(model)).config == model.config
        assert "def late" in inspect.getsource(kind)
        assert [one.name for one in dataclasses.fields(model.config)] == ["width"]
        for module, value in before[0].items():
            assert sys.modules[module] is value
    modules, *others = process()
    assert others == list(before[1:])
    assert {one: modules.get(one) for one in before[0]} == before[0]
    new = [module for one, module in modules.items() if one not in before[0]]
    assert [m for m in new if str(tmp_path) in str(getattr(m, "__file__", ""))] == []


FACTORIES = """
import torch

def build(width: int):
    return torch.nn.Linear(width, 2)

def plain(width):
    return torch.nn.Linear(int(width), 2)
"""


def test_a_factory_that_lacks_an_argument_is_no_function_of_tensors(tmp_path):
    path = tmp_path / "factories.py"
    path.write_text(FACTORIES)
    torch.save(torch.nn.Linear(4, 2).state_dict(), tmp_path / "w.pt")

    def refusal(name, checkpoint=None):
        with (
            pytest.raises(FactoryArgumentError) as refused,
            found_source(f"{path}:{name}", checkpoint),
        ):
            pass
        return str(refused.value)

    assert "build(width: int) cannot be called" in refusal("build")
    assert "width=… must be given" in refusal("build")
    assert "plain(width) cannot be called" in refusal("plain", tmp_path / "w.pt")
    assert "no value is given for width" in refusal("plain", tmp_path / "w.pt")
    with found_source(f"{path}:plain", tmp_path / "w.pt", ["width=4"]) as found:
        assert found.model.in_features == 4


def test_two_folders_may_have_neighbours_of_one_name(tmp_path):
    widths = []
    for width in (4, 6):
        folder = tmp_path / str(width)
        folder.mkdir()
        source = write(folder, "model")
        (folder / "layers.py").write_text(f"WIDTH = {width}\n")
        with found_source(source) as found:
            widths.append(found.model.in_features)
    assert widths == [4, 6]


def test_a_neighbour_may_import_the_file_back(tmp_path):
    source = write(tmp_path, "model")
    (tmp_path / "layers.py").write_text("import model\nWIDTH = 4\nSEEN = model\n")
    with found_source(source) as found:
        assert sys.modules["layers"].SEEN is sys.modules[type(found.model).__module__]


def test_a_package_is_named_by_its_init(tmp_path):
    package = tmp_path / "parts"
    package.mkdir()
    source = write(package, "__init__")
    (package / "__init__.py").write_text(FILE.replace("import layers", "from . import layers"))
    with found_source(source) as found:
        assert found.model.in_features == 4


def test_a_module_lies_where_the_command_is_given(tmp_path, monkeypatch):
    write(tmp_path, "module_of_a_user")
    (tmp_path / "typing.py").write_text("raise ImportError('not this one')")
    monkeypatch.chdir(tmp_path)
    before = process()
    with found_source("module_of_a_user:model") as found:
        assert found.model.in_features == 4
    assert "module_of_a_user" not in sys.modules
    assert process()[1:] == before[1:]


@pytest.mark.parametrize(
    ("text", "error"),
    [("raise ValueError", SourceRaisesError), ("import layers", SourceAttributeError)],
)
def test_it_is_forgotten_after_an_error_too(text, error, tmp_path):
    source = write(tmp_path, "queue")
    (tmp_path / "queue.py").write_text(text)
    before = process()
    with pytest.raises(error, match="queue"), found_source(source):
        pass
    assert process() == before


def test_what_is_needed_is_known():
    assert {"queue", "torch", "numpy", "networkx", "rich", "onnx_ir"} <= needed_names()
    assert needed_names().isdisjoint({"layers", "late_layers", "model"})


EXPORT = """
import sys
sys.path[:] = [one for one in sys.path if one not in ("", sys.argv[1])]
from hybridx.cli import main
sys.argv = ["hybridx", "export", "queue.py:model", "--shape", "N,4", "-o", "model.onnx"]
main()
"""


@pytest.mark.slow  # exports in processes of their own
def test_an_export_beside_files_named_as_libraries(tmp_path):
    from tests.cli.shell import USER_MODEL

    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("raise ImportError('this file is a user\\'s')")
    (tmp_path / "queue.py").write_text(USER_MODEL.read_text())
    finished = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "model.onnx").exists()
