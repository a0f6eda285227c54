"""Ask a server that takes our JSON by httpx, in an environment without hybridx.

Standard input is one JSON object: the address and requests. All requests are sent at once, each by
a thread and a client of its own. Standard output has an answer for each.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

SECONDS = 120
DTYPES = {"FP32": "float32", "FP64": "float64", "INT64": "int64"}


def main() -> None:
    """Read the plan, and print the answers."""
    plan = json.load(sys.stdin)
    requests = plan["requests"]
    together = threading.Barrier(len(requests))

    def sent(request):
        inputs = {one["name"]: numbers(one) for one in request["inputs"]}
        is_joined = request["way"] == "joined"
        path, body = (plan["joins"], inputs) if is_joined else (plan["path"], {"inputs": inputs})
        dtype = DTYPES.get(request["inputs"][0]["datatype"], "float32")
        with httpx.Client(timeout=SECONDS) as client:
            together.wait(SECONDS)
            try:
                answer = client.post(f"http://{plan['http']}{path}", json=body)
            except httpx.HTTPError as error:
                return {"code": type(error).__name__, "text": str(error)[:400]}
        if answer.status_code != 200:
            return {"code": str(answer.status_code), "text": text_of(answer)[:400]}
        said = answer.json()
        outputs = {plan["outputs"][0]: said} if is_joined else said["outputs"]
        return {"outputs": {name: written(x, dtype) for name, x in outputs.items()}}

    with ThreadPoolExecutor(len(requests)) as clients:
        json.dump(list(clients.map(sent, requests)), sys.stdout)


def numbers(tensor):
    data = base64.b64decode(tensor["data"])
    if tensor["datatype"] == "BYTES":
        return np.full(tensor["shape"], data.decode()).tolist()
    return np.frombuffer(data, DTYPES[tensor["datatype"]]).reshape(tensor["shape"]).tolist()


def text_of(answer):
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text


def written(lists, dtype):
    array = np.array(lists, dtype=dtype)
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": dtype, "shape": list(array.shape), "data": data}


main()
