"""Sample models captured and spliced, for the tests of torch's formats."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import torch

from hybridx import capture
from hybridx.artifact import Signature, TorchArtifact, with_entries
from hybridx.lowering import choose
from hybridx.passes import run_passes
from hybridx.program.to_torch import emit_module
from hybridx.targets import splice, to_pt2, to_torchscript
from tests import sample_models

ENTRIES = {"hybridx.format": "1", "hybridx.version": "0"}
FORMATS = ("torchscript", "pt2")


def splice_model(model, args, *, dtype="float32", kwargs=None, **options):
    """Return the capture, the spliced module and the example tensors of a model."""
    call, tensors = capture.describe_call(model, args, kwargs or {})
    flat = capture.Flat(model, call)
    with capture.in_eval_mode(model), capture.as_dtype(model, dtype):
        example = capture.prepare_example(flat, tensors, dtype=dtype, **options)
        captured = capture.capture(flat, example, dtype=dtype)
    circuits = [
        emit_module(choose(run_passes(circuit)).plan.build(), dtype=np.dtype(dtype))
        for circuit in captured.circuits
    ]
    return SimpleNamespace(
        captured=captured,
        module=splice(captured, circuits),
        args=list(example.tensors.values()),
        flat=flat,
    )


def write(spliced, format, entries=ENTRIES, **options):
    if format == "torchscript":
        content, _ = to_torchscript(spliced.module, dtype="float32")
    else:
        content, _ = to_pt2(spliced.module, spliced.args, spliced.captured.shapes, **options)
    return with_entries(content, entries)


@functools.cache
def sample(name, dtype="float32"):
    model, example = sample_models.make(name)
    return splice_model(model, (example,), dtype=dtype)


@functools.cache
def content(name, format):
    return write(sample(name), format)


def artifact(spliced, format, content):
    """Return the file as it would be read, without what it says of itself."""
    captured = spliced.captured
    return TorchArtifact(
        path="model",
        size=len(content),
        metadata=None,
        inputs=tuple(
            Signature(name, tensor.numpy().dtype, tuple(tensor.shape))
            for name, tensor in zip(captured.input_names, spliced.args, strict=True)
        ),
        outputs=captured.output_names,
        circuits={},
        hashes={},
        strategies={},
        digest=None,
        stated=None,
        format=format,
        content=content,
        bodies={},
    )


def eager(spliced, *args):
    """Return the flat outputs of the model itself, exact whatever its shots."""
    with capture.eagerly():
        outputs = spliced.flat(*args)
    return [torch.view_as_real(o.resolve_conj()) if o.is_complex() else o for o in outputs]
