"""Names of data sets in tables, from their configs."""

from pathlib import Path

from segibn.config.data import DataConfig, DatasetConfig


def set_name(dataset: DatasetConfig) -> str:
    """Return the name of an evaluation set in tables.

    Examples: ``cityscapes:val``, ``camvid:val@small``, ``folder:train-held-out-0.2``,
    ``mapillary/rein:validation``.
    """
    names = f"@{Path(dataset.names_file).stem}" if dataset.names_file else ""
    part = f"*{dataset.fraction:g}" if dataset.fraction < 1 else ""
    label_map = f"/{dataset.label_map}" if dataset.label_map else ""
    name = (dataset.folder and dataset.folder.name) or dataset.name
    return f"{name}{label_map}:{split_name(dataset)}{names}{part}"


def split_name(dataset: DatasetConfig) -> str:
    """Return the split, and which side of it: ``train``, ``train-held-out-0.2``."""
    side = dataset.hold_out
    if side is None:
        return dataset.split
    how = f"-by-{side.by}" if side.by != "auto" else ""
    seed = f"-seed-{side.seed}" if side.seed else ""
    which = "held-out" if side.part == "val" else "all-but"
    return f"{dataset.split}-{which}-{side.fraction:g}{how}{seed}"


def train_name(data: DataConfig) -> str:
    """Return the name of what a run was trained on: ``gta5:train``, ``gta5:train+camvid:train``."""
    return "+".join(set_name(dataset) for dataset in data.sources)
