"""Data room: the index of WildDash 2 (Zendel et al., CVPR 2022), its public frames.

In: the folder ``wilddash2``. Out: samples named as the frames. The release holds panoptic maps;
the authors' own script (ozendelait/wilddash_scripts, pano2sem.py) makes label maps of them.
"""

from pathlib import Path

from segibn.data.datasets.pairing import Place, pair_folders
from segibn.data.samples import Pairing, Source, join_splits
from segibn.errors import DatasetError

SOURCE = Source(
    title="WildDash 2",
    layout="""
wilddash2/images/<frame>.jpg
wilddash2/labels/<frame>_labelIds.png       (made by pano2sem.py from panoptic.json and panoptic/)
""",
    where="https://wilddash.cc (registration; its own licence): the public ground truth, unpacked "
    "into wilddash2/; then pano2sem.py of https://github.com/ozendelait/wilddash_scripts",
)
SPLITS = ("all",)


def find(root: Path, split: str) -> Pairing:
    """Pair the frames; ``root`` is the data set's own folder.

    Raises:
        DatasetError: unknown split, a folder of the layout is missing, or the label maps have not
            been made.
    """
    return join_splits(split, lambda part: _find_one(Path(root), part))


def _find_one(root: Path, split: str) -> Pairing:
    if split not in SPLITS:
        raise SOURCE.unknown_split(split, SPLITS)
    if (root / "panoptic.json").is_file() and not (root / "labels").is_dir():
        raise DatasetError(
            f"{SOURCE.title}: {root} has panoptic.json, but no labels/; make them with the "
            "authors' script, https://github.com/ozendelait/wilddash_scripts: python pano2sem.py "
            f"--silent --json_path {root / 'panoptic.json'} --outp_dir_sem {root / 'labels'}"
        )
    return pair_folders(
        SOURCE, Place(root / "images", ".jpg"), Place(root / "labels", "_labelIds.png")
    )
