"""The shapes of what a node gives, from those of what it takes.

Frequent operators have a rule here. All others follow the rules that ONNX itself has for them.
Operators that give small numbers which lengths are computed from are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper, shape_inference

from hybridx.artifact.graphs.values import MOST_KNOWN, Value, numbered, shaped, unknown
from hybridx.storage import Array

Values: TypeAlias = Sequence[Value | None]

_MOST_EVALUATED: Final = 256


class UnboundedError(Exception):
    """A size depends on numbers in the inputs; the argument says which."""


def outputs_of(node: onnx.NodeProto, inputs: Values, opset: int, *, evaluates: bool) -> list[Value]:
    """Return what is known of the outputs of a node of a standard operator.

    Args:
        node: without inner graphs.
        inputs: of the node, in order; None for those that are left out.
        opset: version of the standard operators.
        evaluates: follow few numbers through more operators, which takes longer.

    Raises:
        UnboundedError: their size depends on numbers in the inputs of the model.
    """
    kind = node.op_type
    computed = _computed(node, inputs)
    if computed is not None:
        return [computed]
    if evaluates and kind in _EVALUATED:
        evaluated = _evaluated(node, inputs, opset)
        if evaluated is not None:
            return evaluated
    rule = _RULES.get(kind)
    if rule is not None and all(one is None or one.shape is not None for one in inputs):
        try:
            found = rule(node, inputs)
        except (IndexError, ValueError, TypeError, AttributeError, ZeroDivisionError):
            found = None  # ONNX Runtime will refuse the node
        if found is not None:
            return [found]
    if kind in _SIZED:
        _refuse_unknown_sizes(node, inputs)
    return _inferred(node, inputs, opset)


# --- operators that are computed -----------------------------------------------------------------


def _attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    for one in node.attribute:
        if one.name == name:
            return helper.get_attribute_value(one)
    return default


_BINARY: Final[Mapping[str, Callable[..., Any]]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Max": np.maximum,
    "Min": np.minimum,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Where": np.where,
    "Pow": np.power,
}
_UNARY: Final[Mapping[str, Callable[..., Any]]] = {
    "Neg": np.negative,
    "Abs": np.abs,
    "Not": np.logical_not,
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Sqrt": np.sqrt,
    "Identity": np.asarray,
}
_REDUCING: Final[Mapping[str, Callable[..., Any]]] = {
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
}
_COMPUTED: Final = frozenset(
    {
        *_BINARY,
        *_UNARY,
        *_REDUCING,
        *("Div", "Mod", "Cast", "Shape", "Size", "Gather", "Slice", "Concat", "Squeeze"),
        *("Unsqueeze", "Reshape", "Range", "ConstantOfShape", "Expand", "Tile"),
    }
)


def _computed(node: onnx.NodeProto, inputs: Values) -> Value | None:
    """Return the numbers that a node gives, if they follow from the file and from shapes."""
    kind = node.op_type
    if kind not in _COMPUTED or not inputs or inputs[0] is None:
        return None
    if kind == "Shape":
        shape = inputs[0].shape
        if shape is None:
            return None
        start, end = _attribute(node, "start", 0), _attribute(node, "end", len(shape))
        return numbered(np.array(shape[start:end], np.int64))
    if kind == "Size":
        return None if inputs[0].shape is None else numbered(np.array(inputs[0].size, np.int64))
    if any(one is not None and one.size > MOST_KNOWN for one in inputs):
        return None
    arrays = [None if one is None else one.known() for one in inputs]
    if any(one is not None and array is None for one, array in zip(inputs, arrays, strict=True)):
        return None
    try:
        with np.errstate(all="ignore"):
            found = _compute(node, arrays)
    except (
        *(IndexError, ValueError, TypeError, AttributeError, KeyError),
        *(OverflowError, ZeroDivisionError, MemoryError),
    ):
        return None  # ONNX Runtime will refuse the node
    return None if found is None or found.size > MOST_KNOWN else numbered(found)


# Lengths of sequences, masks of rows and numbers of groups go through these. ONNX's own evaluator
# has them; it is slow, so that it gets no other nodes, and no long values.
_EVALUATED: Final = frozenset(
    {
        *("TopK", "NonZero", "Compress", "CumSum", "ArgMax", "ArgMin", "Transpose", "Split"),
        *("GatherElements", "GatherND", "ScatterElements", "ScatterND", "OneHot", "Unique"),
        *("Xor", "Sign", "Round", "ReduceMean", "MatMul", "Gemm", "Sigmoid", "Tanh", "Relu"),
        *("Softmax", "Exp", "Sin", "Cos", "IsNaN", "Clip", "LeakyRelu", "ReduceL2"),
    }
)


def _evaluated(node: onnx.NodeProto, inputs: Values, opset: int) -> list[Value] | None:
    """Return the outputs of a node that takes few numbers, all known; None if it has others."""
    given = [(name, one) for name, one in zip(node.input, inputs, strict=True) if name]
    if any(one is None or one.size > _MOST_EVALUATED or one.known() is None for _, one in given):
        return None
    from onnx.reference import ReferenceEvaluator

    feeds = {name: one.known() for name, one in given if one is not None}
    try:
        kinds = [helper.make_tensor_value_info(n, one.kind, None) for n, one in given if one]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], "node", kinds, results)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        found = ReferenceEvaluator(model).run(None, feeds)
    except Exception:
        # ONNX has errors of many classes for nodes that it does not know or that are wrong.
        return None
    return [numbered(one) for one in found] if len(found) == len(node.output) else None


def _compute(node: onnx.NodeProto, arrays: list[Any]) -> Any:
    kind, first = node.op_type, arrays[0]
    rest = arrays[1:]
    if kind in _BINARY:
        if kind == "Where":
            return np.where(*arrays)
        for other in rest:
            first = _BINARY[kind](first, other)
        return np.asarray(first)
    if kind in _UNARY:
        return np.asarray(_UNARY[kind](first))
    if kind in _REDUCING:
        axes = rest[0] if rest and rest[0] is not None else _attribute(node, "axes")
        axis = None if axes is None else tuple(int(one) for one in np.ravel(axes))
        return np.asarray(
            _REDUCING[kind](first, axis=axis, keepdims=bool(_attribute(node, "keepdims", 1)))
        )
    match kind:
        case "Div" if first.dtype.kind in "iu":
            # It cuts towards zero.
            return np.trunc(first / rest[0]).astype(first.dtype)
        case "Div":
            return np.asarray(first / rest[0])
        case "Mod":
            return np.asarray((np.fmod if _attribute(node, "fmod", 0) else np.mod)(*arrays))
        case "Cast":
            return first.astype(helper.tensor_dtype_to_np_dtype(_attribute(node, "to")))
        case "Gather":
            return np.take(first, rest[0], axis=_attribute(node, "axis", 0))
        case "Slice":
            return _sliced(first, *rest)
        case "Concat":
            if sum(one.size for one in arrays) > MOST_KNOWN:
                return None
            return np.concatenate(arrays, axis=_attribute(node, "axis"))
        case "Squeeze":
            axes = rest[0] if rest and rest[0] is not None else _attribute(node, "axes")
            return np.squeeze(first, None if axes is None else tuple(map(int, np.ravel(axes))))
        case "Unsqueeze":
            axes = rest[0] if rest else _attribute(node, "axes")
            return np.expand_dims(first, tuple(int(one) for one in np.ravel(axes)))
        case "Reshape":
            return first.reshape(_reshaped(first.shape, rest[0], node))
        case "Range":
            start, limit, step = (one.item() for one in arrays)
            if (limit - start) / step > MOST_KNOWN:
                return None
            return np.arange(start, limit, step).astype(first.dtype)
        case "ConstantOfShape" if math.prod(map(int, first)) <= MOST_KNOWN:
            value = _attribute(node, "value")
            filled = np.float32(0) if value is None else numpy_helper.to_array(value)
            return np.full(tuple(map(int, first)), filled)
        case "Expand" if math.prod(map(int, rest[0])) <= MOST_KNOWN:
            return np.broadcast_to(
                first, np.broadcast_shapes(first.shape, tuple(map(int, rest[0])))
            )
        case "Tile" if first.size * math.prod(map(int, rest[0])) <= MOST_KNOWN:
            return np.tile(first, rest[0])
    return None


def _sliced(
    array: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
) -> Array:
    chosen = range(len(starts)) if axes is None else axes
    every = [1] * len(starts) if steps is None else steps
    parts = [slice(None)] * array.ndim
    for axis, start, end, step in zip(chosen, starts, ends, every, strict=True):
        # An end before the first number is what NumPy calls no end.
        last = None if int(step) < 0 and int(end) < -array.shape[int(axis)] else int(end)
        parts[int(axis)] = slice(int(start), last, int(step))
    return array[tuple(parts)]


# --- rules for shapes ----------------------------------------------------------------------------


def _same(_node: onnx.NodeProto, inputs: Any) -> Value:
    return shaped(inputs[0].shape, inputs[0].kind)


def _broadcast(_node: onnx.NodeProto, inputs: Any) -> Value:
    return shaped(_broadcast_shape(*(one.shape for one in inputs)), inputs[-1].kind)


def _broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of several that are broadcast; NumPy's function refuses large ones."""
    if len(set(shapes)) == 1:
        return shapes[0]
    length = max(map(len, shapes))
    padded = [(1,) * (length - len(one)) + one for one in shapes]
    return tuple(0 if 0 in one else max(one) for one in zip(*padded, strict=True))


def _compared(node: onnx.NodeProto, inputs: Any) -> Value:
    return shaped(_broadcast(node, inputs).shape or (), TensorProto.BOOL)


def _cast(node: onnx.NodeProto, inputs: Any) -> Value:
    kind = int(_attribute(node, "to"))
    if kind == TensorProto.STRING:
        return Value(inputs[0].shape, kind, size=_DIGITS * inputs[0].size)
    return shaped(inputs[0].shape, kind)


_DIGITS: Final = 16  # of a number as a text


def _matmul(_node: onnx.NodeProto, inputs: Any) -> Value:
    left, right = inputs[0].shape, inputs[1].shape
    rows = left[-2:-1]
    columns = right[-1:] if len(right) > 1 else ()
    batch = _broadcast_shape(left[:-2], right[:-2])
    return shaped((*batch, *rows, *columns), inputs[0].kind)


def _transposed(node: onnx.NodeProto, inputs: Any) -> Value:
    shape = inputs[0].shape
    order = _attribute(node, "perm", range(len(shape))[::-1])
    return shaped([shape[one] for one in order], inputs[0].kind)


def _reshape(node: onnx.NodeProto, inputs: Any) -> Value | None:
    wanted = inputs[1].known()
    if wanted is None:
        return None
    return shaped(_reshaped(inputs[0].shape, wanted, node), inputs[0].kind)


def _reshaped(shape: tuple[int, ...], wanted: Array, node: onnx.NodeProto) -> tuple[int, ...]:
    keeps_zero = bool(_attribute(node, "allowzero", 0))
    lengths = [
        shape[place] if one == 0 and not keeps_zero else int(one)
        for place, one in enumerate(wanted.tolist())
    ]
    if -1 in lengths:
        others = math.prod(one for one in lengths if one != -1)
        lengths[lengths.index(-1)] = math.prod(shape) // others if others else 0
    if math.prod(lengths) != math.prod(shape) or min(lengths, default=0) < 0:
        raise ValueError("it has another number of numbers")
    return tuple(lengths)


def _gathered(node: onnx.NodeProto, inputs: Any) -> Value:
    shape = inputs[0].shape
    axis = _attribute(node, "axis", 0) % len(shape)
    return shaped((*shape[:axis], *inputs[1].shape, *shape[axis + 1 :]), inputs[0].kind)


def _concatenated(node: onnx.NodeProto, inputs: Any) -> Value:
    shape = list(inputs[0].shape)
    axis = _attribute(node, "axis")
    shape[axis] = sum(one.shape[axis] for one in inputs)
    return shaped(shape, inputs[0].kind)


def _reduced(node: onnx.NodeProto, inputs: Any) -> Value | None:
    shape = inputs[0].shape
    given = inputs[1].known() if len(inputs) > 1 and inputs[1] is not None else None
    if len(inputs) > 1 and inputs[1] is not None and given is None:
        return None
    axes = _attribute(node, "axes") if given is None else given.tolist()
    if not axes and _attribute(node, "noop_with_empty_axes", 0):
        return shaped(shape, inputs[0].kind)
    chosen = {one % len(shape) for one in axes} if axes else set(range(len(shape)))
    keeps = _attribute(node, "keepdims", 1)
    found = [1 if place in chosen else one for place, one in enumerate(shape)]
    if not keeps:
        found = [one for place, one in enumerate(shape) if place not in chosen]
    return shaped(found, inputs[0].kind)


def _constant_of_shape(node: onnx.NodeProto, inputs: Any) -> Value | None:
    lengths = inputs[0].known()
    if lengths is None:
        return None
    value = _attribute(node, "value")
    return shaped(
        _positive(lengths.tolist()), TensorProto.FLOAT if value is None else value.data_type
    )


def _positive(lengths: list[int]) -> list[int]:
    if min(lengths, default=0) < 0:
        raise ValueError("an axis has a negative length")
    return lengths


def _expanded(_node: onnx.NodeProto, inputs: Any) -> Value | None:
    lengths = inputs[1].known()
    if lengths is None:
        return None
    wanted = tuple(_positive(lengths.tolist()))
    return shaped(_broadcast_shape(inputs[0].shape, wanted), inputs[0].kind)


def _tiled(_node: onnx.NodeProto, inputs: Any) -> Value | None:
    repeats = inputs[1].known()
    if repeats is None:
        return None
    times = _positive(repeats.tolist())
    return shaped(
        [length * one for length, one in zip(inputs[0].shape, times, strict=True)], inputs[0].kind
    )


def _ranged(_node: onnx.NodeProto, inputs: Any) -> Value | None:
    known = [one.known() for one in inputs]
    if any(one is None for one in known):
        return None
    start, limit, step = (one.item() for one in known)
    count = (limit - start) / step
    if count != count:
        raise ValueError("it has no length")
    return shaped([max(0, math.ceil(min(count, 2.0**100)))], inputs[0].kind)


def _onehot(node: onnx.NodeProto, inputs: Any) -> Value | None:
    depth = inputs[1].known()
    if depth is None:
        return None
    shape = list(inputs[0].shape)
    axis = _attribute(node, "axis", -1)
    place = axis if axis >= 0 else len(shape) + 1 + axis
    shape.insert(place, max(0, int(depth.item())))
    return shaped(shape, inputs[2].kind)


def _padded(node: onnx.NodeProto, inputs: Any) -> Value | None:
    shape = inputs[0].shape
    given = inputs[1].known() if len(inputs) > 1 else np.array(_attribute(node, "pads"))
    axes: Any = range(len(shape))
    if len(inputs) > 3 and inputs[3] is not None:
        axes = inputs[3].known()
    if given is None or axes is None:
        return None
    pads = given.tolist()
    half = len(pads) // 2
    found = list(shape)
    for place, axis in enumerate(axes):
        found[int(axis)] += pads[place] + pads[half + place]
    return shaped([max(0, one) for one in found], inputs[0].kind)


def _resized(node: onnx.NodeProto, inputs: Any) -> Value | None:
    shape = inputs[0].shape
    axes = _attribute(node, "axes", list(range(len(shape))))
    place = 1 if node.op_type == "Upsample" else 2
    scales = inputs[place] if len(inputs) > place else None
    sizes = inputs[3] if len(inputs) > 3 else None
    found = list(shape)
    if sizes is not None and sizes.size:
        wanted = sizes.known()
        if wanted is None:
            return None
        for axis, length in zip(axes, wanted.tolist(), strict=True):
            found[axis] = max(0, length)
    elif scales is not None:
        factors = scales.known()
        if factors is None:
            return None
        for axis, factor in zip(axes, factors.tolist(), strict=True):
            found[axis] = math.floor(found[axis] * min(factor, 2.0**100))
    return shaped(found, inputs[0].kind)


def _random(node: onnx.NodeProto, _inputs: Any) -> Value:
    shape = _attribute(node, "shape")
    return shaped(_positive(list(shape)), _attribute(node, "dtype", TensorProto.FLOAT))


def _window(node: onnx.NodeProto, inputs: Any) -> Value | None:
    length = inputs[0].known()
    if length is None:
        return None
    return shaped(
        [max(0, int(length.item()))], _attribute(node, "output_datatype", TensorProto.FLOAT)
    )


def _drawn(node: onnx.NodeProto, inputs: Any) -> Value:
    count = _attribute(node, "sample_size", 1)
    return shaped((inputs[0].shape[0], max(0, count)), _attribute(node, "dtype", TensorProto.INT32))


def _nonzero(_node: onnx.NodeProto, inputs: Any) -> Value:
    """As many as there can be."""
    return shaped((len(inputs[0].shape), inputs[0].size), TensorProto.INT64)


def _flattened(_node: onnx.NodeProto, inputs: Any) -> Value:
    return shaped((inputs[0].size,), inputs[0].kind)


def _sequence(_node: onnx.NodeProto, inputs: Any) -> Value:
    return unknown(inputs[0].kind, sum(one.size for one in inputs if one is not None))


def _text(_node: onnx.NodeProto, inputs: Any) -> Value:
    """Texts become longer; their size is the number of their characters."""
    size = sum(one.size for one in inputs)
    return Value(_broadcast_shape(*(one.shape for one in inputs)), TensorProto.STRING, size=size)


_ELEMENTWISE: Final = frozenset(
    """Neg Abs Sin Cos Tan Exp Log Sqrt Reciprocal Sigmoid Tanh Relu Erf Softmax LogSoftmax
    Floor Ceil Round Sign Identity Not Sinh Cosh Asin Acos Atan Asinh Acosh Atanh LeakyRelu Elu
    Selu Gelu Softplus Softsign HardSigmoid HardSwish Mish Clip CumSum Trilu Swish Celu
    ThresholdedRelu ScatterND ScatterElements LRN InstanceNormalization
    """.split()  # noqa: SIM905
)

_RULES: Final[Mapping[str, Callable[[onnx.NodeProto, Any], Value | None]]] = {
    **dict.fromkeys(_ELEMENTWISE, _same),
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Max", "Min", "Mod", "Sum", "Mean", "Where", "PRelu"),
        _broadcast,
    ),
    "Pow": lambda node, inputs: shaped(_broadcast(node, inputs).shape or (), inputs[0].kind),
    **dict.fromkeys(
        (
            *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"),
            *("IsNaN", "IsInf"),
        ),
        _compared,
    ),
    **dict.fromkeys(
        (
            *("ReduceSum", "ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1"),
            *("ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"),
        ),
        _reduced,
    ),
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), _window),
    **dict.fromkeys(("RandomNormal", "RandomUniform"), _random),
    "Cast": _cast,
    "MatMul": _matmul,
    "Transpose": _transposed,
    "Reshape": _reshape,
    "Gather": _gathered,
    "Concat": _concatenated,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expanded,
    "Tile": _tiled,
    "Range": _ranged,
    "OneHot": _onehot,
    "Pad": _padded,
    "Resize": _resized,
    "Upsample": _resized,
    "Multinomial": _drawn,
    "NonZero": _nonzero,
    "Compress": _flattened,
    "SequenceConstruct": _sequence,
    "SequenceInsert": _sequence,
    "StringConcat": _text,
}


# --- all other operators -------------------------------------------------------------------------

# Operators that can make much of little, and the inputs that say how much.
_SIZED: Final[Mapping[str, tuple[int, ...]]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Tile": (1,),
    "Range": (0, 1, 2),
    "OneHot": (1,),
    "Pad": (1,),
    "Resize": (2, 3),
    "Upsample": (1,),
    "MaxUnpool": (2,),
    "Col2Im": (1,),
    "AffineGrid": (1,),
    "CenterCropPad": (1,),
    "DFT": (1,),
    "MelWeightMatrix": (0, 1),
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), (0,)),
}


def _refuse_unknown_sizes(node: onnx.NodeProto, inputs: Values) -> None:
    for place in _SIZED[node.op_type]:
        value = inputs[place] if place < len(inputs) else None
        if value is not None and value.size and value.known() is None:
            raise UnboundedError(f"the size that {node.op_type} gives depends on its inputs")


# Operators that give as much as they take.
_JOINING: Final = frozenset({"Concat", "SequenceConstruct", "SequenceInsert", "StringConcat"})


def _inferred(node: onnx.NodeProto, inputs: Values, opset: int) -> list[Value]:
    """Return what ONNX says of the outputs of a node."""
    sizes = [one.size for one in inputs if one is not None]
    largest = sum(sizes) if node.op_type in _JOINING else max(sizes, default=1)
    kind = next((one.kind for one in inputs if one is not None), TensorProto.FLOAT)
    if all(one is None or one.shape is not None for one in inputs):
        types, known = {}, {}
        for name, one in zip(node.input, inputs, strict=True):
            if name and one is not None:
                types[name] = one.type_proto()
                numbers = one.known()
                if numbers is not None:
                    known[name] = numpy_helper.from_array(numbers, name)
        try:
            schema = defs.get_schema(node.op_type, opset, "")
            found = shape_inference.infer_node_outputs(
                schema, node, types, known, opset_imports=[helper.make_opsetid("", opset)]
            )
        except Exception:
            # ONNX has errors of many classes for nodes that it does not know or that are wrong.
            found = {}
        return [_value_of(found.get(name), kind, largest) for name in node.output]
    return [unknown(kind, largest) for _ in node.output]


def _value_of(found: onnx.TypeProto | None, kind: int, size: int) -> Value:
    if found is None or not found.HasField("tensor_type"):
        return unknown(kind, size)
    tensor = found.tensor_type
    dims = [one.dim_value for one in tensor.shape.dim]
    is_whole = tensor.HasField("shape") and all(
        one.HasField("dim_value") for one in tensor.shape.dim
    )
    if not is_whole or min(dims, default=0) < 0:
        return unknown(tensor.elem_type or kind, size)
    return shaped(dims, tensor.elem_type or kind)
