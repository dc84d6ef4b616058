"""What happens to standard output and error ends nothing but what should end with them."""

import os
import subprocess
import sys
import textwrap

import pytest

from segibn.text.streams import LastingStream, outliving_readers

PRINTING = "from segibn.cli import run_main\nrun_main(lambda _: print('a \u2192 \udc80 b') or 0)"
TRAINING = """
import sys
from segibn.cli import run_main
from segibn.text.streams import outliving_readers
@outliving_readers()
def main(_):
    for line in range(9999):
        print("loss 0.5, and so on")
        print("a warning", file=sys.stderr)
    with open(sys.argv[1], "w") as file:
        file.write("saved")
    return 0
run_main(main)
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252:strict", "utf-8"])
def test_what_an_encoding_lacks_is_escaped(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTING.encode("unicode_escape").decode().replace("\\n", "\n")],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=60,
    )
    arrow = "\u2192".encode() if encoding == "utf-8" else b"\\u2192"
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"a " + arrow + b" \\udc80 b\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_verb_whose_output_is_lost_says_so_and_a_training_goes_on(tmp_path) -> None:
    """A full disk behind a redirection, a reader that left, and no output at all."""
    for command, code in (
        ('"$0" -c "$PRINTING" > /dev/full', 2),
        ('"$0" -c "$PRINTING" >&-', 0),
        ('"$0" -c "$TRAINING" "$SAVED" > /dev/full', 0),
        ('"$0" -c "$TRAINING" "$SAVED" > /dev/full 2>&1', 0),
        ('"$0" -c "$TRAINING" "$SAVED" >&- 2>&-', 0),
        ('"$0" -c "$TRAINING" "$SAVED" 2>&1 | head -n 1 > /dev/null; exit ${PIPESTATUS[0]}', 0),
    ):
        saved = tmp_path / "saved"
        saved.unlink(missing_ok=True)
        plain = PRINTING.replace("\u2192 \udc80", "")
        done = subprocess.run(
            ["bash", "-c", command, sys.executable],
            env={**os.environ, "PRINTING": plain, "TRAINING": TRAINING, "SAVED": str(saved)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, (command, done.stderr)
        assert "Exception ignored" not in done.stderr
        assert "Traceback" not in done.stderr
        assert saved.exists() == ("TRAINING" in command)
        if code:
            assert "standard output cannot be written (No space left" in done.stderr
            assert len(done.stderr.splitlines()) == 1


def test_streams_that_are_closed_or_missing_are_put_back(monkeypatch, tmp_path) -> None:
    closed = (tmp_path / "log").open("w")
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(sys, "stderr", None)
    with outliving_readers():
        print("into nothing")
        print("likewise", file=sys.stderr)
    assert (sys.stdout, sys.stderr) == (closed, None)


def test_a_reader_that_left_ends_only_what_it_should(monkeypatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", LastingStream(stream, ends_work=True))
        with outliving_readers():
            print("a line\n")
        print("into nothing, by now")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1) as stream, pytest.raises(BrokenPipeError):
        LastingStream(stream, ends_work=True).write("a line\n")


def test_what_libraries_print_by_themselves_is_silenced_for_a_block_alone() -> None:
    code = textwrap.dedent("""
        import os
        from segibn.text.streams import silenced
        print("before")
        with silenced(1, 2):
            os.write(1, b"C writes")
            os.write(2, b"and warns")
            print("so does Python")
        with silenced(2):
            os.write(1, b"kept ")
            os.write(2, b"lost")
        print("after", flush=True)
        os.write(2, b"heard")
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "before\nkept after\n"
    assert done.stderr == "heard"
