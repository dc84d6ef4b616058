"""Files: pictures and label maps decoded and written, anything written whole or not at all.

Knows nothing about data sets, labels or models, and needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segibn.files.contents import IMAGE_SUFFIXES
    from segibn.files.encode import write_image, write_label_png
    from segibn.files.folders import (
        PassedOver,
        collect_passed_over,
        list_files,
        pass_over,
        warn_once,
    )
    from segibn.files.label_colors import LabelColors
    from segibn.files.pictures import (
        Picture,
        image_size,
        read_image,
        read_instance_map,
        read_label_map,
    )
    from segibn.files.writing import (
        atomic_path,
        read_json,
        remove_leftovers,
        sha256_of,
        writable_folder,
        write_bytes,
        write_json,
        write_text,
    )

__all__ = [
    "IMAGE_SUFFIXES", "LabelColors", "PassedOver", "Picture", "atomic_path",
    "collect_passed_over", "image_size", "list_files", "pass_over", "read_image",
    "read_instance_map", "read_json", "read_label_map", "remove_leftovers", "sha256_of",
    "warn_once", "writable_folder", "write_bytes", "write_image", "write_json",
    "write_label_png", "write_text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Light modules first: a command that reads no picture need not wait for the decoders.
    for part in (
        ("writing", "folders", "label_colors", "encode", "pictures") if name in __all__ else ()
    ):
        module = import_module(f"segibn.files.{part}")
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"module 'segibn.files' has no attribute {name!r}")
