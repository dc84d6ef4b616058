"""Names of data sets in tables, from their configs."""

from pathlib import Path

from segibn.config.schema import DataConfig, DatasetConfig


def set_name(dataset: DatasetConfig) -> str:
    """Return the name of an evaluation set in tables.

    Examples: ``cityscapes:val``, ``camvid:val@small``, ``mapillary/rein:validation``.
    """
    names = f"@{Path(dataset.names_file).stem}" if dataset.names_file else ""
    part = f"*{dataset.fraction:g}" if dataset.fraction < 1 else ""
    label_map = f"/{dataset.label_map}" if dataset.label_map else ""
    return f"{dataset.name}{label_map}:{dataset.split}{names}{part}"


def train_name(data: DataConfig) -> str:
    """Return the name of what a run was trained on: ``gta5:train``, ``gta5:train+camvid:train``."""
    return "+".join(set_name(dataset) for dataset in data.sources)
