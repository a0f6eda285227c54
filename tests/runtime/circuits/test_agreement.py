"""Files whose compiled bodies compute something else than their circuits."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hybridx.artifact import (
    CIRCUIT_ATTRIBUTE,
    DOMAIN,
    decode_artifact,
    function_name,
    write_metadata,
)
from hybridx.bounds import CHECKED_AMPLITUDES
from hybridx.circuit import decode, encode
from hybridx.errors import BodyMismatchError, UncheckedBodyError
from hybridx.runtime import agreements_of, start_session
from hybridx.runtime.circuits import agreement
from hybridx.runtime.circuits.alone import run_onnx_body
from tests.runtime.models import GRAPHS, build

PLAIN = GRAPHS["a circuit and no more"]
# A bit flip of probability 0.36.
FLIP = "channel 0 [0.8, 0, 0, 0.8, 0, 0.6, 0.6, 0]"
NOISY = f"RY 0 p[0]; {FLIP}; CNOT 0 1; RX 1 p[1]; expval Z0; expval Z1"


def check_agreement(artifact, **accepted):
    run = partial(run_onnx_body, artifact)
    return agreement.check_agreement(artifact, run, **accepted)


def forged(artifact, *, circuit=lambda one: one, body=lambda _: None):
    """The file with other circuits or bodies, and every digest in it right again."""
    model = onnx.ModelProto()
    model.CopyFrom(artifact.model)
    functions = {function.name: function for function in model.functions}
    for node in model.graph.node:
        if node.domain == DOMAIN:
            (attribute,) = (one for one in node.attribute if one.name == CIRCUIT_ATTRIBUTE)
            attribute.s = encode(circuit(decode(attribute.s.decode()))).encode()
            function = functions[node.op_type]
            body(function)
            function.name = node.op_type = function_name(attribute.s.decode(), function)
    return decode_artifact(write_metadata(model, artifact.metadata), "forged.onnx")


def with_operations(change):
    """A function of circuits that changes their operations."""

    def changed(circuit):
        return msgspec.structs.replace(circuit, operations=tuple(change(*circuit.operations)))

    return changed


def with_measurements(change):
    """A function of circuits that changes their measurements."""

    def changed(circuit):
        return msgspec.structs.replace(circuit, measurements=tuple(change(*circuit.measurements)))

    return changed


def shifted(first, *rest):
    """Operations with the first angle larger by a thousandth."""
    angle = msgspec.structs.replace(first.angle, offset=first.angle.offset + 1e-3)
    return msgspec.structs.replace(first, angle=angle), *rest


def slightly_larger(function):
    """A body whose first constants are larger by a thousandth."""
    for node in function.node:
        for attribute in node.attribute:
            if attribute.type != onnx.AttributeProto.TENSOR:
                continue
            values = numpy_helper.to_array(attribute.t)
            if values.dtype == np.float32:
                attribute.t.CopyFrom(numpy_helper.from_array(values * np.float32(1.001)))
                return
    raise AssertionError("the body has no constants")


@pytest.mark.parametrize("name", GRAPHS)
def test_what_hybridx_made_agrees(name):
    artifact = GRAPHS[name]()
    found = check_agreement(artifact)
    assert {one.circuit for one in found} == set(artifact.circuits)
    assert {one.shown for one in found} == {"simulated"}


@pytest.mark.parametrize(
    "forgery",
    [
        {"circuit": with_operations(shifted)},
        {"circuit": with_operations(lambda *gates: gates[:-1])},
        {"circuit": with_operations(lambda *gates: (gates[0], gates[2], gates[1], *gates[3:]))},
        {"circuit": with_measurements(lambda first, second: (second, first))},
        {"body": slightly_larger},
    ],
    ids=["an angle", "a gate less", "swapped gates", "swapped results", "a constant"],
)
def test_a_forgery_is_named(forgery):
    artifact = PLAIN()
    with pytest.raises(BodyMismatchError) as refused:
        check_agreement(forged(artifact, **forgery))
    assert refused.value.path == "forged.onnx"


def test_a_device_is_sent_nothing_of_a_forgery():
    artifact = forged(PLAIN(), circuit=with_operations(shifted))
    with pytest.raises(BodyMismatchError):
        start_session(artifact, device="default.qubit")
    # The compiled file is not what the circuit says, but it is what runs without a device.
    assert start_session(artifact).run({"x": np.zeros((1, 2), np.float32)})


def test_the_noise_of_a_circuit_is_compared():
    artifact = build([(NOISY, ["x"], "y")], [("y", ["batch", 2])])
    assert [one.shown for one in check_agreement(artifact)] == ["simulated"]
    weaker = forged(artifact, circuit=with_operations(lambda first, _, *rest: (first, *rest)))
    with pytest.raises(BodyMismatchError):
        check_agreement(weaker)


def test_double_precision_is_compared_more_closely():
    artifact = PLAIN(dtype="float64")
    assert check_agreement(artifact)

    def barely_shifted(first, *rest):
        angle = msgspec.structs.replace(first.angle, offset=first.angle.offset + 1e-7)
        return msgspec.structs.replace(first, angle=angle), *rest

    with pytest.raises(BodyMismatchError):
        check_agreement(forged(artifact, circuit=with_operations(barely_shifted)))


def test_a_wide_circuit_is_compared_cone_by_cone(monkeypatch):
    chain = "; ".join(f"RX {wire} p[{wire % 2}]" for wire in range(8))
    results = "; ".join(f"expval Z{wire}" for wire in range(2))
    artifact = build([(f"{chain}; CNOT 0 1; {results}", ["x"], "y")], [("y", ["batch", 2])])
    monkeypatch.setattr(agreement, "CHECKED_AMPLITUDES", replace(CHECKED_AMPLITUDES, default=500))
    assert [one.shown for one in check_agreement(artifact)] == ["simulated"]
    with pytest.raises(BodyMismatchError):
        check_agreement(forged(artifact, circuit=with_operations(shifted)))


def test_what_is_too_wide_is_not_checked_and_needs_consent(monkeypatch):
    artifact = PLAIN()
    monkeypatch.setattr(agreement, "CHECKED_AMPLITUDES", replace(CHECKED_AMPLITUDES, default=20))
    with pytest.raises(UncheckedBodyError):
        start_session(artifact, device="default.qubit")
    session = start_session(artifact, device="default.qubit", accept_unchecked=True)
    assert session.run({"x": np.zeros((1, 2), np.float32)})
    assert [one.shown for one in check_agreement(artifact, accept_unchecked=True)] == [
        "not checked"
    ]


def test_circuits_without_a_body_need_no_check():
    assert check_agreement(PLAIN(body=False)) == ()


def test_a_forgery_is_named_in_a_process_of_its_own():
    with start_session(PLAIN(), isolated=True) as session:
        assert [one.shown for one in agreements_of(session)] == ["simulated"]
    false = forged(PLAIN(), circuit=with_operations(shifted))
    with start_session(false, isolated=True) as session, pytest.raises(BodyMismatchError):
        agreements_of(session)
