"""Log a file to MLflow, register it, load it, and score it; prints what came of it as JSON."""

import hashlib
import json
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

import hybridx
from hybridx.errors import HybridxError
from hybridx.integrations import mlflow as flavor


def files(folder):
    """The SHA-256 of each file below a folder."""
    return {
        str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def plain(outputs):
    if isinstance(outputs, pd.DataFrame):
        return {name: outputs[name].to_list() for name in outputs}
    return {name: array.tolist() for name, array in outputs.items()}


def refusal(call, *arguments, **options):
    """The text of the error of a call, and the class of its cause."""
    try:
        call(*arguments, **options)
    except (MlflowException, HybridxError) as error:
        return [str(error), type(error.__cause__).__name__]
    return ["", ""]


def main(table, tensors):
    mlflow.set_tracking_uri("sqlite:///store.db")
    said = {}
    for name, path in (("table", table), ("tensors", tensors), ("arrays", table)):
        options = {"by_columns": False} if name == "arrays" else {}
        info = flavor.log_model(
            path, name, registered_model_name=f"registered-{name}", tags={"of": name}, **options
        )
        folder = Path(mlflow.artifacts.download_artifacts(info.model_uri))
        test = flavor.load_model(info.model_uri).metadata.self_test
        example = mlflow.pyfunc.load_model(info.model_uri).input_example
        said[name] = {
            "files": files(folder),
            "inputs": info.signature.inputs.to_dict(),
            "outputs": info.signature.outputs.to_dict(),
            "requirements": (folder / "requirements.txt").read_text().splitlines(),
            "flavor": info.flavors["hybridx"],
            "example": plain(example),
            "rows": {name: array.tolist() for name, array in test.inputs.items()},
            "predicted": plain(mlflow.pyfunc.load_model(info.model_uri).predict(example)),
        }
    client = mlflow.MlflowClient()
    found = client.search_registered_models()
    said["registered"] = {one.name: one.latest_versions[0].version for one in found}

    session = flavor.load_model("models:/registered-table/1")
    rows = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=np.float32)
    said["session"] = session(rows).tolist()
    model = mlflow.pyfunc.load_model("models:/registered-table/1")
    frame = pd.DataFrame(rows[:, [2, 0, 1]].astype(float), columns=["c", "a", "b"])
    said["frame"] = plain(model.predict(frame.assign(more=1)))
    said["raw"] = type(model.get_raw_model()).__name__
    arrays = mlflow.pyfunc.load_model("models:/registered-arrays/1")
    said["array"] = plain(arrays.predict(rows))
    said["by name"] = plain(arrays.predict({"input": rows}))
    lists = pd.DataFrame({"input": rows.tolist()})
    said["lists"] = plain(arrays.predict(lists))

    limited = mlflow.pyfunc.load_model("models:/registered-table/1", model_config={"rows": 1})
    said["refused"] = {
        "column": refusal(model.predict, frame.drop(columns="a")),
        "text": refusal(model.predict, frame.assign(a=["x", "y"])),
        "index": refusal(model.predict, frame.iloc[1:]),
        "dtype": refusal(arrays.predict, rows.astype(np.float64)),
        "shape": refusal(arrays.predict, rows[:, :2]),
        "rows": refusal(limited.predict, frame),
        "setting": refusal(
            mlflow.pyfunc.load_model, "models:/registered-table/1", model_config={"shots": "many"}
        ),
        "device": refusal(
            mlflow.pyfunc.load_model, "models:/registered-table/1", model_config={"device": "no"}
        ),
        "no self-test": refusal(flavor.log_model, "bare.onnx", "bare"),
        "no columns": refusal(flavor.log_model, tensors, "none", by_columns=True),
        "foreign": refusal(flavor.load_model, "foreign"),
    }
    spoilt = Path(mlflow.artifacts.download_artifacts("models:/registered-table/1"))
    kept = (spoilt / "data" / Path(table).name).read_bytes()
    (spoilt / "data" / Path(table).name).write_bytes(Path("spoilt.onnx").read_bytes())
    said["refused"]["spoilt"] = refusal(mlflow.pyfunc.load_model, str(spoilt))
    (spoilt / "data" / Path(table).name).write_bytes(kept)

    mlflow.models.predict(
        "models:/registered-table/1", frame, env_manager="local", output_path="scored.json"
    )
    said["scored"] = json.loads(Path("scored.json").read_text())
    said["hybridx"] = hybridx.__version__
    print(json.dumps(said))


main(*sys.argv[1:])
