"""What `generalisation.py` runs: three shifts and the methods to try on each, as two tables.

A new method takes one entry in `METHODS`: its config overrides, and the paper it is from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from segibn.config.data import DatasetConfig
from segibn.config.shipped import configs_folder
from segibn.errors import ConfigError
from segibn.runs.sets import parse_labelled_set

PLAIN = "plain"
"""The row that all others are compared with."""


@dataclass(frozen=True)
class Shift:
    """From one domain to others.

    Attributes:
        title: the question, for tables.
        config: name of the shipped config that every row starts from.
        source: the label, among the sets, of the domain that is trained on.
        selection: what settings may be chosen on: labelled sets as the command line writes them,
            lists of frames by their names in `configs/lists`.
        report: what is read once, at the end.
        policy: what is averaged, see `segibn.evaluation.metrics.POLICIES`.
        adjusted: row -> overrides that this shift needs beside the row's own.
    """

    title: str
    config: str
    source: str
    selection: tuple[str, ...]
    report: tuple[str, ...]
    policy: str = "cityscapes"
    adjusted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def sets(self, part: str) -> dict[str, DatasetConfig]:
        """Label -> set of "selection" or "report"."""
        return dict(parse_labelled_set(_with_lists(text)) for text in getattr(self, part))

    def targets(self, part: str) -> tuple[str, ...]:
        """Labels of the sets of other domains than the source."""
        return tuple(label for label in self.sets(part) if label != self.source)


def _twice_the_updates(iterations: int) -> dict[str, tuple[str, ...]]:
    """As many samples as every other row has, for the rows that halve the batch."""
    return dict.fromkeys(("small_batch", "combined"), (f"optim.iterations={iterations}",))


SHIFTS: dict[str, Shift] = {
    "sample": Shift(
        title="synthetic frames, game style to camera style",
        config="base/sample",
        source="game",
        selection=("game=gta5:val", "camera=cityscapes:val"),
        report=("game=gta5:val", "camera=cityscapes:val"),
        adjusted=_twice_the_updates(800),
    ),
    "camera": Shift(
        title="real frames, CamVid to Cityscapes and BDD100K, 11 classes",
        config="real/base/camera_small",
        source="camvid",
        selection=("camvid=camvid:val@camvid_frames_val.txt",),
        report=(
            "camvid=camvid:val@camvid_frames_val.txt",
            "cityscapes=cityscapes:train@cityscapes_aachen8.txt",
            "bdd100k=bdd100k_semseg:train@bdd100k_semseg16.txt",
        ),
        adjusted=_twice_the_updates(800),
    ),
    "day_night": Shift(
        title="real frames, bright to dark BDD100K, drivable area",
        config="real/base/day_night_small",
        source="day",
        selection=(
            "day=bdd100k_drivable:train+val@bdd100k_day_val.txt",
            "night=bdd100k_drivable:train+val@bdd100k_night_choose.txt",
        ),
        report=(
            "day=bdd100k_drivable:train+val@bdd100k_day_val.txt",
            "night=bdd100k_drivable:train+val@bdd100k_night_report.txt",
        ),
        policy="bdd100k",  # the mean over the classes that the targets hold: definition A
        adjusted={"copy_paste": ("generalise.copy_paste={classes: [alternative]}",), **_twice_the_updates(600)},
    ),
}


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        title: what it is, for tables.
        overrides: of the config of the row it is added to.
        paper: where it is from.
        on: the row that it is added to; None = the shift's config as it is.
        needs_weights: it compares with the features of pretrained weights, so that the runner
            must be given some (`--weights FILE`).
    """

    title: str
    overrides: tuple[str, ...] = ()
    paper: str = ""
    on: str | None = "ibn_a"
    needs_weights: bool = False


IBN_NET = "Pan et al., ECCV 2018"

METHODS: dict[str, Method] = {
    # Networks.
    PLAIN: Method("batch norm alone", on=None),
    "ibn_a": Method("IBN-a", ("model.backbone.ibn=a",), IBN_NET, on=PLAIN),
    "ibn_b": Method("IBN-b", ("model.backbone.ibn=b",), IBN_NET, on=PLAIN),
    # In the image.
    "strong_photometric": Method(
        "strong jitter, blur, noise, JPEG",
        (
            "data.color_jitter=[0.8,0.8,0.8,0.3]",
            "data.color_jitter_probability=0.8",
            "data.blur_sigma=[0.0,1.0]",
            "data.noise_sigma=[0.0,12.0]",
            "data.jpeg_quality=[30,95]",
        ),
    ),
    "pasta": Method("PASTA", ("generalise.pasta={}",), "Chattopadhyay et al., ICCV 2023"),
    "random_convolution": Method(
        "random convolutions", ("generalise.random_convolution={}",), "Choi et al., CVPR 2023"
    ),
    "amplitude_mix": Method("amplitude mix", ("generalise.amplitude_mix={}",), "Xu et al., CVPR 2021"),
    "copy_paste": Method("copy-paste of rare classes", ("generalise.copy_paste={}",), "Ghiasi et al., CVPR 2021"),
    # In the features.
    "mixstyle": Method("MixStyle", ("generalise.mixstyle={}",), "Zhou et al., ICLR 2021"),
    "efdm": Method("EFDMix", ("generalise.efdm={}",), "Zhang et al., CVPR 2022"),
    "np_plus": Method("NP+", ("generalise.np_plus={}",), "Fan et al., ICLR 2023"),
    "mrfp": Method("MRFP", ("generalise.mrfp={}",), "Udupa et al., CVPR 2024"),
    "isw": Method(
        "ISW",
        (
            "model.backbone.ibn_affine=false",
            # The paper's statistics start after 4644 iterations; these runs have a tenth of them.
            "generalise.whitening={statistics_after: 60, statistics_iterations: 30}",
        ),
        "Choi et al., CVPR 2021",
        on="ibn_b",
    ),
    # In the objective.
    "consistency": Method(
        "consistency of two views",
        ("generalise.consistency={}",),
        "Hendrycks et al., ICLR 2020",
        on="pasta",  # two views of one look would agree already
    ),
    "feature_distance": Method(
        "ImageNet-feature distance", ("generalise.feature_distance={}",), "Hoyer et al., CVPR 2022", needs_weights=True
    ),
    "texture": Method(
        "texture regularisation", ("generalise.texture={}",), "Kim et al., ICCV 2023", needs_weights=True
    ),
    "ema": Method("EMA of the weights", ("ema={decay: 0.99}",)),
    "mean_teacher": Method(
        "mean teacher",
        ("generalise.mean_teacher={}",),
        "Tarvainen and Valpola, NIPS 2017",
        on="ema",  # the teacher is that average
    ),
    # In the training config.
    "rare_class": Method(
        "rare-class sampling", ("data.sampling={name: rare_class, min_pixels: 100}",), "Hoyer et al., CVPR 2022"
    ),
    "adamw": Method(
        "AdamW", ("optim.name=adamw", "optim.lr=6e-4", "optim.weight_decay=0.01"), "Loshchilov and Hutter, ICLR 2019"
    ),
    "dice": Method("Dice loss beside cross-entropy", ("loss.dice_weight=1",), "Milletari et al., 3DV 2016"),
    "small_batch": Method("half the batch, twice the updates", ("optim.global_batch_size=4", "optim.lr=0.07")),
    "combined": Method(
        "the combination",
        (
            "loss.dice_weight=1",
            "generalise.mixstyle={}",
            "data.color_jitter=[0.6,0.6,0.6,0.05]",
            "data.color_jitter_probability=0.8",
            "optim.global_batch_size=4",
            "optim.lr=0.07",
        ),
        on="ibn_b",
    ),
}
"""Row -> what it is. The row "combined" is the shipped ``*_generalise`` configs."""


def row_overrides(shift: Shift, row: str) -> list[str]:
    """Return the config overrides of a row: those of the rows it builds on first.

    Raises:
        ConfigError: there is no such row.
    """
    found = method(row)
    before = [] if found.on is None else row_overrides(shift, found.on)
    return [*before, *found.overrides, *shift.adjusted.get(row, ())]


def method(row: str) -> Method:
    """Return the entry of a row.

    Raises:
        ConfigError: there is none.
    """
    if row not in METHODS:
        raise ConfigError(f"no row '{row}'; there are {', '.join(METHODS)}")
    return METHODS[row]


def _with_lists(text: str) -> str:
    """Give a list of frames its path: it lies with the shipped configs."""
    head, at, name = text.partition("@")
    return f"{head}@{configs_folder() / 'lists' / name}" if at else text
