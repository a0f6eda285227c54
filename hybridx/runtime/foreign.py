"""ONNX files that hybridx did not write, run as they are, to compare a file with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx as onnx_package

from hybridx.artifact import check_work, order_nodes, refuse_traps, signature_of
from hybridx.errors import BrokenArtifactError, ForeignFileError
from hybridx.runtime import onnx
from hybridx.runtime.session import Session, load
from hybridx.storage import Array, read_bytes


class ForeignModel:
    """An ONNX model in one session of ONNX Runtime.

    Attributes:
        path: of the file.
        device: `onnx`.
        inputs: name, dtype and shape of each input.
        output_names: names of the outputs, in order.
    """

    def __init__(self, path: Path) -> None:
        """Start a session.

        Raises:
            FileMissingError: the file cannot be read.
            ForeignFileError: it is no ONNX model.
            NoKernelError: ONNX Runtime has no implementation of an operator.
            BrokenArtifactError: ONNX Runtime refuses it for another reason, or is sure to end the
                process at one of its nodes.
            TooMuchWorkError: it computes more than a limit.
            TooMuchMemoryError: likewise.
            UnboundedWorkError: likewise, and nobody knows how much.
        """
        content = read_bytes(path)
        try:
            model = onnx_package.load_model_from_string(content)
            weights = {one.name for one in model.graph.initializer}
            self.inputs = tuple(
                signature_of(value) for value in model.graph.input if value.name not in weights
            )
        except Exception as error:
            # protobuf and onnx have errors of many classes for bytes that are something else.
            raise ForeignFileError(str(path), "it is no ONNX model of tensors") from error
        if not model.graph.node:
            raise ForeignFileError(str(path), "it has no graph")
        self.path = str(path)
        refuse_traps(model, self.path)
        order_nodes(model, self.path)
        check_work(model, {}, self.path)
        self.device = "onnx"
        self.output_names = tuple(value.name for value in model.graph.output)
        self._session = onnx.start(content, self.path, beside=path.parent)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name, of inputs in the dtypes of the model.

        Raises:
            StoppedRunError: ONNX Runtime stopped.
        """
        ready = {one.name: inputs[one.name].astype(one.dtype) for one in self.inputs}
        return onnx.run(self._session, self.output_names, ready)


def load_other(path: Path) -> Session | ForeignModel:
    """Load a file that another is compared with; hybridx need not have written it.

    Raises:
        As `load`, and `ForeignModel`.
    """
    try:
        return load(path)
    except (BrokenArtifactError, ForeignFileError):
        # Other tools may have changed a file of hybridx, or kept its weights beside it.
        if path.suffix.lower() != ".onnx":
            raise
        return ForeignModel(path)
