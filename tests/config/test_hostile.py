"""Configs from anybody: a config or a message that names the file, soon and in little memory."""

import copy
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from segibn.config.explain import field_type, models_in
from segibn.config.load import load_config, validate
from segibn.config.schema import RunConfig
from segibn.config.shipped import shipped_configs
from segibn.errors import ConfigError, SegibnError
from segibn.inference.config import InferenceConfig
from segibn.text.plain_data import parse_json, parse_yaml

RUN = {"name": "x", "data": {"train": {"name": "gta5"}}}
SECONDS = 2.0


def bomb(first: str, level: str) -> str:
    """Ten levels, each of which names the one before nine times."""
    lines = [f"a: &a {first}"]
    for one, two in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{two}: &{two} " + level.replace("ITEMS", ITEMS[level](one)))
    return "\n".join(lines)


ITEMS = {
    "[ITEMS]": lambda name: ", ".join([f"*{name}"] * 9),
    "{ITEMS}": lambda name: ", ".join(f"k{n}: *{name}" for n in range(9)),
    "{<<: [ITEMS]}": lambda name: ", ".join([f"*{name}"] * 9),
}
HOSTILE = {
    "sequences that multiply": bomb("[x, x]", "[ITEMS]"),
    "mappings that multiply": bomb("{x: 1}", "{ITEMS}"),
    "merges that multiply": bomb("{x: 1}", "{<<: [ITEMS]}"),
    "a list in itself": "a: &a [*a]",
    "a mapping merged into itself": "a: &a {<<: *a}",
    "lists a thousand deep": "a: " + "[" * 1000,
    "mappings a thousand deep": "{a: " * 1000,
    "blocks a thousand deep": "\n".join(" " * n + "a:" for n in range(500)),
    "too many values": "\n".join(f"k{n}: 1" for n in range(10_001)),
    "a file of megabytes": "#" * (1 << 19),
    "digits": "seed: " + "9" * 5000,
    "tagged digits": f'seed: !!int "{"9" * 5000}"',
    "an empty number": 'seed: !!int ""',
    "no truth": "seed: !!bool perhaps",
    "a date": "name: !!timestamp 2020-01-01",
    "bytes": "name: !!binary aGk=",
    "a set": "data: !!set {a}",
    "an ordered map": "data: !!omap [a: 1]",
    "an object": "name: !!python/object/apply:os.getcwd []",
    "a list as a key": "? [a]\n: 1",
    "a mapping as a key": "? {a: b}\n: 1",
    "a number as a key": "1: 2",
    "a truth as a key": "on: 2",
    "half a character": r'name: "\ud800"',
    "a character that is none": r'name: "\UFFFFFFFF"',
    "an escape": r'name: "\e[31m"',
    "a NUL": r'name: "\0"',
    "a raw NUL": "name: \0",
    "a version of thousands of digits": f"%YAML {'9' * 5000}.1\n---\na: 1",
    "two documents": "a: 1\n---\nb: 2",
    "nothing": "",
    "no mapping": "[1]",
    "not a number": "optim: {lr: .nan}",
    "infinity": "optim: {lr: .inf}",
    "a parent that is a list": "base: [a]",
    "a parent that is a device": "base: /dev/zero",
    "a parent of an endless name": f"base: {'x' * 5000}",
}


def outcome(path: Path) -> RunConfig | None:
    """Load within the limit; an error has to be one for users, which names the file."""
    start = time.process_time()
    found, message = None, f"{path.parent}"
    try:
        found = load_config(path)
    except SegibnError as error:
        message = str(error)
    assert time.process_time() - start < SECONDS
    assert str(path.parent) in message or "/dev/zero" in message
    message.encode("utf-8")
    return found


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_config_is_refused_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    assert outcome(path) is None


def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "run.yaml"
    os.mkfifo(pipe)
    found: list[str] = []

    def read() -> None:
        with pytest.raises(ConfigError) as caught:
            load_config(pipe)
        found.append(str(caught.value))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(SECONDS)
    assert [message for message in found if "regular file" in message]


@pytest.mark.parametrize("rounds", [120, pytest.param(6000, marks=pytest.mark.slow)], ids=["some", "many"])
def test_a_mutated_config_is_a_config_or_an_error(tmp_path: Path, rounds: int) -> None:
    rng = random.Random(rounds)
    texts = [path.read_bytes() for path in shipped_configs().values()]
    pieces = [text.encode() for text in HOSTILE.values() if len(text) < 3000]
    path = tmp_path / "run.yaml"
    loaded = 0
    for _ in range(rounds):
        data = bytearray(rng.choice(texts).replace(b"base: ", b"#base: "))
        for _ in range(rng.randint(1, 4)):
            at, to = sorted(rng.choices(range(len(data) + 1), k=2))
            piece = bytes(data[at : min(to, at + 40)])
            change = rng.choice(["byte", "cut", "twice", "other", "hostile"])
            if change == "byte":
                data[at : at + 1] = bytes([rng.randrange(256)])
            elif change == "cut":
                del data[at : at + len(piece)]
            else:
                other = rng.choice(texts)[: rng.randrange(200)]
                data[at:at] = {"twice": piece, "other": other}.get(change, rng.choice(pieces))
        path.write_bytes(data)
        loaded += outcome(path) is not None
    assert loaded < rounds


def test_values_mean_what_yaml_says_but_dates_and_base_60() -> None:
    plain = "{a: 0x1f, b: 017, c: 1_000, d: -1.5e+3, e: yes, f: ~, g: 1e5, h: 'on', i: .5, j: {}}"
    assert parse_yaml(plain, "x") == yaml.safe_load(plain)
    assert parse_yaml("{a: 2024-01-01, b: 1:30}", "x") == {"a": "2024-01-01", "b": "1:30"}
    shared = "{a: &a {x: 1, y: 2}, b: {<<: *a, y: 3}, c: {<<: [{<<: *a, y: 4}], z: 5}}"
    assert parse_yaml(shared, "x") == yaml.safe_load(shared)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, '{"a": 1', "\udcff", b"\xff\xfe{"])
def test_hostile_json_is_refused_by_name(text: str | bytes) -> None:
    with pytest.raises(SegibnError, match=r"^a\.json: not valid JSON, or cut short \("):
        parse_json(text, "a.json")


def fields_of(model: type, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """All fields below a model, those of every member of a union, by their paths."""
    found: dict[tuple[str, ...], object] = {}
    for name, field in model.model_fields.items():
        found[*path, name] = field_type(field)
        for part in models_in(field.annotation):
            found |= fields_of(part, (*path, name))
    return found


@pytest.mark.parametrize("model", [RunConfig, InferenceConfig])
def test_no_field_takes_a_number_or_a_list_without_end(model: type) -> None:
    numbers = [10**40, 1e39, -(10**40), -1e39, float("nan"), float("inf"), 10**5000, "9" * 5000]
    lists = [[number] * length for number in numbers for length in (1, 2, 3, 4)]
    lists += [[entry] * 5000 for entry in ("a", 1, 0.5, "stem")]
    for path, annotation in fields_of(model).items():
        accepts = accepting(annotation)
        assert not any(accepts(value) for value in [*numbers, *lists]), ".".join(path)


def accepting(annotation: object) -> Callable[[object], bool]:
    adapter = TypeAdapter(annotation)

    def accepts(value: object) -> bool:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    return accepts


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("data.crop_size=[16384, 16384]", "data.crop_size"),
        ("data.resize=[100000, 8]", "data.resize.0"),
        ("data.workers=100000", "data.workers"),
        ("data.blur_sigma=[0, 1e6]", "data.blur_sigma.1"),
        ("optim.global_batch_size=10000000", "optim.global_batch_size"),
        ("model.head={name: fcn, channels: 1000000}", "model.head.channels"),
        ("evaluation.input_height=1000000", "evaluation.input_height"),
        ("model.head={name: fcn, channels: true}", "model.head.channels"),
    ],
)
def test_what_would_fill_the_memory_is_refused(tmp_path: Path, override: str, path: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("data: {train: {name: gta5}}\n")
    with pytest.raises(ConfigError, match=f"\n  {path}: "):
        load_config(file, [override])


NAMES = ["", ".", "..", "../x", "/x", "a/b", "a\\b", "-x", " x", "a\nb", "a\x1b[2J", "a\u202eb"]
NAMES += ["a\0", "x" * 121, "é" * 61, "\ud800"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_folder_name_is_refused_printably(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate({**RUN, "name": name}, source="x")
    assert "\n  name: " in str(caught.value)
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["gta5_ibn", "Straße 5", "x" * 120, "a.b", "実験-1"])
def test_other_names_stay(name: str) -> None:
    assert validate({**RUN, "name": name}, source="x").name == name


@pytest.mark.parametrize(
    "tree",
    [
        3,
        {1: 2},
        {**RUN, "seed": 10**5000},
        {**RUN, "\ud800": 1},
        {**RUN, "optim": {"lr": object()}},
        {**RUN, "data": {None: 3}},
    ],
)
def test_what_no_file_can_hold_is_refused_too(tree: object) -> None:
    """The config of a checkpoint is anything."""
    with pytest.raises(ConfigError) as caught:
        validate(tree, source="x")
    str(caught.value).encode("utf-8")


def test_the_name_that_a_file_gives_is_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "a\nb.yaml"
    path.write_text("data: {train: {name: gta5}}\n")
    with pytest.raises(ConfigError, match="name: "):
        load_config(path)


def test_no_message_speaks_of_what_a_config_does_not_show() -> None:
    """Every field is given values of the wrong kinds."""
    wrong = (None, "x", -1, float("nan"), True, [], [1], {"q": 1}, "9" * 5000, [0.5] * 99)

    seen = ""
    for path in fields_of(RunConfig):
        for value in wrong:
            tree = node = copy.deepcopy(RUN)
            for key in path[:-1]:
                node = node.setdefault(key, {})
            if path[:2] == ("model", "head") and path[2:] not in ((), ("name",)):
                node.setdefault("name", "deeplabv3plus")
            node[path[-1]] = value
            try:
                validate(tree, source="x")
            except ConfigError as error:
                seen += str(error)
    for word in ("nput should", "uple", "pydantic", "valid ", "constrained", "literal[", "Field"):
        assert word not in seen.replace("not a valid config", ""), word
    assert max(map(len, seen.splitlines())) < 500


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("lr=0.1", "did you mean 'optim.lr'?"),
        ("model.lr=0.1", "did you mean 'optim.lr'?"),
        ("data.chanels=3", "did you mean 'model.head.channels'"),
        ("itertions=3", "did you mean 'optim.iterations'"),
        ("optimizer.lr=0.1", "did you mean 'optim'?"),
        ("model.backbone.name=resnet5o", "did you mean 'resnet50'?"),
        ("model.backbone.name=resnet50d", "did you mean 'resnet50'?"),
        ("model.head.name=DeepLabV3", "did you mean 'deeplabv3'?"),
        ("data.train.name=Cityscapes", "did you mean 'cityscapes'?"),
        ("data.train.encoding=2018", "write it in quotes"),
        ("data.crop_size=512", "must be a list of 2, each an integer"),
        ("optim.lr=fast", "as in lr: 0.01"),
        ("data.workers=all", "must be an integer, >= 0, <= 256 or auto"),
        ("data.train.id=3", "id: unknown key; known keys: encoding"),
        ("data.crop_size=[96,", "in a shell, quote a value that has blanks"),
        ("data.train.split=\n\tx: 1", "indent with blanks, not with tabs"),
        ('data.train.split="C:\\data"', "write a path in single quotes"),
        ("data.train.split=@x", "put this text in quotes"),
        ("init_from={split}/x", "put text with { [ : # in quotes"),
    ],
)
def test_what_was_probably_meant_is_said(tmp_path: Path, override: str, meant: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: {train: {name: gta5}}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, [override])
    assert meant in str(caught.value)
