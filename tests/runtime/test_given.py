"""A session is called with what people have."""

from __future__ import annotations

import io
import pickle
import sys
import threading
import types

import numpy as np
import pytest

from hybridx.artifact import Metadata
from hybridx.circuit import parse, simulate
from hybridx.errors import (
    ForeignFileError,
    InputDtypeError,
    InputNamesError,
    SessionClosedError,
    SessionNotPickledError,
)
from hybridx.runtime import load, start_session
from tests.runtime.models import TURN, WIDE, build

X = np.random.default_rng(6).uniform(-3, 3, (3, 2)).astype(np.float32)
EXACT = simulate(parse(TURN), X)


class Frame:
    """A table as pandas and polars have them: names of columns, and an array."""

    def __init__(self, columns, values):
        self.columns, self._values = columns, values

    def __getitem__(self, names):
        return Frame(names, self._values[:, [self.columns.index(name) for name in names]])

    def to_numpy(self):
        return self._values


@pytest.fixture(scope="module")
def artifact():
    metadata = Metadata("0", columns=("width", "length"))
    return build([(TURN, ["x"], "y")], [("y", ["batch", 2])], metadata=metadata)


@pytest.fixture(scope="module")
def session(artifact):
    return start_session(artifact)


def tensor(**options):
    torch = pytest.importorskip("torch")
    return torch.tensor(X, **options)


GIVEN = {
    "an array": lambda: X,
    "lists": lambda: X.tolist(),
    "a tuple of arrays": lambda: tuple(X),
    "a tensor with a gradient": lambda: tensor(requires_grad=True),
    "a view of a tensor": lambda: tensor().T.clone().T,
    "a mapping": lambda: {"x": X},
    "a table with more columns": lambda: Frame(
        ["length", "name", "width"], np.stack([X[:, 1], X[:, 0] + 9, X[:, 0]], 1)
    ),
}


@pytest.mark.parametrize("name", GIVEN)
def test_a_session_takes(name, session):
    np.testing.assert_allclose(session(GIVEN[name]()), EXACT, atol=1e-6)  # float32


def test_by_name_and_by_position_are_the_same(session):
    np.testing.assert_array_equal(session(x=X), session(X))


def test_a_model_with_several_outputs_gives_them_by_name():
    several = build([(TURN, ["x"], "y"), ("Tanh", ["y"], "z")], [("y", WIDE), ("z", WIDE)])
    outputs = start_session(several)(X)
    assert list(outputs) == ["y", "z"]
    np.testing.assert_allclose(outputs["z"], np.tanh(EXACT), atol=1e-6)  # float32


def test_arrays_are_taken_while_another_thread_imports_torch(session, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    np.testing.assert_allclose(session(X), EXACT, atol=1e-6)  # float32


def test_low_precision_is_taken_as_float32(session):
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(session(tensor(dtype=torch.bfloat16)), EXACT, atol=0.1)  # 8 bits


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ((X, X), {}, InputNamesError),
        ((X,), {"x": X}, InputNamesError),
        ((), {"y": X}, InputNamesError),
        ((), {}, InputNamesError),
        (([[1.0], [2.0, 3.0]],), {}, InputDtypeError),
        (("text",), {}, InputDtypeError),
        ((Frame(["width"], X[:, :1]),), {}, InputNamesError),
    ],
)
def test_a_session_refuses(args, kwargs, error, session):
    with pytest.raises(error):
        session(*args, **kwargs)


def test_a_closed_session_does_not_run(artifact):
    with start_session(artifact) as session:
        session(X)
    with pytest.raises(SessionClosedError):
        session(X)
    assert "closed" in repr(session)


def test_a_session_shows_its_inputs_and_outputs(session):
    assert "x: float32 (batch, 2)" in repr(session)
    assert "-> (y)" in repr(session)


def test_a_file_is_loaded_from_bytes_and_from_an_open_file(artifact, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(artifact.content)
    expected = load(path)(X)
    np.testing.assert_array_equal(load(artifact.content)(X), expected)
    np.testing.assert_array_equal(load(io.BytesIO(artifact.content))(X), expected)
    with path.open("rb") as file:
        assert str(path) in repr(load(file))


def test_a_session_runs_in_several_threads(session):
    found = [None] * 8

    def run(index):
        found[index] = session(X)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, session(X)) for one in found)


# --- pickled -------------------------------------------------------------------------------------


def again(session):
    return pickle.loads(pickle.dumps(session))


def test_a_session_of_any_origin_is_pickled(artifact, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(artifact.content)
    expected = load(path)(X)
    sessions = [load(path), load(artifact.content), load(io.BytesIO(artifact.content))]
    with path.open("rb") as file:
        sessions.append(load(file))
    path.unlink()  # a pickle holds the content
    for session in sessions:
        np.testing.assert_array_equal(again(session)(X), expected)
        assert again(session).artifact.path == session.artifact.path


def test_a_session_on_a_device_is_pickled_with_its_options(artifact):
    pytest.importorskip("pennylane")
    session = start_session(artifact, device="default.qubit", shots=50, seed=2, max_circuits=9)
    np.testing.assert_array_equal(again(session)(X), session(X))
    assert again(session).usage.seed == 2


@pytest.mark.usefixtures("without_plugins")
def test_a_pickled_session_knows_which_device_was_asked_for(artifact):
    session = start_session(artifact, device="ionq.qpu", fallback="onnx")
    assert again(session).usage.requested == "ionq.qpu"


def test_what_cannot_be_pickled_is_named(artifact):
    qml = pytest.importorskip("pennylane")
    device = qml.device("default.qubit", wires=2)
    device.lock = threading.Lock()
    with pytest.raises(SessionNotPickledError) as caught:
        pickle.dumps(start_session(artifact, device=device))
    assert (caught.value.device, "lock" in caught.value.reason) == ("default.qubit", True)


def test_a_closed_session_is_not_pickled(artifact):
    session = start_session(artifact)
    session.close()
    with pytest.raises(SessionClosedError):
        pickle.dumps(session)


@pytest.mark.parametrize(
    "given", [None, 3, [], io.StringIO("text"), object()], ids=lambda given: type(given).__name__
)
def test_what_is_no_file_is_refused(given):
    with pytest.raises(ForeignFileError, match="not a path, bytes or a file open as binary"):
        load(given)


# --- arrays that are none ------------------------------------------------------------------------


class Broken:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("no data")


NO_ARRAYS = {
    "masked": lambda: np.ma.masked_array(X, mask=X > 0),
    "sparse": lambda: tensor().to_sparse(),
    "without data": lambda: tensor(device="meta"),
    "raises": Broken,
    "too large a number": lambda: [[2**70, 0]],
    "nothing": lambda: None,
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_what_holds_no_numbers_is_refused(name, session):
    with pytest.raises(InputDtypeError):
        session(NO_ARRAYS[name]())
