"""The network that the rest of the package sees: backbone, head, resize to the input."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from segibn.models.kernels.resize import resize_image
from segibn.models.kernels.upsample_loss import upsampled_cross_entropy
from segibn.models.layers import banded_argmax, upsample

# Mean and spread of ImageNet's RGB values, 0..255: what the published weights were trained with.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


class SegmenterOutput(NamedTuple):
    """Logits at the heads' own resolution; resized when, and if, they are asked for."""

    coarse_logits: Tensor  # (N, K, h, w) float32
    coarse_aux_logits: Tensor | None
    size: tuple[int, int]  # (H, W) of the input
    align_corners: bool
    features: Mapping[str, Tensor] | None = None  # that the logits were computed from

    @property
    def logits(self) -> Tensor:
        """(N, K, H, W)."""
        return upsample(self.coarse_logits, self.size, align_corners=self.align_corners)

    @property
    def aux_logits(self) -> Tensor | None:
        """(N, K, H, W); None without such a head and outside training."""
        aux = self.coarse_aux_logits
        return None if aux is None else upsample(aux, self.size, align_corners=self.align_corners)

    def summed_cross_entropy(self, target: Tensor, class_weights: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Sums over the valid pixels of the main and the auxiliary logits' cross-entropy."""
        options = {"align_corners": self.align_corners, "class_weights": class_weights}
        main, aux = self.coarse_logits, self.coarse_aux_logits
        loss = upsampled_cross_entropy(main, target, **options)
        return loss, None if aux is None else upsampled_cross_entropy(aux, target, **options)


class Segmenter(nn.Module):
    """Backbone, head and an auxiliary head, in training alone, as one segmentation network.

    `align_corners` is how logits are resized: False except for networks that were trained so.
    """

    precisions = ("float32", "bfloat16", "float16")  # that prediction may run convolutions in

    def __init__(
        self, backbone: nn.Module, head: nn.Module, aux_head: nn.Module | None = None, *, align_corners: bool = False
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.aux_head = aux_head
        self.align_corners = align_corners
        self.num_classes: int = head.logits_spec.channels
        # They move with the model, checkpoints need not hold them.
        mean, std = torch.tensor([PIXEL_MEAN, PIXEL_STD], dtype=torch.float32).view(2, 1, 3, 1, 1)
        self.register_buffer("pixel_mean", mean.clone(), persistent=False)
        self.register_buffer("pixel_std", std.clone(), persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 RGB, or float32 of 0..255 -> float32 with mean about 0 and spread about 1 per channel."""
        return (images - self.pixel_mean).div_(self.pixel_std)

    def coarse_logits(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) normalised -> (N, K, h, w) logits at the head's own stride."""
        return self.head(self.backbone(image))

    def forward(self, image: Tensor) -> SegmenterOutput:
        """(N, 3, H, W) normalised -> logits, float32 also under autocast."""
        features = self.backbone(image)
        logits = self.head(features).float()
        aux_logits = self.aux_head(features).float() if self.training and self.aux_head is not None else None
        return SegmenterOutput(logits, aux_logits, (image.shape[-2], image.shape[-1]), self.align_corners, features)

    @torch.inference_mode()
    def predict(
        self, images: Tensor, size: tuple[int, int] | None = None, input_size: tuple[int, int] | None = None
    ) -> Tensor:
        """(N, 3, H, W) uint8 RGB, on any device -> (N, H, W) uint8 train ids on the module's.

        The result has `size`, the network sees `input_size`; both default to the images' own.
        """
        pixels = images.to(self.pixel_mean.device)
        image = self.normalize(pixels if input_size is None else resize_image(pixels, input_size))
        size = size or (images.shape[-2], images.shape[-1])
        return banded_argmax(self.coarse_logits(image).float(), size, align_corners=self.align_corners)
