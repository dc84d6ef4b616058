"""Prediction: a network becomes a callable, RGB frame in, label map of the same size out.

In: a ``Segmenter`` and ``InferenceOptions``. Out: ``Predictor``, which evaluation, submissions
and pictures call; ``predict_folder`` writes label maps and overlays for a folder of frames.

Legend: N images, K classes, H x W pixels of the frame, h x w of the logits.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segibn.errors import CheckpointError, ConfigError, DatasetError
from segibn.files import list_files, read_image, write_image, write_label_png
from segibn.models.segmenter import Segmenter
from segibn.models.views import averaged_argmax, window_slices
from segibn.visualize import overlay

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
Size = tuple[int, int]


@dataclass(frozen=True)
class InferenceOptions:
    """How a frame reaches the network. Whatever is chosen, label maps come at frame size.

    Logits of overlapping windows are averaged; the softmax of each scale and of the mirrored
    frame is averaged over all of them (Cityscapes' usual "multi-scale + flip").
    """

    input_size: Size | None = None
    """(H, W) that frames are resized to first; None = their own size."""
    input_height: int | None = None
    """Frames are resized to this height first, the width in proportion; instead of the above."""
    window: Size | None = None
    """(H, W) of a sliding window; None = the whole frame at once."""
    stride: Size | None = None
    """(H, W) from one window to the next; None = two thirds of the window."""
    scales: tuple[float, ...] = (1.0,)
    """The frame is also seen at these sizes, relative to that size."""
    flip: bool = False
    """Whether each view is also seen mirrored left-right."""
    precision: str = "float32"
    """float32, bfloat16 or float16: the number format of the convolutions."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.scales or min(self.scales) <= 0:
            raise ConfigError(f"scales {self.scales}: give at least one number above 0")
        if self.input_size is not None and self.input_height is not None:
            raise ConfigError("give input_size or input_height, not both")
        if self.stride is not None and self.window is None:
            raise ConfigError("a stride without a window has no meaning; give both or neither")
        if self.window and any(s > w for s, w in zip(self.steps, self.window, strict=True)):
            raise ConfigError(
                f"stride {self.stride} is larger than the window {self.window}: pixels between "
                "two windows would be seen by none"
            )
        if self.precision not in ("float32", "bfloat16", "float16"):
            raise ConfigError(
                f"precision '{self.precision}'; there are float32, bfloat16 and float16"
            )

    @property
    def steps(self) -> Size:
        """(H, W) from one window to the next; needs a window."""
        assert self.window is not None
        return self.stride or (max(1, self.window[0] * 2 // 3), max(1, self.window[1] * 2 // 3))

    def size_for(self, frame: Size) -> Size:
        """(H, W) that a frame of this size is resized to."""
        if self.input_height is not None:
            return self.input_height, max(1, round(frame[1] * self.input_height / frame[0]))
        return self.input_size or frame

    @property
    def is_single_view(self) -> bool:
        """Whether the network sees the whole frame once."""
        return self.window is None and self.scales == (1.0,) and not self.flip


class Predictor:
    """A callable from one RGB frame to its label map; evaluation knows nothing else of a network.

    Args:
        segmenter: moved to ``device`` and put into evaluation mode, in place.
        device: where to compute; None = where the segmenter is.
        options: how frames reach the network.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        device: torch.device | str | None = None,
        options: InferenceOptions | None = None,
    ) -> None:
        self.options = options or InferenceOptions()
        self.device = torch.device(device) if device else segmenter.pixel_mean.device
        if self.options.precision == "float16" and self.device.type != "cuda":
            raise ConfigError("precision float16 needs a CUDA device; use float32 or bfloat16")
        self.segmenter = segmenter.to(self.device, memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Predict one frame.

        Args:
            image: (H, W, 3) uint8 RGB. Not modified.

        Returns:
            (H, W) uint8 train ids.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        # torch warns about read-only arrays, and PIL makes them.
        pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))
        images = pixels.to(self.device).permute(2, 0, 1).unsqueeze(0)
        with self._autocast():
            if self.options.is_single_view:
                size = self.options.size_for((image.shape[0], image.shape[1]))
                pred = self.segmenter.predict(images, input_size=size)
            else:
                views = self._views(images)
                pred = averaged_argmax(
                    views,
                    (image.shape[0], image.shape[1]),
                    align_corners=self.segmenter.align_corners,
                )
        return pred[0].cpu().numpy()

    def _views(self, images: Tensor) -> list[Tensor]:
        """Logits (1, K, h, w) of every scale and mirror image, mirrored back."""
        base = self.options.size_for((images.shape[-2], images.shape[-1]))
        normalized = self.segmenter.normalize(images)
        views = []
        for scale in self.options.scales:
            size = (max(1, round(base[0] * scale)), max(1, round(base[1] * scale)))
            image = resize_input(normalized, size)
            views.append(self._logits(image))
            if self.options.flip:
                views.append(self._logits(image.flip(-1)).flip(-1))
        return views

    def _logits(self, image: Tensor) -> Tensor:
        """Coarse logits of the whole image, or full-size ones averaged over windows."""
        if self.options.window is None:
            return self.segmenter.coarse_logits(image).float()
        size = (image.shape[-2], image.shape[-1])
        total = counts = None
        for rows, columns in window_slices(size, self.options.window, self.options.steps):
            part = image[..., rows, columns]
            logits = self.segmenter.coarse_logits(part).float()
            if total is None or counts is None:
                total = logits.new_zeros((1, logits.shape[1], *size))
                counts = logits.new_zeros(size)
            part_size = (part.shape[-2], part.shape[-1])
            total[..., rows, columns] += self.segmenter.resize(logits, part_size)
            counts[rows, columns] += 1
        assert total is not None
        return total.div_(counts)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.options.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.options.precision))


def read_ahead(paths: Iterable[Path], depth: int = 4) -> Iterator[tuple[Path, np.ndarray]]:
    """Yield (path, image (H, W, 3) uint8 RGB) in order, decoding up to ``depth`` files ahead.

    Raises:
        ImageFileError: a file is missing or damaged; raised when its turn comes.
    """
    pending: deque[tuple[Path, Future[np.ndarray]]] = deque()
    with ThreadPoolExecutor(max_workers=max(1, min(depth, 4))) as pool:
        try:
            for path in paths:
                pending.append((path, pool.submit(read_image, path)))
                if len(pending) > depth:
                    done, future = pending.popleft()
                    yield done, future.result()
            while pending:
                done, future = pending.popleft()
                yield done, future.result()
        finally:
            for _, future in pending:
                future.cancel()


def find_checkpoint(path: str | Path) -> Path:
    """Return a checkpoint file: the path itself, or the last one of a run folder.

    Raises:
        CheckpointError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        last = path / "checkpoints" / "last.pt"
        if not last.is_file():
            raise CheckpointError(f"{path} is no run folder: it has no {last.relative_to(path)}")
        return last
    if not path.is_file():
        raise CheckpointError(
            f"no run or checkpoint {path}; give a run folder (such as runs/gta5_ibn) or a .pt file"
        )
    return path


def index_images(folder: Path) -> dict[str, Path]:
    """Find the frames of a folder and its subfolders: relative name without suffix -> path.

    Raises:
        DatasetError: no folder, no images, or two files that differ in their suffix only.
    """
    paths = list_files(folder, IMAGE_SUFFIXES, recursive=True)
    if not paths:
        raise DatasetError(f"{folder}: holds no images ({', '.join(IMAGE_SUFFIXES)})")
    found: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DatasetError(f"{found[name]} and {path} have one name; remove one of them")
        found[name] = path
    return found


def predict_folder(
    predict: Callable[[np.ndarray], np.ndarray],
    images: Path,
    output: Path,
    palette: np.ndarray,
    *,
    overlays: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write ``labels/<name>.png`` and ``overlays/<name>.jpg`` for each frame of a folder.

    Args:
        predict: (H, W, 3) uint8 RGB -> (H, W) uint8 train ids.
        images: folder of frames; subfolders are kept in the output.
        output: folder to write to.
        palette: (K, 3) uint8 RGB. Label PNGs hold train ids as palette indices.
        overlays: whether to write pictures too.
        progress: called with frames done and frames in all.

    Returns:
        The number of frames.
    """
    frames = index_images(images)
    names = {path: name for name, path in frames.items()}
    for done, (path, image) in enumerate(read_ahead(frames.values()), start=1):
        train_ids = predict(image)
        write_label_png(output / "labels" / f"{names[path]}.png", train_ids, palette)
        if overlays:
            picture = overlay(image, train_ids, palette)
            write_image(output / "overlays" / f"{names[path]}.jpg", picture)
        if progress:
            progress(done, len(frames))
    return len(frames)


def resize_input(image: Tensor, size: Size) -> Tensor:
    """Resize normalised images as ``Segmenter.predict`` does: smoothed when they shrink."""
    if tuple(image.shape[-2:]) == size:
        return image
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
