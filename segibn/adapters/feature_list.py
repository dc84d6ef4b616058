"""timm's `features_only` form: a list of features, and a `feature_info` that describes it.

Level 0 is the feature at stride 2, levels 1 to 4 are layer1 to layer4. timm itself is not needed.
"""

from collections.abc import Sequence
from functools import partialmethod
from typing import Any

from torch import Tensor, nn

from segibn.models.backbones import backbone

LEVELS = ("half", "layer1", "layer2", "layer3", "layer4")


class FeatureInfo:
    """Channels and strides of the features that a `FeatureList` returns, asked as in timm.

    `channels`, `reduction` (the stride) and `module_name` are of each, or of the level(s) given.
    """

    def __init__(self, levels: Sequence[dict[str, Any]], out_indices: Sequence[int]) -> None:
        self.info = [dict(level) for level in levels]
        self.out_indices = tuple(out_indices)

    def get_dicts(self) -> list[dict[str, Any]]:
        """Return what is known of each returned feature."""
        return [self.info[index] for index in self.out_indices]

    def __getitem__(self, item: int) -> dict[str, Any]:
        return self.info[item]

    def __len__(self) -> int:
        return len(self.info)

    def _get(self, key: str, idx: int | Sequence[int] | None = None) -> Any:
        if isinstance(idx, int):
            return self.info[idx][key]
        return [self.info[index][key] for index in (self.out_indices if idx is None else idx)]

    channels = partialmethod(_get, "num_chs")
    reduction = partialmethod(_get, "reduction")
    module_name = partialmethod(_get, "module")


class FeatureList(nn.Module):
    """A backbone that returns its features as a list, from fine to coarse.

    Args:
        name: such as "resnet50_ibn_a".
        pretrained: as for `segibn.backbone`.
        out_indices: which of the five levels; negative ones count from the end. Stages behind the
            last of them are left out of the module.
        output_stride: 8, 16 or 32 input pixels per pixel of level 4.
        in_chans: 3; the published networks see RGB.
    """

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool | str = False,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        output_stride: int = 32,
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        if in_chans != 3:
            raise ValueError(
                f"in_chans={in_chans}: {name} sees RGB, 3 channels; put a 1x1 convolution to 3 "
                "channels before it, or replace its first convolution"
            )
        indices = _indices(out_indices)
        network = backbone(name, pretrained=pretrained, output_stride=output_stride)
        self.feature_info = FeatureInfo(
            [
                {"num_chs": spec.channels, "reduction": spec.stride, "module": level, "index": i}
                for i, (level, spec) in enumerate(network.level_specs.items())
            ],
            indices,
        )
        self.last = max(indices)
        network.leave_out_after(self.last)
        self.backbone = network

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) normalised RGB -> (N, C, h, w) each, as `feature_info` says."""
        features = list(self.backbone.walk(x, self.last).values())
        return [features[index] for index in self.feature_info.out_indices]


def _indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    known = len(LEVELS)
    if not out_indices or any(not -known <= index < known for index in out_indices):
        raise ValueError(f"out_indices {tuple(out_indices)}: there are levels 0 to {known - 1}")
    return tuple(index % known for index in out_indices)
