"""Inlined files: bodies written in the place of their calls, and calls made of them again."""
