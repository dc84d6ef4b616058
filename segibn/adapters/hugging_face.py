"""Networks of Hugging Face transformers, from a folder or the hub: ``hf:ID_OR_FOLDER[@REVISION]``.

Semantic ones give logits. Universal ones give masks and their classes, of which the scores of a
class are made as their authors do, ``softmax(class)[:-1] . sigmoid(mask)``, at the masks' own size.
transformers' Mask2Former squeezes masks to 384x384 first, which changes them: ``hf-384:`` does so
too. Code that comes with weights is never run, and weights are read from safetensors alone.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segibn.adapters.outside import Outside, OutsideNetwork, Pixels, Scores, plain_names
from segibn.errors import CheckpointError
from segibn.extras import require
from segibn.files.writing import read_json
from segibn.text import listed, printable

_FILES = ["*.json", "*.safetensors", "merges.txt", "*.model"]
_SQUEEZED = (384, 384)


def load_hugging_face(source: str, squeezed: bool = False) -> Outside:
    """Load a network; CheckpointError: it cannot be had, or is none for semantic segmentation."""
    require("transformers", "transformers", purpose=f"hf:{source}")
    folder = _folder(source)
    network, config, is_universal = _load(folder, source)
    labels = {int(key): name for key, name in config.id2label.items()}
    names = plain_names([labels[index] for index in sorted(labels)], source)
    if squeezed and not is_universal:
        raise CheckpointError(f"hf-384:{source}: {config.model_type} has no masks to squeeze")
    scores = _universal(config, folder, squeezed) if is_universal else _semantic
    how = {"gives": "scores" if is_universal else "logits", "way": "hf-384" if squeezed else ""}
    # Channels-last weights would cost SegFormer-B0 40 % more memory, and save no time.
    wrapped = OutsideNetwork(network, len(names), _pixels(folder, source), scores, **how, keeps_layout=True)
    files = tuple(sorted(folder.glob("*.safetensors")))
    return Outside(wrapped, names, f"{'hf-384' if squeezed else 'hf'}:{Path(source).name}", files, {})


def _folder(source: str) -> Path:
    """The folder of a network, downloaded where it is the name of one on the hub."""
    if Path(source).is_dir():
        return Path(source)
    name, _, revision = source.partition("@")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CheckpointError(f"hf:{printable(source)}: no such folder, and no name on the hub (OWNER/NAME)")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=_FILES))
    except Exception as error:  # of the hub, the network or the file system
        raise CheckpointError(
            f"hf:{printable(source)} cannot be had from the hub: {printable(str(error)[:300])}; "
            "give a folder that save_pretrained wrote"
        ) from error


def _load(folder: Path, source: str) -> tuple[nn.Module, Any, bool]:
    """The network, its config, and whether it is a universal one."""
    import transformers as hf

    if not any(folder.glob("*.safetensors")):
        raise CheckpointError(
            f"hf:{source} has no .safetensors: other weights are not opened; where you trust "
            "them, load them with transformers and call save_pretrained"
        )
    try:
        config = hf.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # arbitrary JSON fails in arbitrary ways
        raise CheckpointError(
            f"hf:{source}: transformers {hf.__version__} does not know its config.json: {printable(str(error)[:300])}"
        ) from error
    auto = (hf.AutoModelForSemanticSegmentation, hf.AutoModelForUniversalSegmentation)
    kind = next((kind for kind in auto if type(config) in kind._model_mapping), None)
    if kind is None:
        raise CheckpointError(f"hf:{source}: {config.model_type} is no network for segmentation")
    try:
        network, found = kind.from_pretrained(
            folder, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # sizes that do not fit, files cut short
        raise CheckpointError(f"hf:{source} cannot be loaded: {printable(str(error)[:400])}") from error
    if missing := sorted(found["missing_keys"]):
        raise CheckpointError(
            f"hf:{source} holds no trained {kind.__name__.removeprefix('AutoModelFor')}: "
            f"{len(missing)} of its weights are not in the file, such as {listed(missing, 3)}"
        )
    return network, config, kind is auto[1]


def _semantic(network: nn.Module, image: Tensor) -> Tensor:
    return network(pixel_values=image).logits


def _universal(config: Any, folder: Path, squeezed: bool) -> Scores:
    more: dict[str, Tensor] = {}
    if config.model_type == "oneformer":
        from transformers import AutoTokenizer

        words = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        length = {"padding": "max_length", "max_length": config.task_seq_len}
        more["task_inputs"] = words("the task is semantic", return_tensors="pt", **length).input_ids

    def scores(network: nn.Module, image: Tensor) -> Tensor:
        given = {key: value.expand(len(image), -1).to(image.device) for key, value in more.items()}
        found = network(pixel_values=image, **given)
        classes = found.class_queries_logits.float().softmax(dim=-1)[..., :-1]
        masks = found.masks_queries_logits.float()
        if squeezed:
            masks = nn.functional.interpolate(masks, _SQUEEZED, mode="bilinear")
        return torch.einsum("nqk,nqhw->nkhw", classes, masks.sigmoid_())

    return scores


def _pixels(folder: Path, source: str) -> Pixels:
    """What the network's processor does to pixels; its size is not taken."""
    paths = [folder / name for name in ("preprocessor_config.json", "processor_config.json")]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        raise CheckpointError(
            f"hf:{source} has no preprocessor_config.json, which says how pixels are normalised; "
            "save its image processor there: processor.save_pretrained(FOLDER)"
        )
    said = read_json(path)
    said = said.get("image_processor", said)
    scale = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
    is_bgr = bool(said.get("do_flip_channel_order", False))
    if not said.get("do_normalize", "image_mean" in said):
        return Pixels(scale, is_bgr=is_bgr)
    try:
        mean, std = ([float(value) for value in said[key]] for key in ("image_mean", "image_std"))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: no image_mean and image_std of three numbers") from error
    return Pixels(scale, mean, std, is_bgr)
