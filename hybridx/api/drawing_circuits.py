"""The circuits of a file as pictures and as OpenQASM 3."""

from __future__ import annotations

from pathlib import Path

from hybridx.artifact import read_artifact
from hybridx.circuit import to_qasm
from hybridx.drawing import draw_svg
from hybridx.storage import check_writable, write_whole


def draw(path: str | Path, output: str | Path, *, overwrite: bool = False) -> tuple[str, ...]:
    """Draw the circuits of a file as SVG and return the names of the pictures.

    One circuit goes to `output`; of several, `circuit.svg` becomes `circuit_0.svg` and so on.

    Args:
        path: of the model.
        output: of the picture.
        overwrite: replace existing pictures.

    Raises:
        ArtifactError: a file cannot be read or written.
        MissingExtraError: matplotlib is not installed.
    """
    circuits = tuple(read_artifact(Path(path)).circuits.values())
    target = Path(output)
    targets = [target]
    if len(circuits) != 1:
        names = (f"{target.stem}_{index}{target.suffix}" for index in range(len(circuits)))
        targets = [target.with_name(name) for name in names]
    for one in targets:
        check_writable(one, overwrite=overwrite)
    pictures = [draw_svg(circuit) for circuit in circuits]
    for one, picture in zip(targets, pictures, strict=True):
        write_whole(one, picture, overwrite=overwrite)
    return tuple(map(str, targets))


def qasm(path: str | Path) -> dict[str, str]:
    """Return the circuits of a file as OpenQASM 3, by function name.

    Parameters are declared as inputs; observables, which QASM does not have, are comments.

    Raises:
        ArtifactError: the file cannot be read.
        NoQasmError: an operation has no form in OpenQASM 3.
    """
    circuits = read_artifact(Path(path)).circuits
    return {name: to_qasm(circuit) for name, circuit in circuits.items()}
