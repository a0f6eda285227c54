"""Read model cards by the Hub's own library; prints the front matter of each as JSON."""

import json
import sys
from pathlib import Path

import yaml
from huggingface_hub import ModelCard

said = []
for path in sys.argv[1:]:
    card = ModelCard.load(path)
    front = yaml.safe_load(Path(path).read_text(encoding="utf-8").split("---\n")[1])
    said.append({"data": card.data.to_dict(), "yaml": front, "text": card.text})
print(json.dumps(said))
