"""Prediction: a network becomes a callable, RGB frame in, label map of the same size out.

In: a ``Segmenter`` or several, and ``InferenceOptions``. Out: ``Predictor``, which evaluation,
submissions and pictures call. What users' files need around it is in ``segibn.media``.

Legend: N images, K classes, H x W pixels of the frame, h x w of the logits.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from segibn.devices import image_layout
from segibn.errors import ConfigError, SegibnError
from segibn.evaluation.batches import predicted
from segibn.files import read_image
from segibn.files.pool import map_in_threads
from segibn.inference.options import InferenceOptions
from segibn.inference.views import averaged_argmax, summed_argmax
from segibn.inference.windows import slide
from segibn.models.kernels.resize import resize_image
from segibn.models.segmenter import Segmenter
from segibn.models.upsample import NOT_FINITE, banded_argmax
from segibn.text import counted

Frame = TypeVar("Frame", bound=tuple[Any, ...])


class Predictor:
    """A callable from one RGB frame to its label map; evaluation knows nothing else of a network.

    Args:
        segmenter: one network, or several whose probabilities are averaged; moved to ``device``
            and put into evaluation mode, in place.
        device: where to compute; None = where the first network is.
        options: how frames reach the networks.

    Raises:
        ConfigError: the device lacks the precision, or the networks cannot be averaged.
    """

    def __init__(
        self,
        segmenter: Segmenter | Sequence[Segmenter],
        device: torch.device | str | None = None,
        options: InferenceOptions | None = None,
    ) -> None:
        networks = [segmenter] if isinstance(segmenter, Segmenter) else list(segmenter)
        if len({(n.num_classes, n.align_corners) for n in networks}) != 1:
            raise ConfigError(
                "networks that are averaged need the same number of classes and the same "
                "align_corners; got "
                + (", ".join(f"{n.num_classes}, {n.align_corners}" for n in networks) or "none")
            )
        self.options = options or InferenceOptions()
        if self.options.precision != "float32" and not all(list(n.parameters()) for n in networks):
            raise ConfigError(
                f"precision {self.options.precision}: an exported graph has its precision inside; "
                "give a run or checkpoint"
            )
        self.device = torch.device(device) if device else networks[0].pixel_mean.device
        if self.options.precision == "float16" and self.device.type != "cuda":
            raise ConfigError("precision float16 needs a CUDA device; use float32 or bfloat16")
        if self.options.precision != "float32" and self.device.type not in ("cuda", "cpu"):
            raise ConfigError(f"precision on {self.device.type} is float32")
        self.segmenters = tuple(
            network.to(self.device, memory_format=image_layout(self.device)).eval()
            for network in networks
        )
        self.segmenter = self.segmenters[0]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Predict one frame.

        Args:
            image: (H, W, 3) uint8 RGB. Not modified.

        Returns:
            (H, W) uint8 train ids.
        """
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Predict frames of one size at once; see ``InferenceOptions.batch_size``.

        Args:
            images: (H, W, 3) uint8 RGB each, at least one. Not modified.

        Returns:
            (H, W) uint8 train ids of each.

        Raises:
            SegibnError: logits are NaN or infinite.
        """
        found = self.predict_tensor(images).cpu().numpy()
        self.check_finite(int((found == NOT_FINITE).sum()))
        return list(found)

    def check_finite(self, pixels: int) -> None:
        """Raise a `SegibnError` unless it was no pixel for which there is no best class."""
        if not pixels:
            return
        advice = "the weights are of a training that diverged; take an earlier checkpoint"
        if self.options.precision != "float32":
            advice = f"{self.options.precision} may overflow; use precision float32, else {advice}"
        raise SegibnError(
            f"the network's logits are NaN or infinite at {counted(pixels, 'pixel')}: {advice}"
        )

    @torch.inference_mode()
    def predict_tensor(self, images: Sequence[np.ndarray]) -> Tensor:
        """As ``predict_batch``; (N, H, W) uint8 train ids, left on the device.

        Where logits are not finite they are ``NOT_FINITE``.
        """
        pixels = self._to_device(images)
        size = (pixels.shape[-2], pixels.shape[-1])
        corners = self.segmenter.align_corners
        with self._autocast():
            if self.options.is_single_view and len(self.segmenters) == 1:
                return self.segmenter.predict(pixels, input_size=self.options.size_for(size))
            if self.options.num_views * len(self.segmenters) == 1:
                return banded_argmax(self._views(pixels)[0], size, align_corners=corners)
            if self.options.window is None:
                return averaged_argmax(self._views(pixels), size, align_corners=corners)
            return summed_argmax(self._each_view(pixels), size, align_corners=corners)

    def over(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, np.ndarray]]:
        """Yield (frame, (H, W) uint8 train ids) in order; ``frame[1]`` is the image.

        Frames that follow each other and have one size are predicted ``options.batch_size`` at a
        time.
        """
        return predicted(frames, self, self.predict_batch, self.options.batch_size)

    def _to_device(self, images: Sequence[np.ndarray]) -> Tensor:
        """Check images and stack them: (N, 3, H, W) uint8 on the device."""
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(
                    f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
                )
        if len({image.shape for image in images}) != 1:
            sizes = sorted({"{}x{}".format(*image.shape) for image in images})
            raise ValueError(f"a batch holds frames of one size; got {', '.join(sizes) or 'none'}")
        # torch warns about read-only arrays, and PIL makes them; a stack is a new array anyway.
        stack = np.require(images[0][None] if len(images) == 1 else np.stack(images), None, "CW")
        return torch.from_numpy(stack).to(self.device).permute(0, 3, 1, 2)

    def _views(self, images: Tensor) -> list[Tensor]:
        """Logits (N, K, h, w) of every scale, mirror image and network, mirrored back."""
        return list(self._each_view(images))

    def _each_view(self, images: Tensor) -> Iterator[Tensor]:
        """Yield logits (N, K, h, w), those of the largest scale first.

        The first view then is the one that the network needs most memory for, and there is
        nothing yet that has to be kept. While a network runs there are no images but its own
        input and the frames as bytes.
        """
        base = self.options.size_for((images.shape[-2], images.shape[-1]))
        for scale in sorted(self.options.scales, reverse=True):
            size = (max(1, round(base[0] * scale)), max(1, round(base[1] * scale)))
            image = resize_image(self.segmenter.normalize(images), size)
            for mirrored in (False, True) if self.options.flip else (False,):
                image = image.flip(-1) if mirrored else image
                for network in self.segmenters:
                    yield self._logits(network, image, mirrored)
            del image

    def _logits(self, network: Segmenter, image: Tensor, mirrored: bool) -> Tensor:
        """Coarse logits of the whole image, or full-size ones averaged over windows."""
        window = self.options.window
        if window is None:
            logits = network.coarse_logits(image).float()
        else:
            logits = slide(
                lambda part: network.resize(
                    network.coarse_logits(part).float(), (part.shape[-2], part.shape[-1])
                ),
                image,
                window,
                self.options.steps,
                self.options.blending,
            )
        return logits.flip(-1).contiguous() if mirrored else logits.contiguous()

    def _autocast(self) -> AbstractContextManager[object]:
        if self.options.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.options.precision))


def read_ahead(paths: Iterable[Path], depth: int = 4) -> Iterator[tuple[Path, np.ndarray]]:
    """Yield (path, image (H, W, 3) uint8 RGB) in order, decoding up to ``depth`` files ahead.

    Raises:
        ImageFileError: a file is missing or damaged; raised when its turn comes.
    """
    return map_in_threads(read_image, paths, min(depth, 4), depth)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a prediction failed because the device or the machine had no memory for it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
