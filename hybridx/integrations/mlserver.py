"""A runtime of MLServer for files of hybridx.

`model-settings.json` names it and says in `parameters.extra` how the file runs:

    {"name": "model", "implementation": "hybridx.integrations.mlserver.HybridxRuntime",
     "parameters": {"uri": "./model.onnx", "extra": {"device": "default.qubit", "shots": 1000}}}

`hybridx serve-config model.onnx --server mlserver -o FOLDER` writes that.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

import grpc
from mlserver import MLModel, ModelSettings
from mlserver.errors import MLServerError
from mlserver.grpc.utils import STATUS_CODE_MAPPING
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataTensor,
    Parameters,
    RequestInput,
    ResponseOutput,
)
from mlserver.utils import get_model_uri

from hybridx.deployment import DATATYPES, settings_of
from hybridx.errors import HybridxError
from hybridx.integrations.metrics import export
from hybridx.integrations.refusals import PROTOCOLS, refusal_of
from hybridx.integrations.served import Served
from hybridx.integrations.tensors import chosen, named, read_tensor, tensor_shape
from hybridx.storage import Array


class HybridxRuntime(MLModel):  # type: ignore[misc]  # it has no types where it is not installed
    """Serves a file, ready after its self-test.

    A file that does not pass stays in the server, which is live, and is never ready.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        parameters = settings.parameters
        self._chosen = settings_of((parameters.extra if parameters else None) or {})
        self._served: Served | None = None

    async def load(self) -> bool:
        """Load the file and test it, in a thread: the server answers whether it is live."""
        for status, code in PROTOCOLS.values():
            # MLServer has codes of gRPC for some statuses, and says UNKNOWN for all others.
            STATUS_CODE_MAPPING.setdefault(status, getattr(grpc.StatusCode, code))
        self._served = served = Served(await get_model_uri(self._settings), self._chosen)
        export(self.name, served)
        try:
            await asyncio.to_thread(served.start)
        except HybridxError:
            return False  # which is in the log
        self.inputs = [
            MetadataTensor(
                name=one.name, datatype=DATATYPES[one.dtype.name], shape=tensor_shape(one.shape)
            )
            for one in served.inputs
        ]
        self.outputs = [
            MetadataTensor(
                name=one.name, datatype=DATATYPES[one.dtype], shape=tensor_shape(one.shape)
            )
            for one in served.outputs
            if one.dtype is not None and one.shape is not None
        ]
        return True

    async def unload(self) -> bool:
        """Answer what is here, and free the file."""
        if self._served is not None:
            await asyncio.to_thread(self._served.close)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request, or raise what the protocol has for its error."""
        served = self._served
        assert served is not None, "MLServer asks models that are ready alone"
        try:
            outputs = await served.predict_async(
                lambda: named(((one.name, _array(one)) for one in payload.inputs), served),
                exact=True,
            )
            outputs = chosen(outputs, [one.name for one in payload.outputs or ()])
        except Exception as error:
            _refuse(error)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[_output(name, array) for name, array in outputs.items()],
        )


def _array(tensor: RequestInput) -> Array:
    return read_tensor(tensor.name, tensor.datatype, tensor.shape, tensor.data.root)


def _output(name: str, array: Array) -> ResponseOutput:
    return ResponseOutput(
        name=name,
        datatype=DATATYPES[array.dtype.name],
        shape=list(array.shape),
        data=array.reshape(-1).tolist(),
        parameters=Parameters(content_type="np"),
    )


def _refuse(error: Exception) -> NoReturn:
    told = refusal_of(error)
    raise MLServerError(told.text, told.http) from error
