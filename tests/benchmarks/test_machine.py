"""The script that fits the table of a machine."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch

from benchmarks.machine import (
    FOLDER,
    NEAR,
    SIZES,
    OnnxRuntime,
    Rates,
    Sizes,
    Torch,
    fit,
    measure,
    report,
    written,
)
from hybridx.lowering import MACHINES

SMALL = Sizes((1, 5), (1, 4), (8, 16), (1, 8), ((8, 16),), (16, 32), rounds=3, seconds=1e-4)
ENGINES = (OnnxRuntime(), Torch(torch.device("cpu")))


def rates(call=5000.0, step=1000.0, cos=4.0, multiply=2.0, transpose=9.0, far=2.0):
    sizes = SIZES["cpu"]
    near = {(batch, *one): 0.1 / batch for batch in sizes.batches for one in NEAR}
    products = near | {(batch, *sizes.far): far * 0.1 / batch for batch in sizes.batches}
    return Rates(call, step, {"cos": cos, "multiply": multiply, "transpose": transpose}, products)


def number(source, name):
    """The value of a field in the source of a table."""
    (call,) = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    (value,) = (one.value for one in call.keywords if one.arg == name)
    return ast.literal_eval(value)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: type(engine).__name__)
def test_every_size_is_measured(engine):
    found = measure(engine, SMALL)
    assert found.products.keys() == {(b, *one) for b in (1, 8) for one in ((8, 16), (16, 32))}
    assert all(time > 0 for time in found.products.values())
    assert "| 8 | 16 x 32 |" in report(found)
    table = fit(found, SMALL, MACHINES["cpu"], "here")
    assert table.batches == (1, 8)
    assert table.far >= 1


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: type(engine).__name__)
@pytest.mark.parametrize("kind", ["cos", "multiply", "transpose"])
def test_a_chain_has_its_steps(engine, kind):
    (found,) = (
        engine.chain(kind, 3, 2, 5)()
        if isinstance(engine, OnnxRuntime)
        else [engine.chain(kind, 3, 2, 5)()]
    )
    wanted = torch.ones(2, 5)
    for _ in range(3):
        wanted = {"cos": wanted.cos(), "multiply": wanted, "transpose": wanted.T}[kind]
    torch.testing.assert_close(torch.as_tensor(found), wanted.contiguous())


def test_a_table_follows_from_rates():
    table = fit(rates(), SIZES["cpu"], MACHINES["cpu"], "here")
    assert (table.ns_per_call, table.ns_per_step, table.far) == (5000.0, 1000.0, 2.0)
    assert table.ns_per_multiply_add == ((1, 0.1), (256, 0.000391))
    assert (table.ns_per_element, table.ns_per_number) == (4.0, 0.0)
    assert table.near_bytes == MACHINES["cpu"].near_bytes
    with_passes = replace(MACHINES["cpu"], ns_per_number=1.0)
    table = fit(rates(far=0.5), SIZES["cpu"], with_passes, "here")
    assert (table.ns_per_element, table.ns_per_number, table.far) == (2.0, 2.0, 1.0)


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_a_table_is_written_into_its_file(name):
    source = (FOLDER / f"{name}.py").read_text()
    machine = MACHINES[name]
    assert written(machine, source) == source
    changed = written(replace(machine, ns_per_step=7.5, measured="here"), source)
    assert number(changed, "ns_per_step") == 7.5
    assert number(changed, "measured") == "here"
    assert number(changed, "ns_per_multiply_add") == machine.ns_per_multiply_add
    assert changed.count("\n") == source.count("\n")
