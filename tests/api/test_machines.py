"""Circuits compiled for a machine: the same numbers, other plans, and loops only where they pay."""

from __future__ import annotations

import numpy as np
import onnx
import pennylane as qml
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

import hybridx
from hybridx.artifact import decode_artifact, function_name, stamped, walk_nodes
from hybridx.errors import (
    BodyMismatchError,
    ConflictingOptionsError,
    LoopFreeTooLargeError,
    NoBodyError,
    NoConversionError,
    OptionError,
)
from hybridx.lowering import MACHINE_NAMES
from tests.cli.shell import command

WIDE = 12  # wires, from which on a cpu takes a few rows at a time


class Wide(nn.Module):
    """A circuit that takes its inputs twice, on many wires."""

    def __init__(self, wires=WIDE):
        super().__init__()
        self.weights = nn.Parameter(torch.linspace(0.1, 2, wires))
        device = qml.device("default.qubit", wires=wires)

        @qml.qnode(device)
        def circuit(x, weights):
            for wire in range(wires):
                qml.RX(x[..., wire], wire)
                qml.RY(weights[wire], wire)
            for wire in range(wires):
                qml.CNOT([wire, (wire + 1) % wires])
                qml.RX(x[..., wire], wire)
            word = qml.prod(*(qml.Y(wire) for wire in range(wires)))
            return qml.expval(word), qml.probs(wires=[0, 1])

        self.circuit = circuit

    def forward(self, x):
        first, others = self.circuit(x, self.weights)
        return first.float(), others.float()


EXAMPLE = torch.linspace(-2, 2, 2 * WIDE).reshape(2, WIDE)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The wide model for each machine, in files."""
    folder = tmp_path_factory.mktemp("machines")
    for machine in ("cpu", "cuda"):
        hybridx.export(Wide(), (EXAMPLE,), folder / f"{machine}.onnx", machine=machine)
    hybridx.convert(folder / "cpu.onnx", folder / "web.onnx", machine="web")
    return folder


def operators(path):
    """The operators of all circuits of a file."""
    model = onnx.load(path)
    return {node.op_type for one in model.functions for node in walk_nodes(one)}


def entries(path):
    return {one.key: one.value for one in onnx.load(path).metadata_props}


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_a_file_for_any_machine_gives_what_the_model_gives(files, machine):
    session = hybridx.load(files / f"{machine}.onnx")
    x = np.random.default_rng(0).uniform(-3, 3, (300, WIDE)).astype(np.float32)
    expected = [one.detach().numpy() for one in Wide()(torch.from_numpy(x[:19]))]
    for rows in (0, 1, 7, 19, 300):
        found = [*session.run({"x": x[:rows]}).values()]
        assert [len(one) for one in found] == [rows, rows]
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine[:19], theirs[:rows], atol=1e-5)
    (agreement,) = hybridx.verify(files / f"{machine}.onnx").circuits
    assert agreement.shown == "compiled again"


def test_only_a_cpu_takes_a_few_rows_at_a_time(files):
    assert "Loop" in operators(files / "cpu.onnx")
    assert "Loop" not in operators(files / "cuda.onnx")
    assert not {"Loop", "Min", "Max", "Identity", "Sign"} & operators(files / "web.onnx")


def test_the_evaluator_of_onnx_runs_the_loop(files):
    x = np.random.default_rng(1).uniform(-3, 3, (19, WIDE)).astype(np.float32)
    found = ReferenceEvaluator(str(files / "cpu.onnx")).run(None, {"x": x})
    for mine, theirs in zip(found, Wide()(torch.from_numpy(x)), strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), atol=1e-5)


def test_a_file_says_for_which_machine_it_was_compiled(files):
    assert "hybridx.machine" not in entries(files / "cpu.onnx")
    assert entries(files / "cuda.onnx")["hybridx.machine"] == '"cuda"'
    assert [hybridx.inspect(files / f"{one}.onnx").machine for one in MACHINE_NAMES] == [
        *MACHINE_NAMES
    ]


def test_a_machine_of_a_later_hybridx_is_no_obstacle(files, tmp_path):
    model = onnx.load(files / "cuda.onnx")
    next(one for one in model.metadata_props if one.key == "hybridx.machine").value = '"npu"'
    path = tmp_path / "later.onnx"
    path.write_bytes(stamped(model))
    found = hybridx.inspect(path)
    assert found.machine == "npu"
    assert found.circuits[0].candidates == ()
    (agreement,) = hybridx.verify(path).circuits
    assert agreement.shown == "simulated"


def test_costs_are_shown_for_the_machine_that_is_asked_for(files):
    def reasons(**asked):
        found = hybridx.inspect(files / "cpu.onnx", **asked).circuits[0].candidates
        return {one.strategy: one.reason for one in found}["sweep"]

    assert reasons() == reasons(machine="cpu")
    assert "at batch 256" in reasons()
    assert "at batch 4096" in reasons(machine="cuda")


@pytest.mark.parametrize("machine", ["cpu", "cuda", "web"])
def test_circuits_of_a_file_are_compiled_again(files, tmp_path, machine):
    path = tmp_path / "new.onnx"
    hybridx.convert(files / ("web.onnx" if machine == "cpu" else "cpu.onnx"), path, machine=machine)
    assert ("Loop" in operators(path)) == (machine == "cpu")
    assert hybridx.inspect(path).machine == machine
    report = hybridx.verify(path, against=files / "cpu.onnx")
    assert report.worst < 1e-5
    assert [one.shown for one in report.circuits] == ["compiled again"]
    # What was compared with the eager model was another body.
    assert hybridx.inspect(path).verification is None


def test_a_bundle_is_compiled_again(files, tmp_path):
    path = tmp_path / "new.bundle"
    hybridx.convert(files / "cpu.onnx", path, machine="cuda")
    assert hybridx.inspect(path).machine == "cuda"
    back = tmp_path / "back.onnx"
    hybridx.convert(path, back)
    assert hybridx.inspect(back).machine == "cuda"
    assert "Loop" not in operators(back)


def test_a_file_whose_body_was_changed_is_not_compiled_again(files, tmp_path):
    model = onnx.load(files / "cpu.onnx")
    (body,) = model.functions
    for node in walk_nodes(body):
        node.op_type = "Sin" if node.op_type == "Cos" else node.op_type
    (call,) = (node for node in model.graph.node if node.op_type == body.name)
    circuit = next(one.s for one in call.attribute if one.name == "circuit").decode()
    call.op_type = body.name = function_name(circuit, body)
    path = tmp_path / "changed.onnx"
    path.write_bytes(stamped(model))
    with pytest.raises(BodyMismatchError, match=r"changed\.onnx"):
        hybridx.convert(path, tmp_path / "new.onnx", machine="cuda")
    assert not (tmp_path / "new.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["pt", "pt2"])
def test_files_of_torch_cannot_be_compiled_again(tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    hybridx.export(Wide(3), (EXAMPLE[:, :3],), path, machine="cuda")
    assert hybridx.inspect(path).machine == "cuda"
    assert hybridx.verify(path).worst < 1e-5
    with pytest.raises(NoConversionError):
        hybridx.convert(path, tmp_path / "new.onnx", machine="cpu")


def test_a_file_without_circuits_stays_as_it_is(tmp_path):
    path, new = tmp_path / "model.onnx", tmp_path / "new.onnx"
    hybridx.export(nn.Linear(3, 2), (torch.ones(4, 3),), path)
    hybridx.convert(path, new, machine="cuda")
    assert new.read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_file_without_bodies_has_nothing_to_compile_again(tmp_path):
    path = tmp_path / "model.onnx"
    hybridx.export(Wide(3), (EXAMPLE[:, :3],), path, body=False)
    with pytest.raises(NoBodyError):
        hybridx.convert(path, tmp_path / "new.onnx", machine="cuda")
    with pytest.raises(ConflictingOptionsError):
        hybridx.export(Wide(3), (EXAMPLE[:, :3],), tmp_path / "b.onnx", body=False, machine="cuda")


def test_a_body_without_a_loop_has_a_bound_of_memory(files, tmp_path):
    with hybridx.limits(body_bytes=1_000_000):
        with pytest.raises(LoopFreeTooLargeError) as raised:
            hybridx.export(Wide(), (EXAMPLE,), tmp_path / "a.onnx", machine="web")
        message = str(raised.value)
        with pytest.raises(LoopFreeTooLargeError):
            hybridx.convert(files / "cpu.onnx", tmp_path / "a.onnx", machine="web")
        hybridx.convert(files / "cuda.onnx", tmp_path / "b.onnx", machine="cpu")
    assert not (tmp_path / "a.onnx").exists()
    assert "12 wires" in message
    assert "1000000 bytes" in message
    assert 'give machine="cpu"' in message
    with hybridx.limits(body_bytes=raised.value.facts()["found"]):
        hybridx.convert(files / "cpu.onnx", tmp_path / "a.onnx", machine="web")


@pytest.mark.parametrize(
    "call",
    [
        lambda path: hybridx.export(Wide(3), (EXAMPLE[:, :3],), path / "a.onnx", machine="gpu"),
        lambda _: hybridx.check(Wide(3), (EXAMPLE[:, :3],), machine="gpu"),
        lambda _: hybridx.lower(Wide(3), (EXAMPLE[:, :3],), machine="gpu"),
        lambda path: hybridx.convert(path / "a.onnx", path / "b.onnx", machine="gpu"),
        lambda path: hybridx.inspect(path / "a.onnx", machine="gpu"),
        lambda path: hybridx.to_torch(path / "a.onnx", machine="gpu"),
    ],
)
def test_another_machine_is_refused_with_the_choices(call, tmp_path):
    with pytest.raises(OptionError, match="cpu, cuda, web"):
        call(tmp_path)


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_a_lowered_model_is_computed_as_its_machine_needs(machine):
    lowered = hybridx.lower(Wide(4), (EXAMPLE[:, :4],), machine=machine)
    for mine, theirs in zip(lowered(EXAMPLE[:, :4]), Wide(4)(EXAMPLE[:, :4]), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_commands_take_a_machine(files, tmp_path):
    def run(*arguments):
        return command(*arguments, folder=tmp_path)

    path, cpu = tmp_path / "new.onnx", files / "cpu.onnx"
    assert run("convert", cpu, "-o", path, "--machine", "cuda").code == 0
    assert "machine cuda" in run("inspect", path).out
    assert "at batch 4096" in run("inspect", cpu, "--machine", "cuda").out
    refused = run("convert", cpu, "-o", path, "--machine", "tpu", "--overwrite")
    assert refused.code
    assert "cpu, cuda, web" in refused.talk
    both = run("inspect", path, "--machine", "web", "--qasm")
    assert "--machine" in both.talk
    assert "--qasm" in both.talk


def test_the_digest_covers_the_machine(files):
    artifact = decode_artifact((files / "cuda.onnx").read_bytes(), "it")
    model = onnx.ModelProto()
    model.CopyFrom(artifact.model)
    next(one for one in model.metadata_props if one.key == "hybridx.machine").value = '"web"'
    changed = decode_artifact(model.SerializeToString(), "it")
    assert changed.changed
