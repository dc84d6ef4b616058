"""Prediction with its confidence: RGB frame in, label map and probability of each pixel out.

What evaluation needs to measure calibration. It takes more time and memory than a label map alone,
so nothing else uses it.
"""

import numpy as np
import torch
from torch import Tensor

from segibn.models.confidence import predicted_probability
from segibn.models.resize import resize_image
from segibn.models.upsample import banded_argmax
from segibn.models.views import averaged_argmax
from segibn.predict import Predictor


class ConfidentPredictor(Predictor):
    """A predictor whose frames come with the network's confidence; arguments as ``Predictor``."""

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        """Predict one frame, and say how sure the network is of each pixel.

        Args:
            image: (H, W, 3) uint8 RGB. Not modified.

        Returns:
            (H, W) uint8 train ids, those of ``Predictor``; and (H, W) float32, the softmax
            probability of that class, averaged over the views.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"an image is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
        pixels = torch.from_numpy(np.require(image, requirements=["C", "W"]))
        images = pixels.to(self.device).permute(2, 0, 1).unsqueeze(0)
        size, corners = (image.shape[0], image.shape[1]), self.segmenter.align_corners
        with self._autocast():
            if self.options.is_single_view:
                views = [self._whole(images)]
                pred = banded_argmax(views[0], size, align_corners=corners)
            else:
                views = self._views(images)
                pred = averaged_argmax(views, size, align_corners=corners)
            confidence = predicted_probability(views, pred, align_corners=corners)
        return pred[0].cpu().numpy(), confidence[0].cpu().numpy()

    def _whole(self, images: Tensor) -> Tensor:
        """Logits (1, K, h, w) of the whole frame, computed as ``Segmenter.predict`` does."""
        size = self.options.size_for((images.shape[-2], images.shape[-1]))
        image = resize_image(self.segmenter.normalize(images), size)
        return self.segmenter.coarse_logits(image).float()
