"""Checkpoints of mmsegmentation's DeepLabV3+ on ResNets as networks of this package.

The names are those of its `EncoderDecoder` with `DepthwiseSeparableASPPHead` and `FCNHead`. What it
calls ResNetV1c has three convolutions before the blocks, V1b and the plain one have one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from segibn.errors import CheckpointError
from segibn.models.weights.state import FORMAT
from segibn.models.weights.tensor_check import check_tensors
from segibn.models.weights.wrapping import find_network
from segibn.text import listed, printable

_CLASSIFIER = "decode_head.conv_seg.weight"
_OURS = {"decode_head.sep_bottleneck.0.depthwise_conv.conv.weight", "decode_head.aspp_modules.0.conv.weight"}
_DEPTHS = {(2, "conv2"): "resnet18", (6, "conv2"): "resnet34", (6, "conv3"): "resnet50", (23, "conv3"): "resnet101"}
_OTHERS = {  # what a key of another network begins with -> what it is
    "backbone.reins.": "Rein's tokens in a frozen transformer",
    "decode_head.pixel_decoder.": "a Mask2Former decoder (Rein, SoMA, Mask2Former)",
    "decode_head.transformer_decoder.": "a Mask2Former decoder (Rein, SoMA, Mask2Former)",
    "decode_head.fusion_conv.": "SegFormer's decoder; `hf:` takes the same network from transformers",
    "decode_head.psp_modules.": "a pyramid pooling head (PSPNet, UPerNet)",
    "decode_head.aspp_modules.": "DeepLabV3's head with a 3x3 convolution that joins the branches",
}
_RENAMED = (  # in turn, up to the first that fits
    (r"backbone\.stem\.7\.", "backbone.bn1."),
    (r"backbone\.stem\.(\d)\.", r"backbone.conv1.\1."),
    (r"backbone\.", "backbone."),
    (r"decode_head\.image_pool\.1\.(conv|bn)\.", "head.aspp.image_pool.{}."),
    (r"decode_head\.aspp_modules\.0\.(conv|bn)\.", "head.aspp.branches.0.{}."),
    (r"decode_head\.aspp_modules\.(\d)\.(depthwise|pointwise)_conv\.(conv|bn)\.", r"head.aspp.branches.\1.{}."),
    (r"decode_head\.bottleneck\.(conv|bn)\.", "head.aspp.merge.{}."),
    (r"decode_head\.c1_bottleneck\.(conv|bn)\.", "head.low_level.{}."),
    (r"decode_head\.sep_bottleneck\.(\d)\.(depthwise|pointwise)_conv\.(conv|bn)\.", r"head.refine.\1.{}."),
    (r"decode_head\.conv_seg\.", "head.classifier."),
    (r"auxiliary_head\.convs\.0\.(conv|bn)\.", "aux_head.conv.{}."),
    (r"auxiliary_head\.conv_seg\.", "aux_head.classifier."),
)
# Convolution, norm and ReLU follow each other in ours; a separable one has them twice.
_PLACES = {"conv": 0, "bn": 1, "depthwise": 0, "pointwise": 3}


def plain_state(content: Mapping[str, Any], path: Path) -> dict[str, Tensor] | None:
    """The network's tensors in a checkpoint of mmsegmentation, checked; None if it is something else.

    `CheckpointError`: it is a network of mmsegmentation's form that this package cannot hold.
    """
    if content.get("format") == FORMAT:
        return None
    plain = find_network(content, {_CLASSIFIER}, path).state
    heads = [key for key in plain if key.startswith("decode_head.")]
    if not heads:
        return None
    if not plain.keys() >= _OURS:
        kinds = [what for start, what in _OTHERS.items() if any(key.startswith(start) for key in plain)]
        raise CheckpointError(
            f"{path}: {kinds[0] if kinds else 'a head with ' + listed(sorted(map(printable, heads)), 3)}, which no "
            "network here can hold; of mmsegmentation's form only DeepLabV3+ on a ResNet can be converted. Others are "
            "scored as they are: exported as .onnx, or by their files of labels or scores (segibn score)"
        )
    check_tensors(plain, str(path))
    return plain


def class_names(content: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names that the file gives to its classes, where it does; mmsegmentation 0.x or 1.x."""
    meta = content.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    about = meta.get("dataset_meta")
    found = meta.get("CLASSES") or (about.get("classes") if isinstance(about, Mapping) else None)
    is_list = isinstance(found, list | tuple) and all(isinstance(name, str) for name in found)
    return tuple(found) if is_list else None


def model_config(state: Mapping[str, Tensor], output_stride: int) -> dict[str, Any]:
    """The `model` section of the config that builds the equal network; `CheckpointError`: there is none."""
    blocks = len({key.split(".")[2] for key in state if key.startswith("backbone.layer3.")})
    last = "conv3" if "backbone.layer3.0.conv3.weight" in state else "conv2"
    if (blocks, last) not in _DEPTHS:
        raise CheckpointError(f"a ResNet with {blocks} blocks in layer3; there are {', '.join(_DEPTHS.values())}")
    channels = {
        name: int(state[key].shape[0])
        for name, key in (
            ("channels", "decode_head.aspp_modules.0.conv.weight"),
            ("low_level_channels", "decode_head.c1_bottleneck.conv.weight"),
            ("aux", "auxiliary_head.convs.0.conv.weight"),
        )
        if key in state and state[key].dim()
    }
    aux = channels.pop("aux", None)
    return {
        "backbone": {
            "name": _DEPTHS[blocks, last],
            "output_stride": output_stride,
            "stem": "resnet_c" if "backbone.stem.0.weight" in state else "conv7x7",
        },
        "head": {
            "name": "deeplabv3plus",
            "separable": "normed",
            "merge_kernel": 3,
            "dropout_unit": "channel",
            **channels,
        },
        "aux_head": None if aux is None else {"channels": aux, "dropout_unit": "channel"},
        "weights": "none",
    }


def from_mmseg(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and rearrange its tensors into those of the equal `Segmenter`."""
    ours = {_renamed(key): value for key, value in state.items()}
    merge = "head.aspp.merge.0.weight"
    if merge in ours and ours[merge].dim() == 4:  # the whole image's mean comes first there, here last
        ours[merge] = ours[merge].roll(-ours[merge].shape[0], dims=1)
    return ours


def _renamed(key: str) -> str:
    for pattern, ours in _RENAMED:
        if found := re.match(pattern, key):
            place = sum(_PLACES.get(part, 0) for part in found.groups())
            return found.expand(ours).format(place) + key[found.end() :]
    raise CheckpointError(f"no place for {printable(key)} in a DeepLabV3+ with a ResNet")
