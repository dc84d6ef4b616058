"""Which frames a submission must hold: an official list, one of your own, a folder of frames."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segibn.errors import SubmissionError
from segibn.files.folders import list_files
from segibn.files.pictures import image_size
from segibn.submission.formats import Format, Size
from segibn.text import LIST_LIMIT, counted, list_entries, listed, read_small_text

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
SHOWN = 5


@dataclass(frozen=True)
class Expected:
    """The frames that a submission must hold."""

    source: str  # where they are listed, for messages
    num_frames: int
    sizes: Mapping[str, Size] | None  # key -> (H, W); None where only their number is known
    default_size: Size  # (H, W) of every frame where ``sizes`` is None

    def size_of(self, key: str) -> Size | None:
        """Return (H, W) of a frame; None for one that was not asked for."""
        return self.default_size if self.sizes is None else self.sizes.get(key)


def expect_test_set(form: Format) -> Expected:
    """Expect the official test set; of a benchmark without a public list, as many frames."""
    sizes = dict.fromkeys(form.ids(), form.size) if form.ids else None
    return Expected("the official test set", form.num_frames, sizes, form.size)


def expect_list(form: Format, path: Path) -> Expected:
    """Expect the frames of a list: one a line, a key or an image's name; ``#`` begins a comment."""
    keys, bad = [], []
    for name in list_entries(read_small_text(path, LIST_LIMIT, SubmissionError)):
        base = PurePosixPath(name).name
        key = form.key_of_image(base) or form.key_of_image(f"{base}.png")
        (bad if key is None else keys).append(key or name)
    if bad:
        raise SubmissionError(
            f"{path}: {counted(len(bad), 'line names', 'lines name')} no frame of {form.title} "
            f"({form.key_form}): {listed(bad, SHOWN)}"
        )
    if not keys:
        raise SubmissionError(f"{path}: names no frame; write one a line")
    if twice := [key for key, times in Counter(keys).items() if times > 1]:
        raise SubmissionError(f"{path}: names a frame twice: {listed(twice, SHOWN)}")
    return Expected(str(path), len(keys), dict.fromkeys(keys, form.size), form.size)


def expect_images(form: Format, folder: Path) -> Expected:
    """Expect the frames of a folder of images, each at its own size; see `index_frames`."""
    sizes = {key: image_size(path) for key, path in index_frames(form, folder).items()}
    return Expected(str(folder), len(sizes), sizes, form.size)


def index_frames(form: Format, folder: Path) -> dict[str, Path]:
    """Find a folder's frames, subfolders included: key -> path, sorted by key."""
    found: dict[str, Path] = {}
    bad = []
    for path in list_files(folder, _IMAGE_SUFFIXES, recursive=True):
        key = form.key_of_image(path.name)
        if key is None:
            bad.append(path.name)
        elif key in found:
            raise SubmissionError(f"two frames for {key}: {found[key]} and {path}; remove one")
        else:
            found[key] = path
    if bad:
        raise SubmissionError(
            f"{folder}: {counted(len(bad), 'frame')} not named as those of {form.title} "
            f"({form.key_form}): {listed(bad, SHOWN)}"
        )
    if not found:
        raise SubmissionError(f"{folder}: holds no images ({', '.join(_IMAGE_SUFFIXES)})")
    return dict(sorted(found.items()))


def require_frames(found: Iterable[str], expected: Expected) -> None:
    """Raise SubmissionError that counts the expected frames that were not found."""
    have = set(found)
    if expected.sizes is None:
        if len(have) != expected.num_frames:
            raise SubmissionError(f"{expected.source} has {expected.num_frames} frames, but {len(have)} are there")
    elif missing := [key for key in expected.sizes if key not in have]:
        raise SubmissionError(
            f"{len(missing)} of the {expected.num_frames} frames of {expected.source} are "
            f"missing: {listed(missing, SHOWN)}"
        )
