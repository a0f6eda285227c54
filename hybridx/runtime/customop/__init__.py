"""Circuits as a custom operator: one ONNX Runtime session that calls Python for each circuit.

An exception that leaves the operator ends the process. So `run` keeps what circuits raise until the
session has returned, and `signals` lets no handler of a signal raise outside of a circuit. `model`
makes the circuits of a file nodes of the operator.
"""
