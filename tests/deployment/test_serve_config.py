"""Folders for servers: what is in them, what is refused, and that nothing is half-written."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hybridx
from hybridx.deployment import SERVERS, Deployed, Settings, Tensor, name_from, settings_of
from hybridx.deployment.triton import config, quoted
from hybridx.errors import (
    ConflictingOptionsError,
    MismatchError,
    NoSelfTestError,
    NotServedError,
    NotWritableError,
    OptionError,
    OptionNeedsError,
    OutputExistsError,
    SecretOptionError,
    ServerSettingError,
)
from hybridx.integrations import Served, settings_from
from tests.cli.shell import command
from tests.integrations.models import write_model
from tests.runtime.models import TURN, build


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("deployment") / "My model.onnx", "float64")


def files(folder):
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file()
    }


@pytest.mark.parametrize("server", SERVERS)
def test_a_folder_holds_what_the_report_says_and_can_be_written_again(server, model, tmp_path):
    report = hybridx.serve_config(model, tmp_path / "out", server=server)
    found = files(tmp_path / "out")
    assert {*report.files} | {"hybridx-serve.json"} == {*found}
    assert report.name == "my-model"
    (file,) = (name for name in found if name.endswith("model.onnx"))
    if server != "openvino":
        assert found[file] == model.read_bytes()
    about = json.loads(found["hybridx-serve.json"])
    assert (about["server"], about["model"]) == (server, "my-model")
    with pytest.raises(OutputExistsError):
        hybridx.serve_config(model, tmp_path / "out", server=server)
    for again in SERVERS:
        hybridx.serve_config(model, tmp_path / "out", server=again, overwrite=True)
    hybridx.serve_config(model, tmp_path / "out", server=server, overwrite=True)
    assert files(tmp_path / "out") == found


def test_what_is_not_ours_is_not_replaced(model, tmp_path):
    hybridx.serve_config(model, tmp_path / "out", server="triton")
    (tmp_path / "out" / "my-model" / "thesis.tex").write_bytes(b"years")
    before = files(tmp_path / "out")
    with pytest.raises(NotWritableError, match="thesis"):
        hybridx.serve_config(model, tmp_path / "out", server="triton", overwrite=True)
    assert files(tmp_path / "out") == before


def test_the_settings_of_mlserver_are_read_back(model, tmp_path):
    settings = {"device": "default.qubit", "shots": 100, "options": {"max_workers": 1}, "queue": 3}
    hybridx.serve_config(model, tmp_path / "out", server="mlserver", name="iris", settings=settings)
    said = json.loads((tmp_path / "out" / "model-settings.json").read_text())
    assert said["name"] == "iris"
    assert settings_of(said["parameters"]["extra"]) == settings_of(settings)
    # One process has one device, one queue and one budget.
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["parallel_workers"] == 0


def test_the_variables_of_kserve_are_read_back(model, tmp_path):
    settings = {"device": "default.qubit", "options": {"c_dtype": 'a "b"\n$(HOME)'}, "seconds": 1.5}
    hybridx.serve_config(model, tmp_path / "out", server="kserve", settings=settings)
    lines = (tmp_path / "out" / "settings.env").read_text().splitlines()
    assert settings_from(dict(line.split("=", 1) for line in lines)) == settings_of(settings)
    manifest = (tmp_path / "out" / "inference-service.yaml").read_text()
    assert "$$(HOME)" in manifest
    assert '"default.qubit"' in manifest
    assert "path: /v2/models/my-model/ready" in manifest


TRITON = """\
name: "my-model"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 4096
input {
  name: "x"
  data_type: TYPE_FP64
  dims: [ 2 ]
}
output {
  name: "y"
  data_type: TYPE_FP64
  dims: [ 2 ]
}
dynamic_batching {
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 2000000
    max_queue_size: 7
  }
}
parameters {
  key: "intra_op_thread_count"
  value { string_value: "2" }
}
"""


def test_triton_joins_requests_whose_rows_are_independent(model, tmp_path):
    settings = {"queue": 7, "seconds": 2, "threads": 2}
    report = hybridx.serve_config(model, tmp_path / "out", server="triton", settings=settings)
    assert report.joins_requests
    assert (tmp_path / "out" / "my-model" / "config.pbtxt").read_text() == TRITON


def test_triton_joins_no_requests_whose_rows_depend_on_each_other(tmp_path):
    import onnx
    from onnx import helper

    from hybridx.artifact import Metadata, SelfTest
    from tests.integrations.models import expected
    from tests.runtime.remote import rows

    inputs = rows(5)
    mean = expected(inputs).mean(axis=0, keepdims=True).astype(np.float32)
    axes = ("axes", np.array([0], dtype=np.int64))
    metadata = Metadata("0", self_test=SelfTest({"x": inputs}, {"y": mean}, 1e-5))
    nodes = [(TURN, ["x"], "a"), helper.make_node("ReduceMean", ["a", "axes"], ["y"])]
    made = build(nodes, [("y", [1, 2])], [axes], metadata=metadata)
    assert isinstance(made.model, onnx.ModelProto)
    (tmp_path / "mean.onnx").write_bytes(made.content)
    report = hybridx.serve_config(tmp_path / "mean.onnx", tmp_path / "out", server="triton")
    assert not report.joins_requests
    text = (tmp_path / "out" / "mean" / "config.pbtxt").read_text()
    assert "max_batch_size: 0" in text
    assert "dims: [ -1, 2 ]" in text
    assert "dynamic_batching" not in text


def test_triton_gets_every_dtype_axis_and_name():
    given = tuple(
        Tensor(f'a "{dtype}"\\\n', dtype, ("batch", 3, "T"))
        for dtype in ("float16", "float32", "float64", "int64", "int32", "uint8", "bool")
    )
    text = config(
        Deployed("m", "model.onnx", b"", given, (Tensor("", "bool", ()),), False, Settings())
    )
    for kind in ("FP16", "FP32", "FP64", "INT64", "INT32", "UINT8", "BOOL"):
        assert f"data_type: TYPE_{kind}\n  dims: [ -1, 3, -1 ]" in text
    assert r'name: "a \"bool\"\\\012"' in text
    assert "dims: [ 1 ]\n  reshape { shape: [ ] }" in text
    assert quoted("\x00\x7f☃") == r'"\000\177\342\230\203"'


def test_openvinos_file_has_its_circuits_inlined(model, tmp_path):
    import onnx

    hybridx.serve_config(model, tmp_path / "out", server="openvino")
    file = tmp_path / "out" / "my-model" / "1" / "model.onnx"
    assert not onnx.load(file).functions
    assert hybridx.inspect(file).is_inlined
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == {
        "model_config_list": [{"config": {"name": "my-model", "base_path": "/models/my-model"}}]
    }
    inlined = tmp_path / "inlined.onnx"
    inlined.write_bytes(file.read_bytes())
    hybridx.serve_config(inlined, tmp_path / "again", server="openvino", name="my-model")
    assert (tmp_path / "again" / "my-model" / "1" / "model.onnx").read_bytes() == file.read_bytes()


def test_a_written_folder_is_served(model, tmp_path):
    hybridx.serve_config(model, tmp_path / "out", server="mlserver")
    served = Served(tmp_path / "out" / "model.onnx")
    served.start()
    assert served.predict({"x": [[0.1, 0.2]]})["y"].dtype == np.float64
    served.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"server": "trit"}, OptionError),
        ({"server": "triton", "name": "../etc"}, OptionError),
        ({"server": "triton", "name": "-a"}, OptionError),
        ({"server": "triton", "name": "a" * 49}, OptionError),
        ({"server": "triton", "settings": {"device": "default.qubit"}}, OptionNeedsError),
        ({"server": "openvino", "settings": {"queue": 3}}, OptionNeedsError),
        ({"server": "kserve", "settings": {"shots": 3}}, OptionNeedsError),
        ({"server": "kserve", "settings": {"shot": 3}}, ServerSettingError),
        ({"server": "kserve", "settings": {"device": "a\nB=c"}}, ServerSettingError),
        (
            {"server": "kserve", "settings": {"device": "default.qubit", "isolated": True}},
            ConflictingOptionsError,
        ),
        (
            {
                "server": "kserve",
                "settings": {"device": "default.qubit", "options": {"api_key": "abcdefgh"}},
            },
            SecretOptionError,
        ),
    ],
)
def test_wrong_calls_are_refused_before_anything_is_written(options, error, model, tmp_path):
    with pytest.raises(error):
        hybridx.serve_config(model, tmp_path / "out", **options)
    assert not [*tmp_path.iterdir()]


def test_files_that_are_not_fit_to_be_served_are_refused(model, tmp_path):
    spoilt = write_model(tmp_path / "spoilt.onnx", spoilt=0.01)
    (tmp_path / "untested.onnx").write_bytes(
        build([(TURN, ["x"], "y")], [("y", ["batch", 2])]).content
    )
    hybridx.convert(model, tmp_path / "model.bundle")
    before = files(tmp_path)
    for path, error in (
        (spoilt, MismatchError),
        (tmp_path / "untested.onnx", NoSelfTestError),
        (tmp_path / "model.bundle", NotServedError),
    ):
        with pytest.raises(error):
            hybridx.serve_config(path, tmp_path / "out", server="triton")
    assert files(tmp_path) == before


@pytest.mark.parametrize("ending", ["pt", "pt2"])
def test_a_file_of_torch_is_refused_or_served_where_python_serves(ending, tmp_path):
    from tests import sample_models

    net, example = sample_models.make("sandwich")
    path = tmp_path / f"model.{ending}"
    hybridx.export(net, (example,), path)
    with pytest.raises(NotServedError) as caught:
        hybridx.serve_config(path, tmp_path / "out", server="triton")
    assert "mlserver" in caught.value.help
    report = hybridx.serve_config(path, tmp_path / "out", server="mlserver")
    assert f"model.{ending}" in report.files
    served = Served(tmp_path / "out" / f"model.{ending}")
    served.start()
    (found,) = served.predict({served.inputs[0].name: example}).values()
    np.testing.assert_allclose(found, net(example).detach().numpy(), atol=1e-6)
    served.close()


def test_a_file_without_bodies_is_left_to_the_device_of_the_server(tmp_path):
    from hybridx.artifact import Metadata, SelfTest
    from tests.integrations.models import expected
    from tests.runtime.remote import rows

    inputs = rows(3)
    test = SelfTest({"x": inputs}, {"y": expected(inputs).astype(np.float32)}, 1e-5)
    made = build(
        [(TURN, ["x"], "y")],
        [("y", ["batch", 2])],
        body=False,
        metadata=Metadata("0", self_test=test),
    )
    (tmp_path / "open.onnx").write_bytes(made.content)
    settings = {"device": "default.qubit", "accept_unchecked": True}
    report = hybridx.serve_config(
        tmp_path / "open.onnx", tmp_path / "out", server="mlserver", settings=settings
    )
    assert "no compiled circuits" in report.notes[0]
    served = Served(tmp_path / "out" / "model.onnx", settings_of(settings))
    served.start()
    np.testing.assert_allclose(served.predict({"x": inputs})["y"], test.outputs["y"], atol=1e-6)


@pytest.mark.parametrize(
    ("stem", "name"),
    [("My model_2", "my-model-2"), ("7", "model-7"), ("É", "model"), ("a" * 60, "a" * 48)],
)
def test_names_are_made_of_names_of_files(stem, name):
    assert name_from(stem) == name


def test_the_command_writes_and_says_how_to_start(model, tmp_path):
    done = command("serve-config", model, "--server", "mlserver", "-o", "out", folder=tmp_path)
    assert done.code == 0, done.talk
    assert "next: mlserver start out" in done.out + done.talk
    done = command(
        *("serve-config", model, "--server", "kserve", "-o", "kept", "--device", "default.qubit"),
        *("--shots", "100", "--option", "max_workers=1", "--queue", "3", "--seconds", "2"),
        folder=tmp_path,
    )
    assert done.code == 0, done.talk
    said = (tmp_path / "kept" / "settings.env").read_text().splitlines()[1:]
    assert said == [
        "HYBRIDX_SERVE_DEVICE=default.qubit",
        "HYBRIDX_SERVE_SHOTS=100",
        'HYBRIDX_SERVE_OPTIONS={"max_workers":1}',
        "HYBRIDX_SERVE_QUEUE=3",
        "HYBRIDX_SERVE_SECONDS=2.0",
    ]
