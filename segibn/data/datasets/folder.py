"""A user's own data set: any folder of images and one of label PNGs, as a config names them.

Samples are named by their path below the image folder without the suffix: ``monday/000012``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segibn.data.datasets.source import DatasetSource
from segibn.data.samples import Pairing, join_splits, pair_by_name, refuse_twins
from segibn.data.wrong_folder import subfolders
from segibn.errors import DatasetError
from segibn.files.contents import IMAGE_SUFFIXES
from segibn.files.folders import PassedOver, list_files, pass_over, warn_once
from segibn.text import counted, did_you_mean, listed, nfc, printable

SOURCE = DatasetSource(
    name="folder",
    subfolder="",
    title="Folder data set",
    layout="""
<folder.images>/<name><image_suffix>      any depth of subfolders
<folder.targets>/<name><target_suffix>    the same subfolders; label values, or the table's colours
""",
    where="it is your own; `folder:` in the config names its two folders below the data sets' root",
)


def find(
    root: Path, split: str, *, images: str, targets: str, image_suffix: str = "",
    target_suffix: str = ".png",
) -> Pairing:  # fmt: skip
    """Pair the images of one folder with the label maps of another, which may lie in it.

    Where both are one folder, a file is of the kind whose ending is the longer; where one is below
    the other, its files are of its kind alone. Further maps of a frame, ``a_instance_label.png``
    beside ``a_label.png``, are passed over. ``images`` and ``targets`` are folders below ``root``,
    in which ``split`` fills in ``{split}``; 'a+b' joins two. The suffix '' is any picture.
    """
    root = Path(root)

    def find_one(part: str) -> Pairing:
        image_folder = root / images.replace("{split}", part)
        target_folder = root / targets.replace("{split}", part)
        _require(root, image_folder, target_folder)
        frames = _Side(image_folder, image_suffix.lower())
        maps = _Side(target_folder, target_suffix.lower())
        if image_folder.resolve() == target_folder.resolve() and frames.ending == maps.ending:
            raise DatasetError(
                f"{printable(image_folder)} holds images and label maps, and both end in "
                f"'{target_suffix}'; tell them apart by `target_suffix`, such as _mask.png"
            )
        image_paths = frames.by_name(maps)
        return pair_by_name(
            image_paths,
            _without_further_maps(maps.by_name(frames), image_paths),
            target_of=lambda name: str(target_folder / f"{name}{target_suffix}"),
            image_of=lambda name: str(image_folder / f"{name}{image_suffix or '.*'}"),
        )

    return join_splits(split, find_one) if "{split}" in images + targets else find_one(split)


@dataclass(frozen=True)
class _Side:
    """The files of one kind: those below a folder that end so, in lower case; '' = any picture."""

    folder: Path
    ending: str

    def by_name(self, other: "_Side") -> dict[str, Path]:
        """Its files by their path below the folder without ending; those of ``other`` left out."""
        kind = Path(f"x{self.ending}").suffix
        listed = list_files(self.folder, (*IMAGE_SUFFIXES, kind) if kind else IMAGE_SUFFIXES, recursive=True)
        found: dict[str, Path] = {}
        left: list[PassedOver] = []
        is_others = self._belongs_to(other)
        for path in listed:
            relative = path.relative_to(self.folder).as_posix()
            if is_others(relative):
                continue
            if not relative.lower().endswith(self.ending):
                if path.suffix.lower() != kind:  # f.jpeg beside *.jpg; f_depth.png is another thing
                    left.append(PassedOver(path, f"a picture, but not *{self.ending}"))
                continue
            name = nfc(relative[: -len(self.ending or path.suffix)])
            if name in found:
                raise DatasetError(
                    f"two files for sample '{printable(name)}': {printable(found[name])} and "
                    f"{printable(path)}; remove one, or tell them apart by `image_suffix`"
                )
            found[name] = path
        if listed and not found:
            raise self._none_left(listed, other)
        pass_over(self.folder, left)
        refuse_twins(found)
        return found

    def _belongs_to(self, other: "_Side") -> Callable[[str], bool]:
        """Say of a path below the folder whether it is the other kind's, where both share it."""
        here, there = self.folder.resolve(), other.folder.resolve()
        if here == there:
            is_longer = len(other.ending) > len(self.ending)
            return lambda relative: (
                relative.lower().endswith(other.ending) and (is_longer or not relative.lower().endswith(self.ending))
            )
        if here in there.parents:
            inner = f"{there.relative_to(here).as_posix()}/"
            return lambda relative: relative.startswith(inner)
        return lambda relative: False

    def _none_left(self, listed: Sequence[Path], other: "_Side") -> DatasetError:
        files = counted(len(listed), "file")
        if self.folder.resolve() == other.folder.resolve():
            said = f"all of its {files} end as those of the other kind do, *{other.ending}"
        else:
            said = f"none of its {files} is " + (f"*{self.ending}" if self.ending else "an image")
        return DatasetError(
            f"{printable(self.folder)}: {said} ({printable(listed[0].name)}, ...); `image_suffix` "
            "and `target_suffix` say how the names of the two kinds end, such as .png and _mask.png"
        )


def _without_further_maps(targets: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, Path]:
    """Leave out ``a_instance`` where there are an image and a label map ``a``, and say so."""

    def frame_of(name: str) -> str:
        while name and not (name in images and name in targets):
            name = name.rpartition("_")[0]
        return name

    further = dict.fromkeys(n for n in targets if n not in images and frame_of(n))
    if further:
        first = targets[next(iter(further))]
        warn_once(
            f"{printable(first.parent)}: passed over {counted(len(further), 'further map')} of "
            f"frames that have their label map, such as {printable(first.name)}"
        )
    return {name: path for name, path in targets.items() if name not in further}


def _require(root: Path, images: Path, targets: Path) -> None:
    try:
        SOURCE.require(images, targets)
    except DatasetError as error:
        gone = images if not images.is_dir() else targets
        if hint := _other_root(root, gone) or _siblings(gone):
            raise type(error)(f"{error}\n{hint}") from None
        raise


def _other_root(root: Path, gone: Path) -> str:
    if not gone.is_relative_to(root):  # an absolute path in the config
        return ""
    below, here = gone.relative_to(root), root.absolute()
    for other in (here.parent, here.parent.parent, *subfolders(here)):
        if (other / below).is_dir():
            return f"{printable(other / below)} is there: use --datasets {printable(other)}"
    return ""


def _siblings(gone: Path) -> str:
    above = next(path for path in (*gone.parents, Path()) if path.is_dir())
    there = [path.name for path in subfolders(above)]
    missing = gone.relative_to(above).parts[0]
    known = f"{printable(above)} has {listed(there)}, but no '{printable(missing)}'"
    return f"{known}{did_you_mean(missing, there)}" if there else ""
