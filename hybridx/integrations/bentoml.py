"""A service of BentoML for files of hybridx.

A service of one's own has `FileService` as its base, and says which file is served and how:

    @bentoml.service(name="model", traffic={"timeout": 90})
    class Model(FileService):
        path = Path(__file__).with_name("model.onnx")
        settings = {"device": "default.qubit", "shots": 1000}

`hybridx serve-config model.onnx --server bentoml -o FOLDER` writes that. A request is the JSON
`{"inputs": {"x": [[0.1, 0.2]]}}`, and its answer `{"outputs": {"y": [[0.3]]}}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

import bentoml
import numpy as np
from bentoml.exceptions import BentoMLException
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BeforeValidator
from starlette.responses import JSONResponse

from hybridx.artifact import Signature
from hybridx.deployment import settings_of
from hybridx.errors import HybridxError
from hybridx.integrations.json_arrays import read_arrays, write_arrays
from hybridx.integrations.metrics import export
from hybridx.integrations.refusals import refusal_of
from hybridx.integrations.served import Served
from hybridx.runtime import fit
from hybridx.storage import Array


def rows_of(dtype: str, *lengths: int) -> BeforeValidator:
    """Return what refuses rows that are not the model's, for the type of a method's argument.

    BentoML's own `Shape` takes rows of other lengths, and makes new rows of their numbers.

    Args:
        dtype: of the input.
        lengths: of its axes behind the rows.
    """
    signature = Signature("x", np.dtype(dtype), ("batch", *lengths))

    def checked(given: Any) -> Array:
        try:
            return fit(read_arrays({"x": given})["x"], signature)
        except HybridxError as error:
            raise ValueError(refusal_of(error).text) from error  # what BentoML answers with 400

    return BeforeValidator(checked)


class FileService:
    """Serves a file, ready after its self-test. A base of classes that are services.

    Attributes:
        path: of the file.
        settings: of `hybridx.deployment.Settings`, by name.
        model: how its counters call it.
    """

    path: ClassVar[str | Path]
    model: ClassVar[str] = "model"
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        """Load and test the file in a thread, so that the server is live before it is ready."""
        self._served = Served(self.path, settings_of(self.settings))
        self._counters = CollectorRegistry()
        export(self.model, self._served, self._counters)
        self._served.start_behind()

    @bentoml.api  # type: ignore[untyped-decorator]  # it has no types where it is not installed
    async def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs for the rows of a request, or what is wrong with it."""
        try:
            outputs = await self._served.predict_async(lambda: read_arrays(inputs))
        except Exception as error:
            refused: Any = _refused(error)
            return refused  # type: ignore[no-any-return]
        return {"outputs": write_arrays(outputs)}

    async def joined(self, rows: Array) -> Array:
        """Return the output for the rows of several requests, for a method that BentoML joins.

        Args:
            rows: the only input; `rows_of` has checked each request.

        Raises:
            BentoMLException: with the status and the text of the refusal.
        """
        try:
            (output,) = (await self._served.predict_async(lambda: self._named(rows))).values()
        except Exception as error:
            told = refusal_of(error)
            raise BentoMLException(told.text, error_code=HTTPStatus(told.http)) from error
        return output

    def _named(self, rows: Array) -> dict[str, Array]:
        return {self._served.inputs[0].name: rows}

    async def __is_ready__(self) -> bool:
        """Return whether requests are answered now."""
        return self._served.is_ready

    async def __metrics__(self, metrics: str) -> str:
        """Return the metrics of BentoML, and the counters of the file."""
        counters: bytes = generate_latest(self._counters)
        return metrics + counters.decode()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def close(self) -> None:
        """Answer what is here, and free the file."""
        await asyncio.to_thread(self._served.close)


def _refused(error: Exception) -> Any:
    """Return the answer to a request that fails, which BentoML passes on as it is."""
    told = refusal_of(error)
    return JSONResponse({"error": told.text}, status_code=told.http)
