"""Tracing of Python values in a model, and the refusal of models that no file can hold.

`patches` has the table of replaced attributes, `tracers` stand for numbers and arrays,
`concrete_values` finds the values that depend on weights alone, and `source_location` names lines
of the user's code. `randomness`, `refusals` and `removed_in_pennylane` raise the refusals.
"""
