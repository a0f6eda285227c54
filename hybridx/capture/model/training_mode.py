"""Find the modules of a model that behave differently in training and in inference."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

from hybridx.capture.python.source_location import is_users
from hybridx.capture.torch_internals import modules_of

_DROPOUT = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)
_BATCH_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_INSTANCE_NORM = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def training_note(model: nn.Module) -> str | None:
    """Return a sentence if an export in eval mode changes what a model does in its present one."""
    paths: dict[str, list[str]] = {}
    for path, module in modules_of(model):
        kind = _kind(module) if module.training else None
        if kind is not None:
            paths.setdefault(kind, []).append(path or "the model itself")
    if not paths:
        return None
    named = [
        f"{kind} ({first}{f' and {len(others)} more' if others else ''})"
        for kind, (first, *others) in paths.items()
    ]
    return f"exported in eval mode, where these act as in inference: {', '.join(named)}"


def _kind(module: nn.Module) -> str | None:
    """Return the part of a module that depends on its mode, in the user's words."""
    match module:
        case _ if isinstance(module, _DROPOUT) and module.p > 0:
            return "dropout"
        case _ if isinstance(module, _BATCH_NORM) and module.track_running_stats:
            return "batch norm"
        case _ if isinstance(module, _INSTANCE_NORM) and module.track_running_stats:
            return "instance norm"
        case nn.RReLU(lower=lower, upper=upper) if lower != upper:
            return "RReLU"
        case nn.MultiheadAttention(dropout=p) if p > 0:
            return "dropout of attention"
        case nn.RNNBase(dropout=p, num_layers=layers) if p > 0 and layers > 1:
            return "dropout between recurrent layers"
    return "code that reads self.training" if _reads_mode(type(module).forward) else None


@cache
def _reads_mode(forward: Callable[..., Any]) -> bool:
    """Return whether a forward of the user's reads `self.training`."""
    code = getattr(forward, "__code__", None)
    if code is None or not is_users(code.co_filename):
        return False
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(forward)))
    except (OSError, TypeError, SyntaxError):
        return False
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("self"), "training", ast.Load()):
                return True
    return False
