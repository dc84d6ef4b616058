"""Data room, the builder's part for the disk cache: from a config to a folder of the cache.

Like `build.py` this module sees config objects. Where the caches are (see `fingerprint.py`) is said
once for a machine and never in a config, like the place of the data sets.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from segibn.config.schema import DatasetConfig
from segibn.data.cache.disk_cache import DiskCache, open_disk_cache
from segibn.data.cache.fingerprint import cache_folder
from segibn.data.samples import SamplePaths
from segibn.labels.label_set import LabelSet


def tiles_folder(
    dataset: DatasetConfig, label_set: LabelSet, resize: tuple[int, int] | None, root: Path
) -> Path:
    """Return the folder of one data set's cache.

    Its name ends in a hash of all that a frame depends on besides its own files: the label table,
    the resize, and for ``name: folder`` where the files are. A part of a split (``names_file``,
    ``fraction``) shares the folder of the whole.
    """
    size = "native" if resize is None else f"{resize[0]}x{resize[1]}"
    where = "" if dataset.folder is None else f"{dataset.folder.images} {dataset.folder.targets}"
    content = label_set.lookup.tobytes() + f"{size} {where} {label_set.colors}".encode()
    digest = hashlib.sha256(content).hexdigest()[:8]
    return root / "tiles" / f"{dataset.name}_{dataset.split}_{size}_{digest}"


def open_cache(
    dataset: DatasetConfig,
    samples: Sequence[SamplePaths],
    label_set: LabelSet,
    resize: tuple[int, int] | None,
    datasets_root: Path | None,
) -> DiskCache:
    """Open the cache of a run's samples, below `fingerprint.cache_folder`.

    Raises:
        DatasetError: a frame is not cached, or not as its files are now; the message says the
            command that mends it.
    """
    root = cache_folder(datasets_root)
    return open_disk_cache(tiles_folder(dataset, label_set, resize, root), samples, resize)
