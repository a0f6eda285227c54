"""Pieces of programs that several strategies write: states, angles, phases, measurements."""
