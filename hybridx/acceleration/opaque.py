"""A QNode call under `torch.compile`: one operator, which torch does not look into.

torch traces a model once and keeps the graph. What a quantum function reads of Python may change
after that, so the graph makes the whole call again each time:

    hybridx::call(Tensor[] tensors, str function) -> Tensor[]

`function` names a `Function` of this process: a call of one QNode, or what was derived from one.
The derivative of a function is another function, so that torch may differentiate and vectorize a
call any number of times while it traces.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import torch
from torch import Tensor

from hybridx.acceleration.calls import Calls, Compiled, Found, Stays
from hybridx.acceleration.comparison import has_slopes
from hybridx.capture import (
    Arguments,
    as_one_call,
    differentiable,
    example_like,
    flatten,
    outside_transforms,
    unflatten,
)
from hybridx.errors import CompiledCallChangedError


class Site:
    """A QNode as a constant of a traced graph.

    Args:
        qnode: that is called.
        calls: what is known of its calls.

    Attributes:
        functions: the traced calls, by what is told apart while tracing.
    """

    def __init__(self, qnode: Any, calls: Calls) -> None:
        self._qnode = weakref.ref(qnode)
        self.calls = calls
        self.functions: dict[Any, _Call] = {}

    # torch compares the constants of a graph.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a call of the QNode."""
        return self.calls.call(self._qnode(), args, kwargs)

    def find(self, given: Arguments, live: int) -> Found:
        """Return what is done for a call of the QNode, and the inputs of a compiled one.

        Raises:
            CompiledCallChangedError: it reads other tensors than those that torch.compile passes.
        """
        passed = self.calls.live
        known, inputs = self.calls.find(self._qnode(), *given.call)
        read = inputs[len(given.tensors) :]
        is_same = len(passed) == len(read) == live
        if not is_same or any(one is not two for one, two in zip(passed, read, strict=True)):
            raise CompiledCallChangedError(self.calls.layer)
        return known, inputs


@as_one_call(Site)
def call_in_graph(
    site: Site, live: tuple[Tensor, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Answer a QNode call in a function that torch compiles.

    Args:
        site: the QNode.
        live: the tensors that it reads other than as arguments.
        args: by position.
        kwargs: by name.
    """
    if not torch.compiler.is_compiling():  # a backend that runs the traced graph as it is
        return site.call(*args, **kwargs)
    given = Arguments(args, kwargs)
    function = _call_of(site, given, live)
    results = _Opaque.apply(function, *given.tensors, *live)  # type: ignore[no-untyped-call]
    return unflatten(list(results), function.structure)


class Function:
    """From tensors to tensors, by a name that stands in traced graphs.

    Args:
        name: of no other function of this process.
        takes: how many tensors.
        gives: how many results.
    """

    def __init__(self, name: str, takes: int, gives: int) -> None:
        self.name, self.takes, self.gives = name, takes, gives
        self._derived: dict[Any, Function] = {}
        _FUNCTIONS[name] = self

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the results, which torch can differentiate."""
        raise NotImplementedError

    def evaluate(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the results as numbers only."""
        return self.run(tensors)

    def like_results(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return tensors of zeros like the results."""
        raise NotImplementedError

    def pullback(self, wanted: tuple[int, ...]) -> Function:
        """Return the function of tensors and cotangents to gradients of the wanted tensors."""
        return self._get(wanted, lambda: _Pullback(self, wanted))

    def batched(self, axes: tuple[int | None, ...]) -> Function:
        """Return the function of tensors with a further axis each, or None."""
        return self._get(("batched", axes), lambda: _Batched(self, axes))

    def _get(self, key: Any, make: Callable[[], Function]) -> Function:
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]


class _Call(Function):
    """A call of a QNode, whose arguments other than tensors are fixed."""

    def __init__(self, site: Site, given: Arguments, live: tuple[Tensor, ...]) -> None:
        with outside_transforms(), torch.no_grad():
            example = [example_like(tensor) for tensor in given.tensors]
            known, inputs = site.find(given.with_tensors(example), len(live))
            empty = [one.new_empty(0) for one in example]
        if isinstance(known, Stays):  # torch calls the QNode outside of its graph
            raise TypeError(f"{site.calls.layer} stays eager: {known.reason}")
        self.structure, self._graph = known.structure, known.run.graph
        self._site = site
        self._given = given.with_tensors(empty)
        name = f"call {next(_NUMBERS)} of {site.calls.layer}"
        super().__init__(name, len(inputs), self.structure.num_leaves)

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        arguments = len(self._given.tensors)
        given = self._given.with_tensors(tensors[:arguments])
        known, _ = self._site.find(given, len(tensors) - arguments)
        if isinstance(known, Compiled):
            results, structure = list(known.run.forward(*tensors)), known.structure
        else:
            results, structure = flatten(self._site.call(*given.call[0], **given.call[1]))
        if structure != self.structure:
            raise CompiledCallChangedError(self._site.calls.layer)
        return results

    def like_results(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        lengths: dict[str, Any] = {}  # of the axes that the call was traced with
        for node, tensor in zip(self._graph.find_nodes(op="placeholder"), tensors, strict=True):
            for size, length in zip(node.meta["val"].shape, tensor.shape, strict=True):
                if isinstance(size, torch.SymInt):
                    lengths[str(size)] = length
                else:  # torch.compile traces again for another length
                    assert size == length
        found = []
        results: Any = self._graph.output_node().args[0]
        for node in results:
            like = node.meta["val"]
            shape = [lengths[str(n)] if isinstance(n, torch.SymInt) else n for n in like.shape]
            found.append(tensors[0].new_zeros(shape, dtype=like.dtype))
        return found


class _Pullback(Function):
    """The vector-Jacobian product of a function; see `Function.pullback`."""

    def __init__(self, inner: Function, wanted: tuple[int, ...]) -> None:
        name = f"{inner.name}: gradients of {', '.join(map(str, wanted))}"
        super().__init__(name, inner.takes + inner.gives, len(wanted))
        self._inner, self._wanted = inner, wanted

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        given = tensors[: self._inner.takes]

        def function(*varied: Tensor) -> tuple[Tensor, ...]:
            whole = list(given)
            for place, tensor in zip(self._wanted, varied, strict=True):
                whole[place] = tensor
            return tuple(self._inner.run(whole))

        pull = torch.func.vjp(function, *(given[place] for place in self._wanted))[1]
        return list(pull(tuple(tensors[self._inner.takes :])))

    def evaluate(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        tensors = [tensor.detach() for tensor in tensors]
        wanted = [tensors[place].requires_grad_() for place in self._wanted]
        results = self._inner.run(tensors[: self._inner.takes])
        pairs = [
            pair
            for pair in zip(results, tensors[self._inner.takes :], strict=True)
            if pair[0].requires_grad
        ]
        if not pairs:
            return [torch.zeros_like(one) for one in wanted]
        varied, vectors = zip(*pairs, strict=True)
        return list(torch.autograd.grad(varied, wanted, vectors, materialize_grads=True))

    def like_results(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [tensors[place].new_zeros(tensors[place].shape) for place in self._wanted]


class _Batched(Function):
    """A function of each member of a batch of vmap; see `Function.batched`."""

    def __init__(self, inner: Function, axes: tuple[int | None, ...]) -> None:
        name = f"{inner.name}: along {', '.join(map(str, axes))}"
        super().__init__(name, inner.takes, inner.gives)
        self._inner, self._axes = inner, axes

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        def function(*tensors: Tensor) -> tuple[Tensor, ...]:
            return tuple(self._inner.run(tensors))

        return list(torch.func.vmap(function, self._axes)(*tensors))

    def like_results(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        pairs = list(zip(tensors, self._axes, strict=True))
        length = next(tensor.shape[axis] for tensor, axis in pairs if axis is not None)
        members = [tensor if axis is None else tensor.select(axis, 0) for tensor, axis in pairs]
        return [one.new_zeros((length, *one.shape)) for one in self._inner.like_results(members)]


_FUNCTIONS: Final[weakref.WeakValueDictionary[str, Function]] = weakref.WeakValueDictionary()
_NUMBERS: Final = count()


def _call_of(site: Site, given: Arguments, live: tuple[Tensor, ...]) -> _Call:
    tensors = (*given.tensors, *live)
    forms = tuple((tensor.dim(), tensor.dtype, tensor.device) for tensor in tensors)
    key = str(given.structure), tuple(given.rest), forms
    if key not in site.functions:
        site.functions[key] = _Call(site, given, live)
    return site.functions[key]


_LIBRARY: Final = torch.library.Library("hybridx", "FRAGMENT")
_LIBRARY.define("call(Tensor[] tensors, str function) -> Tensor[]")
_CALL: Final = torch.ops.hybridx.call.default


@torch.library.impl("hybridx::call", "CompositeExplicitAutograd", lib=_LIBRARY)
def _call(tensors: list[Tensor], function: str) -> list[Tensor]:
    with differentiable():
        found = _FUNCTIONS[function].evaluate(tensors)
    # Results of an operator share no memory with its arguments, nor with each other.
    return [one.detach().clone(memory_format=torch.contiguous_format) for one in found]


@torch.library.register_fake("hybridx::call", lib=_LIBRARY)  # type: ignore[untyped-decorator]
def _call_shapes(tensors: list[Tensor], function: str) -> list[Tensor]:
    return _FUNCTIONS[function].like_results(tensors)


class _Opaque(torch.autograd.Function):
    """The operator as torch differentiates and vectorizes it."""

    @staticmethod
    def forward(function: Function, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(_CALL(list(tensors), function.name))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        function, *tensors = inputs
        ctx.function = function
        ctx.mark_non_differentiable(*(one for one in output if not has_slopes(one)))
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        tensors, wants = ctx.saved_tensors, ctx.needs_input_grad[1:]
        places = tuple(place for place, is_wanted in enumerate(wants) if is_wanted)
        pullback = ctx.function.pullback(places)
        slopes = iter(_Opaque.apply(pullback, *tensors, *cotangents))  # type: ignore[no-untyped-call]
        return None, *(next(slopes) if is_wanted else None for is_wanted in wants)

    @staticmethod
    def jvp(ctx: Any, _: Any, *tangents: Tensor | None) -> Any:
        # The derivative of the vector-Jacobian product, which is linear in the vector.
        function, tensors = ctx.function, ctx.saved_tensors
        places = tuple(place for place, one in enumerate(tangents) if one is not None)
        vectors = range(function.takes, function.takes + function.gives)
        pushed = function.pullback(places).pullback(tuple(vectors))
        zeros = function.like_results(tensors)
        given = (tangents[place] for place in places)
        return _Opaque.apply(pushed, *tensors, *zeros, *given)  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(info: Any, in_dims: Any, function: Function, *tensors: Tensor) -> Any:
        batched = function.batched(in_dims[1:])
        results = _Opaque.apply(batched, *tensors)  # type: ignore[no-untyped-call]
        return results, (0,) * len(results)
