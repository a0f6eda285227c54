"""What Triton reads: a model repository, in which its stock backend for ONNX runs the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hybridx.deployment.datatypes import DATATYPES
from hybridx.deployment.deployed import Deployed, Tensor

MOST_ROWS: Final = 4096
"""Rows that Triton joins at most, unless fewer are taken in a request."""


def for_triton(deployed: Deployed) -> dict[str, bytes]:
    """Return the files of a model repository."""
    return {
        f"{deployed.name}/config.pbtxt": config(deployed).encode(),
        f"{deployed.name}/1/model.onnx": deployed.content,
    }


def config(deployed: Deployed) -> str:
    """Return the settings of a model as Triton's protocol buffer in text.

    Requests are joined only if their rows do not depend on each other; then shapes are without the
    axis of rows. Past the queue and the time limit, Triton refuses.
    """
    settings = deployed.settings
    skipped = 1 if deployed.is_rowwise else 0
    lines = [
        f"name: {quoted(deployed.name)}",
        'backend: "onnxruntime"',
        'default_model_filename: "model.onnx"',
        f"max_batch_size: {min(settings.rows, MOST_ROWS) if deployed.is_rowwise else 0}",
        *_tensors("input", deployed.inputs, skipped),
        *_tensors("output", deployed.outputs, skipped),
    ]
    if deployed.is_rowwise:
        lines += [
            "dynamic_batching {",
            "  default_queue_policy {",
            "    timeout_action: REJECT",
            f"    default_timeout_microseconds: {round(settings.seconds * 1e6)}",
            f"    max_queue_size: {settings.queue}",
            "  }",
            "}",
        ]
    if settings.threads is not None:
        lines += [
            "parameters {",
            '  key: "intra_op_thread_count"',
            f'  value {{ string_value: "{settings.threads}" }}',
            "}",
        ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    r"""Return a text as a string of a protocol buffer in text, whatever it holds.

    Example:
        >>> print(quoted('a "b"'), quoted("é"))
        "a \"b\"" "\303\251"
    """
    plain = text.replace("\\", r"\\").replace('"', r"\"").encode()
    escaped = re.sub(rb"[^ -~]", lambda found: b"\\%03o" % found[0][0], plain)
    return f'"{escaped.decode()}"'


def _tensors(kind: str, tensors: Sequence[Tensor], skipped: int) -> list[str]:
    lines: list[str] = []
    for one in tensors:
        assert one.dtype is not None, "an ONNX file says it"
        assert one.shape is not None
        dims = [-1 if isinstance(length, str) else length for length in one.shape[skipped:]]
        lines += [f"{kind} {{", f"  name: {quoted(one.name)}", f"  data_type: {_type(one.dtype)}"]
        # Triton takes no shape without axes: it shows one of length 1, and the model has none.
        lines += [f"  dims: [ {', '.join(map(str, dims or [1]))} ]"]
        lines += [] if dims else ["  reshape { shape: [ ] }"]
        lines += ["}"]
    return lines


def _type(dtype: str) -> str:
    return f"TYPE_{DATATYPES[dtype]}"
