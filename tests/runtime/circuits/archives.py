"""Archives of torch with one circuit, put together by hand, and forgeries of them."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import fx, nn

from hybridx.artifact import (
    ARCHIVE_MEMBER,
    Compiled,
    Metadata,
    Signature,
    archive_entries,
    decode_artifact,
    function_name,
    with_entries,
)
from hybridx.circuit import encode, parse
from hybridx.lowering import choose
from hybridx.program.to_torch import emit_module
from hybridx.storage import rezip, unzip
from hybridx.targets import to_pt2, to_torchscript

FORMATS = ("torchscript", "pt2")


def build(text, format, *, dtype="float32", calls=1, rows=None, strategy=None):
    """An archive from `x` `(batch, 2)` to `y`: the circuit on `tanh x`, as often as is said.

    Args:
        text: of the circuit.
        format: torchscript or pt2.
        dtype: of everything.
        calls: how many circuits of the same text it has, one behind another.
        rows: the length of the batch, if it is fixed.
        strategy: for the circuit.
    """
    circuit = parse(text)
    program = choose(circuit, strategy).plan.build()
    root, graph = nn.Module(), fx.Graph()
    value = graph.call_function(torch.ops.aten.tanh.default, (graph.placeholder("x"),))
    for index in range(calls):
        root.add_module(f"circuit_{index}", emit_module(program, dtype=np.dtype(dtype)))
        value = graph.call_module(f"circuit_{index}", (value,))
    graph.output(value)
    module = fx.GraphModule(root, graph)
    if format == "torchscript":
        content, bodies = to_torchscript(module, dtype=dtype)
    else:
        example = torch.zeros(rows or 3, 2, dtype=getattr(torch, dtype))
        axes = {} if rows else {0: torch.export.Dim.DYNAMIC}
        content, bodies = to_pt2(module, [example], [axes])
    inputs = [Signature("x", np.dtype(dtype), (rows or "batch", 2))]
    compiled = [Compiled(encode(circuit), None, "")] * calls
    entries = archive_entries(Metadata("0"), inputs, ["y"], compiled, bodies)
    return decode_artifact(with_entries(content, entries), "made")


def entries_of(artifact):
    return json.loads(dict(unzip(artifact.content))[ARCHIVE_MEMBER])


def forged(artifact, *, text=None, parts=lambda one: one, bodies=lambda one: one, said=None):
    """The file with another circuit, other members or bodies, and every digest right again."""
    members = dict(unzip(artifact.content))
    entries = json.loads(members.pop(ARCHIVE_MEMBER)) | (said or {})
    if text is not None:
        circuit = encode(parse(text))
        name = function_name(circuit, None)
        entries["hybridx.circuits"] = json.dumps({name: circuit})
        for key in ("hybridx.strategy", "hybridx.bodies"):
            (value,) = json.loads(entries[key]).values()
            entries[key] = json.dumps({name: value})
    if "hybridx.bodies" in entries:
        named = {name: bodies(one) for name, one in json.loads(entries["hybridx.bodies"]).items()}
        entries["hybridx.bodies"] = json.dumps(named)
    return decode_artifact(with_entries(rezip(parts(members)), entries), "forged")


def negated(members):
    """The members with the sign of the last constant of the body changed."""
    name = [one for one in sorted(members) if one.startswith("data/weights/weight_")][-1:] or [
        max((one for one in members if one.removeprefix("data/").isdecimal()), key=_number)
    ]
    values = -np.frombuffer(members[name[0]], np.float32)
    return members | {name[0]: values.tobytes()}


def _number(name):
    return int(name.removeprefix("data/"))
