"""What each strategy makes of small circuits, before and after, as text.

A file of `goldens/` holds a circuit, the plan that a strategy makes of it and the program that the
plan builds, constants abbreviated. `chosen` before the name of the strategy says that it is the
cheapest one. `python -m tests.lowering.test_goldens` writes plans and programs anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridx.circuit import parse, show
from hybridx.lowering import STRATEGIES, choose
from hybridx.program import show as show_program
from tests.lowering.agreement import assert_agrees

GOLDENS = sorted((Path(__file__).parent / "goldens").glob("*.txt"))


def read(text):
    """Return the circuit of a golden file, and its strategy with `chosen` before it or not."""
    circuit, _, rest = text.partition("\n--- ")
    return parse(circuit), rest.partition("\n")[0]


def render(text):
    """Return the text of a golden file with its plan and program made anew."""
    circuit, title = read(text)
    is_chosen = title.startswith("chosen ")
    choice = choose(circuit, None if is_chosen else title)
    title = f"chosen {choice.strategy}" if is_chosen else title
    program = show_program(choice.plan.build(), constants="digest")
    lines = show(circuit).replace("; ", "\n")
    return f"{lines}\n--- {title}\n{choice.plan}\n---\n{program}\n"


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_a_strategy_makes_the_same_program_of_a_circuit(path):
    text = path.read_text()
    assert render(text) == text
    circuit, name = read(text)
    assert_agrees(circuit, name.removeprefix("chosen "))


def test_every_strategy_has_a_golden_file():
    names = {read(path.read_text())[1].removeprefix("chosen ") for path in GOLDENS}
    assert names == {strategy.name for strategy in STRATEGIES}


if __name__ == "__main__":
    for golden in GOLDENS:
        golden.write_text(render(golden.read_text()))
