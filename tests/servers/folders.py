"""What is checked of folders whose server is not started here: parsed, read or run by others."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import hybridx
from hybridx.deployment import DATATYPES, Deployed, Settings, Tensor
from hybridx.deployment.triton import config
from tests.engines.engine import engines
from tests.engines.host import Host
from tests.fresh_machine import fresh
from tests.integrations.models import expected, write_model
from tests.runtime.remote import rows
from tests.servers.server import HERE, SECONDS, environment
from tests.servers.trial import Cell

NAMES = ("x", 'a "b" \\ \n', "é ☃")
# Float64 is computed in float32 by OpenVINO, so both are compared as float32 is.
ROUNDING = 1e-5


def check_folders() -> dict[str, Cell]:
    """Return what came of each server."""
    found = {}
    for name, check in CHECKS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = check(Path(folder))
    return found


def _triton(folder: Path) -> Cell:
    """Parse settings with every dtype, kind of axis and odd names, and compare what was read."""
    told = []
    for is_rowwise in (True, False):
        for dtype in DATATYPES:
            tensors = tuple(Tensor(name, dtype, ("batch", 3, "T")) for name in NAMES)
            tensors += (Tensor("scalar", dtype, ("batch",) if is_rowwise else ()),)
            settings = Settings(queue=7, seconds=1.5, threads=2)
            told.append(Deployed("m", "model.onnx", b"", tensors, tensors, is_rowwise, settings))
    path = write_model(folder / "iris.onnx", "float64")
    hybridx.serve_config(path, folder / "out", server="triton")
    texts = [*map(config, told), (folder / "out" / "iris" / "config.pbtxt").read_text()]
    python = environment("tritonclient", alone=True)
    *read, last = _run(python, "parse_triton.py", json.dumps(texts))
    wrong = [
        f"{one.inputs[0].dtype} {one.is_rowwise}: {found}"
        for one, found in zip(told, read, strict=True)
        if found != _wanted(one)
    ]
    if last["name"] != "iris" or last["input"][0]["data_type"] != "TYPE_FP64":
        wrong.append(str(last))
    return Cell(not wrong, "".join(wrong[:1]) or f"{len(texts)} `config.pbtxt` parsed")


def _wanted(deployed: Deployed) -> dict[str, Any]:
    """Return the fields of Triton's settings that have other values than none."""

    def tensors(given: tuple[Tensor, ...]) -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "data_type": f"TYPE_{DATATYPES[str(one.dtype)]}",
                **({"dims": ["1"], "reshape": {}} if one.name == "scalar" else {}),
                **(
                    {"dims": ["3", "-1"] if deployed.is_rowwise else ["-1", "3", "-1"]}
                    if one.name != "scalar"
                    else {}
                ),
            }
            for one in given
        ]

    policy = {"default_timeout_microseconds": "1500000", "max_queue_size": 7}
    joined = {
        "max_batch_size": 4096,
        # REJECT is the first action, which is not shown.
        "dynamic_batching": {"default_queue_policy": policy},
    }
    return {
        "name": "m",
        "backend": "onnxruntime",
        "default_model_filename": "model.onnx",
        "input": tensors(deployed.inputs),
        "output": tensors(deployed.outputs),
        "parameters": {"intra_op_thread_count": {"string_value": "2"}},
        **(joined if deployed.is_rowwise else {}),
    }


def _kserve(folder: Path) -> Cell:
    """Let the SDK's classes read manifests, and see that they know every field and keep it."""
    path = write_model(folder / "iris.onnx")
    strange = []
    for number, settings in enumerate(
        (
            {},
            {
                "device": "default.qubit",
                "shots": 10,
                "options": {"c_dtype": "a: 'b' #\n$(HOME)"},
                "seconds": 1.5,
            },
        )
    ):
        place = folder / str(number)
        hybridx.serve_config(path, place, server="kserve", settings=settings)
        text = (place / "inference-service.yaml").read_text(encoding="utf-8")
        found = _run(environment("kserve"), "read_manifest.py", text)
        (container,) = found["said"]["spec"]["predictor"]["containers"]
        variables = {one["name"]: one["value"].replace("$$(", "$(") for one in container["env"]}
        lines = (place / "settings.env").read_text(encoding="utf-8").splitlines()
        if found["said"] != found["read"] or variables != dict(
            line.split("=", 1) for line in lines
        ):
            strange.append(str(found))
    return Cell(not strange, "".join(strange[:1]) or "the manifest read by the SDK's classes")


def _openvino(folder: Path) -> Cell:
    """Run the written files by OpenVINO."""
    inputs = [rows(count) for count in (1, 3, 64)]
    worst = 0.0
    for dtype in ("float32", "float64"):
        path = write_model(folder / f"{dtype}.onnx", dtype)
        hybridx.serve_config(path, folder / dtype, server="openvino", name="iris")
        file = folder / dtype / "iris" / "1" / "model.onnx"
        with Host(engines()["openvino"].command(), fresh(os.environ, folder)) as host:
            given = [one.astype(dtype) for one in inputs]
            for one, found in zip(inputs, host.run(file, given, alone=False), strict=True):
                worst = max(worst, float(np.abs(found - expected(one)).max()))
    version = engines()["openvino"].pinned
    return Cell(worst < ROUNDING, f"both files run by OpenVINO {version}, worst error {worst:.0e}")


CHECKS: Mapping[str, Callable[[Path], Cell]] = {
    "triton": _triton,
    "kserve": _kserve,
    "openvino": _openvino,
}


def _run(python: Path, script: str, given: str) -> Any:
    done = subprocess.run(
        [str(python), str(HERE / "alone" / script)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout)
