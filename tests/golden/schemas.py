"""What a version of a format is: the fields, types and gates that a reader of it knows.

Each version has a file in `exported/golden/`. A change of what stands in files of a version is a
change of this, even if no golden file shows it.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from hybridx.artifact import contract, digest, selftest, signature
from hybridx.artifact.archive import TorchFormat
from hybridx.artifact.bundle import _Manifest
from hybridx.artifact.inlined import entry
from hybridx.circuit import GATES, codec
from tests.golden.files import GOLDEN

_FOR_PEOPLE = ("description", "title")
_THETA = 0.7  # any angle at which all numbers of a gate differ


def schemas() -> dict[str, Any]:
    """Return what today's versions are, by the name of a format and its version."""
    keys = {name: value for name, value in vars(contract).items() if name.startswith("KEY_")}
    said = {
        "verification": _schema(contract.Verification),
        "digest": _schema(digest.Digest),
        "self-test": _schema(selftest._Document),
        "value": _schema(signature.Declared),
    }
    graph = {
        "IR version": contract.IR_VERSION,
        "domain": [contract.DOMAIN, contract.DOMAIN_VERSION],
        "function": [contract.FUNCTION_PREFIX, contract.CIRCUIT_ATTRIBUTE],
        "ends": [contract.PARAMETERS, contract.RESULTS],
    }
    return {
        f"circuit-{codec.CIRCUIT_FORMAT}": {
            "document": _schema(codec._CircuitDocument),
            "gates": {name: _gate(gate) for name, gate in GATES.items()},
        },
        f"circuit-{codec.DERIVATIVE_FORMAT}": {"document": _schema(codec._DerivativeDocument)},
        f"onnx-{contract.FORMAT_VERSION}": {"keys": keys, "said": said, "graph": graph}
        | {"manifest": _schema(_Manifest)},
        f"onnx-{contract.INLINED_VERSION}": {
            "key": entry.KEY_INLINED,
            "said": _schema(entry.Inlined),
        },
        f"archive-{contract.ARCHIVE_VERSION}": {"keys": keys, "said": said}
        | {"formats": _schema(TorchFormat), "member": contract.ARCHIVE_MEMBER},
    }


def encoded(value: Any) -> str:
    """Return what a version is, as its file has it."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def write_missing() -> None:
    """Write the files of versions that have none."""
    for name, value in schemas().items():
        path = GOLDEN / f"{name}.json"
        if not path.exists():
            path.write_text(encoded(value), encoding="utf-8")


def _schema(kind: Any) -> Any:
    return _plain(msgspec.json.schema(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if key not in _FOR_PEOPLE}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _gate(gate: Any) -> Any:
    """Return the numbers of a gate's matrix that are not zero, by row and column."""
    matrix = np.round(gate.matrix(_THETA), 12) + 0.0
    return {
        f"{row},{column}": [matrix[row, column].real, matrix[row, column].imag]
        for row, column in np.argwhere(matrix).tolist()
    }
