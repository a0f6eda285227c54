"""Everything of ONNX Runtime and its extensions that is private or undocumented, in one file.

Seen with onnxruntime 1.31 and onnxruntime-extensions 0.15. `tests/runtime/test_internals.py` has a
test for each name; its failure says which behaviour is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _state

# What a session raises for a model that it does not take.
_REFUSALS: Final = (
    _state.Fail,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.EPFail,
    _state.InvalidArgument,
    RuntimeError,
    UnicodeDecodeError,
)
# What it raises while it runs.
_STOPS: Final = (_state.Fail, _state.RuntimeException, _state.InvalidArgument)


def new_session(
    content: bytes, options: onnxruntime.SessionOptions, providers: Sequence[str]
) -> onnxruntime.InferenceSession:
    """Return a session that does not replace a provider which fails.

    Its own replacement prints to stdout, which belongs to results.
    """
    return onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)


def lacks_kernel(error: Exception) -> bool:
    """Return whether a session did not start because an operator has no implementation."""
    return isinstance(error, _state.NotImplemented)


def refuses_model(error: Exception) -> bool:
    """Return whether a session did not start because of its model or its provider."""
    return isinstance(error, _REFUSALS)


def stopped(error: Exception) -> bool:
    """Return whether a session stopped while it ran."""
    return isinstance(error, _STOPS)


# "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while running Gather
# node. Name:'node_embedding' Status Message: indices element out of data bounds, …"
_AT_NODE: Final = re.compile(r"while running (\S+) node\. Name:'(.*?)' Status Message: (.*)", re.S)
# A line of its source, a function and a condition: "/src/x.h:583 void f(int) a == b was false. "
_OF_ITS_SOURCE: Final = re.compile(r"\S+\.(?:h|cc):\d+ .*? was false\. ?", re.S)
_STATUS: Final = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")


def where_stopped(error: Exception) -> tuple[str, str]:
    """Return where a session stopped and why, without places in ONNX Runtime's source."""
    text = str(error)
    place = "a node that it does not name"
    if found := _AT_NODE.search(text):
        operator, name, text = found.groups()
        place = f"node {name!r} ({operator})"
    text = _OF_ITS_SOURCE.sub("", _STATUS.sub("", text))
    return place, " ".join(text.split()).rstrip(".")


def register_operator(function: Callable[..., Any], name: str, dtype: str, attribute: str) -> str:
    """Make a Python function a custom operator of this process, and return the library that has it.

    It cannot be undone, and a name that is registered twice breaks every later session.

    Args:
        function: takes an array, an int64 array and, by the attribute's name, a text; returns an
            array of any real dtype. It must not raise: an exception would end the process.
        name: of the operator, `domain::type`.
        dtype: of its first input and its output, float32 or float64.
        attribute: the name under which a node has the text.
    """
    from onnxruntime_extensions import Opdef, PyCustomOpDef, get_library_path

    element = {"float32": PyCustomOpDef.dt_float, "float64": PyCustomOpDef.dt_double}[dtype]

    def call(*arrays: Any, **attributes: Any) -> _Taken:
        return _Taken(function(*arrays, **attributes))

    Opdef.create(
        call,
        op_type=name,
        inputs=[element, PyCustomOpDef.dt_int64],
        outputs=[element],
        attrs={attribute: PyCustomOpDef.dt_string},
    )
    library: str = get_library_path()
    return library


class _Taken:
    """An array in the parts that onnxruntime-extensions takes from it.

    It asks for `shape` and `flatten().tolist()` after the function has returned, where nothing may
    fail any more; here both are there already.
    """

    def __init__(self, array: Any) -> None:
        self.shape = tuple(array.shape)
        self._values = array.ravel().tolist()

    def flatten(self) -> _Taken:
        return self

    def tolist(self) -> list[float]:
        values: list[float] = self._values
        return values
