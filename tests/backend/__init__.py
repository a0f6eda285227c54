"""ONNX's own tests of its operators, through the reader and the session of hybridx."""
