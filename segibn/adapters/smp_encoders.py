"""Encoders for segmentation_models_pytorch: ``smp.Unet("segibn-resnet50_ibn_a", ...)``."""

from typing import Any

from torch import Tensor, nn

from segibn.adapters.features import LEVELS
from segibn.errors import ConfigError
from segibn.models.backbones import build_backbone
from segibn.models.catalog import BACKBONES, ibn_names, split_name
from segibn.models.weights.pretrained import WeightsReport, load_backbone_weights
from segibn.models.weights.sources import release_of

PREFIX = "segibn-"


def register_smp() -> list[str]:
    """Make segmentation_models_pytorch know every backbone; again, it changes nothing.

    -> the names, such as "segibn-resnet50_ibn_a", for any of its networks with
    `encoder_weights=None`; published weights: `model.encoder.load_weights("ibn_net")`.
    """
    try:
        from segmentation_models_pytorch.encoders import encoders
        from segmentation_models_pytorch.encoders._base import EncoderMixin
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"register_smp needs segmentation_models_pytorch ({error}): pip install segmentation-models-pytorch"
        ) from error

    networks = [*BACKBONES, *ibn_names()]
    encoder = type("IbnEncoder", (_Encoder, EncoderMixin, nn.Module), {})
    for name in networks:
        entry = {"encoder": encoder, "pretrained_settings": _NoHubWeights()}
        encoders.setdefault(PREFIX + name, entry | {"params": {"name": name}})
    return [PREFIX + name for name in networks]


class _Encoder:
    """What makes an encoder of a backbone; the other two bases come from smp and torch."""

    def __init__(self, name: str, depth: int = 5, output_stride: int = 32) -> None:
        nn.Module.__init__(self)  # type: ignore[arg-type]
        if not 1 <= depth <= len(LEVELS):
            raise ValueError(f"{PREFIX}{name}: depth is 1 to {len(LEVELS)}, got {depth}")
        self._network, self._ibn = split_name(name)
        network = build_backbone(self._network, self._ibn, output_stride)
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, *(spec.channels for spec in network.level_specs.values())]
        network.leave_out_after(depth - 1)
        self.backbone = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) images -> the images, then a feature at each of strides 2, 4, 8, 16, 32."""
        return [x, *self.backbone.walk(x, self._depth - 1).values()]

    def make_dilated(self, output_stride: int) -> None:
        """Do nothing: the backbone was built at this stride."""
        if output_stride != self._output_stride:
            built = f"this encoder has output stride {self._output_stride}"
            raise ValueError(f"{built}; build another for {output_stride}")

    def load_weights(self, source: str | None = None) -> WeightsReport:
        """Fill the encoder from a `model.weights`, by default this network's published ones."""
        if self._in_channels != 3:
            raise ValueError(
                f"weights are for 3 channels, this encoder has {self._in_channels}; load them "
                "into one with in_channels=3"
            )
        source = source or release_of(self._ibn)
        match = "exact" if self._depth == len(LEVELS) else "partial"
        return load_backbone_weights(self.backbone, source, self._network, self._ibn, match)


class _NoHubWeights(dict[str, Any]):
    """smp's table of weights: it would fetch them from a hub that ours are not in."""

    def __contains__(self, key: object) -> bool:
        raise ConfigError(
            f"encoder_weights={key!r}: give encoder_weights=None and then "
            "model.encoder.load_weights('ibn_net'), 'torchvision' or a file"
        )
