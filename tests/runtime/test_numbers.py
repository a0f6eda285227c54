"""Which numbers go into which dtype, and that an array is no more than its numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from hybridx.artifact import Signature
from hybridx.errors import InputDtypeError, InputRangeError, InputShapeError
from hybridx.runtime import start_session
from hybridx.runtime.given import fit
from tests.runtime.models import GRAPHS, TURN, build

FLOATS = ("float16", "float32", "float64")
WHOLE = ("int8", "int16", "int32", "int64", "uint8")
MODEL = (*FLOATS, *WHOLE, "bool")
GIVEN = (*MODEL, "uint16", "uint32", "uint64", "longdouble", ">f4", ">f8", ">i2", ">i8", ">u4")


def signature(dtype, shape=("batch",)):
    return Signature("x", np.dtype(dtype), shape)


def holds(dtype, number):
    """Return whether a dtype holds a number of Python, by the rules of docs/data.md."""
    if dtype in FLOATS:
        if not math.isfinite(number):
            return True
        with np.errstate(over="ignore"):
            return bool(np.isfinite(np.array([number]).astype(dtype)[0]))
    if not math.isfinite(number) or number != int(number):
        return False
    if dtype == "bool":
        return number in (0, 1)
    bounds = np.iinfo(dtype)
    return bounds.min <= int(number) <= bounds.max


@st.composite
def arrays(draw):
    """Short arrays of a dtype, with numbers at the edges of the others."""
    dtype = np.dtype(draw(st.sampled_from(GIVEN)))
    edges = [0, 1, 2, -1, 127, 128, 255, 256, 2**15, 2**31 - 1, 2**31, 2**53 + 1, 2**62, 2**63 - 1]
    edges += [-(2**31) - 1, -(2**63), 2**63, 2**64 - 1]
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        edges = [one for one in edges if bounds.min <= one <= bounds.max]
    elif dtype.kind == "f":
        edges += [0.5, -1.5, 65504.0, 65520.0, 3.4e38, 3.5e38, 1e300, np.nan, np.inf, -np.inf]
    else:
        edges = [False, True]
    number = st.sampled_from(edges)
    if dtype.kind in "iu":
        number |= st_numpy.from_dtype(dtype).map(int)
    with np.errstate(over="ignore"):
        return np.array(draw(st.lists(number, max_size=4)), dtype=dtype)


@given(array=arrays(), dtype=st.sampled_from(MODEL))
def test_a_number_is_taken_if_the_dtype_holds_it(array, dtype):
    # A longdouble as a float has the same edges.
    numbers = [one.item() if array.dtype.char != "g" else float(one) for one in array]
    bad = [index for index, number in enumerate(numbers) if not holds(dtype, number)]
    if bad:
        with pytest.raises(InputRangeError) as caught:
            fit(array, signature(dtype))
        assert (caught.value.name, caught.value.row) == ("x", bad[0] + 1)
        assert caught.value.value == str(array[bad[0]])
        return
    found = fit(array, signature(dtype))
    assert found.dtype == np.dtype(dtype)
    if dtype in FLOATS:
        np.testing.assert_array_equal(found, array.astype(dtype))
    else:
        assert [int(one) for one in found] == [int(number) for number in numbers]


@pytest.mark.parametrize(
    ("dtype", "array", "text"),
    [
        ("int32", [[0, 2**40]], "holds 1099511627776 in row 1; the model's int32 takes whole"),
        ("int32", [[0, 1], [2, 0.5]], "holds 0.5 in row 2"),
        ("int64", [[np.nan, 1]], "holds nan in row 1"),
        ("float32", [[1, 2], [1e300, 0]], r"holds 1e\+300 in row 2; .* from -3.4028e\+38 to"),
        ("float16", [[1, 70000]], r"holds 70000 in row 1; .* from -65504 to 65504"),
        ("bool", [[0, 1], [1, 2]], "holds 2 in row 2; the model's bool takes 0 and 1"),
        ("uint8", [[0, -1]], "holds -1 in row 1; .* whole numbers from 0 to 255"),
    ],
)
def test_what_is_refused_is_named_with_its_row(dtype, array, text):
    with pytest.raises(InputRangeError, match=text):
        fit(np.array(array), signature(dtype, ("batch", 2)))


@pytest.mark.parametrize("dtype", ["U3", "S3", "O", "datetime64[s]", "timedelta64[s]", "complex64"])
def test_what_is_no_number_is_refused(dtype):
    array = np.zeros(2, dtype)
    for model in MODEL:
        with pytest.raises(InputDtypeError):
            fit(array, signature(model))


def test_an_array_without_axes_is_for_an_input_without_axes():
    assert fit(np.array(3), signature("float32", ())) == 3
    with pytest.raises(InputShapeError):
        fit(np.array(3), signature("float32"))
    with pytest.raises(InputShapeError):
        fit(np.zeros(1), signature("float32", ()))
    with pytest.raises(InputRangeError) as caught:
        fit(np.array(300), signature("int8", ()))
    assert caught.value.row == 1


# --- an array is its numbers ---------------------------------------------------------------------


def spread(array):
    wide = np.full((2 * len(array), *array.shape[1:]), 99, array.dtype)
    wide[::2] = array
    return wide[::2]


def columns_apart(array):
    wide = np.full((*array.shape[:-1], 3 * array.shape[-1]), 99, array.dtype)
    wide[..., ::3] = array
    return wide[..., ::3]


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)[1:]
    moved = room.view(array.dtype).reshape(array.shape) if array.size else array.copy()
    moved[...] = array
    return moved


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "every other row": spread,
    "columns apart": columns_apart,
    "negative strides": lambda array: array[::-1].copy()[::-1],
    "columns backwards": lambda array: array[..., ::-1].copy()[..., ::-1],
    "Fortran order": np.asfortranarray,
    "transposed": lambda array: array.T.copy().T,
    "the other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "read-only": read_only,
    "not aligned": unaligned,
    "float64": lambda array: array.astype(np.float64),
    "lists": lambda array: array.tolist() if array.size else array,
}


def torch_session(format):
    pytest.importorskip("torch")
    from tests.targets.spliced import artifact, content, sample

    whole = artifact(sample("sandwich"), format, content("sandwich", format))
    (fixed,) = whole.inputs
    return start_session(replace(whole, inputs=(replace(fixed, shape=("batch", 4)),)))


def device_session(**options):
    pytest.importorskip("pennylane")
    return start_session(GRAPHS["between classical nodes"](), device="default.qubit", **options)


SESSIONS = {
    "onnx": lambda: start_session(GRAPHS["between classical nodes"]()),
    "torchscript": lambda: torch_session("torchscript"),
    "pt2": lambda: torch_session("pt2"),
    "device": device_session,
    "custom-op": lambda: (
        pytest.importorskip("onnxruntime_extensions") and device_session(engine="custom-op")
    ),
}


@pytest.fixture(scope="module", params=SESSIONS)
def session(request):
    return SESSIONS[request.param]()


@given(seed=st.integers(0, 99), rows=st.integers(0, 4), layout=st.sampled_from([*LAYOUTS]))
def test_an_array_is_its_numbers(session, seed, rows, layout):
    (one,) = session.inputs
    x = np.random.default_rng(seed).uniform(-3, 3, (rows, one.shape[1])).astype(np.float32)
    given = LAYOUTS[layout](x)
    before = np.array(given)
    (expected,) = session.run({one.name: x}).values()
    (found,) = session.run({one.name: given}).values()
    np.testing.assert_array_equal(found, expected)
    assert len(found) == rows
    np.testing.assert_array_equal(np.array(given), before)


@given(special=st.sampled_from([np.nan, np.inf, -np.inf]), row=st.integers(0, 2))
def test_nan_and_infinity_stay_in_their_row(session, special, row):
    (one,) = session.inputs
    x = np.random.default_rng(3).uniform(-3, 3, (3, one.shape[1])).astype(np.float32)
    (expected,) = session.run({one.name: x}).values()
    x[row, 0] = special
    (found,) = session.run({one.name: x}).values()
    np.testing.assert_allclose(np.delete(found, row, 0), np.delete(expected, row, 0), atol=1e-6)
    # Tanh makes a number of infinity.
    assert np.isnan(found[row]).all() or (np.isinf(special) and one.name == "x")


def test_a_row_that_is_not_finite_is_not_sent_to_a_device():
    from tests.runtime.remote import Service

    artifact, service = build([(TURN, ["x"], "y")], [("y", ["batch", 2])]), Service()
    x = np.ones((3, 2), np.float32)
    x[1, 1] = np.nan
    session = start_session(artifact, device=service, shots=10)
    found = session.run({"x": x})["y"]
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False]
    assert (service.got, session.usage.circuits) == ([2], 2)
    assert start_session(artifact, device=service).run({"x": x[1:2]})["y"].shape == (1, 2)
    assert service.calls == 1


@pytest.mark.parametrize("format", ["onnx", "torchscript", "pt2", "device"])
def test_outputs_are_new_arrays(format):
    """What a caller does to them changes no later answer, and no other output."""
    if format in ("torchscript", "pt2"):
        torch = pytest.importorskip("torch")
        from tests.targets.spliced import artifact, splice_model, write

        class Returning(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.ones(2))

            def forward(self, x):
                return x * self.scale, self.scale, x, x.reshape(-1)

        spliced = splice_model(Returning(), (torch.ones(3, 2),))
        session = start_session(artifact(spliced, format, write(spliced, format)))
    else:
        options = {"device": "default.qubit"} if format == "device" else {}
        session = start_session(GRAPHS["a weight among the outputs"](), **options)
    (one,) = session.inputs
    x = np.ones((3, 2), np.float32)
    first = {name: array.copy() for name, array in session.run({one.name: x}).items()}
    for name, array in session.run({one.name: x}).items():
        np.testing.assert_array_equal(array, first[name])
        array += 5
    np.testing.assert_array_equal(x, 1)
    for name, array in session.run({one.name: x}).items():
        np.testing.assert_array_equal(array, first[name])
