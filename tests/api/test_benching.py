"""`bench` on a clock that is given: what is measured, and what is refused."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

import hybridx
from hybridx.errors import NoSelfTestError, OptionError, OptionNeedsError, OutputExistsError
from hybridx.runtime import circuits_alone, load
from tests.cli.shell import command
from tests.cli.user_model import Small

BATCHES = (1, 3)


def ticking():
    """A clock on which every look takes a second."""
    return itertools.count().__next__


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("benching") / "model.onnx"
    hybridx.export(Small(), (torch.zeros(3, 4),), path)
    return path


def test_the_file_the_model_and_a_device_are_measured_together(path):
    report = hybridx.bench(
        path, against=Small(), devices=["default.qubit"], batches=BATCHES, clock=ticking()
    )
    assert [one.name for one in report.runners] == ["onnx", "default.qubit", "eager"]
    for one in report.runners:
        assert [pace.batch for pace in one.paces] == [*BATCHES]
        # Each call takes one tick, whatever runs.
        assert [pace.rows_per_second for pace in one.paces] == [*BATCHES]
        assert {(pace.p50, pace.p99, pace.ratio) for pace in one.paces} == {(1, 1, 1.0)}
    shares = [one.paces[0].circuits for one in report.runners]
    assert shares == [1.0, 0.0, None]  # of the circuits alone, and 1 less that of the rest
    assert [one.load for one in report.runners] == [1, 1, None]
    assert report.notes == ()


def test_threads_reach_every_runner_and_are_put_back(path):
    before = torch.get_num_threads()

    class Seeing(Small):
        def forward(self, x):
            assert torch.get_num_threads() == 2
            assert not torch.is_grad_enabled()
            self.calls = getattr(self, "calls", 0) + 1
            return super().forward(x)

    model = Seeing().train()
    report = hybridx.bench(path, against=model, batches=[1], threads=2, clock=ticking())
    assert report.threads == 2
    assert report.notes == ()  # it ran
    assert model.training
    assert not hasattr(model, "calls")
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("device", ["onnx", "default.qubit"])
def test_threads_are_those_of_onnx_runtime(path, device):
    engine = load(path, device=device, threads=1)._open
    started = engine._session if device == "onnx" else engine._stages[0][1]
    assert started.get_session_options().intra_op_num_threads == 1


def test_circuits_alone_run_nothing_else(path):
    session = load(path)
    inputs = session.metadata.self_test.inputs
    circuits_alone(session)(inputs)()  # it raises where a value is missing


def test_a_model_that_does_not_run_is_noted(path):
    class Fixed(Small):
        def forward(self, x):
            return super().forward(x.reshape(1, 4))

    report = hybridx.bench(path, against=Fixed(), batches=BATCHES, clock=ticking())
    assert "the eager model does not run at batch 3" in report.notes[0]
    assert [len(one.paces) for one in report.runners] == [2, 1]


def test_files_of_one_size_and_of_torch_are_measured_too(tmp_path):
    hybridx.export(nn.Linear(2, 3), (torch.zeros(2),), tmp_path / "row.onnx", batch="none")
    report = hybridx.bench(tmp_path / "row.onnx", clock=ticking())
    assert [pace.batch for pace in report.runners[0].paces] == [None]
    assert report.runners[0].paces[0].circuits is None  # there are none
    with pytest.raises(OptionError, match="one size only"):
        hybridx.bench(tmp_path / "row.onnx", batches=[2])
    hybridx.export(nn.Linear(2, 3), (torch.zeros(2, 2),), tmp_path / "model.pt2")
    report = hybridx.bench(tmp_path / "model.pt2", batches=[2], clock=ticking())
    assert (report.runners[0].name, report.provider) == ("torch", "torch")
    assert report.runners[0].paces[0].circuits is None


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_a_picture_is_drawn(path, tmp_path, ending):
    picture = tmp_path / f"bench.{ending}"
    report = hybridx.bench(path, batches=BATCHES, plot=picture, clock=ticking())
    assert report.plot == str(picture)
    first = picture.read_bytes()
    assert first[:8].lstrip(b"<\x89%")[:3] in (b"?xm", b"PNG", b"PDF")
    with pytest.raises(OutputExistsError):
        hybridx.bench(path, plot=picture)
    hybridx.bench(path, batches=BATCHES, plot=picture, overwrite=True, clock=ticking())
    assert picture.read_bytes() == first


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"batches": [0]}, OptionError),
        ({"batches": []}, OptionError),
        ({"batches": [2, 2]}, OptionError),
        ({"batches": [True]}, OptionError),
        ({"threads": 0}, OptionError),
        ({"provider": "abacus"}, OptionError),
        ({"seconds": 0}, OptionError),
        ({"seconds": float("nan")}, OptionError),
        ({"devices": ["onnx"]}, OptionError),
        ({"devices": ["qiskit.remote"]}, OptionError),
        ({"devices": ["default.qubit"] * 2}, OptionError),
        ({"plot": "bench.gif"}, OptionError),
        ({"overwrite": True}, OptionNeedsError),
    ],
)
def test_what_cannot_be_measured_is_refused(path, options, error):
    with pytest.raises(error):
        hybridx.bench(path, **options)


def test_a_file_without_self_test_is_refused(tmp_path):
    hybridx.export(nn.Linear(2, 3), (torch.zeros(2, 2),), tmp_path / "m.onnx", self_test=False)
    with pytest.raises(NoSelfTestError):
        hybridx.bench(tmp_path / "m.onnx")


def test_the_command_prints_a_table_or_json(path, tmp_path):
    words = ("bench", str(path), "--batch", "1,2", "--seconds", "0.001", "--threads", "1")
    shown = command(*words, folder=tmp_path)
    assert shown.code == 0, shown.talk
    assert "rows/s" in shown.out
    assert shown.out.count("onnx, batch") == 2
    assert "onnx is loaded in" in shown.out
    found = command(*words, "--json", folder=tmp_path).json()
    assert [pace["batch"] for pace in found["runners"][0]["paces"]] == [1, 2]
