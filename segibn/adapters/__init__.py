"""The backbones as other toolkits want them: timm, torchvision, segmentation_models_pytorch.

In: a backbone's name, such as "resnet50_ibn_a". Out: a module in the form of that toolkit, whose
numbers are the backbone's own. The toolkits are imported when they are asked for.
"""

from segibn.adapters.features import FeatureDict, FeatureList, with_fpn
from segibn.adapters.smp_encoders import register_smp
from segibn.adapters.timm_models import register_timm

__all__ = ["FeatureDict", "FeatureList", "register_smp", "register_timm", "with_fpn"]
