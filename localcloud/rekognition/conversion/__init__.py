"""The weights as their authors publish them, converted once to ONNX."""
