"""What KServe reads: a manifest, and the image that it names."""

from __future__ import annotations

import json
import math

from hybridx.deployment.deployed import Deployed, variables

_PLACE = "/models"


def for_kserve(deployed: Deployed) -> dict[str, bytes]:
    """Return a manifest for an InferenceService, a Dockerfile for its image, and the file.

    `settings.env` has the same variables, for a server without a cluster.
    """
    said = variables(deployed, f"{_PLACE}/{deployed.file}")
    return {
        "inference-service.yaml": _manifest(deployed, said).encode(),
        "Dockerfile": _dockerfile(deployed).encode(),
        "settings.env": "".join(f"{name}={value}\n" for name, value in said.items()).encode(),
        deployed.file: deployed.content,
    }


def _manifest(deployed: Deployed, said: dict[str, str]) -> str:
    variables = "".join(
        f"          - name: {name}\n            value: {_quoted(value)}\n"
        for name, value in said.items()
    )
    # The server has that long to answer what it has when a pod is moved.
    grace = math.ceil(deployed.settings.seconds) + 30
    return f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {deployed.name}
spec:
  predictor:
    terminationGracePeriodSeconds: {grace}
    containers:
      - name: kserve-container
        image: {deployed.name}:latest
        args:
          - --model_name={deployed.name}
        env:
{variables}\
        ports:
          - containerPort: 8080
            protocol: TCP
        livenessProbe:
          httpGet:
            path: /v2/health/live
            port: 8080
        readinessProbe:
          httpGet:
            path: /v2/models/{deployed.name}/ready
            port: 8080
        resources:
          limits:
            cpu: "2"
            memory: 2Gi
"""


def _quoted(text: str) -> str:
    """Return a text for YAML, in which one of JSON is one too, and Kubernetes replaces nothing."""
    return json.dumps(text.replace("$(", "$$("))


def _dockerfile(deployed: Deployed) -> str:
    extra = "" if deployed.settings.device == "onnx" else "[devices]"
    return f"""\
FROM python:3.12-slim
RUN pip install --no-cache-dir "hybridx{extra}" "kserve>=0.21,<0.22"
COPY {deployed.file} {_PLACE}/
USER nobody
ENTRYPOINT ["python", "-m", "hybridx.integrations.kserve"]
"""
