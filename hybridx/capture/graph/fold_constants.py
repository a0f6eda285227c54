"""Compute what no file format has an operator for, where it depends on constants alone."""

from __future__ import annotations

from torch import Tensor, fx

from hybridx.capture.graph.constants import Constants
from hybridx.capture.torch_internals import is_operator

_KINDS = ("linalg_", "pinverse", "cumprod", "det", "logdet", "slogdet")
"""How the names of operators begin that are computed here: ONNX has none for them."""

_MOST_ELEMENTS = 2**16
"""The most numbers of a value that is put into the graph."""


def fold_constants(module: fx.GraphModule) -> None:
    """Replace what depends on constants alone by its values, in place, if such an operator does.

    Zero-noise extrapolation, for example, fits a polynomial by a pseudo-inverse of its factors.
    """
    constants = Constants(module)
    calls = [node for node in module.graph.nodes if node.op == "call_function"]
    if not any(_is_computed(node) and constants.has(node) for node in calls):
        return
    known = dict.fromkeys(node for node in calls if constants.has(node))
    for node in known:
        value = constants.value(node)
        if not isinstance(value, Tensor) or value.numel() > _MOST_ELEMENTS:
            continue
        if all(user in known for user in node.users):
            continue
        name = f"folded_{node.name}"
        module.register_buffer(name, value, persistent=False)
        with module.graph.inserting_before(node):
            folded = module.graph.get_attr(name)
        folded.meta = dict(node.meta)
        node.replace_all_uses_with(folded)
    module.graph.eliminate_dead_code()


def _is_computed(node: fx.Node) -> bool:
    target = node.target
    if not is_operator(target):
        return False
    name: str = target.overloadpacket.__name__
    return name.removeprefix("_").startswith(_KINDS)
