"""What the file formats need of torch's private names: Inductor, the ONNX exporter, traced nodes.

Inductor compiles ahead of time.

Seen with torch 2.13. `tests/targets/test_torch_internals.py` has a test for each name; its failure
says which behaviour is gone.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, fx
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

# Line tables name folders of this machine. Headers are not worth compiling beforehand for one
# program.
_INDUCTOR = {"aot_inductor.enable_line_tables": False, "cpp_cache_precompile_headers": False}


def compile_program(
    program: torch.export.ExportedProgram, package: Path
) -> Callable[..., Sequence[Tensor]]:
    """Compile a program to machine code, write it into a package, and return the loaded code.

    Inductor's cache and its temporary files are in the folder of the package.

    Args:
        program: of torch.export.
        package: the file to write; its name ends in `.pt2`.

    Raises:
        Exception: whatever a part of Inductor raises; it has no class of its own for a failure.
    """
    from torch._inductor.utils import fresh_cache  # takes two seconds

    # Inductor warns that it keeps the files of a failed compilation, in a folder that is removed.
    logger = logging.getLogger("torch._inductor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with fresh_cache(dir=str(package.parent)):
            torch._inductor.aoti_compile_and_package(
                program, package_path=str(package), inductor_configs=_INDUCTOR
            )
            code: Callable[..., Sequence[Tensor]] = torch._inductor.aoti_load_package(str(package))
            return code
    finally:
        logger.setLevel(level)


def is_operator(target: Any) -> TypeGuard[Any]:
    """Return whether the target of a node is an overload of one of torch's operators."""
    return isinstance(target, torch._ops.OpOverload)


def to_fake(values: Sequence[Any]) -> Callable[[Any], Any]:
    """Return a function that gives a tensor without its numbers, in the trace of other values.

    Args:
        values: of the nodes of a traced graph.
    """
    fakes = (value for value in values if isinstance(value, FakeTensor))
    mode = next((fake.fake_mode for fake in fakes), None) or FakeTensorMode()

    def faked(value: Any) -> Any:
        if isinstance(value, Tensor) and not isinstance(value, FakeTensor):
            return mode.from_tensor(value, static_shapes=True)
        return value

    return faked


def untranslated_node(error: BaseException) -> fx.Node | None:
    """Return the node that torch's ONNX exporter was translating when it failed, or None.

    The exporter names the node in a text only. Its functions call it `node`, and those that
    decompose the graph first call it `n`.
    """
    found = None
    cause: BaseException | None = error
    while cause is not None:
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            for name in ("node", "n"):
                node = frame.f_locals.get(name)
                if isinstance(node, fx.Node) and node.op == "call_function":
                    found = node
        cause = cause.__cause__
    return found


def node_of_translation(made: Any) -> str:
    """Return the name of the node of a traced graph that a node of onnx_ir translates, or nothing.

    The exporter stores the text of that node, `%name : …`, with each node that it makes.
    """
    text: str = made.metadata_props.get("pkg.torch.onnx.fx_node", "")
    return text.removeprefix("%").partition(" ")[0]
