"""A graph of torch operators written as TorchScript source.

torch.jit.trace would record the lengths that the graph computes from the batch as constants.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.operator_schemas import get_signature_for_torch_op

from hybridx.errors import UnscriptableError

_SIZES = {"sym_size": "size", "sym_stride": "stride", "sym_numel": "numel"}

# Python's operators, which act on lengths: these are whole numbers in TorchScript.
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


_NUMBERS_OF_TENSORS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.item.default)

# What such a number is in TorchScript.
_NUMBER_KINDS = {torch.SymInt: "int", torch.SymFloat: "float", torch.SymBool: "bool"}


@dataclass(frozen=True)
class ScriptClass:
    """A TorchScript class.

    Attributes:
        text: the source of its methods; `forward` is the last.
        tensors: the attributes that the methods read from `self`, by name.
    """

    text: str
    tensors: Mapping[str, Tensor]


def script_class(module: fx.GraphModule) -> ScriptClass:
    """Return a module as a TorchScript class; its submodules become methods beside `forward`.

    Raises:
        UnscriptableError: TorchScript has no such operation or no such literal.
    """
    attributes = _Attributes()
    methods = [
        *((name, one) for name, one in module.named_children() if isinstance(one, fx.GraphModule)),
        ("forward", module),
    ]
    lines = [line for name, one in methods for line in _Method(one, attributes).lines(name)]
    return ScriptClass("\n".join(lines) + "\n", attributes.tensors)


class _Attributes:
    """The tensors of a class; a tensor that several modules share is one attribute."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[int, str] = {}

    def name(self, tensor: Tensor) -> str:
        """Return the attribute that holds a tensor, a new one the first time."""
        if id(tensor) not in self._names:
            kind = "weight" if isinstance(tensor, torch.nn.Parameter) else "constant"
            name = f"{kind}_{len(self._names)}"
            self._names[id(tensor)] = name
            self.tensors[name] = tensor
        return self._names[id(tensor)]


class _Method:
    """One module as a method: one line for each node of its graph."""

    def __init__(self, module: fx.GraphModule, attributes: _Attributes) -> None:
        self._module = module
        self._attributes = attributes
        self._values = _value_names(module.graph)

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of the method `name`."""
        graph = self._module.graph
        inputs = [f"{self._values[node]}: Tensor" for node in graph.find_nodes(op="placeholder")]
        (returned,) = graph.output_node().args
        text, kind = self._returned(returned)
        yield f"def {name}(self, {', '.join(inputs)}) -> {kind}:"
        for node in graph.nodes:
            if node.op not in ("placeholder", "output"):
                yield f"    {self._values[node]} = {self._expression(node)}"
        yield f"    return {text}"

    def _returned(self, value: Any) -> tuple[str, str]:
        """Return the text and the type of what is returned: tensors in lists, tuples and dicts.

        TorchScript has lists and dicts of values of one type; others become tuples.
        """
        if isinstance(value, fx.Node):
            return self._values[value], "Tensor"
        items = value.values() if isinstance(value, dict) else value
        parts = [self._returned(one) for one in items]
        texts, kinds = [text for text, _ in parts], [kind for _, kind in parts]
        if len(set(kinds)) == 1 and isinstance(value, dict):
            named = (f"{name!r}: {text}" for name, text in zip(value, texts, strict=True))
            return f"{{{', '.join(named)}}}", f"Dict[str, {kinds[0]}]"
        if len(set(kinds)) == 1 and isinstance(value, list):
            return f"[{', '.join(texts)}]", f"List[{kinds[0]}]"
        return f"({', '.join(texts)},)", f"Tuple[{', '.join(kinds)}]"

    def _expression(self, node: fx.Node) -> str:
        match node.op:
            case "get_attr":
                tensor = operator.attrgetter(str(node.target))(self._module)
                return f"self.{self._attributes.name(tensor)}"
            case "call_module":
                return f"self.{node.target}({', '.join(map(self._literal, node.args))})"
        return self._call(node, node.target)

    def _call(self, node: fx.Node, target: Any) -> str:
        if target is getattr:
            return f"{self._literal(node.args[0])}.{node.args[1]}"
        if target in _NUMBERS_OF_TENSORS:
            kind = _NUMBER_KINDS[type(node.meta["val"])]
            return f"{kind}({self._literal(node.args[0])})"
        if target in _OPERATORS:
            return _OPERATORS[target].format(*map(self._literal, node.args))
        if getattr(target, "namespace", None) != "aten":
            raise UnscriptableError(f"it has no {target}")
        kinds = _argument_types(target)
        given = [
            self._literal(value, kind)
            for value, kind in zip(node.args, kinds.values(), strict=False)
        ]
        given += [f"{key}={self._literal(value, kinds[key])}" for key, value in node.kwargs.items()]
        name = target.overloadpacket.__name__
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


def _value_names(graph: fx.Graph) -> dict[fx.Node, str]:
    """Return a name for each value: inputs keep theirs, the others are numbered."""
    names = {node: node.name for node in graph.find_nodes(op="placeholder")}
    inputs = set(names.values())
    for number, node in enumerate(graph.nodes):
        if node not in names:
            name = f"v{number}"
            while name in inputs:
                name += "_"
            names[node] = name
    return names


@functools.cache
def _argument_types(target: Any) -> dict[str, Any]:
    """Return the types of an operator's arguments by name, in order."""
    found: Any = get_signature_for_torch_op(target, return_schemas=True)
    _, (schema,) = found
    return {argument.name: argument.type for argument in schema.arguments}


def _annotation(kind: Any) -> str:
    if isinstance(kind, torch.OptionalType):
        return f"Optional[{_annotation(kind.getElementType())}]"
    names = {torch.TensorType: "Tensor", torch.FloatType: "float", torch.BoolType: "bool"}
    return names.get(type(kind), "int")
