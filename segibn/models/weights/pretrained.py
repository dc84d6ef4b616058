"""Where a backbone's first weights come from: published files, or a file of the user's own.

In: a backbone and the name of a source. Out: the backbone filled in place, and a report of what
was loaded. Files often hold more than a backbone (a classifier, heads), which has no place here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from segibn.errors import CheckpointError
from segibn.models.weights.download import published_file
from segibn.models.weights.identify import identify, network_prefix
from segibn.models.weights.plain_weights import adapt_plain_weights, norms_without_counterpart
from segibn.models.weights.sources import PUBLISHED, RELEASES, WeightSource
from segibn.models.weights.state import (
    compare_states,
    read_safetensors,
    read_torch_file,
    same_kind,
    shortened,
)
from segibn.models.weights.tensor_check import check_tensors
from segibn.models.weights.wrapping import COUNTER, Found, find_network
from segibn.text import did_you_mean, printable

Match = Literal["exact", "plain", "partial"]

_OTHER_PARTS = ("fc", "classifier", "head", "aux_head")


@dataclass(frozen=True)
class WeightsReport:
    """What happened to each parameter and buffer.

    Attributes:
        source: file that was read.
        loaded: keys of the network that now hold the file's values.
        fresh: keys of the network that keep their first values.
        unused: keys of the file that went nowhere: classifier and heads, running statistics of
            what is an instance norm here, and, where the config allows it, unknown ones.
        other_shape: keys that both have, but in different shapes or as another kind of numbers;
            also among fresh and unused.
    """

    source: str
    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    other_shape: tuple[str, ...] = ()
    place: str = ""
    """Where in the file it was, in words."""

    def summary(self) -> str:
        """All of it for the log, keys grouped by module."""
        total = len(self.loaded) + len(self.fresh)
        text = (
            f"weights from {self.source}{self.place}: {len(self.loaded)} of {total} tensors loaded"
        )
        parts = {"fresh": self.fresh, "not used": self.unused, "of another shape": self.other_shape}
        own = {key.split(".", 1)[0] for key in (*self.loaded, *self.fresh)}
        left_out = {key.split(".", 1)[0] for key in self.unused} - own
        return text + "".join(
            f"; {what}: {_grouped(keys, left_out)}" for what, keys in parts.items() if keys
        )


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
    """Fill a backbone in place.

    Args:
        backbone: the network `name` with the variant `ibn`; changed in place.
        source: "ibn_net" or "torchvision" (downloaded once into torch.hub's folder), "none"
            (nothing happens), or the path of a file: a state dict (.pth, .safetensors), whatever
            it is wrapped in (see `find_network`), or a checkpoint of this package.
        name: "resnet50" and so on.
        ibn: variant, see `plans.py`.
        match: how well the file must fit. "exact": all keys and shapes are this network's;
            only batch counters and what is no part of a backbone may differ. "plain": the same
            after the rule of `plain_weights.py`, so that a plain network's file fits an IBN
            network; "torchvision" always means this. "partial": that rule too, then whatever
            has the same name and shape is taken; the rest is reported.

    Raises:
        CheckpointError: no such file, not readable safely, not downloadable, or its keys or
            shapes belong to another network than `match` allows; the message says the fix.
    """
    if source == "none":
        return WeightsReport("none", (), tuple(backbone.state_dict()), ())
    path = published_file(find_published(source, name, ibn)) if source in RELEASES else Path(source)
    content = read_own_file(path, (*RELEASES, "none"))
    found = find_network(content, backbone.state_dict().keys(), path)
    refuse_robustnet(found.state, path)
    if source == "torchvision" and match == "exact":
        match = "plain"
    return _fill(backbone, _File(path, found, f"{name} with ibn {ibn}"), match)


def load_classifier_weights(classifier: nn.Module, release: str, name: str, ibn: str) -> None:
    """Fill a whole classifier in place with published weights, its last layer too.

    Args:
        classifier: the network `name` with the variant `ibn` and 1000 classes.
        release: "ibn_net" or "torchvision".
        name: "resnet50" and so on.
        ibn: variant.

    Raises:
        CheckpointError: there are none, they cannot be had, or they do not fit.
    """
    path = published_file(find_published(release, name, ibn))
    state = find_network(read_torch_file(path), classifier.state_dict().keys(), path).state
    # torchvision's files have no counters of batches; they count for nothing in inference.
    own = classifier.state_dict()
    expected = {k: v for k, v in own.items() if k in state or not k.endswith(COUNTER)}
    check_tensors(state, str(path))
    differences = compare_states(expected, state)
    if differences:
        raise CheckpointError(f"{path} does not fit {name}, ibn {ibn}:\n{shortened(differences)}")
    classifier.load_state_dict(state, strict=False)


def find_published(source: str, name: str, ibn: str) -> WeightSource:
    """Look up what a release has for a network.

    Raises:
        CheckpointError: nothing; the message says what there is.
    """
    key = (source, name, "none" if source == "torchvision" else ibn)
    if key not in PUBLISHED:
        there = [release for release, *rest in PUBLISHED if rest in ([name, ibn], [name, "none"])]
        other = f"model.weights={there[0]}, " if there else ""
        if ibn == "c" and there:
            other = f"model.weights={there[0]} with model.weights_match=partial, "
        raise CheckpointError(
            f"model.weights: {source} has no published weights for {name} with ibn: {ibn}; "
            f"use {other}a file, or none"
        )
    return PUBLISHED[key]


def read_own_file(path: Path, words: Sequence[str]) -> Mapping[str, object]:
    """Read a file of the user's own, .safetensors or what torch saves.

    Args:
        path: of the file.
        words: what might have been meant instead of a file, for the message.

    Raises:
        CheckpointError: no such file, or not readable safely.
    """
    if not path.exists():
        known = tuple(words) if path.parent == Path() else ()
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, [*known, *siblings], 1)
        if path.parent != Path():
            hint = hint.replace("'", f"'{path.parent}/", 1)
        raise CheckpointError(
            f"model.weights: {path} is no file, nor one of {', '.join(words)}{hint}"
        )
    return read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)


def refuse_robustnet(state: Mapping[str, Tensor], path: Path) -> None:
    """Raise a `CheckpointError` for a whole network of RobustNet, which is converted first."""
    if "layer0.0.weight" in state and "final2.0.weight" in state:
        raise CheckpointError(
            f"{path} is a whole network of RobustNet; convert it first: "
            f"segibn convert {path} --output {path.with_suffix('.pt').name}"
        )


@dataclass(frozen=True)
class _File:
    """A network from a file, and the name of the one that it is for."""

    path: Path
    found: Found
    network: str

    @property
    def state(self) -> Mapping[str, Tensor]:
        """By the network's keys."""
        return self.found.state


def _fill(backbone: nn.Module, file: _File, match: Match) -> WeightsReport:
    """Load what `match` lets through; see `load_backbone_weights`."""
    own = backbone.state_dict()
    state = {k: v for k, v in file.state.items() if k.split(".", 1)[0] not in _OTHER_PARTS}
    unused = [*(key for key in file.state if key not in state), *file.found.others]
    check_tensors(state, str(file.path))
    may_be_fresh = {key for key in own if key.endswith(COUNTER)}
    if match != "exact":
        state, without_place = adapt_plain_weights(state, backbone)
        unused = without_place + unused
        may_be_fresh |= norms_without_counterpart(backbone)
    other_shape = misfits(own, state)
    fits = {key: state[key] for key in own if key in state and key not in other_shape}
    if all(key.endswith(COUNTER) for key in fits):
        fits = {}
    if match == "partial":
        if not fits:
            raise CheckpointError(
                f"{file.path} has nothing of {file.network}: no tensor has a name and shape of "
                f"its backbone. The file {_content(file)}"
            )
        unused = [*(key for key in state if key not in fits), *unused]
    else:
        expected = {key: v for key, v in own.items() if key in state or key not in may_be_fresh}
        differences = compare_states(expected, state)
        if differences:
            raise CheckpointError(
                f"{file.path} does not fit {file.network}:\n{shortened(differences)}\n"
                f"The file {_content(file)}. {_advice(file, match, bool(fits))}"
            )
    backbone.load_state_dict(fits, strict=False)
    fresh = tuple(key for key in own if key not in fits)
    return WeightsReport(
        str(file.path), tuple(fits), fresh, tuple(unused), tuple(other_shape), file.found.place
    )


def misfits(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Keys that both have, of another shape or another kind of numbers."""
    both = [(key, value, state[key]) for key, value in own.items() if key in state]
    return [
        key
        for key, value, other in both
        if value.shape != other.shape or not same_kind(key, value, other)
    ]


def _content(file: _File) -> str:
    found = identify(file.state)
    if found is None:
        keys = [printable(f"{file.found.prefix}{key}")[:200] for key in list(file.state)[:2]]
        where = f" under {printable('.'.join(file.found.nest))}" if file.found.nest else ""
        return f"begins with {', '.join(keys)}{where} and is no network known here"
    behind = replace(file.found, prefix=file.found.prefix + network_prefix(file.state))
    return f"holds the weights of {found[0]} with ibn {found[1]}{behind.place}"


def _advice(file: _File, match: Match, fits: bool) -> str:
    """How to make a file and a network fit each other; `fits`: whether anything of them does."""
    partial = "; model.weights_match=partial takes what fits" if fits else ""
    found = identify(file.state)
    if found is None:
        return f"Name another file{partial}"
    name, ibn = found
    if file.network == f"{name} with ibn {ibn}":
        own = "ibn_stages, ibn_ratio and stem of model.backbone, its ibn_affine and whitening"
        return f"Check {own if ibn != 'none' else 'stem of model.backbone'}{partial}"
    if ibn == "none" and file.network.startswith(f"{name} with") and match == "exact":
        return (
            "model.weights_match=plain fits them into the IBN network (each half of a norm takes "
            f"its channels, norms after an addition start fresh){partial}"
        )
    return f"Set model.backbone.name={name} model.backbone.ibn={ibn}, or name another file{partial}"
