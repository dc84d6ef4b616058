"""Data room: the index of Mapillary Vistas, in the folders of v1.2 or of v2.0.

In: the folder ``mapillary`` and a split. Out: samples named by their 22 characters,
``0035fkbjWljhaftpVM37-g``. The release v2.0 holds the label maps of v1.2 (66 values) beside its own
(124 values); read are always those of v1.2, which both public maps to the 19 classes begin with.
Layout: the README files of the releases v1.1 and v2.0.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits
from segibn.errors import DatasetError

SOURCE = Source(
    title="Mapillary Vistas",
    layout="""
mapillary/{training,validation,testing}/images/<id>.jpg
mapillary/{training,validation}/labels/<id>.png                  (release v1.2), or
mapillary/{training,validation}/v1.2/labels/<id>.png             (release v2.0)
""",
    where="https://www.mapillary.com/dataset/vistas (registration; research licence): the archive "
    "of release v1.2 or v2.0, unpacked into mapillary/",
    official_counts={"training": 18_000, "validation": 2_000, "testing": 5_000},
)
SPLITS = ("training", "validation", "testing")
UNLABELLED = ("testing",)

_TARGET_FOLDERS = ("labels", "v1.2/labels")


def find(root: Path, split: str) -> Pairing:
    """Pair the frames of a split; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, a folder of the layout is missing, or only label maps of
            v2.0 are there.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    labelled = split not in UNLABELLED
    return pair_folders(
        SOURCE,
        Place(root / split / "images", ".jpg"),
        Place(_target_folder(root / split), ".png") if labelled else None,
        SOURCE.official_counts[split],
    )


def _target_folder(split_folder: Path) -> Path:
    """The folder of the label maps of v1.2, in whichever release is there."""
    for name in _TARGET_FOLDERS:
        if (split_folder / name).is_dir():
            return split_folder / name
    if (split_folder / "v2.0/labels").is_dir():
        raise DatasetError(
            f"{SOURCE.title}: {split_folder} has label maps of v2.0 only (124 values, for which "
            f"there is no public map to the 19 classes); unpack {split_folder / 'v1.2/labels'} "
            "from the same archive"
        )
    return split_folder / _TARGET_FOLDERS[0]
