"""Model files in MLflow: kept byte for byte, loaded as sessions, and scored as pyfunc models.

A logged model is the file with what MLflow wants to know of it: signature, input example, packages.
Beside it lie its model card and its circuits as pictures, text and OpenQASM. The pyfunc is served
as a file behind any server is: it is there only if its self-test has passed, and device, shots and
budgets are given by who loads it, as `model_config`, never by a request and never by the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Unpack

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.types.schema import Schema, TensorSpec

from hybridx.api import card
from hybridx.artifact import (
    Artifact,
    OnnxArtifact,
    SelfTest,
    Signature,
    read_artifact,
    signature_of,
)
from hybridx.circuit import BATCH, to_qasm
from hybridx.deployment import Settings, settings_of
from hybridx.drawing import draw_text
from hybridx.errors import HybridxError, NoQasmError, NoSelfTestError, OptionNeedsError
from hybridx.integrations.refusals import Kind, refusal_of
from hybridx.integrations.served import Served
from hybridx.runtime import Options, Session, load
from hybridx.storage import Array, check_readable, column_names, spec_of
from hybridx.version import __version__

FLAVOR_NAME: Final = "hybridx"
RUNTIME: Final = ("msgspec", "numpy", "onnx", "onnxruntime", "rich", "typer")
"""The packages that run a file of ONNX; one of torch needs torch, too."""

_DATA: Final = "data"  # where MLflow puts what a pyfunc is loaded from
_MOST_SHOWN: Final = 10_000  # numbers of an input example
_CODES: Final[Mapping[Kind, str]] = {
    "invalid": "INVALID_PARAMETER_VALUE",
    "busy": "RESOURCE_EXHAUSTED",
    "spent": "RESOURCE_EXHAUSTED",
    "unready": "TEMPORARILY_UNAVAILABLE",
    "late": "TEMPORARILY_UNAVAILABLE",
    "failed": "INTERNAL_ERROR",
}


def log_model(
    model: str | Path,
    name: str = "model",
    *,
    by_columns: bool | None = None,
    extra_pip_requirements: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    registered_model_name: str | None = None,
    **more: Any,
) -> ModelInfo:
    """Log a model file to MLflow, in the active run or a new one.

    Args:
        model: of any format; its bytes are kept.
        name: of the logged model.
        by_columns: the signature has one tensor for each column of a table, and the pyfunc takes
            DataFrames and gives one. By default it does if the file names its columns. Otherwise
            it has the inputs of the file, and the pyfunc takes arrays and gives them by name.
        extra_pip_requirements: beside hybridx and the versions of the packages that it runs with
            here; the plug-in of a device, for example.
        metadata: of the logged model.
        registered_model_name: the entry of the registry that gets a new version.
        **more: as `mlflow.models.Model.log` takes them, such as `tags` and `params`.

    Raises:
        OptionNeedsError: a table is wanted of a file that names no columns.
        NoSelfTestError: the file cannot show that it is what it was.
        ArtifactError: the file cannot be read.
    """
    return Model.log(
        artifact_path=None,
        name=name,
        flavor=sys.modules[__name__],
        registered_model_name=registered_model_name,
        metadata=None if metadata is None else dict(metadata),
        model=model,
        by_columns=by_columns,
        extra_pip_requirements=extra_pip_requirements,
        **more,
    )


def save_model(
    model: str | Path,
    path: str | Path,
    *,
    by_columns: bool | None = None,
    extra_pip_requirements: Sequence[str] = (),
    mlflow_model: Model | None = None,
    **more: Any,
) -> None:
    """Save a model file as a folder of MLflow; arguments and errors as `log_model`.

    Args:
        model: of any format.
        path: of the folder, which is not there yet.
        by_columns: the signature has the columns of a table.
        extra_pip_requirements: beside those of hybridx.
        mlflow_model: what MLflow notes of the model.
        **more: as `mlflow.pyfunc.save_model` takes them.
    """
    check_readable(Path(model))
    artifact = read_artifact(Path(model))
    if artifact.metadata.self_test is None:
        raise NoSelfTestError(str(model))
    columns = _columns(artifact)
    if by_columns and not columns:
        raise OptionNeedsError("by_columns", "a file with one input that names its columns")
    is_table = bool(columns) if by_columns is None else by_columns
    noted = Model() if mlflow_model is None else mlflow_model
    noted.add_flavor(
        FLAVOR_NAME,
        hybridx_version=__version__,
        format=artifact.format,
        digest=artifact.digest.sha256,
        data=f"{_DATA}/{Path(model).name}",
        by_columns=is_table,
    )
    mlflow.pyfunc.save_model(
        path=str(path),
        loader_module=__name__,
        data_path=str(model),
        mlflow_model=noted,
        signature=_signature(artifact, columns if is_table else ()),
        input_example=_example(artifact, columns if is_table else ()),
        pip_requirements=[*_requirements(artifact), *extra_pip_requirements],
        # What MLflow lets a caller set is what has a name here; the values are the caller's.
        model_config={one.name: None for one in fields(Settings)},
        **more,
    )
    _describe(artifact, Path(path))


def load_model(model_uri: str, **execution: Unpack[Options]) -> Session:
    """Load a logged model as `hybridx.load` does; keywords and errors are the same.

    Args:
        model_uri: of MLflow, such as `models:/iris/1`, or a folder.
        **execution: device, shots and so on.

    Raises:
        MlflowException: MLflow has no such model, or hybridx did not log it.
    """
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))
    flavor = Model.load(folder).flavors.get(FLAVOR_NAME)
    if flavor is None:
        raise MlflowException(
            f"{model_uri} was not logged by hybridx", ErrorCode.Value("INVALID_PARAMETER_VALUE")
        )
    return load(folder / _DATA / Path(flavor["data"]).name, **execution)


class FileModel:
    """What `mlflow.pyfunc.load_model` wraps: a served file that takes what MLflow hands it."""

    def __init__(self, served: Served, *, by_columns: bool) -> None:
        """Note a file that was started, and whether a table goes in and comes out."""
        self._served = served
        self._columns = _columns(served.session.artifact) if by_columns else ()

    def predict(self, data: Any) -> Any:
        """Return the outputs for the rows of a table, or for arrays.

        Args:
            data: a DataFrame, or arrays by name; one array for a file with one input.

        Returns:
            Of a table a DataFrame: an output of one number a row is a column of its name, one of
            several the columns `output_0`, `output_1` and so on. Otherwise arrays by the names of
            the outputs.

        Raises:
            MlflowException: with hybridx's message; the cause is hybridx's error.
        """
        try:
            outputs = self._served.predict(self._inputs(data))
        except HybridxError as error:
            refusal = refusal_of(error)
            raise MlflowException(refusal.text, ErrorCode.Value(_CODES[refusal.kind])) from error
        return _as_table(outputs) if self._columns else outputs

    def _inputs(self, data: Any) -> Mapping[str, Any]:
        """Return what MLflow hands over by the names of the inputs."""
        if not self._columns:
            if isinstance(data, np.ndarray):
                return dict.fromkeys(self._served.session.input_names[:1], data)
            return {str(name): _stacked(data[name]) for name in data}
        missing = [name for name in self._columns if name not in data]
        if missing:
            raise MlflowException(
                f"the columns {', '.join(missing)} are missing",
                ErrorCode.Value("INVALID_PARAMETER_VALUE"),
            )
        joined = np.stack([np.asarray(data[name]) for name in self._columns], axis=-1)
        return {self._served.session.input_names[0]: joined}

    def get_raw_model(self) -> Session:
        """Return the session of the file."""
        return self._served.session


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> FileModel:
    """Load a file for MLflow and run its self-test.

    Args:
        path: of the file.
        model_config: settings that who loads it has given.

    Raises:
        ServerSettingError: a setting has a wrong value.
        HybridxError: the file or the device is not fit to be used.
    """
    given = {name: value for name, value in (model_config or {}).items() if value is not None}
    served = Served(path, settings_of(given))
    served.start()
    flavor = Model.load(Path(path).parents[1]).flavors[FLAVOR_NAME]
    return FileModel(served, by_columns=bool(flavor["by_columns"]))


def _columns(artifact: Artifact) -> tuple[str, ...]:
    """Return the columns of a table that a file takes, if it names them and gives rows, too."""
    test, inputs = artifact.metadata.self_test, artifact.inputs
    if test is None or len(inputs) != 1 or len(inputs[0].shape) != 2:
        return ()
    rows = len(test.inputs[inputs[0].name])
    shapes = [_shape(test, name) for name in artifact.outputs]
    is_table = inputs[0].shape[0] == BATCH and all(shape[:1] == (rows,) for shape in shapes)
    return artifact.metadata.columns if is_table else ()


def _shape(test: SelfTest, name: str) -> tuple[int, ...]:
    """Return the shape of an output in a self-test."""
    return test.recorded[name].shape if name in test.recorded else test.outputs[name].shape


def _signature(artifact: Artifact, columns: Sequence[str]) -> ModelSignature:
    outputs = None
    if isinstance(artifact, OnnxArtifact):
        outputs = [*map(signature_of, artifact.model.graph.output)]
    if not columns:
        given = Schema([*map(_spec, artifact.inputs)])
        return ModelSignature(given, outputs and Schema([*map(_spec, outputs)]))
    # MLflow cuts what it converts to whole numbers; hybridx refuses what is none.
    dtype = artifact.inputs[0].dtype
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    given = Schema([TensorSpec(dtype, (-1,), name) for name in columns])
    if outputs is None or any(isinstance(axis, str) for one in outputs for axis in one.shape[1:]):
        return ModelSignature(given)
    rows = {one.name: np.empty((1, *map(int, one.shape[1:])), one.dtype) for one in outputs}
    table = _as_table(rows)
    return ModelSignature(
        given, Schema([TensorSpec(table[name].dtype, (-1,), name) for name in table])
    )


def _spec(one: Signature) -> TensorSpec:
    shape = tuple(length if isinstance(length, int) else -1 for length in one.shape)
    return TensorSpec(one.dtype, shape, one.name)


def _example(artifact: Artifact, columns: Sequence[str]) -> Any:
    """Return the inputs of the self-test, unless they are many."""
    test = artifact.metadata.self_test
    assert test is not None
    if sum(array.size for array in test.inputs.values()) > _MOST_SHOWN:
        return None
    if not columns:
        return {one.name: test.inputs[one.name] for one in artifact.inputs}
    (rows,) = test.inputs.values()
    return pd.DataFrame(rows, columns=[*columns])


def _requirements(artifact: Artifact) -> Iterator[str]:
    """Yield hybridx and what it runs the file with, in the versions that are here."""
    yield f"hybridx=={__version__}"
    needed = RUNTIME if isinstance(artifact, OnnxArtifact) else (*RUNTIME, "torch")
    for package in needed:
        # A build for one kind of GPU has a name that no registry knows: 2.13.0+cpu.
        yield f"{package}=={version(package).partition('+')[0]}"


def _describe(artifact: Artifact, folder: Path) -> None:
    """Write the model card and the circuits beside the file."""
    card(artifact.path, folder / "README.md", picture=True)
    for number, circuit in enumerate(artifact.circuits.values()):
        (folder / f"circuit_{number}.txt").write_text(f"{draw_text(circuit)}\n", encoding="utf-8")
        try:
            program = to_qasm(circuit)
        except NoQasmError:
            continue
        (folder / f"circuit_{number}.qasm").write_text(program, encoding="utf-8")


def _stacked(values: Any) -> Any:
    """Return a column of a DataFrame, whose values may be arrays, as one array."""
    return np.stack(values.to_list()) if isinstance(values, pd.Series) else values


def _as_table(outputs: Mapping[str, Array]) -> pd.DataFrame:
    names = column_names({name: spec_of(array) for name, array in outputs.items()}, "DataFrame")
    flat = {name: array.reshape(len(array), len(names[name])) for name, array in outputs.items()}
    return pd.DataFrame(
        {column: flat[name][:, i] for name in outputs for i, column in enumerate(names[name])}
    )
