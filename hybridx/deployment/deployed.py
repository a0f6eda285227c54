"""What is deployed: a model file with a name, and all that servers want to know of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hybridx.deployment.settings import MODEL, PREFIX, Settings

RECORD: Final = "hybridx-serve.json"
"""The file in a written folder that says what it is; a folder with it may be written again."""

# What servers' folders hold: files beside the record, and a folder of the model with versions.
_OURS = re.compile(
    rf"{re.escape(RECORD)}|model\.(onnx|pt|pt2)|[a-z-]+\.(json|yaml|env|py|txt)|Dockerfile"
    r"|[a-z0-9-]+/(config\.pbtxt|1/(model\.onnx)?)?"
)

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,46}[a-z0-9])?")
NAME_RULE: Final = "lower-case letters, digits and hyphens, from a letter on, at most 48"
"""What Kubernetes, folders and URLs all take."""


@dataclass(frozen=True)
class Tensor:
    """An input or an output.

    Attributes:
        name: of it.
        dtype: by NumPy's name; None where the file does not say it.
        shape: lengths, and names of axes of any length; None likewise.
    """

    name: str
    dtype: str | None
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, eq=False)
class Deployed:
    """A model file that servers are to run.

    Attributes:
        name: of the model, in URLs and folders.
        file: how the file is called beside the settings, such as `model.onnx`.
        content: of the file, byte for byte.
        inputs: what it takes.
        outputs: what it gives.
        is_rowwise: every input and output has a row for each sample, and rows do not depend on
            each other, so that a server may join requests.
        settings: what is fixed by who runs the server.
    """

    name: str
    file: str
    content: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    is_rowwise: bool
    settings: Settings


def is_model_name(name: str) -> bool:
    """Return whether a model may have a name."""
    return _NAME.fullmatch(name) is not None


def name_from(stem: str) -> str:
    """Return a name for the model of a file.

    Example:
        >>> name_from("My model_2"), name_from("7")
        ('my-model-2', 'model-7')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"model-{plain}".strip("-")
    return plain[:48].strip("-")


def is_ours(name: str) -> bool:
    """Return whether a file in a written folder may have a name; `below/` is a folder in it."""
    return _OURS.fullmatch(name) is not None


def as_json(value: Any) -> bytes:
    """Return a value as JSON for people."""
    return (json.dumps(value, indent=2) + "\n").encode()


def variables(deployed: Deployed, path: str) -> dict[str, str]:
    """Return the environment variables that say what `served_from` reads.

    Args:
        deployed: what is deployed.
        path: of the file where the server runs.
    """
    given: Mapping[str, Any] = deployed.settings.given()
    said = {
        f"{PREFIX}{name.upper()}": value if isinstance(value, str) else _json(value)
        for name, value in given.items()
    }
    return {MODEL: path, **said}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
