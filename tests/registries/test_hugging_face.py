"""Model cards, read by the library of the Hugging Face Hub and a library of YAML."""

from __future__ import annotations

from hybridx import api
from tests.materials.test_card import hostile
from tests.signing.given import copied


def test_the_library_of_the_hub_reads_a_card(environment, tmp_path):
    plain, strange = copied("onnx", tmp_path), hostile(tmp_path)
    api.card(plain, tmp_path / "a.md", license="no", pipeline_tag="1.0")
    api.card(strange, tmp_path / "b.md")
    program = environment("hugging_face", alone=True)
    first, second = program("read_card.py", tmp_path, "a.md", "b.md")
    tags = {"tags": ["onnx", "hybridx", "quantum-machine-learning"], "library_name": "hybridx"}
    # Words that YAML would take for false and a number stay texts.
    assert first["data"] == first["yaml"] == tags | {"license": "no", "pipeline_tag": "1.0"}
    assert second["data"] == second["yaml"] == tags | {"pipeline_tag": "tabular-classification"}
    for name, found in (("a.md", first), ("b.md", second)):
        assert (tmp_path / name).read_text(encoding="utf-8").endswith(found["text"])
        assert found["text"].lstrip().startswith("# ")
