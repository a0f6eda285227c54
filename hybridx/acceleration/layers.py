"""What became of each quantum layer of an accelerated model, in words."""

from __future__ import annotations

from dataclasses import dataclass

from hybridx.report import Shown


@dataclass(frozen=True)
class AcceleratedLayer:
    """What became of one QNode.

    Attributes:
        layer: where it stands in the model.
        reason: why calls of it stay eager and what to do, or None where all are compiled.
        steps: of the compiled circuits, which the interpreter runs.
        calls: how often the model called it on the example.
        circuits: how many circuits were compiled for these calls.
        execution: what runs them on the CPU, `interpreter` or the operators of `torch`; None where
            nothing is compiled.
    """

    layer: str
    reason: str | None
    steps: int = 0
    calls: int = 1
    circuits: int = 0
    execution: str | None = None

    @property
    def is_compiled(self) -> bool:
        """True if all its calls of the example are answered by compiled circuits."""
        return self.reason is None

    def __str__(self) -> str:
        """Return it in one line."""
        times = f", called {self.calls} times" if self.calls > 1 else ""
        by = {
            "interpreter": "run by the interpreter",
            "torch": "run by operators of torch, more slowly than by the interpreter",
            None: "",
        }[self.execution]
        circuits = f" ({self.circuits} circuits)" if self.circuits > 1 else ""
        if self.reason is None:
            return f"{self.layer}{times}: compiled{circuits}, {by}"
        also = f"; other calls are compiled, {by}" if self.execution else ""
        return f"{self.layer}{times}: stays eager, as {self.reason}{also}"


@dataclass(frozen=True)
class AccelerationReport(Shown):
    """What `accelerate` has done; as text, a line for each layer.

    Attributes:
        layers: of the model.
    """

    layers: tuple[AcceleratedLayer, ...]

    def __str__(self) -> str:
        """Return a line for each layer."""
        return "\n".join(map(str, self.layers))
