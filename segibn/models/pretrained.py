"""Where a backbone's first weights come from: published files, or a file of the user's own.

In: a backbone and the name of a source. Out: the backbone filled in place, and a report of what
was loaded. The published files hold a classifier too, which a backbone has no place for.
"""

import logging
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from segibn.errors import CheckpointError
from segibn.files import sha256_of
from segibn.models.ibn import InstanceBatchNorm2d, InstanceNorm2d
from segibn.models.sources import PUBLISHED, RELEASES, WeightSource
from segibn.models.state import compare_states, read_torch_file, shortened

logger = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class WeightsReport:
    """What happened to each parameter and buffer.

    Attributes:
        source: file that was read.
        loaded: keys of the network that now hold the file's values.
        fresh: keys of the network that do not come from the file; they keep their first values.
        unused: keys of the file that the network has no place for (such as its classifier).
    """

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def summary(self) -> str:
        """One line for the log."""
        fresh = f"; fresh: {', '.join(self.fresh)}" if self.fresh else ""
        unused = f"; not used: {', '.join(self.unused)}" if self.unused else ""
        return f"weights from {self.source}: {len(self.loaded)} loaded{fresh}{unused}"


def load_backbone_weights(backbone: nn.Module, source: str, name: str, ibn: str) -> WeightsReport:
    """Fill a backbone in place.

    Args:
        backbone: the network `name` with the variant `ibn`; changed in place.
        source: "ibn_net" or "torchvision" (downloaded once into torch.hub's folder), "none"
            (nothing happens), or the path of a file with the weights of this very network: a plain
            state dict, one inside {"state_dict": ...}, or a checkpoint of this package.
            "torchvision" fills an IBN network from the plain one: the halves of each
            instance-batch norm take the halves of the batch norm, an instance norm in the stem
            takes its weight and bias, those after a block start fresh.
        name: "resnet50" and so on.
        ibn: "none", "a" or "b".

    Raises:
        CheckpointError: no such file, not readable safely, not downloadable, or its keys or
            shapes belong to another network; the message says the fix.
    """
    if source == "none":
        return WeightsReport("none", (), tuple(backbone.state_dict()), ())
    if source in RELEASES:
        published = find_published(source, name, ibn)
        path = published_file(published)
        state = published.rename(_plain_state(read_torch_file(path)))
    else:
        path = Path(source)
        state = _plain_state(read_torch_file(path))
    if source == "torchvision":
        state = adapt_plain_weights(state, backbone)
    return _fill(backbone, state, path, fresh_instance_norms=source == "torchvision")


def find_published(source: str, name: str, ibn: str) -> WeightSource:
    """Look up what a release has for a network.

    Raises:
        CheckpointError: nothing; the message says what there is.
    """
    key = (source, name, "none" if source == "torchvision" else ibn)
    if key not in PUBLISHED:
        there = [release for release, *rest in PUBLISHED if rest in ([name, ibn], [name, "none"])]
        other = f"model.weights={there[0]}, a" if there else "a"
        raise CheckpointError(
            f"model.weights: {source} has no published weights for {name} with ibn: {ibn}; "
            f"use {other} file, or none"
        )
    return PUBLISHED[key]


def published_file(published: WeightSource) -> Path:
    """Find a published file in torch.hub's folder, or download it there.

    Raises:
        CheckpointError: no network connection, or a file of that name which is not the published
            one.
    """
    url, prefix = published.url, published.sha256_prefix
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.file_name
    if not path.is_file():
        _download(url, path, prefix)
    found = sha256_of(path)
    if not found.startswith(prefix):
        raise CheckpointError(
            f"{path} is damaged or another file: its SHA-256 begins {found[: len(prefix)]}, the "
            f"published one {prefix}. Delete it and get {url} again, or use it as it is with "
            f"model.weights={path}"
        )
    return path


def _download(url: str, path: Path, hash_prefix: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    logger.info("downloading %s to %s", url, path)
    try:
        with _connect_timeout(_CONNECT_TIMEOUT_S):
            torch.hub.download_url_to_file(url, str(path), hash_prefix, sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"could not download {url} ({error}). Get that file on a machine that can and put it "
            f"at {path}, or train without it: model.weights=none"
        ) from error


@contextmanager
def _connect_timeout(seconds: float) -> Iterator[None]:
    """A blocked network must end in a message, not in waiting forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _plain_state(content: Mapping[str, object]) -> dict[str, Tensor]:
    """The backbone's (and maybe classifier's) tensors, whatever they are wrapped in."""
    if isinstance(content.get("model"), Mapping):  # a checkpoint of this package
        prefix = "backbone."
        tensors = content["model"].items()
        return {k.removeprefix(prefix): v for k, v in tensors if k.startswith(prefix)}
    inner = content.get("state_dict")
    if not isinstance(inner, Mapping):
        inner = content
    return {k.removeprefix("module."): v for k, v in inner.items() if isinstance(v, Tensor)}


def adapt_plain_weights(state: Mapping[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Rename and cut the weights of a plain network to fit an IBN one of the same depth.

    Args:
        state: state dict of the plain network; not changed.
        backbone: the network to fit; not changed.

    Returns:
        A state dict with the plain norms' values where the IBN network has a place for them.
    """
    adapted = dict(state)
    for name, module in backbone.named_modules():
        if isinstance(module, InstanceBatchNorm2d):
            _split_norm(adapted, name, module)
        elif isinstance(module, InstanceNorm2d) and f"{name}.running_mean" in adapted:
            for part in ("running_mean", "running_var", "num_batches_tracked"):
                adapted.pop(f"{name}.{part}", None)
    return adapted


def _split_norm(state: dict[str, Tensor], name: str, norm: InstanceBatchNorm2d) -> None:
    """Replace a batch norm's entries by those of the two halves, each with its channels."""
    halves = {"IN": norm.instance_channels, "BN": norm.batch_channels}
    for part in ("weight", "bias", "running_mean", "running_var"):
        values = state.pop(f"{name}.{part}")
        for half, channels in halves.items():
            if getattr(norm, half) is not None and (half == "BN" or part in ("weight", "bias")):
                state[f"{name}.{half}.{part}"] = values[channels]
    counter = state.pop(f"{name}.num_batches_tracked", None)
    if counter is not None and norm.BN is not None:
        state[f"{name}.BN.num_batches_tracked"] = counter


def _fill(
    backbone: nn.Module, state: Mapping[str, Tensor], path: Path, *, fresh_instance_norms: bool
) -> WeightsReport:
    """Load all keys; only counters, and instance norms if allowed, may be missing."""
    own = backbone.state_dict()
    optional = (
        ("num_batches_tracked", ".IN.weight", ".IN.bias")
        if fresh_instance_norms
        else ("num_batches_tracked",)
    )
    fresh = tuple(key for key in own if key not in state)
    unused = tuple(key for key in state if key.startswith(("fc.", "classifier.")))
    differences = compare_states(
        {key: value for key, value in own.items() if key in state or not key.endswith(optional)},
        {key: value for key, value in state.items() if key not in unused},
    )
    if differences:
        raise CheckpointError(
            f"{path} holds the weights of another network:\n{shortened(differences)}\n"
            "Check model.backbone.name and model.backbone.ibn. A plain network's weights fill an "
            "IBN one only when asked for by name: model.weights=torchvision"
        )
    loaded = tuple(key for key in own if key in state)
    backbone.load_state_dict({key: state[key] for key in loaded}, strict=False)
    return WeightsReport(str(path), loaded, fresh, unused)
