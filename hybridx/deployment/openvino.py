"""What OpenVINO Model Server reads: a list of models, and the file with its circuits inlined."""

from __future__ import annotations

from hybridx.deployment.deployed import Deployed, as_json


def for_openvino(deployed: Deployed) -> dict[str, bytes]:
    """Return a folder that the server finds as `/models`."""
    listed = [{"config": {"name": deployed.name, "base_path": f"/models/{deployed.name}"}}]
    return {
        "config.json": as_json({"model_config_list": listed}),
        f"{deployed.name}/1/model.onnx": deployed.content,
    }
