"""What a strategy makes of a circuit: a plan that can be built, or the reason why there is none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from hybridx.circuit import Channel, Circuit, PureOperation, name_derivative
from hybridx.lowering.cost import Cost, name_bytes
from hybridx.lowering.machines.cpu import CPU
from hybridx.lowering.machines.machine import Machine
from hybridx.program import Program, vjp


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a strategy does not apply to a circuit.

    Attributes:
        sentence: in lower case, without a full stop.
    """

    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, eq=False)
class Plan(ABC):
    """How one strategy computes one circuit, found without building anything large.

    The plan that is counted and shown is the one that is built: nothing about the circuit is found
    a second time.

    Attributes:
        circuit: what is computed.
        cost: of the program, counted before it is built.
    """

    circuit: Circuit
    cost: Cost

    @abstractmethod
    def describe(self) -> str:
        """Return what was found about the circuit, in a few lines for people."""

    @abstractmethod
    def build(self) -> Program:
        """Return the program from parameters to results."""

    def build_vjp(self) -> Program:
        """Return the program from parameters and cotangents to the gradient of each row.

        Raises:
            ValueError: the circuit has no parameters.
        """
        return vjp(self.build())

    def __str__(self) -> str:
        return self.describe()


@dataclass(frozen=True, eq=False)
class DerivativePlan(Plan):
    """How the vector-Jacobian product of a circuit is computed: from the program of another plan.

    Attributes:
        of: the plan of the circuit that was differentiated.
    """

    of: Plan

    def describe(self) -> str:
        """Return what was found about the circuit that was differentiated."""
        return f"{name_derivative(self.circuit)} of this:\n{self.of.describe()}"

    def build(self) -> Program:
        """Return the program from angles and cotangents to derivatives."""
        program = self.of.build_vjp()
        for _ in range(self.circuit.derivative - 1):
            program = vjp(program)
        return program


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A strategy and what it makes of a circuit.

    Attributes:
        strategy: the name of the strategy, as users write it.
        plan: the plan, or the reason why the strategy does not apply.
        machine: for which it was made.
    """

    strategy: str
    plan: Plan | Reason
    machine: Machine = CPU

    @property
    def cost(self) -> Cost | None:
        """The cost of the plan; None if the strategy does not apply."""
        return self.plan.cost if isinstance(self.plan, Plan) else None

    @property
    def reason(self) -> str:
        """Why the strategy does not apply, or what its plan costs, for people."""
        if isinstance(self.plan, Reason):
            return self.plan.sentence
        return self.plan.cost.describe(self.machine)


MOST_LINES = 24
"""Lines that `Plan.describe` lists of one kind; people do not read more."""


def list_lines(lines: Sequence[str]) -> list[str]:
    """Return lines for `Plan.describe`, many of them cut short."""
    if len(lines) <= MOST_LINES:
        return list(lines)
    return [*lines[: MOST_LINES - 1], f"and {len(lines) - MOST_LINES + 1} more like these"]


def exceeds(constant_bytes: float, most: float) -> Reason | None:
    """Return the reason why constants of so many bytes are too large, or None if they are not."""
    if constant_bytes <= most:
        return None
    return Reason(f"its constants would take more than {name_bytes(most)}")


def pure_operations(circuit: Circuit) -> tuple[PureOperation, ...] | Reason:
    """Return the operations of a circuit without channels; with one, it has no state vector."""
    operations: list[PureOperation] = []
    for operation in circuit.operations:
        if isinstance(operation, Channel):
            return Reason("a channel leaves no amplitudes")
        operations.append(operation)
    return tuple(operations)


def name_wires(wires: Sequence[int]) -> str:
    """Return some wires as a text, neighbours joined: `wires 0-2 5`."""
    runs: list[list[int]] = []
    for wire in wires:
        if runs and wire == runs[-1][-1] + 1:
            runs[-1].append(wire)
        else:
            runs.append([wire])
    names = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"wire {wires[0]}" if len(wires) == 1 else f"wires {' '.join(names)}"
