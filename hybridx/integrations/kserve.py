"""A model of KServe's SDK for files of hybridx, and the program that serves one.

`python -m hybridx.integrations.kserve --model_name=model` serves the file that the variable
`HYBRIDX_SERVE_MODEL` names, with the other settings of `HYBRIDX_SERVE_*`. Its options are those of
KServe's own servers. `hybridx serve-config model.onnx --server kserve -o FOLDER` writes a manifest
that runs it.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, NoReturn
from uuid import uuid4

import grpc
from fastapi import HTTPException
from grpc_interceptor.exceptions import GrpcException
from kserve import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    Model,
    ModelRepository,
    ModelServer,
)
from kserve.model_server import args

from hybridx.deployment import DATATYPES
from hybridx.errors import HybridxError, InputShapeError
from hybridx.integrations.metrics import export
from hybridx.integrations.refusals import refusal_of
from hybridx.integrations.served import Served, served_from
from hybridx.integrations.tensors import chosen, named, read_tensor, tensor_shape
from hybridx.storage import Array


class HybridxModel(Model):  # type: ignore[misc]  # it has no types where it is not installed
    """Serves a file, ready after its self-test.

    Register it in a `ModelRepository`, so that the server is live before the file is ready.
    """

    def __init__(self, name: str, served: Served) -> None:
        super().__init__(name)
        self.served = served
        export(name, served)

    async def healthy(self) -> bool:
        """Return whether requests are answered now."""
        return self.served.is_ready

    def load(self) -> bool:
        """Return whether it is ready; the server asks for it when a request comes before that."""
        return self.served.is_ready

    def start(self) -> None:
        """Load and test the file in a thread."""
        self.served.start_behind()

    def stop(self) -> None:
        """Answer what is here, without keeping the server's loop from it."""
        threading.Thread(target=self.served.close, name="hybridx-close").start()

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return names, datatypes and shapes of the inputs; none before it is ready."""
        if not self.served.is_ready:
            return []
        return [
            _metadata(one.name, one.dtype.name, tensor_shape(one.shape))
            for one in self.served.inputs
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return names, datatypes and shapes of the outputs, likewise."""
        if not self.served.is_ready:
            return []
        return [
            _metadata(one.name, one.dtype, tensor_shape(one.shape))
            for one in self.served.outputs
            if one.dtype is not None and one.shape is not None
        ]

    async def predict(
        self, payload: Any, headers: dict[str, str] | None = None, response_headers: Any = None
    ) -> InferResponse:
        """Answer a request of the protocol V2, or raise what the protocol has for its error."""
        if not isinstance(payload, InferRequest):
            raise HTTPException(400, "this model speaks the inference protocol V2 alone")
        try:
            outputs = await self.served.predict_async(
                lambda: named(map(_named_array, payload.inputs), self.served), exact=True
            )
            outputs = chosen(outputs, [one.name for one in payload.request_outputs or ()])
        except Exception as error:
            _refuse(error, is_grpc=payload.from_grpc)
        return InferResponse(
            # The SDK's own answers need an id, and a request need not have one.
            response_id=payload.id or str(uuid4()),
            model_name=self.name,
            infer_outputs=[
                _output(name, one, is_binary=_is_binary(payload, name))
                for name, one in outputs.items()
            ],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def main() -> int:
    """Serve the file that the environment names, until the process is told to end.

    Returns:
        The exit code: 3 for settings that cannot be meant.
    """
    logging.basicConfig(level=logging.INFO)
    try:
        model = HybridxModel(args.model_name, served_from())
    except HybridxError as error:
        print(error, file=sys.stderr)
        return 3
    repository = ModelRepository()
    repository.update(model)
    model.start()
    ModelServer(registered_models=repository).start([])
    model.served.close()
    return 0


def _metadata(name: str, dtype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": DATATYPES[dtype], "shape": shape}


def _named_array(tensor: InferInput) -> tuple[str, Array]:
    # Bytes come as they are, and beside them a list of numbers that is empty.
    if tensor.data or tensor.datatype not in DATATYPES.values():
        return tensor.name, read_tensor(tensor.name, tensor.datatype, tensor.shape, tensor.data)
    try:
        array = tensor.as_numpy()
    except ValueError as error:
        raise InputShapeError(tensor.name, "(other bytes)", str(tuple(tensor.shape))) from error
    return tensor.name, array


def _output(name: str, array: Array, *, is_binary: bool) -> InferOutput:
    datatype = DATATYPES[array.dtype.name]
    output = InferOutput(name=name, shape=list(array.shape), datatype=datatype)
    output.set_data_from_numpy(array, binary_data=is_binary)
    return output


def _is_binary(payload: InferRequest, name: str) -> bool:
    """Return whether an output goes back as bytes: always in gRPC, else where it is asked for."""
    for one in payload.request_outputs or ():
        if one.name == name and not payload.from_grpc:
            return bool(one.binary_data)
    return payload.from_grpc or bool(payload.use_binary_outputs)


def _refuse(error: Exception, *, is_grpc: bool) -> NoReturn:
    told = refusal_of(error)
    if is_grpc:
        raise GrpcException(told.text, getattr(grpc.StatusCode, told.grpc)) from error
    raise HTTPException(told.http, told.text) from error


if __name__ == "__main__":
    sys.exit(main())
