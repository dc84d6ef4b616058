"""Prediction: networks and ``InferenceOptions`` become logits, label maps, labels with confidence.

Legend: N images, K classes, H x W pixels of the frame, h x w of the logits.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from segibn.devices import image_layout
from segibn.errors import ConfigError, SegibnError
from segibn.evaluation.confusion import counts_of
from segibn.evaluation.evaluate import predicted
from segibn.inference.network import LabelNetwork, Network
from segibn.inference.options import WHOLE, InferenceOptions, InstanceShare
from segibn.inference.views import averaged_argmax, predicted_probability, summed_argmax
from segibn.inference.windows import slide
from segibn.models.kernels.resize import resize_image
from segibn.models.layers import NOT_FINITE, banded_argmax, upsample
from segibn.models.surgery import with_image_share
from segibn.text import counted

AnyNetwork = TypeVar("AnyNetwork", bound=Network)
Frame = TypeVar("Frame", bound=tuple[Any, ...])
Image = np.ndarray
"""(H, W, 3) uint8 RGB; never modified."""
Pair = tuple[np.ndarray, np.ndarray]


class Predictor:
    """Networks on a device, with how frames reach them; a call is one frame's label map.

    Probabilities of several networks are averaged. They move to the device (None = where the first
    is) and into evaluation mode, in place.
    """

    def __init__(
        self,
        networks: Network | Sequence[Network],
        device: torch.device | str | None = None,
        options: InferenceOptions | None = None,
    ) -> None:
        given = list(networks) if isinstance(networks, list | tuple) else [cast(Network, networks)]
        if len({(n.num_classes, n.align_corners) for n in given}) != 1:
            raise ConfigError(
                "networks that are averaged need the same number of classes and the same "
                "align_corners; got " + (", ".join(f"{n.num_classes}, {n.align_corners}" for n in given) or "none")
            )
        self.options = options or WHOLE
        if self.options.num_views * len(given) > 1 and any(getattr(n, "gives", "logits") != "logits" for n in given):
            raise ConfigError(
                "this network gives scores of masks, no logits, of which no probabilities can be "
                "averaged: leave out scales, --flip and --ensemble"
            )
        self.device = torch.device(device) if device else _device_of(given[0])
        precision = self.options.precision
        if not all(precision in n.precisions for n in given):
            why = "an exported graph has its precision inside; give a run or checkpoint"
            raise ConfigError(f"precision {precision}: {why}")
        if precision == "float16" and self.device.type != "cuda":
            raise ConfigError("precision float16 needs a CUDA device; use float32 or bfloat16")
        if precision != "float32" and self.device.type not in ("cuda", "cpu"):
            raise ConfigError(f"precision on {self.device.type} is float32")
        placed = [n.to(self.device, memory_format=image_layout(self.device)).eval() for n in given]
        share = self.options.instance_share
        self.networks = tuple(n if share is None else sharing(n, share) for n in placed)
        self.align_corners = given[0].align_corners
        self.is_ensemble = len(given) > 1

    def __call__(self, image: Image) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (H, W) uint8 train ids."""
        return label_maps(self, [image])[0]

    def over(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, np.ndarray]]:
        """Yield (frame, (H, W) uint8 train ids) in order; ``frame[1]`` is the image."""
        return predicted(frames, partial(label_maps, self), self.options.batch_size)

    @torch.inference_mode()
    def logits(self, images: Sequence[Image]) -> Iterator[Tensor]:
        """Yield the float32 logits (N, K, h, w) of images of one size: each scale, mirror, network.

        Those of windows are at the size of their scale, those of whole frames coarse; mirrored ones
        are mirrored back. While a network runs, only its input and the frames' bytes are in memory.
        """
        pixels = self.stack(images)
        base = self.options.size_for(pixels.shape[-2:])
        # The largest first: it needs most memory, and there is nothing yet that has to be kept.
        for scale in sorted(self.options.scales, reverse=True):
            size = (max(1, round(base[0] * scale)), max(1, round(base[1] * scale)))
            image = self.networks[0].normalize(resize_image(pixels, size))
            for mirrored in (False, True) if self.options.flip else (False,):
                image = image.flip(-1) if mirrored else image
                for network in self.networks:
                    with self._autocast():  # not around the yield, which runs the caller's code
                        view = self._view(network, image)
                    if self.options.temperature != 1:
                        view = view / self.options.temperature
                    yield (view.flip(-1) if mirrored else view).contiguous()
                    del view
            del image

    def check_finite(self, pixels: int) -> None:
        """Raise a `SegibnError` where pixels have no best class."""
        if not pixels:
            return
        advice = "the weights are of a training that diverged; take an earlier checkpoint"
        if self.options.precision != "float32":
            advice = f"{self.options.precision} may overflow; use precision float32, else {advice}"
        raise SegibnError(f"the network's logits are NaN or infinite at {counted(pixels, 'pixel')}: {advice}")

    def stack(self, images: Sequence[Image]) -> Tensor:
        """Check images and stack them: (N, 3, H, W) uint8 on the device."""
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        if len({image.shape for image in images}) != 1:
            sizes = sorted({"{}x{}".format(*image.shape) for image in images})
            raise ValueError(f"a batch holds frames of one size; got {', '.join(sizes) or 'none'}")
        # torch warns about read-only arrays, and PIL makes them; a stack is a new array anyway.
        writable = np.require(images[0][None] if len(images) == 1 else np.stack(images), None, ("C", "W"))
        return torch.from_numpy(writable).to(self.device).permute(0, 3, 1, 2)

    def _view(self, network: Network, image: Tensor) -> Tensor:
        """Coarse logits of the whole image, or full-size ones averaged over windows."""
        options = self.options
        if options.window is None:
            return network.coarse_logits(image).float()

        def full_size(part: Tensor) -> Tensor:
            logits, size = network.coarse_logits(part).float(), (part.shape[-2], part.shape[-1])
            return upsample(logits, size, align_corners=self.align_corners)

        return slide(full_size, image, options.window, options.steps, options.blending)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.options.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.options.precision))


@torch.inference_mode()
def device_label_maps(predictor: Predictor, images: Sequence[Image]) -> Tensor:
    """As `label_maps` -> (N, H, W), left on the device; ``NOT_FINITE`` in place of the error."""
    options, network = predictor.options, predictor.networks[0]
    if isinstance(network, LabelNetwork) and options.is_single_view and not predictor.is_ensemble:
        maps = network.label_maps(predictor.stack(images), options.size_for(images[0].shape))
        size = images[0].shape[:2]
        return maps if maps.shape[1:] == size else interpolate(maps[:, None], size, mode="nearest-exact")[:, 0]
    return _best_classes(predictor, predictor.logits(images), images[0])


def label_maps(predictor: Predictor, images: Sequence[Image]) -> list[np.ndarray]:
    """Predict frames of one size -> (H, W) uint8 train ids of each; SegibnError: logits are NaN or infinite."""
    found = device_label_maps(predictor, images).cpu().numpy()
    predictor.check_finite(int((found == NOT_FINITE).sum()))
    return list(found)


@torch.inference_mode()
def confident_label_maps(predictor: Predictor, images: Sequence[Image]) -> list[Pair]:
    """As `label_maps`, beside each its (H, W) float32 confidence.

    That is the softmax probability of the class, averaged over views and networks. All logits are
    kept for it, which takes more time and memory.
    """
    if getattr(predictor.networks[0], "gives", "logits") != "logits":
        raise ConfigError("this network gives scores of masks, no logits: it has no confidence")
    views = list(predictor.logits(images))
    pred = _best_classes(predictor, views, images[0])
    predictor.check_finite(int((pred == NOT_FINITE).sum()))
    confidence = predicted_probability(views, pred, align_corners=predictor.align_corners)
    return list(zip(pred.cpu().numpy(), confidence.cpu().numpy(), strict=True))


def count_on_device(
    target: np.ndarray, pred: Tensor, num_classes: int, check_finite: Callable[[int], None] = lambda pixels: None
) -> np.ndarray:
    """Count a label map where it is, exactly as `count_classes` -> (K, K+1) int64 on the host.

    ``target``: (H, W) uint8 train ids or ``IGNORE_INDEX``, on the host; ``pred`` on any device. A
    ValueError for different shapes or other values; ``check_finite`` is the ``Predictor``'s.
    """
    if tuple(target.shape) != tuple(pred.shape):
        raise ValueError(f"target is {target.shape} but pred is {tuple(pred.shape)}")
    moved = torch.from_numpy(np.require(target, requirements=["C", "W"])).to(pred.device)
    # One bincount over the codes of all pairs of 8-bit values: int64, exact, no float anywhere.
    counted = torch.bincount(moved.to(torch.int32).mul_(256).add_(pred).flatten(), minlength=256**2)
    pairs = counted.view(256, 256).cpu().numpy()
    check_finite(int(pairs[:, NOT_FINITE].sum()))
    return counts_of(pairs, num_classes)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a prediction failed because the device or the machine had no memory for it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _best_classes(predictor: Predictor, views: Iterable[Tensor], like: Image) -> Tensor:
    """Each pixel's class of the highest mean probability, at the size of an image."""
    size, corners = (like.shape[0], like.shape[1]), predictor.align_corners
    if predictor.options.num_views == 1 and not predictor.is_ensemble:
        (view,) = views
        return banded_argmax(view, size, align_corners=corners)
    if predictor.options.window is None:
        return averaged_argmax(list(views), size, align_corners=corners)
    return summed_argmax(views, size, align_corners=corners)  # too large to be kept


def _device_of(network: Network) -> torch.device:
    module = cast(torch.nn.Module, network)
    tensor = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if tensor is None else tensor.device


def sharing(network: AnyNetwork, share: InstanceShare) -> AnyNetwork:
    """Copy a network, its weights shared, so that batch norms take a share; ConfigError: it has none."""
    try:
        return with_image_share(network, share.share, share.finest, share.place)  # type: ignore[return-value, arg-type]
    except ValueError as error:
        raise ConfigError(f"instance_share {share}: {error}. An exported graph is given it by segibn export") from error
