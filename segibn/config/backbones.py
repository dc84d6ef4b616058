"""The section ``model.backbone``: one class for every backbone with settings of its own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from segibn.config import values
from segibn.config.values import Frozen
from segibn.models.catalog import BACKBONES, DEFAULT_SHARE, DEFAULTS, Finest, Place, changed_options
from segibn.models.plans import AnyIbnName

if TYPE_CHECKING:
    BackboneName = str
else:
    BackboneName = Literal[BACKBONES]


class IbnWhereConfig(Frozen):
    """Which batch norms IBN replaces (``segibn.models.surgery``)."""

    finest: Finest = 8
    """The largest stride of what they normalise; 32 = at every stride."""
    places: Annotated[tuple[Place, ...], Field(min_length=1, max_length=5)] | None = None
    """With ``ibn: share``: stem = before the blocks, first and last = of a block's main branch,
    inner = between, or in its shortcut, other = outside of blocks; null = all."""


class _Surgery(Frozen):
    """What all backbones have for IBN in a pretrained plain network."""

    ibn_where: IbnWhereConfig | None = None
    """Which norms, where the network is cut open for it; null = all at stride 8 and finer."""
    ibn_share: values.PositiveFraction | None = None
    """With ``ibn: share``: the image's share of a norm's statistics; null = 0.3."""
    ibn_ease: values.Iterations = 0
    """Updates over which IBN eases in, linearly, from the plain network, whose function it is at
    update 0; with weights of the plain network (``weights_match: plain``)."""

    @property
    def ibn_title(self) -> str:
        """The variant in tables and records, as in ``a`` or ``share0.3@8``."""
        ibn: str = getattr(self, "ibn", "none")
        if ibn != "share":
            return ibn
        where = self.ibn_where or IbnWhereConfig()
        places = "" if where.places is None else f":{'+'.join(where.places)}"
        return f"share{self.share:g}@{where.finest}{places}"

    @property
    def share(self) -> float:
        """The image's share that ``ibn_share`` means."""
        return DEFAULT_SHARE if self.ibn_share is None else self.ibn_share

    def check_surgery(self, ibn: str, cut: Sequence[str], eased: Sequence[str]) -> None:
        """Raise ValueError for what a variant does not have; ``cut``: those made by surgery."""
        if self.ibn_share is not None and ibn != "share":
            raise ValueError(f"ibn_share belongs to ibn share, not {ibn}; leave it out")
        if self.ibn_where is not None:
            if ibn not in cut:
                raise ValueError(f"ibn_where belongs to ibn {' or '.join(cut)}, not {ibn}")
            if self.ibn_where.places is not None and ibn != "share":
                raise ValueError(f"ibn_where.places belongs to ibn share; {ibn} has its own")
        if self.ibn_ease and ibn not in eased:
            raise ValueError(f"ibn_ease is for ibn {', '.join(eased)}, not {ibn}; leave it out")


class BackboneConfig(_Surgery):
    """The encoder."""

    name: BackboneName = "resnet50"
    """Network family and depth."""
    ibn: AnyIbnName = "none"
    """Where instance norm goes: IBN-Net (arXiv 1807.09441) figures 3 and 4; none = plain. DenseNets
    have none and a, mobilenet_v2 and shufflenet_v2 none and b. share = all have it: batch norms of
    a plain network with a share of the image's own statistics."""
    output_stride: Literal[8, 16, 32] = 8
    """Input size over size of the last feature map; below 32 the last stages are dilated."""
    ibn_stages: Annotated[tuple[Literal[1, 2, 3, 4], ...], Field(max_length=4)] | None = None
    """Stages that get it; null = as in the paper: 1, 2, 3 (a, c, a2), 1, 2 (b, d), both (ad)."""
    ibn_ratio: values.Fraction | None = None
    """Share of instance-normalised channels in an IBN; null = 0.5, for DenseNets 0.4."""
    stem: Literal["conv7x7", "conv3x3", "resnet_c"] = "conv7x7"
    """Three 3x3 convolutions: conv3x3 = of 64, 64, 128 channels, as RobustNet's ResNet-101; resnet_c = of 32, 32,
    64 (arXiv 1812.01187), as mmsegmentation's ResNetV1c; residual networks only."""
    dilate_first: bool = False
    """Dilate a stage's first block too, as RobustNet does; residual networks only."""
    ibn_affine: bool = True
    """Whether the instance norms of variant b have weight and bias; false = RobustNet's ISW network
    (arXiv 2103.15597), which ``generalise.whitening`` needs; residual networks only."""

    @property
    def network(self) -> str:
        """What tables and records call the network."""
        return self.name

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of ``segibn.models.backbones.build_backbone``; ibn share comes afterwards."""
        built = self.model_dump(exclude=_Surgery.model_fields.keys() - {"ibn_ease"})
        return built | {"ibn": "none", "ibn_ease": 0} if self.ibn == "share" else built

    @model_validator(mode="after")
    def _fits_family(self) -> "BackboneConfig":
        built = self.options
        changed_options(self.name, built["ibn"], {key: built[key] for key in DEFAULTS})
        self.check_surgery(self.ibn, ("share",), ("a", "a2", "b", "share"))
        if self.ibn_ease and not self.ibn_affine:
            raise ValueError("ibn_ease has no ibn_affine: false; leave one out")
        if self.ibn == "none" and (self.ibn_stages is not None or self.ibn_ratio is not None):
            raise ValueError("ibn_stages and ibn_ratio need an ibn; set it or leave them out")
        if self.ibn_ratio is not None and self.ibn not in ("a", "ad", "a2"):
            raise ValueError(f"ibn {self.ibn} has no ratio to choose; leave ibn_ratio out")
        if self.ibn != "b" and not self.ibn_affine:
            raise ValueError("ibn_affine: false changes the norms of ibn b; set ibn to b or leave it out")
        return self


class TimmBackboneConfig(_Surgery):
    """An encoder of timm: DINOv2, DINOv3, EVA-02, ConvNeXt, Swin and most others.

    ``model.weights`` is then ``timm`` (its published weights), ``lite``, ``none`` or a file. Plain
    vision transformers give four blocks, all at the stride of their patch; frames of any size are
    stretched to whole patches.
    """

    name: Literal["timm"]
    """timm."""
    model: values.Label
    """Name in timm, weights' tag included: ``vit_base_patch14_dinov2.lvd142m``,
    ``vit_small_patch16_dinov3.lvd1689m``, ``convnext_tiny.dinov3_lvd1689m``."""
    tuning: Literal["full", "frozen", "lora"] = "full"
    """What of it is trained. full = everything; frozen = nothing, its norms and dropout stay as in
    evaluation; lora = low-rank updates of its linear layers alone (arXiv 2106.09685)."""
    lora_rank: values.Rank = 8
    """Rank of each update; layers with fewer inputs or outputs than this keep their weights."""
    lora_alpha: values.Positive = 8.0
    """Updates are scaled by ``lora_alpha / lora_rank`` (section 4.1 of the paper)."""
    output_stride: Literal[8, 16, 32] | None = None
    """Input size over size of the last feature map, for those that timm can dilate (ResNet,
    ConvNeXt, EfficientNet); null = the network's own: 32, or a plain transformer's patch."""
    ibn: Literal["none", "a", "b", "share"] = "none"
    """IBN in the pretrained network, by surgery; for those with batch norms. a = half of the
    channels after each block's first convolution; b = instance norm in the stem and after the last
    blocks at strides 4 and 8; share = batch norms take a share of the image's own statistics."""

    @property
    def network(self) -> str:
        """What tables and records call the network."""
        return self.model if self.tuning == "full" else f"{self.model} ({self.tuning})"

    @model_validator(mode="after")
    def _check(self) -> "TimmBackboneConfig":
        self.check_surgery(self.ibn, ("a", "b", "share"), ("a", "b", "share"))
        for key in ("lora_rank", "lora_alpha"):
            if self.tuning != "lora" and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} belongs to tuning lora; leave it out for {self.tuning}")
        return self


_WITH_OWN_SECTION = ("timm",)


def _section(value: Any) -> str:
    """Which class a section is of; a name that is left out is the default one."""
    name = value.get("name") if isinstance(value, Mapping) else getattr(value, "name", None)
    return name if name in _WITH_OWN_SECTION else "own"


AnyBackboneConfig = Annotated[
    Annotated[BackboneConfig, Tag("own")] | Annotated[TimmBackboneConfig, Tag("timm")], Discriminator(_section)
]
