"""Runs on Ray: the numbers of one process, whatever is killed, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

import hybridx
from hybridx.errors import PieceFailedError
from tests.api import small_models

ray = pytest.importorskip("ray", reason="`make test-ray` runs these tests where Ray is installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray and its dependencies
SECONDS = 300
ROWS = {"a": 20_000, "b": 3, "c": 13_001}
SMALL = {"object_store_memory": 150_000_000}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two layers so wide that a piece takes part of a second."""
    draw = np.random.default_rng(1).standard_normal
    wide = [draw(shape).astype(np.float32) / 40 for shape in ((2, 1500), (1500, 1500), (1500, 2))]
    return small_models.model_file(
        tmp_path_factory.mktemp("model") / "model.onnx",
        [
            ("MatMul", ["x", "in"], "first"),
            ("Tanh", ["first"], "bent"),
            ("MatMul", ["bent", "middle"], "second"),
            ("MatMul", ["second", "out"], "y"),
        ],
        [("x", ["batch", 2])],
        [("y", ["batch", 2])],
        weights=list(zip(("in", "middle", "out"), wide, strict=True)),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Files whose rows are told apart, in groups that no piece begins with."""
    folder = tmp_path_factory.mktemp("data")
    for name, rows in ROWS.items():
        values = np.random.default_rng(rows).random((rows, 2), np.float32)
        table = pyarrow.table({"x_0": values[:, 0], "id": np.arange(rows), "x_1": values[:, 1]})
        parquet.write_table(table, folder / f"{name}.parquet", row_group_size=3000)
    return folder


@pytest.fixture(scope="module")
def expected(model, data, tmp_path_factory):
    """What plain runs write, one file after the other."""
    folder = tmp_path_factory.mktemp("plain")
    for path in sorted(data.iterdir()):
        hybridx.predict(model, path, folder / path.name, threads=1, batch_size=512)
    return parquet.read_table(folder)


@contextmanager
def cluster(nodes, cpus=1):
    from ray.cluster_utils import Cluster

    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": cpus, "include_dashboard": False, **SMALL}
    )
    try:
        for _ in range(nodes - 1):
            found.add_node(num_cpus=cpus, **SMALL)
        found.wait_for_nodes()
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def begin(*arguments, folder):
    """Start a command in a group of processes of its own, which Ctrl-C reaches."""
    # A shell lets what it starts behind it ignore this signal.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from hybridx.cli import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process):
    out, talk = process.communicate(timeout=SECONDS)
    return process.returncode, out, talk


def parts_of(folder):
    return sorted(folder.glob(".hybridx-*.tmp/new/part-*"))


def wait_for_parts(folder, process, count=2):
    """Wait until some pieces are written, and not all."""
    until = time.monotonic() + SECONDS
    while len(parts_of(folder)) < count:
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def processes(word, below):
    """The processes of a session of Ray, whose command has a word."""
    import psutil

    found = []
    for one in psutil.Process(below).children(recursive=True):
        try:
            if word in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


def arguments(model, data, *more):
    return ("run", model, "-i", data, "-o", "out", "--batch-size", 512, *more)


# --- the command ---------------------------------------------------------------------------------


def test_a_pattern_of_files_becomes_a_folder_with_the_rows_in_order(
    model, data, expected, tmp_path
):
    command = arguments(model, data / "*.parquet", "--ray", "local", "--json")
    code, out, talk = end(begin(*command, folder=tmp_path))
    assert code == 0, talk
    told = json.loads(out)
    assert (told["rows"], told["written"]) == (sum(ROWS.values()), "out")
    assert "Ray" not in talk, "Ray's own messages are not for the user"
    assert "WARN" not in talk
    assert parquet.read_table(tmp_path / "out").equals(expected)
    said = json.loads((tmp_path / "out" / "_hybridx.json").read_text())
    assert sum(part["rows"] for part in said["parts"]) == told["rows"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

    code, _, talk = end(begin(*command, folder=tmp_path))
    assert code == 3
    again = begin(*command, "--overwrite", folder=tmp_path)
    assert end(again)[0] == 0
    assert parquet.read_table(tmp_path / "out").equals(expected)


def test_a_killed_actor_loses_and_repeats_no_row(model, data, expected, tmp_path):
    running = begin(*arguments(model, data, "--ray", "local"), folder=tmp_path)
    wait_for_parts(tmp_path, running)
    actor, *_ = processes("ray::MapWorker", running.pid)
    actor.kill()
    code, _, talk = end(running)
    assert code == 0, talk
    assert parquet.read_table(tmp_path / "out").equals(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_ctrl_c_leaves_neither_files_nor_processes(model, data, tmp_path):
    running = begin(*arguments(model, data, "--ray", "local"), folder=tmp_path)
    wait_for_parts(tmp_path, running, 1)
    left = processes("", running.pid)
    os.kill(running.pid, signal.SIGINT)
    code, _, talk = end(running)
    assert code == 130, talk
    assert list(tmp_path.iterdir()) == []
    until = time.monotonic() + 60
    while any(one.is_running() and one.status() != "zombie" for one in left):
        assert time.monotonic() < until, left
        time.sleep(0.1)


def test_a_row_that_cannot_be_run_ends_the_job_with_its_file_and_number(model, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("first", "second"):
        values = np.zeros(5000)
        values[4321] = 1e300 if name == "second" else 0
        table = pyarrow.table({"x_0": values, "x_1": values})
        parquet.write_table(table, tmp_path / "data" / f"{name}.parquet")
    command = arguments(model, tmp_path / "data", "--ray", "local", "--json")
    code, out, talk = end(begin(*command, folder=tmp_path))
    assert code == 3, talk
    told = json.loads(out)["error"]
    assert told["code"] == "HX346"
    assert "second.parquet" in told["message"]
    assert "row 4322" in told["message"]
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_cluster_that_runs_is_used_and_stays(model, data, expected, tmp_path):
    with cluster(2) as running:
        command = arguments(model, data, "--ray", running.address)
        code, _, talk = end(begin(*command, folder=tmp_path))
        assert code == 0, talk
        ray.init(address=running.address, log_to_driver=False)
        assert ray.cluster_resources()["CPU"] == 2
    assert parquet.read_table(tmp_path / "out").equals(expected)


# --- nodes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_the_bytes_of_rows_do_not_depend_on_the_number_of_nodes(
    nodes, model, data, expected, tmp_path
):
    from hybridx.integrations.ray import run

    with cluster(nodes) as running:
        ray.init(address=running.address, log_to_driver=False, logging_level="ERROR")
        report = run(model, data, tmp_path / "out", batch_size=512)
    assert report.rows == sum(ROWS.values())
    assert parquet.read_table(tmp_path / "out").equals(expected)


# --- the predictor -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def started():
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        **SMALL,
    )
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    yield
    ray.shutdown()


def test_a_predictor_maps_batches_in_order_and_keeps_columns(model, data, expected, started):
    from hybridx.integrations.ray import predictor

    rows = ray.data.read_parquet([str(path) for path in sorted(data.iterdir())])
    run = predictor(model, keep=["id"])
    assert len(ray.cloudpickle.dumps(run)) < 3000, "a path, and not a file"
    found = rows.map_batches(
        run, batch_format="numpy", batch_size=512, compute=ray.data.ActorPoolStrategy(size=2)
    )
    table = pyarrow.concat_tables(
        pyarrow.table(batch) for batch in found.iter_batches(batch_format="pyarrow")
    )
    assert table.column_names == ["id", "y_0", "y_1"]
    assert table["id"].to_pylist() == [n for count in ROWS.values() for n in range(count)]
    for name in ("y_0", "y_1"):
        # Other slices are rounded in another way.
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-4, atol=1e-5)


def test_an_actor_has_a_thread_for_each_of_its_cpus(model, data, started):
    from hybridx.integrations.ray import predictor

    class Threads(predictor(model)):
        def __call__(self, batch):
            super().__call__(batch)
            return {"threads": np.array([self._session._execution.threads])}

    rows = ray.data.range(1).map_batches(lambda _: {"x_0": np.ones(1), "x_1": np.ones(1)})
    found = rows.map_batches(
        Threads, batch_format="numpy", num_cpus=2, compute=ray.data.ActorPoolStrategy(size=1)
    )
    assert found.take_all() == [{"threads": 2}]


def test_an_actor_refuses_another_file_under_the_path(model, started, tmp_path):
    from hybridx.integrations.ray import predictor

    path = small_models.log(tmp_path / "model.onnx")
    run = predictor(path)
    path.write_bytes(Path(model).read_bytes())
    rows = ray.data.from_numpy([np.ones(3)]).map_batches(
        lambda batch: {"x_0": batch["data"], "x_1": batch["data"]}
    )
    with pytest.raises(ray.exceptions.RayTaskError, match="HX345"):
        rows.map_batches(
            run, batch_format="numpy", compute=ray.data.ActorPoolStrategy(size=1)
        ).take_all()


def test_a_run_uses_ray_that_is_started(model, data, expected, started, tmp_path):
    from hybridx.integrations.ray import run

    run(model, data, tmp_path / "out", batch_size=512)
    assert ray.is_initialized()
    assert parquet.read_table(tmp_path / "out").equals(expected)


def test_an_error_of_an_actor_is_typed(started, model, tmp_path):
    from hybridx.integrations.ray import run

    table = pyarrow.table({"x_0": [0.5, None, 0.5], "x_1": [0.5, 0.5, 0.5]})
    parquet.write_table(table, tmp_path / "gaps.parquet")
    parquet.write_table(table.slice(0, 1), tmp_path / "a.parquet")
    with pytest.raises(PieceFailedError, match=r"gaps\.parquet") as told:
        run(model, tmp_path, tmp_path / "out")
    assert "row 2" in told.value.said
