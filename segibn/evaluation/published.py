"""Published cross-domain scores, to stand beside ours and never as ours.

Only numbers that were seen in a source (the repository itself, or a later paper or repository that
quotes it) are listed; numbers from memory are not. Values are per cent as printed there.
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """One line of a published table: a network trained on one set, mIoU on others."""

    train: str
    """Data set it was trained on, named as in ``--on``."""
    network: str
    method: str
    """"no IBN", "IBN-b" (what RobustNet calls IBN-Net follows IBN-b's pattern), or another."""
    miou_percent: dict[str, float]
    """Data set -> mIoU in per cent."""
    source: str
    """Where the number was seen."""
    protocol: str
    """Key in ``PROTOCOLS``."""

    @property
    def title(self) -> str:
        """Name as printed."""
        return f"{self.network}, {self.method}"


PROTOCOLS: dict[str, str] = {
    "robustnet-r50": "DeepLabV3+, output stride 16, 40k iterations of 768x768 crops with colour "
    "jitter and blur, last iteration, whole frames, 19 classes; RobustNet starts its IBN network "
    "from plain ImageNet weights",
    "robustnet-r101": "DeepLabV3+, output stride 8, a stem of three 3x3 convolutions, mean of "
    "three runs; otherwise as RobustNet's ResNet-50",
    "shade-r101": "ResNet-101 as trained by the authors of SHADE; settings differ from RobustNet's",
    "mrfp-r50": "RobustNet's code run again by the authors of MRFP, with a weight decay of 1e-4 "
    "(RobustNet 5e-4), mean of three runs; the plain network is 6 points above RobustNet's own on "
    "Cityscapes",
    "mrfp-mobile": "RobustNet's recipe with MobileNetV2, as printed by MRFP",
    "rein": "AdamW with warm-up, 512x512 crops of frames resized to 1280x720, batch of 4, "
    "Mask2Former's decoder, Cityscapes seen at 1024x512, last iteration of 40k",
}

NAMED_PROTOCOLS: dict[str, str] = {
    "robustnet-r50": "robustnet",
    "robustnet-r101": "robustnet_r101",
    "rein": "rein",
}
"""Key in ``PROTOCOLS`` -> name in ``protocols.PROTOCOLS``, where the table has it."""

_SPC = "RobustNet (CVPR 2021), as quoted in the SPC paper"
_SPC_MRFP = "RobustNet (CVPR 2021), as quoted in the SPC and MRFP papers"
_README = "README of the RobustNet repository"
_MRFP = "MRFP, table 1"
_MRFP_MOBILE = "the MRFP paper"
_REIN = "the Rein repository"

PUBLISHED_ROWS: tuple[PublishedRow, ...] = (
    PublishedRow(
        "gta5", "ResNet-50", "no IBN",
        {"cityscapes": 28.95, "bdd100k": 25.14, "mapillary": 28.18},
        _SPC, "robustnet-r50",
    ),
    PublishedRow(
        "gta5", "ResNet-50", "IBN-b",
        {"cityscapes": 33.85, "bdd100k": 32.30, "mapillary": 37.75, "synthia": 27.90},
        _SPC_MRFP, "robustnet-r50",
    ),
    PublishedRow(
        "gta5", "ResNet-50", "ISW",
        {"cityscapes": 36.58, "bdd100k": 35.20, "mapillary": 40.33, "synthia": 28.30},
        _SPC_MRFP, "robustnet-r50",
    ),
    PublishedRow(
        "gta5", "ResNet-50", "no IBN",
        {"cityscapes": 34.66, "bdd100k": 31.44, "mapillary": 32.93, "synthia": 25.84},
        _MRFP, "mrfp-r50",
    ),
    PublishedRow(
        "gta5", "ResNet-50", "NP+",
        {"cityscapes": 40.33, "bdd100k": 34.50, "mapillary": 38.85},
        "MRFP, table 5", "mrfp-r50",
    ),
    PublishedRow(
        "gta5", "ResNet-50", "frozen, with Rein's tokens",
        {"cityscapes": 49.1, "bdd100k": 41.2, "mapillary": 49.3},
        _REIN, "rein",
    ),
    PublishedRow(
        "gta5", "ResNet-101", "no IBN",
        {"cityscapes": 30.06, "bdd100k": 24.85, "mapillary": 31.50, "synthia": 28.78,
         "gta5": 74.71},
        _README, "robustnet-r101",
    ),
    PublishedRow(
        "gta5", "ResNet-101", "IBN-b",
        {"cityscapes": 33.63, "bdd100k": 33.30, "mapillary": 36.50, "synthia": 31.32,
         "gta5": 74.46},
        _README, "robustnet-r101",
    ),
    PublishedRow(
        "gta5", "ResNet-101", "ISW",
        {"cityscapes": 37.09, "bdd100k": 35.37, "mapillary": 38.50, "synthia": 30.49,
         "gta5": 74.49},
        _README, "robustnet-r101",
    ),
    PublishedRow(
        "gta5", "ResNet-101", "frozen, with Rein's tokens",
        {"cityscapes": 45.9, "bdd100k": 41.6, "mapillary": 51.4},
        _REIN, "rein",
    ),
    PublishedRow(
        "gta5", "ResNet-101", "IBN-b",
        {"cityscapes": 37.37, "bdd100k": 34.21, "mapillary": 36.81},
        "SHADE, as quoted in the DAFormer and HRDA READMEs", "shade-r101",
    ),
    PublishedRow(
        "gta5", "MobileNetV2", "no IBN",
        {"cityscapes": 26.95, "bdd100k": 26.76, "mapillary": 27.34, "synthia": 22.72},
        _MRFP_MOBILE, "mrfp-mobile",
    ),
    PublishedRow(
        "gta5", "MobileNetV2", "IBN-b",
        {"cityscapes": 30.14, "bdd100k": 27.66, "mapillary": 27.07, "synthia": 24.98},
        _MRFP_MOBILE, "mrfp-mobile",
    ),
    PublishedRow(
        "cityscapes", "ResNet-50", "no IBN",
        {"bdd100k": 44.96},
        "issue 15 of the RobustNet repository", "robustnet-r50",
    ),
    PublishedRow(
        "cityscapes", "ResNet-50", "IBN-b",
        {"bdd100k": 48.56, "mapillary": 57.04, "gta5": 45.06},
        "RobustNet (CVPR 2021), as quoted in later papers", "robustnet-r50",
    ),
)  # fmt: skip


def published_rows(
    trains: Collection[str], tests: Collection[str]
) -> list[tuple[PublishedRow, dict[str, float]]]:
    """Select what stands beside a table of ours.

    Args:
        trains: data set names that our networks were trained on.
        tests: data set names that they were tested on.

    Returns:
        (row, its mIoU per cent on those test sets); rows without any are left out.
    """
    selected = []
    for row in PUBLISHED_ROWS:
        shared = {test: value for test, value in row.miou_percent.items() if test in tests}
        if row.train in trains and shared:
            selected.append((row, shared))
    return selected
