"""Published weights: where each file is, how to know it, under which terms, how good it is."""

from dataclasses import dataclass

_RELEASES = {
    "ibn_net": (
        "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/",
        "MIT; trained on ImageNet, whose terms are non-commercial research",
    ),
    "torchvision": (
        "https://download.pytorch.org/models/",
        "BSD-3-Clause; trained on ImageNet, whose terms are non-commercial research",
    ),
}
RELEASES = tuple(_RELEASES)

# Of RGB in 0..1, what all of these networks were shown; `Segmenter.normalize` does this.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

LITE = "tf_efficientnet_lite"
"""How timm calls the networks that Google trained on (value - 127) / 128 of 0..255."""
LITE_MEAN, LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3


@dataclass(frozen=True)
class WeightSource:
    """One published file, with its error rates in per cent on ImageNet's validation set."""

    url: str  # its name ends in the beginning of the file's SHA-256, by torch.hub's convention
    licence: str
    top1_error: float | None = None
    top5_error: float | None = None

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[1]

    @property
    def sha256_prefix(self) -> str:
        """The first hexadecimal digits, eight or ten, of the file's SHA-256."""
        return self.file_name.removesuffix(".pth").rsplit("-", 1)[1]


# Error rates: the IBN-Net repository's README. It gives none for variant b, and until 2019 it said
# that the rates of ResNet-50 and -101 belong to an older implementation (today's: 22.76 / 6.41 and
# 21.29 / 5.61). torchvision's are IMAGENET1K_V1, trained as IBN-Net's were.
_FILES: tuple[tuple[str, str, str, str, float | None, float | None], ...] = (
    ("ibn_net", "resnet18", "a", "resnet18_ibn_a-2f571257", 29.17, 10.24),
    ("ibn_net", "resnet34", "a", "resnet34_ibn_a-94bc1577", 25.78, 8.19),
    ("ibn_net", "resnet50", "a", "resnet50_ibn_a-d9d0bb7b", 22.54, 6.32),
    ("ibn_net", "resnet101", "a", "resnet101_ibn_a-59ea0ac6", 21.39, 5.59),
    ("ibn_net", "resnet18", "b", "resnet18_ibn_b-bc2f3c11", None, None),
    ("ibn_net", "resnet34", "b", "resnet34_ibn_b-04134c37", None, None),
    ("ibn_net", "resnet50", "b", "resnet50_ibn_b-9ca61e85", None, None),
    ("ibn_net", "resnet101", "b", "resnet101_ibn_b-c55f6dba", None, None),
    ("ibn_net", "resnext101", "a", "resnext101_ibn_a-6ace051d", 20.88, 5.42),
    ("ibn_net", "se_resnet101", "a", "se_resnet101_ibn_a-fabed4e2", 21.25, 5.51),
    ("ibn_net", "densenet121", "a", "densenet121_ibn_a-e4af5cc1", 24.47, 7.25),
    ("ibn_net", "densenet169", "a", "densenet169_ibn_a-9f32c161", 23.25, 6.51),
    ("torchvision", "resnet18", "none", "resnet18-f37072fd", 30.242, 10.922),
    ("torchvision", "resnet34", "none", "resnet34-b627a593", 26.686, 8.58),
    ("torchvision", "resnet50", "none", "resnet50-0676ba61", 23.87, 7.138),
    ("torchvision", "resnet101", "none", "resnet101-63fe2227", 22.626, 6.454),
    ("torchvision", "resnet152", "none", "resnet152-394f9c45", 21.688, 5.954),
    ("torchvision", "resnext50", "none", "resnext50_32x4d-7cdf4587", 22.382, 6.302),
    ("torchvision", "densenet121", "none", "densenet121-a639ec97", 25.566, 8.028),
    ("torchvision", "densenet169", "none", "densenet169-b2777c0a", 24.4, 7.194),
    ("torchvision", "densenet201", "none", "densenet201-c1103571", 23.104, 6.63),
    ("torchvision", "densenet161", "none", "densenet161-8d451a50", 22.862, 6.44),
    ("torchvision", "mobilenet_v2", "none", "mobilenet_v2-b0353104", 28.122, 9.714),
    ("torchvision", "shufflenet_v2", "none", "shufflenetv2_x1-5666bf0f80", 30.638, 11.684),
)
PUBLISHED: dict[tuple[str, str, str], WeightSource] = {
    (release, *network): WeightSource(f"{url}{stem}.pth", licence, top1, top5)
    for release, *network, stem, top1, top5 in _FILES
    for url, licence in [_RELEASES[release]]
}
"""(release, network, ibn) -> file."""


def release_of(ibn: str) -> str:
    """Return the release that has weights of a variant."""
    return "torchvision" if ibn == "none" else "ibn_net"
