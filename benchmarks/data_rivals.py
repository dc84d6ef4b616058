"""The pipelines that a training sample of ours is compared with, each as its users write it.

In: the paths of frames and label maps, the crop. Out: a callable that makes one augmented sample of
each frame. All scale at random by 0.5 to 2, crop, mirror and change the colours; they end in uint8
tensors, before any normalising.
"""

import sys
import types
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from benchmarks.timing import Call
from segibn.data.samples import SamplePaths
from segibn.data.transforms import PAD_COLOR
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import IGNORE_INDEX

SCALE_RANGE = (0.5, 2.0)
JITTER = (0.25, 0.5, 0.5, 0.1)
"""Brightness, contrast, saturation, hue: about the strengths of mmsegmentation's distortion."""
JITTER_PROBABILITY = 0.5
"""All four or none; mmsegmentation applies each by itself with this probability, which comes to the
same number of changes."""

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """What is measured: the samples on disk, (H, W) of a frame and (H, W) of the crop."""

    samples: Sequence[SamplePaths]
    size: tuple[int, int]
    crop: tuple[int, int]


def each(task: Task, draw: Callable[[SamplePaths], object]) -> Call:
    """Return a callable that draws a sample of every frame and keeps none of them."""

    def work() -> None:
        for sample in task.samples:
            draw(sample)

    return work


def mmsegmentation(task: Task) -> Call:
    """The train pipeline of its Cityscapes configs, up to and with PackSegInputs.

    ``cat_max_ratio`` is left out, since ours draws no second crop either. The label values are not
    mapped: its users convert the files beforehand. Padding is left to its model, so it is not
    counted here.
    """
    build = _import_mmseg()
    steps = [
        build({"type": "LoadImageFromFile"}),
        build({"type": "LoadAnnotations"}),
        build({"type": "RandomResize", "scale": task.size[::-1], "ratio_range": SCALE_RANGE, "keep_ratio": True}),
        build({"type": "RandomCrop", "crop_size": task.crop}),
        build({"type": "RandomFlip", "prob": 0.5}),
        build({"type": "PhotoMetricDistortion"}),
        build({"type": "PackSegInputs"}),
    ]

    def draw(sample: SamplePaths) -> Pair:
        results = {
            "img_path": str(sample.image),
            "seg_map_path": str(sample.target),
            "label_map": None,
            "reduce_zero_label": False,
            "seg_fields": [],
        }
        for step in steps:
            results = step(results)
        return results["inputs"], results["data_samples"].gt_sem_seg.data

    return each(task, draw)


def has_mmsegmentation() -> bool:
    """Say whether it can be imported, without doing so."""
    return all(find_spec(name) for name in ("mmseg", "mmcv", "mmengine"))


def _import_mmseg():
    """Import its transforms; they need none of the compiled operators, but import their package."""
    try:
        import mmcv.ops  # noqa: F401
    except ImportError:
        stand_in = types.ModuleType("mmcv.ops")
        stand_in.__getattr__ = lambda name: None  # type: ignore[method-assign]
        sys.modules["mmcv.ops"] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mmseg.datasets.transforms  # noqa: F401
        from mmseg.registry import TRANSFORMS
    return TRANSFORMS.build


def torchvision_v2(task: Task) -> Call:
    """The steps of torchvision's segmentation reference in its v2 form, plus the jitter."""
    table = _lookup()
    fill = {tv_tensors.Image: list(PAD_COLOR), tv_tensors.Mask: IGNORE_INDEX}
    low, high = (round(min(task.size) * scale) for scale in SCALE_RANGE)
    transform = v2.Compose(
        [
            v2.RandomResize(low, high + 1),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomCrop(task.crop, pad_if_needed=True, fill=fill),
            v2.RandomApply([v2.ColorJitter(*JITTER)], JITTER_PROBABILITY),
        ]
    )

    def draw(sample: SamplePaths) -> Pair:
        with Image.open(sample.image) as picture, Image.open(sample.target) as labels:
            image = tv_tensors.Image(v2.functional.pil_to_tensor(picture.convert("RGB")))
            target = tv_tensors.Mask(torch.from_numpy(table[np.asarray(labels)]))
        return transform(image, target)

    return each(task, draw)


def pil(task: Task) -> Call:
    """Pillow throughout: scale the frame (bicubic, labels nearest), pad, crop, mirror, jitter.

    The first segmentation codes have it so, and RobustNet's after them.
    """
    table = _lookup()
    rng = np.random.default_rng(0)
    jitter = v2.ColorJitter(*JITTER)
    height, width = task.crop

    def draw(sample: SamplePaths) -> Pair:
        image = Image.open(sample.image).convert("RGB")
        target = Image.fromarray(table[np.asarray(Image.open(sample.target))])
        scale = rng.uniform(*SCALE_RANGE)
        size = [round(side * scale) for side in image.size]
        image, target = image.resize(size, Image.BICUBIC), target.resize(size, Image.NEAREST)
        if size[0] < width or size[1] < height:
            whole = (max(width, size[0]), max(height, size[1]))
            padded, ignored = Image.new("RGB", whole, PAD_COLOR), Image.new("L", whole, 255)
            padded.paste(image), ignored.paste(target)
            image, target = padded, ignored
        left = rng.integers(image.width - width + 1)
        top = rng.integers(image.height - height + 1)
        box = (left, top, left + width, top + height)
        image, target = image.crop(box), target.crop(box)
        if rng.uniform() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
            target = target.transpose(Image.FLIP_LEFT_RIGHT)
        if rng.uniform() < JITTER_PROBABILITY:
            image = jitter(image)
        return v2.functional.pil_to_tensor(image), v2.functional.pil_to_tensor(target)

    return each(task, draw)


def albumentations_full_frame(task: Task) -> Call:
    """The plain recipe with OpenCV and albumentations: scale the frame, pad, crop, flip, jitter."""
    import albumentations as A

    table = _lookup()
    height, width = task.crop
    transform = A.Compose(
        [
            A.RandomScale((SCALE_RANGE[0] - 1, SCALE_RANGE[1] - 1), p=1.0),
            A.PadIfNeeded(height, width, border_mode=cv2.BORDER_CONSTANT, fill=PAD_COLOR, fill_mask=IGNORE_INDEX),
            A.RandomCrop(height, width),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(*JITTER, p=JITTER_PROBABILITY),
        ]
    )

    def draw(sample: SamplePaths) -> Pair:
        image = cv2.cvtColor(cv2.imread(str(sample.image)), cv2.COLOR_BGR2RGB)
        labels = cv2.imread(str(sample.target), cv2.IMREAD_UNCHANGED)
        drawn = transform(image=image, mask=table[labels])
        pixels = torch.from_numpy(np.ascontiguousarray(drawn["image"]))
        return pixels.permute(2, 0, 1), torch.from_numpy(np.ascontiguousarray(drawn["mask"]))

    return each(task, draw)


def _lookup() -> np.ndarray:
    """(256,) uint8: train id of each label id, 255 for all others."""
    return np.where(CITYSCAPES.lookup < 0, IGNORE_INDEX, CITYSCAPES.lookup).astype(np.uint8)
