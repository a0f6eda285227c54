"""A lowered model for inputs of fixed shapes, and what a CUDA graph of it refuses.

Where there is no CUDA device, the lowered model itself runs on the buffers in the place of a graph.
"""

import threading

import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture import describe_call
from hybridx.errors import (
    ArgumentsByNameError,
    FixedArgumentError,
    GradientOfGraphError,
    GraphedInputError,
    NoCudaDeviceError,
    NotOnCudaError,
    UngraphableError,
)
from hybridx.targets.graphed import Buffers, CudaGraph, Graphed, cuda_device
from hybridx.targets.lowered import Lowered
from tests import sample_models

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class Model(nn.Module):
    """Arguments and results in containers, a constant, a complex result."""

    def forward(self, pair, mask=None, *, kind="logits"):
        x = pair["left"] * pair["right"][0]
        return {kind: x if mask is None else x * mask, "wave": torch.complex(x, -x), "none": None}


def pair(rows, **to):
    return {"left": torch.randn(rows, 3, **to), "right": [torch.randn(rows, 3, **to)]}


def lowered(*args, **kwargs):
    """The model as `hybridx.lower` gives it, without a circuit."""
    model = Model()
    call, tensors = describe_call(model, args, kwargs)

    class Flat(nn.Module):
        def forward(self, *inputs):
            found = dict(zip(tensors, inputs, strict=True))
            args, kwargs = call.filled(found)
            logits, wave, _ = model(*args, **kwargs).values()
            return logits, torch.view_as_real(wave)

    return Lowered(Flat(), call, model, model(*args, **kwargs), ())


def on_buffers(module, *args, **kwargs):
    """The model for inputs of fixed shapes; the model itself runs, where a graph would be."""
    buffers = Buffers(module._read(args, kwargs))

    def launch(fill):
        fill()
        return [output.clone() for output in module.graph(*buffers.tensors.values())]

    return Graphed(module._read, buffers, launch, module._write)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        assert one is found[name] is None or torch.equal(found[name], one)


def test_it_takes_and_gives_what_the_model_does():
    module = lowered(pair(4), torch.ones(4, 1))
    graphed = on_buffers(module, pair(4), torch.ones(4, 1))
    for mask in (torch.randn(4, 1), torch.randn(1, 4).T):
        example = pair(4)
        assert_same(graphed(example, mask), Model()(example, mask))
        assert_same(graphed(mask=mask, pair=example), Model()(example, mask))


def test_the_example_and_earlier_results_are_left_alone():
    example, other = pair(4), pair(4)
    kept = example["left"].clone()
    graphed = on_buffers(lowered(example), example)
    first = graphed(example)
    before = {name: one if one is None else one.clone() for name, one in first.items()}
    graphed(other)
    assert_same(first, before)
    assert torch.equal(example["left"], kept)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pair(5), r"float32 of shape \(5, 3\) on cpu.*float32 of shape \(4, 3\) on cpu"),
        (pair(0), r"float32 of shape \(0, 3\)"),
        (pair(4, dtype=torch.float64), "float64.*float32"),
        (pair(4, device="meta"), "on meta"),
        (pair(4) | {"left": torch.eye(4, 3).to_sparse()}, "is sparse_coo float32 of shape"),
        (pair(4) | {"right": [torch.ones(3)]}, "right"),
    ],
)
def test_an_input_of_another_kind_is_refused_and_nothing_is_written(given, said):
    example = pair(4)
    graphed = on_buffers(lowered(example), example)
    with pytest.raises(GraphedInputError, match=said):
        graphed(given)
    assert torch.equal(next(iter(graphed._buffers.tensors.values())), example["left"])


def test_a_gradient_is_refused_where_it_would_be_lost():
    graphed = on_buffers(lowered(pair(4)), pair(4))
    given = pair(4) | {"left": torch.ones(4, 3, requires_grad=True)}
    with pytest.raises(GradientOfGraphError, match="pair_left"):
        graphed(given)
    with torch.no_grad():
        assert not graphed(given)["logits"].requires_grad


def test_a_constant_is_fixed():
    graphed = on_buffers(lowered(pair(4), kind="a"), pair(4), kind="a")
    with pytest.raises(FixedArgumentError, match=r"'b'.*'a'"):
        graphed(pair(4), kind="b")


def test_buffers_that_are_made_in_inference_mode_can_be_written_outside():
    module = lowered(pair(4))
    with torch.inference_mode():
        example = pair(4)
        graphed = on_buffers(module, example)
    given = pair(4)
    assert_same(graphed(given), Model()(given))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_it_is_said_what_to_do():
    module = lowered(pair(4))
    with pytest.raises(NoCudaDeviceError, match=r"torch\.compile"):
        module.graphed((pair(4),))


def test_arguments_are_read_before_devices():
    module = lowered(pair(4))
    with pytest.raises(ArgumentsByNameError):
        module.graphed(pair(4))
    with pytest.raises(FixedArgumentError, match="left, right"):
        module.graphed(torch.ones(3))


@needs_cuda
@pytest.mark.parametrize(("inputs", "weights"), [("cpu", "cpu"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_model_and_example_are_on_one_cuda_device(inputs, weights):
    with pytest.raises(NotOnCudaError, match="cpu"):
        cuda_device({"x": torch.ones(1, device=inputs)}, {"w": torch.ones(1, device=weights)})


@needs_cuda
def test_a_graph_computes_what_the_model_computes():
    model, example = sample_models.make("two_heads")
    module = hybridx.lower(model, (example,)).to("cuda")
    graphed = module.graphed(example.to("cuda"))
    for _ in range(3):
        x = torch.randn_like(example).to("cuda")
        for found, expected in zip(graphed(x), module(x), strict=True):
            torch.testing.assert_close(found, expected)


@needs_cuda
def test_what_waits_for_the_gpu_is_refused_and_the_stream_stays():
    x = torch.ones(1, device="cuda")
    before = torch.cuda.current_stream()
    with pytest.raises(UngraphableError):
        CudaGraph(lambda: [x * x.sum().item()], [x], x.device)
    assert torch.cuda.current_stream() == before
    (found,) = CudaGraph(lambda: [x + x], [x], x.device)(lambda: None)
    assert found.item() == 2


@needs_cuda
def test_threads_on_streams_of_their_own_do_not_mix():
    model, example = sample_models.make("sandwich")
    module = hybridx.lower(model, (example,)).to("cuda")
    graphed = module.graphed(example.to("cuda"))
    wrong = []

    def call(seed):
        generator = torch.Generator("cuda").manual_seed(seed)
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(100):
                x = torch.randn(example.shape, device="cuda", generator=generator)
                if not torch.allclose(graphed(x), module(x), atol=1e-5):
                    wrong.append(seed)

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
