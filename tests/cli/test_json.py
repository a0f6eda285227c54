"""With --json, a command prints one object that docs/schema.json describes, also for an error."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.shell import command

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema.json").read_text())
KINDS = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def faults(value, schema, where="$"):
    """Yield what of a value a schema does not allow; the keywords are those that ours uses."""
    if "$ref" in schema:
        yield from faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is not in {schema['enum']}"
    if "anyOf" in schema and all(list(faults(value, one, where)) for one in schema["anyOf"]):
        yield f"{where}: {value!r} fits none of {schema['anyOf']}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_number = isinstance(value, bool) and not {"boolean"} & set(kinds)
    if kinds and (is_number or not any(isinstance(value, KINDS[kind]) for kind in kinds)):
        yield f"{where}: {value!r} is not of type {kinds}"
        return
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), f"{where}[{index}]")
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", {})
        yield from (
            f"{where}: {name} is missing"
            for name in schema.get("required", ())
            if name not in value
        )
        for name, one in value.items():
            inside = properties.get(name, more)
            if inside is False:
                yield f"{where}: {name} is not in the schema"
            else:
                yield from faults(one, inside, f"{where}.{name}")


TABLE = "a,b,c,d,kind\n1,2,3,4,0\n2,0,1,5,1\n0,0,0,1,2\n"
CALLS = {
    "check": ("user_model.py:model", "--shape", "N,4"),
    "run": ("model.onnx",),
    "run -i FILE": ("model.onnx", "-i", "x.npy"),
    "verify": ("model.onnx",),
    "evaluate": ("model.onnx", "--data", "t.csv", "--target", "kind"),
    "inspect": ("model.onnx",),
    "inspect --draw FILE": ("model.onnx", "--draw", "c.svg"),
    "inspect --qasm": ("model.onnx", "--qasm"),
    "convert": ("model.onnx", "-o", "m.bundle"),
    "serve-config": ("model.onnx", "--server", "triton", "-o", "served"),
    "doctor": (),
}


@pytest.mark.parametrize("words", CALLS)
def test_a_report_is_what_the_schema_says(words, model, folder):
    (folder / "t.csv").write_text(TABLE)
    name, *flags = [word for word in words.split() if word not in ("FILE", "-i", "--draw")]
    finished = command(
        name, *CALLS[words], *set(flags) - set(CALLS[words]), "--json", folder=folder
    )
    assert list(faults(finished.json(), SCHEMA["commands"][words])) == []


def test_the_report_of_an_export_is_what_the_schema_says(export_report):
    assert export_report["circuits"]
    assert list(faults(export_report, SCHEMA["commands"]["export"])) == []


ERRORS = {
    "a wrong option": (("run", "--nosuch"), 2, "HX002"),
    "no such command": (("exprt",), 2, "HX002"),
    "nothing given": (("run",), 2, "HX002"),
    "a known error": (("export", "user_model.py", "--shape", "N,4"), 3, "HX010"),
    "an option twice": (("run", "m.onnx", "-o", "a.npy", "--output", "b.npy"), 3, "HX004"),
    "a failed comparison": (
        ("verify", "model.onnx", "--against", "user_model.py:other_weights"), 1, "HX601"
    ),
    "the user's own error": (("check", "user_model.py:fails", "--shape", "N,4"), 3, "HX013"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "exit_code", "code"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_an_object(words, exit_code, code, model, folder):
    finished = command(*words, "--json", folder=folder)
    assert (finished.code, "Traceback" in finished.talk) == (exit_code, False)
    told = json.loads(finished.out)
    assert list(faults(told, SCHEMA["error"])) == []
    assert told["error"]["code"] == code
    assert told["error"]["help"]
    if code == "HX013":
        assert re.fullmatch(r".*user_model\.py:\d+", told["error"]["place"])


@pytest.mark.parametrize(
    ("raised", "exit_code", "code"),
    [("ZeroDivisionError('ours')", 70, "defect"), ("KeyboardInterrupt", 130, "interrupted")],
)
def test_a_defect_and_an_interrupt_are_objects(raised, exit_code, code, folder):
    patch = f"def broken(*_, **__): raise {raised}\nimport hybridx.api as api\napi.doctor = broken"
    finished = command("doctor", "--json", folder=folder, patch=patch)
    assert finished.code == exit_code
    told = json.loads(finished.out)
    assert list(faults(told, SCHEMA["error"])) == []
    assert told["error"]["code"] == code


def test_debug_adds_the_traceback(folder):
    finished = command("inspect", "nosuch.onnx", "--debug", "--json", folder=folder)
    assert json.loads(finished.out)["error"]["code"] == "HX303"
    assert "Traceback" in finished.talk


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"path": 1}, "ExportReport"), ({"code": "HX001", "message": "", "help": ""}, "Failure"),
     ({"more": 1}, "Pictures"), ([], "VerifyReport"), (True, "array-of-numbers")],
)  # fmt: skip
def test_the_validator_sees_what_is_wrong(value, kind):
    schema = SCHEMA["$defs"].get(kind, {"type": ["integer"]})
    assert list(faults(value, schema))
