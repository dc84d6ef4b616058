"""Words for people: names made harmless, suggestions, plurals; small text files read safely."""

import codecs
import difflib
import re
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from segibn.errors import SegibnError

_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))  # control, format, surrogates, separators
_ESCAPED = {"\\": "\\\\", "|": "\\|", "<": "&lt;", "&": "&amp;", "`": "\\`", "](": "]\\("}
_MARKUP = re.compile(r"[\\|<`]|&(?=#?\w+;)|\]\(")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)  # the first begins with that of UTF-16
LIST_LIMIT = 64 * 2**20  # bytes of a list of names: a million long ones
_COMMENT = re.compile(r"(?:^|\s)#.*")


def printable(text: object) -> str:
    r"""Return one line that acts on no terminal: ``\x1b``, ``\u202e`` and the like are escaped."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(repr(c)[1:-1] if unicodedata.category(c) in _UNSEEN else c for c in text)


def printable_lines(text: object) -> str:
    """The same for a message of several lines: its line breaks stay."""
    return "\n".join(map(printable, str(text).split("\n")))


def markdown(text: object) -> str:
    """Return text on one line that Markdown shows as it is, but for emphasis by _ and *."""
    return _MARKUP.sub(lambda found: _ESCAPED[found[0]], printable(text))


def markdown_table(
    header: Sequence[str], body: Iterable[Sequence[str]], right: int | None = None, escape: bool = True
) -> list[str]:
    """Return a table's lines, from column ``right`` on aligned to the right; not ``escape``: cells of Markdown."""
    left = len(header) if right is None else right
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    shown = markdown if escape else str
    lines = [[*map(shown, line)] for line in (header, *body)]
    return ["| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:])]


def markdown_code(text: object) -> str:
    """Return text as code in Markdown, on one line; backticks become quotes."""
    return "`" + printable(text).replace("`", "'") + "`"


def did_you_mean(word: str, known: Iterable[str], most: int = 3) -> str:
    """Return "; did you mean 'a' or 'b'?" for the names nearest to a word, or ""."""
    plain: dict[str, str] = {}
    for name in known:
        plain.setdefault(_plain(name), name)
    close = [plain[found] for found in difflib.get_close_matches(_plain(word), plain, n=most)]
    hint = " or ".join(f"'{name}'" for name in close)
    return f"; did you mean {hint}?" if hint else ""


def nfc(name: object) -> str:
    """Return a name in NFC: Macs store an "ü" as "u" and dots."""
    return unicodedata.normalize("NFC", str(name))


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return "1 frame", "2 frames", "1,000 frames"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def byte_count(size: float) -> str:
    """Return "230 MiB", from a GiB on "1.6 GiB"."""
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def duration(seconds: float) -> str:
    """Return seconds in the two largest units that fit: "3 d 4 h", "2 h 5 min", "40 s"."""
    left = max(1, round(seconds))
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def listed(names: Iterable[object], most: int = 3, count: int | None = None) -> str:
    """Return the first few names, made harmless, and how many more of ``count`` there are."""
    shown = [printable(name) for name in names]
    more = (len(shown) if count is None else count) - most
    return ", ".join(shown[:most]) + (f" and {more:,} more" if more > 0 else "")


def read_small_file(path: Path, limit: int, error: type[SegibnError] = SegibnError) -> bytes:
    """Read a regular file of at most ``limit`` bytes; raises ``error`` for any other."""
    name = printable(path)
    try:
        status = path.stat()  # before it is opened: a pipe could block, a device never end
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise error(f"{name} is {kind}; give a regular file")
        with path.open("rb") as file:
            # By its size, as the room for all of the limit would be reserved; kernels say 0.
            data = file.read(min(limit, max(status.st_size, 1 << 16)) + 1)
    except FileNotFoundError:
        raise error(f"{name}: no such file") from None
    except (OSError, ValueError) as reason:  # ValueError: a NUL in the name
        said = getattr(reason, "strerror", None) or reason
        raise error(f"{name}: cannot be read ({said})") from None
    if len(data) > limit:
        raise error(f"{name} is larger than {limit:,} bytes, more than any such file needs")
    return data


def read_small_text(path: Path, limit: int, error: type[SegibnError] = SegibnError) -> str:
    r"""Read UTF-8, or UTF-16 and UTF-32 with their mark, which goes; line ends become ``\n``."""
    data = read_small_file(path, limit, error)
    encoding = "utf-32" if data.startswith(_UTF32) else "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as reason:
        raise error(
            f"{printable(path)} is not {encoding.removesuffix('-sig').upper()} (byte "
            f"{reason.start}: {reason.reason}); save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def list_entries(text: str) -> list[str]:
    """Return the lines of a list without comments, which ``#`` begins at the start or a blank."""
    lines = (_COMMENT.sub("", line).strip() for line in text.split("\n"))
    return [line for line in lines if line]


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").strip("_")
