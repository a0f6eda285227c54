"""What the functions of `api` do once their arguments are checked; it needs NumPy and onnx."""
