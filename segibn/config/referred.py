"""The files that a config refers to, and a run's copies of them: so its folder can be moved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segibn.config.data import DataConfig
from segibn.config.schema import RunConfig
from segibn.config.shipped import configs_folder

FOLDER = "files"  # of a run's copies, in its folder
MAX_BYTES = 1 << 26  # of such a file; a list of a million names takes half of it


def referred(tree: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield each place of a config that names a file: its path, the mapping, the key in it."""
    data = tree.get("data") if isinstance(tree, dict) else None
    if not isinstance(data, dict):
        return
    mix = data.get("mix")
    parts = [part for part in mix if isinstance(part, dict)] if isinstance(mix, list) else []
    datasets = {f"data.mix.{n}.dataset": part.get("dataset") for n, part in enumerate(parts)}
    datasets |= {"data.train": data.get("train"), "data.val": data.get("val")}
    for path, mapping in {"data": data, **datasets}.items():
        key = "augmentation_file" if path == "data" else "names_file"
        if isinstance(mapping, dict) and isinstance(mapping.get(key), str):
            yield f"{path}.{key}", mapping, key


def anchor(tree: Any, folder: Path, *, copies_only: bool = False) -> None:
    """Make a config's paths absolute that are relative to a folder, or a run's own copies alone.

    A list that ships is found by its name, which is all that an exported network keeps of it.
    """
    for _, mapping, key in referred(tree):
        given = Path(mapping[key])
        if not copies_only or given.parts[:1] == (FOLDER,):
            mapping[key] = str((folder / given).resolve())
        elif given.name == mapping[key] and not given.is_file():
            shipped = configs_folder() / "lists" / given.name
            mapping[key] = str(shipped) if shipped.is_file() else mapping[key]


def with_copies(config: RunConfig) -> tuple[RunConfig, dict[str, Path]]:
    """Return a config that names copies in a run folder, relative to it; and copy -> original."""
    tree, originals = {"data": config.data.model_dump(mode="json")}, {}
    for path, mapping, key in referred(tree):
        original = Path(mapping[key])
        mapping[key] = f"{FOLDER}/{path}/{original.name}"
        originals[mapping[key]] = original
    return config.model_copy(update={"data": DataConfig.model_validate(tree["data"])}), originals
