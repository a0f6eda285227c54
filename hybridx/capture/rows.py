"""A graph traced for one row, run on a batch: each operation learns to carry a leading axis.

A model that loops over its batch in Python cannot be traced with an open batch, but it can at one
row, where the loop runs once. Run on tensors that hold one value of the traced graph for each
row, that graph is the whole model again, at any batch size. `torch.vmap` does the same in
principle; under `torch.export` several of its rules fix the batch size (seen in 2.13).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from hybridx.capture.opaque import CIRCUIT_OP, QNODE_OP, call_on_rows
from hybridx.capture.wide import DECOMPOSITIONS
from hybridx.errors import CaptureError

_aten = torch.ops.aten


class NoRowRule(Exception):  # noqa: N818
    """An operation cannot be carried over to a batch; the text names it."""


@dataclass(frozen=True)
class Rows:
    """The values of a traced tensor in all rows.

    Attributes:
        stored: shape `(rows, *shape)`, where `shape` is that of the tensor in one row.
        is_batch: the first axis of `shape` has length 1 and is left out of `stored`: it is the
            batch axis of the traced model, and `stored` is what the model itself would hold.
    """

    stored: Tensor
    is_batch: bool = False

    @property
    def value(self) -> Tensor:
        """Shape `(rows, *shape)`."""
        return self.stored.unsqueeze(1) if self.is_batch else self.stored

    @property
    def rank(self) -> int:
        """The number of axes in one row."""
        return self.stored.dim() if self.is_batch else self.stored.dim() - 1


class RowInterpreter(fx.Interpreter):
    """Runs a graph whose inputs may be `Rows`; what depends on them is `Rows` as well."""

    def __init__(self, module: fx.GraphModule, rows: int | torch.SymInt) -> None:
        super().__init__(module)
        self._rows = rows
        self._node: fx.Node

    def run_node(self, n: fx.Node) -> Any:
        """Remember which node is run: rules look up the shapes of the trace."""
        self._node = n
        return super().run_node(n)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation, by its rule if an argument is `Rows`."""
        if not any(isinstance(leaf, Rows) for leaf in _leaves((args, kwargs))):
            return super().call_function(target, args, kwargs)
        if target is operator.getitem:
            return args[0][args[1]]
        packet = getattr(target, "overloadpacket", target)
        rule = _RULES.get(packet)
        if rule is None and isinstance(target, torch._ops.OpOverload):
            rule = _pointwise if torch.Tag.pointwise in target.tags else _by_vmap
        if rule is None:
            raise NoRowRule(str(target))
        call = _Call(target, args, kwargs, self._node, self._rows)
        try:
            if _is_along_batch(call):
                return _along_batch(call)
            return pytree.tree_map(_wrapped, rule(call), is_leaf=_is_rows)
        except (NoRowRule, CaptureError):
            raise
        except Exception as error:
            # A rule that meets a form it does not know fails inside torch, in any way.
            raise NoRowRule(f"{target} ({error})") from error


def _spread(argument: Any, rows: int | torch.SymInt) -> Tensor:
    """Return an argument with a row axis, also where all rows share it."""
    if isinstance(argument, Rows):
        return argument.value
    return argument.unsqueeze(0).expand(rows, *argument.shape)  # type: ignore[no-any-return]


def _wrapped(leaf: Any) -> Any:
    return Rows(leaf) if isinstance(leaf, Tensor) else leaf


def _is_rows(leaf: Any) -> bool:
    return isinstance(leaf, Rows)


def _leaves(tree: Any) -> list[Any]:
    return pytree.tree_leaves(tree, is_leaf=_is_rows)


@dataclass(frozen=True)
class _Call:
    """One operation of the traced graph with the arguments of all rows."""

    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    node: fx.Node
    rows: int | torch.SymInt

    def arg(self, index: int, default: Any = None) -> Any:
        return self.args[index] if index < len(self.args) else default

    def rank(self, index: int) -> int:
        argument = self.args[index]
        return argument.rank if isinstance(argument, Rows) else argument.dim()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result in one row."""
        return tuple(self.node.meta["val"].shape)

    def spread(self, argument: Any) -> Tensor:
        """Return an argument with a row axis, also where all rows share it."""
        return _spread(argument, self.rows)

    def alone(self, *indices: int) -> None:
        """Demand that these arguments are shared by all rows."""
        for index in indices:
            if any(isinstance(leaf, Rows) for leaf in _leaves(self.arg(index))):
                raise NoRowRule(f"{self.target} with argument {index} from the data")


def _is_along_batch(call: _Call) -> bool:
    """True if an operation can be left as it is: the row axis takes the place of the batch axis."""
    packet = getattr(call.target, "overloadpacket", call.target)
    is_pointwise = torch.Tag.pointwise in getattr(call.target, "tags", ())
    if packet not in _ALONG_BATCH and not is_pointwise:
        return False
    leaves = _leaves((call.args, call.kwargs))
    if not all(leaf.is_batch for leaf in leaves if isinstance(leaf, Rows)):
        return False
    ranks = {leaf.rank for leaf in leaves if isinstance(leaf, Rows)}
    rank = max(ranks)
    others = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if is_pointwise:
        fits = all(other.dim() < rank or other.shape[0] == 1 for other in others)
        return len(ranks) == 1 and rank > 0 and fits
    return _ALONG_BATCH[packet](call, rank)


def _along_batch(call: _Call) -> Any:
    def plain(leaf: Any) -> Any:
        return leaf.stored if isinstance(leaf, Rows) else leaf

    args, kwargs = pytree.tree_map(plain, (call.args, call.kwargs), is_leaf=_is_rows)
    result = call.target(*args, **kwargs)
    return pytree.tree_map(
        lambda leaf: Rows(leaf, is_batch=True) if isinstance(leaf, Tensor) else leaf, result
    )


def _off_axis(position: int) -> Callable[[_Call, int], bool]:
    """Return whether the axes at an argument's position spare the first; none means all."""

    def spares(call: _Call, rank: int) -> bool:
        axes = call.kwargs.get("dim", call.arg(position))
        several = axes if isinstance(axes, list | tuple) else [axes]
        return bool(several) and all(axis is not None and axis % rank for axis in several)

    return spares


def _data_first(call: _Call, rank: int) -> bool:
    """Return whether only the first argument comes from the data."""
    return not any(isinstance(leaf, Rows) for leaf in _leaves((call.args[1:], call.kwargs)))


def _with_batch(core: int) -> Callable[[_Call, int], bool]:
    """Return whether a tensor has a batch axis before `core` others, as the operation wants it."""
    return lambda call, rank: rank == core + 1 and _data_first(call, rank)


def _pad_rank(rows: Rows, rank: int) -> Tensor:
    """Return the rows with axes of length 1 behind the row axis, up to a rank in each row."""
    value = rows.value
    for _ in range(rank - rows.rank):
        value = value.unsqueeze(1)
    return value


def _pointwise(call: _Call) -> Any:
    leaves = _leaves((call.args, call.kwargs))
    rank = max(
        leaf.rank if isinstance(leaf, Rows) else leaf.dim()
        for leaf in leaves
        if isinstance(leaf, Rows | Tensor)
    )

    def aligned(leaf: Any) -> Any:
        return _pad_rank(leaf, rank) if isinstance(leaf, Rows) else leaf

    args, kwargs = pytree.tree_map(aligned, (call.args, call.kwargs), is_leaf=_is_rows)
    result = call.target(*args, **kwargs)
    # A tensor without axes does not widen a dtype; with a row axis it would.
    traced = call.node.meta["val"]
    return _as(result, traced.dtype) if isinstance(traced, Tensor) else result


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    # A cast to the same dtype would still be a node.
    return value if value.dtype == dtype else value.to(dtype)


def _same(call: _Call) -> Any:
    """For operations on the first argument alone that never look at an axis."""
    return call.target(call.args[0].value, *call.args[1:], **call.kwargs)


def _reshape(call: _Call) -> Rows:
    """For everything that keeps the order of the elements."""
    stored, shape = call.args[0].stored, call.shape
    is_batch = shape[:1] == (1,)
    kept = shape[1:] if is_batch else shape
    # Without a change there is no node.
    same = tuple(stored.shape[1:]) == kept
    return Rows(stored if same else stored.reshape(call.rows, *kept), is_batch)


def _select(call: _Call) -> Any:
    source, axis = call.args[:2]
    if isinstance(source, Rows) and source.is_batch and axis % source.rank == 0:
        return Rows(source.stored)
    return _axis_at(1)(call)


def _slice(call: _Call) -> Any:
    source, axis = call.args[0], call.arg(1, 0)
    if source.is_batch and axis % source.rank == 0 and call.shape[0] == 1:
        return source
    return _axis_at(1)(call)


def _unbind(call: _Call) -> Any:
    source, axis = call.args[0], call.arg(1, 0)
    if source.is_batch and axis % source.rank == 0:
        return [Rows(source.stored)]
    return _axis_at(1)(call)


def _expand(call: _Call) -> Tensor:
    shape = call.shape
    return _pad_rank(call.args[0], len(shape)).expand(call.rows, *shape)


def _copy(call: _Call) -> Tensor:
    """The second argument in the shape and dtype of the first."""
    source, shape = call.args[1], call.shape
    if not isinstance(source, Rows):
        source = Rows(call.spread(source))
    wide = _pad_rank(source, len(shape)).expand(call.rows, *shape)
    return _as(wide, call.node.meta["val"].dtype)


def _repeat(call: _Call) -> Tensor:
    repeats = call.args[1]
    return _pad_rank(call.args[0], len(repeats)).repeat(1, *repeats)


def _permute(call: _Call) -> Tensor:
    rank = call.rank(0)
    value: Tensor = call.args[0].value
    return value.permute(0, *(d % rank + 1 for d in call.args[1]))


def _transpose(call: _Call) -> Tensor:
    rank = call.rank(0)
    first, second = call.args[1:] if len(call.args) == 3 else (0, 1)
    if rank < 2:
        return call.args[0].value  # type: ignore[no-any-return]
    return call.args[0].value.transpose(first % rank + 1, second % rank + 1)  # type: ignore[no-any-return]


def _axis_at(position: int, default: Any = 0) -> Callable[[_Call], Any]:
    """Return the rule of an operation whose axis, or axes, are the argument at `position`."""

    def rule(call: _Call) -> Any:
        call.alone(*range(1, len(call.args)))
        rank = call.rank(0)
        args = list(call.args)
        args[0] = args[0].value
        kwargs = dict(call.kwargs)
        axis = kwargs.pop("dim", args[position] if position < len(args) else default)
        if rank == 0:
            # A number counts as a vector of one element, wherever torch wants an axis.
            args[0] = args[0].unsqueeze(1)
        every = list(range(max(rank, 1)))
        if axis is None or axis == []:
            axis = every
        if isinstance(axis, list | tuple):
            shifted: Any = [d % max(rank, 1) + 1 for d in axis]
        else:
            shifted = axis % max(rank, 1) + 1
        if position < len(args):
            args[position] = shifted
        else:
            kwargs[call.target._schema.arguments[position].name] = shifted
        result = call.target(*args, **kwargs)
        if rank == 0:
            return pytree.tree_map(lambda leaf: leaf.reshape(call.rows), result)
        return result

    return rule


def _over_everything(packet: Any) -> Callable[[_Call], Tensor]:
    """Return the rule of a reduction to a number: `packet` reduces the last axis instead."""

    def rule(call: _Call) -> Tensor:
        flat = call.args[0].value.reshape(call.rows, -1)
        result: Tensor = packet(flat, 1, **call.kwargs)
        return result

    return rule


def _reduction(over_all: Any, position: int = 1, default: Any = None) -> Callable[[_Call], Any]:
    """Return the rule of an operation that has a form with axes and one without."""
    with_axes, without = _axis_at(position, default), _over_everything(over_all)

    def rule(call: _Call) -> Any:
        name = call.target._overloadname
        return without(call) if name == "default" and len(call.args) == 1 else with_axes(call)

    return rule


def _cat(call: _Call) -> Any:
    tensors = [t for t in call.args[0] if isinstance(t, Rows) or t.shape != (0,)]
    if len(tensors) == 1:
        return tensors[0]
    rank = len(call.shape)
    dim = call.kwargs.get("dim", call.arg(1, 0)) % rank + 1
    dtype = call.node.meta["val"].dtype
    return torch.cat([_as(call.spread(t), dtype) for t in tensors], dim)


def _stack(call: _Call) -> Any:
    dim = call.kwargs.get("dim", call.arg(1, 0)) % len(call.shape) + 1
    if dim == 1 and len(call.args[0]) == 1:
        return Rows(call.spread(call.args[0][0]), is_batch=True)
    return torch.stack([call.spread(t) for t in call.args[0]], dim)


def _matmul(call: _Call) -> Tensor:
    return _product(call.args[0], call.args[1])


def _product(left: Rows | Tensor, right: Rows | Tensor) -> Tensor:
    """Return `left @ right` of two matrices, stacks of matrices, or a matrix and a vector."""
    right_rank = right.rank if isinstance(right, Rows) else right.dim()
    if isinstance(left, Rows) and not isinstance(right, Rows) and left.rank == right_rank == 2:
        # One matrix for all rows: a single product of two matrices, not a stack of them.
        rows, count, width = left.value.shape
        return (left.value.reshape(-1, width) @ right).reshape(rows, count, right.shape[1])
    if right_rank == 1:
        column = right.value if isinstance(right, Rows) else right
        return (_value(left) @ column.unsqueeze(-1)).squeeze(-1)
    return _value(left) @ _value(right)


def _value(argument: Rows | Tensor) -> Tensor:
    return argument.value if isinstance(argument, Rows) else argument


def _addmm(call: _Call) -> Tensor:
    bias, left, right = call.args[:3]
    scaled = call.kwargs.get("beta", 1) != 1 or call.kwargs.get("alpha", 1) != 1
    shared = not isinstance(bias, Rows) and not isinstance(right, Rows) and isinstance(left, Rows)
    if shared and not scaled:
        rows, count, width = left.value.shape
        flat = torch.addmm(bias, left.value.reshape(-1, width), right)
        return flat.reshape(rows, count, right.shape[1])
    product = _product(left, right) * call.kwargs.get("alpha", 1)
    added = _pad_rank(bias, 2) if isinstance(bias, Rows) else bias
    result: Tensor = product + added * call.kwargs.get("beta", 1)
    return result


def _linear(call: _Call) -> Tensor:
    call.alone(1, 2)
    return torch.nn.functional.linear(call.args[0].value, *call.args[1:])


def _dot(call: _Call) -> Tensor:
    return (_value(call.args[0]) * _value(call.args[1])).sum(-1)


def _folded(core: int) -> Callable[[_Call], Any]:
    """Return the rule of an operation on the last `core` axes that takes one batch axis."""

    def rule(call: _Call) -> Any:
        call.alone(*range(1, len(call.args)))
        value = call.args[0].value
        lead = call.rank(0) - core
        flat = value.reshape(-1, *value.shape[1 + lead :])
        result = call.target(flat, *call.args[1:], **call.kwargs)
        inner = call.args[0].value.shape[1 : 1 + lead]
        return pytree.tree_map(
            lambda leaf: leaf.reshape(call.rows, *inner, *leaf.shape[1:]), result
        )

    return rule


def _convolution(call: _Call) -> Tensor:
    stride = call.arg(3, [1])
    return _folded(1 + len(stride))(call)  # type: ignore[no-any-return]


def _batch_norm(call: _Call) -> Any:
    call.alone(1, 2, 3, 4)
    value = call.args[0].value
    output, *saved = call.target(value.flatten(0, 1), *call.args[1:], **call.kwargs)
    return output.reshape(value.shape), *saved


def _layer_norm(call: _Call) -> Any:
    call.alone(1, 2, 3)
    return call.target(call.args[0].value, *call.args[1:], **call.kwargs)


def _group_norm(call: _Call) -> Any:
    call.alone(1, 2)
    value = call.args[0].value
    flat = value.reshape(-1, *value.shape[2:])
    output, mean, spread = call.target(flat, *call.args[1:3], flat.shape[0], *call.args[4:])
    return output.reshape(value.shape), mean, spread


def _embedding(call: _Call) -> Tensor:
    call.alone(0)
    return call.target(call.args[0], call.args[1].value, *call.args[2:])  # type: ignore[no-any-return]


def _row_numbers(call: _Call, rank: int) -> Tensor:
    """Return the number of each row with `rank` further axes of length 1."""
    device = call.node.meta["val"].device
    return torch.arange(0, call.rows, device=device).reshape(-1, *[1] * rank)  # type: ignore[arg-type]


def _row_indices(call: _Call, indices: Sequence[Any]) -> list[Any]:
    """Return indices into `(rows, …)` for indices into one row."""
    if not any(isinstance(index, Rows) for index in indices):
        return [None, *indices]
    if any(index is None for index in indices):
        raise NoRowRule(f"{call.target} with indices from the data on some axes only")
    rank = max(i.rank if isinstance(i, Rows) else i.dim() for i in indices)
    numbers = _row_numbers(call, rank)
    return [numbers, *(_pad_rank(i, rank) if isinstance(i, Rows) else i for i in indices)]


def _index(call: _Call) -> Tensor:
    source, indices = call.args[:2]
    if not isinstance(source, Rows):
        # Only the indices differ: the result has their axes first.
        if indices[0] is None or any(index is None for index in indices[1:]):
            raise NoRowRule(f"{call.target} with indices from the data on some axes only")
        rank = max(i.rank if isinstance(i, Rows) else i.dim() for i in indices)
        plain = [_pad_rank(i, rank) if isinstance(i, Rows) else i for i in indices]
        return _aten.index.Tensor(source, plain)  # type: ignore[no-any-return]
    return _aten.index.Tensor(source.value, _row_indices(call, indices))  # type: ignore[no-any-return]


def _index_put(call: _Call) -> Tensor:
    target, indices, values = call.args[:3]
    accumulate = call.arg(3, False)
    at = _row_indices(call, indices)
    put = call.spread(values)
    rank = max(i.rank if isinstance(i, Rows) else i.dim() for i in indices if i is not None)
    rank += call.rank(0) - len(indices)
    if values.rank if isinstance(values, Rows) else values.dim():
        put = _pad_rank(Rows(put), rank)
    else:
        put = put.reshape(-1, *[1] * rank)
    return torch.ops.aten.index_put.default(call.spread(target), at, put, accumulate)  # type: ignore[no-any-return]


def _index_select(call: _Call) -> Tensor:
    source, dim, index = call.args[:3]
    if isinstance(index, Rows):
        if isinstance(source, Rows) or dim % source.dim():
            raise NoRowRule(f"{call.target} with an index from the data")
        return source[index.value]  # type: ignore[no-any-return]
    return _aten.index_select.default(source.value, dim % source.rank + 1, index)  # type: ignore[no-any-return]


def _spread_all(call: _Call) -> Any:
    """For operations of several tensors that share one axis, the second argument."""
    rank = max(call.rank(0), 1)
    args = [call.spread(a) if isinstance(a, Tensor | Rows) else a for a in call.args]
    args[1] = args[1] % rank + 1
    return call.target(*args, **call.kwargs)


def _scatter_slice(call: _Call) -> Tensor:
    target, source = call.spread(call.args[0]), call.spread(call.args[1])
    dim = call.arg(2, 0) % call.rank(0) + 1
    return call.target(target, source, dim, *call.args[3:], **call.kwargs)  # type: ignore[no-any-return]


def _attention(call: _Call) -> Tensor:
    leaves = [call.spread(a) if isinstance(a, Tensor | Rows) else a for a in call.args]
    return call.target(*leaves, **call.kwargs)  # type: ignore[no-any-return]


def _circuit(call: _Call) -> Tensor:
    parameters, index, width = call.args
    flat: Tensor = CIRCUIT_OP(parameters.value.flatten(0, 1), index, width)
    return flat.reshape(call.rows, *call.shape)


def _qnode(call: _Call) -> Tensor:
    angles, _, *rest = call.args
    return call_on_rows([_value(a) for a in angles], [isinstance(a, Rows) for a in angles], *rest)


def _by_vmap(call: _Call) -> Any:
    """Ask torch itself for a rule."""
    leaves, structure = pytree.tree_flatten((call.args, call.kwargs), is_leaf=_is_rows)
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, Rows)]

    def one(*values: Tensor) -> Any:
        filled = list(leaves)
        for place, value in zip(places, values, strict=True):
            filled[place] = value
        args, kwargs = pytree.tree_unflatten(filled, structure)
        return call.target(*args, **kwargs)

    return torch.vmap(one)(*(leaves[place].value for place in places))


def _table(*groups: tuple[Callable[[_Call], Any], str]) -> dict[Any, Callable[[_Call], Any]]:
    """Return rule by operator, for names of aten operators separated by blanks."""
    return {getattr(_aten, name): rule for rule, names in groups for name in names.split()}


_ALONG_BATCH: dict[Any, Callable[[_Call, int], bool]] = {
    CIRCUIT_OP.overloadpacket: lambda call, rank: rank == 2,
    **_table(
        (_off_axis(1), "select slice unbind cumsum _softmax _log_softmax softmax "
                       "log_softmax flip sum mean amax amin argmax argmin logsumexp"),
        (_off_axis(2), "split split_with_sizes linalg_vector_norm"),
        (lambda call, rank: True, "_to_copy clone alias detach"),
        (lambda call, rank: len(call.args[1]) < 2 * rank, "constant_pad_nd"),
        (lambda call, rank: len(call.args[1]) < rank and _data_first(call, rank),
         "native_layer_norm layer_norm"),
        (lambda call, rank: call.args[1][0] == 0, "permute"),
        (lambda call, rank: rank == 2 and not isinstance(call.args[1], Rows), "mm"),
        (lambda call, rank: not isinstance(call.args[0], Rows)
         and not isinstance(call.args[2], Rows) and call.args[0].dim() == 1, "addmm"),
        (lambda call, rank: rank > 1 and _data_first(call, rank), "linear"),
        (_data_first, "_native_batch_norm_legit_no_training"),
        (lambda call, rank: _with_batch(1 + len(call.args[3]))(call, rank), "convolution"),
        (_with_batch(3), "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d "
                         "adaptive_max_pool2d upsample_nearest2d upsample_bilinear2d"),
        (lambda call, rank: not isinstance(call.args[0], Rows), "embedding"),
    ),
}  # fmt: skip
"""When an operation on tensors with the batch axis of the trace may stay as it is: tests that get
the call and the greatest rank."""

_RULES: dict[Any, Callable[[_Call], Any]] = {
    QNODE_OP.overloadpacket: _qnode,
    CIRCUIT_OP.overloadpacket: _circuit,
    # `wide.py` keeps these whole in float32; not all of them carry torch's tag.
    **{target.overloadpacket: _pointwise for target in DECOMPOSITIONS},
    **_table(
        (_reshape, "view reshape _unsafe_view squeeze unsqueeze flatten unflatten"),
        (
            _same,
            "clone alias detach _to_copy contiguous lift_fresh_copy constant_pad_nd zeros_like "
            "ones_like full_like empty_like view_as_real view_as_complex real imag tril triu "
            "linalg_matrix_exp linalg_inv_ex linalg_eigh",
        ),
        (_select, "select"),
        (_slice, "slice"),
        (_unbind, "unbind"),
        (_expand, "expand"),
        (_repeat, "repeat"),
        (_copy, "copy"),
        (_permute, "permute"),
        (_transpose, "transpose t"),
        (
            _axis_at(1),
            "cumsum cumprod _softmax _log_softmax softmax log_softmax logsumexp flip",
        ),
        (_axis_at(2), "split split_with_sizes chunk roll"),
        (_axis_at(2, -1), "topk"),
        (_axis_at(1, -1), "sort"),
        (_axis_at(2, None), "linalg_vector_norm"),
        (_reduction(torch.sum), "sum"),
        (_reduction(torch.mean), "mean"),
        (_reduction(torch.prod), "prod"),
        (_reduction(torch.amax), "amax"),
        (_reduction(torch.amin), "amin"),
        (_reduction(torch.var), "var"),
        (_reduction(torch.any), "any"),
        (_reduction(torch.all), "all"),
        (_reduction(torch.argmax), "argmax"),
        (_reduction(torch.argmin), "argmin"),
        (_reduction(torch.amax), "max"),
        (_reduction(torch.amin), "min"),
        (_cat, "cat"),
        (_stack, "stack"),
        (_matmul, "mm bmm mv matmul"),
        (_addmm, "addmm"),
        (_linear, "linear"),
        (_dot, "dot"),
        (_convolution, "convolution"),
        (_batch_norm, "_native_batch_norm_legit_no_training"),
        (_layer_norm, "native_layer_norm layer_norm"),
        (_group_norm, "native_group_norm"),
        (_folded(2), "avg_pool1d adaptive_avg_pool1d"),
        (
            _folded(3),
            "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d "
            "upsample_nearest2d upsample_bilinear2d",
        ),
        (_folded(4), "max_pool3d_with_indices avg_pool3d _adaptive_avg_pool3d"),
        (_embedding, "embedding"),
        (_index, "index"),
        (_index_put, "index_put"),
        (_index_select, "index_select"),
        (_spread_all, "gather scatter scatter_add"),
        (_scatter_slice, "select_scatter slice_scatter"),
        (_attention, "scaled_dot_product_attention"),
    ),
}
