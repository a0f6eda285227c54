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

Called: TypeAlias = Callable[[str, Mapping[str, Any], Callable[[], Any]], Any]


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
