"""Small archives in torch's formats, and changes of their parts."""

from __future__ import annotations

import json
import struct

from hybridx.storage import rezip, stored_members
from tests.targets.spliced import content

CODE = "code/__torch__/hybridx.py"
PROGRAM = "models/model.json"
CONFIG = "data/weights/model_weights_config.json"


def members(format, name="sandwich"):
    return dict(stored_members(content(name, format)))


def number(value):
    """The opcode of a whole number."""
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def table(**changes):
    """A pickle of a model with one weight of 2 x 3 numbers, as torch writes it, with changes.

    A change is a text of opcodes, or a number, in the place of one part.
    """
    part = {
        "model": b"c__torch__.hybridx\nModel\n)\x81",
        "name": text("weight_0"),
        "rebuild": b"ctorch._utils\n_rebuild_tensor_v2\n",
        "word": text("storage"),
        "kind": b"ctorch\nFloatStorage\n",
        "key": text("0"),
        "device": text("cpu"),
        "count": number(6),
        "offset": number(0),
        "sizes": b"(" + number(2) + number(3) + b"t",
        "strides": b"(" + number(3) + number(1) + b"t",
        "gradient": b"\x89",
        "hooks": b"ccollections\nOrderedDict\n)R",
        "more": b"",
        "end": b"ub.",
    } | {key: number(one) if isinstance(one, int) else one for key, one in changes.items()}
    storage = b"(" + part["word"] + part["kind"] + part["key"] + part["device"] + part["count"]
    place = part["offset"] + part["sizes"] + part["strides"]
    tensor = b"(" + storage + b"tQ" + place + part["gradient"] + part["hooks"] + b"tR"
    items = part["name"] + part["rebuild"] + tensor + part["more"]
    return b"\x80\x02" + part["model"] + b"}(" + items + part["end"]


def script(*lines, methods="", head=""):
    """A change of TorchScript's source: another forward with these lines."""

    def change(parts):
        source = parts[CODE].decode()
        kept = source[: source.index("  def circuit_0")]
        forward = "  def forward(self: __torch__.hybridx.Model,\n    input: Tensor) -> Tensor:\n"
        body = "".join(f"    {line}\n" for line in lines)
        return parts | {CODE: (kept + head + methods + forward + body).encode()}

    return change


def method(number, *lines):
    body = "".join(f"    {line}\n" for line in lines)
    head = f"  def circuit_{number}(self: __torch__.hybridx.Model,\n    v: Tensor) -> Tensor:\n"
    return head + body


def document(edit, member=PROGRAM):
    """A change of one of the JSON members of a PT2 archive."""

    def change(parts):
        decoded = json.loads(parts[member])
        edited = edit(decoded)
        return parts | {
            member: edited if isinstance(edited, bytes) else json.dumps(decoded).encode()
        }

    return change


def payload(**fields):
    """A change of what a PT2 archive says of its first weight."""

    def edit(config):
        first = next(iter(config["config"].values()))
        for key, value in fields.items():
            (first if key in first else first["tensor_meta"])[key] = value

    return document(edit, CONFIG)


def lengths(*numbers):
    return [{"as_int": one} for one in numbers]


def packed(parts):
    return rezip(parts)
