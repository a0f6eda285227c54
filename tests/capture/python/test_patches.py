"""What is replaced while a model is traced: a table of it, in one thread, and put back."""

from __future__ import annotations

import contextlib
import gc
import inspect
import io
import logging
import math
import os
import queue
import random
import sys
import threading
import traceback
import types
import warnings

import numpy as np
import pennylane as qml
import pytest
import torch
from torch import nn

import hybridx
from hybridx.capture import Flat, capture, describe_call, in_eval_mode, prepare_example, quiet
from hybridx.capture.model.eager import eagerly
from hybridx.capture.model.randomness import draws_noted
from hybridx.capture.python import patches
from hybridx.capture.python.patches import (
    LENGTHS,
    REPLACEMENTS,
    SWITCHES,
    intercepting,
    one_thread,
    switched,
    uncollected,
)
from hybridx.errors import CaptureError, ExampleRejectedError

DEVICE = qml.device("default.qubit", wires=2)


def last_of(seen):
    """Return what was put last into a queue; a list would be put back as forward found it."""
    return [seen.get() for _ in range(seen.qsize())][-1]


def captured(model, *args):
    call, tensors = describe_call(model, args, {})
    flat = Flat(model, call)
    with in_eval_mode(model):
        example = prepare_example(flat, tensors, dtype="float32")
        return capture(flat, example, dtype="float32")


def model_of(forward):
    """Return a module with that forward, `(self, x)`."""
    return type("Model", (nn.Module,), {"forward": forward, "__module__": __name__})()


@qml.qnode(DEVICE)
def rotation(x):
    qml.RX(x[..., 0], 0)
    return qml.expval(qml.Z(0))


def example():
    return torch.linspace(-0.9, 0.8, 6).reshape(3, 2)


# --- The canaries, one for each row of the table -------------------------------------------------


def test_a_qnode_call_is_answered():
    found = captured(model_of(lambda self, x: rotation(x)), example())
    assert len(found.circuits) == 1
    assert found.is_dynamic


def recorded_beside(other):
    """Return the operators of a queue while another thread does something."""
    with intercepting(is_quiet=True), qml.queuing.AnnotatedQueue() as queue:
        in_a_thread(other)
        qml.RX(0.5, 0)
    return queue.queue


def test_operators_of_other_threads_join_no_circuit():
    assert recorded_beside(lambda: qml.RY(0.1, 0)) == [qml.RX(0.5, 0)]


@qml.QueuingManager.stop_recording()
def unrecorded():
    return qml.RZ(0.3, 0)


def test_others_do_not_stop_a_recording():
    entered, ended = threading.Event(), threading.Event()

    def stop():
        with qml.QueuingManager.stop_recording():
            entered.set()
            ended.wait(10)

    with intercepting(is_quiet=True), qml.queuing.AnnotatedQueue() as queue:
        thread = threading.Thread(target=stop)
        thread.start()
        entered.wait(10)
        qml.RX(0.5, 0)
        unrecorded()
        ended.set()
        thread.join()
        qml.RY(0.5, 0)
    assert queue.queue == [qml.RX(0.5, 0), qml.RY(0.5, 0)]


def test_a_layer_tells_its_input():
    layer = qml.qnn.TorchLayer(_layer, {"weights": (1,)})
    told = []

    def handle(original, layer, x):
        told.append(x.shape)
        return original(layer, x)

    with intercepting(layer_call=handle), torch.no_grad():
        layer(torch.zeros(2, 3, 2))
    assert told == [(6, 2)]


@qml.qnode(DEVICE)
def _layer(inputs, weights):
    qml.RX(inputs[..., 0] + weights[0], 0)
    return qml.expval(qml.Z(0))


def test_amplitudes_are_prepared_by_torch():
    @qml.qnode(DEVICE)
    def circuit(x):
        qml.AmplitudeEmbedding(x, wires=range(2), pad_with=0.3, normalize=True)
        return qml.expval(qml.Z(0))

    # Rows that depend on each other are traced together or not at all.
    found = captured(model_of(lambda self, x: circuit(x - x.mean(0))), example() + 1)
    assert found.is_dynamic


def test_an_operator_takes_a_list_of_tensors():
    @qml.qnode(DEVICE)
    def circuit(x):
        qml.AngleEmbedding([x[0], x[1]], wires=range(2))
        return qml.expval(qml.Z(0))

    def forward(self, x):
        return torch.stack([torch.as_tensor(circuit(row)) for row in x])

    assert captured(model_of(forward), example()).circuits[0].parameters == 2


def test_tensors_of_the_trace_are_abstract():
    @qml.qnode(qml.device("default.mixed", wires=1))
    def circuit(x):
        qml.DepolarizingChannel(x[0] ** 2 / 4, wires=0)
        return qml.expval(qml.Z(0))

    found = captured(model_of(lambda self, x: torch.stack([circuit(row) for row in x])), example())
    assert found.is_dynamic


def test_an_exponential_takes_a_tensor():
    @qml.qnode(DEVICE)
    def circuit(x):
        qml.exp(qml.X(0) @ qml.Z(1), -1j * x[..., 0])
        return qml.expval(qml.Z(0))

    assert captured(model_of(lambda self, x: torch.stack([circuit(row) for row in x])), example())


def test_vmap_moves_its_axis_behind():
    twice = torch.vmap(lambda row: torch.stack([row, 2 * row]), out_dims=1)
    found = captured(model_of(lambda self, x: twice(x).movedim(1, 0)), example())
    assert found.is_dynamic


def test_distributions_look_at_no_parameters(monkeypatch):
    # The first torch.compile of a process turns the checks off.
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", True)

    def forward(self, x):
        return torch.distributions.Normal(x, x.abs() + 1).mean

    assert captured(model_of(forward), example()).is_dynamic


def test_a_number_of_the_data_decides_a_branch():
    def forward(self, x):
        positive = (x > 0).sum().item()
        return x if positive > 2 else -x

    assert captured(model_of(forward), example()).changes


def test_a_derivative_is_noticed_where_it_begins():
    def forward(self, x):
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            rotation(point).sum().backward()
            return point.grad

    assert captured(model_of(forward), example()).is_dynamic


def flags_while_traced(ask):
    """Return what a question is answered while a model is traced: in that thread, in another."""
    seen = queue.SimpleQueue()

    def forward(self, x):
        seen.put((ask(), in_a_thread(ask)))
        return x + 1

    captured(model_of(forward), example())
    return last_of(seen)


def test_only_the_tracing_thread_compiles():
    assert flags_while_traced(lambda: torch.compiler.is_compiling()) == (True, False)


def test_only_the_tracing_thread_exports():
    assert flags_while_traced(lambda: torch.compiler.is_exporting()) == (True, False)


def test_a_tensor_is_made_of_tracers():
    def forward(self, x):
        return torch.Tensor([row[0].item() for row in x])

    assert captured(model_of(forward), example()).is_dynamic


@pytest.mark.filterwarnings("ignore")  # torch's own way with ufuncs is deprecated by NumPy
def test_a_ufunc_takes_a_tensor_of_the_trace():
    def forward(self, x):
        return np.sin(x) * 2

    assert captured(model_of(forward), example()).is_dynamic


def test_a_device_made_in_forward_draws_nothing():
    with draws_noted() as sources:
        qml.device("default.qubit", wires=1)
    assert sources == []
    with draws_noted() as sources:
        np.random.randint(3)
    assert sources == ["NumPy's global generator"]


def test_an_import_inside_a_function_is_followed():
    def forward(self, x):
        import math as inner

        return torch.stack([torch.tensor(inner.sin(row[0].item())) for row in x])

    assert captured(model_of(forward), example()).is_dynamic


def test_only_the_tracing_thread_is_mute():
    written = io.StringIO()
    with contextlib.redirect_stderr(written), intercepting(is_mute=True):
        print("from the tracing thread", file=sys.stderr)
        in_a_thread(lambda: print("from another", file=sys.stderr))
    assert written.getvalue() == "from another\n"


# --- The switches --------------------------------------------------------------------------------


def test_garbage_is_not_collected_meanwhile():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_eager_models_run_on_one_thread():
    threads = torch.get_num_threads()
    with eagerly():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads


def test_products_are_computed_on_one_thread():
    before = patches.BLAS_THREADS.read()
    with one_thread():
        assert set(patches.BLAS_THREADS.read()) == {1}
    assert patches.BLAS_THREADS.read() == before


def test_only_the_quiet_thread_is_not_warned():
    caught = []

    def other():
        try:
            warnings.warn("another thread", UserWarning, stacklevel=1)
        except UserWarning as warning:  # the tests take warnings for errors
            caught.append(str(warning))

    before = list(warnings.filters)
    with quiet():
        warnings.warn("the quiet thread", UserWarning, stacklevel=1)
        in_a_thread(other)
    assert caught == ["another thread"]
    assert warnings.filters == before


def test_loggers_are_quiet_meanwhile():
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    with quiet():
        assert not logger.isEnabledFor(logging.ERROR)
    assert logger.level == before


def test_the_line_that_needs_a_length_is_told():
    class Loop(torch.nn.Module):
        def forward(self, x):
            return sum(x[:, step] for step in range(x.shape[1]))

    lengths = []

    def note(length, frame):
        names = [caller.f_code.co_name for caller, _ in traceback.walk_stack(frame)]
        lengths.append((length, "forward" in names))

    open_ = ({0: torch.export.Dim("N"), 1: torch.export.Dim("T")},)
    state = LENGTHS.read()
    with switched(LENGTHS), intercepting(note_length=note), pytest.raises(Exception, match="T"):
        torch.export.export(Loop(), (torch.ones(3, 7),), dynamic_shapes=open_)
    assert lengths == [(7, True)]
    assert LENGTHS.read() == state


# --- The table as a whole ------------------------------------------------------------------------


def in_a_thread(function):
    """Run a function in another thread and return what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    (result,) = results
    return result


@pytest.mark.parametrize("one", [*REPLACEMENTS, *SWITCHES], ids=lambda one: one.test)
def test_every_row_names_its_canary(one):
    assert inspect.isfunction(globals()[one.test])
    assert one.why


def test_few_attributes_are_replaced():
    assert len(REPLACEMENTS) < 20
    assert len(SWITCHES) <= 10


@pytest.mark.slow
@pytest.mark.parametrize("one", REPLACEMENTS, ids=lambda one: one.test)
def test_each_canary_fails_without_its_replacement(one, monkeypatch):
    monkeypatch.setattr(patches, "REPLACEMENTS", tuple(r for r in REPLACEMENTS if r is not one))
    # In a process of its own: without a row for its queues, PennyLane keeps a lock for ever.
    process = os.fork()
    if not process:
        status = 1
        with contextlib.suppress(Exception, pytest.fail.Exception):
            canary = globals()[one.test]
            canary(*[monkeypatch] * len(inspect.signature(canary).parameters))
            status = 0
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 1


class Stop(BaseException):
    """Stands for what stops a program at any moment."""


def raising(error):
    def forward(self, x):
        if type(x) is not torch.Tensor:  # while it is traced
            raise error
        return rotation(x)

    return model_of(forward)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: model_of(lambda self, x: rotation(x)), None),
        (lambda: model_of(lambda self, x: rotation(x) if x.sum() > 0 else x), CaptureError),
        (lambda: model_of(lambda self, x: x @ x), ExampleRejectedError),
        (lambda: raising(ValueError("no")), CaptureError),
        (lambda: raising(KeyboardInterrupt()), KeyboardInterrupt),
        (lambda: raising(Stop()), Stop),
    ],
    ids=["success", "refusal", "bad example", "error", "interrupt", "any stop"],
)
def test_everything_is_put_back(make, error, tmp_path):
    before = [(one.present, id(one.present)) for one in REPLACEMENTS]
    switches = [one.read() for one in SWITCHES]
    names = dict(globals())
    with pytest.raises(error) if error else contextlib.nullcontext():
        hybridx.export(make(), (example(),), tmp_path / "model.onnx")
    assert [(one.present, id(one.present)) for one in REPLACEMENTS] == before
    assert [one.read() for one in SWITCHES] == switches
    assert {name: id(value) for name, value in globals().items() if name in names} == {
        name: id(value) for name, value in names.items()
    }


def test_a_switch_that_fails_leaves_the_others_as_they_were():
    def fail(_):
        raise Stop

    bad = patches.Switch(lambda: 1, fail, 0, "", "")
    with contextlib.suppress(Stop), switched(patches.COLLECTION, bad):
        pass
    assert gc.isenabled()


LIBRARIES = {
    "torch",
    "pennylane",
    "numpy",
    "autograd",
    "autoray",
    "onnx",
    "onnxruntime",
    "onnxscript",
}
STANDARD = (
    builtins_ := __import__("builtins"),
    sys,
    math,
    random,
    warnings,
    logging,
    gc,
    threading,
)


def ours(value):
    """Return whether hybridx made a value: a function, or an instance of a class of its own."""
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    if isinstance(function, types.FunctionType):
        return "/hybridx/capture/" in function.__code__.co_filename.replace("\\", "/")
    return type(value).__module__.startswith("hybridx.")


def attributes_of_ours():
    """Return the attributes of other libraries that are ours now, as `(owner, name)`."""
    owners = [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, types.ModuleType) and name.split(".")[0] in LIBRARIES
    ]
    owners += STANDARD
    classes = {
        value for owner in owners for value in list(vars(owner).values()) if isinstance(value, type)
    }
    return {
        (owner.__name__, name)
        for owner in (*owners, *classes)
        for name, value in list(vars(owner).items())
        if ours(value)
    }


@pytest.mark.filterwarnings("ignore")  # of deprecated names that torch still has
def test_nothing_beside_the_table_is_replaced():
    seen = queue.SimpleQueue()

    def forward(self, x):
        if type(x) is not torch.Tensor:
            seen.put(attributes_of_ours())
        return rotation(x)

    captured(model_of(forward), example())  # torch loads modules of its own the first time
    before = attributes_of_ours()
    captured(model_of(forward), example())
    table = {(one.owner.__name__, one.name) for one in REPLACEMENTS}
    # A class may be reached by several names; a module that imports a function holds the original.
    replaced = {name for _, name in last_of(seen) - before}
    assert replaced | {"__code__"} == {name for _, name in table}
    assert attributes_of_ours() == before


# --- Other threads -------------------------------------------------------------------------------


def test_two_threads_export_at_once(tmp_path):
    reports, errors = [], []

    def work(name, axis):
        def forward(self, x):
            return rotation(torch.from_numpy(np.stack([x.numpy(), x.numpy()]))[axis]) + axis

        try:
            model = model_of(forward)
            reports.append(hybridx.export(model, (example(),), tmp_path / name))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"{n}.onnx", n)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [report.is_dynamic for report in reports] == [True, True]
    for number in range(2):
        x = example().numpy()
        with torch.no_grad():
            expected = rotation(example()) + number
        found = hybridx.load(tmp_path / f"{number}.onnx").run({"x": x})["output"]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def train(steps):
    """Train a small PennyLane model, with NumPy and math on the way; return its numbers."""
    generator = torch.Generator().manual_seed(3)
    weights = torch.rand(2, generator=generator, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weights], lr=0.1)

    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(weights, angle):
        qml.RX(weights[0], 0)
        qml.RY(weights[1] * angle, 1)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    losses = []
    for step in range(steps):
        angle = math.sin(step) + float(np.zeros(3).sum()) + torch.tensor([0.5]).item()
        loss = circuit(weights, angle)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        assert np.stack([np.ones(2), np.ones(2)]).tolist() == [[1.0, 1.0], [1.0, 1.0]]
        assert isinstance(np.asarray([1.0]), np.ndarray)
    return losses


def test_training_goes_on_beside_an_export(tmp_path):
    expected = train(30)
    stop = threading.Event()
    found, errors = [], []

    def other():
        try:
            while not stop.is_set() or not found:
                found.append(train(30))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        for number in range(3):
            model = nn.Sequential(nn.Linear(2, 2), model_of(lambda self, x: rotation(x)))
            hybridx.export(model, (example(),), tmp_path / f"{number}.onnx")
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert all(losses == expected for losses in found)
