"""Processes that run slices of rows: each holds a session of its own."""
