"""Files: decode pictures and label maps, write anything whole or not at all, read zips safely.

Knows nothing about data sets, labels or models, and needs no torch.
"""

from segibn.files.archives import read_zip, write_zip
from segibn.files.pictures import (
    LabelStorage,
    Picture,
    image_size,
    read_image,
    read_label_map,
    write_image,
    write_label_png,
)
from segibn.files.writing import (
    atomic_path,
    list_files,
    read_json,
    remove_leftovers,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
)

__all__ = [
    "LabelStorage",
    "Picture",
    "atomic_path",
    "image_size",
    "list_files",
    "read_image",
    "read_json",
    "read_label_map",
    "read_zip",
    "remove_leftovers",
    "sha256_of",
    "write_bytes",
    "write_image",
    "write_json",
    "write_label_png",
    "write_text",
    "write_zip",
]
