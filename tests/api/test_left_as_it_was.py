"""The model and the process are left as they were: after success, refusal, error and interrupt."""

from __future__ import annotations

import gc
import logging
import math
import os
import random
import signal
import sys
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.errors import HybridxError
from tests import sample_models
from tests.sampling import some


class Full(nn.Module):
    """A model with everything that a module can hold."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.quantum = sample_models.strongly_entangling()
        self.tied = nn.Linear(4, 3)
        self.tied.weight = self.head.weight
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)
        self.register_buffer("scale", torch.full((3,), 0.5))
        self.register_buffer("calls", torch.zeros(1), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("phase", torch.ones(3, dtype=torch.complex64))
        self.wiring = [0, 1, 2]
        self.history, self.last, self.count = [], None, 0
        self.memory = torch.zeros(3)
        self.on_call = lambda: None

    def forward(self, x):
        self.on_call()
        self.calls.add_(1)
        y = self.norm(self.head(x)) * self.scale * self.phase.real
        self.count += 1
        self.last = y
        self.history.append(y.detach())
        self.memory.copy_(y[0].detach())
        return self.quantum(self.drop(y)) * self.frozen + self.tied(x)


def full():
    """A model in the middle of training, hooks of every kind on it, one part in eval mode."""
    model = Full()
    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    model(x).sum().backward()
    model.tied.eval()
    noted = lambda *_: None  # noqa: E731 - one object for all
    model.head.register_forward_hook(noted)
    model.head.register_forward_pre_hook(noted)
    model.norm.register_full_backward_hook(noted)
    model.norm.register_full_backward_pre_hook(noted)
    model.norm.register_state_dict_post_hook(noted)
    model.norm.register_load_state_dict_post_hook(noted)
    model.head.weight.register_hook(noted)
    model.head.bias.register_post_accumulate_grad_hook(noted)
    return model


def of_tensor(tensor):
    """What is to stay of a tensor: which one it is, its storage, its numbers, its gradient."""
    grad = tensor.grad if tensor.is_leaf else None
    return {
        "identity": id(tensor),
        "storage": tensor.data_ptr(),
        "dtype": tensor.dtype,
        "device": tensor.device,
        "shape": tuple(tensor.shape),
        "numbers": tensor.detach().cpu().numpy().tobytes(),
        "needs a gradient": tensor.requires_grad,
        "hooks": [
            None if hooks is None else list(hooks.values())
            for hooks in (tensor._backward_hooks, tensor._post_accumulate_grad_hooks)
        ],
        "grad": None if grad is None else of_tensor(grad),
    }


def of_model(model):
    """Everything that a module holds, by the path that leads to it."""
    found = {}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, dict):
                for key, item in value.items():
                    is_tensor = isinstance(item, torch.Tensor)
                    found[path, name, key] = of_tensor(item) if is_tensor else id(item)
            elif isinstance(value, torch.Tensor):
                found[path, name] = of_tensor(value)
            else:
                is_plain = isinstance(value, bool | int | str | set)
                found[path, name] = value if is_plain else id(value)
                found[path, name, "items"] = list(map(id, value)) if type(value) is list else []
    return found


LIBRARIES = (np, np.random, np.linalg, math, random, torch, torch.Tensor, nn.Module, nn.functional,
             torch.distributions.Distribution, qml, qml.math, qml.QNode, qml.qnn.TorchLayer,
             qml.operation.Operator, qml.StatePrep, logging.Logger, warnings)  # fmt: skip


def of_process(modules):
    """Everything that belongs to the whole process."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "NumPy's generator": str(np.random.get_state()),
        "Python's generator": random.getstate(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "garbage": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.callbacks[:]),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "logging": {
            id(one): (one.level, one.disabled, one.propagate, one.handlers[:], one.filters[:])
            for one in loggers
            if isinstance(one, logging.Logger)
        },
        "logging as a whole": (logging.root.manager.disable, logging.raiseExceptions),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.gettrace()),
        "signals": (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)),
        "imports": (sys.path[:], sys.meta_path[:], {one: sys.modules.get(one) for one in modules}),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "NumPy's errors": np.geterr(),
        "recursion": sys.getrecursionlimit(),
        "libraries": {(id(one), name): id(it) for one in LIBRARIES for name, it in vars(one).items()
                      if not name.startswith("__")},
    }  # fmt: skip


def differences(before, after, path=()):
    """Return where two records differ, by the keys that lead there."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in {**before, **after}
            for line in differences(before.get(key), after.get(key), (*path, key))
        ]
    return [] if before == after else [(path, str(before)[:80], str(after)[:80])]


X = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files to verify; also all that is imported late is imported then."""
    folder = tmp_path_factory.mktemp("left")
    paths = {dtype: folder / f"{dtype}.onnx" for dtype in ("float32", "float64")}
    for dtype, path in paths.items():
        hybridx.export(full(), (X,), path, dtype=dtype)
    hybridx.lower(full(), (X,))
    hybridx.verify(paths["float32"], against=full())
    return paths


def export(model, dtype, files, **options):
    target = files[dtype].with_suffix(".again.onnx")
    hybridx.export(model, (X,), target, dtype=dtype, overwrite=True, **options)


def lower(model, dtype, files, **options):
    hybridx.lower(model, (X,), dtype=dtype, **options)


def verify(model, dtype, files, **options):
    hybridx.verify(files[dtype], against=model, **options)


def raising(error, *, while_traced):
    """Raise an error in each call of forward, or in those that are traced."""

    def on_call():
        if torch.compiler.is_exporting() or not while_traced:
            raise error

    return on_call


# By name: what is raised in forward, and whether while it is traced; or the options of a refusal.
ENDS = {
    "success": (None, False, {}),
    "refusal": (None, False, {"atol": 0.0}),
    "error of the model": (ValueError, False, {}),
    "error while it is traced": (ValueError, True, {}),
    "interrupt": (KeyboardInterrupt, False, {}),
    "interrupt while it is traced": (KeyboardInterrupt, True, {}),
}
JOBS = [
    (job, end)
    for job in (export, lower, verify)
    for end, (_, while_traced, _) in ENDS.items()
    if job is not verify or not while_traced
]


@pytest.mark.parametrize("dtype", some(["float32", "float64"], every=2))
@pytest.mark.parametrize(("job", "end"), JOBS, ids=lambda one: getattr(one, "__name__", one))
def test_the_model_and_the_process_are_left_as_they_were(job, end, dtype, files):
    raised, while_traced, options = ENDS[end]
    model = full()
    if raised is not None:
        model.on_call = raising(raised("in forward"), while_traced=while_traced)
    modules = dict(sys.modules)
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    gc.collect()
    before, process = of_model(model), of_process(modules)
    expected = HybridxError if raised is ValueError or options else raised
    with nullcontext() if expected is None else pytest.raises(expected):
        job(model, dtype, files, **options)
    assert differences(before, of_model(model)) == []
    assert differences(process, of_process(modules)) == []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.step()
    model.on_call = lambda: None
    model(X).sum().backward()
