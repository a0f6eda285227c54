"""The traced graph: opaque circuit operators, the sources of angles, real arithmetic.

`ops` has the operators that stand for circuits. `provenance` finds the tensor elements that an
angle is made of, `angle_columns` finds the columns, and `bind_circuits` inserts the circuits.
`complex_to_real`, `complex_arithmetic`, `fourier_transforms` and `matrix_functions` replace all
complex numbers by real ones. `float64` replaces the numbers that torch's exporter would round to
float32.
"""
