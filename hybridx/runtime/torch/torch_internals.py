"""Everything of torch that is private or undocumented where files run, in one file.

Seen with torch 2.13. `tests/runtime/test_torch_internals.py` has a test for each name; its failure
says which behaviour is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

Called: TypeAlias = Callable[[str, Mapping[str, Any], Callable[[], Any]], Any]


# Numbers that torch takes for a dtype, a layout or a memory format without a look at them: uint8
# to float64, bool and bfloat16; strided; contiguous, preserved and channels last.
_ENUMERATED: Final[Mapping[str, frozenset[int]]] = {
    "ScalarType": frozenset({*range(8), 11, 15}),
    "Layout": frozenset({0}),
    "MemoryFormat": frozenset(range(4)),
}


def script_operators(module: Any) -> Iterator[tuple[str, str]]:
    """Yield each operator of a TorchScript module, and what is wrong with it, or nothing.

    An operator is named with its overload, as in `aten::add.Tensor`. Values that are no results of
    operators, such as constants and lists, are left out.
    """
    for node in module.inlined_graph.nodes():
        text = node.schema()
        if not text.startswith("aten::"):
            continue
        schema = torch._C.parse_schema(text)
        problem = "writes into its arguments" if schema.is_mutable else ""
        for argument, value in zip(schema.arguments, node.inputs(), strict=False):
            for kind, numbers in _ENUMERATED.items():
                if kind in str(argument.real_type) and not _is_one_of(value, numbers):
                    problem = f"has another {argument.name} than hybridx writes"
        yield text.partition("(")[0], problem


def _is_one_of(value: Any, numbers: frozenset[int]) -> bool:
    node = value.node()
    if node.kind() == "prim::dtype":
        return True
    return node.kind() == "prim::Constant" and value.toIValue() in (None, *numbers)


def program_operators(graph: torch.fx.Graph) -> Iterator[tuple[str, str]]:
    """Yield each operator of a graph, likewise; functions of Python are left out."""
    for node in graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            schema = node.target._schema
            problem = "writes into its arguments" if schema.is_mutable else ""
            yield f"{schema.name}.{schema.overload_name}".rstrip("."), problem


def intercepting(names: Collection[str], called: Called) -> AbstractContextManager[Any]:
    """Return a context in which some operators are not called, but what is given with them.

    It acts in this thread only. In inference mode operators come whole, before torch makes them of
    others.

    Args:
        names: of the operators, with their overloads.
        called: is called with the name of the operator, all of its arguments by name, and a
            function that calls it; returns the result.
    """

    class Intercepting(TorchDispatchMode):
        def __torch_dispatch__(
            self,
            function: Any,
            types: Any,
            args: tuple[Any, ...] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            def call() -> Any:
                return function(*args, **(kwargs or {}))

            schema = function._schema
            name = f"{schema.name}.{schema.overload_name}".rstrip(".")
            if name not in names:
                return call()
            given = {one.name: one.default_value for one in schema.arguments}
            given |= dict(zip(given, args, strict=False))
            return called(name, given | dict(kwargs or {}), call)

    mode: AbstractContextManager[Any] = Intercepting()  # type: ignore[no-untyped-call]
    return mode


@dataclass(frozen=True)
class Operator:
    """A call of an operator that torch is about to make.

    Attributes:
        name: of the operator, without its overload.
        given: its arguments, by name.
        is_view: its result is a view of an argument.
        call: makes the call.
        shapes: returns the result as tensors without numbers.
    """

    name: str
    given: Mapping[str, Any]
    is_view: bool
    call: Callable[[], Any]
    shapes: Callable[[], Any]


def watching(
    called: Callable[[Operator], Any],
    whole: Collection[str],
    begun: Callable[[Operator], None] = lambda _: None,
) -> AbstractContextManager[Any]:
    """Return a context in which every operator that is no composite of others goes to a function.

    It acts in this thread only, in inference mode. Composites are taken apart first.

    Args:
        called: is given each operator, and returns the result.
        whole: names of operators, with their overloads, that are not taken apart.
        begun: is given each operator, before it is called or taken apart.
    """

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(
            self,
            function: Any,
            types: Any,
            args: tuple[Any, ...] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            named = dict(kwargs or {})
            schema = function._schema
            name = f"{schema.name}.{schema.overload_name}".rstrip(".")
            if function is torch.ops.prim.device.default:
                return function(*args, **named)
            given = {one.name: one.default_value for one in schema.arguments}
            given |= dict(zip(given, args, strict=False))
            given |= named
            results = schema.returns
            operator = Operator(
                name=schema.name.partition("::")[2],
                given=given,
                is_view=bool(results) and results[0].alias_info is not None,
                call=lambda: function(*args, **named),
                shapes=lambda: _shapes(function, args, named),
            )
            begun(operator)
            if name not in whole and schema.name not in _IN_TURNS:
                with self:
                    parts = function.decompose(*args, **named)
                if parts is not NotImplemented:
                    return parts
            return called(operator)

    mode: AbstractContextManager[Any] = Watching()  # type: ignore[no-untyped-call]
    return mode


# Composites that are loops over the rows of their input.
_IN_TURNS: Final = frozenset({"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"})


def _shapes(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call an operator on the device `meta`, where tensors have no numbers."""
    plain, named = tree_map(shapes_only, args), tree_map(shapes_only, dict(kwargs))
    is_made = not any(isinstance(one, torch.Tensor) for one in tree_leaves((plain, named)))
    if is_made and any(one.name == "device" for one in function._schema.arguments):
        named["device"] = _META
    return function(*plain, **named)


_META: Final = torch.device("meta")


def shapes_only(value: Any) -> Any:
    """Return a tensor without its numbers, and the device of such tensors for another device."""
    if isinstance(value, torch.Tensor) and value.device != _META:
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=_META)
    return _META if isinstance(value, torch.device) else value


def as_written() -> AbstractContextManager[Any]:
    """Return a context in which TorchScript calls what a program says, and nothing in advance.

    It would keep what it computes in advance, also of tensors without numbers, and what looks for
    that goes deep in a long program. It acts in this thread.
    """
    found: AbstractContextManager[Any] = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
    return found
