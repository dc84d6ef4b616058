"""A trained network as one file for other programs, checked against the original.

A .pt2 file (torch.export) or an .onnx file, float32 or int8, that gives logits or label maps. Sizes
and numbers of frames stay free, and the normalisation is inside.
"""

from segibn.export.checks import TOLERANCE
from segibn.export.quantize import CALIBRATION_FRAMES, export_int8
from segibn.export.writing import FORMATS, export

__all__ = [
    "CALIBRATION_FRAMES",
    "FORMATS",
    "TOLERANCE",
    "export",
    "export_int8",
]
