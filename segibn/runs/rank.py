"""Which unlabelled frames to label next: those that a network is least sure of, unlike each other.

Uncertainty by entropy or margin of the softmax, mean over pixels (Settles, Active Learning Literature
Survey, 2009, section 3.1); diversity by the k-centre greedy rule on pooled features of the backbone
(Sener and Savarese, arXiv 1708.00489, algorithm 1).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from segibn.errors import ConfigError, DatasetError, ImageFileError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.folders import list_files
from segibn.files.pictures import read_image
from segibn.files.pool import map_in_threads
from segibn.files.writing import write_json, write_text
from segibn.inference.predictor import Predictor
from segibn.labels.drawing import overlay
from segibn.models.segmenter import Segmenter
from segibn.report.contact_sheet import SheetFrame, SheetPart, build_sheet
from segibn.runs.contact_sheet import as_jpeg
from segibn.runs.trained import TrainedRun
from segibn.text import printable

RULES = ("entropy", "margin", "diverse", "both")
_POOL = 4  # times as many of the least sure as are wanted, for the rule "both"
_THREADS = 2


@dataclass(frozen=True)
class Ranked:
    """One frame."""

    name: str  # below the folder, with its ending
    entropy: float  # mean over pixels, in nats / log K: 0..1
    margin: float  # mean over pixels of the two best probabilities' difference, 0..1
    feature: np.ndarray  # (C,) float32 of length one
    picture: bytes  # JPEG of the overlay, small


@torch.inference_mode()
def measure(predictor: Predictor, image: np.ndarray) -> tuple[np.ndarray, float, float, np.ndarray]:
    """A frame (H, W, 3) uint8 RGB -> train ids at the logits' size, entropy, margin, feature."""
    network = predictor.networks[0]
    if not isinstance(network, Segmenter):
        raise ConfigError("rank needs a network of segibn, which has a backbone; give a run or a shipped network")
    pooled: list[torch.Tensor] = []
    hook = network.backbone.register_forward_hook(
        lambda _, __, out: pooled.append(out["layer4"].float().mean((0, 2, 3)))
    )
    try:
        view = next(predictor.logits([image]))
    finally:
        hook.remove()
    probability = view[0].softmax(0)
    entropy = -(probability * probability.clamp_min(1e-12).log()).sum(0).mean() / np.log(len(probability))
    best = probability.topk(2, dim=0).values
    feature = torch.nn.functional.normalize(pooled[0], dim=0)
    ids = probability.argmax(0).to(torch.uint8).cpu().numpy()
    return ids, float(entropy), float((best[0] - best[1]).mean()), feature.cpu().numpy()


def choose(frames: Sequence[Ranked], count: int, rule: str) -> list[int]:
    """Return the places of the frames to label, the most wanted first."""
    entropy = np.array([frame.entropy for frame in frames])
    margin = np.array([frame.margin for frame in frames])
    order = np.argsort(margin if rule == "margin" else -entropy, kind="stable")
    if rule in ("entropy", "margin"):
        return order[:count].tolist()
    pool = order[: _POOL * count] if rule == "both" else order
    features = np.stack([frames[place].feature for place in pool])
    return [int(pool[place]) for place in k_centre(features, count)]


def k_centre(features: np.ndarray, count: int) -> list[int]:
    """Choose rows (n, C) one after the other, each the farthest from those chosen; the first is row 0."""
    chosen = [0]
    nearest = np.linalg.norm(features - features[0], axis=1)
    while len(chosen) < min(count, len(features)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return chosen


def rank_folder(
    run: TrainedRun,
    folder: Path,
    output: Path,
    count: int,
    rule: str,
    done_before: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[str]]:
    """Write ``rank.txt`` (names, one a line), ``rank.json`` and ``rank.html`` -> the names; what cannot be read.

    ``done_before``: a text file of names that are labelled already, which are left out.
    """
    paths = list_files(folder, IMAGE_SUFFIXES, recursive=True)
    if done_before is not None:
        known = set(done_before.read_text(encoding="utf-8").split("\n"))
        paths = [path for path in paths if path.relative_to(folder).as_posix() not in known]
    if not paths:
        raise DatasetError(f"{printable(folder)}: no frames to rank in it")
    frames: list[Ranked] = []
    unread: list[str] = []
    for path, image in map_in_threads(_read_or_say, paths, _THREADS):
        if isinstance(image, ImageFileError):
            unread.append(str(image))
            continue
        ids, entropy, margin, feature = measure(run.predictor, image)
        small = cv2.resize(
            image, (480, max(1, round(480 * image.shape[0] / image.shape[1]))), interpolation=cv2.INTER_AREA
        )
        shown = cv2.resize(ids, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_NEAREST)
        name = path.relative_to(folder).as_posix()
        frames.append(Ranked(name, entropy, margin, feature, as_jpeg(overlay(small, shown, run.palette))))
        if progress is not None:
            progress(len(frames) + len(unread), len(paths))
    if not frames:
        raise DatasetError(f"{printable(folder)}: no frame of it can be read; the first: {unread[0]}")
    chosen = [frames[place] for place in choose(frames, count, rule)]
    write_text(output / "rank.txt", "".join(f"{frame.name}\n" for frame in chosen))
    rows = [{"name": frame.name, "entropy": frame.entropy, "margin": frame.margin} for frame in chosen]
    write_json(output / "rank.json", {"rule": rule, "frames": rows})
    cards = [
        SheetFrame(frame.name, frame.picture, f"{place}. entropy {frame.entropy:.3f}, margin {frame.margin:.3f}")
        for place, frame in enumerate(chosen, start=1)
    ]
    notes = [f"chosen by the rule '{rule}' of {len(frames)} frames", *(f"left out: {text}" for text in unread)]
    part = SheetPart("To label next", len(chosen), [], [], [], notes, cards)
    write_text(output / "rank.html", build_sheet([part], "Which frames to label next"))
    return [frame.name for frame in chosen], unread


def _read_or_say(path: Path) -> np.ndarray | ImageFileError:
    try:
        return read_image(path)
    except ImageFileError as error:
        return error
