"""Pretrained weights of a backbone: published files, or a file of the user's own."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from segibn.errors import CheckpointError
from segibn.models.weights.download import published_file
from segibn.models.weights.identify import identify
from segibn.models.weights.plain_weights import adapt_plain_weights, norms_without_counterpart
from segibn.models.weights.sources import PUBLISHED, RELEASES, WeightSource
from segibn.models.weights.state import COUNTER, compare_states, read_safetensors, read_torch_file, same_kind, shortened
from segibn.models.weights.tensor_check import check_tensors
from segibn.models.weights.wrapping import Found, find_network
from segibn.text import did_you_mean, printable

Match = Literal["exact", "plain", "partial"]

_OTHER_PARTS = ("fc", "classifier", "head", "aux_head")


@dataclass(frozen=True)
class WeightsReport:
    """What happened to each parameter and buffer."""

    source: str  # file that was read
    loaded: tuple[str, ...]  # keys of the network that now hold the file's values
    fresh: tuple[str, ...]  # keys of the network that keep the values they were drawn with
    unused: tuple[str, ...]  # keys of the file that went nowhere, such as its classifier's
    other_shape: tuple[str, ...] = ()
    """Keys of both, of another shape or kind of numbers; also among fresh and unused."""
    place: str = ""  # where in the file it was, in words

    def summary(self) -> str:
        """All of it for the log, keys grouped by module."""
        counts = f"{len(self.loaded)} of {len(self.loaded) + len(self.fresh)} tensors loaded"
        text = f"weights from {self.source}{self.place}: {counts}"
        parts = {"fresh": self.fresh, "not used": self.unused, "of another shape": self.other_shape}
        own = {key.split(".", 1)[0] for key in (*self.loaded, *self.fresh)}
        left_out = {key.split(".", 1)[0] for key in self.unused} - own
        return text + "".join(f"; {what}: {_grouped(keys, left_out)}" for what, keys in parts.items() if keys)


def _grouped(keys: Iterable[str], in_one_word: Collection[str]) -> str:
    """The keys as "layer1.2.IN (weight, bias), fc (2)"; some parts in one word and a number."""
    modules: dict[str, list[str]] = {}
    for key in keys:
        module, _, part = key.rpartition(".")
        whole = key.split(".", 1)[0]
        modules.setdefault(whole if whole in in_one_word else module, []).append(part)
    return ", ".join(
        f"{module} ({len(parts)})" if module in in_one_word else f"{module} ({', '.join(parts)})"
        for module, parts in modules.items()
    )


def load_backbone_weights(
    backbone: nn.Module, source: str, name: str, ibn: str, match: Match = "exact"
) -> WeightsReport:
    """Fill the backbone (or classifier) `name` with the variant `ibn` in place.

    `source` is "ibn_net" or "torchvision" (downloaded once into torch.hub's folder), "none", or the
    path of a file: a state dict (.pth, .safetensors), however wrapped (see `find_network`), or a
    checkpoint of this package. `CheckpointError` where it cannot be had, or does not match:

        exact     all keys and shapes are the network's, but for batch counters and other parts
        plain     the same after the rule of `plain_weights.py`; "torchvision" always means this
        partial   that rule too, then whatever has the same name and shape is taken
    """
    own = backbone.state_dict()
    if source == "none":
        return WeightsReport("none", (), tuple(own), ())
    path = published_file(find_published(source, name, ibn)) if source in RELEASES else Path(source)
    found = find_in_file(path, (*RELEASES, "none"), own)
    if source == "torchvision" and match == "exact":
        match = "plain"
    spare = {k for k in found.state if k.split(".", 1)[0] in _OTHER_PARTS and k not in own}
    state = {key: value for key, value in found.state.items() if key not in spare}
    unused = [*(key for key in found.state if key not in state), *found.others]
    check_tensors(state, str(path))
    may_be_fresh: set[str] = set()
    if match != "exact":
        state, without_place = adapt_plain_weights(state, backbone)
        unused = without_place + unused
        may_be_fresh = norms_without_counterpart(backbone)
    file = File(str(path), f"{name} with ibn {ibn}", found.place, unused)
    advise = partial(_advice, found, file.network, match)
    return fill(backbone, state, file, advise, may_be_fresh, take_some=match == "partial")


def find_published(source: str, name: str, ibn: str) -> WeightSource:
    """Look up what a release has for a network, or say what there is."""
    key = (source, name, "none" if source == "torchvision" else ibn)
    if key not in PUBLISHED:
        there = [release for release, *rest in PUBLISHED if rest in ([name, ibn], [name, "none"])]
        other = f"model.weights={there[0]}, " if there else ""
        if ibn == "c" and there:
            other = f"model.weights={there[0]} with model.weights_match=partial, "
        raise CheckpointError(
            f"model.weights: {source} has no published weights for {name} with ibn: {ibn}; use {other}a file, or none"
        )
    return PUBLISHED[key]


def find_in_file(path: Path, words: Sequence[str], keys: Collection[str]) -> Found:
    """Find a network in a file of the user's, or say why not; maybe one of `words` was meant."""
    if not path.exists():
        known = tuple(words) if path.parent == Path() else ()
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, [*known, *siblings], 1)
        if path.parent != Path():
            hint = hint.replace("'", f"'{path.parent}/", 1)
        raise CheckpointError(f"model.weights: {path} is no file, nor one of {', '.join(words)}{hint}")
    read = read_safetensors if path.suffix == ".safetensors" else read_torch_file
    found = find_network(read(path), keys, path)
    if found.state.keys() >= {"layer0.0.weight", "final2.0.weight"}:
        raise CheckpointError(
            f"{path} is a whole network of RobustNet; convert it first: "
            f"segibn convert {path} --output {path.with_suffix('.pt').name}"
        )
    return found


@dataclass(frozen=True)
class File:
    """What weights come from, for reports and messages."""

    source: str
    network: str  # the one that they are for
    place: str
    unused: Sequence[str]  # keys that were left out before


def fill(
    network: nn.Module,
    state: Mapping[str, Tensor],
    file: File,
    advise: Callable[[bool], str],
    may_be_fresh: Collection[str] = (),
    *,
    take_some: bool,
) -> WeightsReport:
    """Load what fits; all must, but for counters and `may_be_fresh`, unless `take_some`."""
    own = network.state_dict()
    both = [(key, value, state[key]) for key, value in own.items() if key in state]
    fits = {key: other for key, value, other in both if value.shape == other.shape and same_kind(key, value, other)}
    other_shape = tuple(key for key, *_ in both if key not in fits)
    if all(key.endswith(COUNTER) for key in fits):
        fits = {}
    if take_some and not fits:
        nothing = "no tensor has a name and shape of its backbone"
        raise CheckpointError(f"{file.source} has nothing of {file.network}: {nothing}.\n{advise(False)}")
    spare = {key for key in own if key.endswith(COUNTER) or key in may_be_fresh} - state.keys()
    differences = compare_states({k: v for k, v in own.items() if k not in spare}, state)
    if differences and not take_some:
        advice = f"{shortened(differences)}\n{advise(bool(fits))}"
        raise CheckpointError(f"{file.source} does not fit {file.network}:\n{advice}")
    network.load_state_dict(fits, strict=False)
    fresh = tuple(key for key in own if key not in fits)
    unused = (*(key for key in state if key not in fits), *file.unused)
    return WeightsReport(file.source, tuple(fits), fresh, unused, other_shape, file.place)


def _advice(found: Found, network: str, match: Match, fits: bool) -> str:
    """What a file holds, and the config that would take it."""
    or_some = "; model.weights_match=partial takes what fits" if fits else ""
    known = identify(found.state)
    if known is None:
        keys = [printable(f"{found.prefix}{key}")[:200] for key in list(found.state)[:2]]
        where = f" under {printable('.'.join(found.nest))}" if found.nest else ""
        return f"The file begins with {', '.join(keys)}{where} and is no network known here. Name another file{or_some}"
    name, ibn, prefix = known
    if network == f"{name} with ibn {ibn}":
        own = "ibn_stages, ibn_ratio and stem of model.backbone, its ibn_affine"
        fix = f"Check {own if ibn != 'none' else 'stem of model.backbone'}"
    elif ibn == "none" and network.startswith(f"{name} with") and match == "exact":
        how = "each half of a norm takes its channels, norms after an addition start fresh"
        fix = f"model.weights_match=plain fits them into the IBN network ({how})"
    else:
        fix = f"Set model.backbone.name={name} model.backbone.ibn={ibn}, or name another file"
    place = replace(found, prefix=found.prefix + prefix).place
    return f"The file holds the weights of {name} with ibn {ibn}{place}. {fix}{or_some}"
