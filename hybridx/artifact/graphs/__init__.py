"""ONNX graphs looked at before ONNX Runtime gets them: their tensors, shapes and work."""
