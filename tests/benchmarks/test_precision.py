"""The table of mIoU by number format says what a format costs, in points."""

from benchmarks.tables.measurements import render_precision


def _row(ibn, way, miou):
    given = {"network": "resnet18", "train": "gta5:train", "test": "camvid:val", "seed": 0}
    return given | {"ibn": ibn, "way": way, "miou": miou}


def test_changes_are_points_against_the_first_way():
    rows = [_row("none", "float32", 0.5), _row("none", "int8", 0.4875)]
    rows += [_row("a", "float32", 0.25), _row("a", "int8", 0.2512)]
    lines = render_precision({"rows": rows, "calibration_frames": 32}).splitlines()
    assert lines[0] == "| network | scored on | float32 | int8 |"
    assert lines[2] == "| resnet18, no IBN | camvid:val | 50.00 | 48.75 (-1.25) |"
    assert lines[3] == "| resnet18, IBN-a | camvid:val | 25.00 | 25.12 (+0.12) |"
    assert "32 frames of the training set (gta5:train)" in lines[-1]
