"""Attributes of other libraries that are replaced while a model is traced, and process settings.

`REPLACEMENTS` is installed under one lock. A replacement acts as `Interception` says in the thread
that traces. In any other thread it does what the original does, so other threads may train,
compute and print meanwhile. Settings of the whole process are in a table of their own.
"""

from __future__ import annotations

import builtins
import functools
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pennylane as qml
import torch
from threadpoolctl import OpenBLASController, ThreadpoolController
from torch import Tensor

import hybridx.capture.pennylane_internals as pennylane_internals
import hybridx.capture.torch_internals as torch_internals
from hybridx.capture.python.branches import Branches, is_asked_by_model
from hybridx.capture.python.concrete_values import ConcreteValues
from hybridx.capture.python.source_location import is_users
from hybridx.capture.python.tracers import as_tensors, call, holds_traced, joined, made_of

if TYPE_CHECKING:
    from hybridx.capture.python.refusals import Collector


@dataclass(frozen=True)
class Interception:
    """What the replacements do in the thread that traces.

    Attributes:
        qnode_call: answers `(original, qnode, args, kwargs)` in place of a QNode.
        layer_call: answers `(original, layer, x)` where a TorchLayer calls its QNode.
        begin_derivative: called where the model takes a derivative.
        values: the known values of traced tensors; None where nothing is traced.
        branches: answers whether a traced value is true; None where nothing is traced.
        note_unseeded: called with the frame of user code that makes an unseeded NumPy generator.
        module_for: returns the module that an import inside a function of the user's is given.
        function_called: called with each quantum function before it runs.
        collector: takes refusals in place of their being raised; a run goes on with stand-ins.
        note_length: called with the one length that an open axis may have, and the frame.
        is_mute: nothing is written to `sys.stderr`.
        is_quiet: no warning is shown.
    """

    qnode_call: Callable[..., Any] | None = None
    layer_call: Callable[..., Any] | None = None
    begin_derivative: Callable[[], Any] | None = None
    values: ConcreteValues | None = None
    branches: Branches | None = None
    note_unseeded: Callable[[FrameType], None] | None = None
    module_for: Callable[[ModuleType], ModuleType] | None = None
    function_called: Callable[[Any], None] | None = None
    collector: Collector | None = None
    note_length: Callable[[int, FrameType], None] | None = None
    is_mute: bool = False
    is_quiet: bool = False


_NOTHING = Interception()


class _Thread(threading.local):
    def __init__(self) -> None:
        self.interception = _NOTHING
        self.queues: list[Any] = []


_THREAD = _Thread()


def current() -> Interception:
    """Return what is intercepted in this thread."""
    return _THREAD.interception


def is_followed() -> bool:
    """Return whether this thread follows values from the inputs to the circuits."""
    return _THREAD.interception.values is not None


@dataclass(frozen=True)
class Replacement:
    """An attribute of another library that is replaced while a model is traced.

    Attributes:
        owner: a module or a class.
        name: of the attribute.
        replacement: takes the original, or `ABSENT` if there is none, and returns its replacement.
        why: the reason for the replacement.
        seen: the version of the library that the replacement was written for.
        test: in `tests/capture/python/test_patches.py`; fails once the attribute is no longer used.
    """

    owner: Any
    name: str
    replacement: Callable[[Any], Any]
    why: str
    seen: str
    test: str

    @property
    def present(self) -> Any:
        """The attribute as the owner itself holds it now; `ABSENT` if it does not hold one."""
        if isinstance(self.owner, FunctionType):
            return getattr(self.owner, self.name)
        return vars(self.owner).get(self.name, ABSENT)

    def write(self, value: Any) -> None:
        """Set the attribute of the owner."""
        setattr(self.owner, self.name, value)

    def put_back(self, value: Any) -> None:
        """Set the attribute to the original value; for `ABSENT`, delete it if it exists."""
        if value is not ABSENT:
            self.write(value)
        elif self.present is not ABSENT:
            delattr(self.owner, self.name)


ABSENT = object()
"""The value of an attribute that the owner does not hold itself."""


# --- Replacements, in the order of the table -----------------------------------------------------


def _qnode_call(original: Any) -> Any:
    @functools.wraps(original)
    def __call__(qnode: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        handle = current().qnode_call
        if handle is None:
            return original(qnode, *args, **kwargs)
        return handle(original, qnode, args, kwargs)

    return __call__


class _Queues:
    """PennyLane's queues of operators; the thread that traces has its own list."""

    def __init__(self, original: list[Any]) -> None:
        self._original = original

    def __get__(self, instance: Any, owner: Any) -> list[Any]:
        return self._original if current() is _NOTHING else _THREAD.queues


def _layer_call(original: Any) -> Any:
    @functools.wraps(original)
    def evaluate(layer: Any, x: Tensor) -> Any:
        handle = current().layer_call
        return original(layer, x) if handle is None else handle(original, layer, x)

    return evaluate


def _preparation(original: Any) -> Any:
    function = original.__func__

    @functools.wraps(function)
    def preprocess(
        state: Any, wires: Any, pad_with: Any, normalize: bool, validate_norm: bool
    ) -> Any:
        if is_followed():
            state = _one_tensor(state)
            if isinstance(state, Tensor):
                return _prepared(state, wires, pad_with, normalize)
        return function(state, wires, pad_with, normalize, validate_norm)

    return staticmethod(preprocess)


def _prepared(amplitudes: Tensor, wires: Any, pad_with: Any, normalize: bool) -> Tensor:
    if not (amplitudes.is_floating_point() or amplitudes.is_complex()):
        amplitudes = amplitudes.to(torch.get_default_dtype())
    if pad_with is not None:
        missing = 2 ** len(qml.wires.Wires(wires)) - amplitudes.shape[-1]
        number = torch.tensor(pad_with).item()  # PennyLane rounds it to the default dtype
        amplitudes = torch.nn.functional.pad(amplitudes, (0, missing), value=number)
    if normalize or pad_with is not None:
        amplitudes = amplitudes / torch.linalg.vector_norm(amplitudes, dim=-1, keepdim=True)
    return amplitudes


def _one_tensor(parameter: Any) -> Any:
    """Return a list that holds traced values as one tensor, and anything else unchanged."""
    is_list = isinstance(parameter, list | tuple) and holds_traced(parameter)
    return joined(parameter, torch.float64) if is_list else parameter


def _operator_init(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(operator: Any, *params: Any, **kwargs: Any) -> None:  # noqa: N807
        if is_followed():
            params = tuple(map(_one_tensor, params))
        original(operator, *params, **kwargs)

    return __init__


def _is_abstract(original: Any) -> Any:
    @functools.wraps(original)
    def is_abstract(value: Any, like: Any = None) -> bool:
        return (is_followed() and isinstance(value, Tensor)) or bool(original(value, like))

    return is_abstract


def _real_if_close(original: Any) -> Any:
    @functools.wraps(original)
    def real_if_close(value: Any) -> Any:
        return value.real if is_followed() and isinstance(value, Tensor) else original(value)

    return real_if_close


def _end_of_vmap(original: Any) -> Any:
    @functools.wraps(original)
    def remove(batched: Tensor, level: int, size: Any, axis: int) -> Tensor:
        if not is_followed():
            return original(batched, level, size, axis)  # type: ignore[no-any-return]
        first: Tensor = original(batched, level, size, 0)
        return first.movedim(0, axis) if axis else first

    return remove


class _Unvalidated:
    """`Distribution._validate_args`: off in the thread that traces, else the user's setting."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __get__(self, instance: Any, owner: Any) -> Any:
        if is_followed():
            return False
        # A distribution that was made with `validate_args` has a setting of its own.
        return ({} if instance is None else vars(instance)).get(_VALIDATION, self._original)

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[_VALIDATION] = value


_VALIDATION = torch_internals.validation_of_distributions()[1]


def _derivative(original: Any) -> Any:
    @functools.wraps(original)
    def begin(*args: Any, **kwargs: Any) -> Any:
        begun = current().begin_derivative
        if begun is not None:
            begun()
        return original(*args, **kwargs)

    return begin


def _new_tensor(original: Any) -> Any:
    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if is_followed():
            if args and not isinstance(args[0], Tensor) and holds_traced(args[0]):
                return made_of(args[0], torch.get_default_dtype())
            args = as_tensors(args)
        return torch_internals.make_tensor(cls, *args, **kwargs)

    return staticmethod(__new__)


_REFLECTED = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.divide: "__rtruediv__",
    np.power: "__rpow__",
}


def _ufunc_of_fake(original: Any) -> Any:
    def __array_ufunc__(  # noqa: N807
        tensor: Tensor, ufunc: Any, method: str, *args: Any, **kwargs: Any
    ) -> Any:
        if method != "__call__" or not is_followed():
            return NotImplemented
        if ufunc in _REFLECTED and isinstance(args[0], np.generic):
            return getattr(tensor, _REFLECTED[ufunc])(args[0])
        return as_tensors(call(ufunc, args, kwargs))

    return __array_ufunc__


def _of_this_thread(original: Any) -> Any:
    @functools.wraps(original)
    def asked() -> bool:
        return current() is not _NOTHING and bool(original())

    return asked


def _randint(original: Any) -> Any:
    @functools.wraps(original)
    def randint(*args: Any, **kwargs: Any) -> Any:
        if current() is _NOTHING or is_users(sys._getframe(1).f_code.co_filename):
            return original(*args, **kwargs)
        state = np.random.get_state()  # noqa: NPY002 - libraries use the global generator
        try:
            return original(*args, **kwargs)
        finally:
            np.random.set_state(state)  # noqa: NPY002

    return randint


def _import(original: Any) -> Any:
    @functools.wraps(original)
    def __import__(  # noqa: N807
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> Any:
        module = original(name, globals, locals, fromlist, level)
        module_for = current().module_for
        # A module keeps the names that it imports at its top level; a function's end with the call.
        # At the top level `locals` is given, inside a function it is None.
        if module_for is None or locals is not None:
            return module
        return module_for(module) if is_users(sys._getframe(1).f_code.co_filename) else module

    return __import__


def _truth_of_symbol(original: Any) -> Any:
    @functools.wraps(original)
    def __bool__(symbol: Any) -> bool:  # noqa: N807
        branches = current().branches
        if branches is None or not is_asked_by_model(sys._getframe(1)):
            return bool(original(symbol))
        try:
            return bool(original(symbol))
        except Exception as error:
            if not torch_internals.is_data_branch(error):
                raise
        return branches.decide(torch.scalar_tensor(symbol, dtype=torch.bool))

    return __bool__


class _Stream:
    """A stream that discards what the thread that traces writes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if current().is_mute else int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_TORCH, _PENNYLANE = "torch 2.13.0", "PennyLane 0.45.1"

REPLACEMENTS: tuple[Replacement, ...] = (
    Replacement(
        *(qml.QNode, "__call__", _qnode_call),
        why="a QNode is recorded, or run without shots, in place of what it does by itself",
        seen=_PENNYLANE,
        test="test_a_qnode_call_is_answered",
    ),
    Replacement(
        *(*pennylane_internals.active_queues(), _Queues),
        why="PennyLane has one queue for all threads: operators of others would join a circuit",
        seen=_PENNYLANE,
        test="test_operators_of_other_threads_join_no_circuit",
    ),
    Replacement(
        *(*pennylane_internals.pause_of_recording(), lambda _: pennylane_internals.paused.__code__),
        why="it takes the queue from every thread, and would take the place of the row above",
        seen=_PENNYLANE,
        test="test_others_do_not_stop_a_recording",
    ),
    Replacement(
        *(*pennylane_internals.call_of_layer(), _layer_call),
        why="a TorchLayer knows how many axes of its input are the batch, its QNode does not",
        seen=_PENNYLANE,
        test="test_a_layer_tells_its_input",
    ),
    Replacement(
        *(*pennylane_internals.preparation_of_state(), _preparation),
        why="PennyLane pads and normalises amplitudes by their numbers and for one batch size",
        seen=_PENNYLANE,
        test="test_amplitudes_are_prepared_by_torch",
    ),
    Replacement(
        *(qml.operation.Operator, "__init__", _operator_init),
        why="`AngleEmbedding([a, b])` makes a NumPy array of a list of tensors",
        seen=_PENNYLANE,
        test="test_an_operator_takes_a_list_of_tensors",
    ),
    Replacement(
        *(qml.math, "is_abstract", _is_abstract),
        why="PennyLane checks strengths, norms and coefficients unless they are abstract",
        seen=_PENNYLANE,
        test="test_tensors_of_the_trace_are_abstract",
    ),
    Replacement(
        *(qml.math, "real_if_close", _real_if_close),
        why="exponentials ask for it, and autoray has no such function for torch",
        seen=_PENNYLANE,
        test="test_an_exponential_takes_a_tensor",
    ),
    Replacement(
        *(*torch_internals.end_of_vmap(), _end_of_vmap),
        why="torch.export writes no node for `out_dims` other than 0",
        seen=_TORCH,
        test="test_vmap_moves_its_axis_behind",
    ),
    Replacement(
        *(*torch_internals.validation_of_distributions(), _Unvalidated),
        why="distributions look at the numbers of their parameters",
        seen=_TORCH,
        test="test_distributions_look_at_no_parameters",
    ),
    Replacement(
        *(*torch_internals.begin_of_backward(), _derivative),
        why="a model that takes a derivative is run with gradients, and traced below autograd",
        seen=_TORCH,
        test="test_a_derivative_is_noticed_where_it_begins",
    ),
    Replacement(
        *(torch.compiler, "is_compiling", _of_this_thread),
        why="torch has one flag for all threads: an Adam beside an export would round to float32",
        seen=_TORCH,
        test="test_only_the_tracing_thread_compiles",
    ),
    Replacement(
        *(torch.compiler, "is_exporting", _of_this_thread),
        why="the same flag, as a model may ask for it",
        seen=_TORCH,
        test="test_only_the_tracing_thread_exports",
    ),
    Replacement(
        *(torch.SymBool, "__bool__", _truth_of_symbol),
        why="`if n > 2` of an integer that the data give is a branch, not an error",
        seen=_TORCH,
        test="test_a_number_of_the_data_decides_a_branch",
    ),
    Replacement(
        *(Tensor, "__new__", _new_tensor),
        why="`torch.Tensor([a, b])` is no torch function that a mode sees",
        seen=_TORCH,
        test="test_a_tensor_is_made_of_tracers",
    ),
    Replacement(
        *(*torch_internals.ufunc_of_fake_tensor(), _ufunc_of_fake),
        why="`np.sin(tensor)` asks a tensor for its numbers",
        seen=_TORCH,
        test="test_a_ufunc_takes_a_tensor_of_the_trace",
    ),
    Replacement(
        *(np.random, "randint", _randint),
        why="a device that is made in forward draws a seed, which makes no model random",
        seen="NumPy 2.4.6",
        test="test_a_device_made_in_forward_draws_nothing",
    ),
    Replacement(
        *(builtins, "__import__", _import),
        why="a function of the user's may import NumPy itself",
        seen="Python 3.11",
        test="test_an_import_inside_a_function_is_followed",
    ),
    Replacement(
        *(sys, "stderr", _Stream),
        why="torch.export prints the graph so far when it fails",
        seen=_TORCH,
        test="test_only_the_tracing_thread_is_mute",
    ),
)

_LOCK = threading.RLock()
_installed = 0


def is_intercepting() -> bool:
    """Return whether QNode calls of this thread are answered by a trace or a comparison."""
    return _THREAD.interception.qnode_call is not None


@contextmanager
def intercepting(**changes: Any) -> Iterator[None]:
    """While active, the replacements act in this thread as the given fields say.

    Only one thread at a time is inside; other threads that want to trace wait. When the outermost
    block of the thread ends, also by an exception, all originals are restored.

    Args:
        **changes: fields of `Interception`; the other fields keep their present values.
    """
    with _LOCK, _replaced():
        before = _THREAD.interception
        try:
            _THREAD.interception = replace(before, **changes)
            yield
        finally:
            _THREAD.interception = before


@contextmanager
def _replaced() -> Iterator[None]:
    if _installed:
        yield
        return
    with ExitStack() as undo:
        undo.callback(_count, -1)
        _count(1)
        for one in REPLACEMENTS:
            undo.callback(one.put_back, one.present)
            one.write(one.replacement(_found(one)))
        yield


def _count(change: int) -> None:
    global _installed
    _installed += change


def _found(one: Replacement) -> Any:
    """Return the original of a replacement; of a class, as the dictionary of the class holds it."""
    return one.present if one.present is not ABSENT else getattr(one.owner, one.name, ABSENT)


# --- Switches of the whole process ---------------------------------------------------------------


@dataclass(frozen=True)
class Switch:
    """A setting of the whole process that is changed for a time.

    Attributes:
        read: returns the setting.
        write: changes it.
        meanwhile: the setting while the switch is active.
        why: the reason for the change, which affects other threads too.
        test: of `tests/capture/python/test_patches.py`.
    """

    read: Callable[[], Any]
    write: Callable[[Any], Any]
    meanwhile: Any
    why: str
    test: str


class _ThisThread:
    """The text pattern of a warning filter: matches any text, in a quiet thread only."""

    def match(self, text: str) -> bool:
        return current().is_quiet


_OURS: Any = ("ignore", _ThisThread(), Warning, None, 0)
_NOISY = ("torch.export", "torch.onnx", "torch.fx", "onnxscript", "onnx_ir")


def _write_filter(is_there: bool) -> None:
    while _OURS in warnings.filters:
        warnings.filters.remove(_OURS)  # type: ignore[attr-defined]
    if is_there:
        warnings.filters.insert(0, _OURS)  # type: ignore[attr-defined]


def _level_of(name: str) -> Switch:
    logger = logging.getLogger(name)
    return Switch(
        *(lambda: logger.level, logger.setLevel, logging.CRITICAL),
        why="exporters log what their users are not asked about",
        test="test_loggers_are_quiet_meanwhile",
    )


def _blas() -> list[Any]:
    """Return the BLAS libraries that are loaded in this process."""
    # Without this, threadpoolctl silently ignores every thread but the first that limits OpenBLAS.
    OpenBLASController.clear_controlling_thread(force=True)
    libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries


def _blas_threads() -> list[int]:
    return [library.get_num_threads() for library in _blas()]


def _limit_blas(threads: int | list[int]) -> None:
    libraries = _blas()
    each = threads if isinstance(threads, list) else [threads] * len(libraries)
    for library, number in zip(libraries, each, strict=False):
        library.set_num_threads(number)


class _LengthFilter(logging.Filter):
    """Hands on what torch logs where it gives an open axis one length, and logs nothing of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        note = current().note_length
        if note is None:
            return record.levelno >= logging.WARNING
        if str(record.msg).startswith("set_replacement") and isinstance(record.args, tuple):
            length = str(record.args[1])
            if length.isdecimal():
                note(int(length), sys._getframe())
        return False


_LENGTHS: Any = _LengthFilter()
_SHAPE_LOG = logging.getLogger("torch.fx.experimental.symbolic_shapes")


def _write_shape_log(state: tuple[int, list[Any]]) -> None:
    level, filters = state
    _SHAPE_LOG.setLevel(level)
    _SHAPE_LOG.filters[:] = filters


COLLECTION = Switch(
    *(gc.isenabled, lambda is_on: gc.enable() if is_on else gc.disable(), False),
    why="torch makes some hundred thousand objects for a graph, nearly all to stay: going over "
    "them again and again took a fifth of an export (0.8 of 3.9 s for the reference classifier)",
    test="test_garbage_is_not_collected_meanwhile",
)
TORCH_THREADS = Switch(
    *(torch.get_num_threads, torch.set_num_threads, 1),
    why="the tensors of small circuits are too short to share: two threads took ten times as long "
    "as one (4 wires, batch 16, two cores)",
    test="test_eager_models_run_on_one_thread",
)
BLAS_THREADS = Switch(
    *(_blas_threads, _limit_blas, 1),
    why="sums on another number of threads have other last bits, and constants of a file are sums; "
    "on two cores OpenBLAS took four times the processor time for 10 wires",
    test="test_products_are_computed_on_one_thread",
)
WARNINGS = Switch(
    *(lambda: _OURS in warnings.filters, _write_filter, True),
    why="exporters warn of what their users cannot change; other threads are warned as ever",
    test="test_only_the_quiet_thread_is_not_warned",
)
LENGTHS = Switch(
    *(lambda: (_SHAPE_LOG.level, [*_SHAPE_LOG.filters]), _write_shape_log),
    meanwhile=(logging.INFO, [_LENGTHS]),
    why="torch says in its log alone where a trace gives an open axis one length",
    test="test_the_line_that_needs_a_length_is_told",
)
LOG_LEVELS = tuple(map(_level_of, _NOISY))
SWITCHES = (COLLECTION, TORCH_THREADS, BLAS_THREADS, WARNINGS, LENGTHS, *LOG_LEVELS)


@contextmanager
def switched(*switches: Switch) -> Iterator[None]:
    """While active, settings of the process have the values of the switches; then the old ones."""
    with _LOCK, ExitStack() as undo:
        for one in switches:
            undo.callback(one.write, one.read())
            one.write(one.meanwhile)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own warnings and log lines off the user's terminal."""
    with switched(WARNINGS, *LOG_LEVELS), intercepting(is_quiet=True):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """While active, BLAS and torch compute on one thread; other threads that export wait."""
    with switched(TORCH_THREADS, BLAS_THREADS):
        yield


@contextmanager
def uncollected() -> Iterator[None]:
    """While active, Python's cyclic garbage collector is off; `COLLECTION` says why."""
    with switched(COLLECTION):
        yield
