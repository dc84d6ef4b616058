"""A trained network as one file for other programs, checked against the original.

A .pt2 file (torch.export) or an .onnx file, float32 or int8, that gives logits or label maps. Sizes
and numbers of frames stay free, and the normalisation is inside.
"""
