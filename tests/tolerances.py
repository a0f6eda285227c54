"""How far two executions of a circuit may differ, and why."""

# complex128 against complex128: some 50 operations of 1e-16 each.
EXACT = 1e-12

# A float32 number has 6e-8; random 4-wire circuits of a dozen gates were seen to lose 1e-6.
FLOAT32 = 1e-5
