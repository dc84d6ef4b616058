"""Prediction with its confidence: RGB frame in, label map and probability of each pixel out.

What evaluation needs to measure calibration. It takes more time and memory than a label map alone
(every view's logits are kept), so nothing else uses it.
"""

from collections.abc import Sequence

import numpy as np
import torch

from segibn.inference.predictor import Predictor
from segibn.inference.probability import predicted_probability
from segibn.inference.views import averaged_argmax, summed_argmax
from segibn.models.upsample import NOT_FINITE, banded_argmax

Pair = tuple[np.ndarray, np.ndarray]


class ConfidentPredictor(Predictor):
    """A predictor whose label maps come with the confidence; arguments as ``Predictor``."""

    def __call__(self, image: np.ndarray) -> Pair:  # type: ignore[override]
        """Predict one frame; see ``predict_batch``."""
        return self.predict_batch([image])[0]

    @torch.inference_mode()
    def predict_batch(self, images: Sequence[np.ndarray]) -> list[Pair]:  # type: ignore[override]
        """Predict frames of one size, and say how sure the network is of each pixel.

        Args:
            images: (H, W, 3) uint8 RGB each, at least one. Not modified.

        Returns:
            For each (H, W) uint8 train ids, those of ``Predictor``; and (H, W) float32, the softmax
            probability of that class, averaged over views and networks.
        """
        pixels = self._to_device(images)
        size, corners = (pixels.shape[-2], pixels.shape[-1]), self.segmenter.align_corners
        with self._autocast():
            views = list(self._each_view(pixels))
            if len(views) == 1:
                pred = banded_argmax(views[0], size, align_corners=corners)
            elif self.options.window is None:
                pred = averaged_argmax(views, size, align_corners=corners)
            else:
                pred = summed_argmax(views, size, align_corners=corners)
            self.check_finite(int((pred == NOT_FINITE).sum()))
            confidence = predicted_probability(views, pred, align_corners=corners)
        return list(zip(pred.cpu().numpy(), confidence.cpu().numpy(), strict=True))
