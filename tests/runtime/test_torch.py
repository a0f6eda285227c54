"""TorchScript and PT2 files run by torch, and hostile ones that never get there."""

import io
import json
import os
import pickle

import numpy as np
import pytest
import torch

from hybridx.artifact import checked
from hybridx.errors import BrokenArtifactError, DeviceFailedError, OptionNeedsError
from hybridx.runtime import start_session
from hybridx.runtime.torch import TorchEngine
from hybridx.storage import rezip, unzip
from tests import sample_models
from tests.sampling import some
from tests.targets.spliced import FORMATS, artifact, content, eager, sample
from tests.tolerances import FLOAT32

CODE = "code/__torch__/hybridx.py"
PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


def start(format, members, name="sandwich"):
    return TorchEngine(artifact(sample(name), format, rezip(members)))


def members(format, name="sandwich"):
    return dict(unzip(content(name, format)))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", some(sample_models.MODELS, every=3))
def test_gives_the_outputs_by_name(name, format):
    spliced = sample(name)
    captured = spliced.captured
    engine = TorchEngine(artifact(spliced, format, content(name, format)))
    for batch in (0, 1, 3, 300) if captured.is_dynamic else (3,):
        args = [torch.randn(batch, *one.shape[1:]) for one in spliced.args]
        inputs = zip(captured.input_names, args, strict=True)
        outputs = engine.run({key: value.numpy() for key, value in inputs})
        assert tuple(outputs) == captured.output_names
        if batch:
            for output, expected in zip(outputs.values(), eager(spliced, *args), strict=True):
                np.testing.assert_allclose(output, expected.numpy(), atol=FLOAT32)


@pytest.mark.parametrize("format", FORMATS)
def test_what_torch_cannot_compute_is_a_failed_device(format):
    engine = start(format, members(format))
    with pytest.raises(DeviceFailedError, match=r"shapes cannot be multiplied|to be equal to 4"):
        engine.run({"input": np.zeros((2, 9), np.float32)})


@pytest.mark.parametrize("format", FORMATS)
def test_a_provider_of_onnx_runtime_is_refused(format):
    whole = artifact(sample("sandwich"), format, content("sandwich", format))
    with pytest.raises(OptionNeedsError, match="provider needs an ONNX file"):
        start_session(whole, provider="cpu")


@pytest.mark.parametrize("format", FORMATS)
def test_damage_is_named(format):
    whole = content("sandwich", format)
    rng = np.random.default_rng(3)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 4):
            damaged[place] ^= 1 << int(rng.integers(8))
        damaged = bytes(damaged[: int(rng.integers(len(whole) // 2, len(whole) + 1))])
        try:
            TorchEngine(artifact(sample("sandwich"), format, damaged))
        except BrokenArtifactError:
            continue


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_lacks_a_member_is_refused(format):
    for name in members(format):
        if name in ("extra/hybridx.json", "byteorder", ".data/version"):
            continue
        rest = {key: data for key, data in members(format).items() if key != name}
        with pytest.raises(BrokenArtifactError):
            start(format, rest)


def test_machine_code_is_left_aside(tmp_path):
    library = {"data/aotinductor/model/model.so": b"\x7fELF"}
    archive = checked(rezip(members("pt2") | library), "pt2", "model").content
    assert b"ELF" not in archive
    start("pt2", members("pt2") | library)


# --- hostile files -------------------------------------------------------------------------------


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def evil(mark):
    return pickle.dumps(Evil(mark), protocol=2)


def evil_archive(mark):
    written = io.BytesIO()
    torch.save(Evil(mark), written)
    return written.getvalue()


def script(line):
    """Put a line at the start of forward."""

    def change(parts, mark):
        head, rest = parts[CODE].decode().split(") -> Tensor:\n", 1)
        return {CODE: f"{head}) -> Tensor:\n    {line.format(mark=mark)}\n{rest}".encode()}

    return change


def method(parts, mark):
    lines = (
        "  def __setstate__(self: __torch__.hybridx.Model, state: Tensor) -> None:",
        f'    torch.save(1, "{mark}")',
    )
    return {CODE: parts[CODE] + "\n".join(lines).encode() + b"\n"}


def program(change):
    def changed(parts, mark):
        document = json.loads(parts[PROGRAM])
        change(document, mark)
        return {PROGRAM: json.dumps(document).encode()}

    return changed


def call(document):
    return document["graph_module"]["module_call_graph"][0]["signature"]


def first_node(document, target, *arguments):
    inputs = [{"name": name, "arg": argument, "kind": 1} for name, argument in arguments]
    document["graph_module"]["graph"]["nodes"][0].update(target=target, inputs=inputs)


def lengths(document, mark):
    text = f"__import__('os').system('touch {mark}')"
    sizes = document["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
    sizes[0]["as_expr"]["expr_str"] = text


def from_file(document, mark):
    arguments = (
        ("filename", {"as_string": mark}),
        ("shared", {"as_bool": True}),
        ("size", {"as_int": 6}),
    )
    first_node(document, "torch.ops.aten.from_file.default", *arguments)


def system(document, mark):
    first_node(document, "torch.os.system", ("command", {"as_string": mark}))


def factory(document, mark):
    context = {"default_factory_module": "os", "default_factory_name": "abort", "dict_context": []}
    spec = [
        1,
        {"type": "collections.defaultdict", "context": json.dumps(context), "children_spec": []},
    ]
    call(document)["in_spec"] = json.dumps(spec)


def enumeration(document, mark):
    context = {"__enum__": True, "fqn": "os:abort", "name": "a"}
    spec = [1, {"type": "builtins.dict", "context": json.dumps(context), "children_spec": []}]
    call(document)["out_spec"] = json.dumps(spec)


def argument_names(document, mark):
    call(document)["forward_arg_names"] = [f"x=__import__('os').system('touch {mark}')"]


def guards(document, mark):
    document["guards_code"] = [f"__import__('os').system('touch {mark}') == 0"]


def node_names(document, mark):
    document["graph_module"]["graph"]["nodes"][0]["name"] = f"x; __import__('os').system('{mark}')"


def pickled_weight(parts, mark):
    config = json.loads(parts[WEIGHTS])
    next(iter(config["config"].values()))["use_pickle"] = True
    return {WEIGHTS: json.dumps(config).encode(), "data/weights/weight_0": evil_archive(mark)}


def opaque_constant(parts, mark):
    entry = {
        "path_name": "opaque_obj_0",
        "is_param": False,
        "use_pickle": True,
        "tensor_meta": None,
    }
    config = json.dumps({"config": {"a": entry}}).encode()
    return {CONSTANTS: config, "data/constants/opaque_obj_0": evil(mark)}


def huge_weight(parts, mark):
    config = json.loads(parts[WEIGHTS])
    entry = next(iter(config["config"].values()))
    entry["tensor_meta"]["sizes"] = [{"as_int": 10**12}, {"as_int": 10**6}]
    return {WEIGHTS: json.dumps(config).encode(), "data/weights/weight_0": b""}


def add(name, made):
    return lambda parts, mark: {name: made(mark)}


# What is not used, TorchScript leaves out.
USED = "parameters = torch.add(parameters, torch.sum("
FILE = '"{mark}", True, 9'

# Whether torch alone comes to harm: it executes the payload, or writes the file.
HOSTILE = {
    "state": ("torchscript", add("data.pkl", evil), False),
    "constants": ("torchscript", add("constants.pkl", evil), False),
    "debug": ("torchscript", add(f"{CODE}.debug_pkl", evil), False),
    "attributes": ("torchscript", add("attributes.pkl", evil), False),
    "save": ("torchscript", script('q = torch.save(1, "{mark}")'), False),
    "save as a statement": ("torchscript", script('torch.save(1, "{mark}")'), True),
    "save of a number": ("torchscript", script('_0 = (1).save("{mark}")'), False),
    "from_file": ("torchscript", script(f"{USED}torch.from_file({FILE})))"), True),
    "from_file of a text": ("torchscript", script('q = ("{mark}").from_file(True, 9)'), False),
    "from_file elsewhere": ("torchscript", script(f"{USED}ops.aten.from_file({FILE})))"), True),
    "set state": ("torchscript", method, False),
    "sample inputs": ("pt2", add("data/sample_inputs/model.pt", evil_archive), True),
    "old weights": ("pt2", add("data/weights/model.pt", evil_archive), True),
    "old constants": ("pt2", add("data/constants/model.pt", evil_archive), True),
    "pickled weight": ("pt2", pickled_weight, True),
    "opaque constant": ("pt2", opaque_constant, True),
    "huge weight": ("pt2", huge_weight, False),
    "length": ("pt2", program(lengths), True),
    "guards": ("pt2", program(guards), False),
    "function": ("pt2", program(system), False),
    "file as a tensor": ("pt2", program(from_file), True),
    "container": ("pt2", program(factory), False),
    "enumeration": ("pt2", program(enumeration), False),
    "argument names": ("pt2", program(argument_names), False),
    "node names": ("pt2", program(node_names), False),
    "another model": ("pt2", add("models/other.json", evil), False),
}  # fmt: skip


def hostile(name, mark):
    format, change, _ = HOSTILE[name]
    parts = members(format)
    return parts | change(parts, str(mark))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_before_torch_sees_it(name, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: seen.append("jit"))
    monkeypatch.setattr(torch.export, "load", lambda *_, **__: seen.append("export"))
    mark = tmp_path / "mark"
    with pytest.raises(BrokenArtifactError, match="hybridx writes no such thing"):
        start(HOSTILE[name][0], hostile(name, mark))
    assert not seen
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, (*_, is_harmful) in HOSTILE.items() if is_harmful])
def test_torch_alone_comes_to_harm(name, tmp_path):
    mark = tmp_path / "mark"
    archive = io.BytesIO(rezip(hostile(name, mark)))
    try:
        if HOSTILE[name][0] == "torchscript":
            torch.jit.load(archive)(torch.zeros(2, 4))
        else:
            torch.export.load(archive).module()(torch.zeros(2, 4))
    except Exception:
        assert mark.exists()
    assert mark.exists()
