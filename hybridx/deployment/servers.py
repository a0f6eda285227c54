"""The servers for which folders are written, a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

from hybridx.deployment.bentoml import for_bentoml
from hybridx.deployment.deployed import Deployed
from hybridx.deployment.kserve import for_kserve
from hybridx.deployment.mlserver import for_mlserver
from hybridx.deployment.openvino import for_openvino
from hybridx.deployment.ray import for_ray
from hybridx.deployment.settings import Settings
from hybridx.deployment.triton import for_triton

_ALL: Final = frozenset(one.name for one in fields(Settings))


@dataclass(frozen=True)
class Server:
    """A server that others have written.

    Attributes:
        title: how it is called.
        files: returns what it reads, by names in its folder.
        runs: what it runs: every file of hybridx (in Python), ONNX, or ONNX whose circuits are
            inlined.
        start: the command that starts it on a folder, with `{folder}` and `{name}`.
        takes: names of the settings that have an effect there.
    """

    title: str
    files: Callable[[Deployed], dict[str, bytes]]
    runs: Literal["python", "onnx", "inlined"]
    start: str
    takes: frozenset[str] = _ALL


SERVERS: Final[Mapping[str, Server]] = {
    "mlserver": Server("MLServer", for_mlserver, "python", "mlserver start {folder}"),
    "kserve": Server(
        "KServe",
        for_kserve,
        "python",
        "docker build --tag {name} {folder}, and kubectl apply --filename "
        "{folder}/inference-service.yaml",
    ),
    "triton": Server(
        "Triton",
        for_triton,
        "onnx",
        "tritonserver --model-repository={folder}",
        frozenset({"queue", "seconds", "rows", "threads"}),
    ),
    "openvino": Server(
        "OpenVINO Model Server",
        for_openvino,
        "inlined",
        'docker run --volume "$(realpath {folder})":/models openvino/model_server '
        "--config_path /models/config.json --port 9000",
        frozenset(),
    ),
    "bentoml": Server(
        "BentoML",
        for_bentoml,
        "python",
        "bentoml serve service:Model --working-dir {folder}",
    ),
    "ray": Server(
        "Ray Serve",
        for_ray,
        "python",
        "python -m hybridx.integrations.ray_serve {folder}/serve.yaml",
    ),
}
