"""Networks on frames with something that they never saw."""

from collections.abc import Mapping
from pathlib import Path

import torch

from segibn.errors import ConfigError, DatasetError
from segibn.evaluation.ood import OodTally, find_ood
from segibn.files.pictures import read_image, read_label_map
from segibn.inference.predictor import Predictor
from segibn.models.layers import upsample
from segibn.text import markdown_table, printable


@torch.inference_mode()
def score_ood(predictor: Predictor, folder: Path) -> dict[str, dict[str, float | None]]:
    """Score a folder of `find_ood` -> by score of the logits AUROC, AUPRC and FPR95.

    ConfigError: several views or networks, whose logits are no one network's.
    """
    if predictor.options.num_views > 1 or predictor.is_ensemble:
        raise ConfigError("--ood takes the logits of one view: leave out scales, --flip and --ensemble")
    if getattr(predictor.networks[0], "gives", "logits") != "logits":
        raise ConfigError("--ood: this network gives scores of masks, no logits")
    tally = OodTally()
    for path, target in find_ood(folder):
        image, truth = read_image(path), read_label_map(target)
        if truth.shape != image.shape[:2]:
            raise DatasetError(f"{printable(target)} is not of the size of its frame {printable(path)}")
        (view,) = predictor.logits([image])
        logits = upsample(view, (truth.shape[0], truth.shape[1]), align_corners=predictor.align_corners)
        tally.add(logits[0].cpu().numpy(), truth)
    return tally.result()


def format_ood(found: Mapping[str, Mapping[str, Mapping[str, float | None]]], network: str) -> str:
    """Format what `score_ood` found of each folder, by its name, as Markdown."""
    body = [
        [name, score, *("-" if value is None else f"{100 * value:.1f}" for value in values.values())]
        for name, scores in found.items()
        for score, values in scores.items()
    ]
    lines = markdown_table([f"{network}, out of distribution", "score", "AUROC", "AUPRC", "FPR95"], body, right=2)
    return "\n".join([*lines, "", "in %, over pixels; FPR95: the lower the better", ""])
