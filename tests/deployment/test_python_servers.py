"""The folders of BentoML and of Ray Serve: what they say is what was given."""

from __future__ import annotations

import ast
import json

import pytest

import hybridx
from hybridx.deployment import settings_of
from tests.integrations.models import write_model
from tests.signing.given import GOLDEN

SETTINGS = {"device": "default.qubit", "options": {"a": '"""\n{x} #'}, "seconds": 1.5, "shots": 9}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("deployment") / "model.onnx")


def service_of(folder):
    """What the class of a service sets, and the names of its methods."""
    tree = ast.parse((folder / "service.py").read_text())
    (found,) = [one for one in tree.body if isinstance(one, ast.ClassDef)]
    said = {one.targets[0].id: one.value for one in found.body if isinstance(one, ast.Assign)}
    methods = [one.name for one in found.body if isinstance(one, ast.AsyncFunctionDef)]
    (options,) = [one.keywords for one in found.decorator_list]
    return said, methods, {one.arg: ast.literal_eval(one.value) for one in options}


def test_the_service_of_bentoml_has_the_settings_and_no_code_of_them(model, tmp_path):
    hybridx.serve_config(
        model, tmp_path / "out", server="bentoml", settings=SETTINGS, name="turn-2"
    )
    said, methods, options = service_of(tmp_path / "out")
    assert settings_of(ast.literal_eval(said["settings"])) == settings_of(SETTINGS)
    assert methods == ["rows"]
    # BentoML waits longer than hybridx, which then says what came of the request.
    assert options == {"name": "turn-2", "traffic": {"timeout": 32}}


def test_rows_are_joined_only_where_each_request_can_be_checked(model, tmp_path):
    hybridx.serve_config(model, tmp_path / "one", server="bentoml")
    text = (tmp_path / "one" / "service.py").read_text()
    assert "DType('float32'), Shape((-1, 2)), rows_of('float32', 2)" in text
    assert "max_batch_size=1024" in text
    # A batch of more rows than one request may have would be refused, and all its requests.
    hybridx.serve_config(model, tmp_path / "few", server="bentoml", settings={"rows": 9})
    assert "max_batch_size=9" in (tmp_path / "few" / "service.py").read_text()
    several = GOLDEN / "onnx-3" / "named.onnx"
    hybridx.serve_config(several, tmp_path / "two", server="bentoml")
    assert service_of(tmp_path / "two")[1] == []


def test_the_configuration_of_ray_has_the_settings(model, tmp_path):
    hybridx.serve_config(model, tmp_path / "out", server="ray", settings=SETTINGS, name="turn-2")
    lines = (tmp_path / "out" / "serve.yaml").read_text().splitlines()
    (line,) = [one for one in lines if "settings:" in one]
    # One line of JSON, which is YAML, too; the program's own test reads the whole by YAML.
    assert settings_of(json.loads(line.partition("settings:")[2])) == settings_of(SETTINGS)
    assert "    route_prefix: /turn-2" in lines
    # Ray waits longer than hybridx, which then says what came of the request.
    assert "  request_timeout_s: 32" in lines
    assert "      path: model.onnx" in lines
