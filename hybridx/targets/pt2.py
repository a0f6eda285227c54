"""PT2: a program of torch.export, and on request also compiled ahead of time."""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from hybridx.artifact import NO_SAMPLE_INPUTS, SAMPLE_INPUTS, Body, leaves
from hybridx.capture import quiet
from hybridx.errors import NoCompilerError, first_line
from hybridx.storage import rezip, unzip
from hybridx.targets.bodies import marked, take_bodies
from hybridx.targets.torch_internals import compile_program

_PROGRAM = "models/model.json"
_COMPILED = "data/aotinductor/"
_TORCHS_OWN = ".data/serialization_id"
_OF_GRAPHS = "torch.fx.immutable_collections.immutable_"

# The files of AOTInductor that are kept; its C++ source names folders of this machine.
_NEEDED = (".so", "wrapper_metadata.json")


def to_pt2(
    module: fx.GraphModule,
    args: Sequence[Tensor],
    shapes: Sequence[Mapping[int, Any]],
    *,
    aot: bool = False,
) -> tuple[bytes, list[tuple[int, Body]]]:
    """Return the PT2 archive of a module, and where its circuits are in it.

    Args:
        module: of `splice`: operators of torch only, circuits as submodules.
        args: example inputs.
        shapes: the open axes of each input, as torch.export's dynamic shapes.
        aot: also put the program into the archive as machine code for this kind of machine.

    Returns:
        The archive, and the index of each circuit with its body.

    Raises:
        NoCompilerError: there is no C++ compiler, or it fails.
    """
    with quiet():
        program = torch.export.export(
            marked(module), tuple(args), dynamic_shapes=tuple(shapes), strict=False
        )
    bodies = take_bodies(program)
    _leave_out_assertions(program.graph)
    compiled = _compiled(program, module, args) if aot else {}
    with quiet():
        program.example_inputs = None  # they are the user's own data
        saved = io.BytesIO()
        torch.export.save(program, saved)
    members = {
        name: _without_origin(data) if name == _PROGRAM else data
        for name, data in unzip(saved.getvalue())
        if name != _TORCHS_OWN
    }
    return rezip(members | compiled | {SAMPLE_INPUTS: NO_SAMPLE_INPUTS}), bodies


def _leave_out_assertions(graph: fx.Graph) -> None:
    """Remove, in place, what torch asserts of sizes that are numbers of the data."""
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten._assert_scalar.default):
        compared = node.args[0]
        graph.erase_node(node)
        if isinstance(compared, fx.Node) and not compared.users:
            graph.erase_node(compared)


def _without_origin(text: bytes) -> bytes:
    """Return a program without its origin: stack traces, source lines, Python ids."""
    document = json.loads(text)
    for node in document["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}
    document["guards_code"] = []  # conditions on shapes, which the reader would run as Python
    calls = document["graph_module"]["module_call_graph"]
    (whole,) = [call for call in calls if not call["fqn"]]
    # A graph has containers that cannot be changed; the program returns Python's own.
    returned = whole["signature"]["out_spec"]
    whole["signature"]["out_spec"] = returned.replace(_OF_GRAPHS, "builtins.")
    document["graph_module"]["module_call_graph"] = [whole]
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _compiled(
    program: torch.export.ExportedProgram, module: fx.GraphModule, args: Sequence[Tensor]
) -> dict[str, bytes]:
    """Return the members that hold a program as machine code, after a comparison with `module`."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "model.pt2"
        try:
            with quiet():
                results = compile_program(program, package)(*args)
        except Exception as error:
            # Inductor has no class of errors of its own.
            raise NoCompilerError(first_line(error)) from error
        with torch.no_grad():
            expected = module(*args)
        for result, value in zip(leaves(results), leaves(expected), strict=True):
            if not torch.allclose(result, value, rtol=1e-4, atol=1e-5, equal_nan=True):
                raise NoCompilerError("the compiled program computes other values")
        places = (folder, str(Path(torch.__file__).parent))
        return {
            name: _blotted(data, places)
            for name, data in unzip(package.read_bytes())
            if name.startswith(_COMPILED) and name.endswith(_NEEDED)
        }


def _blotted(library: bytes, places: Sequence[str]) -> bytes:
    """Return machine code with the names of files of this machine overwritten by dots."""
    for place in places:
        named = re.compile(re.escape(place.encode()) + rb"[^\0]*")
        # The length stays the same, because nothing else in the library may move.
        library = named.sub(lambda found: b"." * len(found[0]), library)
    return library
