"""Archives of torch whose compiled circuits compute something else than the circuits they carry."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import hybridx
from hybridx import api
from hybridx.artifact import record
from hybridx.bounds import CHECKED_AMPLITUDES
from hybridx.errors import BodyMismatchError, BrokenArtifactError, UncheckedBodyError
from hybridx.runtime import agreements_of, start_session
from hybridx.runtime.circuits import agreement
from tests.runtime.circuits.archives import FORMATS, build, entries_of, forged, negated
from tests.sampling import some

TURN = "RX 0 p[0]; RY 1 p[1]; CNOT 0 1; RZ 1 0.4; RX 1 p[0]; expval Z0; expval X0@Y1"
CODE = "code/__torch__/hybridx.py"
OTHERS = {
    "an angle": TURN.replace("0.4", "0.5"),
    "a gate": TURN.replace("RZ 1", "RY 1"),
    "a gate less": TURN.replace("RZ 1 0.4; ", ""),
    "another parameter": TURN.replace("RX 1 p[0]", "RX 1 p[1]"),
    "swapped results": TURN.replace("expval Z0; expval X0@Y1", "expval X0@Y1; expval Z0"),
    "a result more": TURN + "; expval Z1",
    "a parameter more": TURN.replace("RZ 1 0.4", "RZ 1 p[2]"),
}


def shown(artifact, **execution):
    with start_session(artifact, **execution) as session:
        return [one.shown for one in agreements_of(session)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [None, 1, 3, 7])
def test_what_hybridx_made_agrees(format, dtype, rows):
    assert shown(build(TURN, format, dtype=dtype, rows=rows)) == ["simulated"]


@pytest.mark.parametrize("format", FORMATS)
def test_each_of_two_equal_circuits_is_compared(format):
    assert shown(build(TURN, format, calls=2)) == ["simulated", "simulated"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", ["Hadamard 0; expval Z0; expval X0", "RX 0 p[1]; probs 0 1"])
def test_a_circuit_agrees_that_reads_not_all_or_no_parameters(format, text):
    assert shown(build(text, format)) == ["simulated"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", OTHERS)
def test_another_circuit_is_named(format, name):
    false = forged(build(TURN, format), text=OTHERS[name])
    with pytest.raises(BodyMismatchError, match="forged"):
        shown(false)


@pytest.mark.parametrize("format", FORMATS)
def test_another_body_is_named(format):
    false = forged(build(TURN, format), parts=negated)
    with pytest.raises(BodyMismatchError, match="forged"):
        shown(false)


@pytest.mark.parametrize("format", FORMATS)
def test_verify_names_a_forgery_that_its_self_test_does_not(format, tmp_path):
    true = build(TURN, format)
    x = {"x": np.ones((2, 2), np.float32)}
    test = record(x, start_session(true).run(x), 1e9).encode()
    path = tmp_path / "model"
    path.write_bytes(forged(true, said={"hybridx.selftest": test}).content)
    assert [one.shown for one in hybridx.verify(path).circuits] == ["simulated"]
    false = forged(true, text=OTHERS["an angle"], said={"hybridx.selftest": test})
    path.write_bytes(false.content)
    assert api.self_test(path)
    with pytest.raises(BodyMismatchError):
        hybridx.verify(path)


@pytest.mark.parametrize("format", some(FORMATS, every=len(FORMATS)))
def test_a_forgery_is_named_in_a_process_of_its_own(format):
    true = build(TURN, format)
    assert shown(true, isolated=True) == ["simulated"]
    with pytest.raises(BodyMismatchError):
        shown(forged(true, text=OTHERS["an angle"]), isolated=True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_wide_circuit_is_compiled_again_and_run(format, monkeypatch):
    monkeypatch.setattr(agreement, "CHECKED_AMPLITUDES", replace(CHECKED_AMPLITUDES, default=20))
    true = build(TURN, format)
    assert shown(true) == ["compiled again"]
    with pytest.raises(BodyMismatchError):
        shown(forged(true, text=OTHERS["an angle"]))


@pytest.mark.parametrize("format", FORMATS)
def test_what_cannot_be_compiled_is_not_checked_and_needs_consent(format, monkeypatch):
    monkeypatch.setattr(agreement, "CHECKED_AMPLITUDES", replace(CHECKED_AMPLITUDES, default=20))
    artifact = build(TURN, format)
    artifact.strategies[next(iter(artifact.circuits))] = "unknown"
    with pytest.raises(UncheckedBodyError, match="amplitudes"):
        shown(artifact)
    assert shown(artifact, accept_unchecked=True) == ["not checked"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_an_old_format_is_not_checked(format):
    new = build(TURN, format)
    old = forged(new, said={"hybridx.format": "3", "hybridx.bodies": "{}"})
    with pytest.raises(UncheckedBodyError, match="format"):
        shown(old)
    assert shown(old, accept_unchecked=True) == ["not checked"]
    assert start_session(old).run({"x": np.zeros((1, 2), np.float32)})


def test_a_script_whose_circuit_is_never_called_is_refused():
    def beside(members):
        return members | {CODE: members[CODE].replace(b"(self).circuit_0(", b"torch.sin(")}

    with pytest.raises(BrokenArtifactError, match="part of its program"):
        forged(build(TURN, "torchscript"), parts=beside)


def changed_program(change):
    def parts(members):
        document = json.loads(members["models/model.json"])
        change(document["graph_module"]["graph"], document["graph_module"]["signature"])
        return members | {"models/model.json": json.dumps(document).encode()}

    return parts


def test_a_program_whose_circuit_reaches_no_output_is_refused():
    def elsewhere(graph, signature):
        graph["outputs"] = [{"as_tensor": {"name": "tanh"}}]
        signature["output_specs"][0]["user_output"]["arg"]["as_tensor"]["name"] = "tanh"

    false = forged(build(TURN, "pt2"), parts=changed_program(elsewhere))
    with pytest.raises(BrokenArtifactError, match="no output depends"):
        shown(false)


@pytest.mark.parametrize("place", ["parameters", "results"])
def test_a_program_whose_circuit_reads_more_than_its_parameters_is_refused(place):
    true = build(TURN, "pt2")
    (body,) = json.loads(entries_of(true)["hybridx.bodies"]).values()
    other = {"parameters": "cos", "results": "x"}[place]

    with pytest.raises((BrokenArtifactError, BodyMismatchError)):
        shown(forged(true, bodies=lambda _: [body[0] | {place: other}]))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "other",
    [
        [],
        [{"dtype": "float32"}],
        [{"dtype": "float32", "method": "forward"}],
        [{"dtype": "float32", "method": "circuit_0", "parameters": "x", "results": "x"}],
        [{"dtype": "float16", "method": "circuit_0"}],
        [{"dtype": "float32", "parameters": "x", "results": "nowhere"}],
    ],
)
def test_bodies_that_are_no_part_of_the_program_are_refused(format, other):
    with pytest.raises(BrokenArtifactError):
        forged(build(TURN, format), bodies=lambda _: other)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_this_format_says_where_its_circuits_are(format):
    with pytest.raises(BrokenArtifactError, match="other circuits"):
        forged(build(TURN, format), said={"hybridx.bodies": "{}"})
