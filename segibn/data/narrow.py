"""A part of a split: the samples that a text file names, or a fixed share; always the same."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

import numpy as np

from segibn.data.samples import Pairing, SamplePaths
from segibn.errors import DatasetError
from segibn.text import LIST_LIMIT, counted, list_entries, listed, nfc, printable, read_small_text

_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")


def narrow_pairing(pairing: Pairing, names_file: Path) -> Pairing:
    """Keep the samples that a text file names, in its order; other orphans are no mistake.

    A line has a name, or the path of image or label map as other tools' lists have it, alone or as
    a pair; ``#`` starts a comment. DatasetError: no file, no sample, one twice or unknown.
    """
    lines = read_names(names_file)
    by_name = {sample.name: sample for sample in pairing.samples}
    known = by_name.keys() | {orphan.name for orphan in pairing.orphans}
    names = _resolve(lines, known, pairing)
    if unknown := [line for line, name in zip(lines, names, strict=True) if name is None]:
        example = f"; a name looks like '{printable(min(known))}'" if known else ""
        raise DatasetError(
            f"{printable(names_file)}: {len(unknown)} of its {counted(len(lines), 'name')} are not "
            f"among the {counted(len(known), 'sample')} of this split: "
            f"{listed(unknown)}{example}"
        )
    _refuse_repeats(names_file, [name for name in names if name is not None])
    kept = pairing.keep(set(names).__contains__)
    return Pairing(tuple(by_name[name] for name in names if name in by_name), kept.orphans)


def read_names(names_file: Path) -> list[str]:
    """Return the lines of a list of samples; DatasetError: no file, no name, or one twice."""
    names = [nfc(entry) for entry in list_entries(read_small_text(Path(names_file), LIST_LIMIT, DatasetError))]
    if not names:
        raise DatasetError(f"{printable(names_file)}: lists no sample; write one sample name a line")
    _refuse_repeats(names_file, names)
    return names


# Last part of a path, with and without suffix -> the samples of such files, and all the parts.
Files = dict[str, list[tuple[str, tuple[str, ...]]]]


def _files_of(pairing: Pairing) -> Files:
    paths = [(one.name, path) for one in pairing.samples for path in (one.image, one.target)]
    paths += [(orphan.name, orphan.path) for orphan in pairing.orphans]
    files: Files = {}
    for name, path in paths:
        if path is not None:
            whole = Path(nfc(path.absolute()))
            for last in {_small_suffix(whole.name), whole.stem}:
                files.setdefault(last, []).append((name, (*whole.parts[:-1], last)))
    return files


def _sample_of(text: str, files: Files) -> str | None:
    """The one sample of which a file's path ends so, or None."""
    # Of an absolute path, which may be of another machine, the last folder and the name do.
    text = text.strip("\"'").replace("\\", "/")
    given = [part for part in text.split("/") if part.strip(".")]
    if not given:
        return None
    given[-1] = _small_suffix(given[-1])
    fewest = min(2, len(given)) if _ABSOLUTE.match(text) else len(given)
    for length in range(len(given), fewest - 1, -1):
        end = tuple(given[-length:])
        if found := {name for name, parts in files.get(end[-1], []) if parts[-length:] == end}:
            return found.pop() if len(found) == 1 else None
    return None


def _small_suffix(name: str) -> str:
    return f"{Path(name).stem}{Path(name).suffix.lower()}"


def _resolve(lines: list[str], known: Set[str], pairing: Pairing) -> Sequence[str | None]:
    """The sample of each line: its name, or an image's path, maybe with the label map's behind."""
    if known >= set(lines):  # as nearly always: no need to look at paths
        return lines
    files = _files_of(pairing)
    return [
        line
        if line in known
        else _sample_of(line, files) or _sample_of(re.split(r"[\t ,;]+", line, maxsplit=1)[0], files)
        for line in lines
    ]


def _refuse_repeats(names_file: Path, names: Iterable[str]) -> None:
    if twice := [printable(name) for name, count in Counter(names).items() if count > 1]:
        raise DatasetError(f"{printable(names_file)}: lists {listed(twice)} more than once")


def take_fraction(samples: list[SamplePaths], fraction: float) -> list[SamplePaths]:
    """Keep a share in (0, 1] of the samples, always the same; part of every larger share."""
    if fraction >= 1:
        return samples
    count = max(1, round(fraction * len(samples)))
    chosen = np.random.Generator(np.random.PCG64(0)).permutation(len(samples))[:count]
    return [samples[i] for i in sorted(chosen)]
