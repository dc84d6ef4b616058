"""What is exported: a network with what comes before and after it, of free sizes.

Legend: N images, K classes, H x W pixels, h x w of the network's own logits.
"""

import torch
from torch import Tensor, nn

from segibn.models.segmenter import Segmenter

# N is 2: torch.export takes a batch of 1 for a constant.
_EXAMPLE = (2, 3, 96, 160)


class LogitsGraph(nn.Module):
    """Frames in 0..255 to logits at frame size.

    Args:
        segmenter: in evaluation mode.
        with_coarse: return the network's own logits too, for those who resize them by themselves.
    """

    def __init__(self, segmenter: Segmenter, *, with_coarse: bool = False) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.with_coarse = with_coarse

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, 3, H, W) float32 RGB in 0..255 -> logits (N, K, H, W), and (N, K, h, w) if asked."""
        coarse = self.segmenter.coarse_logits(self.segmenter.normalize(image)).float()
        logits = self.segmenter.resize(coarse, (image.shape[-2], image.shape[-1]))
        return (logits, coarse) if self.with_coarse else logits


class LabelsGraph(nn.Module):
    """Frames as they come from a decoder to label maps.

    Args:
        segmenter: in evaluation mode.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, image: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 RGB -> (N, H, W) uint8 train ids; of equal logits the first class."""
        image = image.permute(0, 3, 1, 2)
        coarse = self.segmenter.coarse_logits(self.segmenter.normalize(image)).float()
        logits = self.segmenter.resize(coarse, (image.shape[-2], image.shape[-1]))
        return logits.argmax(dim=1).to(torch.uint8)


def capture(graph: LogitsGraph | LabelsGraph) -> torch.export.ExportedProgram:
    """Trace a graph; the number of frames, their height and their width stay free."""
    if isinstance(graph, LabelsGraph):
        free, example = (0, 1, 2), torch.zeros(_EXAMPLE, dtype=torch.uint8).permute(0, 2, 3, 1)
    else:
        free, example = (0, 2, 3), torch.zeros(_EXAMPLE)
    dynamic = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    with torch.no_grad():
        return torch.export.export(graph, (example.contiguous(),), dynamic_shapes=(dynamic,))
