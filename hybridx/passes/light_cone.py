"""Drop the gates that no measurement depends on."""

from __future__ import annotations

from hybridx.circuit import Circuit, restrict


def light_cone(circuit: Circuit) -> Circuit:
    """Drop the gates and wires outside the backward light cone of all measurements together.

    Promise: equal on measured outputs; the state of the dropped wires is not kept.

    Example:
        >>> from hybridx.circuit import parse, show
        >>> show(light_cone(parse("RX 0 p[0]; RX 1 p[1]; CNOT 1 2; RZ 2 0.5; expval Z1")))
        'RX 0 p[1]; CNOT 0 1; expval Z0'
    """
    return restrict(circuit, circuit.measurements)
