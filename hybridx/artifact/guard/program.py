"""The program of a PT2 archive and its tables of tensors, compared with what hybridx writes.

torch's reader evaluates expressions as Python, imports containers by name and writes names of nodes
into Python source. It is given the JSON as it was understood here.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hybridx.artifact.guard.operators import MAKERS, OPERATORS, words
from hybridx.artifact.guard.refusal import Foreign, require
from hybridx.artifact.guard.tensors import check_tensor
from hybridx.artifact.limits import check_lengths, check_torch_nodes
from hybridx.bounds import EXPRESSION_DEPTH, EXPRESSION_TERMS, refuse_above

PROGRAM: Final = "models/model.json"
CONFIGS: Final = {
    "data/weights/model_weights_config.json": r"weight_\d{1,9}",
    "data/constants/model_constants_config.json": r"tensor_\d{1,9}",
}

# Bytes of a number, by torch's own numbers for dtypes: uint8, int8, int16, int32, int64, float16,
# float32, float64, bool, bfloat16.
_ITEMSIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
_BOOL: Final = 12
_STRIDED: Final = 7

_WORD: Final = re.compile(r"[A-Za-z0-9_.]{0,500}")
_TARGET: Final = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_NUMBERS: Final = words(
    "_operator.add _operator.sub _operator.mul _operator.floordiv _operator.truediv _operator.mod "
    "_operator.neg _operator.pow _operator.eq _operator.ne _operator.lt _operator.le _operator.gt "
    "_operator.ge _operator.getitem _operator.and_ _operator.or_ math.floor math.ceil math.trunc "
    "torch.sym_float torch.sym_int torch.sym_max torch.sym_min torch.sym_not torch.sym_sum "
    "torch._sym_sqrt"
)
_TEXT: Final = re.compile(r"[\w.,>+ =<()*/%'-]{0,1000}")
_NO_NUMBERS: Final = frozenset({"Infinity", "-Infinity", "NaN"})
_SPECS: Final = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict"})
_EMPTY: Final = ("guards_code", "custom_obj_values", "metadata", "treespec_namedtuple_fields")
_NO_KEYS: Final = frozenset({"as_custom_obj", "custom_obj", "as_graph", "as_operator", "token"})
_LARGEST: Final = 2**63

# Expressions in lengths. torch makes sympy objects of them, which simplify themselves.
_SYMBOL: Final = re.compile(r"[a-z]+\d{1,9}")
_ARITHMETIC: Final = words(
    "Symbol Integer Float Rational Add Mul Pow Mod Max Min FloorDiv PythonMod CleanDiv CeilDiv "
    "CeilToInt FloorToInt TruncToInt TruncToFloat IntTrueDiv FloatTrueDiv PowByNatural ToFloat "
    "RoundToInt Identity Eq Equality Ne Unequality Lt StrictLessThan Le LessThan Gt "
    "StrictGreaterThan Ge GreaterThan And Or Not true false"
)
_DIVIDING: Final = words("Mod FloorDiv PythonMod CleanDiv CeilDiv IntTrueDiv FloatTrueDiv Rational")
_POWERS: Final = frozenset({"Pow", "PowByNatural"})
_HIGHEST_POWER: Final = 8


@dataclass(frozen=True)
class Program:
    """The program of an archive.

    Attributes:
        written: the members that are JSON, as torch may read them.
        inputs: how many tensors it takes.
        outputs: how many it returns.
        values: the names of its tensors.
        nodes: how many operators it has.
    """

    written: Mapping[str, bytes]
    inputs: int
    outputs: int
    values: frozenset[str]
    nodes: int


def check_program(members: Mapping[str, bytes]) -> Program:
    """Check the JSON of an archive, and return it as torch may read it.

    Args:
        members: of the archive, by name.

    Raises:
        Foreign: it holds something that hybridx does not write.
        TooLargeError: it has more operators than the limit.
        KeyError, TypeError, ValueError: it has another form.
    """
    written: dict[str, bytes] = {}
    for config, pattern in CONFIGS.items():
        document = _decoded(members[config])
        for name, payload in document["config"].items():
            require(_WORD.fullmatch(name), f"the name {name}")
            _check_payload(payload, pattern, members, config.rpartition("/")[0])
        written[config] = _encoded(document)
    program = _decoded(members[PROGRAM])
    graph = program["graph_module"]["graph"]
    check_torch_nodes(len(graph["nodes"]))
    for key, value in _entries(program):
        _check_entry(key, value)
    for node in graph["nodes"]:
        require(isinstance(node["target"], str), "an operator without a name")
        _check_lengths(node)
    require(len(program["graph_module"]["module_call_graph"]) == 1, "inner modules")
    specs = program["graph_module"]["signature"]["input_specs"]
    taken = sum(1 for one in specs if "user_input" in one)
    written[PROGRAM] = _encoded(program)
    returned = len(program["graph_module"]["signature"]["output_specs"])
    values = frozenset(graph["tensor_values"])
    return Program(written, taken, returned, values, len(graph["nodes"]))


def _check_lengths(node: Any) -> None:
    """Refuse numbers of which an operator could make a tensor that is too large."""
    is_maker = any(node["target"].startswith(f"torch.ops.aten.{name}.") for name in MAKERS)
    for given in node["inputs"]:
        for kind, value in given["arg"].items():
            if kind == "as_ints":
                check_lengths(value)
            elif kind == "as_sym_ints":
                check_lengths(one["as_int"] for one in value if "as_int" in one)
            elif kind == "as_int" and is_maker:
                check_lengths([value])


def _decoded(text: bytes) -> Any:
    def no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        require(len(found) == len(pairs), "a name twice")
        return found

    return json.loads(text.decode("utf-8"), object_pairs_hook=no_name_twice)


def _encoded(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _check_payload(payload: Any, pattern: str, members: Mapping[str, bytes], folder: str) -> None:
    name = payload["path_name"]
    require(payload["use_pickle"] is False, f"the pickle {name}")
    require(re.fullmatch(pattern, name), f"the payload {name}")
    said = payload["tensor_meta"]
    dtype = said["dtype"]
    require(type(dtype) is int and dtype in _ITEMSIZES, f"{name} of dtype {dtype}")
    require(said["layout"] == _STRIDED, f"{name} of another layout")
    require(said["device"] == {"type": "cpu", "index": None}, f"{name} on another device")
    require(said["requires_grad"] is False, f"{name} with a gradient")
    check_tensor(
        name,
        members[f"{folder}/{name}"],
        _ITEMSIZES[dtype],
        [size["as_int"] for size in said["sizes"]],
        [step["as_int"] for step in said["strides"]],
        said["storage_offset"]["as_int"],
        is_bool=dtype == _BOOL,
    )


def _entries(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value in a JSON document with its key; items of a list have the list's key."""
    waiting = [(key, tree)]
    while waiting:
        key, value = waiting.pop()
        yield key, value
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((key, one) for one in value)


def _check_entry(key: str, value: Any) -> None:
    require(_WORD.fullmatch(key), f"the name {key}")
    require(key not in _NO_KEYS, key)
    require(key not in _EMPTY or not value, key)
    if isinstance(value, str):
        if key != "as_float" or value not in _NO_NUMBERS:
            _CHECKS.get(key, _check_word)(value)
    elif isinstance(value, int):
        require(-_LARGEST <= value < _LARGEST, f"a number of {value.bit_length()} bits")


def _check_word(text: str) -> None:
    require(_WORD.fullmatch(text.removesuffix("+cpu")), f"the name {text}")


def _check_target(text: str) -> None:
    found = _TARGET.fullmatch(text)
    if found:
        require(found[1] in OPERATORS and "out" not in found[2], f"the operator {text}")
    else:
        require(text in _NUMBERS, f"the operator {text}")


def _check_text(text: str) -> None:
    require(_TEXT.fullmatch(text), f"the text {text}")


def _check_expression(text: str) -> None:
    """Refuse a text that is no expression in lengths, or one that takes long to compute."""
    require(len(text) < 5_000, "a long expression")
    nesting = [text[:end].count("(") - text[:end].count(")") for end in range(0, len(text), 7)]
    refuse_above(EXPRESSION_DEPTH, max(nesting, default=0), "the nesting of an expression")
    require("--" not in text, "an expression with --")
    terms = 0
    for node in ast.walk(ast.parse(text, mode="eval")):
        match node:
            case ast.Expression() | ast.Load() | ast.keyword() | ast.UnaryOp() | ast.USub():
                continue
            case ast.Call(func=ast.Name(id=name), args=args):
                _check_call(name, args, text)
            case ast.Name(id=name):
                require(name in _ARITHMETIC or _SYMBOL.fullmatch(name), f"{name} in {text}")
            case ast.Constant(value=bool() | None):
                continue
            case ast.Constant(value=int() | float() as number):
                require(abs(number) < _LARGEST, f"a large number in {text}")
            case ast.Constant(value=str(name)):
                require(_SYMBOL.fullmatch(name), f"{name} in {text}")
            case ast.BinOp(op=ast.FloorDiv() | ast.Mod(), right=divisor):
                require(not _is_zero(divisor), f"a division by zero in {text}")
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult()):
                continue
            case ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod():
                continue
            case _:
                raise Foreign(text)
        terms += 1
        refuse_above(EXPRESSION_TERMS, terms, "the number of terms of an expression")


def _check_call(name: str, args: list[ast.expr], text: str) -> None:
    if name in _DIVIDING:
        require(len(args) == 2 and not _is_zero(args[1]), f"a division by zero in {text}")
    if name in _POWERS:
        power = args[1] if len(args) == 2 else None
        if isinstance(power, ast.Call) and len(power.args) == 1:  # Integer(2)
            power = power.args[0]
        value = power.value if isinstance(power, ast.Constant) else None
        is_small = isinstance(value, int) and 0 <= value <= _HIGHEST_POWER
        require(is_small, f"a high power in {text}")
        # A power of a power would be a high one again.
        inner = [one for one in ast.walk(args[0]) if isinstance(one, ast.Name)]
        require(not any(one.id in _POWERS for one in inner), f"a high power in {text}")


def _is_zero(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    return isinstance(node, ast.Constant) and not node.value


def _check_spec(text: str) -> None:
    """Refuse containers other than Python's own; torch would import their classes by name."""
    for key, value in _entries(json.loads(text)):
        if key == "type":
            require(value in _SPECS, f"the container {value}")
        elif key == "context":
            names = [] if value is None else json.loads(value) or []
            is_plain = isinstance(names, list) and all(isinstance(n, str) for n in names)
            require(is_plain, f"the container {value}")


_CHECKS: Final[dict[str, Callable[[str], None]]] = {
    "target": _check_target,
    "as_string": _check_text,
    "expr_str": _check_expression,
    "in_spec": _check_spec,
    "out_spec": _check_spec,
}
