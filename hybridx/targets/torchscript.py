"""TorchScript: one archive that torch loads without hybridx, in Python and in C++."""

from __future__ import annotations

import io
import platform
import re
import sys

import torch
from torch import fx, nn

from hybridx.artifact import Body
from hybridx.capture import quiet
from hybridx.errors import NoTorchScriptError, UnscriptableError, first_line
from hybridx.storage import rezip, unzip
from hybridx.targets.script import script_class
from hybridx.targets.splice import index_of

_FIRST_WITHOUT = (3, 14)
_MANGLED = re.compile(rb"\.___torch_mangle_\d+")
_MANGLED_FILE = re.compile(r"/___torch_mangle_\d+\.py$")
_TORCHS_OWN = (".debug_pkl", ".data/serialization_id")


def to_torchscript(module: fx.GraphModule, *, dtype: str) -> tuple[bytes, list[tuple[int, Body]]]:
    """Return the TorchScript archive of a module, and where its circuits are in it.

    Args:
        module: of `splice`: operators of torch only, circuits as submodules.
        dtype: of the circuits.

    Returns:
        The archive, and the index of each circuit with its body.

    Raises:
        NoTorchScriptError: this Python is one that TorchScript does not support.
        UnscriptableError: TorchScript has no such operation.
    """
    if sys.version_info >= _FIRST_WITHOUT:
        raise NoTorchScriptError(platform.python_version())
    written = script_class(module)
    # Each model has a class of its own, because torch defines a method of a class only once.
    host = type("Model", (nn.Module,), {"__module__": "hybridx"})()
    for name, tensor in written.tensors.items():
        if isinstance(tensor, nn.Parameter):
            host.register_parameter(name, tensor)
        else:
            host.register_buffer(name, tensor)
    saved = io.BytesIO()
    with quiet():
        scripted = torch.jit.script(host.eval())
        try:
            scripted.define(written.text)
        except RuntimeError as error:
            raise UnscriptableError(first_line(error)) from error
        torch.jit.save(scripted, saved)
    calls = module.graph.find_nodes(op="call_module")
    bodies = [
        (index_of(name), Body(dtype, method=name)) for name in sorted({n.target for n in calls})
    ]
    return rezip(_canonical(saved.getvalue())), bodies


def _canonical(content: bytes) -> dict[str, bytes]:
    """Return the members that describe the model, named as if no other had been scripted before."""
    members = {}
    for name, data in unzip(content):
        if name.endswith(_TORCHS_OWN):
            continue
        if name == "data.pkl" or name.endswith(".py"):
            data = _MANGLED.sub(b"", data)
            name = _MANGLED_FILE.sub(".py", name)
        members[name] = data
    return members
