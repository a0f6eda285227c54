"""Circuits as a custom operator: one ONNX Runtime session that calls Python for each of them.

onnxruntime-extensions registers Python functions for the whole process and for good, and one that
is registered twice breaks every later session. So there is one operator for each dtype, made once.
Each run of a session has a number, which is an input of its graph and of every circuit in it, and
under which the operator finds what executes the circuits of that run.

An exception that leaves the operator ends the process. So none does: it is kept, the results are
NaN, and it is raised after the run.
"""

from __future__ import annotations

import importlib.util
import itertools
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from hybridx.artifact import DOMAIN, OnnxArtifact, is_circuit_node, walk_nodes
from hybridx.circuit import Circuit, result_count
from hybridx.errors import DeviceFailedError, MissingExtraError
from hybridx.runtime import onnx as onnx_runtime
from hybridx.runtime.executor import Executor

Array: TypeAlias = NDArray[Any]

_OPERATOR: Final = "RunCircuit_"  # followed by a dtype
_PLACE: Final = "place"  # the attribute that tells a circuit node from all others
_DTYPES: Final = ("float32", "float64")


def check_installed() -> None:
    """Refuse to run circuits as a custom operator where that cannot be.

    Raises:
        MissingExtraError: onnxruntime-extensions is not installed.
    """
    if importlib.util.find_spec("onnxruntime_extensions") is None:
        purpose = "engine 'custom-op' (on Python 3.13 or earlier)"
        raise MissingExtraError(purpose, "onnxruntime-extensions", "custom-op")


class CustomOpModel:
    """A model in one session of ONNX Runtime, its circuits executed by whom a run names."""

    def __init__(self, artifact: OnnxArtifact, provider: str) -> None:
        model = onnx.ModelProto.FromString(artifact.content)
        self._circuits = _call_the_operator(model, artifact.circuits)
        # No node is left that calls a body.
        del model.functions[:]
        self._run_input = _add_run_input(model)
        self._outputs = artifact.outputs
        self._session = onnx_runtime.start(
            model.SerializeToString(), artifact.path, provider, library=_registered()
        )
        self.provider = onnx_runtime.provider_of(self._session)

    def run(self, inputs: Mapping[str, Array], executor: Executor) -> dict[str, Array]:
        """Return the outputs by name; `executor` gets the results of the circuits.

        Raises whatever it raised.
        """
        run = _Run(self._circuits, executor)
        number = next(_NUMBERS)
        fed = {**inputs, self._run_input: np.array([number], np.int64)}
        _RUNS[number] = run
        try:
            with _signals_wait(run):
                outputs = onnx_runtime.run(self._session, self._outputs, fed)
        except DeviceFailedError:
            # Operators behind a circuit may refuse NaN; then that is not the reason.
            if run.error is None:
                raise
        finally:
            del _RUNS[number]
        if run.error is not None:
            raise run.error
        return outputs


def _call_the_operator(
    model: onnx.ModelProto, circuits: Mapping[str, Circuit]
) -> Mapping[str, Circuit]:
    """Make every circuit node a call of the operator, and return the circuits by their places."""
    typed = onnx.shape_inference.infer_shapes(model)
    graph = typed.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    elements = {value.name: value.type.tensor_type.elem_type for value in values}
    elements |= {weight.name: weight.data_type for weight in graph.initializer}
    places = {}
    for number, node in enumerate(filter(is_circuit_node, walk_nodes(model.graph))):
        # Not the circuit's name: two nodes that are equal in all may be made one, and their samples
        # with them (1.31 leaves custom operators out of that too).
        place = str(number)
        places[place] = circuits[node.op_type]
        dtype = helper.tensor_dtype_to_np_dtype(elements[node.input[0]])
        node.op_type = f"{_OPERATOR}{dtype.name}"
        del node.attribute[:]
        node.attribute.append(helper.make_attribute(_PLACE, place))
    return places


def _add_run_input(model: onnx.ModelProto) -> str:
    """Add the number of the run to the graph and to every circuit node.

    As an input it also keeps circuits without data from depending on constants only, which ONNX
    Runtime may compute when the session starts (1.31 leaves custom operators out of that).
    """
    names = {name for node in walk_nodes(model.graph) for name in (*node.input, *node.output)}
    name = next(n for n in map("run_{}".format, itertools.count()) if n not in names)
    model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [1]))
    for node in walk_nodes(model.graph):
        if node.domain == DOMAIN:
            node.input.append(name)
    return name


# --- the operator of this process ----------------------------------------------------------------


class _Run:
    """One run of a session.

    Attributes:
        error: the first that a circuit raised.
        is_open: true while the handler of a signal may raise, because it would be kept here.
        waiting: signals that came at another time: handler, number and frame.
    """

    def __init__(self, circuits: Mapping[str, Circuit], executor: Executor) -> None:
        self._circuits = circuits
        self._executor = executor
        self.error: BaseException | None = None
        self.is_open = False
        self.waiting: list[tuple[Any, int, Any]] = []

    def results(self, parameters: Array, place: str) -> Array:
        """Return the results of a circuit, or NaN once one has failed; never raises."""
        circuit = self._circuits[place]
        # Whatever is raised: a device is third-party code, and Ctrl-C arrives anywhere. Twice,
        # because a second one may arrive before the first is kept.
        try:
            try:
                if self.error is None:
                    self.is_open = True
                    self.call_waiting()
                    results = self._executor.execute(circuit, parameters)
                    self.is_open = False
                    return results
            except BaseException as error:
                self.is_open = False
                self.error = error
        except BaseException as error:
            self.is_open = False
            self.error = error
        return np.full((len(parameters), result_count(circuit)), np.nan)

    def call_waiting(self) -> None:
        """Call the handlers of signals that had to wait, until one raises."""
        while self.waiting:
            handler, number, frame = self.waiting.pop(0)
            handler(number, frame)


_RUNS: dict[int, _Run] = {}
_NUMBERS = itertools.count()
_LOCK = threading.Lock()
_LIBRARY: list[str] = []


def _registered() -> str:
    """Return the library that has the operator, which is registered at the first call."""
    with _LOCK:
        if not _LIBRARY:
            check_installed()
            from onnxruntime_extensions import Opdef, PyCustomOpDef, get_library_path

            elements = (PyCustomOpDef.dt_float, PyCustomOpDef.dt_double)
            for dtype, element in zip(_DTYPES, elements, strict=True):
                Opdef.create(
                    _execute,
                    op_type=f"{DOMAIN}::{_OPERATOR}{dtype}",
                    inputs=[element, PyCustomOpDef.dt_int64],
                    outputs=[element],
                    attrs={_PLACE: PyCustomOpDef.dt_string},
                )
            _LIBRARY.append(get_library_path())
        return _LIBRARY[0]


def _execute(parameters: Array, number: Array, place: str) -> _Values:
    results = _RUNS[int(number[0])].results(parameters, place)
    return _Values(results.shape, results.ravel().tolist())


class _Values:
    """An array as the package takes it apart, which it does where nothing may fail any more."""

    def __init__(self, shape: Sequence[int], values: list[float]) -> None:
        self.shape = tuple(shape)
        self._values = values

    def flatten(self) -> _Values:
        return self

    def tolist(self) -> list[float]:
        return self._values


@contextmanager
def _signals_wait(run: _Run) -> Iterator[None]:
    """Keep the handlers of signals from raising anywhere but inside of a circuit.

    Python calls them between any two steps of the main thread, also on the way from ONNX Runtime to
    the operator and back, where nobody could catch what they raise.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in signal.valid_signals()}
    before: dict[int, Any] = {number: one for number, one in found.items() if callable(one)}

    def handle(number: int, frame: Any) -> None:
        if run.is_open:
            before[number](number, frame)
        else:
            run.waiting.append((before[number], number, frame))

    try:
        for number in before:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        run.call_waiting()
