"""Parse settings of Triton by the protocol buffers of tritonclient: texts in, their fields out."""

from __future__ import annotations

import json
import sys

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

parsed = [text_format.Parse(text, model_config_pb2.ModelConfig()) for text in json.load(sys.stdin)]
json.dump(
    [json_format.MessageToDict(one, preserving_proto_field_name=True) for one in parsed], sys.stdout
)
