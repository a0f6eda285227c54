"""How far two executions of a circuit may differ, and why."""

# complex128 against complex128: some 50 operations of 1e-16 each.
EXACT = 1e-12

# float32 has a precision of 6e-8; random 4-wire circuits with a dozen gates lost up to 1e-6.
FLOAT32 = 1e-5
