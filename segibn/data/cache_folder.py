"""Where files derived from the data sets are kept."""

import os
from pathlib import Path


def cache_folder(datasets_root: Path | None) -> Path:
    """Return where files derived from the data sets are kept; the folder need not exist yet.

    ``SEGIBN_CACHE``, else ``.segibn`` below the data sets' root, so that all who share the data
    share the work, or where that cannot be written ``~/.cache/segibn``.
    """
    if given := os.environ.get("SEGIBN_CACHE"):
        return Path(given).expanduser().absolute()
    if datasets_root is not None:
        shared = Path(datasets_root).absolute() / ".segibn"
        if os.access(shared if shared.exists() else shared.parent, os.W_OK | os.X_OK):
            return shared
    return Path.home() / ".cache" / "segibn"
