"""A trained network as one file for other programs, .pt2 or .onnx, checked against the original."""
