"""What programs for torch cost, found before they run, and programs that cost too much."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch

import hybridx
from hybridx.artifact import checked, record
from hybridx.errors import (
    BrokenArtifactError,
    IsolatedRunError,
    TooMuchMemoryError,
    TooMuchWorkError,
)
from hybridx.runtime import start_session
from hybridx.runtime.torch.engine import TorchEngine
from hybridx.runtime.torch.work import Cost, Most, count, guard
from hybridx.storage import rezip
from tests.artifact.guard.archives import members, script
from tests.runtime.circuits.archives import build, forged
from tests.targets.spliced import FORMATS, artifact, sample

LOTS = Most(1e30, 1e30)
X = {"input": np.ones((2, 4), np.float32)}


def written(*lines):
    """The file of a TorchScript program with these lines, of one input."""
    return artifact(
        sample("sandwich"), "torchscript", rezip(script(*lines)(members("torchscript")))
    )


def program(*lines):
    content = checked(written(*lines).content, "torchscript", "model").content
    return torch.jit.load(io.BytesIO(content))


def cost_of(*lines):
    found, is_known = count(program(*lines), [torch.ones(2, 4)], LOTS)
    assert is_known
    return found


def chain(first, line, number):
    lines = [f"v0 = {first}", *(line.format(i, i + 1) for i in range(number))]
    return [*lines, f"return v{number}"]


def test_products_of_matrices_cost_their_products():
    small = cost_of(*chain("torch.ones([300, 300])", "v{1} = torch.matmul(v{0}, v0)", 10))
    large = cost_of(*chain("torch.ones([600, 600])", "v{1} = torch.matmul(v{0}, v0)", 10))
    assert 6 < large.nanoseconds / small.nanoseconds < 9


def test_a_composite_costs_what_it_is_made_of():
    one = cost_of("v = torch.ones([200, 200])", "return torch.matmul(v, v)")
    power = cost_of("v = torch.ones([200, 200])", "return torch.matrix_power(v, 1073741824)")
    assert power.nanoseconds > 20 * one.nanoseconds


def test_bytes_are_those_of_the_values_that_are_there_at_one_time():
    line = "v{1} = torch.neg(v{0})"
    short = cost_of(*chain("torch.ones([1000000])", line, 2))
    long = cost_of(*chain("torch.ones([1000000])", line, 9))
    assert short.bytes == long.bytes
    assert 8_000_000 <= long.bytes < 16_000_000


def test_a_view_takes_no_bytes_until_it_leaves():
    lines = ["v = torch.expand(torch.ones([1]), [1000000])"]
    assert cost_of(*lines, "return torch.sum(v)").bytes < 1000
    assert cost_of(*lines, "return v").bytes >= 4_000_000


def test_what_was_counted_runs_on_numbers_afterwards():
    made = program("v = torch.ones([3, 3])", "return torch.matmul(v, v)")
    assert count(made, [torch.ones(2, 4)], LOTS)[1]
    for _ in range(3):
        assert made(torch.ones(2, 4)).tolist() == [[3.0] * 3] * 3


def test_counting_is_of_one_thread():
    made = program("return torch.neg(input)")
    with torch.jit.optimized_execution(False):
        found = []
        other = threading.Thread(target=lambda: found.append(made(torch.ones(2, 4)).device.type))
        other.start()
        other.join()
    assert found == ["cpu"]


HEAVY = {
    "products": chain("torch.ones([3000, 3000])", "v{1} = torch.matmul(v{0}, v0)", 2000),
    "a convolution": [
        "w = torch.ones([64, 64, 9, 9])",
        *chain(
            "torch.ones([1, 64, 128, 128])",
            "v{1} = torch.conv2d(v{0}, w, None, [1, 1], [4, 4], [1, 1], 1)",
            60,
        ),
    ],
    "decompositions": ["a, b, c = torch.linalg_svd(torch.ones([3000, 3000]))", "return a"],
    "sorting": chain("torch.ones([30000000])", "v{1}, w{1} = torch.sort(v{0})", 50),
    "a slow function": chain("torch.ones([20000000])", "v{1} = torch.erfinv(v{0})", 50),
    "norms of rows": chain("torch.ones([10000, 10000])", "v{1} = torch.renorm(v{0}, 2, 0, 1.)", 60),
    "a long recurrence": [
        "h = torch.zeros([1, 1, 64])",
        "w = torch.ones([192, 64])",
        "x = torch.ones([400000, 1, 64])",
        "a, b = torch.gru(x, h, [w, w], False, 1, 0., False, False, False)",
        "return a",
    ],
}
MANY = {
    "pieces": ["return torch.cat(torch.split(torch.ones([200000000]), 1))"],
    "chunks": ["return torch.cat(torch.chunk(torch.ones([200000000]), 200000000))"],
    "sections": ["return torch.cat(torch.tensor_split(torch.ones([2]), 1000000000))"],
    "rows": ["return torch.cat(torch.unbind(torch.expand(torch.ones([1, 1]), [200000000, 1])))"],
    "combinations": ["return torch.combinations(torch.ones([2]), 1000000000)"],
    "an order of products": [
        "v = torch.ones([2, 2])",
        f"return torch.linalg_multi_dot([{', '.join(['v'] * 3000)}])",
    ],
}
LARGE = {
    "doubling": chain("input", "v{1} = torch.cat([v{0}, v{0}], 0)", 30),
    "a wide sum": [
        "v = torch.ones([20000, 1])",
        "return torch.add(v, torch.ones([1, 20000]))",
    ],
    "factors": ["return torch.mvlgamma(torch.full([3], 1e9), 100000000)"],
    "a view": ["return torch.expand(torch.ones([1, 1]), [20000, 13000])"],
    "a length of the data": [
        "n = int(torch.sum(torch.mul(input, 100000000)))",
        "return torch.full([n], 1.)",
    ],
    "a count of the data": [
        "return torch.bincount(torch.to(torch.mul(torch.ravel(input), 1000000000), 4))"
    ],
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_computes_for_too_long_is_refused_before_it_runs(name):
    with pytest.raises(TooMuchWorkError) as refused:
        TorchEngine(written(*HEAVY[name])).run(X)
    assert int(refused.value.needed) > int(refused.value.seconds) >= 10
    assert "isolated" in str(refused.value)


@pytest.mark.parametrize("name", MANY)
def test_what_would_take_long_without_numbers_too_is_refused_at_once(name):
    with pytest.raises(TooMuchWorkError):
        TorchEngine(written(*MANY[name])).run(X)


@pytest.mark.parametrize("name", LARGE)
def test_what_takes_too_much_memory_is_refused(name):
    with pytest.raises(TooMuchMemoryError):
        TorchEngine(written(*LARGE[name])).run(X)


def test_an_output_of_more_axes_than_an_array_has_is_refused():
    deep = written(*chain("input", "v{1} = torch.unsqueeze(v{0}, 0)", 70))
    with pytest.raises(BrokenArtifactError, match="no plain tensor"):
        TorchEngine(deep).run(X)


def test_a_caller_may_ask_for_more():
    large = written("v = torch.ones([200, 1])", "return torch.add(v, torch.ones([1, 200]))")
    with hybridx.limits(run_bytes=20_000), pytest.raises(TooMuchMemoryError):
        TorchEngine(large).run(X)
    with hybridx.limits(run_bytes=400_000):
        engine = TorchEngine(large)
    assert engine.run(X)["output"].shape == (200, 200)


def test_rows_of_the_user_are_not_the_work_of_the_file():
    made = build("RX 0 p[0]; RY 1 p[1]; expval Z0; expval Z1", "torchscript")
    with hybridx.limits(run_bytes=20_000):
        session = start_session(made)
    assert session.run({"x": np.zeros((5_000, 2), np.float32)})["y"].shape == (5_000, 2)


@pytest.mark.parametrize("format", FORMATS)
def test_the_self_test_counts_when_the_file_is_loaded(format):
    made = build("RX 0 p[0]; RY 1 p[1]; expval Z0; expval Z1", format)
    x = {"x": np.zeros((20_000, 2), np.float32)}
    test = {"hybridx.selftest": record(x, start_session(made).run(x), 1e-5).encode()}
    whole = forged(made, said=test)
    assert start_session(whole)
    with hybridx.limits(run_bytes=20_000), pytest.raises(TooMuchMemoryError):
        start_session(whole)


def test_a_long_program_takes_time_to_load():
    long = written(*chain("input", "v{1} = torch.neg(v{0})", 4_000))
    with hybridx.limits(run_seconds=1), pytest.raises(TooMuchWorkError):
        TorchEngine(long)


@pytest.mark.slow
def test_a_program_of_nearly_as_many_operators_as_there_may_be_runs():
    long = written(*chain("input", "v{1} = torch.neg(v{0})", 19_900))
    assert TorchEngine(long).run(X)["output"].tolist() == X["input"].tolist()


@pytest.mark.slow
def test_the_remedy_runs_it_and_ends_it():
    heavy = written(*HEAVY["products"])
    with pytest.raises(TooMuchWorkError):
        TorchEngine(heavy).run(X)
    whole = forged(build("RX 0 p[0]; RY 1 p[1]; expval Z0; expval Z1", "torchscript"), parts=long)
    with (
        start_session(whole, isolated=True, time_limit=2) as session,
        pytest.raises(IsolatedRunError, match="2 seconds"),
    ):
        session.run({"x": np.zeros((1, 2), np.float32)})


def long(parts):
    """The members of a program that begins with 2,000 products."""
    code = "code/__torch__/hybridx.py"
    head, call, rest = parts[code].decode().partition("    v1 = torch.tanh(x)\n")
    assert call
    lines = [*HEAVY["products"][:-1], "v1 = torch.tanh(torch.add(x, torch.mean(v2000)))"]
    return parts | {code: (head + "".join(f"    {one}\n" for one in lines) + rest).encode()}


def test_guarding_gives_the_numbers_and_ends_what_is_too_much():
    made = program("n = int(torch.sum(input))", "return torch.full([n], 1.)")
    assert not count(made, [torch.ones(2, 4)], LOTS)[1]
    with torch.inference_mode():
        assert guard(made, Cost(LOTS))(torch.ones(2, 4)).tolist() == [1.0] * 8
        few = Cost(Most(1e30, 20))
        with pytest.raises(RuntimeError):
            guard(made, few)(torch.ones(2, 4))
        assert few.is_too_large
