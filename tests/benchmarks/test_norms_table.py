"""The table of norms: scores by hand, costs from the benchmark's file."""

from pathlib import Path

from benchmarks.tables.norms import TIMES_FILE, render_norms
from segibn.files.writing import write_json


def rows(ibn: str, seed: int, shares: str, **scores: float) -> list[dict]:
    return [
        {
            "network": "resnet18",
            "ibn": ibn,
            "seed": seed,
            "test": test,
            "miou": miou,
            "signature": f"miou|infer:whole{shares}|flip:no",
        }
        for test, miou in scores.items()
    ]


def test_a_row_has_norm_scores_of_source_and_targets_and_both_costs(tmp_path: Path) -> None:
    plain = rows("none", 0, "", camvid=0.5, cityscapes=0.2, bdd100k=0.4)
    plain += rows("none", 1, "", camvid=0.6, cityscapes=0.3, bdd100k=0.4)
    with_ibn = rows("share0.3@8:last", 0, "", camvid=0.55, cityscapes=0.4, bdd100k=0.3)
    shared = rows("none", 0, "-share0.1@8", camvid=0.5, cityscapes=0.5, bdd100k=0.3)
    shared += rows("none", 1, "-share0.2@4", camvid=0.5, cityscapes=0.5, bdd100k=0.3)
    write_json(tmp_path / "camera_lite/cross_domain.json", plain + with_ibn)
    write_json(tmp_path / "camera_lite_share/cross_domain.json", shared)
    times = {"training step": 1.04, "frame": 1.015, "exported": 9}
    write_json(
        tmp_path / TIMES_FILE, [{"subject": f"ResNet-18, share 0.3@8:last, {k}", "ratio": v} for k, v in times.items()]
    )
    lines = [line for line in render_norms(tmp_path).splitlines() if "ResNet-18" in line]
    cells = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines]
    # targets: the means 0.3 and 0.35 of two seeds have a sample deviation of 0.05 / sqrt(2)
    assert cells == [
        ["ResNet-18", "ImageNet", "batch norm", "2", "55.0±7.1", "32.5±3.5", "1.00", "1.00"],
        ["ResNet-18", "ImageNet", "share 0.3@8:last", "1", "55.0", "35.0", "1.04", "1.01"],
        [
            "ResNet-18",
            "ImageNet",
            "batch norm, share 0.1@8 or share 0.2@4 at test time",
            *("2", "50.0±0.0", "40.0±0.0", "1.00", "-"),
        ],
    ]
