"""A second reader of the digest, written from docs/file-format.md: without hybridx or onnx.

A message is a list of its fields as they stand in the bytes: (number, kind, value).
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import zipfile

TYPE = {1: "tensor type", 4: "sequence type", 8: "tensor type", 9: "sequence type"}
# By the name of a message and the number of a field, the message that the field holds.
SCHEMA = {
    "model": {7: "graph", 8: "opset", 14: "entry", 25: "function"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 15: "sparse"}
    | {14: "annotation", 16: "entry"},
    "node": {5: "attribute", 9: "entry"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 14: "type", 15: "type"}
    | {22: "sparse", 23: "sparse"},
    "tensor": {13: "entry", 16: "entry"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type", 4: "entry"},
    "type": TYPE,
    "tensor type": {2: "shape"},
    "sequence type": {1: "type"},
    "shape": {1: "dimension"},
    "annotation": {2: "entry"},
    "function": {7: "node", 9: "opset", 11: "attribute", 12: "value", 14: "entry"},
}
DOCUMENTATION = {"model": 6, "graph": 10, "node": 6, "attribute": 13, "tensor": 12, "value": 3}
DOCUMENTATION |= {"function": 8}
# By message: the lists that are sorted, and the number of the field that they are sorted by.
SORTED = {
    "model": {8: 1, 14: 1},
    "graph": {5: 8, 13: 1, 16: 1},
    "node": {5: 1, 9: 1},
    "function": {9: 1, 12: 1, 14: 1},
    "tensor": {16: 1},
    "value": {4: 1},
}
# A tensor whose numbers are a field of their own.
for table in (SCHEMA, DOCUMENTATION, SORTED):
    table["tensor without numbers"] = table["tensor"]
RAW, LISTS = 9, {4: "f", 5: "i", 7: "q", 10: "d", 11: "Q"}
# By the type of a tensor: the list that has its numbers, and the form of one in raw_data.
STORED = {1: (4, "f"), 11: (10, "d"), 14: (4, "f"), 15: (10, "d"), 7: (7, "q"), 13: (11, "Q")}
STORED |= {12: (11, "I"), 6: (5, "i"), 5: (5, "h"), 3: (5, "b"), 4: (5, "H"), 2: (5, "B")}
STORED |= {9: (5, "B"), 10: (5, "H"), 16: (5, "H")}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def number(value):
    value &= 2**64 - 1
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def parse(data, kind):
    fields, at = [], 0
    while at < len(data):
        tag, at = varint(data, at)
        wire, inner = tag & 7, SCHEMA.get(kind, {}).get(tag >> 3)
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
            value = value if inner is None else parse(value, inner)
        else:
            length = {1: 8, 5: 4}[wire]
            value, at = data[at : at + length], at + length
        fields.append((tag >> 3, wire, value))
    return fields


def encode(fields):
    parts = []
    for field, wire, value in fields:
        content = encode(value) if isinstance(value, list) else value
        length = number(len(content)) if wire == 2 else b""
        parts += [number(field << 3 | wire), length, number(value) if wire == 0 else content]
    return b"".join(parts)


def get(fields, field, default=b""):
    return next((value for one, _, value in fields if one == field), default)


def every(fields, field):
    return [value for one, _, value in fields if one == field]


def numbers(tensor, field):
    """Return the numbers in a list of a tensor, packed or not."""
    found = []
    for one, wire, value in tensor:
        if one != field:
            continue
        if wire == 0:
            found.append(value)
        elif LISTS[field] in "fd":
            found += [each for (each,) in struct.iter_unpack(f"<{LISTS[field]}", value)]
        else:
            at = 0
            while at < len(value):
                each, at = varint(value, at)
                found.append(each)
    if LISTS[field] in "iq":
        found = [each - 2**64 if each >= 2**63 else each for each in found]
    return found


def with_raw_data(tensor):
    if every(tensor, RAW) or get(tensor, 2, 0) not in STORED:
        return tensor
    field, form = STORED[get(tensor, 2, 0)]
    try:
        raw = b"".join(struct.pack(f"<{form}", each) for each in numbers(tensor, field))
    except struct.error:
        return tensor
    return [*(one for one in tensor if one[0] != field), (RAW, 2, raw)]


def plain(fields, kind):
    """Return a message by the rules under "Canonical bytes"."""
    if kind == "tensor":
        fields = with_raw_data(fields)
    kept = []
    for field, wire, value in fields:
        if DOCUMENTATION.get(kind) == field:
            continue
        inner = SCHEMA.get(kind, {}).get(field)
        kept.append((field, wire, value if inner is None else plain(value, inner)))
    for field, by in SORTED.get(kind, {}).items():
        listed = [one for one in kept if one[0] == field]
        others = [one for one in kept if one[0] != field]
        kept = others + sorted(listed, key=lambda one: get(one[2], by))
    return sorted(kept, key=lambda one: one[0])


def canonical(fields, kind):
    return encode(plain(fields, kind))


def without(fields, *dropped):
    return [one for one in fields if one[0] not in dropped]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def of_fields(fields):
    fields = [each.encode() if isinstance(each, str) else each for each in fields]
    return sha256(b"".join(len(each).to_bytes(8, "little") + each for each in fields))


def circuit_calls(nodes):
    for node in nodes:
        if get(node, 7) == b"hybridx":
            text = next(get(a, 4) for a in every(node, 5) if get(a, 1) == b"circuit")
            yield from (get(node, 4), text)
        for attribute in every(node, 5):
            for graph in every(attribute, 6):
                yield from circuit_calls(every(graph, 1))


def metadata(entries):
    test = [entries[key] for key in ("hybridx.selftest",) if key in entries]
    apart = {"hybridx.selftest", "hybridx.digest", "hybridx.inlined"}
    rest = sorted(entries.keys() - apart)
    return {
        "self-test": of_fields(test),
        "metadata": of_fields(each for key in rest for each in (key, entries[key])),
    }


def of_model(data):
    """Return the digest of an ONNX file, from its bytes."""
    model = parse(data, "model")
    graph = get(model, 7)
    functions = sorted(every(model, 25), key=lambda f: (get(f, 10), get(f, 1), get(f, 13)))
    weights = []
    for tensor in sorted((with_raw_data(t) for t in every(graph, 5)), key=lambda t: get(t, 8)):
        weights += [canonical(without(tensor, RAW), "tensor without numbers"), get(tensor, RAW)]
    weights += [canonical(each, "sparse") for each in every(graph, 15)]
    bodies, heads, names = {}, [], []
    for one in functions:
        bodies[get(one, 1)] = canonical([x for x in one if x[0] in (4, 5, 7, 9)], "function")
        heads += [canonical(without(one, 4, 5, 7, 9), "function"), bodies[get(one, 1)]]
    for word, field in (("input", 11), ("output", 12)):
        for value in every(graph, field):
            names += [word, canonical(value, "value")]
    calls = [*circuit_calls(every(graph, 1))]
    entries = {get(e, 1).decode(): get(e, 2).decode() for e in every(model, 14)}
    rest = without(model, 2, 3, 4, 5, 6, 7, 14, 25)
    rest.append((7, 2, without(graph, 5, 11, 12, 15)))
    parts = metadata(entries) | {
        "graph": sha256(canonical(rest, "model")),
        "weights": of_fields(weights),
        "functions": of_fields(heads),
        "circuits": of_fields(calls),
        "names": of_fields(names),
    }
    if "hybridx.inlined" in entries:
        parts["circuits"] = of_fields([entries["hybridx.inlined"]])
        said = json.loads(entries["hybridx.inlined"])["circuits"]
        return whole(parts, {n: sha256(text.encode() + b"\n") for n, text in said.items()})
    circuits = {
        name.decode(): sha256(text + b"\n" + bodies.get(name, b""))
        for name, text in zip(calls[::2], calls[1::2], strict=True)
    }
    return whole(parts, circuits)


def of_archive(data):
    """Return the digest of a file of torch, from its bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    entries = json.loads(members.pop("extra/hybridx.json"))
    of_weights = [
        name
        for name in sorted(members)
        if name.removeprefix("data/").isdecimal()
        or name.startswith(("data/weights/", "data/constants/"))
    ]
    own = ("hybridx.inputs", "hybridx.outputs", "hybridx.circuits", "hybridx.strategy")
    parts = metadata({key: value for key, value in entries.items() if key not in own}) | {
        "weights": of_fields(each for name in of_weights for each in (name, members[name])),
        "graph": of_fields(
            each
            for name in sorted(members.keys() - {*of_weights})
            for each in (name, members[name])
        ),
        "names": of_fields(entries[key] for key in own[:2]),
        "circuits": of_fields(entries[key] for key in own[2:]),
    }
    circuits = json.loads(entries["hybridx.circuits"])
    return whole(parts, {name: sha256(text.encode() + b"\n") for name, text in circuits.items()})


def whole(parts, circuits):
    joined = of_fields(each for item in sorted(parts.items()) for each in item)
    return {"circuits": circuits, "parts": parts, "sha256": joined}


def shuffled(data, seed):
    """Return an ONNX file that means the same, with its fields and named lists in another order."""
    rng = random.Random(seed)

    def mixed(fields, kind):
        inner = [
            (field, wire, mixed(value, SCHEMA[kind][field]) if isinstance(value, list) else value)
            for field, wire, value in fields
        ]
        lists = {field: [one for one in inner if one[0] == field] for field, _, _ in inner}
        free = SORTED.get(kind, {}).keys() | ({25} if kind == "model" else set())
        for field in lists.keys() & free:
            rng.shuffle(lists[field])
        order = [field for field, _, _ in inner]
        rng.shuffle(order)
        return [lists[field].pop(0) for field in order]

    return encode(mixed(parse(data, "model"), "model"))
