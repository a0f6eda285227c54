"""Calls timed in turns."""
