"""Registers the networks with timm: ``timm.create_model("resnet50_ibn_a.segibn", ...)``."""

import sys
from typing import Any

from torch import nn

from segibn.adapters.features import FeatureList
from segibn.errors import ConfigError
from segibn.models.backbones import classifier
from segibn.models.catalog import ibn_names

_TAG = "segibn"


def register_timm() -> list[str]:
    """Make timm know every network with IBN; plain ones it has itself. Idempotent.

    -> the names, for `timm.create_model(name, features_only=True, out_indices=...,
    output_stride=...)` or, without `features_only`, for the classifier.
    """
    try:
        from timm.models import is_model, register_model
    except ModuleNotFoundError as error:
        raise ConfigError(f"register_timm needs timm ({error}): pip install timm") from error

    names = ibn_names()
    for name in names:
        if not is_model(name):
            entry = _entry_point(name)
            setattr(sys.modules[__name__], name, entry)  # where timm looks for it
            register_model(entry)
    return names


def _entry_point(name: str) -> Any:
    def entry(
        pretrained: bool = False,
        *,
        features_only: bool = False,
        num_classes: int = 1000,
        in_chans: int = 3,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: Any = None,
        cache_dir: Any = None,
        **options: Any,
    ) -> nn.Module:
        if pretrained_cfg not in (None, _TAG):
            raise ValueError(f"{name} has the tag '{_TAG}', not '{pretrained_cfg}'")
        if pretrained_cfg_overlay is not None or cache_dir is not None:
            raise ValueError(f"{name}: its weights are kept in torch.hub's folder (TORCH_HOME)")
        if features_only:
            return FeatureList(name, pretrained=pretrained, in_chans=in_chans, **options)
        if in_chans != 3 or options:
            raise ValueError(
                f"{name}: the classifier takes num_classes, and images of 3 channels; got "
                f"in_chans={in_chans} {options or ''}"
            )
        network = classifier(name, pretrained=pretrained, num_classes=num_classes)
        network.num_classes = num_classes
        return network

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"{name} of segibn, as an ImageNet classifier or its features."
    return entry
