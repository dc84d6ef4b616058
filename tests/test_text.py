"""Words for people: what a file's text may not do to a terminal, and what is read as text."""

import os
from pathlib import Path

import pytest

from segibn.errors import ConfigError, SegibnError
from segibn.text import counted, did_you_mean, printable, read_small_file, read_small_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Straße 5", "Straße 5"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    printable(text).encode("utf-8")  # and can be written


def test_names_that_differ_in_case_or_dashes_are_near() -> None:
    assert did_you_mean("Cityscapes", ["gta5", "cityscapes"]) == "; did you mean 'cityscapes'?"
    assert did_you_mean("--any_conditions", ["--any-conditions"]).endswith("'--any-conditions'?")
    assert did_you_mean("zebra", ["gta5"]) == ""


def test_one_is_no_plural() -> None:
    assert [counted(n, "frame") for n in (0, 1, 2000)] == ["0 frames", "1 frame", "2,000 frames"]
    assert counted(2, "class", "classes") == "2 classes"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_windows_texts_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("a\r\nb ü\r\n".encode(encoding))
    assert read_small_text(path, 100) == "a\nb ü\n"


def test_what_is_no_small_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xff\xfa\x00")
    with pytest.raises(ConfigError, match=r"list\.txt is not UTF-8.*save it as UTF-8"):
        read_small_text(path, 100, ConfigError)
    with pytest.raises(SegibnError, match="larger than 2 bytes"):
        read_small_file(path, 2)
    with pytest.raises(SegibnError, match="no such file"):
        read_small_file(tmp_path / "none", 2)
    os.mkfifo(tmp_path / "pipe")
    for special in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(SegibnError, match="a device or pipe"):
            read_small_file(special, 100)
    with pytest.raises(SegibnError, match="a folder"):
        read_small_file(tmp_path, 100)
