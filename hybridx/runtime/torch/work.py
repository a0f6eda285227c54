"""What a program for torch costs, found before it runs: nanoseconds of one core, and bytes.

The program runs on tensors that have shapes and no numbers. Where a shape depends on numbers, or
torch has no such form of an operator, it runs on its numbers, and each operator is estimated just
before it is called. An estimate is meant to be too large rather than too small.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from hybridx.artifact import OPERATORS
from hybridx.runtime.torch.torch_internals import Operator, as_written, shapes_only, watching
from hybridx.runtime.torch.trusting import TRUSTING

_NUMBER: Final = 2.0  # nanoseconds of one number that an operator reads or gives
_CALL: Final = 5_000.0  # nanoseconds of one operator, however small its tensors are
_PRODUCT: Final = 0.1  # of one product with its sum, in a product of matrices in float32
_PART: Final = 5_000.0  # of one of many tensors that an operator makes
_STEP: Final = 100_000.0  # of one turn of a recurrent layer
_WHOLE_ATTENTION: Final = ("scaled_dot_product_attention", "_scaled_dot_product_attention_math")


class OverError(RuntimeError):
    """A program costs more than it may."""


@dataclass(frozen=True)
class Most:
    """How much a call may cost.

    Attributes:
        nanoseconds: of one core.
        bytes: of the values that are there at one time.
    """

    nanoseconds: float
    bytes: float


class Cost:
    """What a program has cost so far, and how much it may.

    Attributes:
        nanoseconds: of one core.
        bytes: the most bytes of values that were there at one time.
        failure: of the operator that stopped the program, in its own words.
    """

    failure: Exception | None = None

    def __init__(self, most: Most, *, goes_on: bool = False) -> None:
        """Begin with nothing.

        Args:
            most: how much it may be.
            goes_on: find out how much it is, where that takes no time.
        """
        self.nanoseconds = 0.0
        self.bytes = 0
        self._kept = 0
        self._most, self._goes_on = most, goes_on

    @property
    def takes_too_long(self) -> bool:
        """Whether it is more time than it may be."""
        return self.nanoseconds > self._most.nanoseconds

    @property
    def is_too_large(self) -> bool:
        """Whether it is more memory than it may be."""
        return self.bytes > self._most.bytes

    def check(self) -> None:
        """Refuse what is too much.

        Raises:
            OverError: it is.
        """
        if self.takes_too_long or self.is_too_large:
            raise OverError

    def spend(self, nanoseconds: float, *, in_turns: bool = False) -> None:
        """Add time.

        Args:
            nanoseconds: of one core.
            in_turns: it would take long to find the shapes as well.

        Raises:
            OverError: it is too much now.
        """
        self.nanoseconds += nanoseconds
        if in_turns or not self._goes_on:
            self.check()

    def keep(self, value: Tensor) -> None:
        """Add the bytes of a new value, until it is gone.

        Raises:
            OverError: it is too much now.
        """
        size = value.numel() * value.element_size()
        self.need(size)
        self._kept += size
        weakref.finalize(value, self._free, size)

    def need(self, size: int) -> None:
        """Add bytes that are needed for a moment.

        Raises:
            OverError: it is too much now.
        """
        self.bytes = max(self.bytes, self._kept + size)
        if not self._goes_on:
            self.check()

    def _free(self, size: int) -> None:
        self._kept -= size


def count(function: Callable[..., Any], args: Sequence[Any], most: Most) -> tuple[Cost, bool]:
    """Find what a call costs without making it, and whether that is known.

    Args:
        function: a program, or a part of one.
        args: tensors, with any numbers.
        most: how much it may be.

    Returns:
        The cost, and False if the shape of a value depends on numbers, or torch cannot say it.
    """
    cost = Cost(most, goes_on=True)
    given = [shapes_only(one) for one in args]

    def begun(operator: Operator) -> None:
        _begin(operator, cost)

    def counted(operator: Operator) -> Any:
        _before(operator, cost)
        result = operator.shapes()
        _after(operator, result, cost)
        for value in tensors(result):
            if not operator.is_view:
                cost.keep(value)
        return result

    try:
        with as_written(), torch.inference_mode(), watching(counted, TRUSTING, begun):
            returned = function(*given)
        # A view may have more numbers than its bytes, and becomes an array of all.
        cost.need(sum(one.numel() * one.element_size() for one in tensors(returned)))
    except Exception:
        # torch has no class of error for an operator that has no such form.
        return cost, False
    return cost, True


def guard(function: Callable[..., Any], cost: Cost) -> Callable[..., Any]:
    """Return a function whose operators are estimated before each is called.

    Args:
        function: a program, or a part of one.
        cost: is added to; `OverError` ends the call that is too much.
    """

    def begun(operator: Operator) -> None:
        _begin(operator, cost)

    def called(operator: Operator) -> Any:
        _before(operator, cost)
        try:
            expected = operator.shapes()
        except Exception:
            # Its shape depends on numbers, or it is about to fail for a reason of its own.
            cost.need(_most_bytes_of(operator))
        else:
            if not operator.is_view:
                cost.need(sum(one.numel() * one.element_size() for one in tensors(expected)))
            _after(operator, expected, cost)
            expected = None
        try:
            result = operator.call()
        except Exception as error:
            cost.failure = error  # TorchScript keeps the class of an error and not its text
            raise
        for value in tensors(result):
            if not operator.is_view:
                cost.keep(value)
        return result

    def guarded(*args: Any) -> Any:
        with watching(called, TRUSTING, begun):
            returned = function(*args)
        cost.need(sum(one.numel() * one.element_size() for one in tensors(returned)))
        return returned

    return guarded


def _most_bytes_of(operator: Operator) -> int:
    """Return how many bytes a result of unknown shape has at most, and fill in its time."""
    given = operator.given
    lengths = {"bincount": "self", "repeat_interleave": "repeats"}.get(operator.name)
    if lengths is not None and isinstance(numbers := given.get(lengths), Tensor):
        whole = numbers.sum() if operator.name == "repeat_interleave" else numbers.max() + 1
        return 8 * int(whole) if numbers.numel() else 0
    # Indices of every number along every axis.
    return max((8 * one.numel() * max(1, one.dim()) for one in tensors(given)), default=0)


def _begin(operator: Operator, cost: Cost) -> None:
    """Add what takes as long without numbers: making many tensors, and choosing an order."""
    rule = _PARTS.get(operator.name)
    if rule is not None:
        cost.spend(_PART * rule(operator.given), in_turns=True)


def _before(operator: Operator, cost: Cost) -> None:
    """Add what an operator costs as far as its arguments say that."""
    cost.spend(_CALL)
    rule = _RULES.get(operator.name)
    if rule is not None:
        cost.spend(rule(operator.given), in_turns=rule is _recurrent)
    if rule is _factors:
        # It makes a tensor with one more axis, and two of its values.
        cost.need(16 * max(0, operator.given["p"]) * operator.given["self"].numel())
    if rule is _attention and operator.name in _WHOLE_ATTENTION:
        query, key = operator.given["query"], operator.given["key"]
        cost.need(query.element_size() * query.numel() // max(1, query.shape[-1]) * key.shape[-2])


def _after(operator: Operator, result: Any, cost: Cost) -> None:
    """Add what an operator costs for each number that it reads and writes."""
    if operator.is_view:
        return
    each = _EACH.get(operator.name, _NUMBER)
    if operator.name.startswith("special_") and operator.name not in _EACH:
        each = 300.0
    written = sum(value.numel() for value in tensors(result))
    read = max((value.numel() for value in tensors(operator.given)), default=0)
    kernel = math.prod(operator.given.get("kernel_size") or [1]) if written else 1
    cost.spend(each * max(written * abs(kernel), read))


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)


# --- time by the arguments -----------------------------------------------------------------------

_Given = Mapping[str, Any]


def _slowness(value: Tensor) -> float:
    """Return how much longer a product takes in the dtype of a tensor than in float32."""
    if value.dtype == torch.float32:
        return 1.0
    return 2.0 if value.dtype == torch.float64 else 20.0


def _products(first: str, second: str) -> Callable[[_Given], float]:
    def nanoseconds(given: _Given) -> float:
        a, b = given[first], given[second]
        columns = b.shape[-1] if b.dim() > 1 else 1
        return _PRODUCT * _slowness(a) * float(a.numel() * columns)

    return nanoseconds


def _convolution(given: _Given) -> float:
    x, weight = given["input"], given["weight"]
    per_place = weight.numel() / max(1, weight.shape[0])
    if given["transposed"]:
        return 3 * _PRODUCT * _slowness(x) * float(x.numel() * per_place)
    places = weight.shape[0] * x.shape[0]
    for size, kernel, stride, pad, dilation in zip(
        x.shape[2:],
        weight.shape[2:],
        _spread(given["stride"], x),
        _spread(given["padding"], x),
        _spread(given["dilation"], x),
        strict=False,
    ):
        places *= max(0, (size + 2 * pad - dilation * (kernel - 1) - 1) // max(1, stride) + 1)
    return 3 * _PRODUCT * _slowness(x) * float(places * per_place)


def _spread(numbers: Sequence[int], x: Tensor) -> Sequence[int]:
    return list(numbers) * (x.dim() - 2) if len(numbers) == 1 else numbers


def _decomposition(each: float) -> Callable[[_Given], float]:
    """Return a rule for what takes the cube of the length of a matrix."""

    def nanoseconds(given: _Given) -> float:
        matrices = [one for one in tensors(given) if one.dim() > 1]
        return sum(each * _slowness(m) * m.numel() * min(m.shape[-2:]) for m in matrices)

    return nanoseconds


def _recurrent(given: _Given) -> float:
    x = given.get("input", given.get("data"))
    weights = sum(one.numel() for one in tensors(given["params"]))
    assert isinstance(x, Tensor)
    rows = x.numel() / max(1, x.shape[-1])
    steps = x.shape[1 if given.get("batch_first") and x.dim() > 1 else 0]
    return 3 * _PRODUCT * _slowness(x) * rows * weights + _STEP * steps * len(given["params"]) / 4


def _sorting(given: _Given) -> float:
    return sum(
        10.0 * one.numel() * max(1.0, math.log2(max(2, one.numel()))) for one in tensors(given)
    )


def _distances(given: _Given) -> float:
    a, b = given.get("x1", given.get("self")), given.get("x2", given.get("self"))
    assert isinstance(a, Tensor)
    assert isinstance(b, Tensor)
    return 5.0 * a.numel() * (b.shape[-2] if b.dim() > 1 else 1)


def _attention(given: _Given) -> float:
    query, key = given["query"], given["key"]
    per_row = key.shape[-2] if key.dim() > 1 else 1
    return (3 * _PRODUCT * _slowness(query) * per_row + 10.0) * float(query.numel())


def _factors(given: _Given) -> float:
    return 100.0 * float(max(0, given["p"]) * given["self"].numel())


def _trilinear(given: _Given) -> float:
    return math.prod(max(1, one.numel()) for one in tensors(given))


def _members(given: _Given) -> float:
    sizes = [one.numel() for one in tensors(given)]
    return 50.0 * sum(sizes) * max(1.0, math.log2(max(2, *sizes, 2)))


_RULES: Final[Mapping[str, Callable[[_Given], float]]] = {
    **dict.fromkeys(("mm", "bmm"), _products("self", "mat2")),
    "addmm": _products("mat1", "mat2"),
    **dict.fromkeys(("baddbmm", "addbmm"), _products("batch1", "batch2")),
    "mv": _products("self", "vec"),
    "addmv": _products("mat", "vec"),
    "convolution": _convolution,
    **dict.fromkeys(
        ("lstm", "gru", "rnn_tanh", "rnn_relu"),
        _recurrent,
    ),
    **dict.fromkeys(
        ("sort", "argsort", "msort", "topk", "kthvalue", "median", "nanmedian", "mode"), _sorting
    ),
    **dict.fromkeys(("_unique2", "unique_dim", "unique_consecutive"), _sorting),
    **dict.fromkeys(("_cdist_forward", "_pdist_forward"), _distances),
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    **dict.fromkeys(_WHOLE_ATTENTION, _attention),
    "_trilinear": _trilinear,
    **dict.fromkeys(("mvlgamma", "special_multigammaln"), _factors),
    **dict.fromkeys(("isin", "searchsorted", "bucketize"), _members),
    **dict.fromkeys(("_linalg_svd", "svd", "linalg_matrix_exp", "matrix_exp"), _decomposition(4.0)),
    **dict.fromkeys(("_linalg_eigh", "linalg_eigh", "linalg_eigvalsh"), _decomposition(2.0)),
    **dict.fromkeys(
        sorted(
            one
            for one in OPERATORS
            if one.lstrip("_").startswith(("linalg_", "cholesky", "triangular_solve"))
            and one.lstrip("_") not in ("linalg_svd", "linalg_eigh", "linalg_matrix_exp")
            and one not in ("linalg_vector_norm", "linalg_cross", "linalg_vecdot")
        ),
        _decomposition(0.3),
    ),
}


# --- how many tensors an operator makes -----------------------------------------------------------


def _along(given: _Given) -> float:
    x, dim = given["self"], given.get("dim") or 0
    return float(x.shape[dim]) if -x.dim() <= dim < x.dim() else 0.0


def _sections(given: _Given) -> float:
    named = (given.get(key) for key in ("sections", "chunks", "r", "indices", "split_sizes"))
    found = next((one for one in named if one is not None), 0)
    if isinstance(found, Tensor):
        return float(found.numel())  # the rest of it depends on numbers
    return float(len(found) if isinstance(found, list | tuple) else found)


def _pieces(given: _Given) -> float:
    size = given.get("split_size", 1)
    if isinstance(size, list | tuple):
        return float(len(size))
    return _along(given) / max(1.0, float(size))


def _orders(given: _Given) -> float:
    return float(len(given.get("tensors", given.get("matrices", ()))) ** 3)


_PARTS: Final[Mapping[str, Callable[[_Given], float]]] = {
    **dict.fromkeys(("unbind", "unbind_copy"), _along),
    **dict.fromkeys(("split", "unsafe_split"), _pieces),
    **dict.fromkeys(("chunk", "unsafe_chunk", "tensor_split", "combinations"), _sections),
    **dict.fromkeys(("hsplit", "vsplit", "dsplit"), _sections),
    **dict.fromkeys(("linalg_multi_dot", "chain_matmul"), _orders),
}

# --- nanoseconds of each number, where they are more than a sum takes ----------------------------

_EACH: Final[Mapping[str, float]] = {
    **dict.fromkeys(
        ("cos", "sin", "exp", "log", "tanh", "sigmoid", "silu", "sqrt", "rsqrt", "_softmax"), 4.0
    ),
    **dict.fromkeys(("_log_softmax", "native_layer_norm", "native_group_norm", "log_sigmoid"), 5.0),
    **dict.fromkeys(("exp2", "expm1", "log10", "log1p", "log2", "erf", "erfc", "gelu"), 10.0),
    **dict.fromkeys(("index", "index_select", "gather", "embedding", "scatter", "take"), 5.0),
    **dict.fromkeys(("index_put", "index_add", "scatter_add", "scatter_reduce"), 20.0),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "_logcumsumexp", "prod"), 20.0),
    **dict.fromkeys(("tan", "sinh", "cosh", "asin", "acos", "atan", "atan2", "logit"), 20.0),
    **dict.fromkeys(("asinh", "acosh", "atanh", "hypot", "logaddexp", "logaddexp2", "mish"), 30.0),
    **dict.fromkeys(("pow", "fmod", "remainder", "gcd", "lcm", "xlogy", "nextafter"), 30.0),
    "renorm": 10.0,
    **dict.fromkeys(("sinc", "sgn", "softplus", "elu", "selu", "celu", "angle", "ldexp"), 20.0),
    **dict.fromkeys(("erfinv", "lgamma", "digamma", "i0"), 100.0),
    **dict.fromkeys(("polygamma", "igamma", "igammac", "special_zeta", "mvlgamma"), 2_000.0),
    **dict.fromkeys(
        (
            *(
                "grid_sampler_2d",
                "grid_sampler_3d",
                "upsample_bicubic2d",
                "_upsample_bilinear2d_aa",
            ),
            *("upsample_bilinear2d", "upsample_trilinear3d", "upsample_linear1d", "histc"),
        ),
        50.0,
    ),
    **dict.fromkeys(("nonzero", "argwhere", "masked_select", "masked_scatter", "bincount"), 20.0),
}
