"""What methods of generalisation cost when the trained network predicts: nothing."""

from collections.abc import Mapping

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segibn.builders.models import build_segmenter
from segibn.config.load import validate
from segibn.config.schema import RunConfig
from segibn.data.datasets.catalog import scheme_label_set
from segibn.engine.update import Updater
from segibn.models.segmenter import Segmenter

CLASSES = scheme_label_set("cityscapes19").class_names
SECTIONS: Mapping[str, Mapping] = {
    "pasta": {},
    "random_convolution": {},
    "amplitude_mix": {},
    "copy_paste": {},
    "mixstyle": {"probability": 1.0},
    "efdm": {"probability": 1.0},
    "np_plus": {"probability": 1.0},
    "mrfp": {"probability": 1.0},
    "whitening": {"kind": "iw"},
    "consistency": {},
    "mean_teacher": {},
}


def config_with(generalise: Mapping[str, Mapping], average: bool) -> RunConfig:
    backbone = {"name": "resnet18", "ibn": "b", "output_stride": 32, "ibn_affine": False}
    tree = {
        "name": "test",
        "data": {"train": {"name": "cityscapes"}},
        "model": {"backbone": backbone, "head": {"name": "fcn", "channels": 8}},
        "optim": {"global_batch_size": 2, "iterations": 4},
        "engine": {"precision": "float32", "channels_last": False},
        "generalise": generalise,
        "ema": {} if average else None,
    }
    return validate(tree, source="test")


def operations(model: Segmenter, image: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops()


@pytest.mark.parametrize("average", [True, False])
def test_all_methods_at_once_leave_the_network_that_predicts(average: bool) -> None:
    sections = {k: v for k, v in SECTIONS.items() if average or k != "mean_teacher"}
    config = config_with(sections, average)
    updater = Updater(config, build_segmenter(config.model, len(CLASSES)).train(), CLASSES)
    batch = {
        "image": torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8),
        "target": torch.randint(0, len(CLASSES), (2, 64, 64)).to(torch.uint8),
        "name": ["a", "b"],
    }
    for iteration in range(2):
        updater.update(batch, iteration).read()
    trained = updater.predicting_model.eval()

    plain = build_segmenter(config_with({}, average=False).model, len(CLASSES)).eval()
    plain.load_state_dict(trained.state_dict(), strict=True)  # the very same parameters
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(trained(image).logits, plain(image).logits, rtol=0, atol=0)
    assert operations(trained, image) == operations(plain, image)
