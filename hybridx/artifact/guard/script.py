"""The source of a TorchScript archive, compared with what hybridx writes, line by line.

hybridx writes one class. Its methods are lists of assignments `name = operator(names, numbers)`
with a `return` at the end: no loops, branches or statements of another kind. torch is given the
source as it was understood here, so that two readers cannot disagree on it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hybridx.artifact.guard.operators import MAKERS, NUMBERS, OPERATORS
from hybridx.artifact.guard.refusal import Foreign, require
from hybridx.artifact.limits import check_lengths, check_torch_nodes
from hybridx.bounds import PROGRAM_DEPTH, TORCH_NODES, refuse_above

_METHOD: Final = re.compile(r"forward|circuit_\d{1,6}")
_KINDS: Final = frozenset({"Tensor", "bool", "Optional[bool]"})
_RETURNED: Final = re.compile(r"(Tensor|Tuple|List|Dict|str|[\[\], ])+")
_LISTED: Final = re.compile(r"List\[(Optional\[)?(Tensor|int|float|bool)\]*")
_PRIMITIVES: Final = frozenset({"device", "dtype", "max", "min", "NumToTensor"})
_BUILTINS: Final = frozenset({"int", "float", "bool"})
_TEXT: Final = re.compile(r"[\w.,>+ -]{0,200}")
_BRACKETS: Final = re.compile(r"[(\[{]|[)\]}]")
_SIGNS: Final = re.compile(r"[-+~]\s*[-+~]|\\|;|#|\"\"\"|'''|[^\x20-\x7e\n]")
_LARGEST: Final = 2**63

# Division of whole numbers, for which the processor has traps: by zero, and by -1.
_DIVISIONS: Final = frozenset({"floordiv", "remainder", "fmod"})


@dataclass(frozen=True)
class Script:
    """The source of a model.

    Attributes:
        source: as torch may read it.
        inputs: how many tensors `forward` takes.
        outputs: how many it returns.
        called: the methods that `forward` calls, directly or through others.
        nodes: how many lines it has, with every call replaced by its method.
    """

    source: bytes
    inputs: int
    outputs: int
    called: frozenset[str]
    nodes: int


def check_script(source: bytes, kinds: Mapping[str, str]) -> Script:
    """Check the source of a model, and return it as torch may read it.

    Args:
        source: the one file of code in the archive.
        kinds: of the attributes of the model that are stored, by name.

    Raises:
        Foreign: it holds something that hybridx does not write.
        TooLargeError: it has more operators than the limit, with every call replaced by its method.
        SyntaxError, ValueError: it is no source.
    """
    text = source.decode("ascii")
    _check_nesting(text)
    (model,) = ast.parse(text).body
    is_model = isinstance(model, ast.ClassDef) and ast.unparse(model).startswith(
        "class Model(Module):"
    )
    require(is_model, "another class")
    assert isinstance(model, ast.ClassDef)
    declared: dict[str, str] = {}
    methods: dict[str, ast.FunctionDef] = {}
    for part in model.body:
        match part:
            case ast.FunctionDef(name=name):
                require(name not in methods, f"the method {name} twice")
                methods[name] = part
            case ast.AnnAssign(target=ast.Name(id=name), value=None):
                require(name not in declared, f"the attribute {name} twice")
                declared[name] = ast.unparse(part.annotation)
            case ast.Assign(targets=[ast.Name(id="__parameters__" | "__buffers__")]):
                _check_names(part.value, kinds)
            case _:
                raise Foreign(ast.unparse(part))
    _check_attributes(declared, kinds)
    calls = {name: _check_method(method, declared) for name, method in methods.items()}
    nodes = _size(calls, {name: len(method.body) for name, method in methods.items()})
    check_torch_nodes(nodes)
    forward = methods["forward"]
    return Script(
        (ast.unparse(model) + "\n").encode(),
        len(forward.args.args) - 1,
        _returned(forward),
        _reached(calls, "forward"),
        nodes,
    )


def _reached(calls: Mapping[str, Counter[str]], start: str) -> frozenset[str]:
    """Return the methods that a method calls, directly or through others."""
    found: set[str] = set()
    waiting = [*calls[start]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += calls[name]
    return frozenset(found)


def _check_nesting(text: str) -> None:
    """Refuse what is nested too deeply for a parser, before one reads it."""
    require(text.count("\n") <= 2 * TORCH_NODES.limit, f"a program of {text.count(chr(10))} lines")
    require(text.count(",") <= 10 * TORCH_NODES.limit, "long lists in the program")
    odd = _SIGNS.search(text)
    require(odd is None, f"{odd[0]!r} in the program" if odd else "")
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += 1 if found[0] in "([{" else -1
        refuse_above(PROGRAM_DEPTH, depth, "the nesting of the program for torch")


def _check_names(listed: ast.expr, kinds: Mapping[str, str]) -> None:
    require(isinstance(listed, ast.List), "attributes that are no list")
    assert isinstance(listed, ast.List)
    for one in listed.elts:
        is_name = isinstance(one, ast.Constant) and kinds.get(one.value) == "Tensor"  # type: ignore[arg-type]
        require(is_name, "an attribute that is no tensor")


def _check_attributes(declared: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    require(declared.keys() == kinds.keys(), "attributes that are not those of data.pkl")
    for name, kind in declared.items():
        require(kind in _KINDS, f"an attribute of type {kind}")
        # torch puts values into attributes without a look at their types.
        fitting = {"Tensor": ("Tensor",), "bool": ("bool",)}.get(kind, ("bool", "None"))
        require(kinds[name] in fitting, f"the attribute {name} of another type")


def _check_method(method: ast.FunctionDef, declared: Mapping[str, str]) -> Counter[str]:
    """Check a method, and return how often it calls each of the others."""
    require(_METHOD.fullmatch(method.name), f"the method {method.name}")
    require(not method.decorator_list, "a decorator")
    taken = method.args
    is_plain = not (taken.posonlyargs or taken.kwonlyargs or taken.defaults)
    require(is_plain and taken.vararg is None and taken.kwarg is None, "arguments of other kinds")
    kinds = [ast.unparse(one.annotation) if one.annotation else "" for one in taken.args]
    is_method = kinds[:1] == ["__torch__.hybridx.Model"] and taken.args[0].arg == "self"
    require(is_method and {*kinds[1:]} <= {"Tensor"}, "arguments that are no tensors")
    returned = ast.unparse(method.returns) if method.returns else ""
    require(_RETURNED.fullmatch(returned), f"the return of {returned}")
    checker = _Checker(declared, {one.arg for one in taken.args[1:]})
    for line in method.body[:-1]:
        checker.check_assignment(line)
    last = method.body[-1]
    match last:
        case ast.Return(value=ast.expr() as value):
            checker.check(value)
        case _:
            raise Foreign(f"a method that ends with {ast.unparse(last)}")
    return checker.calls


class _Checker:
    """Checks the lines of a method in their order."""

    def __init__(self, declared: Mapping[str, str], arguments: set[str]) -> None:
        self.calls: Counter[str] = Counter()
        self._attributes = declared
        self._known = arguments
        self._numbers: set[str] = set()

    def check_assignment(self, line: ast.stmt) -> None:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names = [name]
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                names = [one.id for one in targets if isinstance(one, ast.Name)]
                require(len(names) == len(targets), f"an assignment: {ast.unparse(line)}")
            case _:
                raise Foreign(f"a statement: {ast.unparse(line)}")
        self.check(value)
        require(
            not {*names} & {"self", "torch", "ops", "annotate", "inf", "nan", *_BUILTINS},
            f"the name {names[0]}",
        )
        self._known |= {*names}
        # A name that was a tensor may become a number, and the other way round.
        self._numbers = (
            self._numbers | {*names} if self._is_number(value) else self._numbers - {*names}
        )

    def check(self, node: ast.expr) -> None:
        match node:
            case (
                ast.Name(id="inf" | "nan") | ast.UnaryOp(op=ast.USub(), operand=ast.Name(id="inf"))
            ):
                pass
            case ast.Name(id=name):
                require(name in self._known, f"the name {name}")
            case ast.Constant(value=value):
                _check_constant(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                _check_constant(value)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                require(name in self._attributes, f"the attribute {name}")
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                for one in parts:
                    self.check(one)
                check_lengths(_whole_numbers(parts))
            case ast.Dict(keys=keys, values=values):
                for key, part in zip(keys, values, strict=True):
                    if key is None:
                        raise Foreign("a dict in a dict")
                    self.check(key)
                    self.check(part)
            case ast.Subscript(value=inner, slice=ast.Constant(value=int())):
                self.check(inner)
            case ast.Call():
                self._check_call(node)
            case _:
                raise Foreign(f"the expression {ast.unparse(node)}")

    def _check_call(self, call: ast.Call) -> None:
        arguments = [*call.args, *(one.value for one in call.keywords)]
        match call.func:
            case ast.Attribute(value=ast.Name(id="torch"), attr=name):
                self._check_operator(name, call)
            case ast.Attribute(value=ast.Attribute(ast.Name(id="ops"), "aten"), attr=name):
                self._check_operator(name, call)
            case ast.Attribute(value=ast.Attribute(ast.Name(id="ops"), "prim"), attr=name):
                require(name in _PRIMITIVES and not call.keywords, f"a call of {name}")
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                is_circuit = _METHOD.fullmatch(name) and name != "forward" and not call.keywords
                require(is_circuit, f"a call of {name}")
                self.calls[name] += 1
            case ast.Name(id="annotate"):
                require(len(call.args) == 2 and not call.keywords, "an annotation of others")
                kind = ast.unparse(call.args[0])
                require(_LISTED.fullmatch(kind), f"the type {kind}")
                del arguments[0]
            case ast.Name(id="float") if len(call.args) == 1 and isinstance(
                call.args[0], ast.Constant
            ):
                pass
            case ast.Name(id=name):
                require(name in _BUILTINS and not call.keywords, f"a call of {name}")
            case _:
                raise Foreign(f"a call of {ast.unparse(call.func)}")
        for one in arguments:
            self.check(one)

    def _check_operator(self, name: str, call: ast.Call) -> None:
        require(name in OPERATORS or name in NUMBERS, f"the operator {name}")
        require(
            all(one.arg not in (None, "out") for one in call.keywords), f"{name} with an output"
        )
        if name in MAKERS:
            for number in _whole_numbers(call.args):
                check_lengths([number])
        if name in _DIVISIONS and all(map(self._is_number, call.args)):
            divisor = call.args[1] if len(call.args) == 2 else None
            is_safe = isinstance(divisor, ast.Constant) and divisor.value
            require(is_safe, f"a division by {ast.unparse(divisor) if divisor else 'nothing'}")

    def _is_number(self, node: ast.expr) -> bool:
        """Return whether a value may be a number, or numbers, and is no tensor."""
        match node:
            case ast.Constant() | ast.UnaryOp():
                return True
            case ast.Name(id=name):
                return name in self._numbers
            case ast.Subscript(value=inner):
                return self._is_number(inner)
            case ast.List(elts=parts):
                return all(map(self._is_number, parts))
            case ast.Call(func=ast.Attribute(attr="size" | "stride" | "numel" | "len")):
                return True
            case ast.Call(func=ast.Name(id="int" | "float" | "bool")):
                return True
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch")), args=args):
                return bool(args) and all(map(self._is_number, args)) and not _makes(node)
            case ast.Call(func=ast.Attribute(attr="max" | "min"), args=args):
                return all(map(self._is_number, args))
        return False


def _makes(call: ast.Call) -> bool:
    """Return whether a call makes a tensor of numbers."""
    return any(one.arg == "dtype" for one in call.keywords)


def _whole_numbers(nodes: Iterable[ast.expr]) -> Iterator[int]:
    for one in nodes:
        if isinstance(one, ast.Constant) and type(one.value) is int:
            yield one.value


def _check_constant(value: object) -> None:
    match value:
        case None | bool() | float():
            return
        case int():
            require(-_LARGEST <= value < _LARGEST, f"a number of {value.bit_length()} bits")
        case str():
            require(_TEXT.fullmatch(value), f"the text {value!r}")
        case _:
            raise Foreign(f"the constant {value!r}")


def _size(calls: Mapping[str, Counter[str]], lines: Mapping[str, int]) -> int:
    """Refuse methods that call themselves; return the lines once each call is its method."""
    sizes: dict[str, int] = {}
    left = dict(calls)
    while left:
        ready = [name for name, called in left.items() if called.keys() <= sizes.keys()]
        unknown = {one for called in left.values() for one in called} - calls.keys()
        require(not unknown, f"a call of {min(unknown, default='')}, which is not there")
        require(ready, f"methods that call each other: {', '.join(sorted(left)[:5])}")
        for name in ready:
            inner = sum(count * sizes[one] for one, count in left.pop(name).items())
            sizes[name] = lines[name] + inner
    return sizes["forward"]


def _returned(method: ast.FunctionDef) -> int:
    """Return how many tensors a method returns, also where torch gives what holds them a name."""
    leaves: dict[str, int] = {}
    for line in method.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                leaves[name] = _leaves(value, leaves)
            case ast.Return(value=ast.expr() as value):
                return _leaves(value, leaves)
    raise Foreign(f"a method that ends with {ast.unparse(method.body[-1])}")


def _leaves(node: ast.expr | None, named: Mapping[str, int]) -> int:
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(values=parts):
            return sum(_leaves(one, named) for one in parts)
        case ast.Name(id=name):
            return named.get(name, 1)
    return 1
