"""Everything of torch that is private or undocumented where files run, in one file.

Seen with torch 2.13. `tests/runtime/test_torch_internals.py` has a test for each name; its failure
says which behaviour is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode

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
