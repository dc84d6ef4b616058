import subprocess
import sys
import zipfile

import pytest

from segibn.cli.validate_submission import main
from segibn.errors import SubmissionError
from segibn.files.writing import read_json


@pytest.fixture
def shipped(repository):
    """Return the published submission of seven real test frames."""
    return repository / "results" / "wad_7_frames.zip"


def _ids(path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    listed = tmp_path / "ids.txt"
    listed.write_text("\n".join(name[:17] for name in names))
    return listed


def test_the_shipped_submission_is_complete_for_its_own_frames(shipped, tmp_path, capsys):
    ids = _ids(shipped, tmp_path)
    assert main([str(shipped), "--format", "wad", "--ids", str(ids)]) == 0
    assert "a valid submission for WAD 2018 drivable area: 7 good maps" in capsys.readouterr().out


def test_the_shipped_submission_lacks_19993_of_the_official_frames(shipped, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert main([str(shipped), "--format", "wad", "--json", str(report)]) == 1
    assert "19993 frames without a map: cabc30fc-e7726578, " in capsys.readouterr().out
    (fault,) = read_json(report)["faults"]
    assert (fault["what"], fault["count"]) == ("frames without a map", 19_993)


def test_drivable_labels_give_the_four_definitions(datasets, tmp_path, capsys):
    labels = datasets / "bdd100k" / "drivable_maps" / "labels" / "val"
    images = datasets / "bdd100k" / "images" / "100k" / "val"
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for path in labels.iterdir():  # the truth itself
            archive.write(path, path.name)
    argv = [str(tmp_path / "s.zip"), "--format", "wad", "--images", str(images)]
    assert main([*argv, "--labels", str(labels)]) == 0
    text = capsys.readouterr().out
    for letter in "ABCD":
        assert f"{letter} 100.00  " in text
    assert "drivable-miou|set:val|n:3" in text


def test_exit_statuses_tell_faults_from_files_that_are_none(shipped, tmp_path):
    def status(*arguments):
        command = [sys.executable, "-m", "segibn", "validate-submission", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode

    assert status(shipped, "--format", "wad", "--ids", _ids(shipped, tmp_path)) == 0
    assert status(shipped, "--format", "bdd100k_drivable") == 1
    assert status(tmp_path / "ids.txt", "--format", "wad") == 2


def test_a_zip_in_another_benchmarks_form_is_told_apart(shipped, capsys):
    assert main([str(shipped), "--format", "cityscapes"]) == 1
    text = capsys.readouterr().out
    assert "7 files not named <id>_labelIds.png" in text
    assert "1525 frames without a map" in text
    with pytest.raises(SubmissionError, match="cannot be read"):
        main(["absent.zip", "--format", "wad"])
