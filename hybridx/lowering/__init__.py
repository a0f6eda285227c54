"""From a circuit to a tensor program: each strategy makes a plan, the cheapest is built."""

from hybridx.lowering.cost import Cost
from hybridx.lowering.plan import Candidate, Plan, Reason
from hybridx.lowering.select import STRATEGIES, Choice, Strategy, choose, consider

__all__ = [
    "STRATEGIES",
    "Candidate",
    "Choice",
    "Cost",
    "Plan",
    "Reason",
    "Strategy",
    "choose",
    "consider",
]
