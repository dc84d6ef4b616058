"""The ``segibn`` command: table, help, imports, exit codes, what is next."""

import os
import re
import shlex
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import segibn
from segibn.cli import run_main
from segibn.cli.main import main
from segibn.cli.parser import print_next, verb_parser
from segibn.cli.verbs import GROUPS, VERBS
from segibn.errors import LostPeerError, SegibnError

ROOT = Path(segibn.__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
SEGIBN = [sys.executable, "-m", "segibn"]
NUMPY_NEEDED = {"evaluate", "stress", "score", "submit", "validate-submission", "compare", "cross-domain"}
"""Their choices and defaults stand beside formulas that need numpy."""


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SEGIBN, *words], capture_output=True, text=True, env=ENVIRONMENT, cwd=cwd, timeout=120)


def parser_of(verb: str):
    return import_module(f"segibn.cli.{VERBS[verb].module}").build_parser()


def examples_of(verb: str) -> list[list[str]]:
    """Return the words of every ``segibn`` or torchrun command in a verb's help."""
    text = re.sub(r"\\\n\s*", " ", parser_of(verb).epilog or "")
    commands = re.findall(r"^\s+(?:torchrun.*? -m )?segibn ([^\n>]*)", text, re.MULTILINE)
    return [shlex.split(re.split(r" {2,}[#(]", command)[0]) for command in commands]


def parses(words: list[str]) -> bool:
    parser = parser_of(words[0])
    for parse in (parser.parse_args, parser.parse_intermixed_args):
        try:
            parse(words[1:])
        except (SystemExit, TypeError):
            continue
        return True
    return False


def test_every_verb_has_a_module_of_its_name() -> None:
    verbs = {p.stem for p in (ROOT / "segibn/cli").glob("*.py") if "def main(" in p.read_text()}
    assert verbs - {"main"} == {verb.module for verb in VERBS.values()}
    assert len(VERBS) == sum(len(group.verbs) for group in GROUPS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_shows_an_example_of_it_and_all_examples_parse(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([verb, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: segibn {verb}")
    examples = examples_of(verb)
    assert verb in {words[0] for words in examples}
    for words in examples:
        assert parses(words), words


def test_examples_of_the_groups_parse_and_stand_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for group in GROUPS:
        assert group.example in shown
        program, *words = shlex.split(group.example)
        assert program == "segibn"
        assert words[0] in {verb.name for verb in group.verbs}
        assert parses(words), words
    for verb in VERBS.values():
        assert re.search(rf"^  {verb.name} +{re.escape(verb.summary)}$", shown, re.MULTILINE)
    assert max(map(len, shown.splitlines())) <= 80


def imported(*words: str) -> set[str]:
    """Return the top packages that a fresh interpreter has imported for some help."""
    code = (
        "import sys\nfrom segibn.cli.main import main\n"
        f"try: main({list(words)!r})\nexcept SystemExit: pass\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    return set(done.stdout.rpartition("MODULES ")[2].split())


def test_help_imports_neither_a_verb_nor_any_package() -> None:
    found = imported("--help")
    assert not found & {"torch", "albumentations", "numpy", "cv2", "pydantic", "yaml", "argparse"}


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_imports_no_heavy_package(verb: str) -> None:
    found = imported(verb, "--help")
    assert "argparse" in found
    heavy = {"torch", "torchvision", "albumentations", "scipy", "pydantic", "tensorboard", "rich"}
    assert not found & heavy
    if verb not in NUMPY_NEEDED:
        assert not found & {"numpy", "cv2", "imagecodecs", "PIL"}


def test_version_comes_from_the_package() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.split()[:2] == ["segibn", segibn.__version__]


@pytest.mark.parametrize(
    ("typed", "meant"), [("trian", "train"), ("sample_data", "sample-data"), ("cross_domain", "cross-domain")]
)
def test_an_unknown_verb_is_answered_by_the_likely_one(typed: str, meant: str) -> None:
    done = run(typed, "x")
    assert done.returncode == 2
    assert f"no verb '{typed}'; did you mean '{meant}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_options_before_the_verb_and_no_verb_at_all_are_mistakes() -> None:
    assert "options follow the verb" in run("--datasets", "/data", "train").stderr
    alone = run()
    assert alone.returncode == 2
    assert alone.stdout == run("--help").stdout == run("help").stdout


def test_a_mistyped_config_ends_with_the_likely_name_and_no_traceback(tmp_path: Path) -> None:
    done = run("train", "gta5_inb", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'gta5_ibn'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_stops_reading_is_no_error() -> None:
    command = f"{shlex.join(SEGIBN)} configs | head -n 1; echo ${{PIPESTATUS[0]}}"
    code = "import sys; from segibn.cli import run_main\nrun_main(lambda _: print('x' * 10**6) or 0)"
    flood = f"{shlex.join([sys.executable, '-c', code])} | head -c 1; echo ${{PIPESTATUS[0]}}"
    for line, status in ((command, {"0", "141"}), (flood, {"141"})):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1].removeprefix("x") in status


def fail(error: BaseException):
    def verb(_):
        raise error

    return verb


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (LostPeerError("rank 1 is gone"), 3, "error: rank 1 is gone"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "out/x.json"), 2, "out/x.json: Permission"),
        (OSError(28, "No space left on device", "out/x.pt"), 2, "out/x.pt: No space left"),
        (OSError(28, "No space left on device"), 2, "error: No space left"),
        (OSError(5, "Input/output error", "a.png"), 2, "a.png: Input/output error"),
        (MemoryError("Unable to allocate 9 GiB"), 2, "out of memory"),
    ],
)
def test_what_a_user_can_mend_ends_in_one_line_and_a_code(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_main(fail(error))
    assert stopped.value.code == code
    shown = capsys.readouterr().err
    assert says in shown
    assert len(shown.splitlines()) == 1


def test_a_bug_shows_where_it_is_and_so_does_a_mistake_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    for bug in (ZeroDivisionError(), OSError(5, "Input/output error")):
        with pytest.raises(type(bug)):
            run_main(fail(bug))
    monkeypatch.setenv("SEGIBN_TRACEBACK", "1")
    with pytest.raises(LostPeerError):
        run_main(fail(LostPeerError("gone")))


def test_ctrl_c_while_packages_are_imported_says_interrupted() -> None:
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from segibn.cli import run_main\n"  # a shell's background jobs ignore SIGINT
        f"run_main(lambda _: os.kill(os.getpid(), {int(signal.SIGINT)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("program", "usage", "after"),
    [
        ("/usr/bin/segibn", "segibn train", "segibn evaluate runs/a"),
        ("/x/segibn/__main__.py", "segibn train", "python -m segibn evaluate runs/a"),
        ("/x/tools/train.py", "python tools/train.py", "python -m segibn evaluate runs/a"),
    ],
)
def test_commands_are_named_as_they_were_called(
    program: str, usage: str, after: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    parser = verb_parser("train", "segibn train a.yaml\nsegibn train-more b")(lambda _: None)()
    assert parser.prog == usage
    assert parser.epilog == f"{usage} a.yaml\nsegibn train-more b"
    print_next("evaluate", "runs/a")
    assert capsys.readouterr().out == f"next: {after}\n"


def test_only_the_first_rank_says_what_is_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    print_next("evaluate", "runs/a")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("verb", "argv"),
    [
        ("evaluate", ["RUN.pt", "--output", "FILE/x.json"]),
        ("report", ["RUN.pt", "--output", "FILE/x.html"]),
        ("train", ["gta5_ibn", "--output", "FILE/x"]),
        ("cross_domain", ["RUN.pt", "--on", "camvid:val", "--output", "FILE/x"]),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_work(verb: str, argv: list[str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "RUN.pt").touch()
    words = {"FILE": str(file), "RUN": str(tmp_path / "RUN")}
    main = import_module(f"segibn.cli.{verb}").main
    with pytest.raises(SegibnError, match="is no folder to write in"):
        main([re.sub("FILE|RUN", lambda m: words[m[0]], word) for word in argv])
