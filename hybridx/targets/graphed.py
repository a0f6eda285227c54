"""A lowered model as a CUDA graph: one launch a call instead of one for each step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hybridx.errors import (
    GradientOfGraphError,
    GraphedInputError,
    NoCudaDeviceError,
    NotOnCudaError,
    OutOfMemoryError,
    UngraphableError,
    first_line,
)

WARM_UPS = 3  # calls before a graph is captured: libraries choose kernels and take memory in them


class Graphed:
    """A lowered model for inputs of fixed shapes, in which a call is one launch.

    It is called as the model is. What it returns are copies, which later calls leave as they are.
    Gradients do not pass through it. The weights are those that the lowered model had when the
    graph was made, at their places in memory. Several threads may call it; they take turns.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Any], Mapping[str, Any]], Mapping[str, Tensor]],
        buffers: Buffers,
        launch: Callable[[Callable[[], None]], Sequence[Tensor]],
        write: Callable[[Sequence[Tensor]], Any],
    ) -> None:
        """Join the parts.

        Args:
            read: returns the tensors among the arguments of a call, by the names of the inputs.
            buffers: of the inputs.
            launch: is given what fills the buffers, and returns outputs that belong to the caller.
            write: returns what the model returns, made of the outputs.
        """
        self._read = read
        self._buffers = buffers
        self._launch = launch
        self._write = write

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model.

        Raises:
            FixedArgumentError: an argument that is not a tensor differs from that of the example.
            GraphedInputError: an input has another shape, dtype or device than in the example.
            GradientOfGraphError: an input requires a gradient.
        """
        tensors = self._read(args, kwargs)
        self._buffers.check(tensors)
        return self._write(self._launch(lambda: self._buffers.fill(tensors)))


class Buffers:
    """Tensors from which a graph reads its inputs, at fixed places in memory.

    Attributes:
        tensors: one for each input, by name.
    """

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        """Copy the inputs of an example."""
        # Tensors that are made in inference mode cannot be written outside of it.
        with torch.inference_mode(False), torch.no_grad():
            self.tensors = {
                name: torch.empty(one.shape, dtype=one.dtype, device=one.device).copy_(one)
                for name, one in inputs.items()
            }

    def check(self, inputs: Mapping[str, Tensor]) -> None:
        """Refuse inputs that cannot be written into the buffers as they are.

        Raises:
            GraphedInputError: an input has another shape, dtype, layout or device.
            GradientOfGraphError: an input requires a gradient.
        """
        for name, buffer in self.tensors.items():
            given = inputs[name]
            if _kind(given) != _kind(buffer):
                raise GraphedInputError(name, _describe(given), _describe(buffer))
            if given.requires_grad and torch.is_grad_enabled():
                raise GradientOfGraphError(name)

    def fill(self, inputs: Mapping[str, Tensor]) -> None:
        """Write inputs that were checked."""
        with torch.no_grad():
            for name, buffer in self.tensors.items():
                buffer.copy_(inputs[name], non_blocking=True)


class CudaGraph:
    """A function of tensors at fixed places in memory, recorded as a CUDA graph."""

    def __init__(
        self,
        function: Callable[[], Sequence[Tensor]],
        held: Sequence[Tensor],
        device: torch.device,
    ) -> None:
        """Run the function a few times, and record what it launches.

        Args:
            function: reads and returns tensors on the device.
            held: tensors that it reads, which are kept as long as the graph.
            device: a CUDA device.

        Raises:
            UngraphableError: it launches something that depends on results, or on the CPU.
            OutOfMemoryError: the device has too little memory.
        """
        self._device = device
        self._held = held
        self._lock = threading.Lock()
        self._graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(device), torch.inference_mode(False), torch.no_grad():
                self._outputs = self._record(function)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(first_line(error)) from error
        self._done = torch.cuda.Event()

    def _record(self, function: Callable[[], Sequence[Tensor]]) -> list[Tensor]:
        stream, before = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(before)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                function()
        before.wait_stream(stream)
        # torch leaves its stream as the current one if it cannot record.
        with torch.cuda.stream(before):
            try:
                # Other threads may go on with their own work on the device.
                with torch.cuda.graph(
                    self._graph, stream=stream, capture_error_mode="thread_local"
                ):
                    return list(function())
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise UngraphableError from error

    def __call__(self, fill: Callable[[], None]) -> list[Tensor]:
        """Run the graph.

        Args:
            fill: writes the tensors that the function reads.

        Returns:
            Copies of what the function returns.
        """
        with self._lock, torch.cuda.device(self._device), torch.no_grad():
            stream = torch.cuda.current_stream()
            # The call before may still read the inputs, in another stream.
            stream.wait_event(self._done)
            fill()
            self._graph.replay()
            outputs = [output.clone() for output in self._outputs]
            self._done.record(stream)
        return outputs


def cuda_device(inputs: Mapping[str, Tensor], constants: Mapping[str, Tensor]) -> torch.device:
    """Return the CUDA device of the inputs of an example and of a model's constants.

    Args:
        inputs: by name.
        constants: the weights and constants of the model, by name.

    Raises:
        NoCudaDeviceError: torch finds no CUDA device.
        NotOnCudaError: an input or a constant is elsewhere.
    """
    if not torch.cuda.is_available():
        raise NoCudaDeviceError
    places = [(f"the input {name!r}", one.device) for name, one in inputs.items()]
    places += [("a weight of the model", one.device) for one in constants.values()]
    device = next((one for _, one in places if one.type == "cuda"), torch.device("cuda"))
    for what, place in places:
        if place != device:
            raise NotOnCudaError(what, str(place))
    return device


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.layout, tensor.device


def _describe(tensor: Tensor) -> str:
    """Return dtype, shape and device in words, and the layout of a sparse tensor."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    layout = "" if tensor.layout == torch.strided else f"{tensor.layout} ".removeprefix("torch.")
    return f"{layout}{dtype} of shape {tuple(tensor.shape)} on {tensor.device}"
