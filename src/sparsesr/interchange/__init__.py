"""Networks in the form of other programs: their dense form, and ONNX files."""
