"""What a wheel and an sdist hold, and that an installed wheel works far from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_SHIPPED = ("__pycache__", ".pyc")


def tracked(*folders: str) -> set[str]:
    """Files of the repository below some folders, as git knows them or, without git, as they lie.

    Files that are new and not ignored count too.
    """
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode == 0:
        return {name for name in listing.stdout.splitlines() if (ROOT / name).is_file()}
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    names = (path.relative_to(ROOT).as_posix() for path in files)
    return {name for name in names if not any(part in name for part in NOT_SHIPPED)}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """The wheel and the sdist of the checkout; built from a copy, which leaves no traces in it."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    top = ("pyproject.toml", "setup.cfg", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
    rooms = (
        "segibn",
        "painted_scenes",
        "configs",
        "models",
        "tests",
        "tools",
        "docs",
        "Makefile",
        "CHANGELOG.md",
        ".ci",
    )
    for name in tracked(*top, *rooms, "hubconf.py", "CITATION.cff"):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    code = (
        "import sys\nfrom setuptools import build_meta\nprint(getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2]))"
    )
    files = {}
    for kind in ("sdist", "wheel"):
        done = subprocess.run(
            [sys.executable, "-c", code, kind, str(folder)], cwd=source, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        files[kind] = folder / done.stdout.splitlines()[-1]
    return files


def test_the_wheel_holds_the_package_and_the_configs_and_nothing_else(built):
    names = {name for name in zipfile.ZipFile(built["wheel"]).namelist() if name[-1] != "/"}
    package = {name for name in names if ".dist-info/" not in name}
    assert package == tracked("segibn", "painted_scenes") | {f"segibn/{name}" for name in tracked("configs")} | {
        name.replace("models/", "segibn/networks/") for name in tracked("models")
    }
    assert {"segibn/networks/street-lite.safetensors", "segibn/networks/drivable-lite.md"} <= package
    assert "segibn/py.typed" in package
    assert "segibn/configs/lists/camvid_frames_val.txt" in package


def test_both_files_are_as_an_index_wants_them_and_small(built):
    pytest.importorskip("twine", reason="needs twine")
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, built.values())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2
    assert all(path.stat().st_size < 25e6 for path in built.values())


def test_the_wheel_states_the_command_the_licence_and_small_requirements(built):
    wheel = zipfile.ZipFile(built["wheel"])
    texts = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "segibn = segibn.cli.main:" in wheel.read(texts["entry_points.txt"]).decode()
    assert "LICENSE" in texts
    lines = wheel.read(texts["METADATA"]).decode().split("\n\n", 1)[0].splitlines()
    needed = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert {line.split()[1].split(">")[0].lower() for line in needed} == {
        "torch", "torchvision", "opencv-python-headless", "numpy", "pillow", "pydantic", "pyyaml",
        "rich", "shtab", "jinja2", "matplotlib", "timm", "safetensors",
        "albumentations<2.1,",
    }  # fmt: skip


def test_the_sdist_holds_what_tests_and_documents_read(built):
    with tarfile.open(built["sdist"]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    rooms = tracked("segibn", "painted_scenes", "configs", "models", "tests", "tools", "docs", ".ci")
    top = tracked("Makefile", "setup.cfg", "setup.py", "CHANGELOG.md", "CITATION.cff", "hubconf.py")
    assert not (rooms | top | {"LICENSE", "pyproject.toml", "README.md"}) - names


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The folder of the commands of a new environment with the wheel in it.

    It has the packages that segibn needs from the environment that runs the tests, so that nothing
    is downloaded, but not the checkout.
    """
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    python = home / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    subprocess.run([*install, "--no-index", "-q", str(built["wheel"])], check=True)
    # Plain lines: .pth files of the folders themselves (an editable segibn) stay unread. The new
    # environment's own folder comes first.
    folders = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "dependencies.pth").write_text("\n".join(folders) + "\n")
    return home / "bin"


def run_installed(binary: Path, folder: Path, *arguments: str) -> str:
    """Run the command in a folder; whatever it opens must lie outside the checkout."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SEGIBN"))}
    done = subprocess.run(
        [binary / "segibn", *arguments],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"segibn {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    assert str(ROOT) + "/segibn" not in done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_an_installed_wheel_goes_from_an_empty_folder_to_predictions_and_a_report(installed, tmp_path):
    check = "import json, segibn, segibn.cli; print(json.dumps([segibn.__file__, *segibn.__path__]))"
    command = [installed / "python", "-I", "-c", check]
    for path in json.loads(subprocess.check_output(command, text=True, cwd=tmp_path)):
        assert Path(path).is_relative_to(installed.parent)
    assert "segibn 0." in run_installed(installed, tmp_path, "--version")
    assert "segibn VERB" in run_installed(installed, tmp_path, "--help")
    assert "gta5_ibn" in run_installed(installed, tmp_path, "configs")
    demo = run_installed(
        installed, tmp_path, "demo", "--output", "demo", "--frames", "6", "4",
        "--set", "optim.iterations=2", "optim.warmup_iterations=0",
        "optim.global_batch_size=2", "data.crop_size=[64,128]",
    )  # fmt: skip
    assert "next: segibn " in demo
    assert (tmp_path / "demo" / "cross_domain.md").is_file()
    assert "street-lite" in run_installed(installed, tmp_path, "models")
    checkpoints = sorted((tmp_path / "demo").rglob("last.pt"))
    frames = sorted((tmp_path / "demo").rglob("images/*.png"))[:2]
    assert len(checkpoints) == 3
    assert len(frames) == 2
    predict = ("predict", str(checkpoints[0]), *map(str, frames), "--output", "out")
    assert "then: look into out" in run_installed(installed, tmp_path, *predict)
    assert len(list((tmp_path / "out").rglob("*.png"))) >= 2
    run_installed(installed, tmp_path, "predict", *map(str, frames), "--output", "streets")
    assert len(list((tmp_path / "streets").rglob("*.jpg"))) == 2
    report = ("report", "demo", "--datasets", "demo/data_seed0", "--frames", "1")
    assert "then: open report.html" in run_installed(installed, tmp_path, *report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("sample_ibn_b") > 1
    assert "data:image/" in page
    config = next((tmp_path / "demo").rglob("config.yaml")).read_text()
    assert str(ROOT) not in config


def test_make_refuses_an_old_python_before_it_makes_an_environment(tmp_path):
    for name in ("Makefile", "pyproject.toml", "setup.py"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    old = tmp_path / "old"  # fails whatever it is asked, as 3.10 does when asked for 3.11
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in ("./old", "no-such-python"):
        command = ["make", f"PYTHON={python}", "demo"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode != 0
        assert f"{python} is missing or older than Python 3.11" in done.stderr
        assert "make PYTHON=python3.12 demo" in done.stderr
    assert not (tmp_path / ".venv").exists()
