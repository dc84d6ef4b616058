"""Data room: the index of UrbanSyn (Gomez et al., 2023), rendered frames of city streets.

In: the folder ``urbansyn``. Out: samples named by their four digits, ``0001``. Layout: the card of
the data set. Copies whose label files were renamed as the frames (``ss/rgb_0001.png``) do as well.
"""

from pathlib import Path

from segibn.data.samples import (
    Pairing,
    Source,
    join_splits,
    names_in,
    pair_by_name,
)

SOURCE = Source(
    title="UrbanSyn",
    layout="""
urbansyn/rgb/rgb_<number>.png
urbansyn/ss/ss_<number>.png         (grey PNG, train ids)
""",
    where="https://urbansyn.org (CC BY-SA 4.0): rgb and ss, unpacked into urbansyn/",
)
SPLITS = ("all",)

_PREFIXES = ("rgb_", "ss_")


def find(root: Path, split: str) -> Pairing:
    """Pair the frames; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, or a folder of the layout is missing.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    SOURCE.require(root / "rgb", root / "ss")
    return pair_by_name(
        _by_number(root / "rgb"),
        _by_number(root / "ss"),
        target_of=lambda number: str(root / "ss" / f"ss_{number}.png"),
        image_of=lambda number: str(root / "rgb" / f"rgb_{number}.png"),
    )


def _by_number(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, path in names_in(folder, ".png").items():
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        found[name] = path
    return found
