"""Export: a trained network as one file for other programs, checked against the original.

In: a ``Segmenter`` and its ``Description``. Out: a .pt2 file (torch.export) or an .onnx file,
float32 or int8, that gives logits or label maps. Sizes and numbers of frames stay free, and the
normalisation is inside, so that nobody has to know its numbers.
"""

from segibn.export.checks import TOLERANCE
from segibn.export.writing import FORMATS, export

__all__ = ["FORMATS", "TOLERANCE", "export"]
