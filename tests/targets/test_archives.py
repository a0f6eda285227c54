"""TorchScript and PT2 archives: what is in them, and that torch alone runs them at any batch."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from hybridx.capture import OpenAxes
from tests import sample_models
from tests.sampling import some
from tests.targets.archives import members, run_alone
from tests.targets.spliced import ENTRIES, FORMATS, content, eager, sample, splice_model, write
from tests.targets.test_splice import mixed

BATCHES = (0, 1, 2, 50)
TRACES = re.compile(
    rb"/(tmp|home|root|usr|opt|work|Users)/|\.py\"|line \d+|site-packages|stack_trace"
)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", some(["sandwich", "convolution", "two_heads"], every=3))
def test_torch_alone_runs_it_at_any_batch(tmp_path, name, format):
    spliced = sample(name)
    inputs = [(torch.randn(batch, *spliced.args[0].shape[1:]),) for batch in BATCHES]
    outputs = run_alone(tmp_path, format, content(name, format), inputs)
    for args, found in zip(inputs, outputs, strict=True):
        torch.testing.assert_close(found, list(spliced.module(*args)))
        if len(args[0]):
            torch.testing.assert_close(found, eager(spliced, *args), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_integers_fixed_circuits_and_complex_outputs(tmp_path, format):
    spliced = mixed()
    inputs = [(torch.randint(6, (batch,)), torch.randn(batch, 3)) for batch in BATCHES]
    outputs = run_alone(tmp_path, format, write(spliced, format), inputs)
    for args, found in zip(inputs, outputs, strict=True):
        torch.testing.assert_close(found, list(spliced.module(*args)))


@pytest.mark.parametrize("format", FORMATS)
def test_a_fixed_batch_stays_fixed(format):
    model, example = sample_models.make("sandwich")
    spliced = splice_model(model, (example,), open_axes=OpenAxes(batch=3))
    archive = io.BytesIO(write(spliced, format))
    loaded = (
        torch.jit.load(archive) if format == "torchscript" else torch.export.load(archive).module()
    )
    found = loaded(example)
    found = found if isinstance(found, torch.Tensor) else found[0]
    torch.testing.assert_close(found, spliced.module(example)[0])


TWICE = """
import hashlib, sys
from tests.targets.spliced import FORMATS, sample, write
write(sample("stacked"), "torchscript")  # an earlier model must not show in a later one
print(*(hashlib.sha256(write(sample("two_heads"), format)).hexdigest() for format in FORMATS))
"""


@pytest.mark.slow  # two processes that write three archives each
def test_equal_models_are_equal_bytes():
    root = Path(__file__).parents[2]
    runs = []
    for seed in ("1", "2"):
        command = [sys.executable, "-W", "ignore", "-c", TWICE]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        finished = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=root, env=environment
        )
        runs.append(finished.stdout)
    assert runs[0] == runs[1]


@pytest.mark.parametrize("format", FORMATS)
def test_it_says_nothing_of_where_it_was_made(format):
    for name, data in members(content("two_heads", format)).items():
        assert not TRACES.search(data), (name, TRACES.search(data))
        assert not name.endswith(".debug_pkl")


@pytest.mark.parametrize("format", FORMATS)
def test_the_metadata_are_one_member(format):
    kept = members(content("sandwich", format))["extra/hybridx.json"]
    entries = json.loads(kept)
    assert entries == ENTRIES | {"hybridx.digest": entries["hybridx.digest"]}
    extra = {"hybridx.json": ""}
    archive = io.BytesIO(content("sandwich", format))
    if format == "torchscript":
        torch.jit.load(archive, _extra_files=extra)
    else:
        torch.export.load(archive, extra_files=extra)
    text = extra["hybridx.json"]
    assert json.loads(text) == entries


@pytest.mark.parametrize("format", FORMATS)
def test_every_member_is_plain_dateless_and_aligned(format):
    archive = content("sandwich", format)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        infos = opened.infolist()
        assert [info.filename for info in infos] == sorted(opened.namelist())
        for info in infos:
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            data = opened.read(info)
            start = info.header_offset + 30 + len(info.filename) + len(info.extra)
            assert start % 64 == 0
            assert archive[start : start + len(data)] == data
