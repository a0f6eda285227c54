"""Hostile archives, one part each: all are refused without torch, and sound ones are not."""

import io
import json
import zipfile

import pytest

import hybridx
from hybridx.artifact import checked
from hybridx.bounds import TORCH_NODES
from hybridx.errors import BeyondReadingError, BrokenArtifactError, TooLargeError
from tests.artifact.guard.archives import (
    CODE,
    PROGRAM,
    document,
    lengths,
    members,
    method,
    packed,
    payload,
    script,
)
from tests.targets.spliced import FORMATS, content


def doubling(levels):
    twice = [
        method(
            level, f"w = (self).circuit_{level - 1}(v, )", f"return (self).circuit_{level - 1}(w, )"
        )
        for level in range(1, levels + 1)
    ]
    return method(0, "return torch.neg(v)") + "".join(twice)


SCRIPTS = {
    "an operator of another library": script("return ops.evil.run(input)"),
    "a call of Python": script("return ops.prim.PythonOp(input)"),
    "a file": script('return torch.from_file("/etc/passwd", False, 8)'),
    "a set": script("return torch.set(input, input)"),
    "a resize": script("return torch.resize(input, [1000000])"),
    "in place": script("return torch.add_(input, 1)"),
    "into another": script("return torch.add(input, input, out=self.weight_1)"),
    "an unsafe reduction": script(
        'return torch.segment_reduce(input, "sum", lengths=torch.size(input), unsafe=True)'
    ),
    "a sparse tensor": script("return torch.sparse_coo_tensor(input, input, [3])"),
    "an unchecked index": script("return torch._unsafe_index(input, [input])"),
    "a warning with escapes": script('torch.warn("\\x1b[31m")', "return input"),
    "a text with escapes": script('return torch.einsum("\\x1b[31m", [input])'),
    "random numbers": script("return torch.rand([3])"),
    "a statement": script("input", "return input"),
    "a loop": script("while True:", "  pass", "return input"),
    "a comprehension": script("return torch.cat([input for _ in [1]])"),
    "a lambda": script("return (lambda: input)()"),
    "an attribute of a value": script("return input.grad"),
    "an attribute of self that is not stored": script("return self.weight_999"),
    "a name that is not there": script("return other"),
    "another name for torch": script("torch = input", "return torch.save(input)"),
    "a name for the model": script("self = input", "return self"),
    "a list times a number": script("v = [0.0] * 100000000000", "return torch.cat(v)"),
    "a number of 70 bits": script(f"return torch.add(input, {2**70})"),
    "a division of lengths by zero": script(
        "return torch.view(input, [torch.remainder(torch.size(input, 0), 0)])"
    ),
    "a division of lengths by minus one": script(
        "return torch.view(input, [torch.floordiv(torch.size(input, 0), -1)])"
    ),
    "a division of lengths by a length": script(
        "n = torch.size(input, 1)",
        "return torch.view(input, [torch.remainder(torch.size(input, 0), n)])",
    ),
    "a method that calls itself": script(
        "return (self).circuit_0(input, )", methods=method(0, "return (self).circuit_0(v, )")
    ),
    "methods that call each other": script(
        "return (self).circuit_0(input, )",
        methods=method(0, "return (self).circuit_1(v, )")
        + method(1, "return (self).circuit_0(v, )"),
    ),
    "a method that is not there": script("return (self).circuit_9(input, )"),
    "a method twice": script("return input", methods=method(0, "return v") * 2),
    "another method": script(
        "return input", methods=method(0, "return v").replace("circuit_0", "f")
    ),
    "a decorator": script("return input", methods="  @export\n" + method(0, "return v")),
    "a default": script(
        "return input", methods=method(0, "return v").replace("v: Tensor)", "v: Tensor=1)")
    ),
    "another argument": script(
        "return input", methods=method(0, "return v").replace("v: Tensor)", "v: int)")
    ),
    "an attribute of another type": script("return input", head="  weight_1 : int\n"),
    "an attribute that is not stored": script("return input", head="  weight_99 : Tensor\n"),
    "a comment": script("return input  # type: ignore"),
    "an expression 3,000 deep": script("return " + "-" * 3000 + "input"),
    "brackets 300 deep": script("return torch.cat(" + "[" * 300 + "input" + "]" * 300 + ")"),
    "no ASCII": script("ınput = input", "return ınput"),
    "a class beside": lambda parts: parts | {CODE: parts[CODE] + b"class B(Module):\n  pass\n"},
    "a base that is another": lambda parts: (
        parts | {CODE: parts[CODE].replace(b"Model(Module)", b"Model(Evil)")}
    ),
    "constants": lambda parts: parts | {"constants.pkl": b"\x80\x02(K\x01t."},
    "code beside": lambda parts: parts | {"code/__torch__/evil.py": b""},
}
LARGE_SCRIPTS = {
    "methods that call each other twice": script(
        "return (self).circuit_40(input, )", methods=doubling(40)
    ),
    "a tensor of 10^13": script("return torch.zeros([10000000000000])"),
    "a range of 10^13": script("return torch.arange(10000000000000)"),
    "2^62 times 2^62": script(f"return torch.expand(input, [{2**62}, {2**62}])"),
}


def first(field, value):
    return lambda made: made["graph_module"]["graph"]["nodes"][0].update({field: value})


def sized(expression):
    def edit(made):
        sizes = made["graph_module"]["graph"]["tensor_values"]["input"]["sizes"]
        sizes[0] = {"as_expr": {"expr_str": expression, "hint": {"as_int": 4}}}

    return document(edit)


def given(kind, value):
    arguments = [{"name": "x", "arg": {kind: value}, "kind": 1}]
    return document(first("inputs", arguments))


PROGRAMS = {
    "an operator of another library": document(first("target", "torch.ops.evil.run.default")),
    "a function of Python": document(first("target", "os.system")),
    "an operator into another": document(first("target", "torch.ops.aten.add.out")),
    "an operator in place": document(first("target", "torch.ops.aten.add_.Tensor")),
    "a higher-order operator": document(first("target", "torch.ops.higher_order.cond")),
    "an operator that is no text": document(first("target", ["torch.ops.aten.add.Tensor"])),
    "a graph in a graph": given("as_graph", {}),
    "an object": given("as_custom_obj", {}),
    "a text with escapes": given("as_string", "\x1b[31m"),
    "a number of 70 bits": given("as_int", 2**70),
    "a tower of powers": sized("Pow(9, Pow(9, Pow(9, 9)))"),
    "a tower of powers of symbols": sized("Pow(Integer(9), Pow(Integer(9), Integer(9)))"),
    "a power of a power": sized("Pow(Pow(Integer(9), Integer(8)), Integer(8))"),
    "a high power of a sum": sized("Pow(Add(s0, s1, s2), 100)"),
    "a long product": sized("*".join(["s0"] * 300)),
    "a deep expression": sized("Max(" * 90 + "s0" + ",1)" * 90),
    "a length by zero": sized("FloorDiv(s0, Integer(0))"),
    "a length of a command": sized("__import__('os').system('true')"),
    "a length of an attribute": sized("s0.__class__"),
    "a weight that is a pickle": payload(use_pickle=True),
    "a weight of a path": payload(path_name="../../../etc/passwd"),
    "a weight of another's name": payload(path_name="model_weights_config.json"),
    "a weight of more than its bytes": payload(sizes=lengths(1000, 3)),
    "a weight of huge strides": payload(strides=lengths(2**40, 1)),
    "a weight of negative strides": payload(strides=lengths(-4, 1)),
    "a weight of a huge offset": payload(storage_offset={"as_int": 2**40}),
    "a weight of a negative offset": payload(storage_offset={"as_int": -8}),
    "a weight of a symbol": payload(sizes=[{"as_expr": {"expr_str": "s0"}}]),
    "a weight of a text": payload(sizes=lengths("2", "4")),
    "a weight of twice the dtype": payload(dtype=8),
    "a complex weight": payload(dtype=10),
    "a weight of a dtype that is none": payload(dtype=True),
    "a sparse weight": payload(layout=1),
    "a weight on a GPU": payload(device={"type": "cuda", "index": 0}),
    "a weight with a gradient": payload(requires_grad=True),
    "guards": document(lambda made: made.update(guards_code=["print(1)"])),
    "another module": document(lambda made: made["graph_module"]["module_call_graph"].append({})),
    "a name twice": document(
        lambda made: json.dumps(made).replace("{", '{"a": 1, "a": 2, ', 1).encode()
    ),
    "JSON 100,000 deep": document(
        lambda made: json.dumps({**made, "x": 0}).replace('"x": 0', '"x": ' + "[" * 10**5).encode()
    ),
    "a number of 10^5 digits": document(
        lambda made: json.dumps({**made, "x": 0}).replace('"x": 0', '"x": ' + "9" * 10**5).encode()
    ),
    "pickled inputs": lambda parts: parts | {"data/sample_inputs/model.pt": b"x"},
    "more pickled inputs": lambda parts: (
        parts | {"data/sample_inputs/model.pt": parts["data/sample_inputs/model.pt"] + b"x"}
    ),
    "old weights": lambda parts: parts | {"data/weights/model.pt": b"x"},
    "another program": lambda parts: parts | {"models/other.json": parts[PROGRAM]},
}
LARGE_PROGRAMS = {
    "many nodes": document(
        lambda made: made["graph_module"]["graph"].update(
            nodes=made["graph_module"]["graph"]["nodes"][:1] * (TORCH_NODES.default + 1)
        )
    ),
    "a tensor of 10^13": given("as_ints", [10**13]),
    "lengths of 10^13": given("as_sym_ints", lengths(10**13)),
}


LARGE = (TooLargeError, BeyondReadingError)
REFUSALS = (BrokenArtifactError, *LARGE)


def refused(parts, format, error):
    with pytest.raises(error):
        checked(packed(parts), format, "model")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_hostile_script_is_refused(name):
    refused(SCRIPTS[name](members("torchscript")), "torchscript", REFUSALS)


@pytest.mark.parametrize("name", LARGE_SCRIPTS)
def test_a_large_script_is_refused(name):
    refused(LARGE_SCRIPTS[name](members("torchscript")), "torchscript", LARGE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_hostile_program_is_refused(name):
    refused(PROGRAMS[name](members("pt2")), "pt2", REFUSALS)


@pytest.mark.parametrize("name", LARGE_PROGRAMS)
def test_a_large_program_is_refused(name):
    refused(LARGE_PROGRAMS[name](members("pt2")), "pt2", LARGE)


def test_lines_that_hybridx_does_write_pass():
    lines = (
        "n = torch.floordiv(torch.size(input, 0), 2)",
        "v, w = torch.min(input, 1, True)",
        "x = torch.full([n, 3], -inf, dtype=6, device=ops.prim.device(input))",
        "y = torch.index(x, annotate(List[Optional[Tensor]], [None, w]))",
        'z = torch.einsum("ij,jk->ik", [input, x])',
        "return torch.remainder(z, 2)",
    )
    made = checked(packed(script(*lines)(members("torchscript"))), "torchscript", "model")
    assert (made.inputs, made.outputs) == (1, 1)


# --- zip files -----------------------------------------------------------------------------------


def written(parts, method=zipfile.ZIP_STORED, tail=()):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in [*parts.items(), *tail]:
            archive.writestr(f"model/{name}", data)
    return made.getvalue()


def patched(data, place, value, mark=b"PK\x01\x02"):
    """Another number in the entry of the last member in the list."""
    made = bytearray(data)
    at = data.rindex(mark) + place
    made[at : at + len(value)] = value
    return bytes(made)


ZIPS = {
    "compressed": lambda parts: written(parts, zipfile.ZIP_DEFLATED),
    "a bomb": lambda parts: written({**parts, "data/0": bytes(10**7)}, zipfile.ZIP_DEFLATED),
    "encrypted": lambda parts: patched(written(parts), 8, b"\1\0"),
    "an unknown compression": lambda parts: patched(written(parts), 10, b"\x63\0"),
    "a length that lies": lambda parts: patched(written(parts), 24, b"\xff\xff\xff\x7f"),
    "both lengths that lie": lambda parts: patched(written(parts), 20, b"\xff\xff\xff\x7f" * 2),
    "a place outside": lambda parts: patched(written(parts), 42, b"\xff\xff\xff\x7f"),
    "a sum that is wrong": lambda parts: patched(written(parts), 16, b"\0\0\0\0"),
    "members behind": lambda parts: written(parts) + b"x",
    "a comment": lambda parts: patched(written(parts), 20, b"\1\0", b"PK\x05\x06") + b"x",
    "truncated": lambda parts: written(parts)[:-30],
    "a count that lies": lambda parts: patched(written(parts), 10, b"\1\0", b"PK\x05\x06"),
    "a way out": lambda parts: written(parts, tail=[("../../x", b"")]),
    "a folder": lambda parts: written(parts, tail=[("data/", b"")]),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("format", FORMATS)
def test_odd_zip_files_are_refused(format):
    parts = members(format)
    archives = {name: make(parts) for name, make in ZIPS.items()}
    archives["a member twice"] = written(parts, tail=list(parts.items())[:1])
    for name, archive in archives.items():
        with pytest.raises(BrokenArtifactError):
            checked(archive, format, name)


def test_too_many_members_are_refused_before_they_are_listed(monkeypatch):
    data = content("sandwich", "pt2")
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with hybridx.limits(members=5), pytest.raises(TooLargeError, match="over the limit of 5"):
        checked(data, "pt2", "model")


@pytest.mark.parametrize("format", FORMATS)
def test_what_torch_reads_is_what_was_understood(format):
    """The source and the JSON are written anew, and are the same when they are checked again."""
    once = checked(content("two_heads", format), format, "model")
    again = checked(once.content, format, "model")
    assert once == again
