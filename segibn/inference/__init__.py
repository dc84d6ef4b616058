"""A network becomes a callable: sizes, views, windows, confidence."""

from typing import Literal, get_args

# Words that the command line offers, which imports nothing more for its help.
PRECISIONS = ("float32", "bfloat16", "float16")
Blending = Literal["flat", "gaussian"]
BLENDINGS: tuple[str, ...] = get_args(Blending)
NATIVE = "native"
"""In place of an input size: frames keep their own."""
