"""Reading configs: one parent, overrides, all mistakes at once with path and suggestion."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from segibn.config.load import dump_config, load_config
from segibn.config.schema import RunConfig
from segibn.errors import ConfigError

CONFIGS = [
    path
    for path in sorted((Path(__file__).resolve().parents[2] / "configs").rglob("*.yaml"))
    if path.parent.name != "inference"  # inference configs
]
MINIMAL = "data: {train: {name: gta5}}\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(path.parents[2])))
def test_every_shipped_config_loads_and_says_how_to_run_it(path: Path) -> None:
    config = load_config(path)
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    command = next(line for line in header if line.startswith("# command:"))
    assert path.as_posix().rpartition("/configs/")[2].removesuffix(".yaml") in command.split()
    assert any("# cost:" in line and "expected:" in line for line in header)
    assert config.name == path.stem
    kind = {"none": "none", "ibn": "a", "ibn_b": "b"}
    for ending in ("_ibn_b", "_ibn", "_none"):
        if path.stem.endswith(ending):
            is_cut = config.model.backbone.name == "timm" and ending == "_ibn"
            assert config.model.backbone.ibn == ("share" if is_cut else kind[ending[1:]])
            break


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(path.parents[2])))
def test_no_config_repeats_its_parents_values_or_has_a_grandparent(path: Path) -> None:
    tree = yaml.safe_load(path.read_text())
    base = tree.pop("base", None)
    if base is None:
        return
    parent = yaml.safe_load((path.parent / base).read_text())
    assert "base" not in parent

    def leaves(node: object, prefix: str = "") -> dict[str, object]:
        if not isinstance(node, dict):
            return {prefix: node}
        return {k: v for key, n in node.items() for k, v in leaves(n, f"{prefix}.{key}").items()}

    inherited = leaves(_without_replaced(parent, tree))
    repeated = leaves(tree).items() & {k: v for k, v in inherited.items() if _hashable(v)}.items()
    assert not repeated


def _without_replaced(parent: object, child: object) -> object:
    """What a child inherits: a section with another ``name`` takes nothing from its parent's."""
    if not (isinstance(parent, dict) and isinstance(child, dict)):
        return parent
    if {"name"} <= parent.keys() & child.keys() and parent["name"] != child["name"]:
        return {}
    return {key: _without_replaced(value, child.get(key)) for key, value in parent.items()}


def _hashable(value: object) -> bool:
    return not isinstance(value, list)


def test_dumped_config_loads_back_equal(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "run.yaml", MINIMAL), ["model.head.name=deeplabv3"])
    again = load_config(write(tmp_path / "resolved.yaml", dump_config(config)))
    assert again == config


def test_scientific_notation_without_a_dot_becomes_a_number(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "run.yaml", MINIMAL + "optim: {lr: 1e-4}\n"))
    assert config.optim.lr == 0.0001


def test_child_overrides_parent_and_override_beats_both(tmp_path: Path) -> None:
    write(tmp_path / "base/p.yaml", MINIMAL + "optim: {lr: 0.1, momentum: 0.5}\n")
    child = write(tmp_path / "c.yaml", "base: base/p.yaml\noptim: {lr: 0.2}\n")
    assert load_config(child).optim.lr == 0.2
    assert load_config(child).optim.momentum == 0.5
    assert load_config(child, ["optim.lr=0.3"]).optim.lr == 0.3
    assert load_config(child).name == "c"


def test_another_head_replaces_the_parents_head_whole(tmp_path: Path) -> None:
    head = "model: {head: {name: fcn, dilation: 6}, backbone: {output_stride: 16}}\n"
    write(tmp_path / "p.yaml", MINIMAL + head)
    child = write(tmp_path / "c.yaml", "base: p.yaml\nmodel: {head: {name: deeplabv3}}\n")
    assert load_config(child).model.head.atrous_rates == (6, 12, 18)


def test_names_file_is_relative_to_the_config_that_states_it(tmp_path: Path) -> None:
    base = "data: {train: {name: gta5, names_file: ../names.txt}}\n"
    write(tmp_path / "base/p.yaml", base)
    child = write(tmp_path / "deep/er/c.yaml", "base: ../../base/p.yaml\n")
    assert load_config(child).data.train.names_file == str(tmp_path / "names.txt")


def test_all_mistakes_are_reported_at_once_with_path_and_suggestion(tmp_path: Path) -> None:
    text = """
data: {train: {name: gta5}, crop_siz: [1, 2]}
model: {backbone: {ibn: false}, head: {name: fcn, dilatoin: 2}}
optim: {lr: fast, momentun: 0.9}
"""
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path / "run.yaml", text))
    message = str(caught.value)
    assert "run.yaml" in message
    for expected in (
        "data.crop_siz: unknown key; did you mean 'crop_size'?",
        "model.backbone.ibn: must be none, a, b, c, d, ad, a2 or share (got False)",
        "model.head.dilatoin: unknown key; did you mean 'dilation'?",
        "optim.lr: must be a number, > 0",
        "optim.momentun: unknown key; did you mean 'momentum'?",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: {train: {name: gta5}}\noptim: {lr: 1, lr: 2}\n", "key 'lr' stands twice (line 2, "),
        ("data: [unclosed\n", "not valid YAML"),
        ("- a list\n", "must hold a mapping"),
        (MINIMAL + "optim: {iterations: 5, warmup_iterations: 5}\n", "must be below iterations"),
        (MINIMAL + "optim: {warmup_factor: 0.1}\n", "warmup_factor needs warmup_iterations"),
        (MINIMAL + "optim: {schedule: cosine, poly_power: 2}\n", "leave poly_power out"),
        (MINIMAL + "loss: {class_weights: [1, 0]}\n", "loss.class_weights.1: must be a number"),
        (MINIMAL + "loss: {ohem: {treshold: 1}}\n", "loss.ohem.treshold: unknown key; did you"),
        (
            MINIMAL + "model: {backbone: {output_stride: 16}, head: {name: deeplabv3, atrous_rates: [12, 24, 36]}}\n",
            "belong to output_stride 8; at stride 16 use (6, 12, 18)",
        ),
        ("data: {train: {name: folder}}\n", "`folder:`"),
        ("data: {train: {name: gta5}, classes: drivable3}\n", "needs bdd100k_drivable"),
        ("data: {train: {name: bdd100k_drivable}, classes: street11}\n", "needs cityscapes or"),
        ("base: other.yaml\n", "no config file"),
        ("data: {train: {name: gta5}, sampling: rare_clas}\n", "did you mean 'rare_class'"),
        (
            "data: {train: {name: gta5}, sampling: {name: class_uniform, min_pixel: 3}}\n",
            "data.sampling.min_pixel: unknown key; known keys: name, share",
        ),
        (
            "data: {train: {name: gta5}, sampling: rare_class, resize: [40, 60]}\n",
            "min_pixels 3000: more than resize (40, 60) has",
        ),
        (
            "data: {train: {name: gta5}, mix: [{dataset: {name: camvid}, share: 0.9}, "
            "{dataset: {name: cityscapes}, share: 0.1}]}\n",
            "the shares add up to 1 and leave nothing for data.train",
        ),
        (
            "data: {train: {name: gta5}, mix: [{dataset: {naem: camvid}, share: 0.9}]}\n",
            "data.mix.0.dataset.naem: unknown key; did you mean 'name'?",
        ),
        (
            "data: {train: {name: gta5}, classes: street11, mix: [{dataset: {name: bdd100k_drivable}, share: 0.5}]}\n",
            "urbansyn, not bdd100k_drivable",
        ),
    ],
)
def test_mistake_has_a_message_that_says_the_fix(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path / "run.yaml", text))
    assert expected in str(caught.value)


def test_sampling_may_be_given_by_its_name_alone_and_is_saved_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "run.yaml", MINIMAL)
    assert load_config(path).data.sampling.name == "uniform"
    config = load_config(path, ["data.sampling=rare_class"])
    assert config == load_config(path, ["data.sampling.name=rare_class"])
    assert config.data.sampling.temperature == 0.01
    again = load_config(write(tmp_path / "resolved.yaml", dump_config(config)))
    assert again == config
    both = ["data.sampling.name=class_uniform", "data.sampling.share=0.25"]
    assert load_config(path, both).data.sampling.share == 0.25


def test_names_files_of_further_sources_are_relative_to_their_config_too(tmp_path: Path) -> None:
    mix = "mix: [{dataset: {name: camvid, names_file: a.txt}, share: 0.5}]"
    path = write(tmp_path / "run.yaml", f"data: {{train: {{name: gta5}}, {mix}}}\n")
    config = load_config(path)
    assert config.data.mix[0].dataset.names_file == str(tmp_path / "a.txt")
    assert [dataset.name for dataset in config.data.sources] == ["gta5", "camvid"]


def test_second_parent_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", MINIMAL)
    write(tmp_path / "b.yaml", "base: a.yaml\n")
    with pytest.raises(ConfigError, match="only one parent"):
        load_config(write(tmp_path / "c.yaml", "base: b.yaml\n"))


def test_misspelt_config_file_suggests_the_right_one(tmp_path: Path) -> None:
    write(tmp_path / "gta5_ibn.yaml", MINIMAL)
    with pytest.raises(ConfigError, match=r"did you mean .*gta5_ibn\.yaml"):
        load_config(tmp_path / "gta5_inb.yaml")


@pytest.mark.parametrize("override", ["optim.lr", "=3", "optim.lr=[1"])
def test_malformed_override_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="override"):
        load_config(write(tmp_path / "run.yaml", MINIMAL), [override])


def models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        kinds = [field.annotation]
        while kinds:
            kind = kinds.pop()
            kinds += get_args(kind)
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from models_below(kind)


def test_every_field_of_the_schema_is_documented() -> None:
    models = set(models_below(RunConfig))
    missing = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert len(models) > 35
    assert missing == []


ROWS = "{name: a, label_id: 0, train_id: 0}, {name: b, label_id: 1, train_id: %s}"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS % 255, "one class ('a'), nothing to tell apart; give the background a train_id"),
        (ROWS % 0, "one class ('a'), nothing to tell apart; give each class a train_id"),
        ("{name: a, label_id: 0, train_id: 255}", "no class, nothing to tell apart"),
        ("", "no class, nothing to tell apart"),
        (ROWS % "1, clas: c", "labels.1.clas: unknown key; did you mean 'class'?"),
    ],
)
def test_a_label_table_has_two_classes_at_least(rows: str, says: str, tmp_path: Path) -> None:
    text = f"data: {{train: {{name: folder, folder: {{images: i, targets: t, labels: [{rows}]}}}}}}"
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_config(write(tmp_path / "own.yaml", text))


def test_a_class_and_a_colour_are_written_as_they_were_given(tmp_path: Path) -> None:
    rows = ROWS % "1, class: c, color: [1, 2, 3]"
    text = f"data: {{train: {{name: folder, folder: {{images: i, targets: t, labels: [{rows}]}}}}}}"
    config = load_config(write(tmp_path / "own.yaml", text))
    again = load_config(write(tmp_path / "again.yaml", dump_config(config)))
    assert again == config
    assert [row.class_name for row in again.data.train.folder.labels] == [None, "c"]


def test_a_key_of_two_kinds_of_backbone_is_offered_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("data: {train: {name: cityscapes}}\nengine: {ibn_wheer: {finest: 8}}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(error.value).count("model.backbone.ibn_where") == 1
