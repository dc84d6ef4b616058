"""The backbones as timm, torchvision and segmentation_models_pytorch want them."""

from segibn.adapters.features import FeatureDict, FeatureList, with_fpn
from segibn.adapters.smp_encoders import register_smp
from segibn.adapters.timm_models import register_timm

__all__ = ["FeatureDict", "FeatureList", "register_smp", "register_timm", "with_fpn"]
