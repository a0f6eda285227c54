"""The traced graph: opaque circuit operators, where angles come from, real arithmetic.

`ops` are the operators that stand for circuits; `provenance` says of which element of which tensor
an angle is made, `angle_columns` finds the columns, `bind_circuits` puts the circuits in.
`complex_to_real`, `complex_arithmetic` and `matrix_functions` leave no complex number behind,
`float64` no number that torch's exporter would narrow.
"""
