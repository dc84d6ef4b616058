"""Published cross-domain scores in per cent, to stand beside ours and never as ours.

All were seen in a source (the repository itself, or a later paper or repository that quotes it).
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple


class PublishedRow(NamedTuple):
    """One line of a published table: a network trained on one set, mIoU on others."""

    train: str
    network: str
    method: str  # "no IBN", "IBN-b" (what RobustNet calls IBN-Net follows IBN-b's pattern), or another
    miou_percent: dict[str, float]
    source: str
    protocol: str  # key in ``PROTOCOLS``

    @property
    def title(self) -> str:
        """Name as printed."""
        return f"{self.network}, {self.method}"

    @property
    def year(self) -> int:
        """When the protocol's paper came out."""
        return _YEARS[self.protocol.partition("-")[0]]


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
    "mrfp-mobile": "RobustNet's settings with MobileNetV2, as printed by MRFP",
    "rein": "AdamW, 512x512 crops of all of GTA5 at random sizes, batch of 4, Mask2Former's "
    "decoder, 40k iterations; windows of 512x512 over Cityscapes at 1024x512",
    "soma": "as Rein's, but windows over Cityscapes at 2048x1024, which alone took Rein from 64.3 "
    "to 66.1 (issue 68 of its repository)",
}
_YEARS = {"robustnet": 2021, "shade": 2022, "mrfp": 2024, "rein": 2024, "soma": 2025}
NAMED_PROTOCOLS: dict[str, str] = {
    "robustnet-r50": "robustnet",
    "robustnet-r101": "robustnet_r101",
    "rein": "rein",
    "soma": "soma",
}
"""Key in ``PROTOCOLS`` -> name in ``protocols.PROTOCOLS``, where the table has it."""
_SOURCES = {
    "spc": "RobustNet (CVPR 2021), as quoted in the SPC paper",
    "spc, mrfp": "RobustNet (CVPR 2021), as quoted in the SPC and MRFP papers",
    "readme": "README of the RobustNet repository",
    "mrfp 1": "MRFP, table 1",
    "mrfp 5": "MRFP, table 5",
    "mrfp": "the MRFP paper",
    "rein": "the Rein repository",
    "shade": "SHADE, as quoted in the DAFormer and HRDA READMEs",
    "issue": "issue 15 of the RobustNet repository",
    "later": "RobustNet (CVPR 2021), as quoted in later papers",
}
_TESTS = ("cityscapes", "bdd100k", "mapillary", "synthia", "gta5")
__ = None  # no number was seen
_R50, _R101, _MOBILE = "ResNet-50", "ResNet-101", "MobileNetV2"
_REINS = "frozen, with Rein's tokens"


def _row(train: str, network: str, method: str, scores: Sequence[float | None], source: str, key: str) -> PublishedRow:
    miou = {test: value for test, value in zip(_TESTS, scores, strict=True) if value is not None}
    return PublishedRow(train, network, method, miou, _SOURCES[source], key)


PUBLISHED_ROWS = (
    # train, network, method, mIoU on _TESTS, source, protocol
    _row("gta5", _R50, "no IBN", (28.95, 25.14, 28.18, __, __), "spc", "robustnet-r50"),
    _row("gta5", _R50, "IBN-b", (33.85, 32.30, 37.75, 27.90, __), "spc, mrfp", "robustnet-r50"),
    _row("gta5", _R50, "ISW", (36.58, 35.20, 40.33, 28.30, __), "spc, mrfp", "robustnet-r50"),
    _row("gta5", _R50, "no IBN", (34.66, 31.44, 32.93, 25.84, __), "mrfp 1", "mrfp-r50"),
    _row("gta5", _R50, "NP+", (40.33, 34.50, 38.85, __, __), "mrfp 5", "mrfp-r50"),
    _row("gta5", _R50, _REINS, (49.1, 41.2, 49.3, __, __), "rein", "rein"),
    _row("gta5", _R101, "no IBN", (30.06, 24.85, 31.50, 28.78, 74.71), "readme", "robustnet-r101"),
    _row("gta5", _R101, "IBN-b", (33.63, 33.30, 36.50, 31.32, 74.46), "readme", "robustnet-r101"),
    _row("gta5", _R101, "ISW", (37.09, 35.37, 38.50, 30.49, 74.49), "readme", "robustnet-r101"),
    _row("gta5", _R101, _REINS, (45.9, 41.6, 51.4, __, __), "rein", "rein"),
    _row("gta5", _R101, "IBN-b", (37.37, 34.21, 36.81, __, __), "shade", "shade-r101"),
    _row("gta5", _MOBILE, "no IBN", (26.95, 26.76, 27.34, 22.72, __), "mrfp", "mrfp-mobile"),
    _row("gta5", _MOBILE, "IBN-b", (30.14, 27.66, 27.07, 24.98, __), "mrfp", "mrfp-mobile"),
    _row("cityscapes", _R50, "no IBN", (__, 44.96, __, __, __), "issue", "robustnet-r50"),
    _row("cityscapes", _R50, "IBN-b", (__, 48.56, 57.04, __, 45.06), "later", "robustnet-r50"),
)


def published_rows(trains: Collection[str], tests: Collection[str], protocol: str | None) -> list[PublishedRow]:
    """Select the rows that stand beside ours: trained on one of ``trains``, with any ``tests``.

    ``protocol``: which ours name; rows of another one, or none, are numbers of another kind.
    """
    found = []
    for row in PUBLISHED_ROWS:
        shared = {test: value for test, value in row.miou_percent.items() if test in tests}
        is_alike = protocol is not None and NAMED_PROTOCOLS.get(row.protocol) == protocol
        if row.train in trains and shared and is_alike:
            found.append(row._replace(miou_percent=shared))
    return found


def published_lines() -> list[str]:
    """Return all rows as text, by protocol."""
    lines = ["Published mIoU in %:"]
    for key, words in PROTOCOLS.items():
        named = NAMED_PROTOCOLS.get(key)
        lines.append(f"  [{key}] {words}{f': protocol {named}' if named else ''}")
        for row in (row for row in PUBLISHED_ROWS if row.protocol == key):
            scores = ", ".join(f"{test} {value:.2f}" for test, value in row.miou_percent.items())
            lines.append(f"    {row.train} -> {scores}: {row.title} ({row.source})")
    return lines
