"""A hostile file: how it is made, and which commands get it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODEL = (
    "inspect {path}",
    "run {path}",
    "run {path} --accept-changes --device default.qubit",
    "convert {path} -o y.bundle --accept-changes",
)
TORCH = ("inspect {path}", "run {path} --accept-changes", "inspect {path} --qasm")
DATA = ("run model.onnx -i {path} -o y.npz", "export net.py:Net --example {path} -o y.onnx")
TABLE = (*DATA[:1], "evaluate model.onnx --data {path} --target kind")
ROWS = ("evaluate model.onnx --data x.csv --target kind --rows {path}",)
EXPERIMENT = ("export {path} -o y.onnx", "verify model.onnx --against {path}", "train {path}")
WEIGHTS = ("export net.py:Net --shape N,3 --checkpoint {path} -o y.onnx",)

NONE: tuple[str, ...] = ()
LOOK = ("inspect", "convert")  # they compute nothing of what a file computes
ANY = ("inspect", "run", "convert", "evaluate", "export")


@dataclass(frozen=True)
class Case:
    """A file, or a folder, that somebody else made.

    Attributes:
        name: what is wrong with it.
        file: its name.
        make: writes it; takes its path.
        commands: that get it, with `{path}` for its name.
        may_answer: the commands whose right answer is as good as a refusal.
    """

    name: str
    file: str
    make: Callable[[Path], None]
    commands: tuple[str, ...]
    may_answer: tuple[str, ...] = ()


def content(name: str, file: str, commands: tuple[str, ...], may_answer: tuple[str, ...] = ()):
    """Return a decorator of a function that returns the bytes of a file: it becomes a case."""

    def keep(build: Callable[[], bytes]) -> Case:
        return Case(name, file, lambda path: void(path.write_bytes(build())), commands, may_answer)

    return keep


def void(_: object) -> None:
    """Return nothing."""
