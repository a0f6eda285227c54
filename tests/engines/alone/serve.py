"""Run files on an engine: `python serve.py ENGINE` in an environment that has the engine alone.

A line of standard input is a request, `{"path": ..., "inputs": [...]}`: a file with one input and
one output, and that input several times. A line of standard output is the answer: the outputs, or
why the engine refuses.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[np.ndarray], object]


def onnxruntime(path: Path) -> Run:
    """Return what runs a file on ONNX Runtime's CPU provider."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (name,) = (one.name for one in session.get_inputs())
    return lambda rows: session.run(None, {name: rows})[0]


def reference(path: Path) -> Run:
    """Return what runs a file on the evaluator of the onnx package."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(path))
    (name,) = evaluator.input_names
    return lambda rows: evaluator.run(None, {name: rows})[0]


def openvino(path: Path) -> Run:
    """Return what runs a file on OpenVINO's CPU plug-in."""
    from openvino import Core

    core = Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda rows: compiled(rows)[0]


def tract(path: Path) -> Run:
    """Return what runs a file on tract."""
    import tract

    model = tract.onnx().load(str(path)).into_model().into_runnable()
    return lambda rows: model.run([rows])[0].to_numpy()


def tvm(path: Path) -> Run:
    """Return what runs a file that TVM's relax compiles by LLVM."""
    import onnx
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    module = relax.build(from_onnx(onnx.load(path)), target="llvm")
    machine = relax.VirtualMachine(module, tvm.cpu())

    def run(rows: np.ndarray) -> np.ndarray:
        found = machine["main"](tvm.runtime.tensor(rows))
        return (found if hasattr(found, "numpy") else found[0]).numpy()

    return run


def iree(path: Path) -> Run:
    """Return what runs a file that IREE compiles for the CPU."""
    import iree.compiler
    import iree.runtime
    import onnx
    from iree.compiler.tools.import_onnx import __main__ as importer

    kind = onnx.load(path).graph.input[0].type.tensor_type.elem_type
    double = ["--iree-input-demote-f64-to-f32=false", "--iree-llvmcpu-link-embedded=false"]
    with tempfile.TemporaryDirectory() as folder:
        text = str(Path(folder, "file.mlir"))
        importer.main(importer.parse_arguments([str(path), "-o", text]))
        code = iree.compiler.compile_file(
            text,
            target_backends=["llvm-cpu"],
            input_type="onnx",
            extra_args=[
                "--iree-llvmcpu-target-cpu=host",
                *(double if kind == onnx.TensorProto.DOUBLE else []),
            ],
        )
    context = iree.runtime.SystemContext(config=iree.runtime.Config("local-task"))
    context.add_vm_module(iree.runtime.VmModule.copy_buffer(context.instance, code))
    module = context.modules.module
    (name,) = (
        one
        for one in module.vm_module.function_names
        if not one.startswith("__") and not one.endswith("$async")
    )
    return module[name]


def onnx2torch(path: Path) -> Run:
    """Return what runs a file that onnx2torch makes a module of torch of."""
    import types

    import torch

    # torchvision of the package index loads beside a torch for CUDA only. onnx2torch takes from it
    # two operators for boxes of images, which are in none of our files.
    boxes = types.ModuleType("torchvision.ops")
    boxes.roi_align = None
    images = types.ModuleType("torchvision")
    images.ops = boxes
    sys.modules |= {"torchvision": images, "torchvision.ops": boxes}
    import onnx2torch

    module = onnx2torch.convert(str(path)).eval()

    def run(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(rows)).numpy()

    return run


ENGINES = {
    "onnxruntime-1.18": onnxruntime,
    "onnxruntime-1.29": onnxruntime,
    **{one.__name__: one for one in (onnxruntime, reference, openvino, tract, tvm, iree)},
    "onnx2torch": onnx2torch,
}


def tensor(array: np.ndarray) -> dict[str, object]:
    """Return a tensor as JSON holds it."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.name, "shape": array.shape, "data": data}


def array(tensor: dict[str, str]) -> np.ndarray:
    """Return a tensor from JSON."""
    numbers = np.frombuffer(base64.b64decode(tensor["data"]), tensor["dtype"])
    return numbers.reshape(tensor["shape"]).copy()


def main() -> None:
    """Answer requests until there are no more."""
    load = ENGINES[sys.argv[1]]
    # What an engine prints is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            run = load(Path(request["path"]))
            outputs = [tensor(np.asarray(run(array(one)))) for one in request["inputs"]]
            answer = {"outputs": outputs}
        except Exception as error:
            answer = {"refused": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
