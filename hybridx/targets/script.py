"""A graph of torch operators as TorchScript source: one method for each module in it.

Tracing the graph instead would fix every length that it computes from the batch.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.errors import UnscriptableError

_SIZES = {"sym_size": "size", "sym_stride": "stride", "sym_numel": "numel"}

# On lengths, which are Python's own numbers in TorchScript.
_OPERATORS: dict[Any, str] = {
    operator.add: "({} + {})",
    operator.sub: "({} - {})",
    operator.mul: "({} * {})",
    operator.floordiv: "({} // {})",
    operator.truediv: "({} / {})",
    operator.mod: "({} % {})",
    operator.pow: "({} ** {})",
    operator.neg: "(-{})",
    operator.getitem: "{}[{}]",
    operator.eq: "({} == {})",
    operator.ne: "({} != {})",
    operator.lt: "({} < {})",
    operator.le: "({} <= {})",
    operator.gt: "({} > {})",
    operator.ge: "({} >= {})",
    torch.sym_float: "float({})",
    torch.sym_int: "int({})",
    torch.sym_max: "max({}, {})",
    torch.sym_min: "min({}, {})",
    math.floor: "math.floor({})",
    math.ceil: "math.ceil({})",
}


class Source:
    """The methods of one TorchScript class, and the tensors that they use.

    Attributes:
        text: of all methods; `forward` is the last.
        tensors: what `self` has, by name.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}
        lines: list[str] = []
        for name, child in module.named_children():
            if isinstance(child, fx.GraphModule):
                lines += _Method(name, child, self._attribute).lines()
        lines += _Method("forward", module, self._attribute).lines()
        self.text = "\n".join(lines) + "\n"

    def _attribute(self, tensor: Tensor) -> str:
        """Return the name of a tensor; a tensor that stands in two places has one."""
        if id(tensor) not in self._names:
            kind = "weight" if isinstance(tensor, torch.nn.Parameter) else "constant"
            name = f"{kind}_{len(self._names)}"
            self._names[id(tensor)] = name
            self.tensors[name] = tensor
        return self._names[id(tensor)]


class _Method:
    """One module as a method."""

    def __init__(
        self, name: str, module: fx.GraphModule, attribute: Callable[[Tensor], str]
    ) -> None:
        self._name = name
        self._module = module
        self._attribute = attribute
        inputs = [node.name for node in module.graph.find_nodes(op="placeholder")]
        self._values: dict[fx.Node, str] = {}
        for index, node in enumerate(module.graph.nodes):
            name = node.name if node.op == "placeholder" else f"v{index}"
            while node.op != "placeholder" and name in inputs:
                name += "_"
            self._values[node] = name

    def lines(self) -> Iterator[str]:
        """Yield the lines of the method."""
        nodes = self._module.graph.nodes
        inputs = [f"{self._values[n]}: Tensor" for n in nodes if n.op == "placeholder"]
        (output,) = (node for node in nodes if node.op == "output")
        results = output.args[0]
        several = isinstance(results, Sequence) and len(results) != 1
        kind = f"Tuple[{', '.join(['Tensor'] * len(results))}]" if several else "Tensor"
        yield f"def {self._name}(self, {', '.join(inputs)}) -> {kind}:"
        for node in nodes:
            if node.op not in ("placeholder", "output"):
                yield f"    {self._values[node]} = {self._expression(node)}"
        values = [
            self._values[one] for one in ([results] if isinstance(results, fx.Node) else results)
        ]
        yield f"    return {', '.join(values)}"

    def _expression(self, node: fx.Node) -> str:
        target = node.target
        if node.op == "get_attr":
            return f"self.{self._attribute(operator.attrgetter(str(target))(self._module))}"
        if node.op == "call_module":
            return f"self.{target}({', '.join(self._literal(one) for one in node.args)})"
        if target is getattr:
            return f"{self._literal(node.args[0])}.{node.args[1]}"
        if target in _OPERATORS:
            return _OPERATORS[target].format(*(self._literal(one) for one in node.args))
        if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
            return self._call(node, target)
        raise UnscriptableError(f"it has no {target}")

    def _call(self, node: fx.Node, target: torch._ops.OpOverload) -> str:
        name = target._opname
        schema = target._schema.arguments
        given = [
            self._literal(value, argument.type)
            for value, argument in zip(node.args, schema, strict=False)
        ]
        kinds = {argument.name: argument.type for argument in schema}
        given += [f"{key}={self._literal(value, kinds[key])}" for key, value in node.kwargs.items()]
        return f"torch.ops.aten.{_SIZES.get(name, name)}({', '.join(given)})"

    def _literal(self, value: Any, kind: Any = None) -> str:
        """Return the text of an argument; `kind` is its type in the operator's schema."""
        if isinstance(kind, torch.OptionalType):
            return "None" if value is None else self._literal(value, kind.getElementType())
        match value:
            case fx.Node():
                return self._values[value]
            case bool() | None | str():
                return repr(value)
            case int() if isinstance(kind, torch.FloatType):
                return repr(float(value))
            case float() if not math.isfinite(value):
                return f"float('{value}')"
            case int() | float():
                return repr(value)
            case torch.dtype() | torch.layout() | torch.memory_format():
                return str(value)
            case list() | tuple():
                return self._list(value, kind)
        raise UnscriptableError(f"it has no literal for {value!r}")

    def _list(self, values: Sequence[Any], kind: Any) -> str:
        element = kind.getElementType() if isinstance(kind, torch.ListType) else None
        text = f"[{', '.join(self._literal(one, element) for one in values)}]"
        # TorchScript takes an empty list for one of tensors, and one with a None for neither.
        if element is not None and (not values or None in values):
            return f"torch.jit.annotate(List[{_annotation(element)}], {text})"
        return text


def _annotation(kind: Any) -> str:
    if isinstance(kind, torch.OptionalType):
        return f"Optional[{_annotation(kind.getElementType())}]"
    names = {torch.TensorType: "Tensor", torch.FloatType: "float", torch.BoolType: "bool"}
    return names.get(type(kind), "int")
