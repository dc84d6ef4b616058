"""Files: decode pictures and label maps, write anything whole or not at all, read zips safely.

Knows nothing about data sets, labels or models, and needs no torch.
"""

from segibn.files.archives import ForeignZip, ZipLimits, ZipMember
from segibn.files.encode import write_image, write_label_png
from segibn.files.label_png import examine_label_png
from segibn.files.partial import PartialFile
from segibn.files.pictures import (
    Picture,
    image_size,
    read_image,
    read_instance_map,
    read_label_map,
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
from segibn.files.zip_stream import ZipStream

__all__ = [
    "ForeignZip",
    "PartialFile",
    "Picture",
    "ZipLimits",
    "ZipMember",
    "ZipStream",
    "atomic_path",
    "examine_label_png",
    "image_size",
    "list_files",
    "read_image",
    "read_instance_map",
    "read_json",
    "read_label_map",
    "remove_leftovers",
    "sha256_of",
    "write_bytes",
    "write_image",
    "write_json",
    "write_label_png",
    "write_text",
]
