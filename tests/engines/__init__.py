"""Files on engines other than the installed ONNX Runtime: `make test-engines`."""
