"""Published files: found in torch.hub's folder, or fetched there, and known by their hash."""

import logging
import socket
import sys
from http.client import HTTPException
from pathlib import Path

import torch

from segibn import distributed
from segibn.devices import local_rank
from segibn.errors import CheckpointError
from segibn.files.writing import sha256_of
from segibn.models.weights.sources import WeightSource

logger = logging.getLogger(__name__)

_TIMEOUT_S = 20.0


def local_path(published: WeightSource) -> Path:
    """Where a published file is kept on this machine (TORCH_HOME moves it), there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / published.file_name


def published_file(published: WeightSource) -> Path:
    """Find a file in torch.hub's folder, or download it: called on every rank, once a machine."""
    path = local_path(published)
    failure: CheckpointError | None = None
    waits = torch.distributed.is_initialized() and local_rank() != 0
    if not waits and not path.is_file():
        try:
            _download(published, path)
        except CheckpointError as error:
            failure = error
    if distributed.any_rank(failure is not None):
        raise failure or CheckpointError(f"another process could not download {published.url}")
    found = sha256_of(path)
    if not found.startswith(published.sha256_prefix):
        raise CheckpointError(
            f"{path} is damaged or another file: its SHA-256 begins "
            f"{found[: len(published.sha256_prefix)]}, the published one "
            f"{published.sha256_prefix}. Delete it and get {published.url} again, or use it "
            f"as it is with model.weights={path}"
        )
    return path


def _download(published: WeightSource, path: Path) -> None:
    url = published.url
    logger.info("downloading %s to %s", url, path)
    # A blocked network must end in a message, not in waiting forever.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), published.sha256_prefix, progress=sys.stderr.isatty())
    except (OSError, RuntimeError, HTTPException) as error:
        reason = str(error)
        if "invalid hash value" in reason:
            reason = f"what came was cut short or another file, by its SHA-256: {reason}"
        raise CheckpointError(
            f"could not download {url} ({reason}). Get that file on a machine that can and put it "
            f"at {path}, or train without it: model.weights=none"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
