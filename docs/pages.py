"""What Sphinx reads of a page: parts made from the code, files of other folders, links.

In: the Markdown of a page in ``docs/``. Out: the Markdown that is parsed. The command line's
reference comes from the verbs' parsers, that of configs from the config's models; the two pages
hold a marker for them. A page of ``INCLUDED`` stands for a file elsewhere in the repository, so
that the file is read where it lies and in the site alike.
"""

import os
import re
from pathlib import Path

from command_pages import commands_reference
from config_pages import config_reference

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

INCLUDED = {
    "datasets": "datasets/README.md",
    "project/benchmarks": "benchmarks/README.md",
    "project/changelog": "CHANGELOG.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/results_files": "results/README.md",
}
"""Page -> file that it shows."""
GENERATED = {"<!-- made from the parsers -->": commands_reference, "<!-- made from the schema -->": config_reference}
"""Marker in a page -> what takes its place."""

_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def read_source(app: object, page: str, source: list[str]) -> None:
    """Replace the text of a page before it is parsed; Sphinx's event ``source-read``."""
    origin = ROOT / INCLUDED[page] if page in INCLUDED else DOCS / f"{page}.md"
    text = origin.read_text(encoding="utf-8") if page in INCLUDED else source[0]
    for marker, generate in GENERATED.items():
        if marker in text:
            text = text.replace(marker, generate())
    source[0] = relink(text, origin, page)


def mark_examples(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Show what a module's docstring indents as code; ``autodoc-process-docstring``."""
    if what != "module":
        return
    marked: list[str] = []
    inside = False
    for line in lines:
        indented = line.startswith("    ")
        if indented and not inside and marked[-1:] == [""] and marked[-2:-1] != ["::"]:
            marked += ["::", ""]
        inside = indented or (inside and not line)
        marked.append(line)
    lines[:] = marked


def relink(text: str, origin: Path, page: str) -> str:
    """Make a file's links those of a page: to other pages, to pictures, or a path in plain text.

    Args:
        text: Markdown.
        origin: the file that its links are relative to.
        page: name of the page that shows it.

    Raises:
        FileNotFoundError: a link leads to a file that the repository does not have.
    """

    def replace(match: re.Match[str]) -> str:
        target = match["target"]
        if re.match(r"\w+:", target):
            return match[0]
        path = (origin.parent / target).resolve()
        if not path.exists():
            raise FileNotFoundError(f"{origin}: the link to {target} leads nowhere")
        shown = path if match["image"] else _page_of(path)
        if shown is not None:
            relative = os.path.relpath(shown, (DOCS / page).parent)
            return f"{match['image']}[{match['text']}]({relative}{match['anchor'] or ''})"
        inside = path.relative_to(ROOT).as_posix()
        text = match["text"].strip("`")
        return f"`{inside}`" if text in (inside, path.name) else f"{text} (`{inside}`)"

    parts = _FENCE.split(text)  # every second part is a fenced block
    return "".join(p if n % 2 else _LINK.sub(replace, p) for n, p in enumerate(parts))


def _page_of(path: Path) -> Path | None:
    """The page that shows a file of the repository; None where there is no such page."""
    for page, file in INCLUDED.items():
        if path == ROOT / file:
            return DOCS / f"{page}.md"
    if path == ROOT / "README.md":
        return DOCS / "index.md"
    return path if path.is_relative_to(DOCS) and path.suffix == ".md" else None
