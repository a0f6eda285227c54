"""The house: who may import whom, and what the public surface is."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import hybridx
from hybridx.lowering import STRATEGIES

ROOT = Path(hybridx.__file__).parent

# From the ground up; rooms on one floor do not see each other.
FLOORS = (
    ("errors", "first_use", "version"),
    ("bounds", "device_table"),
    ("circuit", "program", "report", "storage"),
    ("kernels", "passes", "lowering"),
    ("capture",),
    ("artifact",),
    ("signing",),
    ("runtime", "targets"),
    (
        "acceleration",
        "deployment",
        "drawing",
        "materials",
        "parity",
        "rebuild",
        "sources",
        "timing",
        "web_page",
    ),
    ("api",),
    ("integrations",),
    ("cli",),
)
# Rooms inside a room, likewise. Its own files stand on top of them; they are entered by file.
INNER = {
    "api": (("options", "progress"), ("formats",), ("work",)),
    "capture": (
        ("torch_internals", "pennylane_internals"),
        ("graph",),
        ("batching", "python"),
        ("model",),
        ("qnode",),
    ),
    "lowering": (
        ("names",),
        ("machines",),
        ("cost",),
        ("plan",),
        ("analysis",),
        ("blocks",),
        ("strategies",),
    ),
}
MOST_FILES = 16
WING = "models"  # beside the house: sees the ground floors, is seen from the top
WING_SEES = {"bounds", "device_table", "errors", "version", "report", "storage"}
SEES_WING = {"sources", "api", "cli"}

# Which packages a room may import when it is loaded. Imports inside functions are free: they are
# how the base install works without torch.
HEAVY = {
    "torch": {
        "acceleration",
        "capture",
        "program.to_torch",
        "rebuild",
        "targets",
        "runtime.torch.bodies",
        "runtime.torch.engine",
        "runtime.torch.torch_internals",
        "runtime.torch.trusting",
        "runtime.torch.work",
        "sources",
        "models",
        "parity.eager",
    },
    "pennylane": {
        "acceleration",
        "capture",
        "models",
        "parity.eager",
        "rebuild",
        "runtime.pennylane",
    },
    "onnx": {"program.to_onnx", "artifact", "targets", "rebuild", "runtime", "api"},
    "onnxruntime": {"runtime"},
    "onnx_ir": {"targets"},
    "onnxscript": {"targets"},
    "matplotlib": set(),
    "numba": {"kernels.compiled.jit"},
    "pyarrow": set(),
    "rich": {"cli"},
    "typer": {"cli"},
    "mlserver": {"integrations.mlserver"},
    "kserve": {"integrations.kserve"},
    "prometheus_client": {"integrations.metrics", "integrations.bentoml"},
    "bentoml": {"integrations.bentoml"},
    "pydantic": {"integrations.bentoml"},
    "ray": {"integrations.ray_serve"},
    "mlflow": {"integrations.mlflow"},
    "pandas": {"integrations.mlflow"},
    "model_signing": set(),
    "cryptography": set(),
    "cyclonedx": set(),
    "safetensors": {"models", "sources"},
}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix("__init__").removesuffix("."), path


def imports(tree, *, top_only):
    """Yield (line, imported module) of a file; `if TYPE_CHECKING` does not count as loading."""
    inside = set()
    for node in ast.walk(tree):
        hidden = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if hidden:
            inside.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        if top_only and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.lineno, node.module
            if node.module == "hybridx":
                yield from ((node.lineno, f"hybridx.{alias.name}") for alias in node.names)


def floor_of(room):
    return next(level for level, rooms in enumerate(FLOORS) if room in rooms)


def broken_floors(name, tree):
    room = name.split(".")[0]
    for line, imported in imports(tree, top_only=False):
        parts = imported.split(".")
        if parts[0] != "hybridx" or len(parts) == 1 or parts[1] == room:
            continue
        other = parts[1]
        if room == WING:
            allowed = other in WING_SEES
        elif other == WING:
            allowed = room in SEES_WING
        else:
            allowed = floor_of(other) < floor_of(room)
        if not allowed:
            yield f"{name}:{line}: {room} may not import {other}"
        # A room is entered by its door; what imports torch may be a door of its own, kept shut.
        if len(parts) > 2 and imported not in DOORS:
            yield f"{name}:{line}: import {'.'.join(parts[:2])}, not its file {imported}"


def inner_floor_of(room, parts):
    """Return the floor inside a room of `room.inner.file`; its own files are on top."""
    for level, inner in enumerate(INNER[room]):
        if len(parts) > 1 and parts[1] in inner:
            return level
    return len(INNER[room])


def broken_inner_floors(name, tree):
    parts = name.split(".")
    if parts[0] not in INNER:
        return
    for line, imported in imports(tree, top_only=False):
        others = imported.split(".")[1:]
        if others[:1] != parts[:1] or others[:2] == parts[:2]:
            continue
        here, there = inner_floor_of(parts[0], parts), inner_floor_of(parts[0], others)
        if there >= here and here < len(INNER[parts[0]]):
            yield f"{name}:{line}: {'.'.join(parts[:2])} may not import {'.'.join(others[:2])}"


DOORS = {
    "hybridx.integrations.ray",
    "hybridx.parity.eager",
    "hybridx.program.to_onnx",
    "hybridx.program.to_torch",
}
IN_THE_HOUSE = [(name, path) for name, path in modules() if name not in ("", "__main__")]


@pytest.mark.parametrize(("name", "path"), IN_THE_HOUSE, ids=lambda value: str(value)[-40:])
def test_floors_hold(name, path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [*broken_floors(name, tree), *broken_inner_floors(name, tree)] == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("circuit.gate", "from hybridx.lowering import choose"),
        ("capture.module", "from hybridx.targets import Lowered"),
        ("api.export", "from hybridx.circuit.gates import GATES"),
        ("models.training", "from hybridx.capture import capture"),
        ("artifact.read", "def late():\n    from hybridx import runtime"),
    ],
)
def test_the_floor_test_sees_what_is_wrong(name, source):
    assert list(broken_floors(name, ast.parse(source)))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("capture.graph.ops", "from hybridx.capture.qnode.recording import Call"),
        ("capture.python.patches", "from hybridx.capture.batching import Rows"),
        ("capture.model.eager", "from hybridx.capture.trace import Trace"),
        ("lowering.blocks.state", "from hybridx.lowering.strategies import statevector"),
    ],
)
def test_the_inner_floor_test_sees_what_is_wrong(name, source):
    assert list(broken_inner_floors(name, ast.parse(source)))


def test_no_folder_is_a_long_list():
    folders = Counter(path.parent.relative_to(ROOT) for _, path in modules())
    assert {str(folder): n for folder, n in folders.items() if n > MOST_FILES} == {}


@pytest.mark.parametrize(("name", "path"), IN_THE_HOUSE, ids=lambda value: str(value)[-40:])
def test_heavy_packages_stay_in_their_rooms(name, path):
    for line, imported in imports(ast.parse(path.read_text(encoding="utf-8")), top_only=True):
        rooms = HEAVY.get(imported.split(".")[0])
        allowed = rooms is None or name in rooms or name.split(".")[0] in rooms
        assert allowed, f"{name}:{line}: {imported} is not for this room"


# Libraries whose private names stand in files of internals alone. `torch.ops.aten` is public
# enough, and so is what torch documents of torch.fx.experimental.
BEHIND_A_BORDER = (
    "torch",
    "pennylane",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "onnx_ir",
    "typer",
)
UNDOCUMENTED = ("onnxruntime.capi", "torch.fx.experimental.proxy_tensor")
# The last two by Python: of named tuples, and of os.
DOCUMENTED = {"make_fx", "get_proxy_mode", "_fields", "_exit"}
LOCAL_NAMES = {"torch", "np", "qml", "onnx", "onnxruntime", "nn"}


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def is_foreign(path):
    return path.split(".")[0] in BEHIND_A_BORDER


def names_of_our_own():
    """Return every name that a file of hybridx defines or assigns."""
    for _, path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    yield name
                case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                    yield name


OWN = set(names_of_our_own())


def private_names(tree):
    """Yield (line, name) of what is private in another library."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    if is_foreign(alias.name) and (
                        any(map(is_private, alias.name.split(".")))
                        or alias.name.startswith(UNDOCUMENTED)
                    ):
                        yield node.lineno, alias.name
            case ast.ImportFrom(module=str(module), names=names) if is_foreign(module):
                imported = {alias.name for alias in names} - DOCUMENTED
                is_hidden = any(map(is_private, [*module.split("."), *imported]))
                if is_hidden or (imported and module.startswith(UNDOCUMENTED)):
                    yield node.lineno, module
            case ast.Attribute(value=value, attr=name) if (
                is_private(name) and name not in DOCUMENTED
            ):
                base = ast.unparse(value)
                is_ours = name in OWN and base.split(".")[0] not in LOCAL_NAMES
                is_own = base in ("self", "cls", "sys", "super()") or is_ours
                if not is_own and base != "_aten" and not base.startswith("torch.ops.aten"):
                    yield node.lineno, f"{base}.{name}"


INTERNALS = [(name, path) for name, path in modules() if path.name.endswith("_internals.py")]


def test_private_names_of_others_stand_in_few_files():
    assert 1 <= len(INTERNALS) <= 6
    for name, path in modules():
        if path.name.endswith("_internals.py"):
            continue
        for line, found in private_names(ast.parse(path.read_text(encoding="utf-8"))):
            pytest.fail(f"{name}:{line}: {found} belongs into a file of internals")


@pytest.mark.parametrize(
    "source",
    [
        "import torch._dynamo.exc",
        "from torch.utils import _pytree",
        "from torch._subclasses.fake_tensor import FakeTensor",
        "from torch.fx.experimental.proxy_tensor import get_proxy_slot",
        "from onnxruntime.capi import onnxruntime_pybind11_state",
        "import torch\nisinstance(target, torch._ops.OpOverload)",
        "import pennylane as qml\nqml.StatePrep._preprocess",
        "def f(layer):\n    return layer._evaluate_qnode",
    ],
)
def test_the_test_of_private_names_sees_them(source):
    assert list(private_names(ast.parse(source)))


@pytest.mark.parametrize(("name", "path"), INTERNALS, ids=lambda value: str(value)[-40:])
def test_files_of_internals_hand_on_no_name(name, path):
    """What others import from there is defined there."""
    module = f"hybridx.{name}"
    defined = {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for other, file in modules():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == module:
                assert {alias.name for alias in node.names} <= defined, other


@pytest.mark.parametrize(
    "name", [n for n, p in modules() if p.name == "__init__.py"], ids=lambda n: n or "hybridx"
)
def test_public_names_exist(name):
    module = importlib.import_module(f"hybridx.{name}" if name else "hybridx")
    assert module.__doc__
    if "." not in name:  # rooms inside a room are entered by file
        assert module.__all__, "ruff (RUF022) keeps it sorted"
        assert all(hasattr(module, item) for item in module.__all__)


def test_no_public_function_has_the_name_of_a_room():
    rooms = {room for floor in FLOORS for room in floor} | {WING}
    assert rooms.isdisjoint(hybridx.__all__)


LIGHT = """
import sys
class Shut:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'pennylane', 'onnxscript'):
            raise ImportError(f'{name} is shut out')
sys.meta_path.insert(0, Shut())
"""


def run_light(code, *arguments):
    """Run Python in a process where torch and PennyLane cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", LIGHT + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    from tests import sample_models

    model, example = sample_models.make("sandwich")
    path = tmp_path_factory.mktemp("light") / "model.onnx"
    hybridx.export(model, (example,), path)
    return path


def test_import_needs_neither_torch_nor_pennylane():
    finished = run_light("import hybridx, sys; assert 'torch' not in sys.modules; print('in')")
    assert finished.stdout == "in\n", finished.stderr


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_commands_need_neither_torch_nor_pennylane(command, exported):
    code = f"from hybridx.cli import main; sys.argv = ['hybridx', {command!r}, sys.argv[1]]; main()"
    finished = run_light(code, exported)
    assert finished.returncode == 0, finished.stderr
    assert "model.onnx" in finished.stdout


INSPECTED = """
import sys
from hybridx.cli import main
sys.argv[0] = 'hybridx'
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
loaded = {name.split('.')[0] for name in sys.modules}
print('loaded', *sorted(loaded & {'matplotlib', 'pennylane', 'torch'}))
"""


@pytest.mark.parametrize(
    ("options", "loaded"),
    [((), "loaded"), (("--draw", "a.svg"), "loaded"), (("--draw", "a.png"), "loaded matplotlib")],
)
def test_inspect_loads_only_what_it_draws_with(options, loaded, exported, tmp_path):
    pytest.importorskip("matplotlib")
    finished = subprocess.run(
        [sys.executable, "-c", INSPECTED, "inspect", str(exported), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == loaded


def test_the_shut_door_is_shut():
    assert "torch is shut out" in run_light("import torch").stderr


DOCUMENTS = sorted([
    *(ROOT.parent / "docs").rglob("*.md"),
    *ROOT.parent.glob("*.md"),
    ROOT.parent / "exported" / "README.md",
])  # fmt: skip
PAGE = ROOT.parent / "docs" / "architecture.md"
_ROOMS = "|".join([WING, *(room for floor in FLOORS for room in floor)])
_PATH = re.compile(rf"(?<![\w./-])(?:hybridx|tests|docs|benchmarks|exported|{_ROOMS})/[\w./-]*\w/?")


def missing(text):
    """Yield the paths and files that a text names and that are not there."""
    for path in _PATH.findall(text):
        places = (root / (path + end) for root in (ROOT.parent, ROOT) for end in ("", ".py"))
        if not any(place.exists() for place in places):
            yield path
    for name in re.findall(r"`(\w+\.py)`", text):
        if not any(path.name == name for path in ROOT.parent.rglob(f"[!.]*/**/{name}")):
            yield name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path)[-40:])
def test_what_a_document_names_is_there(document):
    text = document.read_text(encoding="utf-8")
    assert list(missing(text)) == []
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("text", ["`circuit/gone.py`", "see capture/qnode/gone", "in `gone.py`"])
def test_what_is_not_there_is_seen(text):
    assert list(missing(text))


def test_the_page_shows_the_floors_that_hold():
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^ {3,4}(\d+)  (\w+(?: \| \w+)*)(?:  .*)?$", page, re.MULTILINE)
    floors = {int(level): set(rooms.split(" | ")) for level, rooms in rows}
    assert floors == {level: set(rooms) for level, rooms in enumerate(FLOORS, 1)}
    for room, inner in INNER.items():
        shown = re.search(rf"^    {room} +(1 .*)$", page, re.MULTILINE).group(1)
        parts = re.split(r" *\d ", shown)[1:]
        assert [set(part.split(" | ")) for part in parts] == [set(floor) for floor in inner]


def test_the_page_lists_every_strategy():
    table = PAGE.read_text(encoding="utf-8").partition("| strategy |")[2]
    names = [
        name for row in re.findall(r"^\| ([a-z, ]+) \|", table, re.M) for name in row.split(", ")
    ]
    assert sorted(names) == sorted(strategy.name for strategy in STRATEGIES)
