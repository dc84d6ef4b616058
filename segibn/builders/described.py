"""What exported files say of a network, and its safetensors file."""

import json
from pathlib import Path
from typing import Any

from segibn import __version__
from segibn.builders.upgrade import FORMAT_VERSION
from segibn.config.schema import RunConfig
from segibn.description import KEY, LABELS, LOGITS, Description
from segibn.errors import CheckpointError
from segibn.extras import require
from segibn.files import write_bytes
from segibn.models.segmenter import PIXEL_MEAN, PIXEL_STD, Segmenter

_NOTES = ("config", "classes", "class_names", "palette", "iteration", "versions")


def describe_network(
    config: RunConfig, meta: dict[str, Any], *, labels: bool = False
) -> Description:
    """Say what an exported file of label maps, or of logits, says of itself."""
    port, output = LABELS if labels else LOGITS
    backbone = config.model.backbone
    return Description(
        config=config.name,
        iteration=meta["iteration"],
        label_set=meta["classes"],
        class_names=tuple(meta["class_names"]),
        palette=tuple(tuple(color) for color in meta["palette"]),
        input=port,
        output=output,
        input_size=config.evaluation.input_size,
        input_height=config.evaluation.input_height,
        pixel_mean=PIXEL_MEAN,
        pixel_std=PIXEL_STD,
        align_corners=config.model.align_corners,
        backbone=backbone.network,
        ibn=backbone.ibn,
        head=config.model.head.name,
        segibn_version=__version__,
    )


def write_safetensors(
    path: Path, segmenter: Segmenter, config: RunConfig, meta: dict[str, Any]
) -> int:
    """Write a network that `load_segmenter` rebuilds from this file alone; return how many tensors.

    Raises:
        CheckpointError: the package is not installed.
        SegibnError: the file cannot be written.
    """
    require("export", "safetensors", purpose=f"writing {path}", error=CheckpointError)
    from safetensors.torch import save

    state = {key: value.contiguous() for key, value in segmenter.state_dict().items()}
    values = {**meta, "config": config.model_dump(mode="json")}
    notes = {key: json.dumps(values[key]) for key in _NOTES if key in values}
    notes |= {"format": "pt", "format_version": str(FORMAT_VERSION)}
    notes[KEY] = describe_network(config, meta).to_json()
    write_bytes(path, save(state, metadata=notes))
    return len(state)
