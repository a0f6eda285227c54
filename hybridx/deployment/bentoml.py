"""What BentoML reads: a service in Python, whose base is in `hybridx.integrations`."""

from __future__ import annotations

import math

from hybridx.deployment.deployed import Deployed, Tensor

_MOST_JOINED = 1024  # rows; a call takes long enough by then that more save nothing
_ENDS = 30  # seconds that BentoML has beyond the time limit, so that hybridx refuses first


def for_bentoml(deployed: Deployed) -> dict[str, bytes]:
    """Return the files of a folder that `bentoml serve service:Model` takes.

    Where rows do not depend on each other, the service has a second method, `rows`, whose requests
    BentoML joins. It is for one input and one output of floating-point numbers, whose shapes are
    checked before they are joined, so that nobody's request fails with another one.
    """
    return {
        "service.py": _service(deployed).encode(),
        "requirements.txt": b"bentoml>=1.4.40,<1.5\nhybridx\n",
        deployed.file: deployed.content,
    }


def _service(deployed: Deployed) -> str:
    joined = _joined(deployed)
    imports = "from typing import Annotated\n" if joined else ""
    more = "import numpy as np\nfrom bentoml.validators import DType, Shape\n" if joined else ""
    also = ", rows_of" if joined else ""
    timeout = math.ceil(deployed.settings.seconds) + _ENDS
    return f'''\
"""The model {deployed.name} as a service of BentoML: `bentoml serve service:Model`."""

from pathlib import Path
{imports}
import bentoml
{more}from hybridx.integrations.bentoml import FileService{also}


@bentoml.service(name={deployed.name!r}, traffic={{"timeout": {timeout}}})
class Model(FileService):
    path = Path(__file__).with_name({deployed.file!r})
    model = {deployed.name!r}
    settings = {deployed.settings.given()!r}
{joined}'''


def _joined(deployed: Deployed) -> str:
    """Return the method whose requests are joined; empty for a file that has none."""
    if not deployed.is_rowwise or len(deployed.inputs) != 1 or len(deployed.outputs) != 1:
        return ""
    lengths = _lengths(deployed.inputs[0])
    if lengths is None:
        return ""
    dtype = deployed.inputs[0].dtype
    most = min(_MOST_JOINED, deployed.settings.rows)
    said = ", ".join(map(str, (repr(dtype), *lengths)))
    return f"""
    @bentoml.api(batchable=True, max_batch_size={most})
    async def rows(
        self, x: Annotated[np.ndarray, DType({dtype!r}), Shape({(-1, *lengths)}), rows_of({said})]
    ) -> np.ndarray:
        return await self.joined(x)
"""


def _lengths(one: Tensor) -> tuple[int, ...] | None:
    """Return the lengths of an input behind its rows; None if its requests cannot be joined."""
    if one.shape is None or one.dtype is None or not one.dtype.startswith("float"):
        return None
    rows, *others = one.shape
    if not isinstance(rows, str):
        return None
    lengths = [length for length in others if isinstance(length, int)]
    return tuple(lengths) if len(lengths) == len(others) else None
