"""Complex tensors as pairs of real ones, because ONNX has none.

A traced graph is run once more on pairs: every operation on complex numbers has a rule that
computes it with real ones. Real operations stay as they are. Real parts are not copied: where a
circuit takes the real part of a complex tensor, it takes the real tensor of the pair itself.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from hybridx.capture.graph import complex_arithmetic as pairs
from hybridx.capture.graph import fourier_transforms as fourier
from hybridx.capture.graph.complex_arithmetic import Complex, pair, parts
from hybridx.capture.graph.ops import AGAIN_OP, QNODE_OP
from hybridx.capture.torch_internals import Retracing, leaves_of, map_leaves, overload_of

_aten = torch.ops.aten


def has_complex(module: fx.GraphModule) -> bool:
    """Return whether the result of any node of the graph is complex."""
    return any(_is_complex(node.meta.get("val")) for node in module.graph.nodes)


class InPairs(nn.Module):
    """A graph as a module in which no tensor is complex; complex outputs get a last axis of 2.

    Args:
        graph: in core operators, takes tensors and returns a flat tuple of tensors.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        _split_constants(graph)
        self.traced = graph

    def forward(self, *args: Tensor) -> Any:
        """Run the graph."""
        returned = _PairInterpreter(self.traced).run(*args)
        return tuple(_as_real(leaf) if isinstance(leaf, Complex) else leaf for leaf in returned)


def _split_constants(module: fx.GraphModule) -> None:
    """Replace complex constants by two real ones each, or one if they are real numbers."""
    for node in [n for n in module.graph.nodes if n.op == "get_attr"]:
        value = operator.attrgetter(node.target)(module)
        if not (isinstance(value, Tensor) and value.is_complex()):
            continue
        value = value.detach().resolve_conj()
        name = node.target.replace(".", "_")
        both = []
        for suffix, part in (("real", value.real), ("imaginary", value.imag)):
            module.register_buffer(f"{name}_{suffix}", part.contiguous(), persistent=False)
            with module.graph.inserting_before(node):
                both.append(module.graph.get_attr(f"{name}_{suffix}"))
        with module.graph.inserting_before(node):
            if value.imag.any():
                joined = module.graph.call_function(_aten.complex.default, tuple(both))
            else:
                cast: dict[str, Any] = {"dtype": value.dtype}
                joined = module.graph.call_function(_aten._to_copy.default, (both[0],), cast)
        joined.meta["val"] = node.meta.get("val", value)
        node.replace_all_uses_with(joined)
    module.graph.eliminate_dead_code()
    module.recompile()


class _PairInterpreter(Retracing):
    """Runs a graph whose complex tensors are `Complex`."""

    def __init__(self, module: fx.GraphModule) -> None:
        # `_part_of_view` needs the input of a view as real numbers, which must not be freed.
        super().__init__(module, garbage_collect_values=False)
        self._node: fx.Node

    def run_node(self, n: fx.Node) -> Any:
        """Remember which node is run; give a QNode copies of its complex arguments."""
        self._node = n
        value = super().run_node(n)
        if isinstance(value, Complex) and any(u.target in (QNODE_OP, AGAIN_OP) for u in n.users):
            # Calls are distinguished by their argument nodes, which no other call may share.
            return Complex(*(part.clone() for part in value.filled()))
        return value

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation, by its rule if an argument or the result is complex."""
        target = _RESHAPES.get(target, target)
        leaves = _leaves((args, kwargs))
        made = _is_complex(self._node.meta.get("val"))
        if not made and not any(isinstance(leaf, Complex | complex) for leaf in leaves):
            part = self._part_of_view()
            return super().call_function(target, args, kwargs) if part is None else part
        if target is operator.getitem:
            return args[0][args[1]]
        if target in (QNODE_OP, AGAIN_OP):
            return super().call_function(target, _flat(args), kwargs)
        rule = _RULES.get(getattr(target, "overloadpacket", target))
        if rule is None:
            raise NoRealForm(self._node)
        try:
            value = rule(_Call(target, args, kwargs, self._node))
        except (TypeError, AttributeError, RuntimeError, IndexError) as error:
            # A rule fails here or inside torch for a form of its operation that it lacks.
            raise NoRealForm(self._node) from error
        return _in_dtype(value, self._node.meta["val"])

    def _part_of_view(self) -> Tensor | None:
        """Return the real or imaginary part if this node selects it from a view as real numbers."""
        node = self._node
        if node.target is not _aten.select.int:
            return None
        source, dim, index = node.args
        assert isinstance(source, fx.Node)
        if source.target is not _aten.view_as_real.default:
            return None
        inner = self.env[source.args[0]]  # type: ignore[index]
        if not isinstance(inner, Complex) or dim not in (-1, inner.some_part.dim()):
            return None
        return inner.filled()[index]  # type: ignore[index]


# Strides differ from those of the trace, so a view may be impossible: reshape instead.
_RESHAPES = {
    _aten.view.default: _aten.reshape.default,
    _aten._unsafe_view.default: _aten.reshape.default,
}


class NoRealForm(Exception):  # noqa: N818
    """An operation on complex numbers has no rule; `node` is where it stands in the graph."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__(str(node.target))
        self.node = node


def _is_complex(value: Any) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.is_complex() for leaf in leaves_of(value))


def _leaves(tree: Any) -> list[Any]:
    return leaves_of(tree, is_leaf=lambda leaf: isinstance(leaf, Complex))


def _as_real(z: Complex) -> Tensor:
    """Return both parts side by side on a new last axis."""
    return torch.stack(z.filled(), -1)


def _flat(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments with two real tensors for each complex one in a list."""
    return tuple(
        [part for leaf in arg for part in (leaf.filled() if isinstance(leaf, Complex) else [leaf])]
        if isinstance(arg, list | tuple)
        else arg
        for arg in args
    )


def _in_dtype(value: Any, traced: Any) -> Any:
    """Return a result in the precision of the same node in the trace."""
    if isinstance(value, list | tuple):
        return [_in_dtype(one, seen) for one, seen in zip(value, traced, strict=True)]
    if not isinstance(traced, Tensor):
        return value
    dtype = traced.dtype.to_real() if isinstance(value, Complex) else traced.dtype
    if isinstance(value, Complex):
        return Complex(_as(value.real, dtype), _as(value.imaginary, dtype))
    return _as(value, dtype)


def _as(part: Any, dtype: torch.dtype) -> Any:
    return part.to(dtype) if isinstance(part, Tensor) and part.dtype != dtype else part


@dataclass(frozen=True)
class _Call:
    """One operation of the traced graph with `Complex` among its arguments."""

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    node: fx.Node

    def arg(self, index: int, default: Any = None) -> Any:
        return self.args[index] if index < len(self.args) else default


_Rule = Callable[[_Call], Any]


def _linear(*positions: int) -> _Rule:
    """Return the rule of an operation that acts on each part separately and in the same way.

    Args:
        positions: of the arguments, or lists of them, that are numbers; all others are sizes,
            indices or conditions.
    """

    def rule(call: _Call) -> Any:
        values = [leaf for at in positions for leaf in _leaves(call.arg(at))]
        both = [_one_part(call, positions, values, which) for which in (0, 1)]
        several = next((b for b in both if isinstance(b, list | tuple)), None)
        if several is None:
            return Complex(*both)
        lists = [[None] * len(several) if one is None else one for one in both]
        return [Complex(*two) for two in zip(*lists, strict=True)]

    return rule


def _one_part(call: _Call, positions: tuple[int, ...], values: list[Any], which: int) -> Any:
    """Run a linear operation on one part of its arguments; None if all are zero."""
    if all(parts(value)[which] is None for value in values if value is not None):
        return None
    dtype = _dtype_of(call.node)

    def chosen(value: Any) -> Any:
        part = parts(value)[which]
        if part is not None:
            return _as(part, dtype)
        whole = value.some_part if isinstance(value, Complex) else value
        return torch.zeros_like(whole, dtype=dtype) if isinstance(whole, Tensor) else 0.0

    args = [
        map_leaves(chosen, arg, is_leaf=lambda leaf: isinstance(leaf, Complex))
        if at in positions and arg is not None
        else arg
        for at, arg in enumerate(call.args)
    ]
    kwargs = dict(call.kwargs)
    if "dtype" in kwargs:
        kwargs["dtype"] = dtype
    return call.target(*args, **kwargs)


def _dtype_of(node: fx.Node) -> torch.dtype:
    first = next(leaf for leaf in leaves_of(node.meta["val"]) if isinstance(leaf, Tensor))
    return first.dtype.to_real()


def _unary(function: Callable[[Any], Any]) -> _Rule:
    """Return the rule of a function of one complex number."""
    return lambda call: function(call.args[0])


def _binary(function: Callable[[Any, Any], Any]) -> _Rule:
    """Return the rule of a function of two numbers, either of them complex."""
    return lambda call: function(call.args[0], call.args[1])


def _add(sign: int, *, swapped: bool = False) -> _Rule:
    """Return the rule of a sum with a scaled second argument."""

    def rule(call: _Call) -> Complex:
        left, right = call.args[:2]
        factor = call.kwargs.get("alpha", call.arg(2, 1)) * sign
        scaled = pairs.negative(right) if factor == -1 else pairs.product(right, factor)
        return pairs.total(*((scaled, left) if swapped else (left, scaled)))

    return rule


def _rsub(call: _Call) -> Complex:
    left, right = call.args[:2]
    return pairs.total(right, pairs.product(left, -call.kwargs.get("alpha", call.arg(2, 1))))


def _addcmul(call: _Call) -> Complex:
    start, left, right = call.args[:3]
    scaled = pairs.product(pairs.product(left, right), call.kwargs.get("value", 1))
    return pairs.total(start, scaled)


def _addcdiv(call: _Call) -> Complex:
    start, above, below = call.args[:3]
    scaled = pairs.product(pairs.quotient(above, below), call.kwargs.get("value", 1))
    return pairs.total(start, scaled)


def _matmul(call: _Call) -> Complex:
    return _product_of(call.args[0], call.args[1], call.target)


def _product_of(left: Any, right: Any, target: Any) -> Complex:
    """Return a product of matrices or vectors, real numbers in the precision of the other."""
    either = [next(p for p in parts(a) if p is not None) for a in (left, right)]
    wide = torch.promote_types(either[0].dtype, either[1].dtype)

    def multiply(a: Tensor, b: Tensor) -> Any:
        return target(_as(a, wide), _as(b, wide))

    return pairs.product(left, right, multiply)


def _vdot(call: _Call) -> Complex:
    return _product_of(pairs.conjugate(call.args[0]), call.args[1], _aten.dot.default)


def _addmm(target: Any) -> _Rule:
    """Return the rule of `beta start + alpha left @ right`."""

    def rule(call: _Call) -> Complex:
        start, left, right = call.args[:3]
        inner = _product_of(left, right, target)
        return pairs.total(
            pairs.product(start, call.kwargs.get("beta", 1)),
            pairs.product(inner, call.kwargs.get("alpha", 1)),
        )

    return rule


def _to_copy(call: _Call) -> Any:
    """A cast; a complex tensor cast to a real dtype keeps its real part."""
    real, imaginary = parts(call.args[0])
    dtype = call.node.meta["val"].dtype
    if dtype.is_complex:
        return Complex(_as(real, dtype.to_real()), _as(imaginary, dtype.to_real()))
    if dtype == torch.bool:
        return pairs.modulus(call.args[0]) != 0
    return _as(call.args[0].filled()[0], dtype)


def _copy(call: _Call) -> Any:
    """The second argument in the shape of the first; ONNX would leave it in its own shape."""
    target, source = call.args[:2]
    shape = (target.some_part if isinstance(target, Complex) else target).shape
    wide = Complex(*(None if part is None else part.expand(shape) for part in parts(source)))
    return wide if call.node.meta["val"].is_complex() else wide.filled()[0]


def _create(fill: int | None = None) -> _Rule:
    """Return the rule of an operation that makes a tensor, filled with the argument at `fill`."""

    def rule(call: _Call) -> Complex:
        traced = call.node.meta["val"]
        kwargs = {**call.kwargs, "dtype": traced.dtype.to_real()}
        args = [arg.some_part if isinstance(arg, Complex) else arg for arg in call.args]
        if fill is None:
            return Complex(call.target(*args, **kwargs), None)
        numbers = parts(args[fill])

        def part(number: Any) -> Any:
            filled = [*args[:fill], number, *args[fill + 1 :]]
            return None if number is None else call.target(*filled, **kwargs)

        return Complex(part(numbers[0]), part(numbers[1]))

    return rule


def _complex(call: _Call) -> Complex:
    return pair(call.args[0], call.args[1])


def _polar(call: _Call) -> Complex:
    length, turn = call.args
    return pair(length * torch.cos(turn), length * torch.sin(turn))


def _view_as_complex(call: _Call) -> Complex:
    value = call.args[0]
    return Complex(value.select(-1, 0), value.select(-1, 1))


def _of_modulus(call: _Call) -> Any:
    """The rule of operations that depend on the modulus only, such as norms."""
    return call.target(pairs.modulus(call.args[0]), *call.args[1:], **call.kwargs)


def _equal(call: _Call) -> Tensor:
    (a, b), (c, d) = (_filled(value) for value in call.args)
    return torch.logical_and(torch.eq(a, c), torch.eq(b, d))


def _filled(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Complex):
        return value.filled()
    number = complex(value) if isinstance(value, complex) else value
    real, imaginary = parts(number)
    return (0.0 if real is None else real), (0.0 if imaginary is None else imaginary)


def _either(call: _Call) -> Tensor:
    """The rule of elementwise tests that are true if they are true for either part."""
    rest, kwargs = call.args[1:], call.kwargs
    both = [call.target(p, *rest, **kwargs) for p in parts(call.args[0]) if p is not None]
    return both[0] if len(both) == 1 else torch.logical_or(*both)


def _prod(call: _Call) -> Complex:
    """The product over an axis, or over all elements."""
    z = call.args[0]
    if overload_of(call.target) == "default":
        factors, keeps, dim = _unbound(_reshaped(z, [-1]), 0), False, 0
    else:
        dim, keeps = call.args[1], call.arg(2, False)
        factors = _unbound(z, dim)
    result = factors[0]
    for factor in factors[1:]:
        result = pairs.product(result, factor)
    if keeps:
        result = Complex(*(None if p is None else p.unsqueeze(dim) for p in parts(result)))
    return result


def _unbound(z: Complex, dim: int) -> list[Complex]:
    length = z.some_part.shape[dim]
    both = [[None] * length if part is None else part.unbind(dim) for part in parts(z)]
    return [Complex(*two) for two in zip(*both, strict=True)]


def _reshaped(z: Complex, shape: list[int]) -> Complex:
    return Complex(*(None if part is None else part.reshape(shape) for part in parts(z)))


def _variance(call: _Call) -> Tensor:
    """The variance, which is the sum of the variances of both parts."""
    rest, kwargs = call.args[1:], call.kwargs
    both = [call.target(p, *rest, **kwargs) for p in parts(call.args[0]) if p is not None]
    result: Tensor = both[0] if len(both) == 1 else both[0] + both[1]
    return result


_VARIANCE_OF = {
    _aten.std.default: _aten.var.default,
    _aten.std.dim: _aten.var.dim,
    _aten.std.correction: _aten.var.correction,
}


def _deviation(call: _Call) -> Tensor:
    """The standard deviation, the root of the variance."""
    return _variance(replace(call, target=_VARIANCE_OF[call.target])).sqrt()


def _transform(call: _Call) -> Complex:
    z, axes, norm, forward = call.args
    return fourier.transform(z, axes, norm, forward=forward)


def _transform_real(call: _Call) -> Complex:
    x, axes, norm, onesided = call.args
    return fourier.transform_real(x, axes, norm, onesided=onesided)


def _transform_to_real(call: _Call) -> Tensor:
    return fourier.transform_to_real(*call.args)


def _size(call: _Call) -> Any:
    """The rule of operations that use the shape only."""
    return call.target(call.args[0].some_part, *call.args[1:])


def _table(*groups: tuple[_Rule, str]) -> dict[Any, _Rule]:
    """Return the rules by operator, from names of aten operators separated by blanks."""
    return {getattr(_aten, name): rule for rule, names in groups for name in names.split()}


_RULES: dict[Any, _Rule] = _table(
    (
        _linear(0),
        "reshape squeeze unsqueeze flatten unflatten expand repeat permute "
        "transpose t select slice unbind split split_with_sizes chunk flip roll clone alias "
        "detach contiguous lift_fresh_copy lift_fresh diagonal diagonal_copy diag_embed unfold "
        "index index_select gather sum mean cumsum neg _neg_view positive tril triu trace movedim",
    ),
    (_copy, "copy"),
    (_linear(0, 1), "select_scatter slice_scatter diagonal_scatter"),
    (_linear(0, 2), "masked_fill index_put constant_pad_nd"),
    (_linear(0, 3), "scatter scatter_add index_add"),
    (_linear(1, 2), "where"),
    (_linear(0), "cat stack"),
    (_add(1), "add"),
    (_add(-1), "sub"),
    (_rsub, "rsub"),
    (_binary(pairs.product), "mul"),
    (_binary(pairs.quotient), "div true_divide"),
    (_binary(pairs.power), "pow"),
    (_addcmul, "addcmul"),
    (_addcdiv, "addcdiv"),
    (_unary(pairs.conjugate), "_conj conj conj_physical _conj_physical"),
    (_unary(lambda z: z), "resolve_conj resolve_neg"),
    (_unary(pairs.modulus), "abs"),
    (_unary(pairs.angle), "angle"),
    (_unary(pairs.exp), "exp"),
    (_unary(pairs.log), "log"),
    (_unary(pairs.sqrt), "sqrt"),
    (_unary(lambda z: pairs.quotient(1.0, pairs.sqrt(z))), "rsqrt"),
    (_unary(lambda z: pairs.quotient(1.0, z)), "reciprocal"),
    (_unary(lambda z: pairs.product(z, z)), "square"),
    (_unary(pairs.sgn), "sgn"),
    (_unary(pairs.sin), "sin"),
    (_unary(pairs.cos), "cos"),
    (_unary(pairs.sinh), "sinh"),
    (_unary(pairs.cosh), "cosh"),
    (_unary(lambda z: pairs.quotient(pairs.sinh(z), pairs.cosh(z))), "tanh"),
    (_unary(lambda z: pairs.quotient(pairs.sin(z), pairs.cos(z))), "tan"),
    (
        _unary(lambda z: pairs.quotient(1.0, pairs.total(pairs.exp(pairs.negative(z)), 1.0))),
        "sigmoid",
    ),
    (_unary(lambda z: z.filled()[0]), "real"),
    (_unary(lambda z: z.filled()[1]), "imag"),
    (_unary(_as_real), "view_as_real"),
    (_unary(pairs.matrix_exp), "linalg_matrix_exp matrix_exp"),
    (_view_as_complex, "view_as_complex"),
    (_complex, "complex"),
    (_polar, "polar"),
    (_to_copy, "_to_copy"),
    (_matmul, "mm bmm mv dot matmul"),
    (_vdot, "vdot"),
    (_addmm(_aten.mm.default), "addmm"),
    (_addmm(_aten.bmm.default), "baddbmm"),
    (_addmm(_aten.mv.default), "addmv"),
    (_of_modulus, "linalg_vector_norm norm"),
    (_equal, "eq"),
    (lambda call: torch.logical_not(_equal(call)), "ne"),
    (_either, "isnan isinf any"),
    (_prod, "prod"),
    (_variance, "var"),
    (_deviation, "std"),
    (_transform, "_fft_c2c"),
    (_transform_real, "_fft_r2c"),
    (_transform_to_real, "_fft_c2r"),
    (
        _create(),
        "zeros ones empty eye zeros_like ones_like empty_like new_zeros new_ones new_empty",
    ),
    (_create(0), "scalar_tensor"),
    (_create(1), "full full_like"),
    (_create(2), "new_full"),
    (_size, "sym_size sym_numel sym_stride size numel"),
)
