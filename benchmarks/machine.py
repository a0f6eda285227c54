"""Fit the table of a machine: `python -m benchmarks.machine --machine cpu`, or `cuda`.

It measures on this machine what `hybridx.lowering.machines` holds: what a call takes for no work,
what a step takes to start, the rates of matrix products by their sizes, and those of passes over
memory. It prints them and the table that follows; `--write` writes its numbers into the file of the
machine. `cpu` is measured on one thread of ONNX Runtime, `cuda` with torch in CUDA graphs, float32
without TF32. Other work on the machine makes the numbers worthless.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

import hybridx
from benchmarks.records import cpu_name
from benchmarks.tables import figure, grid
from hybridx.lowering import MACHINES
from hybridx.lowering.machines.machine import Machine

FOLDER = Path(hybridx.__file__).parent / "lowering" / "machines"

Call: TypeAlias = Callable[[], Any]
Kind: TypeAlias = Literal["cos", "multiply", "transpose"]
KINDS: tuple[Kind, ...] = ("cos", "multiply", "transpose")


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured.

    Attributes:
        steps: of a short chain and of a long one.
        tiny: rows and columns of what the steps of a chain work on, so that starting them is all.
        wide: rows and columns of what passes over memory work on.
        batches: rows of a product.
        near: rows and columns of constant matrices that stay near a core.
        far: of one that does not.
        rounds: of all calls in turns.
        seconds: of a call in a round, at least.
    """

    steps: tuple[int, int]
    tiny: tuple[int, int]
    wide: tuple[int, int]
    batches: tuple[int, ...]
    near: tuple[tuple[int, int], ...]
    far: tuple[int, int]
    rounds: int = 7
    seconds: float = 0.02


NEAR = ((256, 2048), (512, 512), (243, 2430))
SIZES = {
    "cpu": Sizes((4, 64), (1, 16), (256, 1024), (1, 256), NEAR, (2048, 4608)),
    # Passes and the far matrix are larger than the cache of any GPU.
    "cuda": Sizes((4, 64), (1, 16), (65536, 2048), (1, 256, 4096), NEAR, (8192, 8192)),
}


class Engine(Protocol):
    """Makes calls that take inputs which are there already, and end when their results are.

    Attributes:
        clock: by which they are timed, in seconds.
    """

    clock: Callable[[], float]

    def chain(self, kind: Kind, steps: int, rows: int, columns: int) -> Call:
        """Return a call of so many steps, each on the numbers of the one before."""

    def product(self, batch: int, rows: int, columns: int) -> Call:
        """Return a call of one product of `(batch, rows)` with a constant `(rows, columns)`."""


class OnnxRuntime:
    """ONNX Runtime on one thread, by the time of the processor."""

    clock = staticmethod(time.process_time)

    def chain(self, kind: Kind, steps: int, rows: int, columns: int) -> Call:
        """Return a call of so many steps, each on the numbers of the one before."""
        nodes, shape = [], (rows, columns)
        for step in range(steps):
            ends = [f"v{step}"], [f"v{step + 1}"]
            if kind == "transpose":
                shape = shape[::-1]
                nodes.append(helper.make_node("Transpose", *ends, perm=[1, 0]))
            elif kind == "multiply":
                nodes.append(helper.make_node("Mul", [*ends[0], "one"], ends[1]))
            else:
                nodes.append(helper.make_node("Cos", *ends))
        ones = [numpy_helper.from_array(np.ones((1, 1), np.float32), "one")]
        constants = ones if kind == "multiply" else []
        return self._call(nodes, (rows, columns), shape, constants, f"v{steps}")

    def product(self, batch: int, rows: int, columns: int) -> Call:
        """Return a call of one product of `(batch, rows)` with a constant `(rows, columns)`."""
        node = helper.make_node("MatMul", ["v0", "C"], ["v1"])
        constant = numpy_helper.from_array(np.ones((rows, columns), np.float32), "C")
        return self._call([node], (batch, rows), (batch, columns), [constant], "v1")

    def _call(
        self,
        nodes: Sequence[Any],
        given: tuple[int, int],
        made: tuple[int, int],
        constants: Sequence[Any],
        result: str,
    ) -> Call:
        graph = helper.make_graph(
            nodes,
            "measured",
            [helper.make_tensor_value_info("v0", TensorProto.FLOAT, given)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, made)],
            constants,
        )
        opset = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        # Otherwise it leaves out products with one, and transposes that undo each other.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        feed = {"v0": np.ones(given, np.float32)}
        return lambda: session.run(None, feed)


class Torch:
    """torch on a device; on a CUDA device each call is a CUDA graph, and is waited for."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, device: torch.device) -> None:
        self._device = device
        torch.backends.cuda.matmul.allow_tf32 = False

    def chain(self, kind: Kind, steps: int, rows: int, columns: int) -> Call:
        """Return a call of so many steps, each on the numbers of the one before."""
        x, one = self._ones(rows, columns), self._ones(1, 1)

        def run() -> torch.Tensor:
            y = x
            for _ in range(steps):
                if kind == "transpose":
                    y = y.T.contiguous()
                else:
                    y = y.cos() if kind == "cos" else y * one
            return y

        return self._recorded(run)

    def product(self, batch: int, rows: int, columns: int) -> Call:
        """Return a call of one product of `(batch, rows)` with a constant `(rows, columns)`."""
        x, constant = self._ones(batch, rows), self._ones(rows, columns)
        return self._recorded(lambda: x @ constant)

    def _ones(self, rows: int, columns: int) -> torch.Tensor:
        return torch.ones((rows, columns), device=self._device)

    def _recorded(self, run: Call) -> Call:
        if self._device.type != "cuda":
            return run
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            run()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            run()

        def call() -> None:
            graph.replay()
            torch.cuda.synchronize()

        return call


@dataclass(frozen=True, slots=True)
class Rates:
    """What was measured, in nanoseconds.

    Attributes:
        call: for no work.
        step: that starts.
        passes: for each number that a step of a kind writes.
        products: for each multiply-add, by batch, rows and columns.
    """

    call: float
    step: float
    passes: Mapping[Kind, float]
    products: Mapping[tuple[int, int, int], float]


def measure(engine: Engine, sizes: Sizes) -> Rates:
    """Measure a machine; calls of one kind of work take turns, so that other load meets all."""
    short, long = sizes.steps
    tiny = in_turns(
        {steps: engine.chain("multiply", steps, *sizes.tiny) for steps in sizes.steps},
        engine.clock,
        sizes.rounds,
        sizes.seconds,
    )
    step = max(0.0, (tiny[long] - tiny[short]) / (long - short))
    call = max(0.0, tiny[short] - short * step)
    rows, columns = sizes.wide
    passes: dict[Kind, float] = {}
    for kind in KINDS:
        chains = {steps: engine.chain(kind, steps, rows, columns) for steps in (2, 6)}
        times = in_turns(chains, engine.clock, sizes.rounds, sizes.seconds)
        passes[kind] = max(0.0, (times[6] - times[2]) / 4 - step) / (rows * columns)
    places = [(batch, *one) for batch in sizes.batches for one in (*sizes.near, sizes.far)]
    products = {}
    for place in places:
        (taken,) = in_turns(
            {place: engine.product(*place)}, engine.clock, sizes.rounds, sizes.seconds
        ).values()
        # A product that takes no longer than its start is as fast as can be told: a tenth of it.
        own = max(taken - call - step, (call + step) / 10)
        products[place] = own / np.prod(place, dtype=float)
    return Rates(call, step, passes, products)


def in_turns(
    calls: Mapping[Any, Call], clock: Callable[[], float], rounds: int, seconds: float
) -> dict[Any, float]:
    """Return the median over the rounds of the mean nanoseconds of each call."""
    counts = {}
    for name, call in calls.items():
        call()
        started = clock()
        call()
        counts[name] = 1 + int(seconds / max(clock() - started, 1e-6))
    times: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            started = clock()
            for _ in range(counts[name]):
                call()
            times[name].append(1e9 * (clock() - started) / counts[name])
    return {name: statistics.median(one) for name, one in times.items()}


def fit(rates: Rates, sizes: Sizes, before: Machine, measured: str) -> Machine:
    """Return the table of a machine; which bytes are near and far stays as it was."""
    near = [
        (batch, _mean([rates.products[batch, *one] for one in sizes.near]))
        for batch in sizes.batches
    ]
    far = _mean([rates.products[batch, *sizes.far] / time for batch, time in near])
    # Where each number of any step counts, a cosine counts by what it takes beyond a pass.
    number = rates.passes["multiply"] if before.ns_per_number else 0.0
    return replace(
        before,
        measured=measured,
        ns_per_call=_rounded(rates.call),
        ns_per_step=_rounded(rates.step),
        ns_per_multiply_add=tuple((batch, _rounded(time)) for batch, time in near),
        ns_per_element=_rounded(max(0.0, rates.passes["cos"] - number)),
        ns_per_number=_rounded(number),
        far=_rounded(max(1.0, far)),
    )


def _mean(values: Sequence[float]) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-12)))))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def written(machine: Machine, source: str) -> str:
    """Return the source of a table with the numbers of a machine, comments as they are."""
    for field in fields(Machine):
        if field.name in ("name", "far_bytes", "near_bytes", "lacks"):
            continue
        value = getattr(machine, field.name)
        text = f'"{value}"' if isinstance(value, str) else repr(value)
        pattern = re.compile(rf"^(    {field.name}=).*?(,(?:  #.*)?)$", re.MULTILINE)
        source, count = pattern.subn(lambda found, text=text: found[1] + text + found[2], source)
        assert count == 1, field.name
    return source


def report(rates: Rates) -> str:
    """Return what was measured as text."""
    lines = [
        f"a call for nothing {figure(rates.call / 1e3)} us, a step {figure(rates.step / 1e3)} us",
        *(f"a number of {kind}: {time:.3g} ns" for kind, time in rates.passes.items()),
    ]
    rows = [
        (str(batch), f"{height} x {width}", f"{time:.3g}", figure(2e-3 / time))
        for (batch, height, width), time in rates.products.items()
    ]
    heads = ("batch", "matrix", "ns a multiply-add", "TFLOP/s")
    return "\n".join(lines) + "\n\n" + grid(heads, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", choices=sorted(SIZES), required=True, help="kind of machine")
    parser.add_argument("--write", action="store_true", help="write the numbers into its file")
    arguments = parser.parse_args()
    sizes = SIZES[arguments.machine]
    engine: Engine
    if arguments.machine == "cpu":
        engine = OnnxRuntime()
        measured = f"one thread of {cpu_name()}, ONNX Runtime {onnxruntime.__version__}"
    else:
        if not torch.cuda.is_available():
            parser.error("torch finds no CUDA device here")
        engine = Torch(torch.device("cuda"))
        card, version = torch.cuda.get_device_name(), torch.__version__
        measured = f"{card}, float32 without TF32, torch {version} in a CUDA graph"
    rates = measure(engine, sizes)
    before = MACHINES[arguments.machine]
    path = FOLDER / f"{before.name}.py"
    source = written(fit(rates, sizes, before, measured), path.read_text())
    print(report(rates), source, sep="\n")
    if arguments.write:
        path.write_text(source)


if __name__ == "__main__":
    main()
