"""From a circuit to a tensor program: every strategy counted, the cheapest built."""

from hybridx.lowering.cost import Cost
from hybridx.lowering.select import STRATEGIES, Candidate, Choice, Strategy, choose, consider
from hybridx.lowering.strategies.statevector import lower

__all__ = ["STRATEGIES", "Candidate", "Choice", "Cost", "Strategy", "choose", "consider", "lower"]
