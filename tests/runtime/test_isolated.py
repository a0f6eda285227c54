"""A file in a process of its own: the same results, and an error for whatever happens there."""

from __future__ import annotations

import gc
import io
import os
import pickle
import sys
import time

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import hybridx
from hybridx.artifact import decode_artifact
from hybridx.errors import (
    BrokenArtifactError,
    ConflictingOptionsError,
    IsolatedRunError,
    OptionError,
    OptionNeedsError,
    SessionClosedError,
)
from hybridx.runtime.execution import Execution
from hybridx.runtime.isolated import engine as engines
from hybridx.runtime.isolated.engine import IsolatedEngine
from hybridx.runtime.isolated.messages import OutOfTurnError, receive, send
from tests.cli.shell import command

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are of Unix")


def node(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs, outputs, **attributes)


def file(nodes, constants=(), element=TensorProto.FLOAT):
    """The bytes of a file of hybridx without circuits, from `x` (batch, 3) to `y`."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", element, ["batch", 3])],
        [helper.make_tensor_value_info("y", element, None)],
        [numpy_helper.from_array(np.array(value), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    for key, value in (("hybridx.format", "1"), ("hybridx.version", "0"), ("hybridx.bodies", "{}")):
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def doubled():
    return file([node("Add", ["x", "x"], ["y"])])


def dividing():
    """A division of the smallest number by -1 that only the input decides on."""
    nodes = [
        node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        node("Div", ["i", "m"], ["d"]),
        node("Cast", ["d"], ["y"], to=TensorProto.FLOAT),
    ]
    return file(nodes, [("m", np.int64(-1))])


def large():
    """A GiB for each row of the input."""
    nodes = [
        node("Unsqueeze", ["x", "a"], ["u"]),
        node("Expand", ["u", "s"], ["b"]),
        node("ReduceMax", ["b"], ["y"], keepdims=0),
    ]
    return file(nodes, [("a", np.array([2])), ("s", np.array([1, 3, 2**28]))])


def endless():
    """A loop that does not end."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["c"], ["d"]), node("Neg", ["v"], ["w"])],
        "body",
        [value("i", 7, []), value("c", 9, []), value("v", 1, None)],
        [value("d", 9, []), value("w", 1, None)],
    )
    return file([node("Loop", ["", "t", "x"], ["y"], body=body)], [("t", np.array(True))])


def test_results_are_the_same_for_one_and_for_many_rows():
    with hybridx.load(doubled(), isolated=True) as session:
        for rows in (X, X[:1], X[:0], np.asfortranarray(X), X.astype(">f4")):
            assert np.array_equal(session(rows), 2 * rows)
        assert session.usage.provider == "cpu"
    with pytest.raises(SessionClosedError):
        session(X)


@UNIX
def test_a_crash_is_an_error_and_the_session_says_so_afterwards():
    with hybridx.load(dividing(), isolated=True) as session:
        assert np.array_equal(session([[1, 2, 3]]), [[-1, -2, -3]])
        with pytest.raises(IsolatedRunError, match="SIGFPE"):
            session(np.full((1, 3), -(2.0**63)))
        with pytest.raises(IsolatedRunError, match="ended in an earlier run"):
            session(X)


def test_time_is_bounded():
    with hybridx.load(endless(), isolated=True, time_limit=1.5) as session:
        start = time.monotonic()
        with pytest.raises(IsolatedRunError, match=r"it took more than 1\.5 seconds"):
            session(X)
        assert time.monotonic() - start < 30


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")
def test_memory_is_bounded():
    with hybridx.load(large(), isolated=True, memory_limit=1500) as session:
        with pytest.raises(IsolatedRunError, match="it needs more than 1500 megabytes"):
            session(X)
        assert session.usage.provider == "cpu"


def test_an_error_of_the_file_is_the_error_of_the_file():
    unknown = file([node("Nope", ["x"], ["y"])])
    with pytest.raises(BrokenArtifactError, match="ONNX Runtime refuses it"):
        hybridx.load(unknown, isolated=True)


def test_a_session_is_pickled_and_threads_take_turns():
    from concurrent.futures import ThreadPoolExecutor

    session = pickle.loads(pickle.dumps(hybridx.load(doubled(), isolated=True)))
    with session, ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda n: session(n * X)[0, 0], range(40)):
            assert result <= 0
        results = list(pool.map(lambda n: session(n * X), range(40)))
    for n, result in enumerate(results):
        assert np.array_equal(result, 2 * n * X)


@UNIX
def test_no_process_is_left():
    session = hybridx.load(doubled(), isolated=True)
    process = session._engine._process
    del session
    gc.collect()
    assert process.poll() is not None


@UNIX
def test_a_fork_has_a_process_of_its_own_and_leaves_that_of_its_parent():
    with hybridx.load(doubled(), isolated=True) as session:
        assert np.array_equal(session(X), 2 * X)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if np.array_equal(session(3 * X), 6 * X) else 1
                session.close()
                gc.collect()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert np.array_equal(session(X), 2 * X)


def test_the_folder_of_the_user_is_not_imported_from(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    with hybridx.load(doubled(), isolated=True) as session:
        assert np.array_equal(session(X), 2 * X)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"time_limit": 5.0}, OptionNeedsError),
        ({"memory_limit": 5}, OptionNeedsError),
        ({"isolated": True, "time_limit": 0}, OptionError),
        ({"isolated": True, "time_limit": float("nan")}, OptionError),
        ({"isolated": True, "time_limit": "5"}, OptionError),
        ({"isolated": True, "memory_limit": 0}, OptionError),
        ({"isolated": True, "device": "default.qubit"}, ConflictingOptionsError),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, error):
    with pytest.raises(error):
        hybridx.load(doubled(), **options)


# --- a process that does not keep to the messages ------------------------------------------------

ODD = {
    "nothing": "",
    "noise": "sys.stdout.buffer.write(b'x' * 999)",
    "a length of 2^60": "sys.stdout.buffer.write((2**60).to_bytes(8, 'little'))",
    "no JSON": "sys.stdout.buffer.write((3).to_bytes(8, 'little') + b'{a}')",
    "arrays of 2^60": "say('imported', ('a', 'uint8', [2**60]))",
    "negative lengths": "say('imported', ('a', 'uint8', [-5]))",
    "objects": "say('imported', ('a', 'object', [1]))",
    "another answer": "say('outputs')",
    "an error that is none": "say('error', name='SystemExit', facts={'code': 0})",
    "an error of others": "say('error', name='first_line', facts={})",
    "an error without its facts": "say('error', name='BrokenArtifactError', facts={})",
    "an error with odd facts": "say('error', name='NoSelfTestError', facts={'path': []})",
}
SAY = """
import json, sys
def say(kind, *arrays, **values):
    told = [dict(zip(("name", "dtype", "shape"), one)) for one in arrays]
    text = json.dumps({"kind": kind, "values": values, "arrays": told}).encode()
    sys.stdout.buffer.write(len(text).to_bytes(8, "little") + text)
    sys.stdout.flush()
"""


@pytest.mark.parametrize("name", ODD)
def test_a_process_that_answers_otherwise_is_ended(name, monkeypatch):
    monkeypatch.setattr(engines, "_ENTRY", SAY + ODD[name])
    with pytest.raises(IsolatedRunError):
        IsolatedEngine(decode_artifact(doubled(), "model"), Execution(isolated=True))


def test_messages_carry_arrays_of_every_kind():
    arrays = {
        "one": np.array(2.5),
        "none": np.zeros((0, 7), np.int64),
        "bools": np.array([True, False]),
        "turned": np.arange(6, dtype=np.int16).reshape(2, 3).T,
        "half": np.ones((2, 1), np.float16),
    }
    pipe = io.BytesIO()
    send(pipe, "run", {"seconds": 1.5}, arrays)
    pipe.seek(0)
    kind, values, read = receive(pipe, 100)
    assert (kind, values) == ("run", {"seconds": 1.5})
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)
        assert read[name].shape == array.shape
    pipe.seek(0)
    with pytest.raises(OutOfTurnError):
        receive(pipe, 20)


# --- the command line ----------------------------------------------------------------------------


@UNIX
def test_the_command_ends_with_3_where_the_file_ends_the_process(tmp_path):
    path, data = tmp_path / "model.onnx", tmp_path / "x.npy"
    path.write_bytes(dividing())
    np.save(data, np.full((1, 3), -(2.0**63), np.float32))
    done = command("run", path, "-i", data, "--isolated", "--time-limit", "30", folder=tmp_path)
    assert done.code == 3
    assert "HX316" in done.talk
    assert "SIGFPE" in done.talk
