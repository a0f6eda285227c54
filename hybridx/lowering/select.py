"""Which strategy lowers a circuit: each one makes a plan, and the cheapest plan is chosen.

| name | file in `strategies/` | what it computes |
|---|---|---|
| cones | `light_cones` | each group of results from the gates in its own light cone |
| multilinear | `multilinear` | expectation values from the Fourier modes of a product state |
| fourier | `fourier` | results as a trigonometric polynomial of few parameters |
| unitary | `folded_unitary` | the state as one constant matrix times a product state |
| density | `pauli_transfer` | a density matrix over Pauli words, for circuits with channels |
| alternation | `dense_diagonal` | the state by constant matrices between parametrised phases |
| halves | `bipartite` | the state as a matrix over the basis states of two halves of the wires |
| sweep | `blocked_statevector` | the state by matrices on blocks of wires, between phases |
| statevector | `statevector` | the state gate by gate |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from hybridx.circuit import Circuit, check, has_channel, underived, wires_of
from hybridx.errors import CircuitTooLargeError, OptionError
from hybridx.lowering.blocks import angles
from hybridx.lowering.cost import MOST_FOLDED, MOST_IN_FILE, name_bytes
from hybridx.lowering.machines.cpu import CPU
from hybridx.lowering.machines.machine import Machine
from hybridx.lowering.names import StrategyName
from hybridx.lowering.plan import Candidate, DerivativePlan, Plan, Reason
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


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to lower circuits.

    Attributes:
        name: as users write it.
        plan: returns the plan of a circuit for a machine, or why the strategy does not apply.
        sums_angles: all angles of a circuit are wrapped once for its sums, which the cost of a plan
            does not count, because the parts of a circuit share it.
    """

    name: StrategyName
    plan: Callable[[Circuit, Machine], Plan | Reason]
    sums_angles: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """How a circuit is to be computed, and what else was considered.

    Attributes:
        strategy: the name of the chosen one.
        plan: made by it; `plan.build()` gives the program.
        candidates: all strategies, in the order of `STRATEGIES`.
        machine: for which it was chosen.
    """

    strategy: str
    plan: Plan
    candidates: tuple[Candidate, ...]
    machine: Machine


def choose(circuit: Circuit, strategy: str | None = None, machine: Machine = CPU) -> Choice:
    """Return the plan with the least predicted time, or that of a named strategy.

    Args:
        circuit: a well-formed circuit; run the passes first.
        strategy: a name in `STRATEGIES`, or None for the cheapest that applies.
        machine: that runs the program.

    Raises:
        IllFormedCircuitError: the circuit breaks a law.
        OptionError: the named strategy does not exist or does not apply.
        CircuitTooLargeError: no strategy can hold the circuit.
    """
    check(circuit)
    candidates = consider(circuit, machine)
    plans = _plans(candidates)
    if not plans:
        raise _too_large(circuit)
    name = strategy or _cheapest(plans, machine)
    if name not in plans:
        raise OptionError("strategy", name, ", ".join(plans))
    return Choice(name, plans[name], candidates, machine)


def consider(circuit: Circuit, machine: Machine = CPU) -> tuple[Candidate, ...]:
    """Return what every strategy makes of a circuit for a machine, without building anything.

    A derivative is computed as its circuit is, and then differentiated.
    """
    if circuit.derivative:
        return tuple(map(partial(_derived, circuit), consider(underived(circuit), machine)))
    shared = angles.count_sums(circuit)
    return tuple(
        replace(one, plan=replace(one.plan, cost=one.plan.cost + shared))
        if strategy.sums_angles and isinstance(one.plan, Plan)
        else one
        for strategy, one in zip(STRATEGIES, _consider_alone(circuit, machine), strict=True)
    )


def _derived(circuit: Circuit, candidate: Candidate) -> Candidate:
    plan = candidate.plan
    if isinstance(plan, Reason):
        return candidate
    # Backward, each step is two of its kind; forward runs as well.
    cost = plan.cost
    for _ in range(circuit.derivative):
        cost = cost + cost + cost
    cost = replace(cost, constant_bytes=plan.cost.constant_bytes)
    return replace(candidate, plan=DerivativePlan(circuit, cost, plan))


def _consider_alone(circuit: Circuit, machine: Machine) -> tuple[Candidate, ...]:
    """Return what every strategy makes of a circuit whose angles are wrapped already."""
    return tuple(Candidate(one.name, one.plan(circuit, machine), machine) for one in STRATEGIES)


def _plans(candidates: Iterable[Candidate]) -> dict[str, Plan]:
    return {one.strategy: one.plan for one in candidates if isinstance(one.plan, Plan)}


def _cheapest(plans: dict[str, Plan], machine: Machine) -> str:
    return min(plans, key=lambda name: plans[name].cost.time(machine))


def _alike(plan: Callable[[Circuit], Plan | Reason]) -> Callable[[Circuit, Machine], Plan | Reason]:
    """Return the function of a strategy whose plan is the same for every machine."""
    return lambda circuit, _: plan(circuit)


def _plan_light_cones(circuit: Circuit, machine: Machine) -> Plan | Reason:
    """Plan the parts of a circuit, each by its cheapest strategy."""

    def plan_part(part: Circuit) -> tuple[str, Plan] | None:
        plans = _plans(_consider_alone(part, machine))
        if not plans:
            return None
        name = _cheapest(plans, machine)
        return name, plans[name]

    return light_cones.plan(circuit, plan_part)


def _too_large(circuit: Circuit) -> CircuitTooLargeError:
    if not has_channel(circuit):
        needed = f"{statevector.constant_bytes(circuit) / 1e9:.3g} GB of constants"
        return CircuitTooLargeError(circuit.wires, needed, f"{name_bytes(MOST_IN_FILE)} for a body")
    if circuit.wires > pauli_transfer.MOST_WIRES:
        needed = f"{4 ** (circuit.wires + 1) / 2**20:.3g} MiB a row"
        limit = f"{4 ** (pauli_transfer.MOST_WIRES + 1) / 2**20:.3g} MiB with noise"
        return CircuitTooLargeError(circuit.wires, needed, limit)
    widest = max(len(wires_of(operation)) for operation in circuit.operations)
    needed = f"a matrix of {16**widest * 4 / 1e6:.3g} MB for an operation on {widest} wires"
    return CircuitTooLargeError(circuit.wires, needed, f"{name_bytes(MOST_FOLDED)} with noise")


STRATEGIES: tuple[Strategy, ...] = (
    Strategy("cones", _plan_light_cones),
    Strategy("multilinear", multilinear.plan),
    Strategy("fourier", fourier.plan),
    Strategy("unitary", _alike(folded_unitary.plan)),
    Strategy("density", _alike(pauli_transfer.plan), sums_angles=False),
    Strategy("alternation", _alike(dense_diagonal.plan)),
    Strategy("halves", _alike(bipartite.plan)),
    Strategy("sweep", blocked_statevector.plan),
    Strategy("statevector", _alike(statevector.plan), sums_angles=False),
)
