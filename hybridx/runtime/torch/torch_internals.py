"""Everything of torch that is private or undocumented where files run, in one file.

Seen with torch 2.13. `tests/runtime/test_torch_internals.py` has a test for each name; its failure
says which behaviour is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Called: TypeAlias = Callable[[str, Callable[..., Any], tuple[Any, ...], Mapping[str, Any]], Any]


def script_operators(module: Any) -> Iterator[tuple[str, bool]]:
    """Yield each operator of a TorchScript module, and whether it writes into its arguments.

    An operator is named with its overload, as in `aten::add.Tensor`. Values that are no results of
    operators, such as constants and lists, are left out.
    """
    for node in module.inlined_graph.nodes():
        schema = node.schema()
        if schema.startswith("aten::"):
            name, _, rest = schema.partition("(")
            yield name, "!)" in rest


def program_operators(graph: torch.fx.Graph) -> Iterator[tuple[str, bool]]:
    """Yield each operator of a graph, likewise; functions of Python are left out."""
    for node in graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            schema = node.target._schema
            yield f"{schema.name}.{schema.overload_name}".rstrip("."), schema.is_mutable


def intercepting(names: Collection[str], called: Called) -> AbstractContextManager[Any]:
    """Return a context in which some operators are not called, but what is given with them.

    It acts in this thread only. In inference mode operators come whole, before torch makes them of
    others.

    Args:
        names: of the operators, with their overloads.
        called: is called with the name, the operator, its arguments and its named arguments, and
            returns the result.
    """

    class Intercepting(TorchDispatchMode):
        def __torch_dispatch__(
            self,
            function: Any,
            types: Any,
            args: tuple[Any, ...] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            schema = function._schema
            name = f"{schema.name}.{schema.overload_name}".rstrip(".")
            if name in names:
                return called(name, function, args, kwargs or {})
            return function(*args, **(kwargs or {}))

    mode: AbstractContextManager[Any] = Intercepting()  # type: ignore[no-untyped-call]
    return mode
