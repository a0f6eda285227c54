"""Read a manifest by the classes of KServe's SDK: YAML in, what they have understood out."""

from __future__ import annotations

import json
import re
import sys
from types import SimpleNamespace

import kserve
import yaml
from kubernetes import client

document = yaml.safe_load(sys.stdin)
# The classes of the SDK, and those of Kubernetes that it names, which spell lists in another way.
for name in dir(client.models):
    if name.startswith("V1") and not hasattr(kserve.models, name):
        kind = getattr(client.models, name)
        kind.openapi_types = {
            field: re.sub(r"Dict\[str, (.*)\]", r"dict(str, \1)", said.replace("List[", "list["))
            for field, said in kind.openapi_types.items()
        }
        setattr(kserve.models, name, kind)
api = kserve.ApiClient()
read = api.deserialize(SimpleNamespace(data=json.dumps(document)), "V1beta1InferenceService")
json.dump({"said": document, "read": api.sanitize_for_serialization(read)}, sys.stdout)
