"""The field's cross-domain protocols, as one table: what is scored, how, and how sure that is.

Numbers of two protocols are not comparable: size of the frames, label map and choice of the
checkpoint each move mIoU by points.
"""

from typing import Any

from segibn.data.framing import Framing
from segibn.evaluation.protocol import SURE, Protocol, Setting, TestSet, describe_protocol
from segibn.evaluation.published import published_lines

_UNLIKE_ROBUSTNET = (
    "the authors' evaluation drops up to one frame less than there are GPUs. Of their training: "
    "crops are padded on both sides and before jitter and blur, here at right and below and after "
    "them; their blur repeats the border's pixels, here it mirrors them; points of a class are "
    "centroids of tiles of 1024, here any pixels, and crops around them are clamped to the frame, "
    "here drawn within it; the loss is a mean for each GPU, here over all valid pixels of the batch"
)
_R50_SCRIPT = "scripts/train_r50os16_gtav_base.sh@8bcd90a"
_R50_CITY = "scripts/train_r50os16_cty_base.sh@8bcd90a"
_R101_SCRIPT = "scripts/train_r101os8_gtav_base.sh@2e49a98"
_R_MAIN = "train.py@0f26a39"
_R_SETS, _R_SPLIT = "datasets/__init__.py@8bcd90a", "split_data/gtav_split_{}.txt@c6ee8ce"
_R_VALID, _R_NET = "valid.py@7749af5", "network/Resnet.py@1227427"
_REIN = "configs/dinov2/rein_dinov2_mask2former_512x512_bs1x4.py@29755d4"
_REIN_SETS = "configs/_base_/datasets/{}_512x512.py@29755d4"
_REIN_MODEL = "configs/_base_/models/rein_dinov2_mask2former.py@29755d4"
_SOMA = "configs/sora/sora_dinov2-L_mask2former.py@2bf0124"
_SOMA_SETS = "configs/_base_/datasets/{}_512x512.py@2bf0124"
_SOMA_MODEL = "configs/_base_/models/dinov2_mask2former.py@2bf0124"
_UNLIKE_REIN = (
    "the authors' decoder is Mask2Former, which this package does not have. Of their training: the "
    "short edge is drawn from 16 lengths, 256 to 1024, and the long one ends at 2048, crops have "
    "at most 75 % of one class, and brightness, contrast, saturation and hue are distorted; none "
    "of this is done here. Their halved frames of Mapillary are stored as JPEG once more"
)
_HALVED = (
    "frames and labels are halved before; then the authors fit them into a box, which makes the "
    "width of a portrait frame what its height is here"
)

# fmt: off
_ROBUSTNET_TESTS = (
    #       column        data set          split         frames sure
    TestSet("cityscapes", "cityscapes",     "val",           500, _R_SETS),
    TestSet("bdd100k",    "bdd100k_semseg", "val",          1000, _R_SETS),
    TestSet("mapillary",  "mapillary",      "validation",   2000,
            "transforms/joint_transforms.py@8bcd90a",
            framing=Framing(1536, crop=(1536, 1536), as_robustnet=True), label_map="robustnet",
            remark="as there, what a narrow frame leaves black counts as road, and some "
            "of its right side is cut off"),
    TestSet("synthia",    "synthia",        "val",          2820,
            "split_data/synthia_split_val.txt@c6ee8ce"),
    TestSet("gta5",       "gta5",           "val",          6382,
            _R_SPLIT.format("val"), label_map="robustnet", remark="labels read by colour there"),
)


def _robustnet_settings(backbone: str, stride: int, script: str) -> tuple[Setting, ...]:
    return (
        Setting("model.backbone.name",          (backbone,),         script),
        Setting("model.backbone.output_stride", (stride,),           script),
        Setting("model.head.name",              ("deeplabv3plus",),  script),
        Setting("optim.name",                   ("sgd",),            _R_MAIN),
        Setting("optim.lr",                     (0.01,),             script),
        Setting("optim.iterations",             (40_000,),           script),
        Setting("data.crop_size",               ((768, 768),),       script),
    )


def _as_rein(height: int, script: str, model: str, sets: str, **own: Any) -> Protocol:
    """Rein's protocol, and those of its heirs: at which height Cityscapes and Mapillary are seen.

    ``script``, ``model``, ``sets``: files that its facts were read in, the last one's name open.
    """
    return Protocol(
        train=("gta5:all",),
        train_sure=sets.format("gta"),
        tests=(
            #       column        data set          split         frames sure
            TestSet("cityscapes", "cityscapes",     "val",           500,
                    sets.format("cityscapes"), input_size=(height, 2 * height)),
            TestSet("bdd100k",    "bdd100k_semseg", "val",          1000,
                    sets.format("bdd100k"), input_size=(720, 1280)),
            TestSet("mapillary",  "mapillary",      "validation",   2000,
                    sets.format("mapillary"), input_height=height,
                    framing=Framing(scale=0.5), label_map="rein", remark=_HALVED),
        ),
        checkpoint_sure=script,
        settings=(
            Setting("data.crop_size",               ((512, 512),),   model),
            Setting("optim.name",                   ("adamw",),      script),
            Setting("optim.lr",                     (1e-4,),         script),
            Setting("optim.weight_decay",           (0.05,),         script),
            Setting("optim.schedule",               ("poly",),       script),
            Setting("optim.warmup_iterations",      (0,),            script),
            Setting("optim.iterations",             (40_000,),       script),
            Setting("optim.global_batch_size",      (4,),            script),
        ),
        window=(512, 512),
        stride=(341, 341),
        inference_sure=model,
        **own,
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
            Setting("model.backbone.output_stride", (8,),             "paper"),
            Setting("model.head.name",              ("fcn",),         "paper"),
            Setting("optim.name",                   ("sgd",),         "recalled"),
            Setting("optim.lr",                     (0.01,),          "recalled"),
            Setting("optim.global_batch_size",      (16,),            "recalled"),
            Setting("optim.iterations",             (15500, 14900),   "recalled"),  # 80 epochs
        ),
        unlike="at which size the authors tested frames was not seen; here it is their own",
    ),
    "robustnet": Protocol(
        title="RobustNet (Choi et al., CVPR 2021), ResNet-50: most ResNet papers since",
        train=("gta5/robustnet:train-clean", "gta5/robustnet:train-clean+synthia:train",
               "cityscapes:train"),
        train_sure=_R_SPLIT.format("train"),
        tests=_ROBUSTNET_TESTS,
        checkpoint_sure=_R_MAIN,
        settings=(
            *_robustnet_settings("resnet50", 16, _R50_SCRIPT),
            Setting("optim.weight_decay",           (5e-4,),             _R_MAIN),
            Setting("optim.global_batch_size",      (16, 8),             _R50_CITY),  # 8 there
            Setting("data.scale_range",             ((0.5, 2.0),),       _R50_SCRIPT),
            Setting("data.sampling.name",           ("class_uniform",),  _R50_SCRIPT),
        ),
        inference_sure=_R_VALID,
        repository="shachoi/RobustNet",
        unlike=_UNLIKE_ROBUSTNET,
    ),
    "robustnet_r101": Protocol(
        title="RobustNet, ResNet-101 with a stem of three 3x3 convolutions",
        train=("gta5/robustnet:train-clean",),
        train_sure=_R_SPLIT.format("train"),
        tests=_ROBUSTNET_TESTS,
        checkpoint_sure=_R_MAIN,
        settings=(
            *_robustnet_settings("resnet101", 8, _R101_SCRIPT),
            Setting("model.backbone.stem",          ("conv3x3",),        _R_NET),
            Setting("optim.global_batch_size",      (16,),               _R101_SCRIPT),
        ),
        inference_sure=_R_VALID,
        repository="shachoi/RobustNet",
        unlike="published rows are means of three runs; several later papers train their "
        "ResNet-101 on all 24,966 frames of GTA5 instead; " + _UNLIKE_ROBUSTNET,
    ),
    "rein": _as_rein(
        512, _REIN, _REIN_MODEL, _REIN_SETS,
        title="Rein (Wei et al., CVPR 2024) and papers that follow it",
        repository="w1oves/Rein",
        unlike=_UNLIKE_REIN,
    ),
    "soma": _as_rein(
        1024, _SOMA, _SOMA_MODEL, _SOMA_SETS,
        title="SoMA (Yun et al., CVPR 2025), which tests larger frames than Rein",
        checkpoint="published files are called *_best, and nothing in the configs keeps the best: "
        "probably chosen on the target",
        repository="ysj9909/SoMA",
        unlike="their weight decay falls along a cosine, and weights are averaged from update "
        "12,000 on; " + _UNLIKE_REIN,
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
        note="Our frames are synthetic: the table illustrates the effect and is no measurement of "
        "it.",
    ),
}
# fmt: on


def describe_protocols() -> str:
    """Return all of them, with what the words in brackets mean, and the published rows."""
    legend = [f"  [{word}] {meaning}" for word, meaning in SURE.items()]
    found = [describe_protocol(name, given) for name, given in PROTOCOLS.items()]
    return "\n\n".join([*found, "\n".join(["How sure:", *legend]), "\n".join(published_lines())])
