"""Operators of linear algebra that ONNX lacks, as formulas.

`linear_solvers` has the mathematics, `linear_operators` gives it the signatures of torch.
"""
