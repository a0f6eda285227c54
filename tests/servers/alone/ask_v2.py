"""Ask a server of the inference protocol V2 by tritonclient, in an environment without hybridx.

Standard input is one JSON object: the addresses, and requests with the way of each. All are sent at
once, each by a thread and a client of its own. Standard output has an answer for each.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

SECONDS = 120
DTYPES = {"FP32": "float32", "FP64": "float64", "INT64": "int64"}


def main() -> None:
    """Read the plan, and print the answers."""
    plan = json.load(sys.stdin)
    requests = plan["requests"]
    together = threading.Barrier(len(requests))

    def sent(request):
        ask = ASKED[request["way"]](plan)
        together.wait(SECONDS)
        try:
            return ask(request)
        except InferenceServerException as error:
            code = str(error.status() or "").removeprefix("StatusCode.")
            return {"code": code, "text": str(error.message() or "")[:400]}
        except Exception as error:
            return {"code": type(error).__name__, "text": str(error)[:400]}

    with ThreadPoolExecutor(len(requests)) as clients:
        json.dump(list(clients.map(sent, requests)), sys.stdout)


def array_of(tensor):
    data = base64.b64decode(tensor["data"])
    if tensor["datatype"] == "BYTES":
        return np.full(tensor["shape"], data, dtype=np.object_)
    return np.frombuffer(data, DTYPES[tensor["datatype"]]).reshape(tensor["shape"])


def told(result, names):
    return {"outputs": {name: written(result.as_numpy(name)) for name in names}}


def written(array):
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}


def by_http(plan, *, binary):
    client = tritonclient.http.InferenceServerClient(
        plan["http"], connection_timeout=SECONDS, network_timeout=SECONDS
    )

    def ask(request):
        inputs = []
        for one in request["inputs"]:
            given = tritonclient.http.InferInput(one["name"], one["shape"], one["datatype"])
            given.set_data_from_numpy(array_of(one), binary_data=binary)
            inputs.append(given)
        outputs = [
            tritonclient.http.InferRequestedOutput(name, binary_data=binary)
            for name in plan["outputs"]
        ]
        return told(client.infer(plan["model"], inputs, outputs=outputs), plan["outputs"])

    return ask


def by_grpc(plan):
    client = tritonclient.grpc.InferenceServerClient(plan["grpc"])

    def ask(request):
        inputs = []
        for one in request["inputs"]:
            given = tritonclient.grpc.InferInput(one["name"], one["shape"], one["datatype"])
            given.set_data_from_numpy(array_of(one))
            inputs.append(given)
        result = client.infer(plan["model"], inputs, client_timeout=SECONDS)
        return told(result, plan["outputs"])

    return ask


def by_plain_json(plan):
    """Return what sends JSON with its `Content-Type`, as curl and web pages do."""
    url = f"http://{plan['http']}/v2/models/{plan['model']}/infer"

    def ask(request):
        tensors = [
            {
                "name": one["name"],
                "shape": one["shape"],
                "datatype": one["datatype"],
                "data": [
                    value.decode() if isinstance(value, bytes) else value
                    for value in array_of(one).ravel().tolist()
                ],
            }
            for one in request["inputs"]
        ]
        sent = urllib.request.Request(
            url, json.dumps({"inputs": tensors}).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(sent, timeout=SECONDS) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            return {"code": str(error.code), "text": error.read().decode()[:400]}
        outputs = {one["name"]: one for one in said["outputs"]}
        return {
            "outputs": {
                name: written(
                    np.array(outputs[name]["data"], DTYPES[outputs[name]["datatype"]]).reshape(
                        outputs[name]["shape"]
                    )
                )
                for name in plan["outputs"]
            }
        }

    return ask


ASKED = {
    "json": lambda plan: by_http(plan, binary=False),
    "typed json": by_plain_json,
    "binary": lambda plan: by_http(plan, binary=True),
    "grpc": by_grpc,
}

if __name__ == "__main__":
    main()
