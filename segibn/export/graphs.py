"""What is exported: a network with what comes before and after it, of free sizes.

Legend: N images, K classes, H x W pixels, h x w of the network's own logits.
"""

import torch
from torch import Tensor, nn

from segibn.models.segmenter import Segmenter

# N is 2: torch.export takes a batch of 1 for a constant.
_EXAMPLE = (2, 3, 96, 160)


class ExportGraph(nn.Module):
    """Frames in 0..255 to logits at frame size, or frames as decoders give them to label maps.

    Args:
        segmenter: in evaluation mode.
        labels: label maps come out.
        with_coarse: the network's own logits come out too, for those who resize them themselves.
    """

    def __init__(
        self, segmenter: Segmenter, *, labels: bool = False, with_coarse: bool = False
    ) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.labels, self.with_coarse = labels, with_coarse

    def logits(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) RGB in 0..255 -> logits (N, K, H, W) and (N, K, h, w), float32."""
        coarse = self.segmenter.coarse_logits(self.segmenter.normalize(image)).float()
        return self.segmenter.resize(coarse, (image.shape[-2], image.shape[-1])), coarse

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 3, H, W) float32 -> logits; with ``labels``, (N, H, W, 3) uint8 -> (N, H, W) uint8.

        Label maps are train ids; of equal logits the first class.
        """
        if self.labels:
            return self.logits(image.permute(0, 3, 1, 2))[0].argmax(dim=1).to(torch.uint8)
        logits, coarse = self.logits(image)
        return (logits, coarse) if self.with_coarse else logits

    def capture(self) -> torch.export.ExportedProgram:
        """Trace the graph; the number of frames, their height and their width stay free."""
        free, example = (0, 2, 3), torch.zeros(_EXAMPLE)
        if self.labels:
            free, example = (0, 1, 2), example.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        dynamic = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
        with torch.no_grad():
            return torch.export.export(self, (example,), dynamic_shapes=(dynamic,))
