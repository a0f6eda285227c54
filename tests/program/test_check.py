"""Every law of a program, each broken once."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from hybridx.errors import IllFormedProgramError
from hybridx.lowering import STRATEGIES, choose
from hybridx.program import Constant, Unary, Value, check, faults, parse
from hybridx.program.to_onnx import emit_body
from hybridx.program.to_torch import emit_module
from tests.lowering.encoded import fitting
from tests.program.programs import programs
from tests.program.test_text import EVERY_STEP

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "program.md"
LAWS = ROOT / "hybridx" / "program" / "check.py"
INPUT = "v0: (batch, 4) = parameters; "


def test_a_good_program_has_no_faults():
    program = parse(EVERY_STEP)
    assert list(faults(program)) == []
    assert check(program) is program


@settings(deadline=None)
@given(programs())
def test_what_a_builder_makes_has_no_faults(program):
    assert list(faults(program)) == []


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES])
def test_what_is_lowered_has_no_faults(name):
    assert list(faults(choose(fitting(name), name).plan.build())) == []


@pytest.mark.parametrize(
    ("law", "text"),
    [
        ("P2", "v0: (1, 2) = constant [[1, 2]]; v1: (1, 2) = cos v0"),
        ("P2", INPUT + "v1: (batch, 4) = parameters; v2: (batch, 4) = add v0 v1"),
        ("P3", INPUT + "v1: (batch, 4) = cos v1"),
        ("P3", INPUT + "v1: (batch, 4) = cos v2; v2: (batch, 4) = cos v1"),
        ("P5", INPUT + "v1: (batch, 4) = gather v0 axis 0 [0:4]"),
        ("P5", INPUT + "v1: (batch, 1) = gather v0 axis 2 [0]"),
        ("P5", INPUT + "v1: (batch, 1) = gather v0 axis 1 [4]"),
        ("P5", INPUT + "v1: (batch, 0) = gather v0 axis 1 []"),
        ("P5", INPUT + "v1: (batch, 1) = gather v0 axis 1 [-1]"),
        ("P5", INPUT + "v1: (4,) = sum v0 axis 0"),
        ("P5", INPUT + "v1: (batch, 4) = sum v0 axis 2"),
        ("P5", INPUT + "v1: (batch, 4) = concatenate v0 v0 axis 0"),
        (
            "P5",
            INPUT + "v1: (1, 3) = constant [[1, 2, 3]]; v2: (batch, 7) = concatenate v0 v1 axis 1",
        ),
        ("P5", INPUT + "v1: (batch, 4) = transpose v0 [0]"),
        ("P5", INPUT + "v1: (batch, 4) = transpose v0 [0, 0]"),
        ("P5", INPUT + "v1: (batch, 5) = reshape v0"),
        ("P5", INPUT + "v1: (4, 1) = reshape v0"),
        ("P5", INPUT + "v1: (3,) = constant [1, 2, 3]; v2: (batch, 4) = add v0 v1"),
        (
            "P5",
            INPUT + "v1: (3, 2) = constant [[1, 2], [3, 4], [5, 6]]; v2: (batch, 2) = matmul v0 v1",
        ),
        ("P5", INPUT + "v1: (4,) = constant [1, 2, 3, 4]; v2: (batch,) = matmul v0 v1"),
        ("P5", INPUT + "v1: (batch, 3) = cos v0"),
        ("P5", INPUT + "v1: (2,) = constant [1, 2, 3]; v2: (batch, 4) = cos v0"),
        ("P6", INPUT + "v1: (4, batch) = transpose v0 [1, 0]"),
        ("P6", INPUT + "v1: (batch, -4) = cos v0"),
        ("P7", INPUT + "v1: (4,) = constant [1, NaN, 3, 4]; v2: (batch, 4) = add v0 v1"),
        (
            "P7",
            INPUT + "v1: (2, 1) = constant [[Infinity], [-Infinity]]; v2: (batch, 4) = add v0 v1",
        ),
        ("P8", INPUT + "v1: (batch, 2, 2) = reshape v0"),
        ("P8", INPUT + "v1: (batch,) = sum v0 axis 1"),
        ("P8", INPUT + "v1: (1, 1) = constant [[1]]"),
        ("P8", "v0: (batch, 0) = parameters"),
        ("P9", INPUT + "v1: (batch, 4) = cos v0; v2: (batch, 4) = sin v0"),
        ("P9", INPUT + "v1: (batch, 4) = cos v0; v2: (batch, 4) = sin v1; v3: (batch, 4) = sin v0"),
        ("P10", "state 0; v0: (batch, 4) = parameters"),
        ("P11", INPUT + "v1: (batch, 4) = cos v0"),
        ("P11", INPUT + "v1: (batch, 4) = sign v0; v2: (batch, 4) = sin v1"),
        (
            "P11",
            INPUT + "v1: (batch, 1) = wrap v0 [[0, 1.0]]; v2: (batch, 4) = add v0 v1; "
            "v3: (batch, 4) = cos v2",
        ),
        (
            "P12",
            INPUT + "v1: (batch, 4) = sign v0; v2: (batch, 1) = wrap v1 [[0, 1.0]]",
        ),
        ("P12", INPUT + "v1: (batch, 1) = wrap v0 [[0, -1.0]]"),
        ("P12", INPUT + "v1: (batch, 1) = wrap v0 [[0, NaN]]"),
        ("P12", INPUT + "v1: (batch, 2) = wrap v0 [[0, 1.0], [1, Infinity]]"),
        ("P5", INPUT + "v1: (batch, 1) = wrap v0 [[4, 1.0]]"),
        ("P5", INPUT + "v1: (batch, 0) = wrap v0 []"),
    ],
)
def test_a_broken_law_is_named(law, text):
    program = parse(text)
    assert any(f"{law}:" in fault for fault in faults(program)), list(faults(program))
    with pytest.raises(IllFormedProgramError):
        check(program)


@pytest.mark.parametrize(
    ("law", "change"),
    [
        ("P1", {"steps": (), "shapes": ()}),
        ("P1", {"shapes": ((None, 4),)}),
        ("P3", {"steps": (parse(INPUT).steps[0], Unary("cos", Value(0, (None, 5))))}),
        ("P4", {"steps": (parse(INPUT).steps[0], Unary("tan", Value(0, (None, 4))))}),
    ],
)
def test_a_law_that_no_text_can_break_is_named(law, change):
    program = dataclasses.replace(parse(INPUT + "v1: (batch, 4) = cos v0"), **change)
    assert any(f"{law}:" in fault for fault in faults(program)), list(faults(program))


def test_a_constant_is_float64():
    program = parse(INPUT + "v1: (4,) = constant [1, 2, 3, 4]; v2: (batch, 4) = add v0 v1")
    single = Constant(program.steps[1].array.astype(np.float32))
    broken = dataclasses.replace(program, steps=(program.steps[0], single, program.steps[2]))
    (fault,) = faults(broken)
    assert "P7: a constant is float64" in fault


def test_large_numbers_are_finite():
    text = INPUT + "v1: (2, 1) = constant [[1.7e308], [1.7e308]]; v2: (batch, 4) = add v0 v1"
    assert [f for f in faults(parse(text)) if "P7" in f] == []


def test_all_faults_are_collected():
    text = "state 0; " + INPUT + "v1: (batch, 3) = sign v0; v2: (batch, 2, 2) = reshape v0"
    laws = [re.search(r"P\d+", fault)[0] for fault in faults(parse(text))]
    assert laws == ["P5", "P9", "P8", "P10"]


@pytest.mark.parametrize("emit", [emit_body, emit_module])
def test_no_target_writes_a_broken_program(emit):
    names = {"parameters": "x", "results": "y"} if emit is emit_body else {}
    broken = parse("state 0; v0: (batch, 1) = parameters")
    with pytest.raises(IllFormedProgramError, match="P10"):
        emit(broken, dtype=np.dtype("float32"), **names)


def test_the_document_numbers_the_laws():
    listed = re.findall(r"^\| (P\d+) \|", DOCUMENT.read_text(), re.MULTILINE)
    cited = set(re.findall(r"\bP\d+(?=:)", LAWS.read_text()))
    assert listed == [f"P{number}" for number in range(1, len(cited) + 1)]
    assert set(listed) == cited
