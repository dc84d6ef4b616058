"""The completion scripts, each asked by its own shell."""

import shutil
import subprocess
from pathlib import Path

import pytest

from segibn.cli.completion import EXAMPLE, main
from segibn.cli.verbs import VERBS

pytest.importorskip("shtab")

CASES = [
    ("segibn tra", {"train"}),
    ("segibn ", set(VERBS)),
    ("segibn train --dry", {"--dry-run"}),
    ("segibn submit bdd", {"bdd100k_drivable", "bdd100k_semseg"}),
    ("segibn completion z", {"zsh"}),
    ("segibn train --output my", {"my frames"}),
    ("segibn train mi", {"mine.yaml"}),
]

_BASH = """
source "$1"
read -ra COMP_WORDS <<< "$2"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_shtab_segibn
printf '%s\\n' "${COMPREPLY[@]}"
"""


def ask(shell: str, script: Path, line: str, folder: Path) -> set[str]:
    """Return what a shell offers after a line."""
    if shell == "fish":
        words = ["fish", "-c", 'source $argv[1]; complete -C "$argv[2]"', str(script), line]
    else:
        words = ["bash", "-c", _BASH, "bash", str(script), line]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, check=True, timeout=60)
    assert done.stderr == ""
    return {offered.partition("\t")[0].replace("\\ ", " ") for offered in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
@pytest.mark.parametrize(("line", "expected"), CASES)
def test_a_shell_offers_verbs_options_choices_and_files(
    shell: str, line: str, expected: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    folder = tmp_path / "here"
    (folder / "my frames").mkdir(parents=True)
    (folder / "mine.yaml").touch()
    assert main([shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    offered = {word.rstrip("/") for word in ask(shell, script, line, folder)}
    assert expected <= offered
    if not line.endswith(" "):
        start = line.rpartition(" ")[2]
        assert all(word.startswith(start) for word in offered), offered


def test_zsh_takes_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    main(["zsh"])
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    code = 'autoload -U compinit && compinit -D; eval "$(<$1)"; print -- $_comps[segibn]'
    done = subprocess.run(["zsh", "-f", "-c", code, "zsh", str(script)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "_segibn" in done.stdout


def test_the_lines_of_the_help_install_it_where_no_folder_is_yet(tmp_path: Path) -> None:
    lines = [line.partition("   (")[0] for line in EXAMPLE.splitlines()]
    lines = [line for line in lines if line.lstrip().startswith("mkdir") or " > " in line]
    script = "\n".join(["set -e", "segibn() { echo script; }", *lines])
    subprocess.run(["bash", "-c", script], check=True, env={"HOME": str(tmp_path)}, timeout=60)
    for place in ("bash-completion/completions/segibn", "fish/completions/segibn.fish"):
        assert [path.read_text() for path in tmp_path.rglob(place)] == ["script\n"]
