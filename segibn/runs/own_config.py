"""A config for frames of one's own: their table, sizes and splits, from street-lite's weights on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from segibn.config.load import load_config
from segibn.config.shipped import DEFAULT_MODEL

_HEIGHT = 288  # of the frames in training: what two CPU cores carry
_BATCH = 8
_PASSES, _FEWEST, _MOST = 40, 200, 4000
_SAME_SHAPE = 0.02  # by which the proportions of frames may differ that are resized to one size

Size = tuple[int, int]  # (H, W)


def own_config(
    files: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], sizes: Counter[Size], *, has_splits: bool, about: str
) -> str:
    """Return the text of a config that trains on a user's own frames.

    ``files``: keys of ``folder`` without its table ``rows``; ``sizes``: how many frames have each;
    ``has_splits``: ``train`` and ``val`` are there. ``about`` is its first line.
    """
    count = sizes.total()
    iterations = int(min(max(_PASSES * count / _BATCH, _FEWEST), _MOST)) // 50 * 50
    folder = {**files, "labels": [dict(row) for row in rows]}
    train = {"name": "folder", "split": "train", "folder": folder}
    data: dict[str, Any] = {"train": train}
    if has_splits or count > 1:  # of a single frame nothing can be held out
        data["val"] = {**train, "split": "val"} if has_splits else {"fraction": 0.2}
    resize, (low, high) = _resize(sizes)
    if resize is not None:
        data["resize"] = list(resize)
    height, width = resize or max(sizes, key=lambda size: sizes[size])
    crop = (min(_HEIGHT, height) // 16 * 16 or 16, min(round(_HEIGHT * 1.75), width) // 16 * 16 or 16)
    data |= {"crop_size": list(crop), "scale_range": [low, high], "color_jitter": [0.4, 0.4, 0.4, 0.05]}
    network = load_config("street_lite").model.model_dump(mode="json", exclude_defaults=True)
    network["weights"] = "none"  # init_from brings them
    content = {
        "data": data,
        "init_from": DEFAULT_MODEL,
        "model": network,
        "loss": {"dice_weight": 1.0},
        "optim": {
            "name": "adamw",
            "lr": 5e-4,
            "head_lr_factor": 5.0,
            "weight_decay": 0.01,
            "schedule": "cosine",
            "warmup_iterations": 20,
            "iterations": iterations,
            "global_batch_size": _BATCH,
        },
        "ema": {"decay": 0.99},
        "engine": {"checkpoint_every": 100, "channels_last": True},
    }
    if resize is not None:
        content["evaluation"] = {"input_height": resize[0]}
    lines = [
        f"# {about}",
        "# Rename classes and colours as you like; rows of one train_id are one class, 255 is ignored.",
        "# It begins with street-lite's weights, so a few hundred updates do; more frames pay more of them.",
        "",
    ]
    return "\n".join(lines) + yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )


def _resize(sizes: Counter[Size]) -> tuple[Size | None, tuple[float, float]]:
    """The size for all frames, None where their proportions differ, and the range of scales."""
    height, width = max(sizes, key=lambda size: sizes[size])
    factor = min(1.0, _HEIGHT / height)
    alike = all(abs(w / h - width / height) < _SAME_SHAPE * width / height for h, w in sizes)
    if alike and (factor < 1 or len(sizes) > 1):
        return (round(height * factor), round(width * factor)), (0.7, 1.5)
    return None, (round(0.7 * factor, 3), round(1.5 * factor, 3))


def below(path: Path, root: Path) -> str:
    """Return a folder as a config names it: below the data sets' root, else whole."""
    path, root = path.absolute(), root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
