"""What IBN and a share of the image's statistics are worth, and what they cost: one table.

In: folders of cross-domain rows, and the times of `benchmarks/instance_share.py`. Out: a row a
network, with its pretrained weights, its norm, the scores on source and targets, and both costs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segibn.evaluation.results import ROWS_FILE
from segibn.evaluation.rows import Seeds, gather
from segibn.files.writing import read_json
from segibn.text import markdown_table

NAME = "norms"
"""Last part of the marker's name; there is no file of that name."""
TIMES_FILE = "benchmarks/instance_share.json"
_NETWORKS = {"tf_efficientnet_lite0": "EfficientNet-Lite0", "resnet18": "ResNet-18", "resnet50": "ResNet-50"}
_LEGEND = (
    "mIoU in %, mean ± sample standard deviation over the seeds; of the targets: of their mean. A "
    "training step and a frame beside those of the same network with batch norm (PyTorch, CPU); a "
    "dash: not measured."
)
Content = Mapping[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder of results, and what its rows do not say."""

    name: str
    weights: str = "ImageNet"
    note: str = ""


@dataclass(frozen=True)
class Shift:
    """Networks that were trained on one set and scored on the same others."""

    title: str
    source: str
    """Column of the set that they were trained on."""
    folders: tuple[Folder, ...]


SHIFTS = (
    Shift(
        "CamVid to Cityscapes, BDD100K",
        "camvid",
        (Folder("camera_to_camera", "none"), Folder("camera_lite"), Folder("camera_lite_share")),
    ),
    Shift(
        "Cityscapes to CamVid, BDD100K, IDD-Lite",
        "cityscapes:val",
        (
            Folder("cityscapes_small"),
            Folder("cityscapes_small_at_once", note="at once"),
            Folder("cityscapes_small_resnet50", note="500 updates"),
            Folder("cityscapes_small_share"),
        ),
    ),
    Shift("BDD100K, bright to dark", "day", (Folder("day_night_lite"), Folder("day_night_lite_share"))),
)


def render_norms(results: Path) -> str:
    """Render the table from the folders of ``results`` that are there."""
    times = {row["subject"]: row["ratio"] for row in read_json(results / TIMES_FILE)}
    head = ("shift", "network", "weights", "norm", "seeds", "source", "targets", "step", "frame")
    body = [
        line
        for shift in SHIFTS
        for folder in shift.folders
        if (results / folder.name).is_dir()
        for line in _lines(shift, folder, read_json(results / folder.name / ROWS_FILE), times)
    ]
    return "\n".join([*markdown_table(head, body, right=4), "", _LEGEND]) + "\n"


def _lines(shift: Shift, folder: Folder, rows: list[Content], times: Mapping[str, float]) -> list[list[str]]:
    """A line for every network and norm of a folder; each seed may have a share of its own."""
    lines = []
    for (network, ibn), sets in gather(rows, lambda r: (r["network"], r["ibn"]), "test").items():
        seeds = [row["seed"] for row in sets[shift.source]]
        found = filter(None, map(_share, sets[shift.source]))
        shares = list(dict.fromkeys(map(_norm, found)))
        targets = [sets[name] for name in sets if name != shift.source]
        means = Seeds(sum(row["miou"] for row in of_seed) / len(of_seed) for of_seed in zip(*targets, strict=True))
        name, norm = _NETWORKS.get(network, network), _norm(ibn)
        used = shares[0] if len(shares) == 1 else "several" if shares else norm
        notes = [norm, f"{' or '.join(shares)} at test time" if shares else "", folder.note]
        lines.append(
            [
                shift.title,
                name,
                folder.weights,
                ", ".join(filter(None, notes)),
                str(len(seeds)),
                Seeds(row["miou"] for row in sets[shift.source]).text(),
                means.text(),
                _ratio(times, name, norm, "training step"),
                _ratio(times, name, used, "frame"),
            ]
        )
    return lines


def _share(row: Content) -> str:
    """The share at test time, "" if there is none."""
    found = re.search(r"-(share[^|]*)\|", row["signature"])
    return found[1] if found else ""


def _norm(ibn: str) -> str:
    """Norm as the benchmark calls it."""
    if ibn == "none":
        return "batch norm"
    return ibn.replace("share", "share ") if ibn.startswith("share") else f"IBN-{ibn}"


def _ratio(times: Mapping[str, float], network: str, norm: str, work: str) -> str:
    if norm == "batch norm":
        return "1.00"
    # How much of the statistics is the image's makes no difference to the time.
    norm = re.sub(r"share [\d.]+@8\b", "share 0.3@8", norm)
    ratio = times.get(f"{network}, {norm}, {work}")
    return "-" if ratio is None else f"{ratio:.2f}"
