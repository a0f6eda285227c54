"""Which strategy lowers a circuit: all are counted, the cheapest that applies is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hybridx.circuit import Circuit, check, has_channel, wires_of
from hybridx.errors import CircuitTooLargeError, OptionError
from hybridx.lowering.cost import Cost
from hybridx.lowering.strategies import (
    bipartite,
    blocked_statevector,
    dense_diagonal,
    folded_unitary,
    fourier,
    light_cones,
    multilinear,
    pauli_transfer,
    statevector,
)
from hybridx.lowering.strategies.statevector import MOST_BYTES
from hybridx.program import Program


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to lower circuits.

    Attributes:
        name: as users write it.
        count: the cost without building anything large, or why the strategy does not apply.
        lower: the program of a circuit to which it applies.
    """

    name: str
    count: Callable[[Circuit], Cost | str]
    lower: Callable[[Circuit], Program]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What was found about one strategy and one circuit.

    Attributes:
        strategy: its name.
        cost: None if it does not apply.
        reason: why it does not apply, or what was counted.
    """

    strategy: str
    cost: Cost | None
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The program of a circuit, and how it was found.

    Attributes:
        program: from parameters to results.
        strategy: the name of the one that made it.
        candidates: all strategies, in the order of `STRATEGIES`.
    """

    program: Program
    strategy: str
    candidates: tuple[Candidate, ...]


def choose(circuit: Circuit, strategy: str | None = None) -> Choice:
    """Lower a circuit by the strategy with the least predicted time, or by a named one.

    Args:
        circuit: a well-formed circuit; run the passes first.
        strategy: a name in `STRATEGIES`, or None for the cheapest that applies.

    Raises:
        IllFormedCircuitError: the circuit breaks a law.
        OptionError: the named strategy does not exist or does not apply.
        CircuitTooLargeError: no strategy can hold the circuit.
    """
    check(circuit)
    candidates = consider(circuit)
    costs = _costs(candidates)
    if not costs:
        raise _too_large(circuit)
    name = strategy or _cheapest(costs)
    if name not in costs:
        raise OptionError("strategy", name, ", ".join(costs))
    lower = next(one.lower for one in STRATEGIES if one.name == name)
    return Choice(lower(circuit), name, candidates)


def consider(circuit: Circuit) -> tuple[Candidate, ...]:
    """Return what every strategy would cost, without building anything."""
    candidates = []
    for strategy in STRATEGIES:
        cost = strategy.count(circuit)
        if isinstance(cost, str):
            candidates.append(Candidate(strategy.name, None, cost))
        else:
            candidates.append(Candidate(strategy.name, cost, cost.describe()))
    return tuple(candidates)


def _too_large(circuit: Circuit) -> CircuitTooLargeError:
    if not has_channel(circuit):
        needed = f"{statevector.constant_bytes(circuit) / 1e9:.3g} GB of constants"
        return CircuitTooLargeError(circuit.wires, needed, f"{MOST_BYTES / 1e9} GB for a body")
    if circuit.wires > pauli_transfer.MOST_WIRES:
        needed = f"{4 ** (circuit.wires + 1) / 2**20:.3g} MiB a row"
        limit = f"{4 ** (pauli_transfer.MOST_WIRES + 1) / 2**20:.3g} MiB with noise"
        return CircuitTooLargeError(circuit.wires, needed, limit)
    widest = max(len(wires_of(operation)) for operation in circuit.operations)
    needed = f"a matrix of {16**widest * 4 / 1e6:.3g} MB for an operation on {widest} wires"
    limit = f"{pauli_transfer.MOST_BYTES / 1e6:.0f} MB with noise"
    return CircuitTooLargeError(circuit.wires, needed, limit)


def _costs(candidates: tuple[Candidate, ...]) -> dict[str, Cost]:
    return {one.strategy: one.cost for one in candidates if one.cost is not None}


def _cheapest(costs: dict[str, Cost]) -> str:
    return min(costs, key=lambda name: costs[name].time)


def _count_cones(circuit: Circuit) -> Cost | str:
    """Count the parts, each by its cheapest strategy, and the matrix that joins them."""
    parts = light_cones.split(circuit)
    if isinstance(parts, str):
        return parts
    rows, columns = parts.mixing.shape
    total = Cost(rows * columns, rows, steps=2, constant_bytes=4 * rows * columns)
    for part in parts.circuits:
        costs = _costs(consider(part))
        if not costs:
            return f"a part of {part.wires} wires is too large"
        total += costs[_cheapest(costs)]
    return total


def _lower_cones(circuit: Circuit) -> Program:
    parts = light_cones.split(circuit)
    assert not isinstance(parts, str), parts
    programs = [choose(part).program for part in parts.circuits]
    return light_cones.combine(circuit, programs, parts.mixing)


STRATEGIES: tuple[Strategy, ...] = (
    Strategy("cones", _count_cones, _lower_cones),
    Strategy("multilinear", multilinear.count, multilinear.lower),
    Strategy("fourier", fourier.count, fourier.lower),
    Strategy("unitary", folded_unitary.count, folded_unitary.lower),
    Strategy("density", pauli_transfer.count, pauli_transfer.lower),
    Strategy("alternation", dense_diagonal.count, dense_diagonal.lower),
    Strategy("halves", bipartite.count, bipartite.lower),
    Strategy("sweep", blocked_statevector.count, blocked_statevector.lower),
    Strategy("statevector", statevector.count, statevector.lower),
)
