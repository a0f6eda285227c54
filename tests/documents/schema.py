"""The JSON schema of what `--json` prints, from the classes of the reports."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType

import msgspec
import numpy as np
from numpy.typing import NDArray

from hybridx import api, artifact, lowering, parity, runtime, storage
from hybridx.api.checking import Refusal
from hybridx.api.diagnosis import Package
from hybridx.cli.failures import Failure
from hybridx.models import TrainingReport
from hybridx.models.training import Score
from hybridx.timing import Pace, Runner

# What each command prints, by its words.
REPORTS = {
    "export": api.ExportReport,
    "check": api.CheckReport,
    "run": api.VerifyReport,
    "run -i FILE": api.Prediction,
    "verify": api.VerifyReport,
    "evaluate": api.Evaluation,
    "inspect": api.Inspection,
    "inspect --draw FILE": typing.TypedDict("Pictures", {"pictures": list[str]}),
    "inspect --bom": typing.TypedDict("BillOfMaterials", {"bom": Mapping[str, typing.Any]}),
    "inspect --bom -o FILE": typing.TypedDict("WrittenBillOfMaterials", {"written": str}),
    "inspect --html FILE": typing.TypedDict("WrittenPage", {"page": str}),
    "inspect --python": typing.TypedDict("Source", {"source": str}),
    "inspect --qasm": typing.TypedDict("Programs", {"programs": Mapping[str, str]}),
    "convert": api.Conversion,
    "sign": api.Signed,
    "card": api.Card,
    "page": api.WebPage,
    "serve-config": api.ServerFiles,
    "bench": api.BenchReport,
    "doctor": api.Diagnosis,
    "train": TrainingReport,
}


class Error(typing.TypedDict):
    error: Failure


_NAMES = {
    name: value
    for room in (api, artifact, lowering, parity, runtime, storage)
    for name in room.__all__
    for value in [getattr(room, name)]
} | {one.__name__: one for one in (Pace, Refusal, Runner, Package, Score)}

# NaN and infinity, which JSON does not have, are strings in arrays.
_ARRAY = {
    "description": "A number, or nested lists of numbers; NaN and infinity are strings.",
    "anyOf": [
        {"type": ["number", "boolean", "string"]},
        {"type": "array", "items": {"$ref": "#/$defs/array"}},
    ],
}


def schema():
    """The document as text."""
    known = {"array": _ARRAY}
    commands = {words: _schema(report, known) for words, report in REPORTS.items()}
    error = _schema(Error, known)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the commands of hybridx print with --json",
        "description": "commands: the object on stdout of each command; error: the object instead "
        "of it, if the exit code is not 0 and nothing else was printed.",
        "commands": commands,
        "error": error,
        "$defs": dict(sorted(known.items())),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _schema(kind, known):
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if kind in (typing.Any, object):
        return {}
    if kind is float:
        return {"type": ["number", "null"]}  # null is NaN
    if kind in (str, int, bool, NoneType):
        names = {str: "string", int: "integer", bool: "boolean", NoneType: "null"}
        return {"type": names[kind]}
    if origin in (typing.Union, UnionType):
        return {"anyOf": [_schema(one, known) for one in inside]}
    if origin is typing.Literal:
        return {"enum": list(inside)}
    if origin is np.ndarray or kind == NDArray:
        return {"$ref": "#/$defs/array"}
    if origin in (tuple, list, Sequence):
        return {"type": "array", "items": _schema(inside[0], known)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(inside[1], known)}
    name = kind.__name__
    if name not in known:
        known[name] = {}  # a class may contain itself
        hints = typing.get_type_hints(kind, localns=_NAMES | vars(typing))
        fields = [one for one in hints if _is_field(kind, one)]
        known[name] = {
            "description": (kind.__doc__ or name).strip().splitlines()[0],
            "type": "object",
            "properties": {one: _schema(hints[one], known) for one in fields},
            "required": fields,
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _is_field(kind, name):
    if dataclasses.is_dataclass(kind):
        return name in {field.name for field in dataclasses.fields(kind)}
    if issubclass(kind, msgspec.Struct):
        return name in kind.__struct_fields__
    return True
