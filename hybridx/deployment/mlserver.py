"""What MLServer reads: settings of the server, and of the model in `hybridx.integrations`."""

from __future__ import annotations

from hybridx.deployment.deployed import Deployed, as_json


def for_mlserver(deployed: Deployed) -> dict[str, bytes]:
    """Return the files of a folder that `mlserver start` takes.

    The model runs in the process of the server: in processes beside it, each would have a device, a
    queue and a budget of its own, and no counters.
    """
    return {
        "settings.json": as_json(
            {
                "debug": False,
                "parallel_workers": 0,
                "host": "0.0.0.0",
                "http_port": 8080,
                "grpc_port": 8081,
                "metrics_port": 8082,
            }
        ),
        "model-settings.json": as_json(
            {
                "name": deployed.name,
                "implementation": "hybridx.integrations.mlserver.HybridxRuntime",
                "parameters": {
                    "uri": f"./{deployed.file}",
                    "extra": deployed.settings.given(),
                },
            }
        ),
        deployed.file: deployed.content,
    }
