"""Data room: the index of a user's own data set, any folder of images and one of label PNGs.

In: two folders as the config names them. Out: samples named by their path below the image folder
without the suffix, so that subfolders are kept apart: ``monday/000012``.
"""

from collections.abc import Iterable
from pathlib import Path

from segibn.data.samples import Pairing, SamplePaths, Source, join_splits, pair_by_name
from segibn.data.samples import strict as _strict
from segibn.errors import DatasetError
from segibn.files import list_files

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

SOURCE = Source(
    title="Folder data set",
    layout="""
<folder.images>/<name><image_suffix>      any depth of subfolders
<folder.targets>/<name><target_suffix>    the same subfolders; single-channel 8-bit or palette PNG
""",
    where="it is your own; `folder:` in the config names its two folders below the data sets' root",
)


def find(
    root: Path, split: str, *, images: str, targets: str, image_suffix: str = "",
    target_suffix: str = ".png",
) -> Pairing:  # fmt: skip
    """Pair the images of one folder with the label maps of another.

    Args:
        root: the data sets' root.
        split: fills in ``{split}`` in the folder names; 'a+b' joins two.
        images: folder of the images below ``root``.
        targets: folder of the label maps below ``root``.
        image_suffix: ending of the image files, extension included; '' is any PNG or JPEG.
        target_suffix: ending of the label files, extension included.

    Raises:
        DatasetError: a folder is missing, or two images have one name.
    """

    def find_one(part: str) -> Pairing:
        image_folder = root / images.replace("{split}", part)
        target_folder = root / targets.replace("{split}", part)
        SOURCE.require(image_folder, target_folder)
        return pair_by_name(
            _by_relative_name(image_folder, image_suffix, IMAGE_SUFFIXES),
            _by_relative_name(target_folder, target_suffix, (Path(target_suffix).suffix,)),
            target_of=lambda name: str(target_folder / f"{name}{target_suffix}"),
            image_of=lambda name: str(image_folder / f"{name}{image_suffix or '.*'}"),
        )

    if "{split}" not in images + targets:
        return find_one(split)
    return join_splits(split, find_one)


def index(
    root: Path, split: str, *, images: str, targets: str, image_suffix: str = "",
    target_suffix: str = ".png",
) -> list[SamplePaths]:  # fmt: skip
    """Return the samples of `find`, all complete.

    Raises:
        DatasetError: a folder is missing or empty, or an image or label map has no partner.
    """
    pairing = find(
        root, split, images=images, targets=targets, image_suffix=image_suffix,
        target_suffix=target_suffix,
    )  # fmt: skip
    return _strict(pairing, SOURCE, split, Path(root) / images)


def _by_relative_name(folder: Path, ending: str, suffixes: Iterable[str]) -> dict[str, Path]:
    """Files below a folder by their path relative to it, without their ending."""
    found: dict[str, Path] = {}
    for path in list_files(folder, tuple(suffixes), recursive=True):
        relative = path.relative_to(folder).as_posix()
        if not relative.endswith(ending):
            continue
        name = relative.removesuffix(ending or path.suffix)
        if name in found:
            raise DatasetError(f"two images for sample '{name}': {found[name]} and {path}")
        found[name] = path
    return found
