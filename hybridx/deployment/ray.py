"""What Ray Serve reads: a configuration that names the application in `hybridx.integrations`."""

from __future__ import annotations

import json
import math

from hybridx.deployment.deployed import Deployed

_ENDS = 30  # seconds that Ray has beyond the time limit, so that hybridx refuses first


def for_ray(deployed: Deployed) -> dict[str, bytes]:
    """Return a configuration that `serve run` and `serve deploy` take, and the file.

    The path of the file is the one that every node has to have; from the folder itself, `serve run`
    finds it beside the configuration.
    """
    settings = json.dumps(deployed.settings.given())  # which is YAML, too
    text = f"""\
http_options:
  host: 0.0.0.0
  port: 8000
  request_timeout_s: {math.ceil(deployed.settings.seconds) + _ENDS}
applications:
  - name: {deployed.name}
    route_prefix: /{deployed.name}
    import_path: hybridx.integrations.ray_serve:application
    args:
      path: {deployed.file}
      settings: {settings}
"""
    return {
        "serve.yaml": text.encode(),
        "requirements.txt": b"hybridx\nray[serve]>=2.60,<2.61\n",
        deployed.file: deployed.content,
    }
