"""An archive checked before torch reads it, so that torch can do nothing but arithmetic.

`torch.export.load` unpickles, evaluates expressions as Python, imports modules by name and writes
names of nodes into Python source; TorchScript can read and write files. Every member, operator,
expression and name is therefore compared with what hybridx writes, and anything else is refused.
The checked members are packed again, so that torch reads exactly the bytes that were checked.
"""

from __future__ import annotations

import ast
import json
import pickletools
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from hybridx.artifact import ARCHIVE_MEMBER
from hybridx.errors import BrokenArtifactError
from hybridx.storage import rezip, unzip


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLAIN: Final = ("byteorder", "version", ".data/version", "archive_format", "archive_version")
_MACHINE_CODE: Final = "data/aotinductor/"

# Operators that do something other than return a tensor. Operators whose names start with an
# underscore are refused too, because some of them use their arguments as addresses without a check;
# `_INNER` lists those that models need.
_HARMFUL: Final = frozenset(
    {"save", "load", "from_file", "set_data", "backward", "manual_seed", "warn", "requires_grad_"}
)
_INNER: Final = _words(
    "_adaptive_avg_pool2d _adaptive_avg_pool3d _cdist_forward _conj _linalg_det _linalg_eigh "
    "_linalg_slogdet _linalg_solve_ex _linalg_svd _log_softmax _native_batch_norm_legit "
    "_native_batch_norm_legit_no_training _pdist_forward _safe_softmax "
    "_scaled_dot_product_attention_math _scaled_dot_product_flash_attention_for_cpu _softmax "
    "_stack _to_copy _trilinear _unsafe_view _upsample_bilinear2d_aa _weight_norm __and__ "
    "__or__ __xor__ __lshift__ __rshift__"
)
_WORD: Final = re.compile(r"[A-Za-z0-9_.]*")


# What zipfile, json, pickletools and ast, and the checks of their results, raise for damaged bytes.
_UNREADABLE: Final = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, SyntaxError),
    *(RecursionError, MemoryError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error),
)


class _Foreign(Exception):  # noqa: N818
    """A part of the archive that hybridx does not write."""


def checked(content: bytes, format: str, path: str) -> bytes:
    """Return the checked archive that torch may read.

    Args:
        content: the archive; its unpacked size is within its limit.
        format: torchscript or pt2.
        path: of the file, for messages.

    Raises:
        BrokenArtifactError: it holds something that hybridx does not write.
    """
    check = {"torchscript": _check_torchscript, "pt2": _check_pt2}[format]
    members: dict[str, bytes] = {}
    try:
        for name, data in unzip(content):
            _require(name not in members, f"{name} is there twice")
            members[name] = data
        # hybridx does not run machine code; it is for users who load the file with torch.
        members = {n: data for n, data in members.items() if not n.startswith(_MACHINE_CODE)}
        check(members)
    except _Foreign as error:
        raise BrokenArtifactError(path, f"hybridx writes no such thing: {error}") from error
    except _UNREADABLE as error:
        problem = f"its program cannot be read: {type(error).__name__}: {error}"
        raise BrokenArtifactError(path, problem) from error
    return rezip(members)


def _require(holds: object, what: str) -> None:
    if not holds:
        raise _Foreign(what[:200])


def _check_members(members: Mapping[str, bytes], *patterns: str) -> None:
    known = re.compile("|".join([*map(re.escape, (*_PLAIN, ARCHIVE_MEMBER)), *patterns]))
    for name in members:
        _require(known.fullmatch(name), f"the member {name}")


def _check_operator(name: str) -> None:
    is_inner = name.startswith("_")
    is_free = name in _INNER if is_inner else not name.endswith("_")
    _require(name.isidentifier() and is_free and name not in _HARMFUL, f"the operator {name}")


# --- TorchScript ---------------------------------------------------------------------------------

_CODE: Final = "code/__torch__/hybridx.py"
_EMPTY_TUPLE: Final = b"\x80\x02)."
_GLOBALS: Final = re.compile(
    r"__torch__\.hybridx Model|torch\._utils _rebuild_tensor_v2|collections OrderedDict"
    r"|torch (Float|Double|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Storage"
)
_METHOD: Final = re.compile(r"forward|circuit_\d+")
_PRIMITIVES: Final = frozenset({"device", "dtype", "max", "min", "NumToTensor"})
_BUILTINS: Final = frozenset({"annotate", "int", "float", "bool", "uninitialized"})


def _check_torchscript(members: Mapping[str, bytes]) -> None:
    _check_members(members, r"data/\d+", r"data\.pkl", r"constants\.pkl", re.escape(_CODE))
    _require(members["constants.pkl"] == _EMPTY_TUPLE, "constants.pkl with constants")
    for operation, argument, _ in pickletools.genops(members["data.pkl"]):
        if operation.name == "GLOBAL":
            _require(_GLOBALS.fullmatch(str(argument)), f"{argument} in data.pkl")
        _require(operation.name not in ("STACK_GLOBAL", "INST", "OBJ"), "a class in data.pkl")
    (model,) = ast.parse(members[_CODE]).body
    _require(isinstance(model, ast.ClassDef) and model.name == "Model", "another class")
    for part in model.body:  # type: ignore[attr-defined]
        match part:
            case ast.FunctionDef():
                _require(_METHOD.fullmatch(part.name), f"the method {part.name}")
                _require(not part.decorator_list, "a decorator")
                for node in (node for line in part.body for node in ast.walk(line)):
                    _check_script_node(node)
            case ast.Assign() | ast.AnnAssign():
                _require(not any(isinstance(n, ast.Call) for n in ast.walk(part)), "a call")
            case _:
                raise _Foreign(ast.unparse(part))


def _check_script_node(node: ast.AST) -> None:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr=name)):
            _check_operator(name)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            _require(_METHOD.fullmatch(name), f"a call of {name}")
        case ast.Call(func=ast.Name(id=name)):
            _require(name in _BUILTINS, f"a call of {name}")
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(ast.Name(id="ops"), "prim"), attr=name)
        ):
            _require(name in _PRIMITIVES, f"a call of {name}")
        case ast.Call(
            func=ast.Attribute(value=ast.Attribute(ast.Name(id="ops"), "aten"), attr=name)
        ):
            _check_operator(name)
        case ast.Call():
            raise _Foreign(f"a call of {ast.unparse(node.func)}")
        case ast.stmt():
            is_plain = isinstance(node, ast.Assign | ast.Return | ast.AnnAssign)
            _require(is_plain, f"a statement: {ast.unparse(node)}")


# --- PT2 -----------------------------------------------------------------------------------------

_PROGRAM: Final = "models/model.json"
_CONFIGS: Final = {
    "data/weights/model_weights_config.json": r"weight_\d+",
    "data/constants/model_constants_config.json": r"tensor_\d+",
}
_TARGET: Final = re.compile(r"torch\.ops\.aten\.(\w+)\.\w+")
_NUMBERS: Final = _words(
    "_operator.add _operator.sub _operator.mul _operator.floordiv _operator.truediv _operator.mod "
    "_operator.neg _operator.pow _operator.eq _operator.ne _operator.lt _operator.le _operator.gt "
    "_operator.ge _operator.getitem _operator.and_ _operator.or_ math.floor math.ceil math.trunc "
    "torch.sym_float torch.sym_int torch.sym_max torch.sym_min torch.sym_not torch.sym_sum "
    "torch._sym_sqrt"
)
_TEXT: Final = re.compile(r"[\w.,>+ -]*")
_SYMBOLIC: Final = _words(
    "Symbol Integer Float Rational Add Mul Pow Mod Max Min FloorDiv PythonMod CleanDiv CeilDiv "
    "CeilToInt FloorToInt TruncToInt TruncToFloat IntTrueDiv FloatTrueDiv PowByNatural ToFloat "
    "RoundToInt Identity Eq Equality Ne Unequality Lt StrictLessThan Le LessThan Gt "
    "StrictGreaterThan Ge GreaterThan And Or Not true false"
)
_SPECS: Final = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict"})
_EMPTY: Final = ("guards_code", "custom_obj_values", "metadata", "treespec_namedtuple_fields")
_NO_KEYS: Final = frozenset({"as_custom_obj", "custom_obj", "as_graph", "as_operator", "token"})


def _check_pt2(members: Mapping[str, bytes]) -> None:
    _check_members(
        members,
        r"data/weights/weight_\d+",
        r"data/constants/tensor_\d+",
        r"data/sample_inputs/model\.pt",
        *map(re.escape, (_PROGRAM, *_CONFIGS)),
    )
    _require(members["data/sample_inputs/model.pt"] == b"", "pickled inputs")
    for config, pattern in _CONFIGS.items():
        for payload in json.loads(members[config])["config"].values():
            _check_payload(payload, pattern, members, config.rpartition("/")[0])
    program = json.loads(members[_PROGRAM])
    for key, value in _entries(program):
        _require(_WORD.fullmatch(key), f"the name {key}")
        _require(key not in _NO_KEYS, key)
        _require(key not in _EMPTY or not value, key)
        if isinstance(value, str):
            _CHECKS.get(key, _check_word)(value)
    for node in program["graph_module"]["graph"]["nodes"]:
        _require(isinstance(node["target"], str), "an operator without a name")
    _require(len(program["graph_module"]["module_call_graph"]) == 1, "inner modules")


def _check_payload(payload: Any, pattern: str, members: Mapping[str, bytes], folder: str) -> None:
    name = payload["path_name"]
    _require(payload["use_pickle"] is False, f"the pickle {name}")
    _require(re.fullmatch(pattern, name), f"the payload {name}")
    sizes = [size["as_int"] for size in payload["tensor_meta"]["sizes"]]
    # For a member without bytes, torch would allocate a tensor of whatever size it claims.
    _require(members[f"{folder}/{name}"] or 0 in sizes, f"the payload {name} without bytes")


def _entries(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value in a JSON document with its key; items of a list have the list's key."""
    yield key, tree
    if isinstance(tree, dict):
        for inner, value in tree.items():
            yield from _entries(value, inner)
    elif isinstance(tree, list):
        for value in tree:
            yield from _entries(value, key)


def _check_word(text: str) -> None:
    _require(_WORD.fullmatch(text.removesuffix("+cpu")), f"the name {text}")


def _check_target(text: str) -> None:
    found = _TARGET.fullmatch(text)
    if found:
        _check_operator(found[1])
    else:
        _require(text in _NUMBERS, f"the operator {text}")


def _check_text(text: str) -> None:
    _require(_TEXT.fullmatch(text), f"the text {text}")


def _check_expression(text: str) -> None:
    """Refuse a text that is no expression in lengths; torch evaluates it as Python."""
    _require(len(text) < 10_000, "a long expression")
    for node in ast.walk(ast.parse(text, mode="eval")):
        match node:
            case ast.Expression() | ast.Load() | ast.keyword() | ast.UnaryOp() | ast.USub():
                continue
            case ast.Call(func=ast.Name()):
                continue
            case ast.Name(id=name):
                _require(name in _SYMBOLIC or re.fullmatch(r"[a-z]+\d+", name), f"{name} in {text}")
            case ast.Constant(value=bool() | int() | float() | None):
                continue
            case ast.Constant(value=str(name)):
                _require(re.fullmatch(r"[a-z]+\d+", name), f"{name} in {text}")
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod()):
                continue
            case ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv() | ast.Mod():
                continue
            case _:
                raise _Foreign(text)


def _check_spec(text: str) -> None:
    """Refuse containers other than Python's own; torch would import their classes by name."""
    for key, value in _entries(json.loads(text)):
        if key == "type":
            _require(value in _SPECS, f"the container {value}")
        elif key == "context":
            names = [] if value is None else json.loads(value) or []
            is_plain = isinstance(names, list) and all(isinstance(n, str) for n in names)
            _require(is_plain, f"the container {value}")


_CHECKS: Final[dict[str, Callable[[str], None]]] = {
    "target": _check_target,
    "as_string": _check_text,
    "expr_str": _check_expression,
    "in_spec": _check_spec,
    "out_spec": _check_spec,
}
