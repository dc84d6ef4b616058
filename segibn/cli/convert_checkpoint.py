"""``convert_checkpoint``: RobustNet's checkpoints into ours and back; weights as safetensors."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXAMPLE = """\
examples:
  python tools/convert_checkpoint.py robustnet_r50_ibn.pth --output runs/robustnet_r50_ibn.pt
  python tools/convert_checkpoint.py runs/robustnet_r50_ibn.pt --output back.pth
  python tools/convert_checkpoint.py runs/gta5_ibn/checkpoints/last.pt --output gta5.safetensors

A RobustNet file (baseline, IBN or ISW; ResNet-50 or -101) becomes a segibn checkpoint, .pt; a
segibn checkpoint becomes a RobustNet file, .pth, or .safetensors, by the name of --output.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of this verb."""
    parser = argparse.ArgumentParser(
        prog="convert_checkpoint.py",
        description="Convert checkpoints between segibn, RobustNet and safetensors.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="a file, or a segibn run folder")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help=".pt, .pth or .safetensors"
    )
    parser.add_argument(
        "--output-stride",
        type=int,
        choices=(8, 16, 32),
        help="of a RobustNet network (default: its scripts', 16 for ResNet-50, 8 for ResNet-101)",
    )
    parser.add_argument(
        "--variant",
        choices=("base", "ibn", "isw"),
        help="of the RobustNet file to write (default: ibn for variant b, else base)",
    )
    parser.add_argument(
        "--trained-on",
        default="gta5",
        choices=("gta5", "cityscapes"),
        help="noted in the segibn checkpoint (default: gta5)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb; returns 0."""
    arguments = build_parser().parse_args(argv)

    from segibn.errors import CheckpointError
    from segibn.models.robustnet import plain_state
    from segibn.models.state import read_torch_file
    from segibn.predict import find_checkpoint

    source = arguments.checkpoint
    if source.is_dir():
        source = find_checkpoint(str(source))
    content = read_torch_file(source)
    foreign = plain_state(content)
    suffix = arguments.output.suffix
    if foreign is not None and suffix == ".pt":
        report = _to_segibn(foreign, content, arguments)
    elif foreign is None and suffix == ".pth":
        report = _to_robustnet(source, arguments)
    elif foreign is None and suffix == ".safetensors":
        report = _to_safetensors(source, arguments.output)
    else:
        kind = "a RobustNet checkpoint" if foreign is not None else "no RobustNet checkpoint"
        raise CheckpointError(
            f"{source} is {kind}; --output {arguments.output.name} does not follow from it. "
            "RobustNet becomes .pt, segibn becomes .pth (RobustNet) or .safetensors"
        )
    print(f"{arguments.output}: {report}")
    return 0


def _to_segibn(
    state: dict[str, Any], content: dict[str, Any], arguments: argparse.Namespace
) -> str:
    from dataclasses import replace

    import torch

    from segibn.config.schema import RunConfig
    from segibn.engine.checkpoint import ClassTable, save_checkpoint
    from segibn.errors import CheckpointError
    from segibn.labels.cityscapes import CITYSCAPES
    from segibn.models.build import build_segmenter
    from segibn.models.robustnet import from_robustnet, inspect
    from segibn.models.state import compare_states, shortened

    kind = inspect(state)
    if arguments.output_stride is not None:
        kind = replace(kind, output_stride=arguments.output_stride)
    if kind.num_classes != CITYSCAPES.num_classes:
        raise CheckpointError(
            f"{arguments.checkpoint} has {kind.num_classes} classes, RobustNet's have "
            f"{CITYSCAPES.num_classes}"
        )
    config = RunConfig.model_validate(
        {
            "name": arguments.output.stem,
            "data": {"train": {"name": arguments.trained_on, "split": "train"}},
            "model": kind.model_config(),
        }
    )
    with torch.device("meta"):
        model = build_segmenter(config.model, kind.num_classes)
    ours = from_robustnet(state)
    differences = compare_states(model.state_dict(), ours)
    if differences:
        raise CheckpointError(
            f"{arguments.checkpoint} is not RobustNet's {kind.backbone} ({kind.variant}):\n"
            f"{shortened(differences)}"
        )
    model.load_state_dict(ours, assign=True)
    save_checkpoint(
        arguments.output,
        model=model,
        config=config,
        classes=ClassTable("cityscapes19", CITYSCAPES.class_names, CITYSCAPES.palette.tolist()),
        iteration=config.optim.iterations,
        training=None,
    )
    epoch = content.get("epoch")
    trained = f", epoch {epoch}" if epoch is not None else ""
    return (
        f"{kind.backbone}, {kind.variant}{trained}, output stride {kind.output_stride}; "
        f"{len(ours)} tensors"
    )


def _to_robustnet(source: Path, arguments: argparse.Namespace) -> str:
    import torch

    from segibn.errors import CheckpointError
    from segibn.files import atomic_path
    from segibn.models.robustnet import RobustNetKind, to_robustnet
    from segibn.models.weights import load_segmenter

    model, config, meta = load_segmenter(source)
    backbone = config.model.backbone
    variant = arguments.variant or ("ibn" if backbone.ibn == "b" else "base")
    kind = RobustNetKind(
        backbone.name,
        variant,
        deep_stem=backbone.stem == "conv3x3",
        output_stride=backbone.output_stride,
        num_classes=len(meta["class_names"]),
    )
    wanted = RobustNetKind.model_config(kind)
    own = config.model.model_dump()
    fits = backbone.name in ("resnet50", "resnet101") and config.model.align_corners
    fits = fits and config.model.head.name == "deeplabv3plus"
    if not fits or any(own["backbone"][key] != value for key, value in wanted["backbone"].items()):
        raise CheckpointError(
            f"{source} is another network than RobustNet's: it needs a resnet50 or "
            f"resnet101 as {wanted['backbone']}, head deeplabv3plus and align_corners: true"
        )
    state = {f"module.{k}": v for k, v in to_robustnet(model.state_dict(), kind).items()}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(arguments.output) as temporary:
        torch.save({"state_dict": state, "epoch": 0, "mean_iu": 0.0}, temporary)
    return f"RobustNet {kind.backbone}, {variant}; {len(state)} tensors"


def _to_safetensors(source: Path, output: Path) -> str:
    import json

    from segibn.errors import SegibnError
    from segibn.files import atomic_path
    from segibn.models.weights import load_segmenter

    model, config, meta = load_segmenter(source)
    try:
        from safetensors.torch import save_file
    except ImportError:
        raise SegibnError("safetensors is not installed: pip install 'segibn[export]'") from None
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    notes = {
        "format": "pt",
        "config": config.model_dump_json(),
        "class_names": json.dumps(meta["class_names"]),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(output) as temporary:
        save_file(state, temporary, metadata=notes)
    return f"{len(state)} tensors of {config.name}"
