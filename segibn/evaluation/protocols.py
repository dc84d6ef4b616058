"""The field's cross-domain protocols, as one table: what is scored, how, and how sure that is.

Numbers of two protocols are not comparable: size of the frames, label map and choice of the
checkpoint each move mIoU by points.
"""

from dataclasses import dataclass
from typing import Any, Literal

from segibn.data.framing import Framing
from segibn.text import counted

Size = tuple[int, int]
Sure = Literal["seen", "quoted", "recalled", "ours"]
SURE: dict[Sure, str] = {
    "seen": "read in the authors' code or configs, or said by them",
    "quoted": "read in a later paper or repository that quotes it",
    "recalled": "from the paper as remembered; not checked against a copy",
    "ours": "the source is silent or was not seen: our choice",
}


@dataclass(frozen=True)
class TestSet:
    """A column: which frames, and how they reach the network."""

    label: str
    dataset: str
    split: str
    frames: int | None
    """None = as many as there are."""
    sure: Sure
    input_size: Size | None = None
    """(H, W) that the network sees; None = their own. Scores are at label size all the same."""
    framing: Framing | None = None
    """Of frame AND label map, before that."""
    label_map: str | None = None
    """Name of the map to the 19 classes, where a data set has several."""
    remark: str = ""

    __test__ = False  # the name is the field's; pytest is not to collect it


@dataclass(frozen=True)
class Setting:
    """What a run's config has under this protocol."""

    path: str
    accepted: tuple[Any, ...]
    sure: Sure


@dataclass(frozen=True)
class Protocol:
    """How one paper, or family of papers, trains and tests."""

    title: str
    train: tuple[str, ...]
    """Sets to train on: any of these."""
    train_sure: Sure
    tests: tuple[TestSet, ...]
    checkpoint_sure: Sure
    """That the last iteration's checkpoint is scored, as in all of them."""
    settings: tuple[Setting, ...]
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    window: Size | None = None
    """(H, W) of a sliding window; None = whole frames."""
    inference_sure: Sure = "seen"
    unlike: str = ""
    """What the source does otherwise than this package can, or than this table says."""
    note: str = ""


_UNLIKE_ROBUSTNET = (
    "the authors' evaluation drops up to one frame less than there are GPUs. Of their training: "
    "crops are padded on both sides and before jitter and blur, here at right and below and after "
    "them; their blur repeats the border's pixels, here it mirrors them; points of a class are "
    "centroids of tiles of 1024, here any pixels, and crops around them are clamped to the frame, "
    "here drawn within it; the loss is a mean for each GPU, here over all valid pixels of the batch"
)

# fmt: off
_ROBUSTNET_TESTS = (
    #       column        data set          split         frames sure
    TestSet("cityscapes", "cityscapes",     "val",           500, "seen"),
    TestSet("bdd100k",    "bdd100k_semseg", "val",          1000, "seen"),
    TestSet("mapillary",  "mapillary",      "validation",   2000, "seen",
            framing=Framing(1536, crop=(1536, 1536), as_robustnet=True), label_map="robustnet",
            remark="as there, what a narrow frame leaves black counts as road, and some "
            "of its right side is cut off"),
    TestSet("synthia",    "synthia",        "val",          2820, "seen"),
    TestSet("gta5",       "gta5",           "val",          6382, "seen",
            label_map="robustnet"),
)

PROTOCOLS: dict[str, Protocol] = {
    "ibn_net_2018": Protocol(
        title="IBN-Net (Pan et al., ECCV 2018), section 4.2",
        train=("gta5:train-clean*0.25", "gta5:train*0.25", "cityscapes:train"),
        train_sure="recalled",
        tests=(
            #       column        data set      split  frames  sure
            TestSet("cityscapes", "cityscapes", "val",    500, "recalled"),
            TestSet("gta5",       "gta5",       "val",   6382, "recalled"),
        ),
        checkpoint_sure="ours",
        settings=(
            Setting("model.backbone.name",          ("resnet50",),    "recalled"),
            Setting("model.backbone.output_stride", (8,),             "seen"),
            Setting("model.head.name",              ("fcn",),         "seen"),
            Setting("optim.name",                   ("sgd",),         "recalled"),
            Setting("optim.lr",                     (0.01,),          "recalled"),
            Setting("optim.global_batch_size",      (16,),            "recalled"),
            Setting("optim.iterations",             (15500, 14900),   "recalled"),  # 80 epochs
        ),
        inference_sure="ours",
        unlike="at which size the authors tested frames was not seen; here it is their own",
    ),
    "robustnet": Protocol(
        title="RobustNet (Choi et al., CVPR 2021), ResNet-50: most ResNet papers since",
        train=("gta5/robustnet:train-clean", "gta5/robustnet:train-clean+synthia:train",
               "cityscapes:train"),
        train_sure="seen",
        tests=_ROBUSTNET_TESTS,
        checkpoint_sure="seen",
        settings=(
            Setting("model.backbone.name",          ("resnet50",),       "seen"),
            Setting("model.backbone.output_stride", (16,),               "seen"),
            Setting("model.head.name",              ("deeplabv3plus",),  "seen"),
            Setting("optim.name",                   ("sgd",),            "seen"),
            Setting("optim.lr",                     (0.01,),             "seen"),
            Setting("optim.weight_decay",           (5e-4,),             "seen"),
            Setting("optim.iterations",             (40_000,),           "seen"),
            Setting("optim.global_batch_size",      (16, 8),             "seen"),  # 8: Cityscapes
            Setting("data.crop_size",               ((768, 768),),       "seen"),
            Setting("data.scale_range",             ((0.5, 2.0),),       "seen"),
            Setting("data.sampling.name",           ("class_uniform",),  "seen"),
        ),
        unlike=_UNLIKE_ROBUSTNET,
    ),
    "robustnet_r101": Protocol(
        title="RobustNet, ResNet-101 with a stem of three 3x3 convolutions",
        train=("gta5/robustnet:train-clean",),
        train_sure="seen",
        tests=_ROBUSTNET_TESTS,
        checkpoint_sure="seen",
        settings=(
            Setting("model.backbone.name",          ("resnet101",),      "seen"),
            Setting("model.backbone.stem",          ("conv3x3",),        "seen"),
            Setting("model.backbone.output_stride", (8,),                "seen"),
            Setting("model.head.name",              ("deeplabv3plus",),  "seen"),
            Setting("optim.name",                   ("sgd",),            "seen"),
            Setting("optim.lr",                     (0.01,),             "seen"),
            Setting("optim.iterations",             (40_000,),           "seen"),
            Setting("optim.global_batch_size",      (16,),               "seen"),
            Setting("data.crop_size",               ((768, 768),),       "seen"),
        ),
        unlike="published rows are means of three runs; several later papers train their "
        "ResNet-101 on all 24,966 frames of GTA5 instead; " + _UNLIKE_ROBUSTNET,
    ),
    "rein": Protocol(
        title="Rein (Wei et al., CVPR 2024) and the foundation-model papers that follow it",
        train=("gta5:all", "gta5:train", "gta5:train-clean"),
        train_sure="ours",
        tests=(
            #       column        data set          split         frames sure
            TestSet("cityscapes", "cityscapes",     "val",           500, "seen",
                    input_size=(512, 1024)),
            TestSet("bdd100k",    "bdd100k_semseg", "val",          1000, "seen",
                    input_size=(720, 1280)),
            TestSet("mapillary",  "mapillary",      "validation",   2000, "seen",
                    input_size=(512, 1024), framing=Framing(scale=0.5), label_map="rein",
                    remark="frames and labels are halved before; whether proportions are kept "
                    "at 1024x512 was not seen"),
        ),
        checkpoint_sure="seen",
        settings=(
            Setting("data.resize",                  ((720, 1280),),  "seen"),
            Setting("data.crop_size",               ((512, 512),),   "seen"),
            Setting("optim.name",                   ("adamw",),      "seen"),
            Setting("optim.warmup_iterations",      (1000,),         "seen"),
            Setting("optim.iterations",             (40_000,),       "seen"),
            Setting("optim.global_batch_size",      (4,),            "seen"),
        ),
        inference_sure="ours",
        unlike="the authors' decoder is Mask2Former, which this package does not have; which part "
        "of GTA5 they train on, and whether windows slide in the test, was not seen",
    ),
    "sample": Protocol(
        title="the synthetic sample data of this repository",
        train=("gta5:train", "cityscapes:train"),
        train_sure="ours",
        tests=(
            TestSet("gta5",       "gta5",       "val", 100, "ours", input_size=(64, 128)),
            TestSet("cityscapes", "cityscapes", "val", 100, "ours", input_size=(64, 128)),
        ),
        checkpoint_sure="ours",
        settings=(
            Setting("model.backbone.name",     ("resnet18",),  "ours"),
            Setting("optim.iterations",        (400,),         "ours"),
            Setting("optim.global_batch_size", (8,),           "ours"),
            Setting("data.crop_size",          ((64, 128),),   "ours"),
        ),
        inference_sure="ours",
        note="Our frames are synthetic: the table illustrates the effect and is no measurement of "
        "it.",
    ),
}
# fmt: on


def describe_protocol(name: str) -> str:
    """Return a protocol as text: a line for each fact, with how sure it is."""
    given = PROTOCOLS[name]
    inference = "whole frames" if given.window is None else "windows of {}x{}".format(*given.window)
    inference += f", scales {', '.join(map(str, given.scales))}"
    inference += ", with the mirrored frame" if given.flip else ", no flip"
    lines = [f"{name}: {given.title}"]
    lines.append(f"  train on    {' or '.join(given.train)} [{given.train_sure}]")
    lines += [f"  test on     {_test_text(test)} [{test.sure}]" for test in given.tests]
    lines.append(f"  inference   {inference} [{given.inference_sure}]")
    lines.append(f"  checkpoint  last iteration [{given.checkpoint_sure}]")
    for setting in given.settings:
        values = " or ".join(map(str, setting.accepted))
        lines.append(f"  config      {setting.path} = {values} [{setting.sure}]")
    lines += [f"  unlike      {given.unlike}"] if given.unlike else []
    return "\n".join(lines)


def describe_protocols() -> str:
    """Return all of them, with what the words in brackets mean."""
    legend = [f"  [{word}] {meaning}" for word, meaning in SURE.items()]
    return "\n\n".join([*map(describe_protocol, PROTOCOLS), "\n".join(["How sure:", *legend])])


def _test_text(test: TestSet) -> str:
    parts, framing = [f"{test.label} = {test.dataset}:{test.split}"], test.framing or Framing()
    parts += [counted(test.frames, "frame")] if test.frames else []
    parts += [f"label map {test.label_map}"] if test.label_map else []
    parts += [f"frame and label to height {framing.height}"] if framing.height else []
    parts += [f"frame and label times {framing.scale:g}"] if framing.scale else []
    parts += ["cut to {}x{} at the centre".format(*framing.crop)] if framing.crop else []
    parts += ["seen at {}x{}".format(*test.input_size)] if test.input_size else ["own size"]
    parts += [test.remark] if test.remark else []
    return "; ".join(parts)
