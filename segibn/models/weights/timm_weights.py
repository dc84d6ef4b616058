"""Pretrained weights of a timm backbone: timm's, or a file of timm's, its authors' or ours."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from segibn.errors import CheckpointError
from segibn.models.timm_backbone import TimmBackbone, create_network
from segibn.models.weights.lite_weights import lite_weights
from segibn.models.weights.pretrained import File, WeightsReport, fill, find_in_file
from segibn.models.weights.tensor_check import check_tensors
from segibn.text import printable


def load_timm_weights(
    backbone: TimmBackbone, source: str, match: Literal["exact", "partial"] = "exact"
) -> WeightsReport:
    """Fill a backbone in place, before `set_tuning`; `CheckpointError` as `load_backbone_weights`.

    `source` is "timm" (downloaded once by timm, of the tag in the name, else of its first choice),
    "lite" (see `lite_weights`), "none", or a file: .safetensors, .pth or .pt. An "exact" match has
    every tensor of the network in its shape, and nothing else but what belongs to the classifier;
    "partial" takes what fits.
    """
    own = backbone.network.state_dict()
    if source == "none":
        return WeightsReport("none", (), tuple(own), ())
    others: list[str] = []
    if source == "timm":
        state, place = _published(backbone), ""
    elif source == "lite":
        (state, path, others), place = lite_weights(backbone.network, backbone.name), ""
        source = str(path)
    else:
        found = find_in_file(Path(source), ("timm", "lite", "none"), own)
        state, place = _adapted(found.state, backbone, source), found.place
    state, unused = _without_classifier(state, backbone)
    check_tensors(state, source)
    file = File(source, backbone.name, place, [*unused, *others])
    return fill(backbone.network, state, file, partial(_advice, state, place), take_some=match == "partial")


def _published(backbone: TimmBackbone) -> dict[str, Tensor]:
    name = backbone.name
    try:
        network = create_network(name, backbone.output_stride, pretrained=True)
    except Exception as error:  # the hub's client has many, of several packages
        reason = str(error).strip().split("\n", 1)[0][:200]
        raise CheckpointError(
            f"model.weights: timm could not get the weights of {name} "
            f"({type(error).__name__}: {reason}). Get the file on a machine that can and give its "
            "path as model.weights=FILE, or train without: model.weights=none"
        ) from error
    return network.state_dict()


def _adapted(state: dict[str, Tensor], backbone: TimmBackbone, source: str) -> dict[str, Tensor]:
    """Through the network's own reader of foreign files, where timm has one."""
    if backbone.network.state_dict().keys() <= state.keys():
        return state
    reader = getattr(sys.modules[type(backbone.network).__module__], "checkpoint_filter_fn", None)
    if reader is None:
        return state
    try:
        return dict(reader(dict(state), backbone.network))
    except Exception as error:  # it takes for granted what another network's file lacks
        raise CheckpointError(
            f"{source} does not fit {backbone.name}: timm's reader of such files fails on it "
            f"({type(error).__name__}: {error}). {_advice(state, '', fits=False)}"
        ) from error


def _advice(state: Mapping[str, Tensor], place: str, fits: bool) -> str:
    first = ", ".join(printable(key)[:200] for key in list(state)[:2])
    or_some = "; model.weights_match=partial takes what fits" if fits else ""
    advice = "Name another file, or the network it is of (model.backbone.model)"
    return f"The file begins with {first}{place}. {advice}{or_some}"


def _without_classifier(state: Mapping[str, Tensor], backbone: TimmBackbone) -> tuple[dict[str, Tensor], list[str]]:
    """What may belong to the features, and the names of what only classifies or was pruned."""
    given = backbone.network.pretrained_cfg.get("classifier") or ()
    classifiers = (given,) if isinstance(given, str) else tuple(given)
    own = backbone.network.state_dict()
    starts = tuple(f"{part}." for part in (*classifiers, "head", "fc_norm", "norm_pre", "mask_token", *backbone.pruned))
    unused = [key for key in state if key not in own and f"{key}.".startswith(starts)]
    return {key: value for key, value in state.items() if key not in set(unused)}, unused
