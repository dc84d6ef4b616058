import importlib
import subprocess
import sys

import pytest

from segibn.errors import ConfigError

TOOLS = {"check_dataset": "check", "make_submission": "submit"} | {
    name: name for name in ("train", "evaluate", "cross_domain", "score")
}


@pytest.mark.parametrize("arguments", [["--scales", "0"], ["--window", "512"], ["--stride", "x1"]])
def test_numbers_that_cannot_be_meant_are_refused_by_the_parser(arguments, capsys):
    module = importlib.import_module("segibn.cli.evaluate")
    with pytest.raises(SystemExit):
        module.build_parser().parse_args(["run", *arguments])
    assert "write" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_named(make_run, datasets):
    module = importlib.import_module("segibn.cli.evaluate")
    run = str(make_run("camvid", "camvid11"))
    for device in ("cuda:63", "gpu"):
        with pytest.raises(ConfigError, match=device):
            module.main([run, "--datasets", str(datasets), "--device", device])


def test_the_tools_call_their_verbs(repository):
    assert {path.stem for path in (repository / "tools").glob("*.py")} == TOOLS.keys()
    for tool, verb in TOOLS.items():
        text = (repository / "tools" / f"{tool}.py").read_text()
        assert f"from segibn.cli.{verb} import main" in text


def test_a_tool_prints_a_users_mistake_without_a_traceback(repository, tmp_path):
    tool = repository / "tools" / "cross_domain.py"
    (tmp_path / "none.pt").touch()
    command = [sys.executable, str(tool), "none.pt", "--on", "waymo:val"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown data set 'waymo'" in done.stderr
    assert "Traceback" not in done.stderr
