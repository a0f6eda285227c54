"""What an ONNX graph computes, estimated before ONNX Runtime gets it.

A file of 1 KB can ask for a thousand products of large matrices, for a tensor of a terabyte, or for
a loop that never ends. The open axes get the lengths of the self-test, so that all shapes are
numbers; the shapes of all values and the small numbers that lengths are computed from are followed
through the graph. A function is visited once for each set of shapes that it is called with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper

from hybridx.artifact.contract import DOMAIN
from hybridx.artifact.graphs.shapes import UnboundedError, outputs_of
from hybridx.artifact.graphs.structure import taken_by
from hybridx.artifact.graphs.values import Value, constant, numbered, shaped, unknown
from hybridx.artifact.nodes import opset_of
from hybridx.bounds import RUN_BYTES, RUN_SECONDS, shown
from hybridx.errors import TooMuchMemoryError, TooMuchWorkError, UnboundedWorkError
from hybridx.storage import Array

# Nanoseconds on one core of a computer of today; measured, and rounded up.
_NODE: Final = 1_000.0
_LOADED_NODE: Final = 40_000.0
_NUMBER: Final = 1.0  # of what an operator reads or gives
_PRODUCT: Final = 0.03  # of a matrix product, multiplied and added
_SLOW_PRODUCT: Final = 1.0  # where no library does it
_TURN: Final = 3_000.0

_MOST_TRIED: Final = 64  # turns of a loop whose shapes change
_MOST_VISITED: Final = 1_000_000  # nodes, which are visited again for other shapes

_Key: TypeAlias = tuple[str, str, str]
_Env: TypeAlias = dict[str, Value]
_Shapes: TypeAlias = list[tuple[int, ...]]  # of the inputs of a node
_Rule: TypeAlias = Callable[[onnx.NodeProto, _Shapes, int], float]


@dataclass(frozen=True, slots=True)
class Work:
    """What a graph costs.

    Attributes:
        nanoseconds: to load it and run it once.
        bytes: of values that are there at the same time.
    """

    nanoseconds: float
    bytes: int


def check_work(model: onnx.ModelProto, inputs: Mapping[str, Array], path: str) -> None:
    """Refuse a model that computes more than the limits, or nobody knows how much.

    Args:
        model: checked by `check_model`.
        inputs: of the self-test, by name. Open axes of others are 1 long.
        path: for messages.

    Raises:
        TooMuchWorkError: it takes more time than the limit.
        TooMuchMemoryError: it takes more memory than the limit.
        UnboundedWorkError: it has a loop without a known number of turns, or makes a tensor of a
            size that depends on numbers that cannot be followed.
    """
    if RUN_SECONDS.limit == RUN_SECONDS.most:
        return  # nobody wants to know
    most = RUN_SECONDS.limit * 1e9, RUN_BYTES.limit
    try:
        work = _work(model, inputs)
    except UnboundedError as error:
        raise UnboundedWorkError(path, str(error)) from error
    if work.nanoseconds > most[0]:
        raise too_much_work(work.nanoseconds, path)
    if work.bytes > most[1]:
        raise too_much_memory(work.bytes, path)


def too_much_work(nanoseconds: float, path: str) -> TooMuchWorkError:
    """Return the error of a file that takes so long, with a limit that lets it pass."""
    seconds = math.ceil(min(nanoseconds, 1e300) / 1e9)
    needed = min(3 * seconds, RUN_SECONDS.most)
    return TooMuchWorkError(path, shown(seconds), str(RUN_SECONDS.limit), str(needed))


def too_much_memory(count: int, path: str) -> TooMuchMemoryError:
    """Return the error of a file that takes so many bytes, with a limit that lets it pass."""
    needed = min(2 * count, RUN_BYTES.most)
    return TooMuchMemoryError(path, shown(count), str(RUN_BYTES.limit), str(needed))


def _work(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> Work:
    try:
        return _Estimate(model, evaluates=False).of_model(inputs)
    except UnboundedError:
        return _Estimate(model, evaluates=True).of_model(inputs)


@dataclass
class _Estimate:
    model: onnx.ModelProto
    evaluates: bool
    opset: int = field(init=False)
    functions: Mapping[_Key, onnx.FunctionProto] = field(init=False)
    found: dict[Any, tuple[list[Value], Work]] = field(default_factory=dict)
    visited: int = 0

    def __post_init__(self) -> None:
        self.opset = opset_of(self.model) or 1
        self.functions = {
            (_domain(one.domain), one.name, one.overload): one for one in self.model.functions
        }

    def of_model(self, inputs: Mapping[str, Array]) -> Work:
        graph = self.model.graph
        env: _Env = {}
        for value in graph.input:
            env[value.name] = _given(value, inputs.get(value.name))
        self._weights(graph, env)
        return self._nodes(graph.node, env, [value.name for value in graph.output])

    def _weights(self, graph: onnx.GraphProto, env: _Env) -> None:
        for weight in graph.initializer:
            env[weight.name] = constant(weight)
        for sparse in graph.sparse_initializer:
            env[sparse.values.name] = shaped(sparse.dims, sparse.values.data_type)

    def _nodes(self, nodes: Sequence[onnx.NodeProto], env: _Env, kept: Iterable[str]) -> Work:
        """Return the work of nodes, and add their outputs to the values that are known."""
        self.visited += len(nodes)
        if self.visited > _MOST_VISITED:
            raise UnboundedError("values of Loops inside Loops grow")
        last: dict[str, int] = {}
        for place, node in enumerate(nodes):
            for name in taken_by(node):
                last[name] = place
        for name in kept:
            last[name] = len(nodes)
        ends: dict[int, list[str]] = {}
        nanoseconds, live, peak = 0.0, 0, 0
        sizes: dict[str, int] = {}
        for place, node in enumerate(nodes):
            inputs = [env.get(name) if name else None for name in node.input]
            outputs, work = self._node(node, inputs, env)
            nanoseconds += work.nanoseconds
            for name, value in zip(node.output, outputs, strict=False):
                if name:
                    env[name] = value
                    sizes[name] = value.bytes
                    live += sizes[name]
                    ends.setdefault(last.get(name, place), []).append(name)
            peak = max(peak, live + work.bytes)
            for name in ends.pop(place, ()):
                live -= sizes[name]
        return Work(nanoseconds, peak)

    def _node(
        self, node: onnx.NodeProto, inputs: list[Value | None], env: _Env
    ) -> tuple[list[Value], Work]:
        domain = _domain(node.domain)
        key = (domain, node.op_type, node.overload)
        if key in self.functions:
            return self._call(key, node, inputs)
        if domain == DOMAIN:
            return [unknown(TensorProto.FLOAT, 1) for _ in node.output], Work(_NODE, 0)
        match node.op_type:
            case "Constant":
                return [_constant(node)], Work(_LOADED_NODE, 0)
            case "If":
                return self._branches(node, env)
            case "Loop":
                return self._loop(node, inputs, env)
            case "Scan":
                return self._scan(node, inputs, env)
            case "SequenceMap":
                raise UnboundedError("SequenceMap has no known number of turns")
        outputs = outputs_of(node, inputs, self.opset, evaluates=self.evaluates)
        taken = _nanoseconds(node, inputs, outputs)
        return outputs, Work(_LOADED_NODE + _NODE + taken, 0)

    def _call(
        self, key: _Key, node: onnx.NodeProto, inputs: list[Value | None]
    ) -> tuple[list[Value], Work]:
        function = self.functions[key]
        signature = (key, *map(_form, inputs), *(one.SerializeToString() for one in node.attribute))
        if signature not in self.found:
            env: _Env = {
                name: value
                for name, value in zip(function.input, inputs, strict=False)
                if value is not None
            }
            # An attribute that the body refers to is not known in it: its outputs are unknown.
            work = self._nodes(function.node, env, function.output)
            outputs = [env.get(name) or unknown(TensorProto.FLOAT, 1) for name in function.output]
            self.found[signature] = outputs, work
        outputs, work = self.found[signature]
        return outputs, work

    def _branches(self, node: onnx.NodeProto, env: _Env) -> tuple[list[Value], Work]:
        results, works = [], []
        for attribute in node.attribute:
            if attribute.name in ("then_branch", "else_branch"):
                outputs, work = self._inner(attribute.g, env, {})
                results.append(outputs)
                works.append(work)
        if not results:
            return [], Work(_NODE, 0)
        larger = [max(pair, key=lambda one: one.size) for pair in zip(*results, strict=False)]
        return larger, Work(
            _NODE + max(one.nanoseconds for one in works), max(one.bytes for one in works)
        )

    def _inner(
        self, graph: onnx.GraphProto, env: _Env, given: Mapping[str, Value]
    ) -> tuple[list[Value], Work]:
        inner = {**env, **given}
        self._weights(graph, inner)
        work = self._nodes(graph.node, inner, [one.name for one in graph.output])
        outputs = [inner.get(one.name) or unknown(TensorProto.FLOAT, 1) for one in graph.output]
        return outputs, work

    def _loop(
        self, node: onnx.NodeProto, inputs: list[Value | None], env: _Env
    ) -> tuple[list[Value], Work]:
        body = _body(node)
        count = inputs[0].known() if inputs and inputs[0] is not None else None
        if body is None or not inputs:
            return [], Work(_NODE, 0)
        if count is None or count.size != 1:
            raise UnboundedError("a Loop has no known number of turns")
        turns = max(0, int(count.item()))
        turn, goes = numbered(0), shaped((), TensorProto.BOOL)
        turn.numbers = None
        carried = [one or unknown(TensorProto.FLOAT, 1) for one in inputs[2:]]
        spent, peak, tried = 0.0, 0, 0
        outputs: list[Value] = []
        while tried < turns:
            # No number that a turn gives is known in the next one.
            values = [turn, goes, *(_without_numbers(one) for one in carried)]
            names = [one.name for one in body.input]
            given = dict(zip(names, values, strict=False))
            outputs, work = self._inner(body, env, given)
            tried += 1
            spent += work.nanoseconds + _TURN
            peak = max(peak, work.bytes)
            after = outputs[1 : 1 + len(carried)]
            is_stable = [_form(one) for one in after] == [_form(one) for one in values[2:]]
            carried = after
            if is_stable:
                spent += (turns - tried) * (work.nanoseconds + _TURN - _loaded(body))
                break
            if tried >= _MOST_TRIED and tried < turns:
                raise UnboundedError("a value of a Loop grows in each of many turns")
        rows = [_stacked(one, turns) for one in outputs[1 + len(carried) :]]
        return [*carried, *rows], Work(spent, peak)

    def _scan(
        self, node: onnx.NodeProto, inputs: list[Value | None], env: _Env
    ) -> tuple[list[Value], Work]:
        body = _body(node)
        scanned = next((one.i for one in node.attribute if one.name == "num_scan_inputs"), 0)
        states = len(inputs) - scanned
        if body is None or not 0 < scanned <= len(inputs):
            return [], Work(_NODE, 0)
        axes = next((list(one.ints) for one in node.attribute if one.name == "scan_input_axes"), [])
        values: list[Value] = []
        turns = 0
        for place, one in enumerate(inputs):
            if one is None or one.shape is None:
                raise UnboundedError("a Scan has no known number of turns")
            if place < states:
                values.append(_without_numbers(one))
                continue
            axis = axes[place - states] if place - states < len(axes) else 0
            shape = list(one.shape)
            if not shape or not -len(shape) <= axis < len(shape):
                return [], Work(_NODE, 0)  # ONNX Runtime refuses it
            turns = shape.pop(axis)
            values.append(shaped(shape, one.kind))
        given = dict(zip([one.name for one in body.input], values, strict=False))
        outputs, work = self._inner(body, env, given)
        spent = work.nanoseconds + turns * (work.nanoseconds + _TURN - _loaded(body))
        rows = [_stacked(one, turns) for one in outputs[states:]]
        return [*outputs[:states], *rows], Work(spent, work.bytes)


def _loaded(body: onnx.GraphProto) -> float:
    """Return what it takes to load a body, which happens once."""
    return len(body.node) * _LOADED_NODE


def _body(node: onnx.NodeProto) -> onnx.GraphProto | None:
    return next((one.g for one in node.attribute if one.name == "body"), None)


def _stacked(value: Value, turns: int) -> Value:
    if value.shape is None:
        return unknown(value.kind, value.size * turns)
    return shaped((turns, *value.shape), value.kind)


def _without_numbers(value: Value) -> Value:
    return Value(value.shape, value.kind, size=value.size)


def _form(value: Value | None) -> Any:
    """Return what the work of a function depends on, of one of its inputs."""
    if value is None:
        return None
    numbers = value.known()
    known = None if numbers is None else (numbers.dtype.str, numbers.tobytes())
    return value.shape, value.kind, value.size, known


def _given(info: onnx.ValueInfoProto, found: Array | None) -> Value:
    """Return an input as it is in the self-test, with the numbers that lengths may depend on."""
    tensor = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return unknown(tensor.elem_type, 1)
    dims = tensor.shape.dim
    if found is None or found.ndim != len(dims):
        lengths: Sequence[int] = [1] * len(dims)
    else:
        lengths = found.shape
    shape = [
        one.dim_value if one.HasField("dim_value") else length
        for one, length in zip(dims, lengths, strict=True)
    ]
    if found is not None and tuple(shape) == found.shape and found.dtype.kind in "biuf":
        return numbered(found, tensor.elem_type)
    return shaped([max(0, one) for one in shape], tensor.elem_type)


def _constant(node: onnx.NodeProto) -> Value:
    for one in node.attribute:
        if one.name == "value":
            return constant(one.t)
        if one.name == "sparse_value":
            return shaped(one.sparse_tensor.dims, one.sparse_tensor.values.data_type)
        if one.name in ("value_int", "value_ints", "value_float", "value_floats"):
            whole = one.name.startswith("value_int")
            kind = TensorProto.INT64 if whole else TensorProto.FLOAT
            numbers = helper.get_attribute_value(one)
            dtype = helper.tensor_dtype_to_np_dtype(kind)
            return numbered(np.array(numbers, dtype), kind)
    return unknown(TensorProto.FLOAT, 1)


def _domain(name: str) -> str:
    # Operators of ONNX Runtime that ONNX has under the same name compute the same.
    return "" if name in ("ai.onnx", "com.microsoft") else name


# --- time ----------------------------------------------------------------------------------------


def _nanoseconds(
    node: onnx.NodeProto, inputs: Sequence[Value | None], outputs: Sequence[Value]
) -> float:
    numbers = sum(one.size for one in inputs if one is not None)
    numbers += sum(one.size for one in outputs)
    rule = _RULES.get(node.op_type)
    if rule is None or not inputs or not outputs:
        return numbers * _NUMBER
    if any(one is not None and one.shape is None for one in inputs):
        return numbers * _NUMBER
    shapes = [() if one is None or one.shape is None else one.shape for one in inputs]
    try:
        return numbers * _NUMBER + rule(node, shapes, outputs[0].size)
    except (IndexError, TypeError, ValueError, ZeroDivisionError):
        return numbers * _NUMBER  # ONNX Runtime will refuse the node


def _of(node: onnx.NodeProto, name: str, default: Any) -> Any:
    for one in node.attribute:
        if one.name == name:
            return helper.get_attribute_value(one)
    return default


def _product(node: onnx.NodeProto, shapes: _Shapes, size: int) -> float:
    is_turned = node.op_type == "Gemm" and _of(node, "transA", 0)
    return size * shapes[0][0 if is_turned else -1] * _PRODUCT


def _convolution(node: onnx.NodeProto, shapes: _Shapes, size: int) -> float:
    kernel = shapes[3 if node.op_type == "QLinearConv" else 1]
    if node.op_type == "ConvTranspose":
        return math.prod(shapes[0]) * math.prod(kernel[1:]) * _SLOW_PRODUCT / 4
    return size * math.prod(kernel[1:]) * _SLOW_PRODUCT / 4


def _pooling(node: onnx.NodeProto, _shapes: _Shapes, size: int) -> float:
    window: list[int] = _of(node, "kernel_shape", [1])
    return size * math.prod(window) * _SLOW_PRODUCT


def _einsum(node: onnx.NodeProto, shapes: _Shapes, _size: int) -> float:
    equation = _of(node, "equation", b"").decode(errors="replace").replace(" ", "")
    lengths: dict[str, int] = {}
    for letters, shape in zip(equation.partition("->")[0].split(","), shapes, strict=True):
        if "." in letters:
            lengths[letters] = math.prod(shape)
            continue
        lengths.update(zip(letters, shape, strict=True))
    return math.prod(lengths.values()) * _SLOW_PRODUCT


def _recurrent(_node: onnx.NodeProto, shapes: _Shapes, _size: int) -> float:
    steps, rows, _ = shapes[0]
    return steps * (rows * (math.prod(shapes[1]) + math.prod(shapes[2])) * _PRODUCT * 4 + 10_000)


def _sorted(_node: onnx.NodeProto, shapes: _Shapes, _size: int) -> float:
    count = math.prod(shapes[0])
    return 20.0 * count * math.log2(count + 2)


def _fourier(_node: onnx.NodeProto, shapes: _Shapes, size: int) -> float:
    longest = max(shapes[0], default=1)
    return size * longest * _SLOW_PRODUCT


def _squared(_node: onnx.NodeProto, shapes: _Shapes, _size: int) -> float:
    longest = max(shapes[0], default=1)
    return math.prod(shapes[0]) * longest * 5.0


def _sampled(node: onnx.NodeProto, shapes: _Shapes, size: int) -> float:
    if node.op_type == "RoiAlign":
        ratio = _of(node, "sampling_ratio", 0) or max(shapes[0], default=1)
        return size * 10.0 * ratio * ratio
    return size * 30.0


def _attention(_node: onnx.NodeProto, shapes: _Shapes, _size: int) -> float:
    return math.prod(shapes[0]) * max(shapes[1][-2:-1], default=1) * _SLOW_PRODUCT / 4


def _each(nanoseconds: float) -> _Rule:
    return lambda _node, _shapes, size: size * nanoseconds


_RULES: Final[Mapping[str, _Rule]] = {
    **dict.fromkeys(("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "FusedMatMul"), _product),
    **dict.fromkeys(
        ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"), _convolution
    ),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pooling),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
    **dict.fromkeys(("TopK", "Unique"), _sorted),
    **dict.fromkeys(("DFT", "STFT"), _fourier),
    **dict.fromkeys(("Det", "NonMaxSuppression"), _squared),
    **dict.fromkeys(("Resize", "Upsample", "GridSample", "RoiAlign"), _sampled),
    **dict.fromkeys(("RandomNormal", "RandomNormalLike", "Bernoulli"), _each(20.0)),
    **dict.fromkeys(("Pow", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan"), _each(6.0)),
    "Multinomial": lambda _node, shapes, size: size * shapes[0][-1] * 5.0,
    "Einsum": _einsum,
    "Attention": _attention,
}
