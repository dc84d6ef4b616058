"""``divergence`` on two small domains, in one process and in two."""

import numpy as np
import pytest

from segibn.cli.divergence import main
from segibn.errors import ConfigError, SegibnError
from segibn.evaluation.feature_divergence import format_divergence, group_divergence
from segibn.files.pictures import image_size
from segibn.files.writing import read_json

DOMAINS = ("--domains", "camvid:val", "bdd100k_drivable:val", "--input-size", "32x48")


def _argv(runs, datasets, output, *more):
    paths = [str(run) for run in runs]
    return [*paths, *more, "--datasets", str(datasets), "--device", "cpu", "--output", str(output)]


def _row(ibn="none", seed=0, train="g:train", **values):
    return {
        "train": train,
        "network": "resnet18",
        "ibn": ibn,
        "seed": seed,
        "domains": ["g", "c"],
        "divergence": values,
    }


def test_two_domains_are_compared_in_several_networks(make_run, datasets, tmp_path, capsys):
    runs = [make_run("camvid", "camvid11", ibn) for ibn in ("none", "a")]
    assert main(_argv(runs, datasets, tmp_path, *DOMAINS)) == 0
    content = read_json(tmp_path / "feature_divergence.json")
    assert [row["ibn"] for row in content["rows"]] == ["none", "a"]
    for row in content["rows"]:
        assert list(row["divergence"]) == ["stem", *(f"layer{s}.{b}" for s in "1234" for b in "01")]
        assert all(value > 0 for value in row["divergence"].values())
        assert row["num_images"] == [3, 3]
        assert row["input_size"] == [32, 48]
    assert len(content["conditions"]["frames"]["bdd100k_drivable:val"]) == 3
    assert image_size(tmp_path / "feature_divergence.png") == (480, 960)
    table = (tmp_path / "feature_divergence.md").read_text()
    assert table in capsys.readouterr().out
    assert "| layer4.1 |" in table


def test_a_domain_with_itself_has_no_divergence(make_run, datasets, tmp_path):
    run = make_run("camvid", "camvid11")
    main(_argv([run], datasets, tmp_path, "--domains", "camvid:val", "camvid:val"))
    values = read_json(tmp_path / "feature_divergence.json")["rows"][0]["divergence"].values()
    np.testing.assert_array_equal(list(values), 0)


def test_two_processes_find_what_one_finds(make_run, datasets, tmp_path, repository, run_two_ranks):
    """Three frames on two gloo ranks: shares differ in length, no frame counts twice."""
    run = make_run("camvid", "camvid11", "a")
    main(_argv([run], datasets, tmp_path / "one", *DOMAINS))
    program = repository / "segibn" / "__main__.py"
    run_two_ranks(program, "divergence", *_argv([run], datasets, tmp_path / "two", *DOMAINS))
    one, two = (read_json(tmp_path / n / "feature_divergence.json") for n in ("one", "two"))
    assert two["conditions"]["processes"] == 2
    expected, found = (content["rows"][0]["divergence"] for content in (one, two))
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-10)


def test_one_frame_is_no_domain(datasets):
    with pytest.raises(ConfigError, match="two frames"):
        main(["x", "--domains", "camvid:val", "camvid:train", "--frames", "1"])


def test_two_different_domains_of_one_name_are_refused(datasets):
    with pytest.raises(ConfigError, match="another LABEL"):
        main(["x", "--domains", "d=camvid:val", "d=camvid:train"])


def test_the_table_averages_seeds_and_has_the_features_of_the_deepest_network():
    rows = [_row("none", 0, stem=1.0), _row("none", 1, stem=3.0)]
    rows += [_row("a", 0, stem=2.0, block=4.0), _row("a", 1, stem=2.0, block=4.0)]
    lines = format_divergence(rows).splitlines()
    assert [line.strip("| ").split(" | ") for line in lines if "|" in line] == [
        ["feature", "resnet18, no IBN", "resnet18, IBN-a"],
        ["---", "---", "---"],
        ["stem", "2.000±1.414", "2.000±0.000"],
        ["block", "-", "4.000±0.000"],
        ["mean", "2.000±1.414", "3.000±0.000"],
    ]


def test_networks_trained_on_different_sets_are_lines_of_their_own():
    table = format_divergence([_row(train="g:train", stem=1.0), _row(train="c:train", stem=2.0)])
    assert "resnet18, no IBN from g:train | resnet18, no IBN from c:train" in table


def test_rows_that_do_not_belong_together_are_refused():
    with pytest.raises(SegibnError, match="repeats"):
        group_divergence([_row(stem=1.0), _row(stem=2.0)])
    with pytest.raises(SegibnError, match="one pair"):
        group_divergence([_row(stem=1.0), _row(seed=1, stem=2.0) | {"domains": ["g", "d"]}])
    with pytest.raises(SegibnError, match="has no domains"):
        group_divergence([{k: v for k, v in _row(stem=1.0).items() if k != "domains"}])
