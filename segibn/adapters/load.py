"""Whose network a word means -> the loader of its kind."""

from collections.abc import Sequence
from pathlib import Path

from segibn.adapters import other_models as others
from segibn.adapters.hugging_face import load_hugging_face
from segibn.adapters.outside import Outside


def load_outside(kind: str, word: str, names: Sequence[str], pixels: str | None) -> Outside:
    """Load a network of others.

    ``kind``: hf, hf-384, torchvision, smp, onnx or code; ``word``: what stands behind its colon, or
    the file. CheckpointError, ConfigError: it cannot be had or understood.
    """
    if kind in ("hf", "hf-384"):
        return load_hugging_face(word, squeezed=kind == "hf-384")
    if kind == "torchvision":
        return others.load_torchvision(word, names)
    if kind == "smp":
        return others.load_smp(word, names, pixels)
    if kind == "onnx":
        return others.load_graph_of_others(Path(word), names, pixels)
    return others.load_code(word, names, pixels)
