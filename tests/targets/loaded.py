"""Run a file as somebody does who has torch and nothing else: `loaded.py FORMAT FILE IN OUT`."""

import sys


def main(format: str, path: str, inputs: str, outputs: str) -> None:
    """Run the file on saved tensors, in a process that can import neither hybridx nor PennyLane."""
    sys.modules.update(dict.fromkeys(("hybridx", "pennylane", "onnx", "onnxruntime")))  # type: ignore[arg-type]
    import torch

    if format == "torchscript":
        module = torch.jit.load(path)
    elif format == "aot":
        module = torch._inductor.aoti_load_package(path)
    else:
        module = torch.export.load(path).module()
    results = []
    with torch.no_grad():
        for args in torch.load(inputs):
            found = module(*args)
            results.append([found] if isinstance(found, torch.Tensor) else list(found))
    torch.save(results, outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
