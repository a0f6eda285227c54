"""A session is called with what people have."""

from __future__ import annotations

import io
import pickle
import threading

import numpy as np
import pytest

from hybridx.artifact import Metadata
from hybridx.circuit import parse, simulate
from hybridx.errors import InputDtypeError, InputNamesError, SessionClosedError
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


def test_a_pickled_session_computes_the_same(session):
    again = pickle.loads(pickle.dumps(session))
    np.testing.assert_array_equal(again(X), session(X))


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
