"""Quantum layers of a model that is trained, compiled in place."""
