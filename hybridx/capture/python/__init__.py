"""The Python around a model: what its values are while it is traced, and what is refused there.

`patches` is the table of what is replaced meanwhile, `tracers` stand for numbers and arrays,
`concrete_values` knows what depends on weights alone, `source_location` names lines of the user's
code. `randomness`, `refusals` and `removed_in_pennylane` say no.
"""
