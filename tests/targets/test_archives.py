"""TorchScript and PT2 archives: what is in them, and that torch alone runs them at any batch."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from hybridx.capture import quiet
from hybridx.errors import NoTorchScriptError, UnscriptableError
from hybridx.targets import to_torchscript
from hybridx.targets.script import script_class
from tests import sample_models
from tests.targets.spliced import ENTRIES, FORMATS, content, eager, sample, splice_model, write
from tests.targets.test_splice import mixed

LOADED = Path(__file__).with_name("loaded.py")
BATCHES = (0, 1, 2, 50)
TRACES = re.compile(
    rb"/(tmp|home|root|usr|opt|work|Users)/|\.py\"|line \d+|site-packages|stack_trace"
)


def members(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def run_alone(tmp_path, format, archive, inputs):
    path, given, found = (tmp_path / name for name in ("model.pt2", "in.pt", "out.pt"))
    path.write_bytes(archive)
    torch.save(inputs, given)
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(LOADED),
        format,
        str(path),
        str(given),
        str(found),
    ]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    return torch.load(found)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["sandwich", "convolution", "two_heads"])
def test_torch_alone_runs_it_at_any_batch(tmp_path, name, format):
    spliced = sample(name)
    inputs = [(torch.randn(batch, *spliced.args[0].shape[1:]),) for batch in BATCHES]
    outputs = run_alone(tmp_path, format, content(name, format), inputs)
    for args, found in zip(inputs, outputs, strict=True):
        torch.testing.assert_close(found, list(spliced.module(*args)))
        if len(args[0]):
            torch.testing.assert_close(found, eager(spliced, *args), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_integers_fixed_circuits_and_complex_outputs(tmp_path, format):
    spliced = mixed()
    inputs = [(torch.randint(6, (batch,)), torch.randn(batch, 3)) for batch in BATCHES]
    outputs = run_alone(tmp_path, format, write(spliced, format), inputs)
    for args, found in zip(inputs, outputs, strict=True):
        torch.testing.assert_close(found, list(spliced.module(*args)))


@pytest.mark.parametrize("format", FORMATS)
def test_a_fixed_batch_stays_fixed(format):
    model, example = sample_models.make("sandwich")
    spliced = splice_model(model, (example,), batch=3)
    archive = io.BytesIO(write(spliced, format))
    loaded = (
        torch.jit.load(archive) if format == "torchscript" else torch.export.load(archive).module()
    )
    found = loaded(example)
    found = found if isinstance(found, torch.Tensor) else found[0]
    torch.testing.assert_close(found, spliced.module(example)[0])


TWICE = """
import hashlib, sys
from tests.targets.spliced import FORMATS, sample, write
write(sample("stacked"), "torchscript")  # an earlier model must not show in a later one
print(*(hashlib.sha256(write(sample("two_heads"), format)).hexdigest() for format in FORMATS))
"""


@pytest.mark.slow  # two processes that write three archives each
def test_equal_models_are_equal_bytes():
    root = Path(__file__).parents[2]
    runs = []
    for seed in ("1", "2"):
        command = [sys.executable, "-W", "ignore", "-c", TWICE]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        finished = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=root, env=environment
        )
        runs.append(finished.stdout)
    assert runs[0] == runs[1]


@pytest.mark.parametrize("format", FORMATS)
def test_it_says_nothing_of_where_it_was_made(format):
    for name, data in members(content("two_heads", format)).items():
        assert not TRACES.search(data), (name, TRACES.search(data))
        assert not name.endswith(".debug_pkl")


@pytest.mark.parametrize("format", FORMATS)
def test_the_metadata_are_one_member(format):
    kept = members(content("sandwich", format))["extra/hybridx.json"]
    assert json.loads(kept) == ENTRIES
    extra = {"hybridx.json": ""}
    archive = io.BytesIO(content("sandwich", format))
    if format == "torchscript":
        torch.jit.load(archive, _extra_files=extra)
    else:
        torch.export.load(archive, extra_files=extra)
    text = extra["hybridx.json"]
    assert json.loads(text) == ENTRIES


@pytest.mark.parametrize("format", FORMATS)
def test_every_member_is_plain_dateless_and_aligned(format):
    archive = content("sandwich", format)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        infos = opened.infolist()
        assert [info.filename for info in infos] == sorted(opened.namelist())
        for info in infos:
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            data = opened.read(info)
            start = info.header_offset + 30 + len(info.filename) + len(info.extra)
            assert start % 64 == 0
            assert archive[start : start + len(data)] == data


def test_the_users_example_is_not_in_it():
    assert members(content("sandwich", "pt2"))["data/sample_inputs/model.pt"] == b""


def test_weights_move_with_a_scripted_module():
    loaded = torch.jit.load(io.BytesIO(content("sandwich", "torchscript")))
    moved = loaded.to(torch.float64)  # in place of a device, which a test machine may lack
    assert moved(torch.zeros(5, 4, dtype=torch.float64)).dtype == torch.float64


def test_a_python_without_torchscript_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(NoTorchScriptError, match="pt2"):
        to_torchscript(sample("sandwich").module)


class Lengths(torch.nn.Module):
    """Literals of every kind, and arithmetic on lengths."""

    def forward(self, x):
        rows = x.shape[0]
        wide = torch.nn.functional.pad(x, (0, 2), value=float("inf"))
        picked = x[:, torch.tensor([1, 0])]
        halves = torch.split(torch.cat([x, x]), [2, 4])
        scaled = x.reshape(rows * 2, -1) * (rows // 2 + 1) / (rows + 0.5)
        best = wide[:, :3].max(dim=1)
        return wide, picked, halves[1], scaled, best.values, best.indices, x.sum(dim=[])


def test_lengths_and_literals_come_out_in_torchscript():
    x = torch.randn(3, 4)
    with quiet():
        traced = torch.export.export(Lengths(), (x,), strict=False).run_decompositions({})
        module = traced.module(check_guards=False)
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    loaded = torch.jit.load(io.BytesIO(to_torchscript(module)))
    torch.testing.assert_close(loaded(x), Lengths()(x))


def test_what_torchscript_has_not_is_named():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    graph.output((graph.call_function(torch.ops.higher_order.cond, (x,)),))
    with pytest.raises(UnscriptableError, match="cond"):
        script_class(torch.fx.GraphModule(torch.nn.Module(), graph))


WITHOUT_COMPILER = """
from hybridx.errors import NoCompilerError
from tests.targets.spliced import sample, write
try:
    write(sample("layer"), "pt2", aot=True)
except NoCompilerError as error:
    print(error)
"""


def test_no_compiler_is_named():
    # In a process of its own: torch looks for the compiler once.
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_COMPILER]
    environment = os.environ | {"CXX": "/nowhere/g++", "PYTHONPATH": str(root)}
    finished = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=root, env=environment
    )
    assert finished.stdout.startswith("HX020")
    assert "without --aot" in finished.stdout
    assert finished.stderr == ""


@pytest.mark.slow  # the compiler takes half a minute
def test_machine_code_is_the_program(tmp_path):
    spliced = sample("sandwich")
    archive = write(spliced, "pt2", aot=True)
    code = {name: data for name, data in members(archive).items() if "aotinductor" in name}
    assert sorted(Path(name).suffix for name in code) == [".json", ".so"]
    assert not any(re.search(rb"/(tmp|home|root|work)/", data) for data in code.values())
    inputs = [(torch.randn(batch, 4),) for batch in (1, 2, 50)]
    for format in ("aot", "pt2"):
        for args, found in zip(inputs, run_alone(tmp_path, format, archive, inputs), strict=True):
            torch.testing.assert_close(found, list(spliced.module(*args)), atol=1e-5, rtol=1e-5)
