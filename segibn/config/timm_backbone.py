"""The section ``model.backbone`` of a backbone from timm: which one, and what of it is trained."""

from typing import Literal

from pydantic import model_validator

from segibn.config.frozen import Frozen
from segibn.config.values import Label, Positive, Rank


class TimmBackboneConfig(Frozen):
    """An encoder of timm: DINOv2, DINOv3, EVA-02, ConvNeXt, Swin and most others.

    ``model.weights`` is then ``timm`` (its published weights), ``none`` or a file. Plain vision
    transformers give four blocks, all at the stride of their patch; frames of any size are
    stretched to whole patches.
    """

    name: Literal["timm"]
    """timm."""
    model: Label
    """Name in timm, weights' tag included: ``vit_base_patch14_dinov2.lvd142m``,
    ``vit_small_patch16_dinov3.lvd1689m``, ``convnext_tiny.dinov3_lvd1689m``."""
    tuning: Literal["full", "frozen", "lora"] = "full"
    """What of it is trained. full = everything; frozen = nothing, its norms and dropout stay as in
    evaluation; lora = low-rank updates of its linear layers alone (arXiv 2106.09685)."""
    lora_rank: Rank = 8
    """Rank of each update; layers with fewer inputs or outputs than this keep their weights."""
    lora_alpha: Positive = 8.0
    """Updates are scaled by ``lora_alpha / lora_rank``, so that another rank needs no other
    learning rate (section 4.1 of the paper)."""
    output_stride: Literal[8, 16, 32] | None = None
    """Input size over size of the last feature map, for those that timm can dilate (ResNet,
    ConvNeXt, EfficientNet); null = the network's own: 32, or a plain transformer's patch."""
    ibn: Literal["none"] = "none"
    """timm's networks are taken as they are."""

    @property
    def network(self) -> str:
        """What tables and records call the network."""
        return self.model if self.tuning == "full" else f"{self.model} ({self.tuning})"

    @model_validator(mode="after")
    def _check(self) -> "TimmBackboneConfig":
        for key in ("lora_rank", "lora_alpha"):
            changed = getattr(self, key) != type(self).model_fields[key].default
            if changed and self.tuning != "lora":
                raise ValueError(f"{key} belongs to tuning lora; leave it out for {self.tuning}")
        return self
