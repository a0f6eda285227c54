"""From a circuit to a tensor program: each strategy makes a plan, the cheapest is built."""

from typing import TYPE_CHECKING

from hybridx.first_use import on_first_use

if TYPE_CHECKING:
    from hybridx.lowering.cost import Cost
    from hybridx.lowering.machines.machine import Machine
    from hybridx.lowering.machines.tables import MACHINES, machine_of
    from hybridx.lowering.names import MACHINE_NAMES, STRATEGY_NAMES, MachineName
    from hybridx.lowering.plan import Candidate, Plan, Reason
    from hybridx.lowering.rows import bytes_at_once, rows_at_once
    from hybridx.lowering.select import STRATEGIES, Choice, Strategy, choose, consider
else:
    __getattr__, __dir__ = on_first_use(__name__)

__all__ = [
    "MACHINES",
    "MACHINE_NAMES",
    "STRATEGIES",
    "STRATEGY_NAMES",
    "Candidate",
    "Choice",
    "Cost",
    "Machine",
    "MachineName",
    "Plan",
    "Reason",
    "Strategy",
    "bytes_at_once",
    "choose",
    "consider",
    "machine_of",
    "rows_at_once",
]
