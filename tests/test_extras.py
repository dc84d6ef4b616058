"""Features whose package is not installed: what they do instead, or the message that they give."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml

from segibn.errors import ConfigError
from segibn.extras import is_there, require

ROOT = Path(__file__).resolve().parents[1]


def run_without(packages: list[str], code: str, *arguments: object) -> str:
    """Run code in a fresh interpreter in which packages cannot be imported; return its output."""
    blocked = f"import sys\nfor name in {packages!r}: sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


MESSAGE = """
    from segibn.errors import SegibnError
    try:
        {call}
    except SegibnError as error:
        print(type(error).__name__, error)
"""


def message_without(package: str, imports: str, call: str, *arguments: object) -> str:
    code = textwrap.dedent(imports) + textwrap.dedent(MESSAGE).format(call=call)
    return run_without([package], "import sys\nfrom pathlib import Path\n" + code, *arguments)


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    with pytest.raises(ConfigError, match=r"no_such_package: pip install 'segibn\[export\]'"):
        require("export", "numpy", "no_such_package", purpose="this test")
    require("export", "numpy", purpose="this test")
    assert is_there("numpy")
    assert not is_there("no_such_package")


@pytest.mark.parametrize(
    ("package", "extra", "imports", "call"),
    [
        (
            "pycocotools",
            "import",
            "import numpy\nfrom segibn.annotations.shapes import fill_as_coco",
            "fill_as_coco([numpy.zeros((3, 2))], (4, 4))",
        ),
        ("scipy", "gta5", "from segibn.data.datasets.gta5 import split_ids", "split_ids('train', Path(sys.argv[1]))"),
        (
            "pycocotools",
            "rle",
            "import numpy\nfrom segibn.submission.rle_maps import encode_rle",
            "encode_rle(numpy.zeros((2, 2), bool))",
        ),
    ],
)
def test_every_feature_of_an_extra_says_which(tmp_path, package, extra, imports, call):
    (tmp_path / "split.mat").touch()
    said = message_without(package, imports, call, tmp_path)
    assert f"needs {package}: pip install 'segibn[{extra}]'" in said


def test_pictures_are_the_same_without_imagecodecs(tmp_path):
    from segibn.files.encode import write_image
    from segibn.files.pictures import read_image

    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    write_image(tmp_path / "a.png", image)
    code = """
        import sys, numpy
        from segibn.files import png
        from segibn.files.pictures import read_image
        assert png.imagecodecs is None
        numpy.save(sys.argv[2], read_image(sys.argv[1]))
    """
    run_without(["imagecodecs"], code, tmp_path / "a.png", tmp_path / "read.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "read.npy"), image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


def test_metrics_are_written_without_tensorboard(tmp_path):
    code = """
        import logging, sys
        from pathlib import Path
        import numpy
        from segibn.engine.run_dir import MetricsLog, RunDir
        from segibn.engine.trackers import Trackers
        logging.basicConfig(level=logging.INFO, stream=sys.stdout)
        folder = Path(sys.argv[1])
        log = MetricsLog(RunDir(folder), 0, Trackers(["tensorboard"], folder, "x", 0, {}))
        log.write(3, {"loss": 0.5})
        log.picture(3, "frame", numpy.zeros((8, 8, 3), numpy.uint8))
        log.close()
    """
    said = run_without(["tensorboard"], code, tmp_path)
    assert "pip install 'segibn[train]'" in said
    assert yaml.safe_load((tmp_path / "metrics.jsonl").read_text()) == {"iteration": 3, "loss": 0.5}
    assert (tmp_path / "pictures" / "frame.jpg").is_file()
    assert not (tmp_path / "tensorboard").exists()
