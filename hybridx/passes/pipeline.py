"""The passes in their order, run until nothing changes."""

from __future__ import annotations

from collections.abc import Callable

from hybridx.circuit import Circuit, check
from hybridx.passes.light_cone import light_cone
from hybridx.passes.merge_rotations import merge_rotations

# light_cone comes first, because it may drop the gate between two rotations.
#
# Rewrites that change what a strategy is given stay in the strategies that gain from them.
# Cancelling inverses in `phase_layers.py` needs phases carried out of the way, and a circuit has no
# operation for phases of parities. `bipartite.py` and `blocked_statevector.py` move permutations
# and phases before a measurement into the measured parities. A pass that did so would turn short
# Pauli words into long ones, with larger light cones.
PASSES: tuple[Callable[[Circuit], Circuit], ...] = (light_cone, merge_rotations)

LIMIT = 10  # rounds; two suffice today, one to work and one to see that nothing is left


def run_passes(circuit: Circuit) -> Circuit:
    """Run all passes in order, again and again until the circuit stays as it is.

    Promise: equal on measured outputs.

    Raises:
        IllFormedCircuitError: the circuit breaks a law.
        RuntimeError: it still changes after `LIMIT` rounds, which is a bug in a pass.

    Example:
        >>> from hybridx.circuit import parse, show
        >>> show(run_passes(parse("RX 0 p[0]; CNOT 1 2; RX 0 0.5; RX 0 -0.25; expval Z0")))
        'RX 0 (p[0] + 0.25); expval Z0'
    """
    check(circuit)
    for _ in range(LIMIT):
        before = circuit
        for one in PASSES:
            circuit = one(circuit)
        if circuit == before:
            return check(circuit)
    raise RuntimeError(f"the passes still change the circuit after {LIMIT} rounds")
