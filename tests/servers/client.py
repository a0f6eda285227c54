"""Clients of others: what is asked of a server, and what it answers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hybridx.deployment import DATATYPES
from tests.servers.server import HERE, MODEL, SECONDS, Running, environment

WAYS: Mapping[str, Mapping[str, str]] = {
    "v2": {"json": "JSON", "typed json": "JSON", "binary": "binary", "grpc": "gRPC"},
    "http": {"lists": "JSON"},
}
"""The ways in which a client asks, and the column of each, by kind of client."""

CLIENTS_OF: Mapping[str, str] = {"v2": "tritonclient", "http": "httpx"}
"""The environment of each kind of client."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a request.

    Attributes:
        outputs: arrays by name; empty if it was refused.
        code: of the refusal, a status of HTTP or a code of gRPC; empty otherwise.
        text: of the refusal.
    """

    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    code: str = ""
    text: str = ""


def ask(
    running: Running, ways: str | Sequence[str], requests: Sequence[Mapping[str, np.ndarray]]
) -> list[Answer]:
    """Send requests at once, each by a client of its own, and return the answers in their order.

    Args:
        running: the server.
        ways: one of `WAYS`, or one for each request; "joined" is the method whose requests the
            server joins.
        requests: arrays by the names of inputs; one of objects is sent as `BYTES`.
    """
    each = [ways] * len(requests) if isinstance(ways, str) else ways
    plan = {
        "http": f"127.0.0.1:{running.ports['http']}",
        "grpc": f"127.0.0.1:{running.ports['grpc']}",
        "path": running.server.path.format(name=MODEL),
        "joins": running.server.joins,
        "model": MODEL,
        "outputs": ["y"],
        "requests": [
            {"way": way, "inputs": [_tensor(name, array) for name, array in one.items()]}
            for way, one in zip(each, requests, strict=True)
        ],
    }
    program = HERE / "alone" / f"ask_{running.server.client}.py"
    done = subprocess.run(
        [str(environment(CLIENTS_OF[running.server.client], alone=True)), str(program)],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * SECONDS,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return [_answer(one) for one in json.loads(done.stdout)]


def _tensor(name: str, array: np.ndarray) -> dict[str, Any]:
    if array.dtype == object:
        data, datatype = bytes(array.flat[0]), "BYTES"
    else:
        data, datatype = np.ascontiguousarray(array).tobytes(), DATATYPES[array.dtype.name]
    return {
        "name": name,
        "datatype": datatype,
        "shape": list(array.shape),
        "data": base64.b64encode(data).decode(),
    }


def _answer(said: Mapping[str, Any]) -> Answer:
    if "outputs" not in said:
        return Answer(code=said["code"], text=said["text"])
    return Answer(
        {
            name: np.frombuffer(base64.b64decode(one["data"]), one["dtype"]).reshape(one["shape"])
            for name, one in said["outputs"].items()
        }
    )
