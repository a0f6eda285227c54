"""Turn a QNode into a circuit: record its tape, translate its operators and measurements.

`recording` handles QNode calls while a model is traced. `call_key` decides whether two calls have
the same circuit.
"""
