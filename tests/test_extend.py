"""How many files of the package it takes to add something, and that it works then.

Each test edits a copy of the package and uses what it has added in a process of its own.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Copy:
    """A copy of the package that is being extended."""

    root: Path
    touched: set[str] = field(default_factory=set)

    def add(self, name: str, text: str) -> None:
        """Add a file to the package."""
        path = self.root / "segibn" / name
        assert not path.exists(), name
        path.write_text(text, encoding="utf-8")
        self.touched.add(name)

    def insert(self, name: str, before: str, text: str) -> None:
        """Insert lines before a line that a file has once."""
        path = self.root / "segibn" / name
        old = path.read_text(encoding="utf-8")
        assert old.count(before) == 1, f"{name} has {old.count(before)} times:\n{before}"
        path.write_text(old.replace(before, text + before), encoding="utf-8")
        self.touched.add(name)

    def run(self, code: str) -> str:
        """Run Python on the copy -> what it prints."""
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Copy:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(repository / "segibn", tmp_path / "segibn", ignore=ignored)
    shutil.copytree(repository / "configs", tmp_path / "configs")
    return Copy(tmp_path)


TOY_LOSS = '''
"""One minus the mean probability of the true class, sharpened."""

import torch
from torch import Tensor

from segibn.labels.label_set import IGNORE_INDEX
from segibn.losses import in_float32


@in_float32
def doubt(logits: Tensor, target: Tensor, *, power: float = 1.0) -> Tensor:
    """(N, K, H, W) logits and (N, H, W) train ids -> a scalar in 0..1."""
    valid = target != IGNORE_INDEX
    true = logits.softmax(1).gather(1, torch.where(valid, target, 0)[:, None])[:, 0]
    return ((1 - true) ** power * valid).sum() / valid.sum().clamp(min=1)
'''

TRAIN_WITH_IT = """
import torch
from segibn.builders.losses import build_criterion
from segibn.builders.models import build_segmenter
from segibn.config.load import load_config

overrides = ["loss.doubt_weight=0.5", "loss.doubt_power=2", "model.weights=none"]
config = load_config("sample_ibn", overrides)
torch.manual_seed(0)
model = build_segmenter(config.model, 19).train()
criterion = build_criterion(config.loss, 19, torch.device("cpu"))
optimizer = torch.optim.SGD(model.parameters(), 0.01)
image, target = torch.randn(2, 3, 64, 64), torch.randint(0, 19, (2, 64, 64))
before = [p.detach().clone() for p in model.parameters()]
loss, parts = criterion(model(image), target)
loss.backward()
optimizer.step()
assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters()))
assert abs(parts["doubt"].item() - (1 - 1 / 19) ** 2) < 0.05, parts
assert torch.allclose(loss.detach(), parts["main"] + 0.5 * parts["doubt"])
print(*parts, *config.loss.region_weights)
"""


def test_a_loss_takes_three_files(copy: Copy) -> None:
    copy.add("losses/doubt.py", TOY_LOSS.lstrip())
    copy.insert("losses/criterion.py", "\n\nRegionLoss = ", "\nfrom segibn.losses.doubt import doubt")
    copy.insert("losses/criterion.py", '"lovasz": lovasz_softmax', '"doubt": doubt, ')
    copy.insert(
        "config/schema.py",
        "    dice_weight: values.NonNegative",
        '    doubt_weight: values.NonNegative = 0.0\n    """Weight of the doubt; 0 = none."""\n'
        '    doubt_power: values.Positive = 1.0\n    """Exponent of it."""\n',
    )
    assert copy.run(TRAIN_WITH_IT).split() == ["main", "doubt", "doubt"]
    assert len(copy.touched) <= 3


TOY_BACKBONE = '''
"""Patches: one strided convolution a feature."""

from torch import Tensor, nn

from segibn.models.features import Backbone, FeatureSpec


class Patches(Backbone):
    """Features of `width` channels each."""

    def __init__(self, output_stride: int, width: int = 8) -> None:
        super().__init__()
        self.half_spec = FeatureSpec(width, 2)
        self.feature_specs = {
            f"layer{n}": FeatureSpec(width, min(2 ** (n + 1), output_stride)) for n in (1, 2, 3, 4)
        }
        specs = [FeatureSpec(3, 1), self.half_spec, *self.feature_specs.values()]
        self.convs = nn.ModuleList(
            nn.Conv2d(before.channels, width, 3, spec.stride // before.stride, padding=1)
            for before, spec in zip(specs, specs[1:])
        )

    def step(self, name: str, x: Tensor) -> Tensor:
        """See `Backbone`."""
        return self.convs[["half", *self.feature_specs].index(name)](x).relu()

    def stage_of(self, parameter: str) -> int:
        """See `Backbone`."""
        return int(parameter.split(".")[1])


def build(name: str, ibn: str, output_stride: int, width: int = 8) -> Patches:
    """Build it."""
    return Patches(output_stride, width)
'''

USE_IT = """
import torch
from segibn.builders.models import build_segmenter
from segibn.config.load import load_config
from segibn.engine.optim import build_optimizer

overrides = ["model={backbone: %s, weights: none}", "optim.layer_decay=0.5"]
config = load_config("sample_ibn", overrides)
model = build_segmenter(config.model, 19).eval()
features = model.backbone(torch.zeros(1, 3, 96, 128))
for name, spec in model.backbone.feature_specs.items():
    assert features[name].shape == (1, spec.channels, -(-96 // spec.stride), 128 // spec.stride)
assert model(torch.zeros(1, 3, 96, 128)).logits.shape == (1, 19, 96, 128)
groups = build_optimizer(model, config.optim, torch.device("cpu")).param_groups
assert len({group["initial_lr"] for group in groups}) == 6  # stem, four stages, heads
print(config.model.backbone.name, [spec.channels for spec in model.backbone.feature_specs.values()])
"""


def test_a_backbone_takes_two_files(copy: Copy) -> None:
    copy.add("models/patches.py", TOY_BACKBONE.lstrip())
    copy.insert("models/catalog.py", '    Family("light"', '    Family("patches", ("patches",)),\n')
    backbone = "{name: patches, output_stride: 16}"
    assert copy.run(USE_IT % backbone) == "patches [8, 8, 8, 8]\n"
    assert len(copy.touched) <= 2


def test_a_backbone_with_settings_of_its_own_takes_three_files(copy: Copy) -> None:
    copy.add("models/patches.py", TOY_BACKBONE.lstrip())
    family = '    Family("patches", ("patches",), options=("width",)),\n'
    copy.insert("models/catalog.py", '    Family("light"', family)
    copy.insert(
        "config/backbones.py",
        "\n\n_WITH_OWN_SECTION = ",
        '''

class PatchesConfig(Frozen):
    """Patches."""

    name: Literal["patches"]
    """patches."""
    ibn: Literal["none"] = "none"
    """Patches are taken as they are."""
    output_stride: Literal[8, 16, 32] = 8
    """Input size over size of the last feature map."""
    width: values.Rank = 8
    """Channels of each feature."""

    @property
    def network(self) -> str:
        """What tables call it."""
        return self.name
''',
    )
    copy.insert("config/backbones.py", '"timm",)', '"patches", ')
    copy.insert(
        "config/backbones.py",
        '| Annotated[TimmBackboneConfig, Tag("timm")]',
        '| Annotated[PatchesConfig, Tag("patches")] ',
    )
    backbone = "{name: patches, width: 24}"
    assert copy.run(USE_IT % backbone) == "patches [24, 24, 24, 24]\n"
    assert len(copy.touched) <= 3


TOY_DATASET = '''
"""Lanes: frames of one road."""

from segibn.data.datasets.source import DatasetSource, Place
from segibn.labels.cityscapes import CITYSCAPES
from segibn.labels.label_set import LabelSet
from segibn.labels.schemes import nineteen_label, on_schemes

_ROWS = (nineteen_label("tar", 3, "road"), nineteen_label("air", 7, "sky"))

SOURCE = DatasetSource(
    name="lanes",
    title="Lanes",
    layout="lanes/{train,val}/<frame>.png and <frame>_map.png",
    where="https://example.org/lanes",
    splits={"train": 3, "val": None},
    images=Place("{split}/frames", ".png"),
    targets=Place("{split}/maps", "_map.png"),
    tables=on_schemes(LabelSet("lanes", _ROWS, CITYSCAPES.classes)),
)
'''

READ_IT = """
from pathlib import Path
import numpy as np
from segibn.builders.loader import build_train_loader
from segibn.builders.sets import training_sets
from segibn.cli import check, score
from segibn.config.load import load_config
from segibn.files.encode import write_image, write_label_png

root = Path("data")
for split in ("train", "val"):
    for n in range(3):
        write_image(root / f"lanes/{split}/frames/{n}.png", np.zeros((8, 12, 3), np.uint8))
        values = np.where(np.arange(12) < 6, 3, 7).astype(np.uint8)[None].repeat(8, 0)
        write_label_png(root / f"lanes/{split}/maps/{n}_map.png", values)
assert check.main(["lanes", "--datasets", "data", "--jobs", "1"]) == 0
truth = str(root / "lanes/val/maps")
score.main(["semseg", "--labels", "lanes", "--target", truth, "--pred", truth,
            "--pred-encoding", "label_ids"])

config = load_config("sample_ibn", [
    "data.train={name: lanes, split: train}", "data.val={name: lanes, split: val}",
    "data.classes=street11", "data.resize=null", "data.crop_size=[8, 12]",
    "data.scale_range=[1, 1]",
    "data.workers=0", "optim.global_batch_size=2",
    "optim.iterations=1", "optim.warmup_iterations=0",
])
sets = training_sets(config.data, root)
(batch,) = build_train_loader(config, sets)
assert batch["image"].shape == (2, 3, 8, 12)
print(sorted({sets[0].label_set.class_names[i] for i in batch["target"].unique()}))
"""


def test_a_data_set_takes_two_files(copy: Copy) -> None:
    copy.add("data/datasets/lanes.py", TOY_DATASET.lstrip())
    copy.insert("data/datasets/catalog.py", '    "kitti",', '    "lanes",\n')
    said = copy.run(READ_IT)
    assert "lanes:train" in said
    assert "lanes:val" in said
    assert said.count("all good") == 2
    assert said.endswith("['road', 'sky']\n")
    assert len(copy.touched) <= 2


TOY_METRIC = '''
"""Accuracy near the camera: of the lower half of each frame."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segibn.evaluation.measure import Frame, FramePrediction, Metric
from segibn.evaluation.scores import format_percent


class NearAccuracy(Metric):
    """Pixels of the lower half of each frame: right ones, and all."""

    name = "near"
    about = "pixel accuracy of the lower half of each frame"

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__(class_names)
        self.sums = np.zeros(2, np.int64)

    def of(self, frame: Frame, prediction: FramePrediction) -> NDArray[np.int64]:
        """Count one frame."""
        lower = slice(len(frame.target) // 2, None)
        target, labels = frame.target[lower], prediction.labels[lower]
        valid = target != 255
        return np.array([(target == labels)[valid].sum(), valid.sum()])

    def result(self) -> dict[str, Any]:
        """Return plain JSON values."""
        right, valid = self.sums.tolist()
        return {"accuracy": right / valid if valid else None}

    @staticmethod
    def table(found: Mapping[str, Any]) -> str:
        """Return one line."""
        return f"near accuracy {format_percent(found['accuracy'])} %"
'''

MEASURE_IT = """
from pathlib import Path
import numpy as np
from segibn.cli import evaluate, score
from segibn.evaluation.evaluate import ScoreTally, evaluate as measure
from segibn.evaluation.measures import measured
from segibn.evaluation.scores import Conditions
from segibn.files.encode import write_label_png

target = np.zeros((4, 8), np.uint8)
pred = target.copy()
pred[:3] = 1
for folder, values in (("gt", target), ("pred", pred)):
    write_label_png(Path(folder) / "a.png", values)
score.main(["semseg", "--target", "gt", "--pred", "pred", "--near"])
assert "pixel accuracy of the lower half" in " ".join(evaluate.build_parser().format_help().split())
names = ("road", "sidewalk")
tally, near = ScoreTally(names, Conditions("toy"), ["a"]), measured(["near"], names)
frames = [("a", np.zeros((4, 8, 3), np.uint8), target)]
print(measure(lambda images: [pred], frames, [tally, *near]))
"""


def test_a_metric_takes_two_files(copy: Copy) -> None:
    copy.add("evaluation/near.py", TOY_METRIC.lstrip())
    copy.insert("evaluation/measures.py", "\n\nMETRICS: ", "\nfrom segibn.evaluation.near import NearAccuracy")
    copy.insert("evaluation/measures.py", "BoundaryIoU, Calibration, ErrorDetection)", "NearAccuracy, ")
    said = copy.run(MEASURE_IT)
    assert "near accuracy 50.00 %" in said
    assert "{'accuracy': 0.5}" in said
    assert len(copy.touched) <= 2
